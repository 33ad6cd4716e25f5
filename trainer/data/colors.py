"""Random colours, drawn where a crop is made and applied where it is used: three factors travel with its pixels.

Whoever loads the crops (a worker) only draws the factors; `jitter_colors` runs on the device of the training, a whole
batch at a time. What becomes of an image does not depend on the others in its batch, to the last bit: besides sums of
whole numbers, which are exact, every step is element by element.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def draw_colors(rng: np.random.Generator, strength: float) -> Tensor:
    """Draw factors of brightness, contrast and saturation from ``1 - strength .. 1 + strength``.

    Args:
        rng: Source of randomness; three draws.
        strength: At least 0, below 1.

    Returns:
        (3,) float32.
    """
    return torch.from_numpy(rng.uniform(1 - strength, 1 + strength, 3).astype(np.float32))


def jitter_colors(images: Tensor, factors: Tensor) -> Tensor:
    """Scale brightness, then saturation (away from each pixel's grey), then contrast (away from the image's mean grey).

    Args:
        images: (N, 3, H, W) uint8 RGB.
        factors: (N, 3) float32 on the same device: brightness, contrast and saturation of each image.

    Returns:
        (N, 3, H, W) uint8, rounded, in the memory format of ``images``.
    """
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
    sums = images.sum((2, 3), keepdim=True, dtype=torch.int64)  # whole numbers: the same in any order
    mean_grey = _grey(sums.float() / max(1, images.shape[2] * images.shape[3]))
    colors = images.float()
    grey = _grey(colors)
    # All three are linear: together they are a factor of the pixel, one of its grey, and a constant.
    strong = brightness * contrast
    colors = colors.mul_(strong * saturation).add_(grey.mul_(strong * (1 - saturation)))
    colors = colors.add_(brightness * (1 - contrast) * mean_grey)
    return colors.round_().clamp_(0, 255).to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    """(N, 1, H, W) from (N, 3, H, W): ITU-R BT.601."""
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    return red * 0.299 + green * 0.587 + blue * 0.114
