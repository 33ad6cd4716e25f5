"""Tiny datasets in the native layouts, with what is in them; and a reader of shards without any labelforge in it."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from labelforge.converters.base import Source
from labelforge.converters.datasets.cityscapes import Cityscapes
from labelforge.converters.labels.contract import NativeLabels
from labelforge.label_space import LabelSpace

Array = NDArray[Any]
NOTHING = -9999
"""In expected label maps: nobody annotated the pixel."""
ANYTHING = -8888
"""In expected label maps: the border of a drawn shape, which other tests look at."""


@dataclass(frozen=True)
class Written:
    """One sample of a tiny dataset.

    Attributes:
        image: (H, W, 3) uint8 as a decoder shows it.
        ids: (H, W) native ids, `NOTHING` and `ANYTHING`.
    """

    image: Array
    ids: Array


def picture(seed: int, height: int = 20, width: int = 30) -> Array:
    """A smooth (H, W, 3) image, so that JPEG keeps it nearly as it is."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def save(path: Path, array: Array, **options: Any) -> Path:
    """Save an array as the kind of picture that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def label_blocks(seed: int, ids: Sequence[int], height: int = 20, width: int = 30) -> Array:
    """(H, W) uint8 label map of blocks that holds all of the ids, if it can."""
    rng = np.random.default_rng(seed)
    blocks = rng.permutation(np.resize(np.array(ids), (height // 2) * (width // 2)))
    return blocks.reshape(height // 2, width // 2).repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)


def write_cityscapes(root: Path, split: str = "train", count: int = 5) -> dict[str, Written]:
    """Cityscapes with all label ids, in two cities."""
    found = {}
    for i in range(count):
        city = ("ulm", "aachen")[i % 2]
        key = f"{city}_{i:06d}_000019"
        image, ids = picture(i), label_blocks(i, range(34))
        save(root / "leftImg8bit" / split / city / f"{key}_leftImg8bit.png", image)
        save(root / "gtFine" / split / city / f"{key}_gtFine_labelIds.png", ids)
        found[key] = Written(image, ids.astype(int))
    return found


def vistas_config(release: str) -> dict[str, Any]:
    """A configuration file as the dataset has it, made from the label table."""
    labels = LabelSpace.load(f"mapillary-vistas-{release}").labels
    entries = [
        {"name": x.name, "readable": x.name.title(), "evaluate": True, "color": list(x.color or ())} for x in labels
    ]
    return {"labels": entries, "version": "2.0" if release == "2.0" else 1.1, "mapping": "public"}


def palette_png(path: Path, ids: Array, palette: Sequence[int]) -> Path:
    """Save a palette picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids)
    image.putpalette(palette)
    image.save(path)
    return path


def write_vistas(root: Path, split: str = "validation", releases: Sequence[str] = ("2.0",)) -> dict[str, Written]:
    """Mapillary Vistas with all label ids of the newest release asked for; 1.2 alone gets the old layout.

    The palettes are shuffled: only the indices say which label a pixel has.
    """
    old = list(releases) == ["1.2"]
    for release in releases:
        name = "config.json" if old else f"config_v{release}.json"
        root.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(vistas_config(release)))
    found = {}
    for i, key in enumerate(["_-x9QsGfbUPtBqzpzkwDGw", "A.dotted.key", "zz7"]):
        path = save(root / split / "images" / f"{key}.jpg", picture(i), quality=95)
        for release in releases:
            ids = label_blocks(i, range(len(LabelSpace.load(f"mapillary-vistas-{release}").labels)))
            folder = root / split / "labels" if old else root / split / f"v{release}" / "labels"
            palette = np.random.default_rng(i).integers(0, 256, 768).tolist()
            palette_png(folder / f"{key}.png", ids, palette)
            found[key] = Written(np.asarray(Image.open(path)), ids.astype(int))
    return found


