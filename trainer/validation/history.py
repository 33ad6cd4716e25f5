"""``RUN/validation.jsonl``: what every validation of a run found, and what follows from it.

Which one is the best and how many have come since are read from the lines alone, so a resumed run knows both as soon as
it has dropped the lines that lie behind its checkpoint, as it does with its log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Self

from labelforge.files import write_atomically
from labelforge.trainer.config import Metric, ValidationConfig

VALIDATION_LOG = "validation.jsonl"


@dataclass(frozen=True)
class SetScore:
    """Scores on one shard set; None where there was nothing to average.

    Attributes:
        name: Dataset and split.
        content: Digest of the images that were scored.
        images: How many.
        official: The figure of the dataset's own benchmark, in [0, 1]; so are the others.
        mean_iou: Mean IoU.
        mean_accuracy: Mean pixel accuracy.
        pixel_accuracy: Share of the scored pixels that are right.
    """

    name: str
    content: str
    images: int
    official: float | None
    mean_iou: float | None
    mean_accuracy: float | None
    pixel_accuracy: float | None

    def figure(self, metric: Metric) -> float:
        """The figure that decides; 0 where no decision was one of the labels."""
        found = {"official": self.official, "mean-iou": self.mean_iou, "mean-accuracy": self.mean_accuracy}[metric]
        return found or 0.0


@dataclass(frozen=True)
class ValidationLine:
    """One validation.

        >>> from labelforge.trainer import ValidationLine, train
        >>> result = train(["shards/cityscapes-train", "shards/gtsdb-train"], "runs/first", resume=True)
        >>> lines: tuple[ValidationLine, ...] = result.validations
        >>> lines, result.best  # this run was given no shards to validate on
        ((), None)

    Attributes:
        step: Steps done.
        metric: What decides (``validation.metric``).
        score: The mean of that over the shard sets, in [0, 1].
        sets: The scores on each.
        seconds: How long it took.
    """

    step: int
    metric: Metric
    score: float
    sets: tuple[SetScore, ...]
    seconds: float

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """A line of the file, as ``json.loads`` reads it."""
        sets = tuple(SetScore(**entry) for entry in record["sets"])
        return cls(**{**record, "sets": sets})

    @classmethod
    def mean(cls, step: int, metric: Metric, sets: Sequence[SetScore], seconds: float) -> Self:
        """The line of a validation with these scores."""
        return cls(step, metric, fmean(entry.figure(metric) for entry in sets), tuple(sets), seconds)

    @property
    def names(self) -> list[str]:
        """Names of the shard sets, numbered where two have the same."""
        names = [entry.name for entry in self.sets]
        return names if len(set(names)) == len(names) else [f"{name} ({i})" for i, name in enumerate(names, start=1)]

    @property
    def compared(self) -> tuple[str, ...]:
        """What must be the same in two validations for their scores to be comparable."""
        return (self.metric, *sorted(entry.content for entry in self.sets))


@dataclass(frozen=True)
class History:
    """The validations of a run.

    Attributes:
        lines: Oldest first.
    """

    lines: tuple[ValidationLine, ...] = ()

    @property
    def best(self) -> ValidationLine | None:
        """The first of those with the highest score; None if there are none."""
        return max(self.lines, key=lambda line: line.score, default=None)

    @property
    def since_best(self) -> int:
        """Validations since the best one."""
        return len(self.lines) - 1 - self.lines.index(self.best) if self.best else 0

    def has(self, step: int) -> bool:
        """Whether this step was validated."""
        return any(line.step == step for line in self.lines)

    def is_enough(self, config: ValidationConfig) -> bool:
        """Whether patience is used up."""
        return 0 < config.patience <= self.since_best

    def until(self, step: int) -> History:
        """Without what came after a step."""
        return History(tuple(line for line in self.lines if line.step <= step))

    def add(self, line: ValidationLine) -> History:
        """With one more."""
        return History((*self.lines, line))

    @classmethod
    def read(cls, run: Path) -> History:
        """All complete lines of a run's file; none if it was never validated."""
        path = run / VALIDATION_LOG
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        # A line without its end was cut short by a crash: its step is validated again after resuming.
        return cls(tuple(ValidationLine.of(json.loads(line)) for line in lines if line.endswith("\n")))

    def write(self, run: Path) -> None:
        """Replace a run's file; a run that was never validated has none."""
        if self.lines or (run / VALIDATION_LOG).is_file():
            write_atomically(run / VALIDATION_LOG, "".join(json.dumps(asdict(line)) + "\n" for line in self.lines))
