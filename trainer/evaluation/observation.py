"""One image of an evaluation and what was decided: what those who look on while it runs are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labelforge.shards import Sample, ShardReader
from labelforge.trainer.evaluation import verdicts

NOT_SCORED, WRONG, CONSISTENT, RIGHT = range(4)
"""Outcomes: the label decided is the true one (right), another though the decision lies inside the true label's meaning
(consistent), or neither (wrong)."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One image and what was decided, all at the same size.

    Attributes:
        reader: Its shard set.
        sample: The image.
        true: (H, W) local rows.
        decided: (H, W) local rows; 0 where no native label fits.
        outcome: (H, W) uint8: ``NOT_SCORED``, ``WRONG``, ``CONSISTENT`` or ``RIGHT``.
    """

    reader: ShardReader
    sample: Sample
    true: NDArray[np.integer]
    decided: NDArray[np.integer]
    outcome: NDArray[np.uint8]

    @classmethod
    def of(cls, reader: ShardReader, sample: Sample, decided: NDArray[np.integer], verdict: NDArray[np.uint8]) -> Self:
        """From decided rows and the verdicts of :mod:`labelforge.trainer.evaluation.verdicts` on the decisions."""
        inside = np.where(verdict == verdicts.RIGHT, CONSISTENT, WRONG)
        outcome = np.where(decided == sample.label, RIGHT, inside)
        outcome[verdict == verdicts.NOT_SCORED] = NOT_SCORED
        return cls(reader, sample, sample.label, decided, outcome.astype(np.uint8))
