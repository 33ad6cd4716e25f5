"""Boxes refined by what the image shows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labelforge.converters import convert
from labelforge.converters.labels.contract import NO_ANNOTATION
from labelforge.converters.labels.labeled_boxes import Box, LabeledBoxes
from labelforge.errors import ConfigError
from tests.converters.layouts import Array, read_shards, save, write_cityscapes, write_gtsdb

SIZE = (120, 160)


def scene(seed: int) -> tuple[Array, Array, Box]:
    """A noisy picture of a ring-shaped thing with clipped corners, where it is, and its box."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    p, q = (x - 80) / 40, (y - 60) / 30
    thing = (abs(p) ** 3 + abs(q) ** 3) <= 1
    color = np.where(thing[..., None], (200, 60, 50), (70, 90, 120))
    image = (color + rng.normal(0, 12, (*SIZE, 3))).clip(0, 255).astype(np.uint8)
    return image, thing, Box(7, 40, 30, 120, 90)


def overlap(drawn: Array, thing: Array) -> float:
    filled = drawn == 7
    return float((filled & thing).sum() / (filled | thing).sum())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [SIZE, (60, 80), (360, 480)])
def test_a_refined_box_is_nearer_to_the_object(seed: int, size: tuple[int, int]) -> None:
    image, thing, box = scene(seed)
    scaled = np.asarray(thing.repeat(3, 0).repeat(3, 1)) if size == (360, 480) else thing[:: SIZE[0] // size[0]]
    scaled = scaled[:, :: SIZE[1] // size[1]] if size[0] < SIZE[0] else scaled
    whole = LabeledBoxes([box]).draw(SIZE, size, np.asarray)
    refined = LabeledBoxes([box]).refined(image).draw(SIZE, size, np.asarray)
    wrong, left = (1 - overlap(drawn, scaled) for drawn in (whole, refined))
    assert left < 0.75 * wrong
    assert not ((refined == 7) & (whole != 7)).any()  # never beyond the box


def test_what_is_not_refined() -> None:
    """Boxes with a shape, boxes too small for corners, and a box that is the whole image."""
    image, _, box = scene(0)
    boxes = [Box(8, 3, 3, 9, 30), Box(9, 130, 10, 150, 30)]
    labels = LabeledBoxes(boxes, {9: "circle"})
    assert np.array_equal(labels.refined(image).draw(SIZE, SIZE, np.asarray), labels.draw(SIZE, SIZE, np.asarray))
    whole = LabeledBoxes([Box(7, -5, -5, 300, 300)]).refined(image)
    assert (whole.draw(SIZE, SIZE, np.asarray) == 7).all()
    alone = LabeledBoxes([box]).refined(np.full((*SIZE, 3), 90, np.uint8)).draw(SIZE, SIZE, np.asarray)
    assert (alone == 7).sum() > 3000  # a picture of nothing is no fault


def test_overlaps_are_decided_after_boxes_are_refined() -> None:
    image, thing, box = scene(1)
    corner = Box(8, 40, 30, 52, 40)
    for overlaps, value in (("ignore", NO_ANNOTATION), ("set", -1)):
        sets = {frozenset({7, 8}): -1}
        labels = LabeledBoxes([box, corner], {8: "rectangle"}, overlaps, sets)  # type: ignore[arg-type]
        drawn = labels.refined(image).draw(SIZE, SIZE, np.asarray)
        window = drawn[30:40, 40:52]
        assert set(np.unique(window).tolist()) == {8, value}
        assert ((window == 8) == ~thing[30:40, 40:52]).mean() > 0.8


def test_conversion_refines_boxes_where_it_is_asked_to(tmp_path: Path) -> None:
    image, thing, _ = scene(2)
    save(tmp_path / "root/images/100k/val/a.jpg", image, quality=95)
    label = {"category": "car", "box2d": {"x1": 40, "y1": 30, "x2": 119, "y2": 89}}
    (tmp_path / "root/labels/det_20").mkdir(parents=True)
    (tmp_path / "root/labels/det_20/det_val.json").write_text(json.dumps([{"name": "a.jpg", "labels": [label]}]))
    for refine in (False, True):
        convert("bdd100k", tmp_path / "root", tmp_path / str(refine), split="val", taxonomy="streets", refine=refine)
    whole, refined = (read_shards(tmp_path / str(refine))["a"][1] == 3 for refine in (False, True))
    assert whole.sum() == 80 * 60
    assert (refined != thing).sum() < 0.4 * (whole != thing).sum()
    with pytest.raises(ConfigError, match=r"other options \(refine was True and is False now\)"):
        convert("bdd100k", tmp_path / "root", tmp_path / "True", split="val", taxonomy="streets")


def test_datasets_without_boxes_or_with_shapes_alone(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "pixels")
    with pytest.raises(ConfigError, match="Cityscapes has no boxes to refine"):
        convert("cityscapes", tmp_path / "pixels", tmp_path / "out", split="train", refine=True)
    write_gtsdb(tmp_path / "signs")
    for refine in (False, True):
        convert("gtsdb", tmp_path / "signs", tmp_path / str(refine), split="train", refine=refine)
    plain, refined = (read_shards(tmp_path / str(refine)) for refine in (False, True))
    assert all(np.array_equal(ids, refined[key][1]) for key, (_, ids, _) in plain.items())
