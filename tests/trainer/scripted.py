"""A network that answers what it is told to, for the tests of scores; and what a perfect one would answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.images import Pixels
from labelforge.trainer.segmenter import Segmenter

Classes = NDArray[np.int64]


class ScriptedSegmenter(Segmenter):
    """Answers images in their order.

    Args:
        tree: The tree.
        answers: (H, W) classes of every image to come.
        trained: Label tables of the datasets it claims to be trained on.
    """

    def __init__(self, tree: Taxonomy, answers: Sequence[Classes], trained: Sequence[LabelMapping] = ()) -> None:
        checkpoint = SimpleNamespace(taxonomy=tree, mappings=tuple(trained), folder=Path("scripted"))
        self.checkpoint = cast("Checkpoint", checkpoint)
        self.layout = LogitLayout.compile(tree)
        self.device = torch.device("cpu")
        self._answers = iter(answers)

    def decide(self, image: Pixels) -> torch.Tensor:
        return torch.from_numpy(next(self._answers))


def best_classes(layout: LogitLayout, mapping: LabelMapping) -> list[list[int]]:
    """Per row, the classes that a perfect network may answer: where it can, those that are written as the label."""
    written = layout.native_rows(mapping).tolist()
    found = []
    for row in mapping.rows:
        inside = [k for k, leaves in enumerate(layout.classes) if leaves <= row.target.leaves]
        fitting = inside or [k for k, leaves in enumerate(layout.classes) if leaves & row.target.leaves]
        right = [k for k in fitting if written[k] == row.row]
        found.append(right or fitting)
    return found


def answer_perfectly(
    layout: LogitLayout, mapping: LabelMapping, labels: NDArray[Any], rng: np.random.Generator
) -> Classes:
    """(...) classes for (...) rows: one that fits each, chosen anew per pixel; class 0 where nothing fits."""
    best = best_classes(layout, mapping)
    classes = np.zeros(labels.shape, np.int64)
    for row in np.unique(labels).tolist():
        here = labels == row
        if best[row]:
            classes[here] = rng.choice(best[row], int(here.sum()))
    return classes
