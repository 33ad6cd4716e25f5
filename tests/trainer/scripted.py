"""A network that answers what it is told to, for the tests of scores; and what a perfect one would answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.images import Pixels
from labelforge.trainer.readout import By, written_rows
from labelforge.trainer.segmenter import Readings, Segmenter
from labelforge.trainer.tables import LayoutTensors

Classes = NDArray[np.int64]


_BAND = 128  # rows at a time: the logits of a large image are never all in memory
_SURE = 40.0


class ScriptedSegmenter(Segmenter):
    """Decides what a function says, with logits that leave no doubt.

    Args:
        layout: What the decisions mean.
        script: From (H, W, 3) uint8 pixels to (H, W) classes.
        trained: Label tables of the datasets it claims to be trained on.
    """

    def __init__(
        self, layout: LogitLayout, script: Callable[[Pixels], Classes], trained: Sequence[LabelMapping] = ()
    ) -> None:
        checkpoint = SimpleNamespace(
            layout=layout, taxonomy=layout.taxonomy, mappings=tuple(trained), place=Path("scripted")
        )
        self.checkpoint = cast("Checkpoint", checkpoint)
        self.layout = layout
        self.mappings = tuple(trained)
        self.device = torch.device("cpu")
        self.tensors = LayoutTensors.of_layout(layout)
        self._script = script
        self._logits = torch.zeros(len(layout.classes), layout.num_logits)
        for k in range(len(layout.classes)):
            column = int(np.flatnonzero(layout.class_of == k)[0])
            j = next(j for j, columns in enumerate(layout.slices) if columns.start <= column < columns.stop)
            above = [layout.slices[i].start + branch for i, branch in layout.ancestors(j)]
            self._logits[k, [column, *above]] = _SURE

    @classmethod
    def answering(cls, layout: LogitLayout, answers: Iterable[Classes]) -> ScriptedSegmenter:
        """One that answers images in their order."""
        left = iter(answers)
        return cls(layout, lambda image: next(left))

    def network_logits(self, images: Sequence[Pixels]) -> torch.Tensor:
        """The images themselves: logits of all their pixels would be too many at once."""
        return torch.stack([torch.from_numpy(np.array(image)) for image in images])

    def read_all(
        self, logits: torch.Tensor, size: tuple[int, int], readout: Readings
    ) -> list[tuple[torch.Tensor, ...]]:
        return [self._look(image.numpy(), readout) for image in logits]

    def _look(self, image: Pixels, readout: Readings) -> tuple[torch.Tensor, ...]:
        classes = torch.from_numpy(self._script(image))
        fine = [self._logits[band].movedim(-1, 0)[None] for band in torch.split(classes, _BAND)]
        bands = [readout(band, (band.shape[2], band.shape[3])) for band in fine]
        return tuple(torch.cat(parts, dim=-2)[0] for parts in zip(*bands, strict=True))


def best_classes(layout: LogitLayout, mapping: LabelMapping, by: By | None = "winner") -> list[list[int]]:
    """Per row, the classes that a perfect network may answer: where it can, those that are written as the label."""
    written = written_rows(layout, mapping, by).tolist()
    found = []
    for row in mapping.rows:
        touched = [k for k, leaves in enumerate(layout.classes) if leaves & row.target.leaves]
        inside = [k for k in touched if layout.classes[k] <= row.target.leaves]
        right = [k for k in touched if written[k] == row.row]
        found.append(right or inside or touched)
    return found


def answer_perfectly(
    layout: LogitLayout,
    mapping: LabelMapping,
    labels: NDArray[Any],
    rng: np.random.Generator,
    by: By | None = "winner",
) -> Classes:
    """(...) classes for (...) rows: one that fits each, chosen anew per pixel; class 0 where nothing fits."""
    best = best_classes(layout, mapping, by)
    classes = np.zeros(labels.shape, np.int64)
    for row in np.unique(labels).tolist():
        here = labels == row
        if best[row]:
            classes[here] = rng.choice(best[row], int(here.sum()))
    return classes
