"""The paper's problem with made-up pixels: its tree, its three datasets, its batch.

Speed does not depend on what the pixels show, but it may depend on which labels there are and on how they lie. So the
labels are those of Cityscapes, Mapillary Vistas and GTSDB in the iv2018 tree, drawn in patches; images of the two
datasets of pixels are labelled all over, those of GTSDB only in a few boxes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from labelforge.mapping import LabelMapping
from labelforge.targets import SET, TargetTable
from labelforge.taxonomy import Taxonomy

__all__ = [
    "IGNORED",
    "TREE",
    "class_maps",
    "draw_image",
    "draw_rows",
    "label_rows",
    "paper_table",
    "random_images",
    "stored_targets",
]

TREE: Final = "iv2018"
IGNORED: Final = -100
"""Target of a pixel that a plain cross-entropy skips: PyTorch's default."""

_DATASETS = ("cityscapes", "gtsdb", "mapillary-vistas-1.2")
_BATCH = (0, 2, 2, 1)  # the paper's 1 Cityscapes, 2 Vistas, 1 GTSDB, as positions in _DATASETS
_PATCH = 16
_BOXES = 4


def paper_table() -> TargetTable:
    """The hierarchical target table of the paper: 5 classifiers, 111 logits, 108 classes."""
    tree = Taxonomy.load(TREE)
    return TargetTable.compile(tree, [LabelMapping.load(tree, name) for name in _DATASETS])


def label_rows(table: TargetTable, batch: int, size: tuple[int, int]) -> torch.Tensor:
    """Label maps of a batch, the datasets mixed as in the paper.

    Args:
        table: What :func:`paper_table` gives.
        batch: Number of maps N.
        size: Their height H and width W.

    Returns:
        (N, H, W) int16 rows of the table.
    """
    maps = []
    for number in range(batch):
        dataset = _BATCH[number % len(_BATCH)]
        mapping = table.mappings[dataset]
        rng = np.random.default_rng(number)
        boxes = mapping.supervision == "box"
        rows = _boxes(rng, len(mapping.rows), size) if boxes else draw_rows(rng, len(mapping.rows), size)
        maps.append(rows.astype(np.int16) + np.int16(table.offsets[dataset]))
    return torch.from_numpy(np.stack(maps))


def draw_rows(rng: np.random.Generator, rows: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Patches of random rows.

    Args:
        rng: Where chance comes from.
        rows: Rows are drawn from ``range(rows)``; at most 256.
        size: Height H and width W.

    Returns:
        (H, W) uint8.
    """
    height, width = size
    patches = rng.integers(0, rows, (-(-height // _PATCH), -(-width // _PATCH)), dtype=np.uint8)
    return patches.repeat(_PATCH, axis=0).repeat(_PATCH, axis=1)[:height, :width]


def draw_image(rng: np.random.Generator, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A picture of a label map that compresses about as a photograph does: a colour per row, shading, sensor noise.

    Args:
        rng: Where chance comes from.
        rows: (H, W) uint8.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    colors = np.random.default_rng(0).integers(0, 256, (256, 3))
    shade = np.linspace(0.5, 1.0, rows.shape[0])[:, None, None]
    noise = rng.normal(0, 4, (*rows.shape, 1))
    return np.clip(colors[rows] * shade + noise, 0, 255).astype(np.uint8)


def random_images(batch: int, size: tuple[int, int]) -> torch.Tensor:
    """(N, 3, H, W) uint8 images of noise."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, 3, *size), dtype=torch.uint8, generator=generator)


def class_maps(table: TargetTable, rows: torch.Tensor) -> torch.Tensor:
    """What a flat classifier over the tree's classes would store instead of label rows.

    Which class a row becomes is arbitrary (a coarse label fits no single one); which pixels count is not.

    Args:
        table: The table that ``rows`` refer to.
        rows: (N, H, W) rows, any integer dtype.

    Returns:
        (N, H, W) int16: class number, or ``IGNORED`` where the row is ignored.
    """
    number = np.arange(len(table.labels)) % len(table.taxonomy.classes)
    lookup = np.where(table.labels.any(axis=1), number, IGNORED).astype(np.int16)
    return torch.from_numpy(lookup)[rows.long()]


def stored_targets(table: TargetTable, rows: torch.Tensor) -> torch.Tensor:
    """What one would store without a target table: a label map per classifier, unions of labels left out.

    Args:
        table: The table that ``rows`` refer to.
        rows: (N, H, W) rows, any integer dtype.

    Returns:
        (J, N, H, W) int16: child of each classifier, or ``IGNORED``.
    """
    target = np.where((table.target < 0) | (table.target == SET), IGNORED, table.target).astype(np.int16)
    return torch.from_numpy(target)[rows.long()].movedim(-1, 0).contiguous()


def _boxes(rng: np.random.Generator, rows: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """A few boxes the size of traffic signs on an image without annotation."""
    height, width = size
    side = max(1, height // 12)
    found = np.zeros(size, np.uint8)
    for _ in range(_BOXES):
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        found[top : top + side, left : left + side] = rng.integers(1, rows)
    return found
