"""What kernels are asked, and what they answer: the same for every backend.

A backend for decisions is a module with the three functions of :class:`DecisionBackend`.

The total of a loss is a weighted sum of means, and the weights of these means follow from how many pixels count, which
gates make depend on the logits. So a backend is asked twice: first to count, then, told what a pixel's loss is
multiplied with, for sums and gradient in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from labelforge.logits import LogitLayout
from labelforge.targets import SILENT
from labelforge.trainer.config import Gate
from labelforge.trainer.kernels.device_cache import device_cache
from labelforge.trainer.kernels.sampling import Sampling
from labelforge.trainer.tables import TableTensors


@dataclass(frozen=True, eq=False)
class LossProblem:
    """One batch, all on one device. N images of H x W pixels; L labels, C logits, J classifiers, G groups of pixels.

    Attributes:
        logits: (N, C, h, w) float32 or float64, detached.
        rows: (N, H, W) integers: labels, which are rows of the target table.
        sampling: Where the H x W pixels lie between the h x w logits.
        tensors: The target table.
        gate: Which box pixels count.
        groups: (L,) int64 group that a label's pixels are counted in; labels from boxes have groups of their own.
        number: G.
        class_weights: (L, J) weight of each label's pixels in each classifier, of the logits' dtype; None: 1.
        wants_gradient: Whether the gradient is needed.
    """

    logits: Tensor
    rows: Tensor
    sampling: Sampling
    tensors: TableTensors
    gate: Gate
    groups: Tensor
    number: int
    class_weights: Tensor | None
    wants_gradient: bool


class PixelCounts(NamedTuple):
    """How many pixels count."""

    sizes: Tensor
    """(G, J) int64: pixels that train each classifier; those in boxes that pass the gate."""
    boxes: Tensor
    """(J,) int64: pixels in boxes before the gate."""
    pixels: Tensor
    """(G,) int64: pixels whose label trains any classifier, before the gate (:func:`pixels_by_group`)."""
    state: Any
    """What the backend found on the way and uses again."""


def pixels_by_group(problem: LossProblem, labels: Tensor) -> Tensor:
    """(G,) int64 pixels whose label trains any classifier, from the (L,) int64 pixels of each label."""
    trained = labels * _trains_any(problem.tensors)
    return trained.new_zeros(problem.number).index_add_(0, problem.groups, trained)


@device_cache(16)
def _trains_any(tensors: TableTensors) -> Tensor:
    return (tensors.target != SILENT).any(dim=1)


class LossBackend(Protocol):
    """A way to compute losses."""

    name: str
    """What it is called in logs."""

    def count(self, problem: LossProblem) -> PixelCounts:
        """Count the pixels.

        Raises:
            IndexError: A label is not a row of the table, where that is checked.
        """

    def spread(self, problem: LossProblem, counts: PixelCounts, factors: Tensor) -> tuple[Tensor, Tensor | None]:
        """Sums of losses, and the gradient of what they add up to with factors.

        Args:
            problem: The batch.
            counts: What :meth:`count` returned.
            factors: (G, J) of the logits' dtype.

        Returns:
            (G, J) sums of the pixels' losses, each times its class weight, of the logits' dtype; and, where it is
            wanted, the gradient of ``(factors * sums).sum()``, (N, C, h, w).
        """


class DecisionBackend(Protocol):
    """A way to decide between low-resolution logits."""

    def decide(self, logits_nchw: Tensor, layout: LogitLayout, size: tuple[int, int], /) -> Tensor:
        """Decide.

        Args:
            logits_nchw: (N, C, h, w).
            layout: What they mean.
            size: Height H and width W of the decision.

        Returns:
            (N, H, W) int64 classes.
        """

    def descend(
        self,
        logits_nchw: Tensor,
        layout: LogitLayout,
        size: tuple[int, int],
        /,
        threshold: float = 0.0,
        *,
        steps: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decide with confidence.

        Args:
            logits_nchw: (N, C, h, w).
            layout: What they mean.
            size: Height H and width W of the decision.
            threshold: Probability below which the descent stops.
            steps: Whether the confidence after each choice is wanted.

        Returns:
            (N, H, W) int64 logit where the descent ends, or C + j where it stops before classifier j; (N, H, W) float32
            confidence; (N, D, H, W) float32 the same after each of at most D choices, or D = 0.
        """

    def add_up(
        self, logits_nchw: Tensor, layout: LogitLayout, size: tuple[int, int], shares: Tensor, /
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Find the likeliest labels.

        Args:
            logits_nchw: (N, C, h, w).
            layout: What they mean.
            size: Height H and width W of the answer.
            shares: (labels, K) float32: 1 where a class counts for a label, else 0.

        Returns:
            (N, H, W): int64 position of the label, of equal ones the first; float32 its probability; float32 that of
            the classes that count for no label.
        """
