"""Weighted means of pixel losses over all processes that train together.

The pixels of a classifier are in *groups*: those with pixel labels and those inside boxes, and, where every dataset
shall count the same, these again by dataset. Each group has a mean of its own; a classifier's loss is the mean over
the datasets that have pixels, for pixel labels and for boxes, and the sum of the two.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

KINDS = 2
"""Pixel labels, boxes."""


def grouped_sums(values: Tensor, groups: Tensor, number: int) -> Tensor:
    """(number,) sums of (M,) values by their (M,) group."""
    return torch.stack([values.masked_fill(groups != group, 0).sum() for group in range(number)])


def group_sizes(groups: Tensor, number: int, shares: Tensor | None = None) -> Tensor:
    """(number,) float64 pixels of each group, from their (M,) groups; or the sums of their (M,) shares."""
    if shares is not None:
        return grouped_sums(shares.double(), groups, number)
    return torch.stack([(groups == group).sum() for group in range(number)]).double()


def loss_means(sums: Tensor, sizes: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of the classifiers from this process's sums, and the pixel counts of all processes.

    Args:
        sums: (G, J) summed losses of this process, group g holding pixels of kind g % 2 (pixel labels, boxes) of
            dataset g // 2.
        sizes: (G, J) float64: what to divide them by: the number of pixels, or the sum of their shares.
        counts: (3, J) float64 pixels of this process: pixel labels, boxes, boxes before the gate.

    Returns:
        (J,) losses, whose gradient is this process's share times the number of processes, and (3, J) float64 counts.
    """
    several = dist.is_available() and dist.is_initialized()
    if several:
        packed = torch.cat([sums.detach().double(), sizes, counts])
        dist.all_reduce(packed)
        totals, sizes, counts = torch.split(packed, [len(sums), len(sizes), len(counts)])
    divisor = sizes.where(sizes > 0, torch.ones_like(sizes)).to(sums.dtype)
    if several:
        share = sums * dist.get_world_size() / divisor
        means = share + ((totals / divisor).to(sums.dtype) - share).detach()
    else:
        means = sums / divisor
    present = (sizes > 0).view(-1, KINDS, sums.shape[1]).sum(dim=0).clamp(min=1)
    return (means.view(-1, KINDS, sums.shape[1]).sum(dim=0) / present).sum(dim=0), counts
