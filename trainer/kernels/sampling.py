"""Where the pixels of an upsampled image lie between low-resolution values, as ``F.interpolate`` places them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelforge.trainer.kernels.device_cache import device_cache


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis: n pixels over m values, pixel centres aligned (``align_corners=False``).

    Attributes:
        length: m.
        low: (n,) int64 value before each pixel, never falling; it is ``weight`` away from it.
        weight: (n,) float64 in [0, 1]: what the value after counts; 0 where there is only one value.
    """

    length: int
    low: NDArray[np.int64]
    weight: NDArray[np.float64]

    @classmethod
    @functools.lru_cache(maxsize=64)
    def of(cls, length: int, size: int) -> Axis:
        """All pixels of an axis.

        Args:
            length: Low-resolution values.
            size: Pixels.
        """
        at = ((np.arange(size) + 0.5) * (length / max(size, 1)) - 0.5).clip(0, max(length - 1, 0))
        low = np.minimum(at.astype(np.int64), max(length - 2, 0))
        return cls(length, low, at - low)

    def every(self, stride: int, first: int) -> Axis:
        """Only the pixels ``first``, ``first + stride``, and so on."""
        return _every(self, stride, first)

    @property
    def size(self) -> int:
        """N."""
        return len(self.low)

    @functools.cached_property
    def starts(self) -> NDArray[np.int64]:
        """(cells + 1,) first pixel of each cell, then n; a cell lies between two values, or on the only one."""
        return np.searchsorted(self.low, np.arange(max(self.length - 1, 1) + 1))


@functools.lru_cache(maxsize=256)
def _every(axis: Axis, stride: int, first: int) -> Axis:
    return Axis(axis.length, axis.low[first::stride], axis.weight[first::stride])


@dataclass(frozen=True, eq=False)
class Places:
    """An axis on a device, for kernels there.

    Attributes:
        cells: How many there are.
        low: (n,) int32 value before each pixel.
        weight: (n,) float32 what the value after counts.
        starts: (cells + 1,) int32 first pixel of each cell.
    """

    cells: int
    low: Tensor
    weight: Tensor
    starts: Tensor


@device_cache(256)
def places_on(axis: Axis, device: torch.device) -> Places:
    """Copy an axis to a device; once, since the host waits for a copy."""
    parts = (axis.low.astype(np.int32), axis.weight.astype(np.float32), axis.starts.astype(np.int32))
    return Places(len(axis.starts) - 1, *(torch.from_numpy(part).to(device) for part in parts))


def power_of_two(number: int) -> int:
    """The lowest power of two that is at least a number: the sizes that Triton's tiles have."""
    return 1 << max(0, number - 1).bit_length()


@dataclass(frozen=True, eq=False)
class Sampling:
    """The pixels of an image over the values of a low-resolution map.

    Attributes:
        down: Their rows.
        right: Their columns.
    """

    down: Axis
    right: Axis

    @classmethod
    def of(cls, low: tuple[int, int], size: tuple[int, int]) -> Sampling:
        """All pixels.

        Args:
            low: Height and width of the map.
            size: Height and width of the image.
        """
        return cls(Axis.of(low[0], size[0]), Axis.of(low[1], size[1]))

    def every(self, stride: int, top: int, left: int) -> Sampling:
        """Only the pixels (top + i * stride, left + k * stride)."""
        return Sampling(self.down.every(stride, top), self.right.every(stride, left))

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of pixels."""
        return self.down.size, self.right.size
