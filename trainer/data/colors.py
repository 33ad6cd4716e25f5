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
    changed = torch.empty_like(images)
    at_once = 1 if images.device.type == "cpu" else max(1, len(images))  # one image at a time stays in a CPU's cache
    parts = (torch.split(tensor, at_once) for tensor in (images, changed, factors))
    for before, after, given in zip(*parts, strict=True):
        after.copy_(_change(before, given))
    return changed


def _change(images: Tensor, factors: Tensor) -> Tensor:
    """(N, 3, H, W) float32 whole numbers from 0 to 255."""
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
    count, channels, height, width = images.shape
    # Whole numbers: the same in any order. First down the columns: PyTorch is slow at summing single bytes otherwise.
    columns = images.permute(0, 2, 3, 1).reshape(count, height, width * channels).sum(1, dtype=torch.int32)
    sums = columns.reshape(count, width, channels).sum(1, dtype=torch.int64)
    mean_grey = _grey((sums.float() / max(1, height * width))[:, :, None, None])
    colors = images.float()
    grey = _grey(colors)
    # All three are linear: together they are a factor of the pixel, one of its grey, and a constant.
    strong = brightness * contrast
    colors = colors.mul_(strong * saturation).add_(grey.mul_(strong * (1 - saturation)))
    return colors.add_(brightness * (1 - contrast) * mean_grey).round_().clamp_(0, 255)


def _grey(images: Tensor) -> Tensor:
    """(N, 1, H, W) from (N, 3, H, W): ITU-R BT.601."""
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    return red * 0.299 + green * 0.587 + blue * 0.114
