"""Synthetic scenes: the same picture for a seed, an annotation that fits the picture, boxes that hold their signs."""

from __future__ import annotations

import hashlib
import math
import zlib

import numpy as np
import pytest
from PIL import Image

from labelforge.demo import Scene, render_scene
from labelforge.demo.canvas import HERE, Canvas, mark
from labelforge.demo.photo import Style
from labelforge.demo.signposts import deal_signs
from labelforge.demo.signs import NUM_SIGNS
from labelforge.demo.stage import Camera
from labelforge.demo.vocabulary import COUNTABLE, THINGS
from labelforge.demo.writers import CITYSCAPES, GTSDB, VISTAS
from labelforge.palette import Color
from tests.demo.test_signs import draw_sign

SIZE = (192, 112)


def digest(scene: Scene) -> str:
    parts = [scene.image.tobytes(), scene.things.tobytes(), scene.instances.tobytes(), repr(scene.signs).encode()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Thirty scenes of three styles."""
    return [render_scene(5, i, (320, 192), "some", (Style(), VISTAS, GTSDB)[i % 3]) for i in range(30)]


def test_a_scene_depends_on_its_seed_series_and_number_alone() -> None:
    forward = [digest(render_scene(3, i, SIZE, "a")) for i in range(4)]
    backward = [digest(render_scene(3, i, SIZE, "a")) for i in (3, 2, 1, 0)]
    assert forward == backward[::-1]
    others = (render_scene(4, 1, SIZE, "a"), render_scene(3, 1, SIZE, "b"), render_scene(3, 1, SIZE, "a", VISTAS))
    assert len({*forward, *map(digest, others)}) == 7


def test_every_thing_turns_up_and_objects_alone_are_counted() -> None:
    seen: set[int] = set()
    for i in range(90):
        scene = render_scene(1, i, (160, 96), "all", (CITYSCAPES, VISTAS)[i % 2])
        assert scene.image.shape == (96, 160, 3)
        assert ((scene.instances > 0) == COUNTABLE[scene.things]).all()
        seen |= set(np.unique(scene.things).tolist())
    assert {name for name, value in THINGS.items() if value not in seen} == set()


def test_an_instance_is_one_thing(scenes: list[Scene]) -> None:
    for scene in scenes:
        pairs = {(i, t) for i, t in zip(scene.instances.flat, scene.things.flat, strict=True) if i}
        assert len(pairs) == len({i for i, _ in pairs}) > 5


def test_boxes_are_the_extent_of_their_signs_and_no_sign_has_none(scenes: list[Scene]) -> None:
    total = 0
    for scene in scenes:
        extents: dict[int, list[int]] = {}
        for row, column in zip(*np.nonzero(scene.things == THINGS["sign front"]), strict=True):
            box = extents.setdefault(int(scene.instances[row, column]), [column, row, column, row])
            box[:] = min(box[0], column), min(box[1], row), max(box[2], column), max(box[3], row)
        assert {s.instance: [s.left, s.top, s.right, s.bottom] for s in scene.signs} == extents
        total += len(extents)
    assert total > 90


def test_the_signs_that_are_dealt_are_seen_whole(scenes: list[Scene]) -> None:
    missing = 0
    for i, scene in enumerate(scenes):
        style = (Style(), VISTAS, GTSDB)[i % 3]
        dealt = deal_signs((5, zlib.crc32(b"some")), i, *style.signs, style.bare)
        missing += len(set(dealt) - {s.class_id for s in scene.signs})
        assert {s.class_id for s in scene.signs} <= set(dealt)
        for sign in scene.signs:
            wide, tall = sign.right - sign.left + 1, sign.bottom - sign.top + 1
            full = draw_sign(sign.class_id, 64)[1]
            share = (scene.instances == sign.instance).sum() / (wide * tall)
            assert share > 0.85 * full.mean(), "nothing stands before it"
            assert 0.74 < wide / tall * full.shape[0] / full.shape[1] < 1.18, "narrowed, and a pixel more or less"
            assert 0.03 < wide / scene.image.shape[1] < 0.21
            assert sign.left > 0 < sign.top
            assert sign.right < scene.image.shape[1] - 1
    assert missing <= 3


def test_a_box_shows_the_sign_of_its_class() -> None:
    right = total = 0
    templates = [(draw_sign(c, 24)[0].astype(float), draw_sign(c, 24)[1]) for c in range(NUM_SIGNS)]
    for i in range(10):
        scene = render_scene(1, i, (576, 336))
        for box in scene.signs:
            patch = Image.fromarray(scene.image[box.top : box.bottom + 1, box.left : box.right + 1])
            likeness = []
            for rgb, mask in templates:
                seen = np.asarray(patch.resize((24, mask.shape[0])), float)
                likeness.append(np.corrcoef(seen[mask].ravel(), rgb[mask].ravel())[0, 1])
            right += int(np.argmax(likeness)) == box.class_id
            total += 1
    assert total > 30
    assert right / total > 0.85


def test_the_deck_deals_every_sign_before_it_deals_one_again() -> None:
    for fewest, most, bare in ((3, 6, 0), (4, 7, 8), (1, 1, 2)):
        hands = [deal_signs((0, 1), i, fewest, most, bare) for i in range(129)]
        for i, hand in enumerate(hands):
            assert (len(hand) == 0) if bare and i % bare == bare - 1 else (fewest <= len(hand) <= most)
        dealt = [c for hand in hands for c in hand]
        for deck in range(len(dealt) // NUM_SIGNS):
            assert sorted(dealt[deck * NUM_SIGNS : (deck + 1) * NUM_SIGNS]) == list(range(NUM_SIGNS))


def test_picture_and_annotation_are_the_same_strokes() -> None:
    """A pixel of one pure color carries the value that was painted with that color, whatever was painted before."""
    rng = np.random.default_rng(0)
    canvas = Canvas(80, 60, (0, 0, 0))
    canvas.background(Image.new("RGB", (80, 60)), mark("sky"))
    values: dict[Color, int] = {(0, 0, 0): mark("sky")}
    for i in range(40):
        color: Color = (7 * i + 40 - 200 * (i > 30), 255 - 5 * i, (37 * i) % 256)
        values[color] = mark("car", i + 1)
        points = [(float(x), float(y)) for x, y in rng.uniform(-10, 90, (4, 2))]
        if i % 2 == 0:
            canvas.polygon(points[:3], color, values[color])
        else:
            canvas.line(points, rng.uniform(0, 6), color, values[color])
    image, things, instances = canvas.finish()
    checked = 0
    for row, column in np.ndindex(things.shape):
        around = image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        color = (int(image[row, column, 0]), int(image[row, column, 1]), int(image[row, column, 2]))
        if color in values and (around == image[row, column]).all():  # no mixture that looks like another color
            assert int(instances[row, column]) * 256 + int(things[row, column]) == values[color]
            checked += 1
    assert checked > 1500


def test_what_is_painted_here_leaves_the_annotation_alone() -> None:
    canvas = Canvas(20, 20, (0, 0, 0))
    canvas.polygon([(0, 0), (20, 0), (20, 20), (0, 20)], (9, 9, 9), mark("wall"))
    canvas.polygon([(5, 5), (15, 5), (15, 15), (5, 15)], (200, 0, 0), HERE)
    canvas.glaze([(0, 0), (5, 0), (5, 5)], (255, 255, 255), 0.5)
    image, things, _ = canvas.finish()
    assert (things == THINGS["wall"]).all()
    assert image[10, 10].tolist() == [200, 0, 0]
    assert image[1, 3].tolist() == [132, 132, 132]


def test_the_camera_is_a_pinhole() -> None:
    camera = Camera(320, 192, focal=250, horizon=80, above=1.5, center=150, bend=0.001)
    assert camera.at(2, 10, 0.5) == (150 + 250 * (2 + 0.001 * 100) / 10, 80 + 250 * (1.5 - 0.5) / 10)
    assert camera.at(-3, 1e9)[1] == pytest.approx(80), "everything far away is on the horizon"
    assert camera.at(0, camera.near)[1] >= 192
    assert camera.strip((-1, 1), (0, camera.near / 2)) == []
    lane = camera.strip((-1, 1), (10, 50))
    half = len(lane) // 2
    for (x0, y0), (x1, y1) in zip(lane[:half], reversed(lane[half:]), strict=True):
        assert y0 == y1
        assert x1 - x0 == pytest.approx(2 * (y0 - 80) / 1.5), "a lane is as wide everywhere"


def test_sky_is_above_the_street() -> None:
    for i in range(8):
        scene = render_scene(4, i, SIZE)
        rows = {name: np.nonzero(scene.things == THINGS[name])[0] for name in ("sky", "road")}
        assert rows["sky"].max() < rows["road"].max()
        assert rows["sky"].mean() + 0.2 * SIZE[1] < rows["road"].mean()
        blue = scene.image[scene.things == THINGS["sky"]].mean(axis=0)
        grey = scene.image[scene.things == THINGS["road"]].mean(axis=0)
        assert blue.sum() > grey.sum() * 1.1
        assert math.isclose(grey.max(), grey.min(), rel_tol=0.35), "asphalt is grey"
