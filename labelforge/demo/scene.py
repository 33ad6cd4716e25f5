"""One street scene: planned at random, painted from far to near, photographed, and annotated pixel by pixel.

All randomness of a scene comes from generators seeded with (seed, series, index): scene 7 of a series is the same
picture whether it is rendered alone or as one of a thousand, in any process.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelforge.demo.backdrop import line_the_street, paint_distance, paint_sky
from labelforge.demo.canvas import Camera, Canvas, mark, mix, shade
from labelforge.demo.figures import bird
from labelforge.demo.ground import paint_ground
from labelforge.demo.life import populate
from labelforge.demo.photo import Exposure, develop
from labelforge.demo.signposts import deal_signs, put_up_signs
from labelforge.demo.stage import Rng, Stage, pick
from labelforge.demo.street import plan_street
from labelforge.demo.vocabulary import THINGS, thing
from labelforge.palette import Color

__all__ = ["Scene", "SignBox", "Style", "render_scene"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Style:
    """How a dataset looks at the world: its camera, its weather and its prints. Pairs are ranges that scenes vary in.

    Attributes:
        view: Horizontal angle of view in degrees.
        above: Height of the camera above the street, in metres.
        horizon: Row of the horizon, as a share of the height.
        clouds: How cloudy it is, 0-1.
        warmth: Shift from blue to red, as a share.
        brightness: Factor on all colours.
        saturation: 0 = grey, 1 = as painted.
        noise: Sensor noise in grey levels.
        blur: Lens blur in pixels.
        signs: Fewest and most signs per scene that face the camera.
        bare: Every how manieth scene has none of them; 0 = each has some.
        hood: Share of the scenes that show the own car's hood.
        mount: Share of the scenes that show a holder of the camera.
        framed: Whether the rim of the picture is marked as out of the region of interest, as in Cityscapes.
    """

    view: Range = (58, 66)
    above: Range = (1.25, 1.7)
    horizon: Range = (0.4, 0.48)
    clouds: Range = (0.0, 1.0)
    warmth: Range = (-0.04, 0.04)
    brightness: Range = (0.88, 1.08)
    saturation: Range = (0.8, 1.05)
    noise: Range = (2.0, 5.0)
    blur: Range = (0.0, 0.45)
    signs: tuple[int, int] = (4, 7)
    bare: int = 0
    hood: float = 0.2
    mount: float = 0.0
    framed: bool = False


@dataclass(frozen=True)
class SignBox:
    """A sign that faces the camera: pixel columns and rows, right and bottom inclusive, as in GTSDB.

    Attributes:
        class_id: Class of GTSDB, 0-42.
        left: First column.
        top: First row.
        right: Last column.
        bottom: Last row.
        instance: Its number in the scene's map of instances.
    """

    class_id: int
    left: int
    top: int
    right: int
    bottom: int
    instance: int


@dataclass(frozen=True)
class Scene:
    """A rendered scene and all that is known about it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        things: (H, W) uint8, position in :data:`labelforge.demo.vocabulary.THINGS`.
        instances: (H, W) uint16, a number per countable object; 0 elsewhere.
        signs: Every sign that faces the camera, wholly visible.
    """

    image: NDArray[np.uint8]
    things: NDArray[np.uint8]
    instances: NDArray[np.uint16]
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
    style = style or Style()
    seeds = (seed, zlib.crc32(series.encode()))
    stage, exposure, clouds = _set_up(np.random.default_rng([*seeds, 0, index]), size, style)
    paint_sky(stage, clouds)
    paint_distance(stage)
    if stage.rng.random() < 0.12:
        for _ in range(int(stage.rng.integers(1, 5))):
            row = stage.rng.uniform(0.08, 0.5) * stage.camera.horizon
            bird(stage, stage.rng.uniform(0.1, 0.9) * size[0], row, stage.rng.uniform(0.008, 0.02) * size[0])
    stage.canvas.share = 0.0
    paint_ground(stage)
    values = put_up_signs(stage, deal_signs(seeds, index, *style.signs, style.bare), size[1] * 0.8)
    line_the_street(stage)
    populate(stage)
    stage.paint()
    _own_car(stage, style)
    image, things, instances = stage.canvas.finish()
    photo = develop(stage, image, things, exposure)
    if style.framed:
        _frame(stage.rng, photo, things)
    countable = np.array([entry.countable for entry in THINGS])
    instances = np.where(countable[things], instances, 0).astype(np.uint16)
    return Scene(photo, things, instances, _boxes(instances, values))


def _set_up(rng: Rng, size: tuple[int, int], style: Style) -> tuple[Stage, Exposure, float]:
    """The empty stage, how it will be photographed, and how cloudy it is."""
    width, height = size
    clouds, warmth, bright = rng.uniform(*style.clouds), rng.uniform(*style.warmth), rng.uniform(*style.brightness)
    street = plan_street(rng)
    camera = Camera(
        width,
        height,
        focal=width / 2 / math.tan(math.radians(rng.uniform(*style.view)) / 2),
        horizon=height * rng.uniform(*style.horizon),
        above=rng.uniform(*style.above),
        center=width * rng.uniform(0.42, 0.56),
        bend=float(rng.choice([0.0, rng.uniform(-0.0022, 0.0022)])),
    )
    blue = mix((208, 222, 236), (206, 208, 210), clouds)
    canvas = Canvas(width, height, shade(blue, rng.uniform(0.95, 1.04)))
    sun = -1 if rng.random() < 0.5 else 1
    stage = Stage(rng, canvas, camera, street, sun, visibility=rng.uniform(160, 420) * (1.2 - 0.5 * clouds))
    gain = (bright * (1 + warmth), bright, bright * (1 - warmth))
    contrast = (1.1 - 0.18 * clouds) * rng.uniform(0.94, 1.06)
    exposure = Exposure(
        gain,
        contrast,
        rng.uniform(*style.saturation),
        rng.uniform(*style.blur),
        rng.uniform(*style.noise),
        rng.uniform(0.02, 0.2),
    )
    return stage, exposure, clouds


def _own_car(stage: Stage, style: Style) -> None:
    """The hood of the car that carries the camera, and the camera's holder."""
    rng, canvas = stage.rng, stage.canvas
    width, height = canvas.width, canvas.height
    canvas.share = 0.0
    if rng.random() < style.hood:
        top, middle = height * rng.uniform(0.9, 0.94), width * rng.uniform(0.46, 0.54)
        color = pick(rng, ((44, 46, 50), (128, 132, 136), (56, 66, 60)))
        for inset, factor in ((0.0, 0.72), (0.012, 1.0), (0.045, 1.25)):
            curve = [
                (middle + width * 0.56 * s, top + height * (0.09 * s * s + inset))
                for s in (i / 8 - 1 for i in range(17))
            ]
            canvas.polygon([*curve, (width, height), (0, height)], shade(color, factor), mark("ego vehicle"))
    if rng.random() < style.mount:
        x, wide = width * rng.uniform(0.3, 0.7), width * rng.uniform(0.05, 0.1)
        dark: Color = (30, 30, 33)
        outline = [
            (x - wide, height),
            (x - wide * 0.6, height * 0.95),
            (x + wide * 0.6, height * 0.95),
            (x + wide, height),
        ]
        canvas.polygon(outline, dark, mark("car mount"))
        canvas.polygon(
            [(x - wide * 0.3, height * 0.97), (x + wide * 0.3, height * 0.97), (x, height)], shade(dark, 1.8)
        )


def _frame(rng: Rng, photo: NDArray[np.uint8], things: NDArray[np.uint8]) -> None:
    """Mark the rim of the picture, and sometimes a wedge that the rectification of the lens left black."""
    height, width = things.shape
    rim = max(1, round(width * 5 / 2048))
    for part in (np.s_[:rim], np.s_[-rim:], np.s_[:, :rim], np.s_[:, -rim:]):
        things[part] = thing("out of roi")
    if rng.random() < 0.35:
        rows = np.arange(height)[:, None]
        wedge = np.arange(width)[None] < rim + width * 0.02 * (2 * rows / height - 1)
        things[wedge], photo[wedge] = thing("rectification border"), 0


def _boxes(instances: NDArray[np.uint16], values: dict[int, int]) -> tuple[SignBox, ...]:
    """The extent of each sign in the map of instances."""
    found = []
    for value, class_id in values.items():
        instance = value // 256
        rows, columns = np.nonzero(instances == instance)
        if len(rows):
            box = (int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max()))
            found.append(SignBox(class_id, *box, instance))
    return tuple(found)
