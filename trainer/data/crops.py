"""Crops of one dataset, drawn without any state.

Draw number ``k`` is the sample at position ``k mod n`` in the permutation of epoch ``k div n``, and everything random
about it comes from the generator seeded with (seed, dataset, ``k``). A crop is thus a function of the seed and ``k``
alone: a run resumes by starting at another draw, and workers may be added or removed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from labelforge.errors import ConfigError
from labelforge.shards import ShardReader
from labelforge.targets import TargetTable
from labelforge.trainer.config import DataConfig
from labelforge.trainer.data.augment import augment
from labelforge.trainer.data.datasets import TrainingSet, check_rows, group_training_sets, open_shards
from labelforge.trainer.rows import GlobalRows


class Crop(NamedTuple):
    """One training crop, on the CPU."""

    image: torch.Tensor
    """(3, H, W) uint8 RGB."""
    rows: GlobalRows
    """(H, W) int16 rows of the target table."""
    key: str
    """The sample as "dataset/key", for messages."""


class CropDataset(Dataset[Crop]):
    """Training crops of one dataset, by number of the draw.

        >>> import labelforge as lf
        >>> from labelforge.trainer import CropDataset, DataConfig
        >>> reader = lf.ShardReader("shards/gtsdb-train")
        >>> table = lf.TargetTable.compile(reader.taxonomy, [reader.mapping])
        >>> crops = CropDataset(reader, table, DataConfig(crop=(32, 48)))
        >>> crops[0].image.shape, crops[0].rows.shape, crops[len(crops)].key.split("/")[0]
        (torch.Size([3, 32, 48]), torch.Size([32, 48]), 'gtsdb')

    ``len`` is the number of samples. Draws go on after that with other crops of the same samples, in another order:
    epoch ``e`` is ``sampler=range(e * len(crops), (e + 1) * len(crops))`` of a ``DataLoader``. Its ``collate_fn`` is
    :meth:`Batch.of`.

    Args:
        shards: Shard sets of the dataset: folders, URLs or readers, one or several.
        table: Target table that has the dataset.
        config: Crop and augmentation.
        seed: Seed of order and augmentation.

    Attributes:
        training_set: The samples.

    Raises:
        ConfigError: The shards are of several datasets, or the table does not have theirs.
        ShardError: A shard set is missing, broken or empty.
    """

    def __init__(
        self,
        shards: str | os.PathLike[str] | ShardReader | Sequence[str | os.PathLike[str] | ShardReader] | TrainingSet,
        table: TargetTable,
        config: DataConfig,
        seed: int = 0,
    ) -> None:
        self.training_set = shards if isinstance(shards, TrainingSet) else _one_set(shards)
        rows = table.global_rows(self.training_set.dataset, np.arange(len(self.training_set.mapping.rows)))
        self._number = table.datasets.index(self.training_set.dataset)
        self._numbering = table.numbering
        self._global_rows = rows.astype(np.int16)
        self._mirrored_rows = table.mirror[rows].astype(np.int16)
        self._config = config
        self._seed = seed

    def __len__(self) -> int:
        return len(self.training_set)

    def __iter__(self) -> Iterator[Crop]:
        """The crops of the first epoch."""
        return (self[draw] for draw in range(len(self)))

    def __getitem__(self, draw: int) -> Crop:
        """The crop of a draw, however high its number.

        Raises:
            IndexError: The number is negative.
            ShardError: Its sample is broken.
        """
        if draw < 0:
            raise IndexError(draw)
        epoch, position = divmod(draw, len(self))
        sample = self.training_set[int(_permutation(self._seed, self._number, epoch, len(self))[position])]
        check_rows(sample, self.training_set.mapping)
        image, rows = augment(
            np.random.default_rng((_AUGMENT, self._seed, self._number, draw)),
            sample.image,
            sample.local_rows,
            self._config,
            self.training_set.dataset,
            global_rows=self._global_rows,
            mirrored_rows=self._mirrored_rows,
        )
        pixels = torch.from_numpy(image).permute(2, 0, 1)
        labels = GlobalRows(torch.from_numpy(rows), self._numbering)
        return Crop(pixels, labels, f"{self.training_set.dataset}/{sample.key}")


_ORDER, _AUGMENT = 1, 2
"""First words of the two kinds of seeds, so that no permutation shares its stream with an augmentation."""


def _one_set(
    shards: str | os.PathLike[str] | ShardReader | Sequence[str | os.PathLike[str] | ShardReader],
) -> TrainingSet:
    alone = isinstance(shards, str | os.PathLike | ShardReader)
    found = group_training_sets(open_shards([shards] if alone else shards))  # type: ignore[list-item, arg-type]
    if len(found) > 1:
        names = ", ".join(item.dataset for item in found)
        raise ConfigError(f"these are shards of several datasets: {names}", cure="Use TrainingBatches to mix them.")
    return found[0]


@functools.lru_cache(maxsize=64)
def _permutation(seed: int, dataset: int, epoch: int, size: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng((_ORDER, seed, dataset, epoch)).permutation(size)