def write_gtsdb(root: Path, split: str = "train") -> dict[str, Written]:
    """GTSDB with two signs in one image, and an image without a box."""
    first = {"train": 0, "test": 600, "all": 0}[split]
    lines, found = [], {}
    for i, boxes in enumerate([[(2, 2, 11, 11, 1), (15, 5, 27, 17, 42)], []]):
        name = f"{first + i:05d}"
        ids = np.full((20, 30), NOTHING)
        for left, top, right, bottom, class_id in boxes:
            lines.append(f"{name}.ppm;{left};{top};{right};{bottom};{class_id}")
            ids[top - 1 : bottom + 2, left - 1 : right + 2] = ANYTHING
            ids[(top + bottom) // 2, (left + right) // 2] = class_id
        found[name] = Written(picture(i), ids)
        save(root / f"{name}.ppm", picture(i))
    (root / "gt.txt").write_text("\n".join(lines) + "\n")
    return found


def write_camvid(root: Path, split: str = "train", count: int = 4) -> dict[str, Written]:
    """CamVid in SegNet's layout, with all of its ids."""
    found = {}
    for i in range(count):
        key = f"{('0001TP', '0016E5')[i % 2]}_{30 * i:06d}"
        image, ids = picture(i), label_blocks(i, range(12))
        save(root / split / f"{key}.png", image)
        save(root / f"{split}annot" / f"{key}.png", ids)
        found[key] = Written(image, ids.astype(int))
    return found


def write_original_camvid(root: Path, count: int = 4) -> dict[str, Written]:
    """CamVid as first published: colours, no splits; its 32 ids are the positions in the published table."""
    colors = np.array([label.color for label in LabelSpace.load("camvid-32").labels], np.uint8)
    found = {}
    for i in range(count):
        key = f"{('0001TP', 'Seq05VD')[i % 2]}_f{30 * i:05d}"
        image, ids = picture(i), label_blocks(i, range(32))
        save(root / "701_StillsRaw_full" / f"{key}.png", image)
        save(root / "LabeledApproved_full" / f"{key}_L.png", colors[ids])
        found[key] = Written(image, ids.astype(int))
    return found


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


@dataclass(frozen=True)
class Layout:
    """How to make a tiny dataset for a converter.

    Attributes:
        split: A split with labels.
        write: Makes it below a root and says what is in it.
        expected: Words that an error about a wrong root names.
        tree: A tree that the dataset is mapped to.
    """

    split: str
    write: Callable[[Path], dict[str, Written]]
    expected: str
    tree: str = "iv2018"


LAYOUTS = {
    "cityscapes": Layout("train", write_cityscapes, "leftImg8bit and gtFine or gtCoarse"),
    "mapillary-vistas": Layout("validation", write_vistas, r"config\*\.json"),
    "gtsdb": Layout("train", write_gtsdb, r"gt\.txt"),
    "coco": Layout("val2017", write_coco, r"annotations/instances_\*2017\.json", tree="streets"),
    "coco-panoptic": Layout("val2017", write_coco_panoptic, r"annotations/panoptic_\*2017\.json", tree="streets"),
    "wilddash2": Layout("public", write_wilddash2, r"panoptic\.json and panoptic and images", tree="streets"),
    "camvid": Layout("train", write_camvid, r"\*annot or LabeledApproved_full", tree="streets"),
}
"""One for every converter that labelforge has."""


def read_shards(folder: Path) -> dict[str, tuple[Array, Array, dict[str, Any]]]:
    """Read a folder of shards with tarfile, PIL and json alone.

    Returns:
        The sample's own name -> image, (H, W) native ids and `NOTHING`, json member.
    """
    manifest = json.loads((folder / "manifest.json").read_text())
    native = np.array([NOTHING if r["native_id"] is None else r["native_id"] for r in manifest["labels"]])
    found = {}
    for shard in manifest["shards"]:
        samples: dict[str, dict[str, bytes]] = {}
        with tarfile.open(folder / shard["name"]) as tar:
            for member in tar:
                key, suffix = member.name.split(".", 1)
                content = tar.extractfile(member)
                assert content is not None
                samples.setdefault(key, {})[suffix] = content.read()
        for files in samples.values():
            meta = json.loads(files["json"])
            (suffix,) = set(files) - {"json", "label.png"}
            data = io.BytesIO(files[suffix])
            image = np.load(data) if suffix == "npy" else np.asarray(Image.open(data).convert("RGB"))
            found[meta["key"]] = (image, native[np.asarray(Image.open(io.BytesIO(files["label.png"])))], meta)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class StuckCityscapes(Cityscapes):
    """Never gets over the first frame of Ulm."""

    def labels(self, source: Source) -> NativeLabels:
        if source.key.startswith("ulm"):
            time.sleep(600)
        return super().labels(source)


class DyingCityscapes(Cityscapes):
    """Ends its process at the first sample."""

    def labels(self, source: Source) -> NativeLabels:
        os._exit(3)
