"""Boxes and segmentations to pixels, against shapely, scikit-image, COCO's own pictures, and plain loops."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
import skimage.draw
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from labelforge.converters.labels.boxes import SHAPES, Overlaps, draw_boxes, overlapping
from labelforge.converters.labels.coco_masks import draw_segmentation
from labelforge.converters.labels.contract import NO_ANNOTATION
from labelforge.treefile import SHAPES as NAMES_IN_TREES

Box = tuple[float, float, float, float]
SIZE = (40, 50)

# The shapes as outlines in a box from (0, 0) to (1, 1), y downwards. The circle is tested apart.
OUTLINES: dict[str, list[tuple[float, float]]] = {
    "rectangle": [(0, 0), (1, 0), (1, 1), (0, 1)],
    "triangle up": [(0.5, 0), (1, 1), (0, 1)],
    "triangle down": [(0, 0), (1, 0), (0.5, 1)],
    "diamond": [(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)],
    "octagon": [(0.25, 0), (0.75, 0), (1, 0.25), (1, 0.75), (0.75, 1), (0.25, 1), (0, 0.75), (0, 0.25)],
}


def one(box: Box, shape: str, size: tuple[int, int] = SIZE) -> NDArray[np.bool_]:
    """Which pixels a single box covers."""
    drawn: NDArray[np.bool_] = draw_boxes([box], [shape], [1], size, background=0) == 1
    return drawn


@st.composite
def float_boxes(draw: st.DrawFn, least: float = 2.0) -> Box:
    left, top = draw(st.floats(-10, 45)), draw(st.floats(-10, 35))
    width, height = draw(st.floats(least, 60)), draw(st.floats(least, 60))
    return left, top, left + width, top + height


@st.composite
def integer_boxes(draw: st.DrawFn, most: int = 24) -> Box:
    left, top = draw(st.integers(0, 25)), draw(st.integers(0, 15))
    return left, top, left + draw(st.integers(1, most)), top + draw(st.integers(1, most))


def test_every_shape_of_a_tree_can_be_drawn() -> None:
    assert set(SHAPES) == set(NAMES_IN_TREES) == {*OUTLINES, "circle"}


@given(float_boxes(), st.sampled_from(sorted(OUTLINES)))
@settings(max_examples=150)
def test_straight_shapes_cover_the_pixel_centres_that_shapely_says(box: Box, shape: str) -> None:
    left, top, right, bottom = box
    corners = [(left + u * (right - left), top + v * (bottom - top)) for u, v in OUTLINES[shape]]
    outline = shapely.Polygon(corners)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    clear = shapely.distance(outline.exterior, shapely.points(x, y)) > 1e-9
    inside = shapely.contains_xy(outline, x, y)
    drawn = one(box, shape)
    # Boxes of at least two pixels hold a pixel centre somewhere, so one whose visible part holds none draws nothing.
    assert np.array_equal(drawn[clear], inside[clear])


@given(float_boxes())
@settings(max_examples=100)
def test_circles_cover_the_pixel_centres_that_scikit_image_says(box: Box) -> None:
    left, top, right, bottom = box
    middle = ((top + bottom) / 2 - 0.5, (left + right) / 2 - 0.5)  # scikit-image counts from pixel centres
    radii = ((bottom - top) / 2, (right - left) / 2)
    rows, columns = skimage.draw.ellipse(*middle, *radii, shape=SIZE)  # type: ignore[no-untyped-call]
    expected = np.zeros(SIZE, dtype=bool)
    expected[rows, columns] = True
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    rim = ((y - middle[0]) * 2 / (bottom - top)) ** 2 + ((x - middle[1]) * 2 / (right - left)) ** 2
    clear = np.abs(rim - 1) > 1e-9
    if expected.any():
        assert np.array_equal(one(box, "circle")[clear], expected[clear])


def test_shapes_of_a_small_box_by_eye() -> None:
    pictures = {
        shape: ["".join(".#"[pixel] for pixel in row) for row in one((0, 0, 6, 6), shape, (6, 6)).astype(int)]
        for shape in ("triangle up", "diamond", "octagon", "circle")
    }
    assert pictures == {
        "triangle up": ["......", "..##..", "..##..", ".####.", ".####.", "######"],
        "diamond": ["..##..", ".####.", "######", "######", ".####.", "..##.."],
        "octagon": [".####.", "######", "######", "######", "######", ".####."],
        "circle": [".####.", "######", "######", "######", "######", ".####."],
    }


@given(integer_boxes(), st.sampled_from(sorted(SHAPES)))
@settings(max_examples=150)
def test_an_integer_box_is_filled_exactly_and_symmetrically(box: Box, shape: str) -> None:
    left, top, right, bottom = (int(edge) for edge in box)
    drawn = one(box, shape)
    part = drawn[top:bottom, left:right]
    assert drawn.sum() == part.sum() > 0
    if shape == "rectangle":
        assert part.all()
    if part.sum() > 1:  # the one pixel of a shape without any has no symmetry
        turned = {"triangle up": "triangle down", "triangle down": "triangle up"}.get(shape, shape)
        assert np.array_equal(part, part[:, ::-1])
        assert np.array_equal(part, one(box, turned)[top:bottom, left:right][::-1])


@given(integer_boxes(), st.sampled_from(sorted(SHAPES)), st.integers(0, 30), st.integers(0, 20))
@settings(max_examples=100)
def test_a_moved_box_is_a_moved_drawing(box: Box, shape: str, right: int, down: int) -> None:
    canvas = (80, 100)
    moved = (box[0] + right, box[1] + down, box[2] + right, box[3] + down)
    expected = np.roll(one(box, shape, canvas), (down, right), axis=(0, 1))
    assert np.array_equal(one(moved, shape, canvas), expected)


@given(integer_boxes(), st.sampled_from(sorted(SHAPES)), st.sampled_from([3, 5]))
@settings(max_examples=100)
def test_a_scaled_box_is_the_same_shape(box: Box, shape: str, factor: int) -> None:
    # With an odd factor the middle of each block of pixels is the centre of the pixel that it came from.
    small = one(box, shape)
    scaled = tuple(edge * factor for edge in box)
    large = one(scaled, shape, (SIZE[0] * factor, SIZE[1] * factor))  # type: ignore[arg-type]
    sampled = large[factor // 2 :: factor, factor // 2 :: factor]
    if sampled.any():
        assert np.array_equal(sampled, small)


@given(float_boxes(), st.sampled_from(sorted(SHAPES)))
@settings(max_examples=60)
def test_what_lies_outside_the_image_is_cut_off(box: Box, shape: str) -> None:
    box = tuple(round(edge * 64) / 64 for edge in box)  # type: ignore[assignment]  # so that moving it rounds nothing
    margin = 80
    everything = one(tuple(edge + margin for edge in box), shape, (SIZE[0] + 2 * margin, SIZE[1] + 2 * margin))  # type: ignore[arg-type]
    expected = everything[margin:-margin, margin:-margin]
    if expected.any():
        assert np.array_equal(one(box, shape), expected)


def test_a_box_beside_the_image_draws_nothing() -> None:
    for box in ((-9.0, 0.0, -1.0, 5.0), (50.0, 0.0, 60.0, 5.0), (0.0, -3.0, 5.0, 0.0), (0.0, 40.0, 5.0, 44.0)):
        assert not one(box, "rectangle").any()


@given(st.lists(st.floats(0.5, 49.5), min_size=1, max_size=6, unique=True), st.floats(1.5, 39))
@settings(max_examples=60)
def test_rectangles_that_share_edges_tile(cuts: list[float], level: float) -> None:
    xs = [0.0, *sorted(cuts), 50.0]
    boxes = [(a, b, c, d) for a, c in itertools.pairwise(xs) for b, d in ((0.0, level), (level, 40.0))]
    wide = [box for box in boxes if box[2] - box[0] >= 1]  # a narrower one may take a pixel of its neighbour
    covered = sum(one(box, "rectangle").astype(int) for box in wide)
    assert np.max(covered) <= 1
    if len(wide) == len(boxes):
        assert np.min(covered) == 1


@given(st.floats(0, 48), st.floats(0, 38), st.floats(0.01, 2), st.floats(0.01, 2), st.sampled_from(sorted(SHAPES)))
@settings(max_examples=150)
def test_a_tiny_box_never_vanishes(left: float, top: float, width: float, height: float, shape: str) -> None:
    drawn = one((left, top, left + width, top + height), shape)
    rows, columns = np.nonzero(drawn)
    assert len(rows) >= 1
    assert top - 1 <= rows.min() and rows.max() <= top + height
    assert left - 1 <= columns.min() and columns.max() <= left + width


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 3), (3, 2), (1, 7)])
def test_tiny_integer_boxes_leave_a_mark_inside_themselves(shape: str, width: int, height: int) -> None:
    drawn = one((5, 6, 5 + width, 6 + height), shape)
    assert drawn[6 : 6 + height, 5 : 5 + width].sum() == drawn.sum() >= 1


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_part_of_an_image_is_that_part_of_its_drawing(shape: str) -> None:
    """Eighths of pixels are exact in floating point, so that every pixel counts: 400 boxes of 1/8 to 5 pixels, and
    images that end anywhere in them, against the same boxes in the middle of a large image and, where a shape holds no
    centre there, against the pixel that contains the middle."""
    rng = np.random.default_rng(0)
    margin, (height, width) = 8, (7, 9)
    vanished = 0
    for _ in range(400):
        left, top = rng.integers(-40, 8 * width), rng.integers(-40, 8 * height)
        box = np.array([left, top, left + rng.integers(1, 41), top + rng.integers(1, 41)]) / 8
        whole = centres_by_shapely(box + margin, shape, (height + 2 * margin, width + 2 * margin))
        if not whole.any():
            whole[int((box[1] + box[3]) // 2) + margin, int((box[0] + box[2]) // 2) + margin] = True
        expected = whole[margin:-margin, margin:-margin]
        assert np.array_equal(one(tuple(box), shape, (height, width)), expected), box
        vanished += not expected.any() and box[0] < width and box[1] < height and box[2] > 0 and box[3] > 0
    assert vanished > 10, "boxes that reach into the image, but no pixel of which does"


def centres_by_shapely(box: NDArray[np.float64], shape: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixel centres a shape holds: those on its outline too, but not on the right and lower side of its box."""
    left, top, right, bottom = box
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    if shape == "circle":
        u, v = (2 * x - left - right) / (right - left), (2 * y - top - bottom) / (bottom - top)
        held = np.hypot(u, v) <= 1
    else:
        outline = shapely.Polygon([(left + u * (right - left), top + v * (bottom - top)) for u, v in OUTLINES[shape]])
        held = shapely.intersects_xy(outline, x, y)
    found: NDArray[np.bool_] = held & (x < right) & (y < bottom)
    return found


