"""What mIoU costs in mean accuracy: networks read with every logit adjustment.

Either figure can be had at the cost of the other, by taking rare classes for less rare. So a network is better than
another only if it is ahead where both are read as suits them.
"""

from __future__ import annotations

from collections.abc import Sequence

from camvid_experiment.summary import Row, both_means, table
from camvid_experiment.table import Run


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
    said = [_said(rows, here, strengths, run.name, rivals, split) for run in runs if run.kind == "ours" and rivals]
    return text + "".join(f"\n{sentence}\n" for sentence in said)


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
