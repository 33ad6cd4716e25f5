"""Random trees, labels and batches for kernels, from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from labelforge import LabelMapping, TargetTable, Taxonomy
from labelforge.trainer import GlobalRows, LossOutput, TableTensors, hierarchical_loss
from labelforge.trainer.kernels.choice import Kernel
from labelforge.trainer.pixel_grid import PixelGrid
from tests.core.random_trees import whole_table
from tests.trainer.test_loss import random_labels

Shapes = list[tuple[int, tuple[int, int], tuple[int, int]]]
GrowTree = Callable[[random.Random], dict[str, Any]]
SHAPES: Shapes = [  # (images, low height and width, height and width)
    (2, (3, 4), (24, 32)),
    (1, (4, 3), (29, 23)),  # not a whole stride
    (1, (1, 1), (9, 7)),  # one value: the same everywhere
    (1, (1, 5), (6, 40)),
    (2, (6, 1), (48, 8)),
    (1, (2, 2), (40, 300)),  # cells of more pixels than a tile, and wider than one
    (1, (7, 9), (17, 25)),  # few pixels per cell
    (1, (9, 8), (5, 4)),  # fewer pixels than values
    (1, (5, 6), (5, 6)),
]


@dataclass
class World:
    """A table, and a batch for it."""

    tensors: TableTensors
    rows: GlobalRows
    logits: Tensor
    weights: Tensor
    options: dict[str, Any]

    def loss(
        self, kernel: Kernel | None, dtype: torch.dtype = torch.float32, device: str = "cpu"
    ) -> tuple[LossOutput, Tensor]:
        """The loss and the gradient of the logits, computed on a device."""
        logits = self.logits.detach().clone().to(device, dtype).requires_grad_()
        options: dict[str, Any] = {
            name: v.to(device, dtype) if isinstance(v, Tensor) else v for name, v in self.options.items()
        }
        rows = GlobalRows(self.rows.tensor.to(device), self.rows.numbering)
        weights = self.weights.to(device, dtype)
        output = hierarchical_loss(logits, rows, self.tensors.to(device), weights, **options, kernel=kernel)
        (gradient,) = torch.autograd.grad(output.total, logits)
        return LossOutput(*(value.cpu() for value in output)), gradient.cpu()


def random_table(rng: random.Random, grow_tree: GrowTree) -> TargetTable:
    """A tree, and labels of one to three datasets: sets, boxes, unknown, coarse ones."""
    definition = grow_tree(rng)
    taxonomy, tree = Taxonomy.from_dict(definition), definition["tree"]["root"]
    mappings = [
        LabelMapping.from_records(taxonomy, f"random {dataset}", random_labels(rng, tree, dataset)[0])
        for dataset in range(rng.randint(1, 3))
    ]
    return whole_table(taxonomy, mappings, rng.choice(["own", "path"]), lone_boxes=True)


def random_world(rng: random.Random, grow_tree: GrowTree, shapes: Shapes = SHAPES) -> World:
    """A batch with any of the loss's options."""
    table = random_table(rng, grow_tree)
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    images, low, size = rng.choice(shapes)
    labels = torch.randint(0, len(table.target), (images, *size), generator=generator)
    if rng.random() < 0.5:  # in patches, as labels are
        labels = labels[:, ::5, ::7].repeat_interleave(5, 1).repeat_interleave(7, 2)[:, : size[0], : size[1]]
    spread = rng.choice([0.1, 2.0, 15.0, 300.0])  # up to what underflows within a cell
    logits = torch.randn(images, table.layout.num_logits, *low, generator=generator, dtype=torch.float64) * spread
    options: dict[str, Any] = {
        "gate": rng.choice(["parent", "path", "none"]),
        "mean": rng.choice(["classifier", "pixel"]),
        "box_weight": rng.uniform(0, 2),
        "balance": rng.choice(["pixels", "datasets"]),
        "class_weights": rng.choice([None, torch.rand(table.target.shape, generator=generator) * 3 + 0.2]),
        "grid": rng.choice([None, None, PixelGrid(2, 1, 0), PixelGrid(3, 0, 2)]),
    }
    if rng.random() < 0.3:
        logits = logits.contiguous(memory_format=torch.channels_last)
    rows = GlobalRows(labels.to(rng.choice([torch.int16, torch.int64, torch.uint8])), table.numbering)
    weights = torch.rand(table.layout.num_classifiers, generator=generator) * 2
    return World(TableTensors.of(table), rows, logits.float(), weights, options)