def test_what_is_mostly_beside_the_image_leaves_no_mark_in_it() -> None:
    assert not one((10.0, 39.0, 20.0, 60.0), "triangle up").any()  # its tip reaches in, between two centres
    assert not one((49.7, 39.7, 50.4, 40.4), "circle").any()  # it holds no centre anywhere, and its middle is outside
    assert one((49.5, 39.5, 50.3, 40.3), "diamond")[39, 49]  # its middle is inside
    assert not one((-1e9, 0.6, 0.4, 40.0), "rectangle").any()


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[Box], list[str], list[int]]:
    boxes = draw(st.lists(integer_boxes(), max_size=6))
    if boxes:  # repeated boxes, of the same and of another value
        boxes += draw(st.lists(st.sampled_from(boxes), max_size=2))
    shapes = [draw(st.sampled_from(sorted(SHAPES))) for _ in boxes]
    return boxes, shapes, [draw(st.integers(0, 3)) for _ in boxes]


def by_brute_force(scene: tuple[list[Box], list[str], list[int]], policy: Overlaps) -> NDArray[np.int32]:
    boxes, shapes, values = scene
    covers = [one(box, shape) for box, shape in zip(boxes, shapes, strict=True)]
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in boxes]
    out = np.full(SIZE, NO_ANNOTATION, dtype=np.int32)
    for pixel in np.ndindex(SIZE):
        here = [i for i, cover in enumerate(covers) if cover[pixel]]
        present = {values[i] for i in here}
        if len(present) == 1:
            out[pixel] = present.pop()
        elif here and policy == "smallest":
            out[pixel] = values[min(here, key=lambda i: (areas[i], -i))]
        elif here and policy == "set":
            out[pixel] = sum(10**value for value in present)
    return out


