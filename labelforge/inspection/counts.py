"""How many pixels every label has in every sample of some shards, from the indexes: no picture is read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import ShardError
from labelforge.shards import ShardReader

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """The n pairs of a sample and a label that it shows, in the order of the samples, then of the rows.

    Attributes:
        samples: (n,) int64 numbers of samples.
        rows: (n,) int64 rows of the label table.
        pixels: (n,) int64, all above 0.
        num_samples: How many samples there are, with labels or without.
        num_rows: How many rows the label table has.
    """

    samples: IntArray
    rows: IntArray
    pixels: IntArray
    num_samples: int
    num_rows: int

    @classmethod
    def of(cls, reader: ShardReader) -> LabelCounts:
        """The counts that the indexes of a folder hold.

        Raises:
            ShardError: An index speaks of rows that the label table does not have.
        """
        found = [
            (number, row, pixels)
            for number in range(len(reader))
            for row, pixels in sorted(reader.pixels(number).items())
        ]
        table = np.array(found, dtype=np.int64).reshape(-1, 3)
        last = len(reader.mapping.rows) - 1
        for number, row, _ in table[table[:, 1] > last][:1]:
            raise ShardError(
                f"sample {reader.keys[number]} has pixels of row {row}, and the label table ends at row {last}",
                where=reader.url,
                cure="Run: labelforge verify.",
            )
        return cls(table[:, 0], table[:, 1], table[:, 2], len(reader), last + 1)

    def images(self) -> IntArray:
        """(rows,) int64: in how many samples each label has a pixel."""
        return np.bincount(self.rows, minlength=self.num_rows)

    def of_labels(self, rows: Collection[int]) -> IntArray:
        """(samples,) int64: pixels of some labels together in each sample."""
        wanted = np.zeros(self.num_rows, np.bool_)
        wanted[list(rows)] = True
        chosen = wanted[self.rows]
        found = np.zeros(self.num_samples, np.int64)
        np.add.at(found, self.samples[chosen], self.pixels[chosen])
        return found

    def most(self, rows: Collection[int], number: int) -> list[tuple[int, int]]:
        """The samples that hold most of some labels together.

        Args:
            rows: The labels.
            number: How many samples; fewer are found where fewer have a pixel.

        Returns:
            (sample, pixels), the most first, of equal ones the earlier.
        """
        pixels = self.of_labels(rows)
        order = np.argsort(-pixels, kind="stable")[:number]
        return [(int(sample), int(pixels[sample])) for sample in order if pixels[sample]]
