"""Batches with a fixed number of crops per dataset, the same for any number of worker processes.

Batch ``s`` holds the next crops of every dataset (:class:`CropDataset`), so it too is a function of the seed and ``s``
alone, and a dataset of one image mixes with one of twenty thousand.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Generator, Iterator, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch.utils.data import DataLoader, Dataset

from labelforge.errors import LabelforgeError, counted
from labelforge.shards import ShardReader
from labelforge.targets import TargetTable
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.data.colors import jitter_colors
from labelforge.trainer.data.crops import Crop, CropDataset, CropFeatures
from labelforge.trainer.data.datasets import (
    batch_counts,
    check_taxonomy,
    group_training_sets,
    open_shards,
    without_boxes,
)
from labelforge.trainer.data.feature_store import FeatureStore
from labelforge.trainer.rows import GlobalRows


class Batch(NamedTuple):
    """One training batch; the loader makes it on the CPU.

    >>> import labelforge as lf
    >>> from labelforge.trainer import Batch, CropDataset, DataConfig
    >>> reader = lf.ShardReader("shards/gtsdb-train")
    >>> table = lf.TargetTable.compile(reader.taxonomy, [reader.mapping])
    >>> crops = CropDataset(reader, table, DataConfig(crop=(32, 48)))
    >>> batch = Batch.of([crops[0], crops[1]])
    >>> batch.images.shape, batch.rows.shape, len(batch.keys)
    (torch.Size([2, 3, 32, 48]), torch.Size([2, 32, 48]), 2)
    """

    pixels: torch.Tensor
    """(N, 3, H, W) uint8 RGB, channels last, before their colours change; of the crops without maps, in order."""
    rows: GlobalRows
    """(N, H, W) int16 rows of the target table."""
    keys: tuple[str, ...]
    """N texts "dataset/key", for messages."""
    features: tuple[CropFeatures, ...] = ()
    """Where features are kept: those of each crop."""
    colors: torch.Tensor | None = None
    """(N, 3) float32: how the colours of these images change (:func:`jitter_colors`); None if they stay."""

    @property
    def images(self) -> torch.Tensor:
        """(N, 3, H, W) uint8 RGB, channels last, as the network sees them: colours change now, on the batch's device.

        Where features are kept, only those of the crops without maps, in order.
        """
        return self.pixels if self.colors is None else jitter_colors(self.pixels, self.colors)

    def to(self, device: torch.device) -> Batch:
        """The batch with images and rows on a device; kept features stay where they are."""
        colors = None if self.colors is None else self.colors.to(device, non_blocking=True)
        pixels, rows = self.pixels.to(device, non_blocking=True), self.rows.to(device, non_blocking=True)
        return self._replace(pixels=pixels, rows=rows, colors=colors)

    @classmethod
    def of(cls, crops: Sequence[Crop]) -> Self:
        """A batch of some crops; the ``collate_fn`` of a ``DataLoader`` over a :class:`CropDataset`."""
        features = tuple(crop.features for crop in crops if crop.features is not None)
        new = [crop for crop in crops if crop.features is None or not crop.features.maps]
        images = [crop.pixels.permute(1, 2, 0) for crop in new]
        pixels = torch.stack(images).permute(0, 3, 1, 2) if new else torch.empty((0, 3, 0, 0), dtype=torch.uint8)
        factors = [crop.colors for crop in new if crop.colors is not None]
        colors = torch.stack(factors) if factors else None
        rows = GlobalRows.stack([crop.rows for crop in crops])
        return cls(pixels, rows, tuple(crop.key for crop in crops), features, colors)


class TrainingBatches(Dataset[Batch]):
    """The batches of a run, by number of the step: what :func:`labelforge.trainer.train` learns from.

        >>> from labelforge.trainer import TrainConfig, TrainingBatches
        >>> config = TrainConfig(steps=2, data={"crop": (32, 48)})
        >>> batches = TrainingBatches.open(["shards/cityscapes-train", "shards/gtsdb-train"], config)
        >>> [(batch.images.shape, batch.rows.shape) for batch in batches]
        [(torch.Size([2, 3, 32, 48]), torch.Size([2, 32, 48])), (torch.Size([2, 3, 32, 48]), torch.Size([2, 32, 48]))]

    Iterating makes them in this process, :meth:`load` in worker processes; so does
    ``DataLoader(batches, batch_size=None, num_workers=4)``. Do not shuffle: the samples already are.

    Args:
        crops: The datasets, all for one table.
        counts: Crops per batch of each.
        table: The target table.
        steps: Number of batches.
        left_out: Datasets whose shards were given and that have nothing to teach.
        rank: Number of this process among the ``world`` that train together; each draws its own samples.
        world: Number of such processes.

    Attributes:
        crops: The datasets.
        counts: Crops per batch of each.
        table: The target table that the rows count in.
        left_out: Datasets whose shards were given and that have nothing to teach.
    """

    def __init__(
        self,
        crops: Sequence[CropDataset],
        counts: Sequence[int],
        table: TargetTable,
        steps: int,
        *,
        left_out: Sequence[str] = (),
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.crops = tuple(crops)
        self.counts = tuple(counts)
        self.table = table
        self.left_out = tuple(left_out)
        self._steps = steps
        self._rank = rank
        self._world = world

    @property
    def drawn(self) -> tuple[float, ...]:
        """How much of each dataset is drawn: crops per batch by pixels of all its images.

        A crop has as many pixels whatever the image's size, so a labelled pixel of a small image weighs more.
        """
        areas = [sum(reader.manifest.totals.pixels for reader in crops.training_set.readers) for crops in self.crops]
        return tuple(n / area for n, area in zip(self.counts, areas, strict=True))

    def __repr__(self) -> str:
        each = [f"{n} of {crops.training_set.dataset}" for crops, n in zip(self.crops, self.counts, strict=True)]
        return f"<TrainingBatches {self.table.layout.taxonomy.name}: {counted(self._steps, 'step')}, {', '.join(each)}>"

    @classmethod
    def open(
        cls, shards: Sequence[str | os.PathLike[str] | ShardReader], config: TrainConfig | None = None
    ) -> TrainingBatches:
        """The batches of a training on some shards.

        Args:
            shards: Shard sets of one or more datasets, all made for one taxonomy.
            config: Configuration of the training.

        Raises:
            ConfigError: The configuration does not fit the shards.
            ShardError: Shards are broken or were made for another taxonomy.
        """
        config = config or TrainConfig()
        readers = open_shards(shards)
        taxonomy = check_taxonomy(readers, config.taxonomy)
        given, loss = group_training_sets(readers), config.loss
        counts = batch_counts(given, config.data.batch)  # may name datasets that are left out
        sets = without_boxes(given) if loss.boxes == "drop" else given
        mappings = [item.mapping for item in sets]
        table = TargetTable.compile(taxonomy, mappings, loss.boxes, config.model.head, lone_boxes=loss.lone_boxes)
        crops = [CropDataset(item, table, config.data, config.seed) for item in sets]
        kept = [count for item, count in zip(given, counts, strict=True) if item in sets]
        left_out = [item.dataset for item in given if item not in sets]
        return cls(crops, kept, table, config.steps, left_out=left_out)

    def share(self, rank: int, world: int) -> TrainingBatches:
        """What one of several processes that train together draws; each gets batches of the same size."""
        given = (self.crops, self.counts, self.table, self._steps)
        return TrainingBatches(*given, left_out=self.left_out, rank=rank, world=world)

    def keeping(self, store: FeatureStore) -> TrainingBatches:
        """The same batches, with the features that a store has of their crops."""
        kept = [crops.keeping(store) for crops in self.crops]
        given = (kept, self.counts, self.table, self._steps)
        return TrainingBatches(*given, left_out=self.left_out, rank=self._rank, world=self._world)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step.

        Raises:
            IndexError: The run has no such step.
            ShardError: A sample is broken.
        """
        if not 0 <= step < self._steps:
            raise IndexError(step)
        return Batch.of(
            [crops[draw] for crops, n in zip(self.crops, self.counts, strict=True) for draw in self._draws(step, n)]
        )

    def __iter__(self) -> Iterator[Batch]:
        return self.load()

    def _draws(self, step: int, count: int) -> range:
        first = (step * self._world + self._rank) * count
        return range(first, first + count)

    def load(self, start: int = 0, *, workers: int = 0, pin: bool = False) -> Generator[Batch]:
        """The batches from step ``start`` to the last one, in order.

        Args:
            start: First step.
            workers: Processes that make them, each a whole batch at a time; 0: this process makes them.
            pin: Whether to put them into page-locked memory, for a CUDA device.

        Raises:
            ShardError: A sample is broken.
        """
        with warnings.catch_warnings():
            # The user may choose more workers than cores: reading also waits for disks.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            loader = DataLoader(
                _OrError(self),
                batch_size=None,
                sampler=range(start, len(self)),
                num_workers=min(workers, len(self) - start),
                collate_fn=_as_is,
                pin_memory=pin,
                worker_init_fn=_leave_signals_to_parent,
                # The loader draws a seed for its workers: from a generator of its own, to leave the global one alone.
                generator=torch.Generator(),
            )
            items = iter(loader)
        try:
            for item in items:
                if isinstance(item, LabelforgeError):
                    raise item
                yield item
        finally:
            del items  # ends the workers now: a traceback that holds this frame would keep them; they ignore SIGTERM


class _OrError(Dataset[Batch | LabelforgeError]):
    """Returns an error instead of raising it in a worker: the loader would wrap it in the worker's traceback."""

    def __init__(self, batches: TrainingBatches) -> None:
        self._batches = batches

    def __getitem__(self, step: int) -> Batch | LabelforgeError:
        try:
            return self._batches[step]
        except LabelforgeError as fault:
            return fault


def _as_is(item: Any) -> Any:
    """Not ``None`` for the loader's ``collate_fn``: it would then turn texts and numbers into tensors."""
    return item


def _leave_signals_to_parent(_: int) -> None:
    """A signal to the whole process group must not kill the workers under a training process that wants to save."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
