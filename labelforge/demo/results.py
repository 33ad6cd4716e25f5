"""What a demo measured: who is ahead, in words, and everything as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from labelforge.demo.settings import HEADS, Demo, train_config
from labelforge.demo.spread import COVERED, Lead, compare

if TYPE_CHECKING:
    from labelforge.trainer.evaluation.scoring import Evaluation

OURS, *RIVALS = HEADS
"""The hierarchical network, and what it is compared with."""


def rows(demo: Demo) -> list[tuple[Evaluation, ...]]:
    """One row per dataset, one evaluation per head in the order of HEADS."""
    return list(zip(*(demo.scores[head] for head in HEADS), strict=True))


def accuracy(evaluation: Evaluation) -> float:
    """Mean pixel accuracy, in [0, 1]; 0 where nothing was scored."""
    return evaluation.scores.mean_accuracy or 0.0


def leads(demo: Demo) -> list[Lead]:
    """Per dataset, how far the hierarchical network is ahead of the better one of the others."""
    found = []
    for number, (evaluation, *_) in enumerate(rows(demo)):
        rivals = {head: demo.tallies[head][number] for head in RIVALS}
        found.append(compare(evaluation.dataset, demo.tallies[OURS][number], rivals))
    return found


def verdict(demo: Demo) -> str:
    """How the hierarchical network compares with the better rival on each dataset, in two sentences."""
    *some, last = [lead.sentence for lead in leads(demo)]
    text = f"In mean pixel accuracy the {OURS} network is {'; '.join(some)}; and {last}."
    return f"{text} In brackets: what the difference is in {COVERED:.0%} of a thousand other draws of the images."


def results(demo: Demo) -> dict[str, Any]:
    """Everything, for JSON: settings, seconds per stage, leads, and of each network settings, log and scores."""
    settings = demo.settings
    return {
        "seed": settings.seed,
        "steps": settings.steps,
        "seconds": demo.seconds,
        "leads": [asdict(lead) for lead in leads(demo)],
        "networks": {
            head: {
                "config": train_config(settings, head).model_dump(mode="json", exclude_defaults=True),
                "log": [asdict(line) for line in demo.runs[head].log],
                "evaluations": [evaluation.to_dict() for evaluation in demo.scores[head]],
            }
            for head in HEADS
        },
    }
