"""Reads upsampled logits a band of rows at a time, so that they are never all in memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.trainer.kernels.choice import Kernel

_BAND_VALUES = 1 << 24
"""Numbers held at a time while logits are upsampled and read: 64 MiB in float32."""


def band_values(values: int, kernel: Kernel | None) -> int:
    """Numbers per pixel that count for the height of a band: ``reference`` reads the whole image as one."""
    return 0 if kernel == "reference" else values


def read_upsampled(
    logits_nchw: Tensor, size: tuple[int, int], readout: Callable[[Tensor], tuple[Tensor, ...]], *, values: int
) -> tuple[Tensor, ...]:
    """Upsample logits bilinearly and read them.

    Args:
        logits_nchw: (N, C, h, w) logits at the network's stride, any floating dtype; half precision is read in float32.
        size: Height H and width W to upsample to.
        readout: From (N, C, band, W) logits to tensors (N, ..., band, W).
        values: Numbers per pixel that the readout holds at a time; 0: all rows are one band.

    Returns:
        The readout's tensors for all rows together: (N, ..., H, W) each.
    """
    if logits_nchw.dtype != torch.float64:
        logits_nchw = logits_nchw.float()
    batch, _, low_height, _ = logits_nchw.shape
    height, width = size
    band = max(1, _BAND_VALUES // (batch * values * width)) if values else height
    # Pixel centres, as F.interpolate(align_corners=False) places them.
    at = ((torch.arange(height, device=logits_nchw.device) + 0.5) * (low_height / height) - 0.5).clamp(
        0, low_height - 1
    )
    above = at.floor().long()
    below = (above + 1).clamp(max=low_height - 1)
    weight = (at - above).view(1, 1, -1, 1).to(logits_nchw.dtype)
    parts = []
    for top in range(0, height, band):
        rows = slice(top, min(top + band, height))
        stretched = torch.lerp(logits_nchw[:, :, above[rows]], logits_nchw[:, :, below[rows]], weight[:, :, rows])
        fine = F.interpolate(stretched, size=(stretched.shape[2], width), mode="bilinear", align_corners=False)
        parts.append(readout(fine))
    return tuple(torch.cat(bands, dim=-2) for bands in zip(*parts, strict=True))
