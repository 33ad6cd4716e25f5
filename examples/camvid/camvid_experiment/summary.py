"""Means, spreads and paired differences of results: plain arithmetic on the rows of results.json, and their tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any, Literal, NamedTuple

Row = Mapping[str, Any]
"""run, seed, split, logit_adjustment, miou, mean_accuracy, iou (class -> IoU or None)."""

Measure = Literal["miou", "mean_accuracy"]
MEASURES: dict[Measure, str] = {"miou": "mIoU", "mean_accuracy": "mean accuracy"}
MOVERS = ("Car", "Pedestrian", "Bicyclist")


class Spread(NamedTuple):
    """A mean over seeds and the sample standard deviation; None for a single seed."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of some values."""
        return cls(fmean(values), stdev(values) if len(values) > 1 else None)

    def percent(self, sign: bool = False) -> str:
        """In percent with one decimal: ``50.4 ± 0.2``."""
        mean = f"{100 * self.mean:{'+' if sign else ''}.1f}"
        return mean if self.sd is None else f"{mean} ± {100 * self.sd:.1f}"


def by_seed(rows: Sequence[Row], run: str, split: str, measure: Measure) -> dict[int, float]:
    """Seed -> a run's figure on some frames."""
    found = [row for row in rows if (row["run"], row["split"]) == (run, split)]
    return {row["seed"]: float(row[measure] or 0.0) for row in found}


def spread(rows: Sequence[Row], run: str, split: str, measure: Measure) -> Spread:
    """A run's figure over its seeds."""
    return Spread.of(list(by_seed(rows, run, split, measure).values()))


def paired(rows: Sequence[Row], run: str, other: str, split: str, measure: Measure) -> dict[int, float]:
    """Seed -> how far a run is ahead of another with the same seed; seeds that only one of them has are left out."""
    ours, theirs = by_seed(rows, run, split, measure), by_seed(rows, other, split, measure)
    return {seed: ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())}


def strongest(rows: Sequence[Row], runs: Sequence[str], split: str, measure: Measure) -> str:
    """The run with the best mean: of equal ones, the first."""
    return max(runs, key=lambda run: spread(rows, run, split, measure).mean)


def both_means(rows: Sequence[Row], run: str, split: str) -> tuple[float, float]:
    """A run's mIoU and mean accuracy, means over its seeds."""
    return spread(rows, run, split, "miou").mean, spread(rows, run, split, "mean_accuracy").mean


def class_means(rows: Sequence[Row], run: str, split: str) -> dict[str, float]:
    """Class -> mean IoU over seeds; 0 where a class neither occurs nor is decided, as CamVid's tool counts it."""
    found = [row["iou"] for row in rows if (row["run"], row["split"]) == (run, split)]
    return {name: fmean(iou[name] or 0.0 for iou in found) for name in found[0]}


def verdict(differences: Mapping[int, float]) -> str:
    """What the paired differences of one measure say, in words that a sceptic could have chosen.

    Ahead (or behind) by more than the spread: the mean difference is more than its own standard deviation over seeds,
    and every seed agrees on the sign.
    """
    values = list(differences.values())
    if len(values) < 2:
        return "one seed, which says little"
    mean, sd = fmean(values), stdev(values)
    same_sign = all(value > 0 for value in values) or all(value < 0 for value in values)
    if not same_sign or abs(mean) <= sd:
        return "not told apart: the seeds differ by more"
    return f"{'ahead' if mean > 0 else 'behind'} by more than the spread of the seeds"


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    rule = "|".join("---" for _ in heads)
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"| {' | '.join(heads)} |\n|{rule}|\n{body}\n"
