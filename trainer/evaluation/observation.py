"""One image of an evaluation and what was decided: what those who look on while it runs are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labelforge.label_rows import IntArray
from labelforge.shards import Sample, ShardReader

NOT_SCORED, WRONG, CONSISTENT, RIGHT = range(4)
"""Outcomes: the class decided is the true one (right), another though the decision lies inside the true label's meaning
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
    def of(
        cls,
        reader: ShardReader,
        sample: Sample,
        true: NDArray[np.integer],
        decided: NDArray[np.integer],
        inside: NDArray[np.bool_],
        *,
        class_of: IntArray,
    ) -> Self:
        """Outcomes by a protocol's classes.

        Args:
            reader: See above.
            sample: See above.
            true: See above.
            decided: See above.
            inside: (H, W) bool: whether the decision lies inside the true label's meaning.
            class_of: (R,) int64: the class that each row is scored as, -1 where it is not evaluated.
        """
        outcome = np.where(class_of[true] == class_of[decided], RIGHT, np.where(inside, CONSISTENT, WRONG))
        outcome[class_of[true] < 0] = NOT_SCORED
        return cls(reader, sample, true, decided, outcome.astype(np.uint8))


Observe = Callable[[Observation], None]
"""Looks on while an evaluation runs."""
