"""The figures of an evaluation by their names, and what one must know to read them: for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labelforge.errors import listed
from labelforge.trainer.evaluation.metrics import Scores, harmonic_mean_iou
from labelforge.trainer.evaluation.mistakes import percent

if TYPE_CHECKING:
    from labelforge.trainer.evaluation.scoring import Evaluation


def readings(evaluation: Evaluation) -> dict[str, Scores]:
    """The readings of the same pixels that there are, by name: strict, merged, consistent."""
    found = {"strict": evaluation.scores, "merged": evaluation.merged, "consistent": evaluation.consistent}
    return {name: scores for name, scores in found.items() if scores is not None}


def figure_lines(evaluation: Evaluation) -> list[tuple[str, str]]:
    """The summary figures, the protocol's own first: name, and field of :class:`Scores`."""
    protocol = evaluation.protocol
    lines = [(protocol.title, "headline")]
    if protocol.categories:
        lines.append((f"IoU category, {len(protocol.categories)} categories", "mean_category_iou"))
    if protocol.measure == "accuracy":
        lines.append(("mean IoU", "mean_iou"))
    else:
        lines.append(("mean pixel accuracy", "mean_accuracy"))
    return [*lines, ("pixel accuracy", "pixel_accuracy")]


def reading_notes(evaluation: Evaluation) -> list[str]:
    """What one must know to read the figures."""
    scores, protocol = evaluation.scores, evaluation.protocol
    occurring = sum(entry.pixels > 0 for entry in scores.classes)
    notes = [f"{occurring} of {len(scores.classes)} classes occur in the {scores.pixels:,} scored pixels."]
    if evaluation.by is not None:
        notes.append(f"Labels are read by {evaluation.by}.")
    if evaluation.over == "leaves":
        notes.append("Decided between answers that hold no other.")
    if evaluation.logit_adjustment:
        which = "Rare" if evaluation.logit_adjustment > 0 else "Frequent"
        how = "less rare" if evaluation.logit_adjustment > 0 else "more frequent"
        notes.append(f"{which} classes were taken for {how}: logit adjustment {evaluation.logit_adjustment:g}.")
    if not evaluation.trained:
        notes.append("The network was not trained on this dataset.")
    if scores.uncovered:
        what = "are left out" if protocol.other_decisions == "left-out" else "count as wrong"
        share = f"{scores.uncovered:,} of {scores.evaluated:,} evaluated pixels"
        notes.append(f"{share} were decided to be none of these classes and {what}.")
    if evaluation.reduced:
        notes.append(
            f"Images stored smaller than the dataset has them: {evaluation.reduced} of {evaluation.images}. "
            "The figures are not those of the original size."
        )
    if evaluation.not_in_tree:
        notes.append(f"Evaluated, but not in this tree, so never right: {listed(evaluation.not_in_tree)}.")
    said = {label for entry in scores.classes if entry.predicted for label in entry.labels}
    alone = [group[0] for group in evaluation.confusable if len(group) == 1 and group[0] not in said]
    groups = [group for group in evaluation.confusable if len(group) > 1]
    if groups:
        notes.append(f"Not told apart by this network, so one class in 'merged': {_groups(groups)}.")
    if alone:
        what = "Never decided, since no answer of this network lies within what it means"
        notes.append(f"{what} (in 'merged', one that reaches beyond counts): {listed(alone)}.")
    return notes


_GROUPS, _MEMBERS = 6, 5  # named in the terminal; --json names them all


def _groups(groups: Sequence[tuple[str, ...]]) -> str:
    named = [f"({listed(group, _MEMBERS)})" for group in groups]
    more = f" and {len(named) - _GROUPS} more groups" if len(named) > _GROUPS + 1 else ""
    return "; ".join(named[:_GROUPS] if more else named) + more


def over_all(evaluations: Sequence[Evaluation]) -> str:
    """The summary of several datasets in a sentence."""
    mean = harmonic_mean_iou([evaluation.scores for evaluation in evaluations])
    scored = sum(evaluation.scores.mean_iou is not None for evaluation in evaluations)
    some = f"{scored} of {len(evaluations)}" if scored < len(evaluations) else f"{scored}"
    text = f"Harmonic mean of the mean IoU over {some} datasets (as MSeg): {percent(mean)}."
    unseen = [evaluation.dataset for evaluation in evaluations if not evaluation.trained]
    if not unseen:
        return f"{text} The training saw all of them."
    return f"{text} Not in the training: {', '.join(dict.fromkeys(unseen))}."
