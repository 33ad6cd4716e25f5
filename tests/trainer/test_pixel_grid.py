"""Every n-th pixel against all of them: the same logits, rows and gradients, and every pixel in its turn."""

from __future__ import annotations

import pytest
import torch

from labelforge.trainer.models.network import upsample
from labelforge.trainer.pixel_grid import PixelGrid


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_as_many_steps_as_pixels_in_a_cell_see_every_pixel_once(stride: int) -> None:
    size = (7, 10)
    numbers = torch.arange(70).view(1, *size)
    seen: list[int] = []
    for step in range(5 * stride**2, 6 * stride**2):
        seen += PixelGrid.of_step(step, stride).pick(numbers).flatten().tolist()
    assert sorted(seen) == list(range(70))


@pytest.mark.parametrize("small", [(5, 6), (19, 23), (1, 1), (30, 40)])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_logits_and_their_gradients_are_those_of_upsampling_to_all_pixels(small: tuple[int, int], stride: int) -> None:
    generator = torch.Generator().manual_seed(1)
    size = (19, 23)
    first = torch.randn(2, 3, *small, generator=generator, dtype=torch.float64)
    ones = {name: first.clone().requires_grad_() for name in ("all", "grid")}
    for step in range(stride**2):
        grid = PixelGrid.of_step(step, stride)
        expected = upsample(ones["all"], size)[..., grid.top :: stride, grid.left :: stride]
        got = grid.logits(ones["grid"], size)
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
        weights = torch.randn(got.shape, generator=generator, dtype=torch.float64)
        (expected * weights).sum().backward()  # type: ignore[no-untyped-call]
        (got * weights).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(ones["grid"].grad, ones["all"].grad, rtol=1e-5, atol=1e-5)
