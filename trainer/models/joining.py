"""Logits of classifiers that are joined: what leads to another classifier scores what that classifier's choices score.

A classifier for itself has one logit for "object", however little poles, benches and traffic lights have in common. A
joined one adds to it the logsumexp of the logits below: "object" is as likely as its likeliest kinds. Without the
logits of inner nodes that would be one softmax over all leaves, factorised along the tree as by Bertinetto et al. (CVPR
2020): the probability of a choice is the sum of those of the leaves below it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Join = tuple[int, int, int]
"""A classifier, the one above it, and which of that one's choices leads to it (from 0)."""


def join(logits_nchw: Tensor, sizes: Sequence[int], joins: Sequence[Join]) -> Tensor:
    """Add to each logit that leads to a joined classifier the logsumexp of that classifier's logits.

        >>> import torch
        >>> from labelforge.trainer.models.joining import join
        >>> join(torch.zeros(1, 5, 1, 1), (2, 3), [(1, 0, 1)]).flatten()
        tensor([0.0000, 1.0986, 0.0000, 0.0000, 0.0000])

    Args:
        logits_nchw: (N, C, h, w), classifier by classifier.
        sizes: Choices per classifier.
        joins: What is joined, in any order; a classifier comes after the one above it.

    Returns:
        (N, C, h, w), of the same dtype.
    """
    if not joins:
        return logits_nchw
    parts = list(torch.split(logits_nchw, list(sizes), dim=1))
    for below, above, choice in sorted(joins, reverse=True):
        part = parts[below] if logits_nchw.dtype == torch.float64 else parts[below].float()
        total = torch.logsumexp(part, dim=1, keepdim=True).to(logits_nchw.dtype)
        before, own, after = torch.split(parts[above], [choice, 1, sizes[above] - choice - 1], dim=1)
        parts[above] = torch.cat([before, own + total, after], dim=1)
    return torch.cat(parts, dim=1)
