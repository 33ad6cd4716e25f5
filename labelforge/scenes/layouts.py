"""Scenes on disk, in the layouts that the real datasets are unpacked to.

    ROOT/leftImg8bit/<split>/<city>/<city>_000000_000019_leftImg8bit.png          Cityscapes
    ROOT/gtFine/<split>/<city>/<city>_000000_000019_gtFine_{labelIds,instanceIds}.png
    ROOT/<split>/{images,labels,instances}/<22 characters>.{jpg,png}, config.json  Mapillary Vistas 1.2
    ROOT/<split>/{images,v1.2/...,v2.0/...}, config_v1.2.json, config_v2.0.json    Mapillary Vistas 2.0
    ROOT/00000.ppm ... gt.txt                                                      GTSDB

A file gets its name when it is whole. The same seed writes the same bytes.
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

from labelforge.label_space import LabelSpace
from labelforge.scenes.street import Scene, Style, render_scene
from labelforge.scenes.vocabulary import THINGS, native_ids

__all__ = ["write_cityscapes", "write_gtsdb", "write_mapillary_vistas"]

Progress = Callable[[], None]

CITYSCAPES_STYLE = Style(focal=1.05, above=1.3, tone=(0.96, 1.02, 0.96), haze=0.3, hood=True)
VISTAS_STYLE = Style(focal=0.85, above=1.6, tone=(1.04, 1.0, 0.96), noise=5.0)
GTSDB_STYLE = Style(focal=1.0, above=1.4, tone=(1.0, 0.99, 1.02), noise=6.0, haze=0.45)

_CITY = {"train": "linden", "val": "birken"}
_GTSDB_FIRST_TEST = 600


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
    for split, count in (("train", train), ("val", val)):
        city = _CITY[split]
        for i in range(count):
            scene = render_scene(seed, i, size, f"cityscapes/{split}", CITYSCAPES_STYLE)
            stem = f"{city}_{i:06d}_000019"
            labels = ids[scene.things]
            instances = np.where(scene.instances > 0, labels * 1000 + _renumber(scene, labels), labels)
            image, truth = root / "leftImg8bit" / split / city, root / "gtFine" / split / city
            _write(image / f"{stem}_leftImg8bit.png", _png(scene.image))
            _write(truth / f"{stem}_gtFine_labelIds.png", _png(labels.astype(np.uint8)))
            _write(truth / f"{stem}_gtFine_instanceIds.png", _png(instances.astype(np.uint16)))
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
            scene = render_scene(seed, i, size, f"mapillary-vistas/{split}", VISTAS_STYLE)
            key = _vistas_key(seed, split, i)
            for name, space in spaces.items():
                labels = native_ids(space.name)[scene.things]
                instances = labels * 256 + np.where(scene.instances > 0, _renumber(scene, labels), 0)
                folder = root / split if release == "1.2" else root / split / f"v{name}"
                _write(folder / "labels" / f"{key}.png", _png(labels.astype(np.uint8), space))
                _write(folder / "instances" / f"{key}.png", _png(instances.astype(np.uint16)))
            _write(root / split / "images" / f"{key}.jpg", _jpeg(scene.image))
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
    """Write scenes as GTSDB: images and ``gt.txt`` with the boxes of the signs; every eighth image has none.

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
    if not (0 <= train <= _GTSDB_FIRST_TEST and 0 <= test <= 300):
        raise ValueError("GTSDB has at most 600 images for training and 300 for testing")
    lines = []
    for split, first, count in (("train", 0, train), ("test", _GTSDB_FIRST_TEST, test)):
        for i in range(count):
            scene = render_scene(seed, i, size, f"gtsdb/{split}", GTSDB_STYLE, signs=i % 8 != 7)
            name = f"{first + i:05d}.ppm"
            lines += [f"{name};{s.left};{s.top};{s.right};{s.bottom};{s.class_id}\n" for s in scene.signs]
            _write(root / name, _encode(scene.image, "PPM"))
            _tell(progress)
    _write(root / "gt.txt", "".join(lines).encode())
    return root


def _renumber(scene: Scene, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Instances numbered from 0 within each label, as the datasets do."""
    numbers = np.zeros(int(scene.instances.max()) + 1, np.int64)
    seen: dict[int, int] = {}
    for instance in np.unique(scene.instances[scene.instances > 0]):
        label = int(labels[scene.instances == instance][0])
        numbers[instance] = seen.get(label, 0)
        seen[label] = seen.get(label, 0) + 1
    return numbers[scene.instances]


def _config(space: LabelSpace, release: str) -> str:
    countable = {name for entry in THINGS if entry.instances for name in (entry.vistas_1, entry.vistas_2)}
    labels = [
        {
            "name": label.name,
            "readable": label.name.split("--")[-1].replace("-", " ").title(),
            "instances": label.name in countable,
            "evaluate": label.name != "void--unlabeled",
            "color": list(label.color or (0, 0, 0)),
        }
        for label in space.labels
    ]
    version = 1.1 if release == "1.2" else "2.0"
    return json.dumps({"version": version, "folder_structure": "{split}/{content}/{key:.{22}}.{ext}", "labels": labels})


def _vistas_key(seed: int, split: str, index: int) -> str:
    """22 characters, as Mapillary's image keys."""
    digest = hashlib.sha256(f"{seed}/{split}/{index}".encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _png(values: NDArray[np.uint8] | NDArray[np.uint16], palette: LabelSpace | None = None) -> bytes:
    image = Image.fromarray(values)
    if palette is not None:
        image = Image.fromarray(values, "L")
        image.putpalette([channel for label in palette.labels for channel in (label.color or (0, 0, 0))])
    return _encode(image, "PNG")


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    return _encode(image, "JPEG", quality=94)


def _encode(image: Image.Image | NDArray[np.uint8], kind: str, quality: int | None = None) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, kind, **({} if quality is None else {"quality": quality}))
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _tell(progress: Progress | None) -> None:
    if progress is not None:
        progress()
