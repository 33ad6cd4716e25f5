"""Where the traffic signs stand that face the camera, and which they are.

Signs are dealt like cards, from decks of all 43 classes that are shuffled anew, so that every class is as frequent as
any other. They get their places before anything else is put up: each wholly inside the picture, none before another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np
from PIL import Image

from labelforge.demo.furniture import METAL
from labelforge.demo.signs import NUM_SIGNS, sign_picture
from labelforge.demo.stage import Stage

__all__ = ["deal_signs", "put_up_signs"]

Rectangle = tuple[float, float, float, float]

_SMALLEST, _LARGEST = 0.05, 0.2
"""Width of a sign, in widths of the picture."""
_TRIES = 80


def deal_signs(seeds: Sequence[int], index: int, fewest: int, most: int, bare: int = 0) -> list[int]:
    """The signs of one scene of a series.

    Args:
        seeds: What the series is seeded with.
        index: Number of the scene in the series.
        fewest: Fewest signs per scene.
        most: Most signs per scene.
        bare: Every how manieth scene gets none; 0 = each gets some.

    Returns:
        GTSDB classes. Taken together, the scenes 0, 1, 2, ... use up one deck after another.
    """
    # Of one stream of numbers, a scene uses those up to its own: what it is dealt does not depend on later scenes.
    counts = fewest + (np.random.default_rng([*seeds, 1]).random(index + 1) * (most - fewest + 1)).astype(np.int64)
    if bare:
        counts[bare - 1 :: bare] = 0
    first = int(counts[:index].sum())
    cards = []
    for card in range(first, first + int(counts[index])):
        deck = np.random.default_rng([*seeds, 2, card // NUM_SIGNS]).permutation(NUM_SIGNS)
        cards.append(int(deck[card % NUM_SIGNS]))
    return cards


@dataclass
class _Post:
    """A pole with signs on it, or, if it does not stand, a wire."""

    x: float
    z: float
    standing: bool = True
    plates: list[_Plate] = field(default_factory=list)


@dataclass(frozen=True)
class _Plate:
    """A sign as it hangs there.

    Attributes:
        class_id: Class of GTSDB.
        width: In metres.
        middle: Height of its middle above the street.
        light: Brightness: dull or bright, in the shade or in the sun.
        narrow: How much narrower it looks, being turned away a little.
        tilt: How far it hangs askew, in degrees.
    """

    class_id: int
    width: float
    middle: float
    light: float
    narrow: float
    tilt: float

    @property
    def tall(self) -> float:
        """Height in metres."""
        picture = sign_picture(self.class_id)
        return self.width * picture.height / picture.width


def put_up_signs(stage: Stage, classes: Sequence[int], floor: float) -> dict[int, int]:
    """Put up the signs of a scene.

    Args:
        stage: The scene; nothing else may stand there yet.
        classes: GTSDB classes of the signs.
        floor: Row above which signs must end.

    Returns:
        Annotation value of each sign -> its class.
    """
    planner = _Planner(stage, floor)
    # The largest are placed first, while there is room. Sizes are spread over the range, more of them in
    # its upper half (on a log scale), since a sign that is small teaches little.
    shares = sorted(
        (float(s) for s in (np.arange(len(classes)) + stage.rng.random(len(classes))) / max(1, len(classes))),
        reverse=True,
    )
    for class_id, share in zip(classes, shares, strict=True):
        planner.place(class_id, _SMALLEST * (_LARGEST / _SMALLEST) ** share**0.8)
    values: dict[int, int] = {}
    for post in planner.posts:
        numbers = [stage.count("sign front") for _ in post.plates]
        values.update({v: plate.class_id for v, plate in zip(numbers, post.plates, strict=True)})
        pole = stage.count("pole")
        stage.later(post.z, partial(_paint, stage, post, numbers, pole))
        for plate in post.plates:
            left, top, right, bottom = planner.rectangle(post, plate)
            stage.reserve([(left, top), (right, bottom)], post.z)
    return values


class _Planner:
    def __init__(self, stage: Stage, floor: float) -> None:
        self.stage, self.camera, self.rng, self.floor = stage, stage.camera, stage.rng, floor
        self.posts: list[_Post] = []

    def rectangle(self, post: _Post, plate: _Plate) -> Rectangle:
        """The pixels that a plate takes up, with a margin."""
        column, row = self.camera.at(post.x, post.z, plate.middle)
        scale = self.camera.focal / post.z
        across, down = plate.width * scale / 2 + 1.5, plate.tall * scale / 2 + 1.5
        return column - across, row - down, column + across, row + down

    def place(self, class_id: int, share: float) -> None:
        """Find a place for one sign, its width being ``share`` of the picture's."""
        for attempt in range(_TRIES):
            pixels = max(share * 0.97**attempt, _SMALLEST) * self.camera.width
            post, plate = self._propose(class_id, pixels, forced=attempt > _TRIES // 2)
            if self._fits(post, plate):
                post.plates.append(plate)
                if post not in self.posts:
                    self.posts.append(post)
                return
        self._hang_up(class_id)

    def _plate(self, class_id: int, width: float, middle: float) -> _Plate:
        rng = self.rng
        return _Plate(class_id, width, middle, rng.uniform(0.78, 1.06), rng.uniform(0.84, 1.0), rng.normal(0, 2.0))

    def _propose(self, class_id: int, pixels: float, forced: bool) -> tuple[_Post, _Plate]:
        """A new post for a sign, or room on a post that is there.

        Args:
            class_id: The sign.
            pixels: Its width in the picture.
            forced: Anywhere in the picture instead of on the sidewalk.
        """
        rng, camera = self.rng, self.camera
        standing = [post for post in self.posts if post.standing]
        if standing and rng.random() < 0.3:
            post = standing[int(rng.integers(len(standing)))]
            width = pixels * post.z / camera.focal
            lowest = min(plate.middle - plate.tall / 2 for plate in post.plates)
            plate = self._plate(class_id, min(width, 1.15), 0.0)
            return post, replace(plate, middle=lowest - plate.tall / 2 - 0.05)
        width = rng.uniform(0.72, 1.12)
        z = camera.focal * width / pixels
        side = self.stage.street.sides[1 if rng.random() < 0.62 else 0]
        near, far = side.walkway if not side.country else (abs(side.kerb) + 0.8, abs(side.kerb) + 2.5)
        reach = (camera.width / 2 - pixels * 0.6) * z / camera.focal
        if forced or near > reach:
            near, far = min(1.9, reach * 0.6), reach
        x = side.way * rng.uniform(near, max(near, min(far, reach)))
        return _Post(x, z), self._plate(class_id, width, rng.uniform(2.1, 3.3))

    def _fits(self, post: _Post, plate: _Plate) -> bool:
        mine = self.rectangle(post, plate)
        if mine[0] < 1 or mine[1] < 1 or mine[2] > self.camera.width - 1 or mine[3] > self.floor or plate.middle < 1.2:
            return False
        border = self.stage.street.sides[0 if post.x < 0 else 1].border
        if post.z < max(2.5, self.camera.near * 0.7) or abs(post.x) + plate.width / 2 > abs(border) - 0.2:
            return False
        pole = self._pole(post, plate)
        for other in self.posts:
            plates = [self.rectangle(other, theirs) for theirs in other.plates]
            if any(_overlap(mine, theirs) for theirs in plates):
                return False
            if other.z < post.z and _overlap(self._pole(other), mine):
                return False
            if post.z < other.z and any(_overlap(pole, theirs) for theirs in plates):
                return False
        return True

    def _pole(self, post: _Post, plate: _Plate | None = None) -> Rectangle:
        """The pixels of a pole, from its highest plate (of which ``plate`` may be a new one) to its foot."""
        plates = [*post.plates, plate] if plate else post.plates
        column, top = self.camera.at(post.x, post.z, max(p.middle for p in plates))
        half = 0.06 * self.camera.focal / post.z + 1.5
        return column - half, top, column + half, self.camera.at(post.x, post.z)[1] if post.standing else top

    def _hang_up(self, class_id: int) -> None:
        """The last resort: the first free spot of the picture, on a wire over the street."""
        for distance in (1.0, 0.8, 1.25):
            pixels = _SMALLEST * self.camera.width
            z = self.camera.focal * 0.8 * distance / pixels
            for row in np.arange(pixels, self.floor - pixels, pixels / 2):
                for column in np.arange(pixels, self.camera.width - pixels, pixels / 2):
                    x = (float(column) - self.camera.center) * z / self.camera.focal - self.camera.bend * z * z
                    up = self.camera.above - (float(row) - self.camera.horizon) * z / self.camera.focal
                    post = _Post(x, z, standing=False)
                    plate = self._plate(class_id, 0.8 * distance, up)
                    if self._fits(post, plate):
                        post.plates.append(plate)
                        self.posts.append(post)
                        return


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _paint(stage: Stage, post: _Post, values: Sequence[int], pole: int) -> None:
    spot = stage.spot(post.x, post.z)
    top = max(plate.middle + plate.tall * 0.3 for plate in post.plates)
    if post.standing:
        spot.shadow(-0.3, 0.3)
        spot.mast(0, top, 0.08, METAL, pole)
    for plate, value in zip(post.plates, values, strict=True):
        size = (plate.width * plate.narrow * spot.scale, plate.tall * spot.scale)
        stage.canvas.stamp(_half(plate.class_id), spot.at(0, plate.middle), size, plate.tilt, plate.light, value)


@lru_cache(maxsize=NUM_SIGNS)
def _half(class_id: int) -> Image.Image:
    """A sign's picture, half as large: more than enough for a scene, and quicker to scale."""
    return sign_picture(class_id).reduce(2)
