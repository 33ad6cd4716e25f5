"""The experiment from top to bottom: shards, choices, counts.

Choosing and counting never meet. Choices (learning rate, option and reading) are made by networks trained on part of
the training frames and scored on a held-out block of every video. What counts are networks trained on all training
frames, with those choices, on frames that nothing was chosen by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from camvid_experiment.jobs import Job, Planner, Record, Score, merge
from camvid_experiment.pool import Pool
from camvid_experiment.purity import with_checkpoints
from camvid_experiment.shards import Shards
from camvid_experiment.table import Run
from labelforge.trainer.reading import Reading

Name = TypeVar("Name", tuple[str, int], tuple[str, float, str])
"""What jobs are called here: a run and a seed, or a run, a learning rate and an option."""

HELD_OUT = "held-out"
CHOOSING_SEED = 1000
"""Seed of all trainings that choose; the seeds that count are others."""


class Try(NamedTuple):
    """One of the things that a run chooses from."""

    rate: float
    option: str
    reading: Reading


class Choice(NamedTuple):
    """What a run chose, and how well all that it chose from did on the held-out frames.

    How well is the mean of mean IoU and mean accuracy, the two figures that are compared afterwards: either of them can
    be had at the cost of the other.
    """

    best: Try
    tried: dict[Try, float]

    @classmethod
    def of(cls, tried: dict[Try, float]) -> Choice:
        """The best; of equals the first."""
        return cls(max(tried, key=lambda each: tried[each]), tried)


class Count(NamedTuple):
    """One counted network, read in one way: a row of results.json."""

    run: str
    seed: int
    split: str
    reading: Reading
    score: Score


@dataclass
class Experiment:
    """What has been made so far.

    Attributes:
        planner: Makes jobs of runs.
        shards: The shards.
        pool: Does jobs.
        seeds: What is counted over.
        by_seed: Whether each seed has a division of its own.
        frames: Other frames to count on, if there are any.
        choices: By the name of the run.
        counts: All results, of networks read as was chosen.
        traded: Results of ours, the rivals and the bound with every adjustment: what mIoU costs in mean accuracy.
        jobs: The counted job by run and seed.
        purity: Title of the training that shows what boxes teach, and what it showed.
    """

    planner: Planner
    shards: Shards
    pool: Pool
    seeds: Sequence[int]
    by_seed: bool
    frames: Path | None
    choices: dict[str, Choice] = field(default_factory=dict)
    counts: list[Count] = field(default_factory=list)
    traded: list[Count] = field(default_factory=list)
    jobs: dict[tuple[str, int], Job] = field(default_factory=dict)
    purity: tuple[str, list[dict[str, Any]]] | None = None

    @cached_property
    def counted_on(self) -> dict[str, Path]:
        """Name -> shards of the frames that count."""
        return self.shards.counted_on(self.frames)

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs of the table."""
        return self.planner.table.runs

    @property
    def _to_count(self) -> int:
        return sum(len(self.planner.counted(number)) for number in range(len(self.seeds)))

    def choose(self) -> None:
        """Find every run's learning rate and reading, then its option, on the held-out frames."""
        rates, table = self.planner.rates, self.planner.table
        choosing = [run for run in self.runs if run.like is None]
        options = {run.name: table.options_of(run) for run in choosing}
        later = sum(map(len, options.values())) - len(choosing) + self._to_count
        again = any(len(each) > 1 for each in options.values())
        tried = self._try([(run, rate, "") for run in choosing for rate in rates], later, keep=again)
        first = {name: Choice.of(found).best for name, found in tried.items()}
        more = [(run, first[run.name].rate, option) for run in choosing for option in options[run.name] if option]
        for name, found in self._try(more, self._to_count).items():
            tried[name] |= found
        self.choices = {name: Choice.of(found) for name, found in tried.items()}

    def _try(
        self, trials: Sequence[tuple[Run, float, str]], later: int, *, keep: bool = False
    ) -> dict[str, dict[Try, float]]:
        """Train runs with learning rates and options, and score them on the held-out frames: by run, by trial."""
        shards = self.shards
        plans = {
            (run.name, rate, option): self.planner.job(
                run,
                "choose",
                CHOOSING_SEED,
                rate,
                shards.trained_on(run, "choose"),
                {HELD_OUT: shards.held_out(run.tree)},
                self._readings(run),
                option,
            )
            for run, rate, option in trials
        }
        if plans:
            shards.tell(f"Choosing: {len(merge(plans.values()))} trainings")
        records = self._do(plans, later, keep)
        found: dict[str, dict[Try, float]] = {}
        for run, rate, option in trials:
            name = (run.name, rate, option)
            for reading in self._readings(run):
                score = records[name].score(plans[name], HELD_OUT, reading)
                worth = (score["miou"] + score["mean_accuracy"]) / 2
                found.setdefault(run.name, {})[Try(rate, option, reading)] = worth
        return found

    def _readings(self, run: Run) -> tuple[Reading, ...]:
        return run.readings(self.planner.table.logit_adjustments)

    def _counted_readings(self, run: Run) -> list[Reading]:
        """The reading that a run chose, and but for an ablation that with every other adjustment."""
        chosen = self.choice(run).best.reading
        others = () if run.kind == "ablation" else self.planner.table.logit_adjustments
        return list(dict.fromkeys([chosen, *(chosen._replace(logit_adjustment=each) for each in others)]))

    def count(self) -> None:
        """Train every run on all of its frames, seed by seed, and score it on what counts."""
        plans = {}
        scored = {tree: self.shards.counted_on(self.frames, tree) for tree in {run.tree for run in self.runs}}
        for number, seed in enumerate(self.seeds):
            for run in self.planner.counted(number):
                best = self.choice(run).best
                trained_on = self.shards.trained_on(run, "count", seed if self.by_seed else 0)
                readings = self._counted_readings(run)
                plans[run.name, seed] = self.planner.job(
                    run, "count", seed, best.rate, trained_on, scored[run.tree], readings, best.option
                )
        asked = self._purity_job()
        self.shards.tell(f"Counting: {len(merge([*plans.values(), *asked.values()]))} trainings")
        records = self._do(plans | asked)
        self.jobs = plans
        counts = [
            Count(name, seed, split, reading, records[name, seed].score(job, split, reading))
            for (name, seed), job in plans.items()
            for split in self.counted_on
            for reading in self._counted_readings(self.planner.table.by_name(name))
        ]
        self.counts = [each for each in counts if each.reading == self.choice_of(each.run).best.reading]
        self.traded = [each for each in counts if self.planner.table.by_name(each.run).kind != "ablation"]
        for name, job in asked.items():
            self.purity = (job.title, records[name].purity or [])

    def _purity_job(self) -> dict[tuple[str, int], Job]:
        """The training that shows what boxes teach, if the table of runs asks for one."""
        name = self.planner.table.purity_of
        if name is None:
            return {}
        run, seed = self.planner.table.by_name(name), self.seeds[0]
        number = seed if self.by_seed else 0
        shards = self.shards.trained_on(run, "count", number)
        best = self.choice(run).best
        job = self.planner.job(run, "purity", seed, best.rate, shards, {}, [], best.option)
        truth = tuple((str(boxes), str(fine)) for boxes, fine in self.shards.truth_of_boxes(run, number))
        return {("purity", seed): replace(job, settings=with_checkpoints(job.settings), truth=truth)}

    def choice(self, run: Run) -> Choice:
        """The choice that a run takes: its own, or that of the run that it is like."""
        return self.choices[self.planner.table.chooses(run).name]

    def choice_of(self, name: str) -> Choice:
        """The choice that a run takes, by its name."""
        return self.choice(self.planner.table.by_name(name))

    def _do(self, plans: dict[Name, Job], later: int = 0, keep: bool = False) -> dict[Name, Record]:
        """Do jobs, those of the same training once."""
        merged = merge(plans.values())
        by_folder = {merged[key].folder: record for key, record in self.pool.do(merged, later, keep=keep).items()}
        return {name: by_folder[job.folder] for name, job in plans.items()}
