"""Scores the averaged weights of a network while it is trained, and says which were the best so far.

Nothing of the training changes by it: the moving average is the network that is scored, in place and without
gradients, and the random state is put back. So a run with validation has the weights of one without, bit for bit, and
what a signal broke off is made up for when the run is resumed.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

from labelforge.errors import ConfigError, counted
from labelforge.trainer.checkpoint import CHECKPOINTS
from labelforge.trainer.checkpoint_writer import forget_lost_best, mark_best
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.distributed import StopRequest
from labelforge.trainer.evaluation.mistakes import percent
from labelforge.trainer.evaluation.pictures import WorstImages
from labelforge.trainer.evaluation.scoring import Evaluation, evaluate
from labelforge.trainer.log import MetricsLog
from labelforge.trainer.progress import TrainProgress
from labelforge.trainer.segmenter import NetworkSegmenter
from labelforge.trainer.validation.history import VALIDATION_LOG, History, SetScore, ValidationLine
from labelforge.trainer.validation.pictures import beside_truth, keep_pictures, save_pictures
from labelforge.trainer.validation.sets import PICTURED, ValidationSet


class _BreakOffError(Exception):
    """A signal asks to stop."""


class Validation:
    """What a run is validated on, and what that found so far. Without shard sets it is never due.

    Args:
        sets: What is scored.
        config: Configuration of the run.
        folder: The run's folder.
        step: Step that the run continues from.
        progress: Told of every validation.

    Attributes:
        history: The validations up to now.
        enough: Whether the run should end, because validations did not get better for as long as was asked for.

    Raises:
        ConfigError: Earlier validations of the run were on other images, or by another metric.
    """

    def __init__(
        self, sets: tuple[ValidationSet, ...], config: TrainConfig, folder: Path, step: int, progress: TrainProgress
    ) -> None:
        self.history = History.read(folder).until(step)
        self._sets = sets
        self._steps, self._config, self._keep = config.steps, config.validation, config.keep_checkpoints
        self._folder = folder
        self._progress = progress
        self.enough = bool(sets) and self.history.is_enough(config.validation)
        if sets and self.history.lines:
            self._check_comparable(self.history.lines[-1])

    def _check_comparable(self, before: ValidationLine) -> None:
        if before.compared != (self._config.metric, *sorted(item.content for item in self._sets)):
            what = (
                f"the run was validated on {', '.join(entry.name for entry in before.sets)} by {before.metric} so far"
            )
            images = f"({counted(sum(entry.images for entry in before.sets), 'image')})"
            cure = f"Give the same --val and validation settings, or remove {VALIDATION_LOG} to begin anew."
            raise ConfigError(
                f"{what} {images}, now on other images or by another metric", where=self._folder, cure=cure
            )

    def notes(self) -> list[str]:
        """What there is to say before the first step."""
        config = self._config
        if not self._sets:
            if self.history.best:
                return [f"validated until step {self.history.lines[-1].step}, but no more: add --val to go on with it."]
            changed = ", ".join(f"validation.{key}" for key in config.model_dump(exclude_defaults=True))
            return [f"{changed} does nothing without --val SHARDS."] if changed else []
        interval = config.interval(self._steps)
        when = (
            f"every {counted(interval, 'step')} and after the last" if interval < self._steps else "after the last step"
        )
        what = ". ".join(item.sentence for item in self._sets)
        return [f"validation {when}, on {what}."]

    def start(self) -> None:
        """Drop what the run has forgotten by going back to a checkpoint; only the process that writes may call it."""
        self.history.write(self._folder)
        steps = {line.step for line in self.history.lines}
        keep_pictures(self._folder, steps)
        forget_lost_best(self._folder)
        best = self.history.best
        if best and (self._folder / CHECKPOINTS / f"step-{best.step:07d}").is_dir():
            mark_best(self._folder, best.step, self._keep)

    def is_due(self, step: int) -> bool:
        """Whether a step ends with a validation that was not done yet."""
        due = step > 0 and (step % self._config.interval(self._steps) == 0 or step == self._steps)
        return bool(self._sets) and due and not self.history.has(step)

    def run(self, step: int, network: NetworkSegmenter, log: MetricsLog, stop: StopRequest) -> bool:
        """Score a network, and write down what was found.

        Args:
            step: Steps done.
            network: The averaged weights.
            log: The run's log; figures and pictures go to its TensorBoard.
            stop: Broken off when a signal asks to stop; then it is due again when the run is resumed.

        Returns:
            Whether it is the best so far.

        Raises:
            ShardError: A sample is broken.
        """
        start = time.perf_counter()
        pictures = WorstImages(PICTURED, only={item.reader.url: item.pictured for item in self._sets})
        try:
            evaluations = self._score(network, pictures, stop)
        except _BreakOffError:
            self._progress.note(f"the validation of step {step} was broken off; --resume makes up for it.")
            return False
        scores = [_set_score(item, found) for item, found in zip(self._sets, evaluations, strict=True)]
        line = ValidationLine.mean(step, self._config.metric, scores, time.perf_counter() - start)
        self.history = self.history.add(line)
        self.history.write(self._folder)
        self.enough = self.history.is_enough(self._config)
        self._show(line, pictures, log)
        assert self.history.best is not None
        return self.history.best.step == step

    def _score(self, network: NetworkSegmenter, pictures: WorstImages, stop: StopRequest) -> list[Evaluation]:
        total = sum(len(item.chosen) for item in self._sets)
        done = 0

        def advance(_: str, __: int, ___: int) -> None:
            nonlocal done
            done += 1
            self._progress.scoring(done, total)
            check()

        def check() -> None:
            if stop.signal is not None:
                raise _BreakOffError

        check()
        device = network.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            readers = [item.reader for item in self._sets]
            images = self._config.images
            return evaluate(network, readers, images=images, progress=advance, observe=pictures.see)

    def _show(self, line: ValidationLine, pictures: WorstImages, log: MetricsLog) -> None:
        best = self.history.best
        assert best is not None
        names = line.names
        figures = {name: entry.figure(line.metric) for name, entry in zip(names, line.sets, strict=True)}
        shown = {
            name: tuple(sorted(pictures.shown(item.reader.url), key=lambda picture: picture.key))
            for name, item in zip(names, self._sets, strict=True)
        }
        save_pictures(self._folder, line.step, shown)
        keep_pictures(self._folder, {line.step, best.step})
        mean = {"mean": line.score} if len(figures) > 1 else {}
        log.chart({f"validation/{name}": value for name, value in (figures | mean).items()}, line.step)
        for name, several in shown.items():
            for picture in several:
                tag = f"validation/{name}/{picture.key}"
                log.picture(tag, beside_truth(picture), line.step)
                if len(self.history.lines) == 1:
                    log.picture(f"{tag}/image", picture.image, line.step)
        said = ", ".join(f"{name} {percent(value)}" for name, value in (figures | mean).items())
        how = "the best so far" if best.step == line.step else f"best: {percent(best.score)} at step {best.step}"
        self._progress.note(f"validation at step {line.step}: {said} ({how})")

    def conclude(self, step: int) -> None:
        """Say so if the run ends before its last step because patience is used up."""
        best = self.history.best
        if self.enough and best and step < self._steps:
            tried = counted(self.history.since_best, "validation")
            self._progress.note(
                f"stopped early after step {step}: none of {tried} was better than {percent(best.score)} at step "
                f"{best.step}. To train on: --resume --set validation.patience=0."
            )


def _set_score(item: ValidationSet, found: Evaluation) -> SetScore:
    scores = found.scores
    figures = (scores.headline, scores.mean_iou, scores.mean_accuracy, scores.pixel_accuracy)
    return SetScore(item.name, item.content, found.images, *figures)
