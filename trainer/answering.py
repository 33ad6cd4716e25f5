"""How a prediction is read from a network: in whose labels, by what, and how sure it must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from torch import Tensor

from labelforge.errors import ConfigError
from labelforge.trainer.decision import decide, decide_with_confidence
from labelforge.trainer.id_maps import TREE, IdLegend
from labelforge.trainer.images import Pixels
from labelforge.trainer.label_spaces import find_legend, find_mapping
from labelforge.trainer.readout import By, label_readout, reads_rows
from labelforge.trainer.segmenter import Readings, Segmenter


class Predicted(NamedTuple):
    """What is predicted for an image."""

    codes: Tensor
    """(H, W) int64: index into the legend's ``id_of``."""
    confidence: Tensor | None
    """(H, W) float32 in [0, 1], if it was asked for."""


Predictor = Callable[[Sequence[Pixels]], list[Predicted]]
"""From images of one size, (H, W, 3) uint8 RGB, to what is predicted for each."""


@dataclass(frozen=True)
class Answering:
    """What to predict.

    Attributes:
        label_space: ``tree``, or a dataset whose native ids are wanted.
        by: How a dataset's label is found, ``sum`` or ``winner``; None: as usual. The tree has no labels to sum.
        threshold: How confident an answer must be, 0 to 1.
        soft: Whether confidence is wanted too.

    Raises:
        ConfigError: The threshold is out of range, or the tree is asked for by sum.
    """

    label_space: str = TREE
    by: By | None = None
    threshold: float = 0.0
    soft: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"a confidence of {self.threshold:g} is no probability", cure="Give one from 0 to 1.")
        if self.label_space == TREE and self.by == "sum":
            raise ConfigError("sums of probabilities are read in a dataset's labels", cure="Add --label-space NAME.")

    def legend(self, segmenter: Segmenter) -> IdLegend:
        """What the codes mean.

        Args:
            segmenter: The network.

        Raises:
            ConfigError: The label space is unknown to the network's checkpoint.
        """
        return find_legend(segmenter.checkpoint, self.label_space, self.by, segmenter.layout)

    def predictor(self, segmenter: Segmenter) -> Predictor:
        """A function that predicts images of one size.

        Args:
            segmenter: The network.

        Raises:
            ConfigError: The label space is unknown to the network's checkpoint.
        """
        tensors = segmenter.tensors
        if self.label_space != TREE:
            mapping = find_mapping(segmenter.checkpoint, self.label_space)
            if reads_rows(mapping, self.by):
                return partial(self._predict, segmenter, label_readout(tensors, mapping, self.by, self.threshold))
        if self.soft or self.threshold:
            unsized = partial(decide_with_confidence, tensors=tensors, threshold=self.threshold)
            return partial(self._predict, segmenter, lambda logits, size: unsized(logits, size=size))
        return partial(self._predict, segmenter, lambda logits, size: (decide(logits, tensors, size),))

    def _predict(self, segmenter: Segmenter, readout: Readings, images: Sequence[Pixels]) -> list[Predicted]:
        found = segmenter.look_all(images, readout)
        return [Predicted(codes, confidence[0] if self.soft else None) for codes, *confidence in found]
