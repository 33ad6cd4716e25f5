"""How a prediction is read from a network: in whose labels, by what, and how sure it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from labelforge.errors import ConfigError
from labelforge.trainer.id_maps import TREE, IdLegend
from labelforge.trainer.images import Pixels
from labelforge.trainer.label_spaces import find_legend, find_mapping
from labelforge.trainer.readout import By, label_readout, reads_rows
from labelforge.trainer.segmenter import Segmenter


class Predicted(NamedTuple):
    """What is predicted for an image."""

    codes: Tensor
    """(H, W) int64: index into the legend's ``id_of``."""
    confidence: Tensor | None
    """(H, W) float32 in [0, 1], if it was asked for."""


Predictor = Callable[[Pixels], Predicted]
"""From an image, (H, W, 3) uint8 RGB, to what is predicted for it."""


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
        """A function that predicts one image after the other.

        Args:
            segmenter: The network.

        Raises:
            ConfigError: The label space is unknown to the network's checkpoint.
        """
        if self.label_space != TREE:
            mapping = find_mapping(segmenter.checkpoint, self.label_space)
            if reads_rows(mapping, self.by):
                readout = label_readout(segmenter.tensors, mapping, self.by, self.threshold)
                return lambda image: self._predicted(*segmenter.look(image, readout))
        if self.soft or self.threshold:
            return lambda image: self._predicted(*segmenter.decide_with_confidence(image, self.threshold))
        return lambda image: Predicted(segmenter.decide(image), None)

    def _predicted(self, codes: Tensor, confidence: Tensor) -> Predicted:
        return Predicted(codes, confidence if self.soft else None)
