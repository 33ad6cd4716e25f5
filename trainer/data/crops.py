"""Crops of one dataset, drawn without any state.

Draw number ``k`` is the sample at position ``k mod n`` in the permutation of epoch ``k div n``, and everything random
about it comes from the generator seeded with (seed, dataset, ``k``). A crop is thus a function of the seed and ``k``
alone: a run resumes by starting at another draw, and workers may be added or removed.

With ``data.views`` there are so many crops of each sample and no more: in epoch ``e`` its view ``e mod views``, and
what is random comes from (seed, dataset, key, view). Where features of such crops are kept, a crop whose features are
there comes with them instead of its image, and nothing of it is decoded.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from labelforge.errors import ConfigError
from labelforge.shards import ShardReader
from labelforge.targets import TargetTable
from labelforge.trainer.config import DataConfig
from labelforge.trainer.data.augment import cut, draw_view
from labelforge.trainer.data.colors import jitter_colors
from labelforge.trainer.data.datasets import TrainingSet, check_rows, group_training_sets, open_shards
from labelforge.trainer.data.feature_store import FeatureStore
from labelforge.trainer.rows import GlobalRows


class CropFeatures(NamedTuple):
    """The kept features of a crop, or where to keep them."""

    name: str
    """Its name in the :class:`FeatureStore`."""
    maps: tuple[torch.Tensor, ...]
    """(C, h, w) float16 each; empty if they are not there yet."""
    local_rows: torch.Tensor
    """(H, W) rows of the dataset's own table, to be kept beside the maps; empty if these are there."""
    flipped: bool
    """Whether the crop is mirrored."""


class Crop(NamedTuple):
    """One training crop, on the CPU."""

    pixels: torch.Tensor
    """(3, H, W) uint8 RGB before its colours change; empty if its features are at hand."""
    rows: GlobalRows
    """(H, W) int16 rows of the target table."""
    key: str
    """The sample as "dataset/key", for messages."""
    features: CropFeatures | None = None
    """Where features are kept: those of this crop."""
    colors: torch.Tensor | None = None
    """(3,) float32: how its colours change (:func:`jitter_colors`); None if they stay."""

    @property
    def image(self) -> torch.Tensor:
        """(3, H, W) uint8 RGB, as the network sees it; empty if its features are at hand."""
        return self.pixels if self.colors is None else jitter_colors(self.pixels[None], self.colors[None])[0]


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
        self._rows = {False: rows.astype(np.int16), True: table.mirror[rows].astype(np.int16)}
        self._config = config
        self._seed = seed
        self._store: FeatureStore | None = None

    def keeping(self, store: FeatureStore) -> CropDataset:
        """The same crops, with the features that a store has of them."""
        kept = copy.copy(self)
        kept._store = store if self._config.views else None
        return kept

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
        index = int(_permutation(self._seed, self._number, epoch, len(self))[position])
        if not self._config.views:
            return self._cut(index, (_AUGMENT, self._seed, self._number, draw))
        view = epoch % self._config.views
        shard, key = self.training_set.origin(index)
        label = f"{self.training_set.dataset}/{key}"
        seeds = (_VIEW, self._seed, view, int(hashlib.sha256(label.encode()).hexdigest(), 16))
        if self._store is None:
            return self._cut(index, seeds)
        name = self._store.name(self.training_set.dataset, shard, key, view)
        found = self._store.read(name)
        if found is None:
            return self._cut(index, seeds, name)
        nothing = torch.empty(0, dtype=torch.uint8)
        rows = self._labels(found.local_rows.numpy(), found.flipped)
        return Crop(nothing, rows, label, CropFeatures(name, found.maps, nothing, found.flipped))

    def _cut(self, index: int, seeds: tuple[int, ...], name: str | None = None) -> Crop:
        dataset = self.training_set.dataset
        rng = np.random.default_rng(seeds)
        view = draw_view(rng, self.training_set.size(index), self._config, dataset)
        sample = self.training_set.sample(index, view.least)
        check_rows(sample, self.training_set.mapping)
        found = cut(rng, sample, view, self._config, dataset)
        pixels = torch.from_numpy(found.pixels).permute(2, 0, 1)
        rows = self._labels(found.local_rows, view.flip)
        features = None
        if name is not None:
            features = CropFeatures(name, (), torch.from_numpy(found.local_rows), view.flip)
        return Crop(pixels, rows, f"{dataset}/{sample.key}", features, found.colors)

    def _labels(self, local_rows: npt.NDArray[Any], flipped: bool) -> GlobalRows:
        return GlobalRows(torch.from_numpy(self._rows[flipped].take(local_rows)), self._numbering)


_ORDER, _AUGMENT, _VIEW = 1, 2, 3
"""First words of the kinds of seeds, so that no permutation shares its stream with an augmentation."""


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
