"""The experiment from top to bottom: shards, choices, counts.

Choosing and counting never meet. Choices (learning rate and reading) are made by networks trained on part of the
training frames and scored on a held-out block of every video. What counts are networks trained on all training frames,
with those choices, on frames that nothing was chosen by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from camvid_experiment.jobs import Job, Planner, Record, Score, merge
from camvid_experiment.pool import Pool
from camvid_experiment.purity import with_checkpoints
from camvid_experiment.shards import Shards
from camvid_experiment.table import Reading, Run

Name = TypeVar("Name", tuple[str, int], tuple[str, float])
"""What jobs are called here: a run and a seed, or a run and a learning rate."""

HELD_OUT = "held-out"
CHOOSING_SEED = 1000
"""Seed of all trainings that choose; the seeds that count are others."""


class Choice(NamedTuple):
    """What a run chose, and what it chose from."""

    rate: float
    reading: Reading
    tried: dict[tuple[float, Reading], float]
    """Mean IoU on the held-out frames."""


class Count(NamedTuple):
    """One counted network: a row of results.json."""

    run: str
    seed: int
    split: str
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
        counted_on: Name -> shards of the frames that count.
        choices: By the name of the run.
        counts: All results.
        jobs: The counted job by run and seed.
        purity: Title of the training that shows what boxes teach, and what it showed.
    """

    planner: Planner
    shards: Shards
    pool: Pool
    seeds: Sequence[int]
    by_seed: bool
    counted_on: dict[str, Path]
    choices: dict[str, Choice] = field(default_factory=dict)
    counts: list[Count] = field(default_factory=list)
    jobs: dict[tuple[str, int], Job] = field(default_factory=dict)
    purity: tuple[str, list[dict[str, Any]]] | None = None

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs of the table."""
        return self.planner.table.runs

    def choose(self) -> None:
        """Find every run's learning rate and reading on the held-out frames."""
        scored = {HELD_OUT: self.shards.held_out()}
        plans = {
            (run.name, rate): self.planner.job(
                run, "choose", CHOOSING_SEED, rate, self.shards.trained_on(run, "choose"), scored, run.readings
            )
            for run in self.runs
            if run.like is None
            for rate in self.planner.rates
        }
        self.shards.tell(f"Choosing: {len(merge(plans.values()))} trainings")
        records = self._do(plans, later=len(self.runs) * len(self.seeds))
        for run in self.runs:
            if run.like is None:
                tried = {
                    (rate, reading): records[run.name, rate].score(plans[run.name, rate], HELD_OUT, reading)["miou"]
                    for rate in self.planner.rates
                    for reading in run.readings
                }
                best = max(tried, key=lambda pair: tried[pair])
                self.choices[run.name] = Choice(*best, tried)

    def count(self) -> None:
        """Train every run on all of its frames, seed by seed, and score it on what counts."""
        plans = {}
        for seed in self.seeds:
            for run in self.runs:
                choice = self.choice(run)
                trained_on = self.shards.trained_on(run, "count", seed if self.by_seed else 0)
                plans[run.name, seed] = self.planner.job(
                    run, "count", seed, choice.rate, trained_on, self.counted_on, [choice.reading]
                )
        asked = self._purity_job()
        self.shards.tell(f"Counting: {len(merge([*plans.values(), *asked.values()]))} trainings")
        records = self._do(plans | asked)
        self.jobs = plans
        self.counts = [
            Count(name, seed, split, records[name, seed].score(job, split, self.choice_of(name).reading))
            for (name, seed), job in plans.items()
            for split in self.counted_on
        ]
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
        job = self.planner.job(run, "purity", seed, self.choice(run).rate, shards, {}, [])
        truth = tuple((str(boxes), str(fine)) for boxes, fine in self.shards.truth_of_boxes(run, number))
        return {("purity", seed): replace(job, settings=with_checkpoints(job.settings), truth=truth)}

    def choice(self, run: Run) -> Choice:
        """The choice that a run takes: its own, or that of the run that it is like."""
        return self.choices[self.planner.table.chooses(run).name]

    def choice_of(self, name: str) -> Choice:
        """The choice that a run takes, by its name."""
        return self.choice(self.planner.table.by_name(name))

    def _do(self, plans: dict[Name, Job], later: int = 0) -> dict[Name, Record]:
        """Do jobs, those of the same training once."""
        merged = merge(plans.values())
        by_folder = {merged[key].folder: record for key, record in self.pool.do(merged, later).items()}
        return {name: by_folder[job.folder] for name, job in plans.items()}
