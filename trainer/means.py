"""Means of pixel losses over all processes that train together.

The pixels of a classifier are in *groups*: group g holds pixels of kind g % 2 (pixel labels, boxes) of dataset g // 2,
or, where all pixels count the same, of all datasets. Each group has a mean of its own; a classifier's loss is the mean
over the datasets that have pixels, for pixel labels and for boxes, and the sum of the two. So it is a sum of the
groups' sums, each times a factor that follows from the sizes.
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


def mean_factors(sizes: Tensor) -> Tensor:
    """What each group's sum is multiplied with in its classifier's loss.

    Args:
        sizes: (G, J) int64 pixels of each group, in all processes.

    Returns:
        (G, J) float64; 0 for a group without pixels.
    """
    present = sizes > 0
    datasets = present.view(-1, KINDS, sizes.shape[1]).sum(dim=0).clamp_(min=1)
    shared = sizes.clamp(min=1).view(-1, *datasets.shape) * datasets
    return present.double() / shared.view(sizes.shape)


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def share_counts(*counts: Tensor) -> tuple[Tensor, ...]:
    """Int64 numbers of pixels of this process, of any shapes, to those of all."""
    if processes() == 1:
        return counts
    packed = torch.cat([count.flatten() for count in counts])
    dist.all_reduce(packed)
    parts = torch.split(packed, [count.numel() for count in counts])
    return tuple(part.view(count.shape) for part, count in zip(parts, counts, strict=True))


def share_sums(sums: Tensor) -> Tensor:
    """(G, J) sums of this process to those of all.

    Their gradient is that of this process's sums times the number of processes, so that the average that
    DistributedDataParallel takes is the gradient of the sums of all.
    """
    if processes() == 1:
        return sums
    packed = sums.detach().double()
    dist.all_reduce(packed)
    share = sums * processes()
    return share + (packed.to(sums.dtype) - share).detach()
