"""One street scene: a straight street, laid out at random, seen through a camera on a car.

:func:`render_scene` decides what there is (widths, kinds of borders, traffic, signs), paints it from far to near, and
finishes with light, haze and noise. All randomness comes from one generator per scene, seeded with (seed, series,
index): scene 7 of a series is the same picture whether it is rendered alone or as one of a thousand, in any process.

The two sides of the street are mirror images of each other except for what stands there; traffic keeps to the right.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.palette import Color
from labelforge.scenes import objects
from labelforge.scenes.canvas import INSTANCE, Camera, Canvas, Spot
from labelforge.scenes.objects import shade
from labelforge.scenes.signs import NUM_SIGNS
from labelforge.scenes.vocabulary import THINGS, thing

__all__ = ["Scene", "SignBox", "Style", "render_scene"]

SIGNS_PER_SCENE = 4
FAR = 120.0


@dataclass(frozen=True)
class Style:
    """How a dataset looks at the world: its camera, its light and its signs.

    Attributes:
        focal: Focal length as a share of the picture's width.
        above: Height of the camera above the street, in metres.
        tone: Factors on red, green and blue.
        noise: Standard deviation of the sensor's noise, in grey levels.
        haze: How much of the far distance is lost in haze, 0-1.
        hood: Whether the own car's hood is in the picture.
        sign_distance: Nearest and farthest distance of signs, in metres.
    """

    focal: float = 0.9
    above: float = 1.5
    tone: tuple[float, float, float] = (1.0, 1.0, 1.0)
    noise: float = 4.0
    haze: float = 0.35
    hood: bool = False
    sign_distance: tuple[float, float] = (5.5, 13.0)


@dataclass(frozen=True)
class SignBox:
    """The visible extent of a sign: pixel columns and rows, right and bottom inclusive, as in GTSDB."""

    class_id: int
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Scene:
    """A rendered scene and all that is known about it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        things: (H, W) uint8, position in :data:`labelforge.scenes.vocabulary.THINGS`.
        instances: (H, W) uint16, a number per countable object; 0 elsewhere.
        signs: Every sign that faces the camera and is well visible.
    """

    image: NDArray[np.uint8]
    things: NDArray[np.uint8]
    instances: NDArray[np.uint16]
    signs: tuple[SignBox, ...]


def render_scene(
    seed: int, index: int, size: tuple[int, int], series: str = "scene", style: Style | None = None, signs: bool = True
) -> Scene:
    """Render one scene.

    Args:
        seed: Seed of the whole series.
        index: Number of the scene in the series.
        size: (width, height) in pixels.
        series: Name of the series; each is a world of its own.
        style: Camera and light.
        signs: Whether signs that face the camera stand there.
    """
    painter = _Painter(seed, index, size, series, style or Style(), signs)
    painter.paint()
    return painter.develop()


def sign_classes(seed: int, index: int, series: str) -> list[int]:
    """The signs dealt to a scene: cards from decks of all 43 classes, shuffled anew for every deck."""
    first = index * SIGNS_PER_SCENE
    decks: dict[int, NDArray[np.int64]] = {}
    dealt = []
    for card in range(first, first + SIGNS_PER_SCENE):
        deck = card // NUM_SIGNS
        if deck not in decks:
            decks[deck] = np.random.default_rng([seed, zlib.crc32(series.encode()), 1, deck]).permutation(NUM_SIGNS)
        dealt.append(int(decks[deck][card % NUM_SIGNS]))
    return dealt


class _Painter:
    """Everything about one scene while it is being painted."""

    def __init__(self, seed: int, index: int, size: tuple[int, int], series: str, style: Style, signs: bool) -> None:
        self.rng = np.random.default_rng([seed, zlib.crc32(series.encode()), 0, index])
        rng, (width, height) = self.rng, size
        self.style = style
        self.canvas = Canvas(width, height)
        self.camera = Camera(
            width,
            height,
            focal=style.focal * width * rng.uniform(0.95, 1.05),
            horizon=height * rng.uniform(0.42, 0.48),
            above=style.above * rng.uniform(0.95, 1.05),
            center=width * rng.uniform(0.44, 0.56),
        )
        self.classes = sign_classes(seed, index, series) if signs else []
        self.sign_class: dict[int, int] = {}
        self.instance = 0
        self.half = rng.uniform(3.2, 3.8)
        self.bike_lane = rng.random() < 0.4
        self.parking = rng.random() < 0.5
        self.kerb = self.half + (1.5 if self.bike_lane else 0.0) + (2.3 if self.parking else 0.0)
        self.border = self.kerb + rng.uniform(2.4, 3.6)
        self.queue: list[tuple[float, Callable[[], None]]] = []

    def paint(self) -> None:
        """Paint everything, from far to near."""
        self._sky()
        self._ground()
        self._borders()
        self._traffic()
        self._walkers()
        self._furniture()
        self._signs()
        for _, draw in sorted(self.queue, key=lambda entry: -entry[0]):
            draw()
        if self.style.hood:
            self._hood()

    def develop(self) -> Scene:
        """Light, haze and noise; and the boxes of the signs that came out well visible."""
        image, things, instances = self.canvas.finish()
        rows = np.arange(image.shape[0], dtype=np.float32)[:, None, None]
        below = np.clip((rows - self.camera.horizon) / (image.shape[0] * 0.5), 0, 1)
        share = self.style.haze * np.exp(-8 * below) * (things != thing("sky"))[..., None]
        image = image * (1 - share) + np.array([196, 204, 212], np.float32) * share
        image *= np.array(self.style.tone, np.float32) * np.float32(self.rng.uniform(0.85, 1.1))
        image += self._mottle(image.shape[0], image.shape[1])
        image += self.rng.normal(0, self.style.noise, image.shape)
        finished = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        countable = np.array([entry.instances for entry in THINGS])
        return Scene(
            finished,
            things,
            np.where(countable[things], instances, 0).astype(np.uint16),
            self._boxes(things, instances),
        )

    def _mottle(self, height: int, width: int) -> NDArray[np.float32]:
        """(H, W, 1) smooth unevenness of surfaces and light, a few grey levels."""
        coarse = self.rng.normal(0, 7, (height // 8 + 2, width // 8 + 2)).astype(np.float32)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(smooth)[..., None]

    def _boxes(self, things: NDArray[np.uint8], instances: NDArray[np.uint16]) -> tuple[SignBox, ...]:
        found = []
        for instance, class_id in self.sign_class.items():
            rows, columns = np.nonzero((instances == instance) & (things == thing("sign front")))
            if len(rows) == 0:
                continue
            box = SignBox(class_id, int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max()))
            wide, tall = box.right - box.left + 1, box.bottom - box.top + 1
            inside = box.left > 0 and box.right < things.shape[1] - 1 and box.top > 0
            if inside and wide >= 6 and 0.8 < wide / tall < 1.25:
                found.append(box)
        return tuple(found)

    def _count(self, number: int = 1) -> int:
        self.instance += number
        return self.instance - number + 1

    def _later(self, z: float, draw: Callable[..., None], *arguments: Any) -> None:
        """Put off drawing something ``z`` metres away until everything farther off is drawn."""
        self.queue.append((z, partial(draw, *arguments)))

    def _spot(self, x: float, z: float) -> Spot:
        return self.camera.spot(self.canvas, x, z)

    def _sky(self) -> None:
        rng, height = self.rng, self.canvas.height
        top = np.array([rng.uniform(70, 140), rng.uniform(120, 170), rng.uniform(170, 225)])
        low = np.array([rng.uniform(190, 226), rng.uniform(205, 228), rng.uniform(215, 236)])
        share = np.clip(np.arange(height) / max(1.0, self.camera.horizon), 0, 1)[:, None]
        self.canvas.background((top * (1 - share) + low * share).astype(np.uint8), thing("sky"))
        for _ in range(int(rng.integers(0, 4))):
            x, y = rng.uniform(0, self.canvas.width), rng.uniform(0, self.camera.horizon * 0.7)
            for _ in range(5):
                w, dx, dy = rng.uniform(8, 26), rng.uniform(-24, 24), rng.uniform(-4, 4)
                cloud = (x + dx - w, y + dy - w * 0.3, x + dx + w, y + dy + w * 0.3)
                self.canvas.ellipse(*cloud, (232, 236, 240), thing("sky"))

    def _near(self) -> float:
        """Distance at which the street leaves the picture at the bottom."""
        return self.camera.focal * self.camera.above / (self.canvas.height - self.camera.horizon) * 0.9

    def _lay(self, x0: float, x1: float, color: Color, name: str, z0: float | None = None, z1: float = FAR) -> None:
        near = self._near() if z0 is None else max(z0, self._near())
        if z1 > near:
            self.canvas.polygon(self.camera.strip(x0, x1, near, z1), color, thing(name))

    def _ground(self) -> None:
        rng = self.rng
        grey = int(rng.integers(84, 112))
        asphalt: Color = (grey, grey, grey + 3)
        lawn = (int(rng.integers(96, 128)), int(rng.integers(128, 158)), int(rng.integers(70, 92)))
        self._lay(-200, 200, lawn, "terrain")
        paving = int(rng.integers(140, 172))
        for side in (-1, 1):
            self._lay(side * self.kerb, side * self.border, (paving, paving - 6, paving - 14), "sidewalk")
            self._lay(side * self.kerb, side * (self.kerb + 0.28), (196, 196, 192), "curb")
        self._lay(-self.kerb, self.kerb, asphalt, "road")
        for side in (-1, 1):
            edge = self.half
            if self.bike_lane:
                self._lay(side * edge, side * (edge + 1.5), (142, 84, 76), "bike lane")
                edge += 1.5
            if self.parking:
                self._lay(side * edge, side * (edge + 2.3), shade(asphalt, 1.22), "parking")
            self._lay(side * (self.half - 0.12), side * (self.half + 0.06), (226, 226, 222), "lane marking")
        dash = rng.uniform(0, 6)
        for z in np.arange(self._near() - 6 + dash, 60, 6.0):
            self._lay(-0.08, 0.08, (232, 232, 228), "lane marking", float(z), float(z) + 3)
        if rng.random() < 0.45:
            z = float(rng.uniform(7, 16))
            for x in np.arange(-self.half + 0.3, self.half - 0.5, 1.0):
                self._lay(float(x), float(x) + 0.5, (228, 228, 224), "crosswalk", z, z + 3)
        for _ in range(int(rng.integers(0, 3))):
            x, z = float(rng.uniform(-self.half + 0.8, self.half - 0.8)), float(rng.uniform(5, 14))
            (left, top), (right, bottom) = self.camera.at(x - 0.42, z + 0.42), self.camera.at(x + 0.42, z - 0.42)
            self.canvas.ellipse(left, top, right, bottom, (70, 66, 64), thing("manhole"))

    def _borders(self) -> None:
        for side in (-1, 1):
            kind = self.rng.choice(["houses", "houses", "green", "fence", "wall"])
            if kind == "houses":
                self._houses(side, self.border + 0.1)
                continue
            self._houses(side, self.border + 14)
            if kind in ("fence", "wall"):
                self._barrier(side, str(kind))
            for _ in range(int(self.rng.integers(4, 9))):
                x, z = side * (self.border + self.rng.uniform(1.5, 8)), float(self.rng.uniform(8, 60))
                self._plant(x, z)

    def _plant(self, x: float, z: float) -> None:
        self._later(z, objects.tree, self._spot(x, z), self.rng)

    def _barrier(self, side: int, kind: str) -> None:
        x, tall = side * (self.border + 0.2), 1.3 if kind == "fence" else 2.0
        color: Color = (150, 128, 96) if kind == "fence" else (156, 150, 142)
        for z in np.arange(60, 4, -4.0):
            z0, z1 = max(self._near(), float(z) - 4), float(z)
            face = [
                self.camera.at(x, z0),
                self.camera.at(x, z1),
                self.camera.at(x, z1, tall),
                self.camera.at(x, z0, tall),
            ]
            tint = shade(color, 1.0 if round(z / 4) % 2 else 0.93)
            self._later(z1, self.canvas.polygon, face, tint, thing(kind))

    def _houses(self, side: int, distance: float) -> None:
        z = FAR
        while z > 4:
            deep = float(self.rng.uniform(8, 18))
            tall = float(self.rng.uniform(6, 15))
            color = (
                int(self.rng.integers(130, 216)),
                int(self.rng.integers(118, 190)),
                int(self.rng.integers(100, 170)),
            )
            if self.rng.random() < 0.88:
                z0, z1 = max(self._near(), z - deep), z
                self._later(z1, self._house, side * distance, z0, z1, tall, color)
            z -= deep

    def _house(self, x: float, z0: float, z1: float, tall: float, color: Color) -> None:
        at, value = self.camera.at, thing("building")
        far = x + 30 * (1 if x > 0 else -1)
        front = [at(x, z0), at(far, z0), at(far, z0, tall), at(x, z0, tall)]
        self.canvas.polygon(front, shade(color, 0.86), value)
        self.canvas.polygon([at(x, z0), at(x, z1), at(x, z1, tall), at(x, z0, tall)], color, value)
        for up in np.arange(1.2, tall - 1.6, 3.0):
            for z in np.arange(z0 + 1.2, z1 - 1.6, 3.2):
                low, high, near, back = float(up), float(up) + 1.5, float(z), float(z) + 1.4
                window = [at(x, near, low), at(x, back, low), at(x, back, high), at(x, near, high)]
                self.canvas.polygon(window, (70, 82, 96), value)

    def _traffic(self) -> None:
        rng = self.rng
        for side in (-1, 1):
            z = float(rng.uniform(7, 16))
            while z < 60:
                if rng.random() < 0.5:
                    self._vehicle(side * self.half / 2 + float(rng.uniform(-0.3, 0.3)), z)
                z += float(rng.uniform(9, 20))
            if self.parking:
                z = float(rng.uniform(6, 12))
                while z < 50:
                    if rng.random() < 0.6:
                        self._vehicle(side * (self.kerb - 1.15), z, parked=True)
                    z += float(rng.uniform(5.5, 9))
        if rng.random() < 0.6:
            x = self.half - 0.6 + (0.9 if self.bike_lane else 0)
            self._rider(float(x) * (1 if rng.random() < 0.6 else -1), float(rng.uniform(6, 18)))

    def _vehicle(self, x: float, z: float, parked: bool = False) -> None:
        kinds = (objects.car, objects.car, objects.car, objects.truck, objects.bus)
        draw = kinds[0 if parked else int(self.rng.integers(len(kinds)))]
        self._later(z, draw, self._spot(x, z), self.rng, self._count())

    def _rider(self, x: float, z: float) -> None:
        motor = bool(self.rng.random() < 0.45)
        self._later(z, objects.rider, self._spot(x, z), self.rng, self._count(2), motor)

    def _walkers(self) -> None:
        for _ in range(int(self.rng.integers(1, 6))):
            side = 1 if self.rng.random() < 0.5 else -1
            x, z = side * self.rng.uniform(self.kerb + 0.7, self.border - 0.3), float(self.rng.uniform(5, 25))
            self._later(z, objects.person, self._spot(float(x), z), self.rng, self._count())

    def _furniture(self) -> None:
        rng = self.rng
        for side in (-1, 1):
            for z in np.arange(rng.uniform(8, 20), 60, 22.0):
                self._later(float(z), objects.street_light, self._spot(side * (self.kerb + 0.6), float(z)), -side)
            if rng.random() < 0.35:
                away = float(rng.uniform(8, 18))
                self._later(away, objects.traffic_light, self._spot(side * (self.kerb + 0.5), away), rng)
            for draw in (objects.trash_can, objects.bench):
                if rng.random() < 0.35:
                    away = float(rng.uniform(7, 18))
                    self._later(away, draw, self._spot(side * (self.border - 0.6), away))
            if rng.random() < 0.5:
                away, outline = float(rng.uniform(6, 14)), int(rng.integers(NUM_SIGNS))
                self._later(away, objects.sign_back, self._spot(side * (self.kerb + 0.4), away), outline, 0.85, 2.0)

    def _signs(self) -> None:
        """Stand the dealt signs along the kerbs, far enough from each other not to overlap."""
        rng, left = self.rng, list(self.classes)
        near, far = self.style.sign_distance
        first = 1 if rng.random() < 0.5 else -1
        for slot, z in enumerate(np.linspace(near, far, 3)):
            count = min(len(left), 2 if slot == 1 else 1)
            cards, left = left[:count], left[count:]
            if not cards:
                return
            side = first if slot % 2 else -first
            # The nearest signs stand where the picture still reaches.
            x = side * min(self.kerb + 0.35, 0.42 * self.camera.width * float(z) / self.camera.focal)
            self._post(x, float(z) * float(rng.uniform(0.95, 1.1)), cards)

    def _post(self, x: float, z: float, cards: list[int]) -> None:
        values = []
        for class_id in cards:
            instance = self._count()
            self.sign_class[instance] = class_id
            values.append(instance * INSTANCE + thing("sign front"))
        plate, height = float(self.rng.uniform(0.8, 1.05)), float(self.rng.uniform(1.7, 2.2))
        self._later(z, objects.sign_front, self._spot(x, z), cards, values, plate, height)

    def _hood(self) -> None:
        width, height = self.canvas.width, self.canvas.height
        top = height * 0.93
        shape = [(0, height), (width * 0.08, top + 3), (width * 0.5, top - 3), (width * 0.92, top + 3), (width, height)]
        self.canvas.polygon(shape, (58, 60, 66), thing("ego vehicle"))
