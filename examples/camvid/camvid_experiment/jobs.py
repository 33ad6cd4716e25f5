"""Jobs: one training each, and everything that is read from the network that comes of it.

A job is known by a digest of its settings and its shards. Runs that only differ in how answers are read share a job, a
job that is done is not done again, and one whose settings changed is another job.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from camvid_experiment.native import DATASETS, frames_of
from camvid_experiment.table import FormName, Run, Table
from labelforge.errors import ConfigError
from labelforge.files import json_digest, json_text, write_atomically
from labelforge.shards import ShardReader
from labelforge.trainer import TrainConfig
from labelforge.trainer.presets import overlay
from labelforge.trainer.reading import Reading
from labelforge.yamlfile import YamlFile

Score = dict[str, Any]
"""miou, mean_accuracy, iou (by class), official_miou: how one network does on one set of frames."""


@dataclass(frozen=True)
class Job:
    """One training, and what is to be read.

    Attributes:
        title: What to call it.
        part: ``choose`` or ``count``.
        folder: The run's own folder, below that of the experiment.
        settings: The configuration of the training.
        shards: What it is trained on.
        scored: Name -> shards that it is scored on.
        readings: How its answers are read.
        features: Folder for features that trainings with the same seed share.
        truth: Box shards, each with the fine labels of its frames; what boxes teach is compared with them, if any.
    """

    title: str
    part: str
    folder: str
    settings: Mapping[str, Any]
    shards: tuple[str, ...]
    scored: Mapping[str, str]
    readings: tuple[Reading, ...]
    features: str
    truth: tuple[tuple[str, str], ...] = ()

    @property
    def wanted(self) -> list[tuple[str, str, Reading]]:
        """Name of the frames, key of the score in the job's record, and reading; all that are to be scored."""
        found = []
        for name, shards in self.scored.items():
            digest = contents_digest(shards)
            for reading in self.readings:
                key = f"{name} {digest[:12]} by {reading.by} over {reading.over}"
                adjusted = f" adjusted {reading.logit_adjustment:g}" if reading.logit_adjustment else ""
                found.append((name, key + adjusted, reading))
        return found


