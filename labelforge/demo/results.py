"""What a demo measured: who is ahead, in words, and everything as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from labelforge.demo.settings import HEADS, Demo, train_config
from labelforge.demo.spread import COVERED, DRAWS, Lead, compare

if TYPE_CHECKING:
    from labelforge.protocol import Measure
    from labelforge.trainer.evaluation.scoring import Evaluation

OURS, *RIVALS = HEADS
"""The hierarchical network, and what it is compared with."""

MEANS: dict[Measure, str] = {"iou": "mean IoU", "accuracy": "mean pixel accuracy"}
"""What a score is called, by what it is a mean of."""


def rows(demo: Demo) -> list[tuple[Evaluation, ...]]:
    """One row per dataset, one evaluation per head in the order of HEADS."""
    return list(zip(*(demo.scores[head] for head in HEADS), strict=True))


def score(evaluation: Evaluation) -> float:
    """The dataset's official score, in [0, 1]; 0 where nothing was scored."""
    return evaluation.scores.headline or 0.0


def other_measure(evaluation: Evaluation) -> Measure:
    """The measure that is not the official one of the dataset."""
    return "accuracy" if evaluation.protocol.measure == "iou" else "iou"


def other_score(evaluation: Evaluation) -> float:
    """The mean of the measure that is not the official one, in [0, 1]; 0 where nothing was scored."""
    scores = evaluation.scores
    return (scores.mean_iou if other_measure(evaluation) == "iou" else scores.mean_accuracy) or 0.0


def leads(demo: Demo) -> list[Lead]:
    """Per dataset, how far the hierarchical network is ahead of the better one of the others."""
    found = []
    for number, (evaluation, *_) in enumerate(rows(demo)):
        rivals = {head: demo.tallies[head][number] for head in RIVALS}
        found.append(compare(evaluation.dataset, demo.tallies[OURS][number], rivals))
    return found


def verdict(demo: Demo) -> str:
    """How the hierarchical network compares with the better rival on each dataset, in two sentences."""
    ranges = f"The ranges in brackets hold {COVERED:.0%} of the differences in {DRAWS:,} other draws of the images."
    return f"{in_words(leads(demo))} {ranges}"


def in_words(found: Sequence[Lead]) -> str:
    """Leads as one sentence, those of one measure together."""
    by_measure: dict[Measure, list[str]] = {}
    for lead in found:
        by_measure.setdefault(lead.measure, []).append(lead.sentence)
    text = ""
    for measure, said in by_measure.items():
        start = f"; in {MEANS[measure]} it" if text else f"In {MEANS[measure]} the {OURS} network"
        text += f"{start} is {' and '.join(said)}"
    return f"{text}."


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
