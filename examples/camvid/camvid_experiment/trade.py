"""What mIoU costs in mean accuracy: networks read with every logit adjustment.

Either figure can be had at the cost of the other, by taking rare classes for less rare. So besides both figures as
chosen, networks are compared at equal cost: which mIoU ours has where it is read so that its mean accuracy is the
rival's, and which mean accuracy where its mIoU is. Between two strengths lies the straight line.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Final

from camvid_experiment.summary import MEASURES, Measure, Row, both_means, by_seed, table, verdict
from camvid_experiment.table import Run

OTHER: Final[dict[Measure, Measure]] = {"miou": "mean_accuracy", "mean_accuracy": "miou"}


def trade_section(rows: Sequence[Row], traded: Sequence[Row], runs: Sequence[Run], split: str) -> str:
    """The table of all adjustments, and what it says of the rivals.

    Args:
        rows: What was counted, as chosen.
        traded: The same networks with every adjustment.
        runs: Those to compare.
        split: The frames.

    Returns:
        Markdown; nothing if nothing was adjusted.
    """
    here = [row for row in traded if row["split"] == split]
    strengths = sorted({row["logit_adjustment"] for row in here})
    if len(strengths) < 2:
        return ""
    lines = []
    for run in runs:
        chosen = next(row["logit_adjustment"] for row in rows if row["run"] == run.name)
        cells = []
        for strength in strengths:
            miou, accuracy = both_means(_at(here, strength), run.name, split)
            mark = "**" if strength == chosen else ""
            cells.append(f"{mark}{100 * miou:.1f} / {100 * accuracy:.1f}{mark}")
        lines.append([run.name, *cells])
    text = (
        "mIoU / mean accuracy by the strength of logit adjustment (0: as trained; 1: as if all classes had been "
        "equally frequent); means over seeds, what was chosen in bold:\n\n"
    )
    text += table(["run", *(f"{strength:g}" for strength in strengths)], lines)
    rivals = [run.name for run in runs if run.kind == "rival"]
    ours = [run.name for run in runs if run.kind == "ours" and rivals]
    if not ours:
        return text
    said = [_said(rows, here, strengths, name, rivals, split) for name in ours]
    text += "".join(f"\n{sentence}\n" for sentence in said)
    compared = [_at_equal(rows, here, name, rivals, split, measure) for measure in OTHER for name in ours]
    heads = ["measure", "run", "hardest rival, as chosen", "ahead by, seed by seed", "verdict"]
    how = (
        "At equal cost: our networks, adjusted so that on these frames one figure is the rival's; what is between two "
        "strengths is taken from the straight line."
    )
    return f"{text}\n{how}\n\n{table(heads, compared)}"


def _at_equal(
    rows: Sequence[Row], traded: Sequence[Row], ours: str, rivals: Sequence[str], split: str, measure: Measure
) -> list[str]:
    """How far one of our runs is ahead in a measure where it equals a rival in the other.

    Returns:
        A line of the table, on the rival whose figures it reaches in the fewest seeds, and of these is least ahead of.
    """
    other = OTHER[measure]
    found = []
    for rival in rivals:
        theirs, others = (by_seed(rows, rival, split, each) for each in (measure, other))
        ahead: dict[int, float | None] = {}
        for seed in by_seed(rows, ours, split, measure).keys() & theirs.keys():
            curve = [row for row in traded if (row["run"], row["seed"]) == (ours, seed)]
            points = [(float(row[other] or 0), float(row[measure] or 0)) for row in curve]
            reached = reached_at(points, others[seed])
            ahead[seed] = None if reached is None else reached - theirs[seed]
        known = {seed: each for seed, each in sorted(ahead.items()) if each is not None}
        found.append((len(known) - len(ahead), fmean(known.values()) if known else 0.0, rival, ahead, known))
    missed, _, rival, ahead, known = min(found, key=lambda each: each[:2])
    said = ", ".join("not reached" if each is None else f"{100 * each:+.1f}" for _, each in sorted(ahead.items()))
    judged = f"its {MEASURES[other]} is not reached in every seed" if missed else verdict(known)
    return [f"{MEASURES[measure]} at equal {MEASURES[other]}", ours, rival, said, judged]


def reached_at(points: Iterable[tuple[float, float]], least: float) -> float | None:
    """The highest second value on the lines between points, in the order of their first values, from a first value on.

    Args:
        points: Pairs of values.
        least: The first value that is asked for, or more.

    Returns:
        The second value; None if no point has that much of the first.
    """
    ordered = sorted(points)
    enough = [second for first, second in ordered if first >= least]
    for (low, below), (high, above) in itertools.pairwise(ordered):
        if low < least < high:
            enough.append(below + (above - below) * (least - low) / (high - low))
    return max(enough, default=None)


def _said(
    rows: Sequence[Row], traded: Sequence[Row], strengths: Sequence[float], ours: str, rivals: Sequence[str], split: str
) -> str:
    """Whether a rival is as good as one of our runs in both figures, however it is adjusted."""
    miou, accuracy = both_means(rows, ours, split)
    as_good = []
    for rival in rivals:
        for strength in strengths:
            theirs = both_means(_at(traded, strength), rival, split)
            if theirs[0] >= miou and theirs[1] >= accuracy:
                as_good.append(f"{rival} at {strength:g}")
    if as_good:
        return f"At least as good in both as *{ours}* as chosen: {', '.join(as_good)}."
    return f"No rival, at any of these strengths, is as good in both as *{ours}* as chosen."


def _at(traded: Sequence[Row], strength: float) -> list[Row]:
    return [row for row in traded if row["logit_adjustment"] == strength]
