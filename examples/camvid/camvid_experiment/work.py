"""Does one job: trains its network, or goes on with it, and scores it.

A decision for no class is wrong here. CamVid's own tool leaves such pixels out, which would reward a network for
answering *construction* where it is unsure of *building*; that figure is kept as ``official_miou``.
"""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camvid_experiment.jobs import Job, Record, Score
from labelforge.orphans import end_with_parent
from labelforge.trainer.presets import overlay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelforge.trainer import Evaluation, Segmenter
    from labelforge.trainer.reading import Reading

PATIENCE = 60
"""Seconds that a training has to save a checkpoint when the experiment's process is gone."""

KEPT = ("count",)
"""Parts whose networks are kept; others are removed once they are scored."""


def start_worker(threads: int) -> None:
    """Prepare a process for jobs: so many threads, and Ctrl-C only counts in training, which saves what it has."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    end_with_parent(PATIENCE)


def do_job(job: Job, out: Path) -> Record | None:
    """Train and score, as far as an earlier call has not.

    Returns:
        The record; None if the training was stopped by a signal, which leaves a checkpoint to go on from.

    Raises:
        LabelforgeError: The settings are wrong, or the loss became infinite.
    """
    from camvid_experiment.purity import measure
    from labelforge.trainer import Segmenter, TrainConfig, train
    from labelforge.trainer.checkpoint import CHECKPOINTS, list_checkpoints

    folder = out / job.folder
    record = Record.read(folder)
    if record.has_all(job):
        return record
    if record.seconds is not None and (not list_checkpoints(folder) or _lacks_priors(folder, job)):
        shutil.rmtree(folder)  # scores of two networks must not be compared as if they were of one
        record = Record()
    if record.seconds is None:
        config = TrainConfig.model_validate(_with_features(job))
        start = time.perf_counter()
        result = train(list(job.shards), folder, config, resume=(folder / "config.yaml").is_file())
        if result.stopped_by is not None:
            return None
        record = replace(record, seconds=round(time.perf_counter() - start, 1))
        record.write(folder)
    for name, shards in job.scored.items():
        missing = {key: reading for frames, key, reading in job.wanted if frames == name and key not in record.scores}
        if missing:
            network = Segmenter.load(folder, str(job.settings["device"]))
            record.scores.update(zip(missing, score_network(network, shards, [*missing.values()]), strict=True))
            record.write(folder)
    if job.truth and record.purity is None:
        record = replace(record, purity=measure(folder, job.truth, str(job.settings["device"])))
        record.write(folder)
    if job.part not in KEPT:
        shutil.rmtree(folder / CHECKPOINTS)
    return record


def _lacks_priors(folder: Path, job: Job) -> bool:
    """Whether a trained network was made by an earlier labelforge, so that it cannot be adjusted as is asked."""
    from labelforge.trainer.checkpoint import find_checkpoint

    adjusted = any(reading.logit_adjustment for reading in job.readings)
    return adjusted and find_checkpoint(folder).about.priors is None


def _with_features(job: Job) -> dict[str, Any]:
    """The settings, and where features are kept if they are: no part of what makes a job what it is."""
    if not job.settings.get("data", {}).get("views"):
        return dict(job.settings)
    return overlay(job.settings, {"data": {"feature_folder": job.features}})


def score_network(network: Segmenter, shards: str, readings: Sequence[Reading]) -> list[Score]:
    """Score a trained network on one shard set, once for each way to read it."""
    from labelforge.trainer import evaluate_readings

    (evaluations,) = evaluate_readings(network, [shards], readings)
    return [_score(evaluation) for evaluation in evaluations]


def _score(evaluation: Evaluation) -> Score:
    from labelforge.trainer.evaluation.metrics import score_classes

    scores = score_classes(evaluation.matrix, replace(evaluation.protocol, other_decisions="wrong"))
    return {
        "miou": scores.mean_iou,
        "mean_accuracy": scores.mean_accuracy,
        "iou": {entry.name: entry.iou for entry in scores.classes},
        "accuracy": {entry.name: entry.accuracy for entry in scores.classes},
        "official_miou": evaluation.scores.mean_iou,
    }
