"""Scenes on disk, in the layouts that the real datasets are unpacked to.

    ROOT/leftImg8bit/<split>/<city>/<city>_000000_000019_leftImg8bit.png           Cityscapes
    ROOT/gtFine/<split>/<city>/<city>_000000_000019_gtFine_{labelIds,instanceIds}.png
    ROOT/<split>/{images,labels,instances}/<22 characters>.{jpg,png}, config.json  Mapillary Vistas 1.2
    ROOT/00000.ppm ... 00600.ppm ... gt.txt                                        GTSDB: train, test

A file gets its name when it is whole. The same seed writes the same bytes, whatever else is written beside.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.demo.photo import Style
from labelforge.demo.scene import Scene, render_scene
from labelforge.demo.vocabulary import native_ids
from labelforge.files import json_text, write_atomically
from labelforge.label_space import LabelSpace

# One car through fifty towns, its hood always in the picture, dull weather; everybody's cameras, everywhere, in any
# weather; many signs, soft and grainy, and every eighth picture without a sign that counts.
CITYSCAPES = Style((54, 62), (1.2, 1.4), clouds=(0.3, 1), light=(0.78, 1), saturation=(0.65, 0.9), hood=1, framed=True)
VISTAS = Style((60, 76), (1.2, 2.2), (0.42, 0.54), light=(0.86, 1.12), saturation=(0.8, 1.15), hood=0.25)
GTSDB = Style((52, 60), light=(0.74, 1.1), noise=(2.0, 5.0), blur=0.6, signs=(5, 8), bare=8, hood=0)

_VISTAS_SPACE = "mapillary-vistas-1.2"
_GTSDB_TEST = 600  # number of the first image for testing
_COUNTED = range(24, 34)  # what Cityscapes counts: persons, riders and vehicles (cityscapesScripts, helpers/labels.py)


def write_dataset(
    dataset: str, root: Path, train: int, val: int, seed: int = 0, size: tuple[int, int] = (320, 192),
    progress: Callable[[], object] = lambda: None,
) -> None:  # fmt: skip
    """Write scenes in the layout of a dataset.

    Args:
        dataset: ``cityscapes``, ``mapillary-vistas`` (as release 1.2) or ``gtsdb``.
        root: Folder to write to; made if missing.
        train: Scenes to train on.
        val: Scenes to validate on; GTSDB's are a split named test.
        seed: Seed of the series.
        size: (width, height) in pixels.
        progress: Called after every scene.

    Raises:
        ValueError: More images than GTSDB's numbers have room for.
    """
    if dataset == "gtsdb" and train > _GTSDB_TEST:
        raise ValueError(f"GTSDB has at most {_GTSDB_TEST} images for training")
    splits, style, write = _LAYOUTS[dataset]
    root.mkdir(parents=True, exist_ok=True)
    boxes: list[str] = []
    for split, count in zip(splits, (train, val), strict=True):
        for i in range(count):
            boxes += write(root, split, i, render_scene(seed, i, size, f"{dataset}/{split}", style))
            progress()
    if dataset == "gtsdb":
        write_atomically(root / "gt.txt", "".join(boxes))
    elif dataset == "mapillary-vistas":
        write_atomically(root / "config.json", json_text(_vistas_config()))


def _write_cityscapes(root: Path, split: str, index: int, scene: Scene) -> list[str]:
    labels = native_ids("cityscapes")[scene.things]
    numbers = _renumbered(scene, labels, np.isin(labels, _COUNTED))
    instances = np.where(numbers < 0, labels, labels * 1000 + numbers)
    stem = f"linden_{index:06d}_000019"
    truth, images = (root / kind / split / "linden" for kind in ("gtFine", "leftImg8bit"))
    _write(truth / f"{stem}_gtFine_labelIds.png", labels.astype(np.uint8))
    _write(truth / f"{stem}_gtFine_instanceIds.png", instances.astype(np.uint16))
    _write(images / f"{stem}_leftImg8bit.png", scene.image)
    return []


def _write_vistas(root: Path, split: str, index: int, scene: Scene) -> list[str]:
    space, labels = LabelSpace.load(_VISTAS_SPACE), native_ids(_VISTAS_SPACE)[scene.things]
    counted = np.array([_has_instances(name) for name in space.names])[labels]
    instances = labels * 256 + np.maximum(_renumbered(scene, labels, counted), 0)
    digest = hashlib.sha256(f"{split}/{index}".encode()).digest()[:16]
    key = base64.urlsafe_b64encode(digest).decode().rstrip("=")  # 22 characters, as Mapillary's image keys
    palette = [channel for label in space.labels for channel in (label.color or (0, 0, 0))]
    _write(root / split / "labels" / f"{key}.png", labels.astype(np.uint8), palette)
    _write(root / split / "instances" / f"{key}.png", instances.astype(np.uint16))
    _write(root / split / "images" / f"{key}.jpg", scene.image)
    return []


def _write_gtsdb(root: Path, split: str, index: int, scene: Scene) -> list[str]:
    """Write an image, and return its lines of ``gt.txt``, if it has any."""
    name = f"{index + _GTSDB_TEST * (split == 'test'):05d}.ppm"
    _write(root / name, scene.image)
    return [f"{name};{s.left};{s.top};{s.right};{s.bottom};{s.class_id}\n" for s in scene.signs]


_LAYOUTS: dict[str, tuple[tuple[str, str], Style, Callable[[Path, str, int, Scene], list[str]]]] = {
    "cityscapes": (("train", "val"), CITYSCAPES, _write_cityscapes),
    "mapillary-vistas": (("training", "validation"), VISTAS, _write_vistas),
    "gtsdb": (("train", "test"), GTSDB, _write_gtsdb),
}


def _renumbered(scene: Scene, labels: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(H, W) instances numbered from 0 within each label, as the datasets do; -1 where nothing is ``counted``."""
    numbers = np.full(labels.shape, -1, np.int64)
    for label in np.unique(labels[counted]):
        of_label = (labels == label) & (scene.instances > 0)
        numbers[of_label] = np.unique(scene.instances[of_label], return_inverse=True)[1]
    return numbers


def _has_instances(label: str) -> bool:
    """Whether a label of Mapillary Vistas 1.2 has instances, as its configuration file says."""
    if label.startswith("object--"):
        return label not in ("object--pothole", "object--vehicle--on-rails")
    counted = ("construction--flat--crosswalk-plain", "marking--crosswalk-zebra")
    return label.startswith(("animal--", "human--")) or label in counted


def _vistas_config() -> dict[str, object]:
    """The content of the configuration file."""
    labels = [
        {"name": n.name, "color": n.color, "instances": _has_instances(n.name), "evaluate": n.name != "void--unlabeled"}
        for n in LabelSpace.load(_VISTAS_SPACE).labels
    ]
    structure = "{split}/{content}/{key:.{22}}.{ext}"
    return {"labels": labels, "version": 1.1, "mapping": "public", "folder_structure": structure}


def _write(path: Path, values: NDArray[np.uint8] | NDArray[np.uint16], palette: list[int] | None = None) -> None:
    """Write a picture in the format that its name says."""
    image, buffer = Image.fromarray(values), io.BytesIO()
    if palette:
        image.putpalette(palette + [0] * (768 - len(palette)))
    image.save(buffer, {".png": "PNG", ".jpg": "JPEG", ".ppm": "PPM"}[path.suffix], quality=94)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
