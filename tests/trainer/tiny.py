"""A tree of eight leaves, two small datasets that disagree about it, and shards of both: what training tests run on.

`dense` labels pixels: sky, ground and signs, both coarse, and cars. `boxes` labels boxes of three kinds of signs, two
of which swap in a mirror and one has no mirror image. Colours say what pixels are, so that a network can learn them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from torch import Tensor, nn

from labelforge.mapping import NO_ANNOTATION, LabelMapping
from labelforge.shards import ShardReader
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.models.backbones import BACKBONES
from labelforge.trainer.models.contract import Backbone, FeatureMap
from tests.core import shard_folders

DEFINITION: dict[str, Any] = {
    "name": "tiny",
    "tree": {
        "scene": {
            "sky": None,
            "ground": {"road": None, "grass": None},
            "sign": {"back": None, "front": {"left": None, "right": None, "thirty": None}},
            "car": None,
        }
    },
    "nodes": {
        "left": {"mirror": "right"},
        "right": {"mirror": "left"},
        "thirty": {"mirror": "none"},
    },
}
TREE = Taxonomy.from_dict(DEFINITION)

LABELS: dict[str, list[tuple[int, str, Any]]] = {
    "dense": [
        (7, "sky", "sky"),
        (0, "floor", "ground"),
        (20, "sign", "sign/front"),
        (21, "auto", "car"),
        (9, "void", "ignore"),
    ],
    "boxes": [(0, "keep left", "left"), (1, "keep right", "right"), (2, "limit 30", "thirty")],
}
SUPERVISION = {"dense": "pixel", "boxes": "box"}
COLORS = np.array([[90, 90, 90], [120, 170, 230], [60, 60, 60], [220, 40, 40], [30, 30, 160], [0, 0, 0]], np.uint8)


def mapping(dataset: str, tree: Taxonomy = TREE) -> LabelMapping:
    """The label table of one of the two datasets."""
    supervision = SUPERVISION[dataset]
    records: list[Mapping[str, Any]] = [
        {"row": 0, "native_id": None, "native_name": NO_ANNOTATION, "target": "ignore", "supervision": supervision}
    ]
    for native_id, name, target in LABELS[dataset]:
        record = {"native_id": native_id, "native_name": name, "target": target, "supervision": supervision}
        records.append({"row": len(records), **record})
    return LabelMapping.from_records(tree, dataset, records)


def draw(dataset: str, seed: int, size: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """An image and its label rows: bands of sky and floor with a block, or unlabelled background with boxes."""
    rng = np.random.default_rng(seed)
    height, width = size
    rows = np.zeros(size, np.uint8)
    if dataset == "dense":
        rows[: height // 2], rows[height // 2 :] = 1, 2
        rows[:3, :3] = 5
    kinds = (3, 4) if dataset == "dense" else (1, 2, 3)
    for kind in kinds:
        top, left = int(rng.integers(0, height - 16)), int(rng.integers(0, width - 16))
        rows[top : top + 14, left : left + 14] = kind
    image = COLORS[rows].astype(np.int16) + rng.integers(-20, 20, (*size, 3))
    return np.clip(image, 0, 255).astype(np.uint8), rows


def write_shards(
    folder: Path,
    dataset: str,
    samples: Sequence[tuple[str, npt.NDArray[np.uint8], npt.NDArray[Any]]],
    tree: Taxonomy = TREE,
) -> Path:
    """Write shards of given samples (key, image, rows), two samples to a shard."""
    table = mapping(dataset, tree)
    palette = [(10 * i, 10 * i, 10 * i) for i in range(len(table.rows))]
    encoded = [shard_folders.encoded(key, image, rows, palette) for key, image, rows in samples]
    shard_folders.write(folder, [encoded[i : i + 2] for i in range(0, len(encoded), 2)], table, tree)
    return folder


def make_shards(
    folder: Path, dataset: str, count: int, size: tuple[int, int] = (64, 80), tree: Taxonomy = TREE, first: int = 0
) -> Path:
    """Write shards of drawn samples."""
    samples = [(f"{dataset}_{i:03d}", *draw(dataset, i, size)) for i in range(first, first + count)]
    return write_shards(folder, dataset, samples, tree)


def open_both(folder: Path) -> list[ShardReader]:
    """Readers of three dense samples and two with boxes."""
    return [
        ShardReader(make_shards(folder / "dense", "dense", 3)),
        ShardReader(make_shards(folder / "boxes", "boxes", 2)),
    ]


class TinyBackbone(Backbone):
    """Three convolutions to stride 4. Its dropout makes training depend on the random state."""

    maps = (FeatureMap(stride=4, channels=24),)
    recordable = True

    def __init__(self, _: int) -> None:
        def layer(channels: int, out_channels: int, stride: int) -> nn.Sequential:
            convolution = nn.Conv2d(channels, out_channels, 3, stride, padding=1, bias=False)
            return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU())

        super().__init__()
        self.layers = nn.Sequential(layer(3, 16, 2), layer(16, 24, 2), nn.Dropout(0.1), layer(24, 24, 1))

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.layers(images),)


@contextmanager
def tiny_backbone() -> Iterator[None]:
    """Within this, the backbone of :func:`tiny_config` exists."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "tiny", TinyBackbone)
        yield


def tiny_config(**changes: Any) -> TrainConfig:
    """The tiny backbone on crops of 32x48; ``changes`` are laid over by top-level key."""
    data: dict[str, Any] = {
        "steps": 4,
        "device": "cpu",
        "log_every": 2,
        "checkpoint_every": 100,
        "model": {"backbone": "tiny", "features": 16},
        "data": {"crop": [32, 48], "jitter": 0, "workers": 0},
    }
    for key, value in changes.items():
        data[key] = {**data[key], **value} if isinstance(value, dict) and key in data else value
    return TrainConfig.model_validate(data)
