"""Every n-th pixel of a batch, another set of them at each step: for a loss that costs a fraction.

Neighbouring pixels say much the same, and on a CPU most of a step's time goes to the loss of all of them. With
``loss.stride: 4`` a step learns from one pixel in sixteen, and sixteen steps see all. Logits are the bilinear ones at
exactly these pixels, as if all had been computed and the others dropped, so the gradient's mean is that of all pixels.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class PixelGrid(NamedTuple):
    """The pixels (top + i * stride, left + k * stride)."""

    stride: int
    top: int
    left: int

    @classmethod
    def of_step(cls, step: int, stride: int) -> PixelGrid:
        """The grid of a step; ``stride`` squared steps go over all pixels."""
        return cls(stride, *divmod(step % stride**2, stride))

    def pick(self, pixels: Tensor) -> Tensor:
        """(..., H, W) values of all pixels to (..., h, w) of the grid's."""
        return pixels[..., self.top :: self.stride, self.left :: self.stride]

    def logits(self, logits_nchw: Tensor, size: tuple[int, int]) -> Tensor:
        """Bilinear logits at the grid's pixels: :func:`labelforge.trainer.upsample` to all, and only these computed.

        Args:
            logits_nchw: (N, C, h, w) of the network.
            size: (H, W) of the labels.
        """
        height, width = logits_nchw.shape[2:]
        like = (logits_nchw.device, logits_nchw.dtype)
        down = _weights(height, size[0], *like)[self.top :: self.stride]
        right = _weights(width, size[1], *like)[self.left :: self.stride]
        return down @ (logits_nchw @ right.T)


@functools.lru_cache(maxsize=16)
def _weights(length: int, size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(size, length): how much each of ``length`` values counts in each of ``size`` interpolated ones."""
    each = torch.eye(length, dtype=torch.float64)[None]
    weights = F.interpolate(each, size=size, mode="linear", align_corners=False)[0]
    return weights.T.contiguous().to(device, dtype)
