"""What is called what: which confusions of classes cost a network most, and the matrix in a size that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

NOTHING = "none of these"
"""Name of the decisions that are none of the classes."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """Pixels by true and decided class.

    Attributes:
        names: The N classes.
        counts: (N, N + 1) int64: true class x decided class; the last column is for decisions that are none of them.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """(N, N + 1): share of each true class's pixels; 0 where it has none."""
        whole = self.counts.sum(axis=1, keepdims=True)
        shares: NDArray[np.float64] = self.counts / np.maximum(whole, 1)
        return shares

    @property
    def seen(self) -> int:
        """How many classes occur or are decided."""
        return len(self._seen())

    def most_confused(self, limit: int) -> Self:
        """The classes that take part in most errors, in their order; the others are among those of no class.

        Args:
            limit: How many classes; those that neither occur nor are decided are left out in any case.
        """
        wrong = self.counts[:, :-1] * ~np.eye(len(self.names), dtype=np.bool_)
        errors = wrong.sum(axis=0) + self.counts.sum(axis=1) - np.diagonal(self.counts)
        kept = sorted(sorted(self._seen(), key=lambda i: -errors[i])[:limit])
        counts = self.counts[kept]
        rest = counts.sum(axis=1) - counts[:, kept].sum(axis=1)
        return type(self)(tuple(self.names[i] for i in kept), np.column_stack([counts[:, kept], rest]))

    def _seen(self) -> list[int]:
        found: list[int] = np.flatnonzero(self.counts.sum(axis=1) + self.counts[:, :-1].sum(axis=0)).tolist()
        return found


@dataclass(frozen=True)
class CostlyConfusion:
    """One true class, called something else.

    Attributes:
        true: The class that it is.
        called: What it is called.
        pixels: How many pixels.
        share: Share of the class's pixels.
        cost: By how much the mean IoU over the classes that occur would be higher if these pixels were right.
    """

    true: str
    called: str
    pixels: int
    share: float
    cost: float

    @property
    def words(self) -> str:
        """The confusion as a sentence."""
        called = self.called if self.called == NOTHING else f"'{self.called}'"
        return f"{percent(self.share)} of '{self.true}' is called {called}"


def costliest(confusion: Confusion, limit: int = 10) -> tuple[CostlyConfusion, ...]:
    """The confusions that lower the mean IoU most, the worst first.

    If the n pixels of class i that are called j were right, the IoU of i would be higher by n over its union, and the
    union of j would be smaller by n. Both count, by the number of classes that occur.

    Args:
        confusion: The matrix.
        limit: How many at most.
    """
    counts = confusion.counts.astype(np.float64)
    square = counts[:, :-1]
    true, hits = counts.sum(axis=1), np.diagonal(square)
    union = true + square.sum(axis=0) - hits
    occurs = true > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = np.nan_to_num(counts / union[:, None])
        gain = np.nan_to_num(hits / (union - square) - hits / union)
    cost[:, :-1] += np.where(occurs, gain, 0)
    cost /= max(1, int(occurs.sum()))
    np.fill_diagonal(cost, 0)
    names = (*confusion.names, NOTHING)
    order = sorted(np.argwhere((cost > 0) & (counts > 0)).tolist(), key=lambda at: (-cost[at[0], at[1]], at))
    return tuple(
        CostlyConfusion(names[i], names[j], int(counts[i, j]), float(counts[i, j] / true[i]), float(cost[i, j]))
        for i, j in order[:limit]
    )


def percent(share: float | None) -> str:
    """A share in words: 12.3%; a dash if there is none."""
    return "\N{EN DASH}" if share is None else f"{share:.1%}"
