"""The paper's problem with made-up pixels: its tree, its three datasets, its batch, and the trainer's parts for them.

Speed does not depend on what the pixels show, but it may depend on which labels there are and where. So the labels are
those of Cityscapes, Mapillary Vistas and GTSDB in the iv2018 tree, drawn in patches; images of the two datasets of
pixels are labelled everywhere, those of GTSDB only in a few boxes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from labelforge.mapping import LabelMapping
from labelforge.targets import TargetTable
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.config import ModelConfig
from labelforge.trainer.decision import decide
from labelforge.trainer.kernels.choice import Kernel
from labelforge.trainer.loss import hierarchical_loss, loss_weights
from labelforge.trainer.models.network import SegmentationNet, build_network
from labelforge.trainer.rows import GlobalRows
from labelforge.trainer.tables import TableTensors

TREE: Final = "iv2018"
IGNORED: Final = -100
"""Target of a pixel that a plain cross-entropy skips: PyTorch's default."""

_DATASETS = ("cityscapes", "gtsdb", "mapillary-vistas-1.2")
_BATCH = (0, 2, 2, 1)  # the paper's 1 Cityscapes, 2 Vistas, 1 GTSDB, as positions in _DATASETS
_PATCH = 16
_CELLS = 8
_BOXES = 4


class PaperProblem:
    """The paper's 5 classifiers, 111 logits and 108 classes on one device: labels, networks, loss and decision.

    Args:
        device: Where.
        tree: Another tree in which the three datasets are mapped, for a larger problem.

    Attributes:
        table: The target table of the three datasets.
        tensors: The same on the device.
        classes: Number of classes K.
        sizes: Children per classifier; they add up to the number of logits C.
        weights: (J,) float32 loss weight of each classifier, on the device.
    """

    def __init__(self, device: torch.device, tree: str = TREE) -> None:
        taxonomy = Taxonomy.load(tree)
        self.table = TargetTable.compile(taxonomy, [LabelMapping.load(taxonomy, name) for name in _DATASETS])
        self.classes = len(taxonomy.classes)
        self._device = device
        self.tensors = TableTensors.of(self.table, device)
        self.sizes = self.tensors.sizes
        self.weights = loss_weights(self.table.layout).to(device)

    def label_rows(self, batch: int, size: tuple[int, int]) -> Tensor:
        """(N, H, W) int16 rows of the table, in main memory: N label maps, the datasets mixed as in the paper."""
        maps = []
        for number in range(batch):
            dataset = _BATCH[number % len(_BATCH)]
            mapping = self.table.mappings[dataset]
            draw = _draw_boxes if mapping.supervision == "box" else draw_rows
            rows = draw(np.random.default_rng(number), len(mapping.rows), size)
            maps.append(self.table.global_rows(mapping.dataset, rows).astype(np.int16))
        return torch.from_numpy(np.stack(maps))

    def class_maps(self, rows: Tensor) -> Tensor:
        """What a flat classifier over the tree's classes would store instead of (N, H, W) label rows.

        Which class a row becomes is arbitrary (a coarse label fits no single one); which pixels count is not.

        Returns:
            (N, H, W) int16: class number, or ``IGNORED`` where the row is ignored.
        """
        number = np.arange(len(self.table.meanings)) % self.classes
        lookup = np.where(self.table.meanings.any(axis=1), number, IGNORED).astype(np.int16)
        return torch.from_numpy(lookup)[rows.long()]

    def stored_targets(self, rows: Tensor) -> Tensor:
        """What one would store without a target table: a label map per classifier, unions of labels left out.

        Returns:
            (J, N, H, W) int16 for (N, H, W) rows: child of each classifier, or ``IGNORED``.
        """
        target = np.where(self.table.target < 0, IGNORED, self.table.target).astype(np.int16)
        return torch.from_numpy(target)[rows.long()].movedim(-1, 0).contiguous()

    def network(self, model: ModelConfig, *, flat: bool) -> SegmentationNet:
        """A new network on the device, with all classifiers, or flat: with one over all classes."""
        sizes = (self.classes,) if flat else self.sizes
        return build_network(sizes, model, pretrained=False).to(self._device)

    def loss(self, logits_nchw: Tensor, rows_nhw: Tensor, kernel: Kernel | None = None) -> Tensor:
        """The hierarchical loss of logits at the network's stride, a scalar."""
        rows = GlobalRows(rows_nhw, self.table.numbering)
        return hierarchical_loss(logits_nchw, rows, self.tensors, self.weights, kernel=kernel).total

    def decide(self, logits_nchw: Tensor, size: tuple[int, int] | None = None, kernel: Kernel | None = None) -> Tensor:
        """(N, H, W) int64 classes, at the logits' size or another, as ``labelforge predict`` finds them."""
        return decide(logits_nchw, self.tensors, size, kernel=kernel)

    def trained_logits(self, batch: int, low: tuple[int, int]) -> Tensor:
        """(N, C, h, w) float32 logits on the device as a trained network has them.

        In patches, one child of each classifier on the way to one class is ahead of the rest by about 8, and at the
        borders this fades.
        """
        generator = torch.Generator().manual_seed(0)
        layout = self.table.layout
        places = torch.randint(0, layout.num_logits, (batch, 1, -(-low[0] // _CELLS), -(-low[1] // _CELLS)),
                               generator=generator)  # fmt: skip
        chosen = places.repeat_interleave(_CELLS, 2).repeat_interleave(_CELLS, 3)[..., : low[0], : low[1]]
        ahead = torch.zeros(batch, layout.num_logits, *low)
        for j, columns in reversed(list(enumerate(layout.slices))):
            inside = (chosen >= columns.start) & (chosen < columns.stop)
            ahead.scatter_add_(1, chosen, 8.0 * inside)
            if j:  # and so on with the column that leads here
                chosen = torch.where(inside, layout.owning_column(j), chosen)
        ahead = F.avg_pool2d(ahead, 3, stride=1, padding=1, count_include_pad=False)
        return (ahead + torch.randn(ahead.shape, generator=generator)).to(self._device)


def random_images(batch: int, size: tuple[int, int]) -> Tensor:
    """(N, 3, H, W) uint8 images of noise."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, 3, *size), dtype=torch.uint8, generator=generator)


def handed_over(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor in main memory as loaders hand it over: pinned where a GPU is to copy it."""
    return tensor.pin_memory() if device.type == "cuda" else tensor


def draw_rows(rng: np.random.Generator, rows: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """(H, W) uint8: patches of rows drawn from ``range(rows)``; there are at most 256."""
    height, width = size
    patches = rng.integers(0, rows, (-(-height // _PATCH), -(-width // _PATCH)), dtype=np.uint8)
    return patches.repeat(_PATCH, axis=0).repeat(_PATCH, axis=1)[:height, :width]


def _draw_boxes(rng: np.random.Generator, rows: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """(H, W) uint8: a few boxes the size of traffic signs on an image without annotation."""
    height, width = size
    side = max(1, height // 12)
    found = np.zeros(size, np.uint8)
    for _ in range(_BOXES):
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        found[top : top + side, left : left + side] = rng.integers(1, rows)
    return found


def draw_image(rng: np.random.Generator, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB for (H, W) rows, as compressible as a photograph: a color per row, shading, sensor noise."""
    colors = np.random.default_rng(0).integers(0, 256, (256, 3))
    shade = np.linspace(0.5, 1.0, rows.shape[0])[:, None, None]
    noise = rng.normal(0, 4, (*rows.shape, 1))
    return np.clip(colors[rows] * shade + noise, 0, 255).astype(np.uint8)
