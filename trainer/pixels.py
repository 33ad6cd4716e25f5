"""Which pixels a step's loss looks at: all, or every n-th of both directions.

Neighbouring pixels say nearly the same, and on a CPU most of a light network's step goes to pixels. With ``loss.every``
above 1 the logits are interpolated at one pixel of every n x n, at another place in every step, so that over n * n
steps each pixel is looked at about once. The interpolation is that of :func:`labelforge.trainer.upsample`, so the loss
is the same function of the pixels that are left.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labelforge.trainer.models.network import upsample, upsample_at
from labelforge.trainer.rows import GlobalRows


def at_labels(
    logits_nchw: Tensor, rows_nhw: GlobalRows, every: int = 1, place: tuple[int, int] = (0, 0)
) -> tuple[Tensor, GlobalRows]:
    """Logits and labels at the same pixels.

    Args:
        logits_nchw: (N, C, h, w) logits.
        rows_nhw: (N, H, W) labels, on the same device.
        every: 1: all pixels. Else every n-th row and column.
        place: First row and column, each below ``every``.

    Returns:
        (N, C, R, S) logits and (N, R, S) labels; R = ceil((H - place) / every), or so.
    """
    size = (rows_nhw.shape[1], rows_nhw.shape[2])
    if every == 1:
        return upsample(logits_nchw, size), rows_nhw
    # A map that is smaller than the step between pixels still gives one.
    first = [min(start, side - 1) for start, side in zip(place, size, strict=True)]
    rows, columns = (
        torch.arange(start, side, every, device=logits_nchw.device) for start, side in zip(first, size, strict=True)
    )
    labels = rows_nhw.tensor[:, first[0] :: every, first[1] :: every]
    return upsample_at(logits_nchw, size, rows, columns), GlobalRows(labels, rows_nhw.numbering)


def place_of_step(seed: int, step: int, every: int) -> tuple[int, int]:
    """Where a step begins to count: row and column below ``every``.

    A function of the seed and the number of the step: of n * n steps in a row from a multiple of n * n, each has
    another place.
    """
    turn, number = divmod(step, every * every)
    order = np.random.default_rng((seed, turn)).permutation(every * every)
    row, column = divmod(int(order[number]), every)
    return row, column
