"""Which pixels inside boxes count for a classifier: those where the classifiers above decide for it, or all.

No gradient flows through these decisions.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from labelforge.logits import LogitLayout
from labelforge.trainer.config import Gate


def pass_gate(boxes: Tensor, parts: Sequence[Tensor], layout: LogitLayout, classifier: int, gate: Gate) -> Tensor:
    """The box pixels where the classifiers above, as many as the gate asks, choose the way to this one.

    Args:
        boxes: (N, H, W) bool: pixels inside boxes whose labels train the classifier.
        parts: Per classifier, its (N, H, W, Cj) logits.
        layout: The classifiers.
        classifier: Its number.
        gate: Which of those above must choose it.

    Returns:
        (N, H, W) bool, False outside ``boxes``.
    """
    above = layout.ancestors(classifier)
    asked = {"parent": above[:1], "path": above, "none": ()}[gate]
    passed = boxes.clone()
    for ancestor, branch in asked:
        pixels = passed.nonzero(as_tuple=True)
        passed[pixels] = parts[ancestor].detach()[pixels].argmax(dim=1) == branch
    return passed
