"""What a pixel's loss at a classifier is multiplied with in the total.

``classifier``, the paper's: each classifier's loss is a mean over the pixels that count for it, and the total is the
sum of these, each times its classifier's weight. So a pixel of a classifier that few pixels train counts as much as
many of another: the deeper a tree, the more do its rare branches draw on what all classifiers share.

``pixel``: a pixel's loss is the sum over all classifiers that its label trains. Of a pixel label that is the negative
log probability of the label: the product of the choices on the way to it. The total is the mean over the pixels with
pixel labels plus, times a weight, that over the pixels in boxes; of those, what does not pass a gate adds nothing to
the mean. It needs no weight per classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labelforge.trainer.config import Mean
from labelforge.trainer.kernels.problem import PixelCounts
from labelforge.trainer.means import KINDS, mean_factors, share_counts


@dataclass(frozen=True, eq=False)
class Weighting:
    """How a total is made of the losses of pixels.

    Attributes:
        classifiers: (J,) weight of each classifier.
        mean: What is averaged.
        boxes: Weight of the mean over pixels in boxes, if means are over pixels.
    """

    classifiers: Tensor
    mean: Mean = "classifier"
    boxes: float = 1.0

    def factors(self, counts: SharedCounts, means: Tensor) -> Tensor:
        """What the sum of each group's losses at each classifier is multiplied with.

        Args:
            counts: The pixels.
            means: (G, J) float64: what it is multiplied with in the mean loss of the classifier (:func:`mean_factors`).

        Returns:
            (G, J) float64.
        """
        if self.mean == "classifier":
            return means * self.classifiers.double()
        pixels, boxes = mean_factors(counts.pixels[:, None]).view(-1, KINDS).unbind(dim=1)
        means = torch.stack([pixels, boxes * self.boxes], dim=1)
        return means.view(-1, 1) * self.classifiers.double()


@dataclass(frozen=True, eq=False)
class SharedCounts:
    """The pixels that count, in all processes.

    Attributes:
        sizes: (G, J) int64: those that train each classifier; of those in boxes the ones that pass the gate.
        pixels: (G,) int64: those whose label trains any classifier, before the gate.
        boxes: (J,) int64: those in boxes, before the gate.
    """

    sizes: Tensor
    pixels: Tensor
    boxes: Tensor

    @classmethod
    def of(cls, counts: PixelCounts) -> SharedCounts:
        """Add up the counts of all processes."""
        return cls(*share_counts(counts.sizes, counts.pixels, counts.boxes))
