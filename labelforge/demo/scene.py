"""One street scene: planned at random, painted from far to near, photographed, and annotated pixel by pixel.

All randomness of a scene comes from generators seeded with (seed, series, index): scene 7 of a series is the same
picture whether it is rendered alone or as one of a thousand, in any process.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelforge.demo.canvas import Canvas, mark, mix, shade
from labelforge.demo.ground import paint_ground
from labelforge.demo.photo import Style, develop
from labelforge.demo.population import populate
from labelforge.demo.signposts import deal_signs, put_up_signs
from labelforge.demo.stage import Camera, Rng, Stage
from labelforge.demo.street import plan_street
from labelforge.demo.surroundings import line_street, paint_distance, paint_sky
from labelforge.demo.vocabulary import COUNTABLE, THINGS


class SignBox(NamedTuple):
    """A sign that faces the camera: its class of GTSDB, its first and last pixel columns and rows, its instance."""

    class_id: int
    left: int
    top: int
    right: int
    bottom: int
    instance: int


@dataclass(frozen=True)
class Scene:
    """A rendered scene, and every sign that faces the camera, wholly visible."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    things: NDArray[np.uint8]  # (H, W), values of vocabulary.THINGS
    instances: NDArray[np.uint16]  # (H, W), a number per countable object; 0 elsewhere
    signs: tuple[SignBox, ...]


def render_scene(
    seed: int, index: int, size: tuple[int, int], series: str = "scene", style: Style | None = None
) -> Scene:
    """Render one scene.

    Args:
        seed: Seed of the whole series, at least 0.
        index: Number of the scene in the series, from 0.
        size: (width, height) in pixels, at least 64 each.
        series: Name of the series; each is a world of its own.
        style: Camera, weather and signs.

    Raises:
        ValueError: The picture is too small for a street to be seen in it.
    """
    if min(size) < 64:
        raise ValueError(f"a scene is at least 64 pixels wide and high, not {size[0]}x{size[1]}")
    style, seeds = style or Style(), (seed, zlib.crc32(series.encode()))
    rng = np.random.default_rng([*seeds, 0, index])
    clouds = rng.uniform(*style.clouds)
    stage = _set_up(rng, size, style, clouds)
    paint_sky(stage, clouds)
    paint_distance(stage)
    stage.canvas.share = 0.0
    paint_ground(stage)
    classes = put_up_signs(stage, deal_signs(seeds, index, *style.signs, style.bare))
    line_street(stage)
    populate(stage)
    stage.paint()
    if rng.random() < style.hood:
        _paint_hood(stage)
    image, things, instances = stage.canvas.finish()
    photo = develop(stage, image, things, style)
    if style.framed:
        rim = max(1, round(size[0] * 5 / 2048))
        things = np.pad(things[rim:-rim, rim:-rim], rim, constant_values=THINGS["out of roi"])
    instances[~COUNTABLE[things]] = 0
    return Scene(photo, things, instances, _boxes(instances, classes))


def _set_up(rng: Rng, size: tuple[int, int], style: Style, clouds: float) -> Stage:
    """The empty stage."""
    (width, height), bend = size, rng.uniform(-0.0022, 0.0022) * (rng.random() < 0.5)
    focal = width / 2 / math.tan(math.radians(rng.uniform(*style.view)) / 2)
    horizon, above = height * rng.uniform(*style.horizon), rng.uniform(*style.above)
    camera = Camera(width, height, focal, horizon, above, width * rng.uniform(0.42, 0.56), bend)
    haze = shade(mix((208, 222, 236), (206, 208, 210), clouds), rng.uniform(0.95, 1.04))
    sun, visibility = -1 if rng.random() < 0.5 else 1, rng.uniform(160, 420) * (1.2 - 0.5 * clouds)
    return Stage(rng, Canvas(width, height, haze), camera, plan_street(rng), sun, visibility)


def _paint_hood(stage: Stage) -> None:
    """The hood of the car that carries the camera."""
    width, height = stage.canvas.width, stage.canvas.height
    top, across, grey = height * stage.rng.uniform(0.9, 0.94), np.linspace(-1, 1, 17), int(stage.rng.integers(40, 130))
    stage.canvas.share = 0.0
    for inset, light in ((0.0, 0.72), (0.012, 1.0), (0.045, 1.25)):
        edge = np.stack([width * (0.5 + 0.56 * across), top + height * (0.09 * across**2 + inset)], axis=1).tolist()
        color = shade((grey, grey + 2, grey + 6), light)
        stage.canvas.polygon([*edge, (width, height), (0, height)], color, mark("ego vehicle"))


def _boxes(instances: NDArray[np.uint16], classes: dict[int, int]) -> tuple[SignBox, ...]:
    """The extent of each sign in the map of instances."""
    found = []
    for instance, class_id in classes.items():
        rows, columns = np.nonzero(instances == instance)
        if len(rows):
            left, top, right, bottom = map(int, (columns.min(), rows.min(), columns.max(), rows.max()))
            found.append(SignBox(class_id, left, top, right, bottom, instance))
    return tuple(found)
