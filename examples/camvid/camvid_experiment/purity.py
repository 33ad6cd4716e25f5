"""How right the pixels are that boxes teach: early, in the middle and late in a training.

The example has the fine labels of its box frames, which no network sees. So it can say which share of the pixels in
boxes shows the box's class, and what the gate makes of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelforge.trainer import BoxPurity, box_purity, find_checkpoint
from labelforge.trainer.checkpoint import list_checkpoints
from labelforge.trainer.evaluation.purity import altogether

PARTS = 16
"""A training is measured after the first of so many parts, after half of them, and at its end."""


def with_checkpoints(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a training that keeps a checkpoint after each part."""
    every = max(1, settings["steps"] // PARTS)
    return {**settings, "checkpoint_every": every, "keep_checkpoints": settings["steps"] // every + 1}


def measure(run: Path, truth: Sequence[tuple[str, str]], device: str) -> list[dict[str, Any]]:
    """Compare the pixels in boxes with fine labels at three steps of a training.

    Args:
        run: Its folder, with a checkpoint after each part.
        truth: Box shards, each with shards of the same frames that have fine labels.
        device: Where to compute.

    Returns:
        Per step and class, and for all classes together: step, label, and the counts and shares of
        :class:`labelforge.trainer.BoxPurity`.
    """
    checkpoints = [find_checkpoint(folder) for folder in list_checkpoints(run)]
    middle = min(checkpoints, key=lambda each: abs(each.step - checkpoints[-1].step / 2))
    chosen = {each.step: each for each in (checkpoints[0], middle, checkpoints[-1])}
    boxes, fine = zip(*truth, strict=True)
    found = []
    for step, checkpoint in sorted(chosen.items()):
        entries: list[BoxPurity] = box_purity(checkpoint.folder, boxes, fine, device=device)
        for label, entry in [*((each.label, each) for each in entries), ("all", altogether(entries))]:
            found.append({**entry.to_dict(), "step": step, "label": label})
    return found


def section(name: str, found: Sequence[dict[str, Any]]) -> str:
    """The part of RESULTS.md about it."""
    shares = ("purity", "openness", "gated_purity", "kept")
    lines = [
        f"| {entry['step']} | {entry['label']} | "
        + " | ".join("-" if entry[share] is None else f"{100 * entry[share]:.0f}" for share in shares)
        + " |"
        for entry in found
    ]
    return (
        f"## What boxes teach\n\n{name}: pixels in boxes against the fine labels of the same "
        "frames, in percent. Looked at with the averaged weights.\n\n"
        "| step | box | show its class | pass the gate | of these, show it | of those that show it, pass |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n"
    )
