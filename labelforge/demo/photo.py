"""From a painted canvas to a photograph: textures of surfaces, haze over the ground, lens, exposure and noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from labelforge.demo.stage import Stage
from labelforge.demo.vocabulary import THINGS

__all__ = ["Exposure", "develop"]

_TILE = 256
_GROUND = frozenset(
    ("road", "service lane", "bike lane", "parking", "rail track", "sidewalk", "pedestrian area", "curb", "curb cut",
     "terrain", "crosswalk plain", "zebra crossing", "dashed line", "solid line", "stop line", "arrow straight",
     "arrow left", "arrow right", "bicycle symbol", "manhole", "catch basin", "pothole", "some ground")
)  # fmt: skip
_ROUGHNESS = {  # relative unevenness of brightness: (on the ground or upright, fine; coarse)
    "terrain": (0.15, 0.1), "vegetation": (0.2, 0.14), "road": (0.07, 0.07), "parking": (0.08, 0.06),
    "bike lane": (0.06, 0.05), "service lane": (0.07, 0.06), "rail track": (0.16, 0.06), "sidewalk": (0.06, 0.05),
    "pedestrian area": (0.07, 0.05), "building": (0.03, 0.04), "wall": (0.09, 0.08), "mountain": (0.05, 0.08),
    "sky": (0.0, 0.0), "zebra crossing": (0.1, 0.06), "dashed line": (0.1, 0.06), "solid line": (0.1, 0.06),
}  # fmt: skip


@dataclass(frozen=True)
class Exposure:
    """How a picture comes out.

    Attributes:
        gain: Factor on red, green and blue.
        contrast: Steepness around the middle grey; 1 = as painted.
        saturation: 0 = grey, 1 = as painted.
        blur: Radius of the lens blur, in pixels.
        noise: Standard deviation of the sensor noise, in grey levels.
        vignette: Loss of light in the corners, 0-1.
    """

    gain: tuple[float, float, float]
    contrast: float
    saturation: float
    blur: float
    noise: float
    vignette: float


@lru_cache(maxsize=1)
def _tile() -> NDArray[np.float32]:
    """(256, 256) float32 noise of several octaves, about 0 +- 1, that repeats without a seam."""
    rng = np.random.default_rng(0)
    total = np.zeros((_TILE, _TILE), np.float32)
    for octave, weight in ((8, 1.0), (32, 0.8), (128, 0.8), (256, 0.7)):
        grid = rng.standard_normal((octave, octave)).astype(np.float32)
        wrapped = np.pad(grid, 2, mode="wrap")
        scale = _TILE // octave
        large = np.asarray(Image.fromarray(wrapped).resize((_TILE + 4 * scale,) * 2, Image.Resampling.BILINEAR))
        total += weight * large[2 * scale : 2 * scale + _TILE, 2 * scale : 2 * scale + _TILE]
    normal: NDArray[np.float32] = (total - total.mean()) / total.std()
    return normal


def _by_thing(values: dict[str, float], other: float) -> NDArray[np.float32]:
    return np.array([values.get(entry.name, other) for entry in THINGS], np.float32)


_FINE = _by_thing({name: pair[0] for name, pair in _ROUGHNESS.items()}, 0.03)
_COARSE = _by_thing({name: pair[1] for name, pair in _ROUGHNESS.items()}, 0.02)
_LEVEL = np.array([entry.name in _GROUND for entry in THINGS])


def develop(
    stage: Stage, image: NDArray[np.float32], things: NDArray[np.uint8], exposure: Exposure
) -> NDArray[np.uint8]:
    """Make a photograph.

    Args:
        stage: The scene that was painted.
        image: (H, W, 3) float32 colours, 0-255, as painted.
        things: (H, W) uint8, what is where.
        exposure: How it comes out.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = things.shape
    level = _LEVEL[things]
    depth, fine, coarse = _relief(stage, level)
    image = image * (1 + fine * _FINE[things] + coarse * _COARSE[things])[..., None]
    haze = (level * (1 - np.exp(-depth / np.float32(stage.visibility))))[..., None]
    image += (np.array(stage.canvas.haze, np.float32) - image) * haze
    grey = (image @ np.full(3, 1 / 3, np.float32))[..., None]
    # Saturation, contrast around a middle grey of 110, light and white balance, in one go per channel.
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None] ** 2
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None] ** 2
    light = (1 - np.float32(exposure.vignette / 2) * (rows + columns)) * np.array(exposure.gain, np.float32)
    image -= grey
    image *= np.float32(exposure.saturation * exposure.contrast)
    image += (grey - 110) * np.float32(exposure.contrast) + 110
    image *= light
    picture = Image.fromarray(np.clip(image, 0, 255, out=image).astype(np.uint8))
    if exposure.blur > 0.2:  # less cannot be seen
        picture = picture.filter(ImageFilter.GaussianBlur(exposure.blur))
    grain = np.asarray(picture) + stage.rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(
        exposure.noise
    )
    finished: NDArray[np.uint8] = np.clip(np.rint(grain), 0, 255).astype(np.uint8)
    return finished


def _relief(
    stage: Stage, level: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Distance of the ground in each row (H, 1), and a fine and a coarse texture (H, W).

    On the ground the textures lie in perspective; on everything else they are flat.
    """
    camera, tile = stage.camera, _tile()
    height, width = level.shape
    shift = stage.rng.integers(0, _TILE, 2).astype(np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    columns = np.arange(width, dtype=np.float32)[None] + np.float32(0.5)
    depth = np.float32(camera.focal * camera.above) / np.maximum(rows - np.float32(camera.horizon), np.float32(0.3))
    across = (columns - np.float32(camera.center)) / np.float32(camera.focal) * depth
    textures = []
    for cells, upright in (
        (14, 5.0),
        (1.1, 0.85),
    ):  # cells of the tile per metre of ground; per pixel at a width of 320
        step = np.float32(upright * 320 / width)
        x = np.where(level, across * np.float32(cells), columns * step) + shift[0]
        y = np.where(level, depth * np.float32(cells), rows * step) + shift[1]
        textures.append(tile[y.astype(np.int32) & (_TILE - 1), x.astype(np.int32) & (_TILE - 1)])
    # Far away, many grains share a pixel and level each other out.
    textures[0] *= np.where(level, np.minimum(np.float32(1), 9 / depth), np.float32(1))
    return depth, textures[0], textures[1]