@dataclass(frozen=True)
class Record:
    """What is known of a job, kept in ``record.json`` of its folder.

    Attributes:
        scores: Key of a score (`Job.wanted`) -> the score.
        seconds: How long the training took.
        purity: What boxes taught, if that was asked for (`camvid_experiment.purity`).
    """

    scores: dict[str, Score] = field(default_factory=dict)
    seconds: float | None = None
    purity: list[dict[str, Any]] | None = None

    @classmethod
    def read(cls, folder: Path) -> Record:
        """The record in a job's folder; an empty one if there is none."""
        try:
            return cls(**json.loads((folder / "record.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()

    def write(self, folder: Path) -> None:
        """Replace the record in a job's folder."""
        write_atomically(folder / "record.json", json_text(asdict(self)))

    def has_all(self, job: Job) -> bool:
        """Whether everything that a job is to find out is known."""
        return all(key in self.scores for _, key, _ in job.wanted) and (not job.truth or self.purity is not None)

    def score(self, job: Job, frames: str, reading: Reading) -> Score:
        """The score on some frames."""
        (key,) = [key for name, key, read in job.wanted if (name, read) == (frames, reading)]
        return self.scores[key]


@dataclass(frozen=True)
class Planner:
    """Makes jobs of runs.

    Attributes:
        table: The table of runs.
        form: ``small`` or ``full``.
        device: Device of the trainings.
        features: Folder for features, which trainings with the same seed share.
    """

    table: Table
    form: FormName
    device: str
    features: Path

    @cached_property
    def rates(self) -> tuple[float, ...]:
        """The learning rates that runs choose from."""
        return self.table.form(self.form).learning_rates

    def counted(self, number: int) -> list[Run]:
        """The runs that are counted with the seed of this number, from 0."""
        few = self.table.form(self.form).ablation_seeds
        return [run for run in self.table.runs if run.kind != "ablation" or few is None or number < few]

    def settings(self, run: Run, seed: int, rate: float, option: str = "") -> dict[str, Any]:
        """The configuration of one training; what the run itself sets lies over the option.

        Raises:
            ConfigError: A setting of the table is wrong.
        """
        own = {"seed": seed, "device": self.device, "optim": {"lr": rate}}
        chosen = self.table.options_of(self.table.chooses(run))[option]
        settings = self.table.base
        for layer in (self.table.form(self.form).settings, chosen, run.settings, own):
            settings = overlay(settings, layer)
        shares = settings.get("data", {}).get("batch", {})
        crops = share_out(self.table.crops, [shares.get(frames_of(kind), 1) for kind in run.datasets])
        batch = {DATASETS[kind].label_space: n for kind, n in zip(run.datasets, crops, strict=True)}
        settings = {**settings, "data": {**settings.get("data", {}), "batch": batch}}
        YamlFile.of_data(f"runs.yaml, {run.name}", settings, ConfigError).validate(TrainConfig)
        return settings

    def job(
        self,
        run: Run,
        part: str,
        seed: int,
        rate: float,
        shards: Iterable[Path],
        scored: Mapping[str, Path],
        readings: Iterable[Reading],
        option: str = "",
    ) -> Job:
        """One training of a run."""
        paths = tuple(str(path) for path in shards)
        settings = self.settings(run, seed, rate, option)
        digest = digest_of(part, settings, paths)
        head, sets = settings.get("model", {}).get("head", "hierarchical"), " ".join(run.datasets)
        which = " ".join(filter(None, [f"lr {rate:g}", option])) if part == "choose" else f"seed {seed}"
        return Job(
            title=f"{run.name}, {which}",
            part=part,
            folder=f"runs/{part}/{slug(f'{head} {sets} {run.fine} {which}')}-{digest[:8]}",
            settings=settings,
            shards=paths,
            scored={name: str(path) for name, path in scored.items()},
            readings=tuple(readings),
            features=str(self.features / f"seed-{seed}"),
        )


def merge(jobs: Iterable[Job]) -> dict[str, Job]:
    """Jobs by their digest; those of the same training are one, with the readings of all.

    Returns:
        Job's own digest -> job, in the order given.
    """
    found: dict[str, Job] = {}
    for job in jobs:
        key = digest_of(job.part, job.settings, job.shards)
        if key in found:
            first = found[key]
            readings = tuple(dict.fromkeys([*first.readings, *job.readings]))
            found[key] = replace(first, readings=readings)
        else:
            found[key] = job
    return found


def digest_of(part: str, settings: Mapping[str, Any], shards: Iterable[str]) -> str:
    """What makes a training what it is: its part, its settings, and what its shards hold."""
    return json_digest([part, dict(settings), [contents_digest(path) for path in shards]])


@cache
def contents_digest(shards: str) -> str:
    """What a shard set holds, whatever its folder is called."""
    reader = ShardReader(shards)
    return json_digest([reader.dataset, reader.taxonomy.digest, [shard.sha256 for shard in reader.manifest.shards]])


def share_out(crops: int, shares: Sequence[int]) -> list[int]:
    """Crops of a step for each dataset: one each, and the others as the shares ask, to whoever lacks most.

    >>> share_out(6, [1, 1, 1]), share_out(6, [3, 2, 1]), share_out(6, [3, 1])
    ([2, 2, 2], [3, 2, 1], [5, 1])
    """
    wanted = [crops * share / sum(shares) for share in shares]
    given = [1] * len(shares)
    while sum(given) < crops:
        lacking = [want - have for want, have in zip(wanted, given, strict=True)]
        given[lacking.index(max(lacking))] += 1
    return given


def slug(text: str) -> str:
    """A text as a file name."""
    kept = "".join(c if c.isalnum() or c in ".-" else " " for c in text.lower())
    return "-".join(kept.split())
