"""Random colours: the three changes one after the other, the same whatever else is in the batch and wherever."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from labelforge.shards import Sample
from labelforge.trainer.config import DataConfig
from labelforge.trainer.data import authors
from labelforge.trainer.data.augment import cut, draw_view
from labelforge.trainer.data.colors import draw_colors, jitter_colors
from labelforge.trainer.images import Pixels

RNG = np.random.default_rng(5)


def images(count: int, height: int = 37, width: int = 61) -> Tensor:
    """Noise of different brightness, channels last."""
    level = RNG.integers(60, 256, (count, 1, 1, 1))
    return torch.from_numpy(RNG.integers(0, level, (count, height, width, 3)).astype(np.uint8)).permute(0, 3, 1, 2)


def one_after_the_other(image: Pixels, factors: Tensor) -> Pixels:
    """Brightness, then saturation, then contrast, in double precision."""
    brightness, contrast, saturation = factors.double().tolist()
    bright = image * brightness
    grey = bright @ np.array([0.299, 0.587, 0.114])
    colorful = grey[..., None] + (bright - grey[..., None]) * saturation
    changed = grey.mean() + (colorful - grey.mean()) * contrast
    return np.asarray(changed.clip(0, 255).round(), np.uint8)


@pytest.mark.parametrize("strength", [0.0, 0.2, 0.9])
def test_colours_change_in_brightness_saturation_and_contrast(strength: float) -> None:
    before = images(6)
    factors = torch.stack([draw_colors(np.random.default_rng(seed), strength) for seed in range(6)])
    after = jitter_colors(before, factors)
    assert after.dtype == torch.uint8
    assert after.is_contiguous(memory_format=torch.channels_last)
    for image, factor, found in zip(before, factors, after, strict=True):
        expected = one_after_the_other(image.permute(1, 2, 0).numpy(), factor)
        difference = np.abs(found.permute(1, 2, 0).numpy().astype(int) - expected)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3  # ties of rounding
    assert torch.equal(before, after) == (strength == 0)


def test_factors_fill_their_range() -> None:
    rng = np.random.default_rng(0)
    factors = torch.stack([draw_colors(rng, 0.2) for _ in range(500)])
    assert factors.dtype == torch.float32
    assert ((factors >= 0.8) & (factors <= 1.2)).all()
    assert (factors.amin(0) < 0.81).all() and (factors.amax(0) > 1.19).all()


@pytest.mark.parametrize("size", [(37, 61), (64, 80), (1, 1), (5, 3)])
def test_an_image_becomes_the_same_in_any_batch(size: tuple[int, int]) -> None:
    """To the last bit, or features that are kept would depend on what else had to be computed."""
    before = images(7, *size)
    factors = torch.stack([draw_colors(np.random.default_rng(seed), 0.5) for seed in range(7)])
    together = jitter_colors(before, factors)
    for chosen in ([0], [3], [6, 2], [1, 2, 3, 4, 5], []):
        assert torch.equal(jitter_colors(before[chosen], factors[chosen]), together[chosen])
    assert torch.equal(jitter_colors(before.contiguous(), factors), together)


def test_the_authors_changes_come_after(monkeypatch: pytest.MonkeyPatch) -> None:
    image = images(1)[0].permute(1, 2, 0).numpy()
    seen: list[Pixels] = []

    def distort(rng: np.random.Generator, pixels: Pixels, dataset: str) -> Pixels:
        seen.append(pixels)
        return pixels

    monkeypatch.setattr(authors, "distort", distort)
    config = DataConfig(crop=(30, 40), resize="none", scale=(1, 1), jitter=0.3, augmentation="authors")
    found = []
    for augmentation in ("authors", "standard"):
        rng = np.random.default_rng(0)
        view = draw_view(rng, (37, 61), config)
        sample = Sample("a", image, np.zeros((37, 61), np.uint8), {})
        found.append(cut(rng, sample, view, config.model_copy(update={"augmentation": augmentation}), "camvid"))
    assert found[0].colors is None and found[1].colors is not None
    later = jitter_colors(torch.from_numpy(found[1].pixels).permute(2, 0, 1)[None], found[1].colors[None])
    assert np.array_equal(seen[0], later[0].permute(1, 2, 0).numpy())
    assert np.array_equal(found[0].pixels, seen[0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_colours_on_a_gpu_are_those_on_the_cpu() -> None:
    before = images(6)
    factors = torch.stack([draw_colors(np.random.default_rng(seed), 0.4) for seed in range(6)])
    there = jitter_colors(before.cuda(), factors.cuda()).cpu()
    assert (there.int() - jitter_colors(before, factors).int()).abs().max() <= 1
