"""Scenes on disk, in the layouts that the real datasets are unpacked to.

    ROOT/leftImg8bit/<split>/<city>/<city>_000000_000019_leftImg8bit.png          Cityscapes
    ROOT/gtFine/<split>/<city>/<city>_000000_000019_gtFine_{labelIds,instanceIds}.png
    ROOT/<split>/{images,labels,instances}/<22 characters>.{jpg,png}, config.json  Mapillary Vistas 1.2
    ROOT/<split>/{images,v1.2/...,v2.0/...}, config_v1.2.json, config_v2.0.json    Mapillary Vistas 2.0
    ROOT/00000.ppm ... gt.txt                                                      GTSDB

A file gets its name when it is whole. The same seed writes the same bytes, whatever else is written beside.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.demo.scene import Scene, Style, render_scene
from labelforge.demo.vocabulary import native_ids
from labelforge.label_space import LabelSpace

__all__ = ["CITYSCAPES", "GTSDB", "VISTAS", "write_cityscapes", "write_gtsdb", "write_mapillary_vistas"]

Progress = Callable[[], None]

CITYSCAPES = Style(
    view=(54, 62), above=(1.2, 1.4), horizon=(0.41, 0.47), clouds=(0.3, 1.0), warmth=(-0.05, 0.02),
    brightness=(0.78, 1.0), saturation=(0.65, 0.9), noise=(1.0, 3.0), hood=1.0, framed=True,
)  # fmt: skip
"""The camera of Cityscapes: one car through fifty towns, its hood always in the picture, dull weather."""
VISTAS = Style(
    view=(60, 76), above=(1.2, 2.2), horizon=(0.42, 0.54), warmth=(-0.06, 0.06), brightness=(0.86, 1.12),
    saturation=(0.8, 1.15), noise=(1.0, 4.0), hood=0.25, mount=0.12,
)  # fmt: skip
"""The cameras of Mapillary Vistas: everybody's, everywhere, in any weather."""
GTSDB = Style(
    view=(52, 60), above=(1.25, 1.45), horizon=(0.4, 0.48), warmth=(-0.04, 0.05), brightness=(0.74, 1.1),
    saturation=(0.7, 1.0), noise=(2.0, 5.0), blur=(0.2, 0.6), signs=(5, 8), bare=8, hood=0.0,
)  # fmt: skip
"""The camera of GTSDB: many signs, soft and grainy; every eighth picture without a sign that counts."""

_CITY = {"train": "linden", "val": "birken"}
_GTSDB_TRAIN, _GTSDB_TEST = 600, 300
_HAVE_INSTANCES = range(24, 34)
"""Label ids that Cityscapes counts: persons, riders and vehicles (cityscapesScripts, helpers/labels.py)."""


def write_cityscapes(
    root: Path,
    train: int,
    val: int,
    seed: int = 0,
    size: tuple[int, int] = (384, 192),
    progress: Progress | None = None,
) -> Path:
    """Write scenes as Cityscapes.

    Args:
        root: Folder to write to; made if missing.
        train: Scenes of the split train.
        val: Scenes of the split val.
        seed: Seed of the series.
        size: (width, height) in pixels.
        progress: Called after every scene.

    Returns:
        The folder.
    """
    ids = native_ids("cityscapes")
    counted = np.isin(np.arange(ids.max() + 1), _HAVE_INSTANCES)
    for split, count in (("train", train), ("val", val)):
        city = _CITY[split]
        for i in range(count):
            scene = render_scene(seed, i, size, f"cityscapes/{split}", CITYSCAPES)
            stem = f"{city}_{i:06d}_000019"
            labels = ids[scene.things]
            numbers = _renumbered(scene, labels, counted)
            instances = np.where(numbers >= 0, labels * 1000 + numbers, labels)
            image, truth = root / "leftImg8bit" / split / city, root / "gtFine" / split / city
            _write(truth / f"{stem}_gtFine_labelIds.png", _png(labels.astype(np.uint8)))
            _write(truth / f"{stem}_gtFine_instanceIds.png", _png(instances.astype(np.uint16)))
            _write(image / f"{stem}_leftImg8bit.png", _png(scene.image))
            _tell(progress)
    return root


def write_mapillary_vistas(
    root: Path,
    training: int,
    validation: int,
    seed: int = 0,
    size: tuple[int, int] = (320, 240),
    release: str = "1.2",
    progress: Progress | None = None,
) -> Path:
    """Write scenes as Mapillary Vistas.

    Args:
        root: Folder to write to; made if missing.
        training: Scenes of the split training.
        validation: Scenes of the split validation.
        seed: Seed of the series.
        size: (width, height) in pixels.
        release: "1.2", or "2.0", which holds the labels of both.
        progress: Called after every scene.

    Returns:
        The folder.

    Raises:
        ValueError: No such release.
    """
    if release not in ("1.2", "2.0"):
        raise ValueError(f"Mapillary Vistas has releases 1.2 and 2.0, not {release!r}")
    spaces = {r: LabelSpace.load(f"mapillary-vistas-{r}") for r in (("1.2",) if release == "1.2" else ("1.2", "2.0"))}
    for name, space in spaces.items():
        file = "config.json" if release == "1.2" else f"config_v{name}.json"
        _write(root / file, _config(space, name).encode())
    for split, count in (("training", training), ("validation", validation)):
        for i in range(count):
            scene = render_scene(seed, i, size, f"mapillary-vistas/{split}", VISTAS)
            key = _vistas_key(seed, split, i)
            for name, space in spaces.items():
                labels = native_ids(space.name)[scene.things]
                counted = np.array([_has_instances(label, name) for label in space.names])
                instances = labels * 256 + np.maximum(_renumbered(scene, labels, counted), 0)
                folder = root / split if release == "1.2" else root / split / f"v{name}"
                _write(folder / "labels" / f"{key}.png", _png(labels.astype(np.uint8), space))
                _write(folder / "instances" / f"{key}.png", _png(instances.astype(np.uint16)))
            _write(root / split / "images" / f"{key}.jpg", _encoded(Image.fromarray(scene.image), "JPEG", quality=94))
            _tell(progress)
    return root


