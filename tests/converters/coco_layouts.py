"""Tiny datasets in COCO's formats: panoptic segments, and objects over stuff."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from labelforge.label_space import LabelSpace
from tests.converters.pictures import NOTHING, Array, Written, label_blocks, palette_png, picture, save


def segment_png(path: Path, numbers: Array) -> Path:
    """Save numbers of segments as COCO's panoptic pictures hold them: red + 256 green + 65536 blue."""
    return save(path, np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], axis=2).astype(np.uint8))


def write_panoptic(
    root: Path, images: str, pictures: str, jsons: str, categories: Sequence[tuple[int, str]], void: int = NOTHING
) -> dict[str, Written]:
    """Two images in COCO's panoptic format, with all categories; segment 0 is no segment, and some are crowds.

    Args:
        root: The dataset's root.
        images: Folder of the images.
        pictures: Folder of the pictures of segments.
        jsons: The JSON file.
        categories: Id and name of each.
        void: The native id that a pixel without a segment has.
    """
    entries: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    found = {}
    for i, key in enumerate(["000000000139", "000000000025"]):
        path = save(root / images / f"{key}.jpg", picture(i), quality=95)
        # A category id has two segments, one of them a crowd; their numbers need all three channels.
        ids = label_blocks(i, [0, *(category for category, _ in categories)]).astype(int)
        halves = np.arange(30) >= 15
        numbers = np.where(ids == 0, 0, ids * 70_001 + halves * 5)
        segment_png(root / pictures / f"{key}.png", numbers)
        segments = [
            {"id": n, "category_id": n // 70_001, "iscrowd": int(n % 70_001 > 0), "area": int((numbers == n).sum())}
            for n in np.unique(numbers).tolist()
            if n
        ]
        entries["images"].append({"id": i + 7, "file_name": f"{key}.jpg", "height": 20, "width": 30})
        entries["annotations"].append({"image_id": i + 7, "file_name": f"{key}.png", "segments_info": segments})
        found[key] = Written(np.asarray(Image.open(path)), np.where(ids == 0, void, ids))
    listed = [{"id": category, "name": name, "isthing": 1} for category, name in categories]
    (root / jsons).parent.mkdir(parents=True, exist_ok=True)
    (root / jsons).write_text(json.dumps({"info": {"year": 2018}, **entries, "categories": listed}))
    return found


def categories_of(space: str) -> list[tuple[int, str]]:
    """Id and name of every label of a label space, without 0."""
    return [(label.id, label.name) for label in LabelSpace.load(space).labels if label.id]


def write_coco_panoptic(root: Path, split: str = "val2017") -> dict[str, Written]:
    """COCO panoptic as published."""
    jsons = f"annotations/panoptic_{split}.json"
    return write_panoptic(root, split, f"annotations/panoptic_{split}", jsons, categories_of("coco-panoptic-133"))


def write_wilddash2(root: Path, space: str = "wilddash-2-80") -> dict[str, Written]:
    """WildDash 2's public part."""
    return write_panoptic(root, "images", "panoptic", "panoptic.json", categories_of(space), void=0)


def runs(mask: Array) -> list[int]:
    """COCO's run lengths of a mask: down the columns, nothing first."""
    flat = np.concatenate([[False], mask.T.ravel(), [not mask[-1, -1]]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    return [int(length) for length in np.diff(ends, prepend=0)]


def compressed(mask: Array) -> dict[str, Any]:
    """COCO's compressed run lengths of a mask, by its own code."""
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}


def block(top: int, bottom: int, left: int, right: int) -> Array:
    """(20, 30) mask of a rectangle, whose last row and column are not in it."""
    mask = np.zeros((20, 30), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def outline(top: float, bottom: float, left: float, right: float) -> list[float]:
    """The polygon of a rectangle, in COCO's form."""
    return [left, top, right, top, right, bottom, left, bottom]


def write_coco(root: Path, split: str = "val2017", stuff: str = "json") -> dict[str, Written]:
    """COCO with polygons of several parts, both kinds of run lengths, a crowd, and an image without annotation.

    The stuff is in a JSON file, in pictures, or nowhere: ``json``, ``png`` or ``no``.
    """
    ids = {name: np.full((20, 30), NOTHING) for name in ("000000000139", "000000000025", "000000000030")}
    first, second, _ = ids
    sky, road, other = 157, 149, 183
    stuffs = [
        (first, sky, block(0, 9, 0, 30)), (first, road, block(9, 18, 0, 30)), (second, other, block(0, 20, 0, 11)),
    ]  # fmt: skip
    car, person, dog, truck = 3, 1, 18, 8
    things = [  # the last in this list is not the one on top: that is the smallest
        (first, car, 0, [outline(10, 16, 2, 9), outline(4, 6, 20, 24)]),
        (first, truck, 0, [outline(8, 17, 1, 14)]),
        (first, person, 1, {"size": [20, 30], "counts": runs(block(7, 13, 5, 28))}),
        (second, dog, 0, compressed(block(3, 12, 2, 7))),
        (second, person, 0, compressed(block(1, 15, 1, 9))),
    ]
    if stuff != "no":
        for key, value, mask in stuffs:
            ids[key][mask] = value
    ids[first][block(7, 13, 5, 28)] = person  # the crowd, below all other things
    ids[first][block(8, 17, 1, 14)] = truck
    ids[first][block(10, 16, 2, 9) | block(4, 6, 20, 24)] = car
    ids[second][block(1, 15, 1, 9)] = person
    ids[second][block(3, 12, 2, 7)] = dog
    numbers = {key: i + 3 for i, key in enumerate(ids)}
    listed = [{"id": n, "file_name": f"{key}.jpg", "height": 20, "width": 30} for key, n in numbers.items()]
    of_things = [
        {"id": i, "image_id": numbers[key], "category_id": value, "iscrowd": crowd, "area": area, "segmentation": drawn}
        for i, ((key, value, crowd, drawn), area) in enumerate(zip(things, (42 + 8, 117, 138, 45, 112), strict=True))
    ]
    of_stuff = [
        {"id": i, "image_id": numbers[k], "category_id": v, "iscrowd": 0, "area": 9, "segmentation": compressed(mask)}
        for i, (k, v, mask) in enumerate(stuffs)
    ]
    write_coco_json(root / f"annotations/instances_{split}.json", listed, of_things, range(1, 91))
    if stuff == "json":
        write_coco_json(root / f"annotations/stuff_{split}.json", listed, of_stuff, range(92, 184))
    found = {}
    for i, key in enumerate(ids):
        path = save(root / split / f"{key}.jpg", picture(i), quality=95)
        if stuff == "png":
            values = sum((mask * value for k, value, mask in stuffs if k == key), np.zeros((20, 30), int))
            palette_png(root / f"annotations/stuff_{split}_pixelmaps/{key}.png", values.astype(np.uint8), [0, 9] * 384)
        found[key] = Written(np.asarray(Image.open(path)), ids[key])
    return found


def write_coco_json(path: Path, images: list[Any], annotations: list[Any], ids: Container[int]) -> None:
    """A file of COCO's annotations; the categories come last, as in its own files."""
    categories = [{"id": i, "name": name} for i, name in categories_of("coco-stuff-171") if i in ids]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"info": {"year": 2017}, "images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))