SETS = {frozenset(m): sum(10**v for v in m) for n in (2, 3, 4) for m in itertools.combinations(range(4), n)}


@pytest.mark.parametrize("policy", ["smallest", "ignore", "set"])
@given(scene=scenes())
@settings(max_examples=25)
def test_overlaps_by_brute_force(policy: Overlaps, scene: tuple[list[Box], list[str], list[int]]) -> None:
    drawn = draw_boxes(*scene, SIZE, overlaps=policy, sets=SETS if policy == "set" else None)
    assert drawn.dtype == np.int32
    assert np.array_equal(drawn, by_brute_force(scene, policy))


@given(st.lists(st.tuples(integer_boxes(most=12), st.integers(0, 3)), max_size=6))
@settings(max_examples=60)
def test_overlapping_finds_every_set_that_meets_at_a_pixel(pairs: list[tuple[Box, int]]) -> None:
    boxes, values = [box for box, _ in pairs], [value for _, value in pairs]
    layers = np.zeros((4, *SIZE), dtype=bool)
    for box, value in pairs:
        layers[value] |= one(box, "rectangle")
    expected = set()
    for present in {tuple(np.flatnonzero(pixel)) for pixel in layers.reshape(4, -1).T}:
        for n in range(2, len(present) + 1):  # a shape leaves part of its box out: subsets overlap as well
            expected |= {frozenset(int(v) for v in some) for some in itertools.combinations(present, n)}
    assert overlapping(boxes, values) == expected


