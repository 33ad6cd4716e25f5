"""Where the traffic signs stand that face the camera, and which they are.

Signs are dealt like cards, from decks of all 43 classes that are shuffled anew, so that every class is as frequent as
any other. They get their places before anything else is put up: each wholly inside the picture, none before another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelforge.demo.canvas import INSTANCE, Point
from labelforge.demo.signs import NUM_SIGNS, paint_sign, sign_height
from labelforge.demo.stage import Rectangle, Stage

_SMALLEST, _LARGEST = 0.05, 0.2  # width of a sign, in widths of the picture
_TRIES = 600
_Extent = tuple[float, Rectangle, Rectangle]  # distance; pixels of the plate; pixels of the pole


def deal_signs(seeds: Sequence[int], index: int, fewest: int, most: int, bare: int = 0) -> list[int]:
    """GTSDB classes of the signs of one scene: the scenes 0, 1, 2, ... of a series use up one deck after another.

    There are ``fewest`` to ``most`` of them, but none in every scene whose number (from 1) is a multiple of ``bare``.
    """
    # Of one stream of numbers, a scene uses those up to its own: what it is dealt does not depend on later scenes.
    counts = np.random.default_rng([*seeds, 1]).integers(fewest, most + 1, index + 1)
    if bare:
        counts[bare - 1 :: bare] = 0
    cards = range(int(counts[:index].sum()), int(counts.sum()))
    decks = {n: np.random.default_rng([*seeds, 2, n]).permutation(NUM_SIGNS) for n in {c // NUM_SIGNS for c in cards}}
    return [int(decks[card // NUM_SIGNS][card % NUM_SIGNS]) for card in cards]


def put_up_signs(stage: Stage, classes: Sequence[int]) -> dict[int, int]:
    """Put up the signs of a scene, before anything else stands there; none hides another.

    What comes back is the class of each sign's instance. A sign that finds no room, which is rare, is left out.
    """
    standing: list[_Extent] = []
    placed: dict[int, int] = {}
    # The largest are placed first, while there is room. Sizes are spread over the range, more of them in its upper half
    # (on a log scale), since a sign that is small teaches little.
    shares = np.sort((np.arange(len(classes)) + stage.rng.random(len(classes))) / max(1, len(classes)))[::-1]
    for class_id, share in zip(classes, shares.tolist(), strict=True):
        size = _SMALLEST * (_LARGEST / _SMALLEST) ** share**0.8
        for attempt in range(_TRIES):
            wide = max(size * 0.98**attempt, _SMALLEST) * stage.camera.width
            x, z, width, _ = place = _propose(stage, wide, anywhere=attempt > _TRIES // 10)
            extent = _extent(stage, class_id, *place)
            if _stands_well(stage, x, width, extent) and not any(_hidden(extent, other) for other in standing):
                standing.append(extent)
                stage.reserved.append((extent[1], z))
                placed[_put(stage, class_id, *place)] = class_id
                break
    return placed


def _propose(stage: Stage, pixels: float, anywhere: bool) -> tuple[float, float, float, float]:
    """A place for a sign: (x, z, width, height of its middle) in metres, on the sidewalk or anywhere."""
    rng, camera = stage.rng, stage.camera
    width, side = rng.uniform(0.72, 1.12), stage.street.sides[int(rng.random() < 0.62)]
    z = camera.focal * width / pixels
    (near, far), reach = side.walkway, (camera.width / 2 - pixels * 0.6) * z / camera.focal
    if anywhere or near > reach:
        near, far = min(1.9, reach * 0.6), reach
    x, up = side.way * rng.uniform(near, max(near, min(far, reach))), rng.uniform(2.1, 5.0 if anywhere else 3.3)
    return x, z, width, up


def _extent(stage: Stage, class_id: int, x: float, z: float, width: float, up: float) -> _Extent:
    """The pixels of a sign, with a margin."""
    (column, row), scale = stage.camera.at(x, z, up), stage.camera.focal / z
    across, down, thick = width * scale / 2 + 1.5, width * scale * sign_height(class_id) / 2 + 1.5, 0.06 * scale + 1.5
    plate = (column - across, row - down, column + across, row + down)
    return z, plate, (column - thick, row, column + thick, stage.camera.at(x, z)[1])


def _stands_well(stage: Stage, x: float, width: float, extent: _Extent) -> bool:
    """Whether a sign is inside the picture, between the houses, and not too near."""
    (z, (left, top, right, bottom), _), camera = extent, stage.camera
    inside = left > 1 and top > 1 and right < camera.width - 1 and bottom < 0.8 * camera.height
    return inside and abs(x) + width / 2 < abs(stage.street.sides[int(x > 0)].border) - 0.2 and z > 2.5


def _hidden(one: _Extent, other: _Extent) -> bool:
    """Whether the nearer of two signs hides a part of the other's plate."""
    (_, plate, pole), (_, far, _) = sorted((one, other))
    return any(a[0] < far[2] and far[0] < a[2] and a[1] < far[3] and far[1] < a[3] for a in (plate, pole))


def _put(stage: Stage, class_id: int, x: float, z: float, width: float, middle: float) -> int:
    """Put up a sign, dull or bright, turned away a little and slightly askew, and return its instance."""
    rng, sign, pole = stage.rng, stage.count("sign front"), stage.count("pole")
    light, narrow, tilt = rng.uniform(0.78, 1.06), rng.uniform(0.84, 1.0), rng.normal(0, 0.035)
    scale, half = stage.camera.focal * width / z, sign_height(class_id) / 2
    (column, row), foot = stage.camera.at(x, z, middle), stage.camera.at(x, z)

    def at(across: float, down: float) -> Point:
        right, below = (across - 0.5) * narrow, down - half
        return column + scale * (right - below * tilt), row + scale * (below + right * tilt)

    def paint() -> None:
        stage.shadow(x, z, 0.3)
        stage.canvas.line([foot, (column, row)], 0.08 * scale / width, (138, 142, 144), pole)
        paint_sign(stage.canvas, class_id, at, scale, sign, light)

    stage.later(z, paint)
    return sign // INSTANCE