def write_gtsdb(
    root: Path,
    train: int,
    test: int,
    seed: int = 0,
    size: tuple[int, int] = (384, 224),
    progress: Progress | None = None,
) -> Path:
    """Write scenes as GTSDB: images, and ``gt.txt`` with the boxes of the signs; some images have none.

    Args:
        root: Folder to write to; made if missing.
        train: Images numbered from 00000.
        test: Images numbered from 00600.
        seed: Seed of the series.
        size: (width, height) in pixels.
        progress: Called after every scene.

    Returns:
        The folder.

    Raises:
        ValueError: More images than the numbering has room for.
    """
    if not (0 <= train <= _GTSDB_TRAIN and 0 <= test <= _GTSDB_TEST):
        raise ValueError(f"GTSDB has at most {_GTSDB_TRAIN} images for training and {_GTSDB_TEST} for testing")
    lines = []
    for split, first, count in (("train", 0, train), ("test", _GTSDB_TRAIN, test)):
        for i in range(count):
            scene = render_scene(seed, i, size, f"gtsdb/{split}", GTSDB)
            name = f"{first + i:05d}.ppm"
            lines += [f"{name};{s.left};{s.top};{s.right};{s.bottom};{s.class_id}\n" for s in scene.signs]
            _write(root / name, _encoded(Image.fromarray(scene.image), "PPM"))
            _tell(progress)
    _write(root / "gt.txt", "".join(lines).encode())
    return root


def _renumbered(scene: Scene, labels: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Instances numbered from 0 within each label that has instances, as the datasets do; -1 elsewhere.

    Args:
        scene: The scene.
        labels: (H, W) native ids.
        counted: Native id -> whether the dataset counts its objects.
    """
    numbers = np.full(int(scene.instances.max()) + 1, -1, np.int64)
    present, first = np.unique(scene.instances, return_index=True)
    seen: dict[int, int] = {}
    for instance, at in zip(present.tolist(), first.tolist(), strict=True):
        label = int(labels.flat[at])
        if instance and counted[label]:
            numbers[instance] = seen.get(label, 0)
            seen[label] = seen.get(label, 0) + 1
    return numbers[scene.instances]


def _has_instances(label: str, release: str) -> bool:
    """Whether a label of Mapillary Vistas has instances, as its configuration file says."""
    if label.endswith(("ambiguous", "-group")):
        return label.startswith("object--") and label.endswith("ambiguous")
    if label.startswith("object--"):
        return label != "object--pothole" and (label != "object--vehicle--on-rails" or release != "1.2")
    flat = ("construction--flat--crosswalk-plain", "construction--flat--driveway", "construction--barrier--temporary")
    marking = label == "marking--crosswalk-zebra" or (
        label.startswith("marking--discrete--") and "hatched" not in label
    )
    return label.startswith(("animal--", "human--")) or label in flat or marking


def _config(space: LabelSpace, release: str) -> str:
    """The configuration file of a release."""
    labels = [
        {
            "color": list(label.color or (0, 0, 0)),
            "instances": _has_instances(label.name, release),
            "readable": label.name.split("--")[-1].replace("-", " ").title(),
            "name": label.name,
            "evaluate": not label.name.endswith(("ambiguous", "-group", "void--unlabeled")),
        }
        for label in space.labels
    ]
    version, mapping = (1.1, "public") if release == "1.2" else ("2.0", "mvd20")
    structure = "{split}/{content}/{key:.{22}}.{ext}"
    content = {"labels": labels, "version": version, "mapping": mapping, "folder_structure": structure}
    return json.dumps(content, indent=2)


def _vistas_key(seed: int, split: str, index: int) -> str:
    """22 characters, as Mapillary's image keys."""
    digest = hashlib.sha256(f"{seed}/{split}/{index}".encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _png(values: NDArray[np.uint8] | NDArray[np.uint16], palette: LabelSpace | None = None) -> bytes:
    image = Image.fromarray(values)
    if palette is not None:
        colors = [channel for label in palette.labels for channel in (label.color or (0, 0, 0))]
        image.putpalette(colors + [0] * (768 - len(colors)))
    return _encoded(image, "PNG")


def _encoded(image: Image.Image, kind: str, quality: int | None = None) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **({} if quality is None else {"quality": quality}))
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _tell(progress: Progress | None) -> None:
    if progress is not None:
        progress()
