"""From a painted canvas to a photograph: textures, haze over the ground, exposure, lens and noise."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from labelforge.demo.stage import Stage
from labelforge.demo.vocabulary import THINGS

Range = tuple[float, float]


class Style(NamedTuple):
    """A way of taking pictures. Pairs are ranges that scenes vary in; of signs, how many face the camera."""

    view: Range = (58, 66)  # horizontal angle, degrees
    above: Range = (1.25, 1.7)  # height of the camera, metres
    horizon: Range = (0.4, 0.48)  # its row, as a share of the height
    clouds: Range = (0.0, 1.0)  # 0 clear, 1 overcast
    light: Range = (0.88, 1.08)  # factor on all colors
    saturation: Range = (0.8, 1.05)  # 0 grey, 1 as painted
    noise: Range = (1.0, 4.0)  # of the sensor, in grey levels
    blur: float = 0.45  # most that the lens blurs, in pixels
    signs: tuple[int, int] = (4, 7)
    bare: int = 0  # every how manieth scene has no sign; 0: each has some
    hood: float = 0.2  # share of the scenes that show the own car
    framed: bool = False  # the rim is marked as out of the region of interest


_TILE = 256
_GROUND = frozenset(
    ("road", "service lane", "bike lane", "parking", "rail track", "sidewalk", "pedestrian area", "curb", "terrain",
     "crosswalk plain", "zebra crossing", "lane marking", "manhole")
)  # fmt: skip
_ROUGHNESS = {  # relative unevenness of brightness: fine; coarse
    "terrain": (0.15, 0.1), "vegetation": (0.2, 0.14), "road": (0.07, 0.07), "parking": (0.08, 0.06),
    "bike lane": (0.06, 0.05), "service lane": (0.07, 0.06), "rail track": (0.16, 0.06), "sidewalk": (0.06, 0.05),
    "pedestrian area": (0.07, 0.05), "building": (0.03, 0.04), "wall": (0.09, 0.08), "mountain": (0.05, 0.08),
    "sky": (0.0, 0.0), "zebra crossing": (0.1, 0.06), "lane marking": (0.1, 0.06),
}  # fmt: skip
_FINE, _COARSE = np.array([_ROUGHNESS.get(name, (0.03, 0.02)) for name in THINGS], np.float32).T
_LEVEL = np.array([name in _GROUND for name in THINGS])


@lru_cache(maxsize=1)
def _tile() -> NDArray[np.float64]:
    """(256, 256) noise of several grains, about 0 +- 1, that repeats without a seam."""
    noise = np.random.default_rng(0).standard_normal((5, _TILE, _TILE))
    grains = [
        gaussian_filter(layer, sigma, mode="wrap") for layer, sigma in zip(noise, (0.5, 1, 4, 8, 16), strict=True)
    ]
    total = np.sum([grain / grain.std() for grain in grains], axis=0)
    return np.asarray(total / total.std())


def develop(stage: Stage, image: NDArray[np.float32], things: NDArray[np.uint8], style: Style) -> NDArray[np.uint8]:
    """Make a photograph, (H, W, 3) uint8, of the (H, W, 3) colors (0-255) and (H, W) things that were painted."""
    rng, camera, level, (height, width) = stage.rng, stage.camera, _LEVEL[things], things.shape
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    depth = camera.focal * camera.above / np.maximum(rows - camera.horizon, 0.3)  # of the ground in each row, in metres
    across, shift = (columns - camera.center) / camera.focal * depth, rng.integers(0, _TILE, 2)
    # Far away, many fine grains share a pixel and level each other out.
    fine, coarse = np.where(level, np.minimum(1, 9 / depth), 1) * _FINE[things], _COARSE[things]
    relief = np.ones(things.shape)
    for weight, cells, upright in ((fine, 14, 5.0), (coarse, 1.1, 0.85)):  # per metre of ground; per pixel of 320
        x = np.where(level, across * cells, columns * upright * 320 / width) + shift[0]
        y = np.where(level, depth * cells, rows * upright * 320 / width) + shift[1]
        relief += weight * _tile()[y.astype(np.int32) % _TILE, x.astype(np.int32) % _TILE]
    haze = (level * (1 - np.exp(-depth / stage.visibility)))[..., None]
    picture = image * relief[..., None] * (1 - haze) + np.array(stage.canvas.haze) * haze
    contrast, warmth, vignette = rng.uniform(0.9, 1.14), rng.uniform(-0.05, 0.05), rng.uniform(0.01, 0.1)
    grey = picture.mean(axis=2, keepdims=True)
    picture = ((picture - grey) * rng.uniform(*style.saturation) + grey - 110) * contrast + 110  # 110: middle grey
    corners = (2 * columns / width - 1) ** 2 + (2 * rows / height - 1) ** 2
    light = rng.uniform(*style.light) * np.array([1 + warmth, 1, 1 - warmth])
    sharp = Image.fromarray(np.clip(picture * (1 - vignette * corners[..., None]) * light, 0, 255).astype(np.uint8))
    blurred = np.asarray(sharp.filter(ImageFilter.GaussianBlur(rng.uniform(0, style.blur))))
    grain = rng.standard_normal((height, width, 1)) * rng.uniform(*style.noise)
    return np.asarray(np.clip(np.rint(blurred + grain), 0, 255), np.uint8)