def test_a_set_that_has_no_value_is_background() -> None:
    boxes = [(0, 0, 4, 4), (2, 0, 6, 4), (3, 0, 7, 4)]
    row = draw_boxes(
        boxes, ["rectangle"] * 3, [1, 2, 3], (1, 7), background=0, overlaps="set", sets={frozenset({1, 2}): 9}
    )
    assert row.tolist() == [[1, 1, 9, 0, 0, 0, 3]]


def test_no_box_is_all_background() -> None:
    assert (draw_boxes([], [], [], (3, 4), background=7) == np.full((3, 4), 7)).all()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((5, 5, 5, 9), "left < right"),
        ((5, 9, 8, 2), "top < bottom"),
        ((float("nan"), 0, 1, 1), "finite"),
        ((0, 0, float("inf"), 1), "finite"),
    ],
)
def test_a_box_without_area_is_refused(box: Box, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_boxes([box], ["circle"], [1], SIZE)


def test_arguments_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="1 boxes, 2 shapes and 1 values"):
        draw_boxes([(0, 0, 1, 1)], ["circle", "circle"], [1], SIZE)
    with pytest.raises(ValueError, match="needs the value of every set"):
        draw_boxes([(0, 0, 1, 1)], ["circle"], [1], SIZE, overlaps="set")


def test_run_lengths_draw_what_the_panoptic_picture_shows(shared_data: Path) -> None:
    folder = shared_data / "coco_panoptic"
    objects = json.loads((folder / "panoptic_coco_detection_format.json").read_text())["annotations"]
    segments = json.loads((folder / "panoptic_examples.json").read_text())["annotations"]
    names = {entry["image_id"]: entry["file_name"] for entry in segments}
    claimed: dict[int, NDArray[np.int_]] = {}
    for entry in objects:
        rgb = np.asarray(Image.open(folder / "panoptic_examples" / names[entry["image_id"]]).convert("RGB"), dtype=int)
        ids = rgb @ np.array([1, 256, 256 * 256])
        inside = draw_segmentation(entry["segmentation"], ids.shape, ids.shape)
        assert inside.sum() == entry["area"]
        assert len(np.unique(ids[inside])) == 1
        assert (ids == ids[inside][0]).sum() == entry["area"]
        claimed.setdefault(entry["image_id"], np.zeros(ids.shape, dtype=int))
        claimed[entry["image_id"]] += inside
    assert [count.max() for count in claimed.values()] == [1, 1]


def test_uncompressed_run_lengths_go_down_the_columns() -> None:
    drawn = draw_segmentation({"size": [3, 2], "counts": [1, 3, 2]}, (3, 2), (3, 2))
    assert drawn.astype(int).tolist() == [[0, 1], [1, 0], [1, 0]]
    doubled = draw_segmentation({"size": [3, 2], "counts": [1, 3, 2]}, (3, 2), (6, 4))
    assert np.array_equal(doubled, drawn.repeat(2, axis=0).repeat(2, axis=1))


def test_polygons_are_a_union_and_are_scaled_before_they_are_drawn() -> None:
    square, other = [10, 10, 20, 10, 20, 30, 10, 30], [30, 5, 40, 5, 40, 15, 30, 15]
    expected = np.zeros((40, 50), dtype=bool)
    expected[10:30, 10:20] = expected[5:15, 30:40] = True
    assert np.array_equal(draw_segmentation([square, other], (40, 50), (40, 50)), expected)
    tripled = expected.repeat(3, axis=0).repeat(3, axis=1)
    assert np.array_equal(draw_segmentation([square, other], (40, 50), (120, 150)), tripled)


def test_run_lengths_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"size \(3, 2\), but the image has \(2, 3\)"):
        draw_segmentation({"size": [3, 2], "counts": [6]}, (2, 3), (2, 3))
