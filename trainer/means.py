"""Means of pixel losses over all processes that train together.

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


def group_sizes(groups: Tensor, number: int) -> Tensor:
    """(number,) int64 pixels of each group, from their (M,) groups."""
    return torch.stack([(groups == group).sum() for group in range(number)])


def loss_means(sums: Tensor, sizes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of the classifiers from this process's sums, and the pixel counts of all processes.

    Args:
        sums: (G, J) summed losses of this process, group g holding pixels of kind g % 2 (pixel labels, boxes) of
            dataset g // 2.
        sizes: (G, J) int64 pixels of each group in this process.
        boxes: (J,) int64 pixels inside boxes before the gate, in this process.

    Returns:
        (J,) losses, whose gradient is this process's share times the number of processes, and (3, J) int64 pixels:
        pixel labels, boxes, boxes before the gate.
    """
    if dist.is_available() and dist.is_initialized():
        packed = torch.cat([sums.detach().double(), sizes.double(), boxes[None].double()])
        dist.all_reduce(packed)
        pixels = packed[len(sums) :].long()
        sizes, boxes = pixels[:-1], pixels[-1]
        divisor = sizes.clamp(min=1)
        share = sums * dist.get_world_size() / divisor
        means = share + ((packed[: len(sums)] / divisor).to(sums.dtype) - share).detach()
    else:
        means = sums / sizes.clamp(min=1)
    by_kind = (-1, KINDS, sums.shape[1])
    present = (sizes > 0).view(by_kind).sum(dim=0).clamp(min=1)
    losses = (means.view(by_kind).sum(dim=0) / present).sum(dim=0)
    return losses, torch.cat([sizes.view(by_kind).sum(dim=0), boxes[None]])
