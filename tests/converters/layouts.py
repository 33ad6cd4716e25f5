"""Tiny datasets in the native layouts, with what is in them; and a reader of shards without any labelforge in it."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelforge.converters.base import Source
from labelforge.converters.datasets.cityscapes import Cityscapes
from labelforge.converters.labels.contract import NativeLabels
from labelforge.label_space import LabelSpace
from tests.converters.coco_layouts import write_coco, write_coco_panoptic, write_wilddash2
from tests.converters.pictures import ANYTHING, NOTHING, Array, Written, label_blocks, palette_png, picture, save

__all__ = ["ANYTHING", "NOTHING", "Array", "Written", "label_blocks", "palette_png", "picture", "save"]


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


def write_pairs(
    root: Path, image: str, label: str, ids: Sequence[int], keys: Sequence[str], dtype: Any = np.uint8
) -> dict[str, Written]:
    """Images and maps of ids, at the places that the patterns say, which hold the key, or drive and frame of it."""
    found = {}
    for i, key in enumerate(keys):
        drive, _, frame = key.rpartition("/")
        place = {"key": frame, "drive": drive}
        options = {"quality": 95} if image.endswith(".jpg") else {}
        path = save(root / image.format(**place), picture(i), **options)
        blocks = label_blocks(i, ids)
        save(root / label.format(**place), blocks.astype(dtype))
        found[key] = Written(np.asarray(Image.open(path)), blocks.astype(int))
    return found


def space_ids(name: str) -> list[int]:
    """The native ids of a label space that a picture can hold."""
    return [label.id for label in LabelSpace.load(name).labels if label.id >= 0]


def write_kitti(root: Path) -> dict[str, Written]:
    """KITTI with all label ids."""
    image, label = "training/image_2/{key}.png", "training/semantic/{key}.png"
    return write_pairs(root, image, label, space_ids("kitti"), ["000000_10", "000001_10", "000002_10"])


def write_railsem19(root: Path) -> dict[str, Written]:
    """RailSem19 with all label ids."""
    image, label = "jpgs/rs19_val/{key}.jpg", "uint8/rs19_val/{key}.png"
    return write_pairs(root, image, label, space_ids("railsem19"), ["rs00000", "rs00001"])


def write_ade20k(root: Path) -> dict[str, Written]:
    """ADE20K with all label ids."""
    image, label = "images/training/{key}.jpg", "annotations/training/{key}.png"
    return write_pairs(root, image, label, space_ids("ade20k-150"), ["ADE_train_00000001", "ADE_train_00000002"])


def write_idd_maps(root: Path) -> dict[str, Written]:
    """IDD with all label ids, as label maps."""
    image, label = "leftImg8bit/train/{drive}/{key}_leftImg8bit.png", "gtFine/train/{drive}/{key}_gtFine_labelids.png"
    return write_pairs(root, image, label, space_ids("idd"), ["0/005506", "1/000003", "1/005506"])


def write_idd(root: Path) -> dict[str, Written]:
    """IDD as published: polygons, here one for every block of pixels, and pixels that no polygon covers."""
    found = write_idd_maps(root)
    names = {label.id: label.name for label in LabelSpace.load("idd").labels}
    for key, sample in found.items():
        drive, _, frame = key.partition("/")
        folder = root / "gtFine/train" / drive
        (folder / f"{frame}_gtFine_labelids.png").unlink()
        objects = [{"label": "road", "polygon": [[0, 0], [9, 0], [9, 9]], "deleted": 1}]
        for row in range(0, 20, 2):
            for column in range(0, 30, 2):
                name = names[int(sample.ids[row, column])]
                # Pillow's polygons hold the pixels that their corners are in.
                outline = [[column, row], [column + 1, row], [column + 1, row + 1], [column, row + 1]]
                if name != "unlabeled":
                    objects.append({"label": name + "group" * (name == "car"), "polygon": outline})
        content = {"imgHeight": 20, "imgWidth": 30, "objects": objects}
        (folder / f"{frame}_gtFine_polygons.json").write_text(json.dumps(content))
    return found


def write_a2d2(root: Path) -> dict[str, Written]:
    """A2D2 with all of its colours, those of numbered instances too."""
    space = LabelSpace.load("a2d2-38")
    colors = {f"#{r:02x}{g:02x}{b:02x}": label.name for label in space.labels for r, g, b in [label.color or (0, 0, 0)]}
    colors = {color: f"{name} 1" if name == "Car" else name for color, name in colors.items()} | {"#c80000": "Car 2"}
    root.mkdir(parents=True, exist_ok=True)
    (root / "class_list.json").write_text(json.dumps(colors))
    table = [(space.by_name[name.rstrip(" 12")].id, bytes.fromhex(color[1:])) for color, name in colors.items()]
    found = {}
    for i, camera in enumerate(["frontcenter", "sideleft"]):
        at = label_blocks(i, range(len(table)))
        native = np.array([native_id for native_id, _ in table])[at]
        folder, name = f"cam_{camera[:-6]}_{camera[-6:]}", f"20180807145028_{{}}_{camera}_00000009{i}"
        image = save(root / "20180807_145028/camera" / folder / f"{name.format('camera')}.png", picture(i))
        shown = np.array([list(color) for _, color in table], np.uint8)[at]
        save(root / "20180807_145028/label" / folder / f"{name.format('label')}.png", shown)
        found[image.stem] = Written(picture(i), native)
    return found


def write_bdd100k(root: Path) -> dict[str, Written]:
    """BDD100K's 19 labels."""
    image, label = "images/10k/train/{key}.jpg", "labels/sem_seg/masks/train/{key}.png"
    return write_pairs(root, image, label, space_ids("bdd100k"), ["0004a4c0-d4dff0ad", "00054602-3bf57337"])


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
    "cityscapes": Layout("train", write_cityscapes, "leftImg8bit, and gtFine or gtCoarse"),
    "mapillary-vistas": Layout("validation", write_vistas, r"config\*\.json"),
    "gtsdb": Layout("train", write_gtsdb, r"gt\.txt"),
    "coco": Layout("val2017", write_coco, r"annotations/instances_\*20\?\?\.json", tree="streets"),
    "coco-panoptic": Layout("val2017", write_coco_panoptic, r"annotations/panoptic_\*20\?\?\.json", tree="streets"),
    "wilddash2": Layout("public", write_wilddash2, r"panoptic\.json and panoptic and images", tree="streets"),
    "camvid": Layout("train", write_camvid, r"\*annot or LabeledApproved_full", tree="streets"),
    "bdd100k": Layout(
        "train",
        write_bdd100k,
        "images/10k or images/100k, and labels/sem_seg or labels/pan_seg or labels/det_20",
        tree="streets",
    ),
    "idd": Layout("train", write_idd, "leftImg8bit and gtFine", tree="streets"),
    "kitti": Layout("training", write_kitti, "training/image_2 and training/semantic", tree="streets"),
    "railsem19": Layout("rs19_val", write_railsem19, "jpgs/rs19_val and uint8/rs19_val", tree="streets"),
    "ade20k": Layout(
        "training",
        write_ade20k,
        "images/training or images/validation, and annotations/training or annotations/validation",
        tree="streets",
    ),
    "a2d2": Layout("all", write_a2d2, r"class_list.json and \*/camera/cam_\*", tree="streets"),
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


class SlowCityscapes(Cityscapes):
    """Takes its time for every sample."""

    def labels(self, source: Source) -> NativeLabels:
        time.sleep(0.3)
        return super().labels(source)
