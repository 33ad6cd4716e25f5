"""Batches with a fixed number of crops per dataset, the same for any number of worker processes.

The order of samples has no state: draw number ``k`` of a dataset is position ``k mod n`` in the permutation of its
epoch ``k div n``, and everything random about it comes from the generator seeded with (seed, dataset, ``k``). Batch
``s`` is thus a function of the seed and ``s`` alone: a run resumes by starting at another step, workers may be added or
removed, and a dataset of one image mixes with one of twenty thousand.
"""

from __future__ import annotations

import functools
import signal
import warnings
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from labelforge.errors import LabelforgeError
from labelforge.targets import TargetTable
from labelforge.trainer.config import DataConfig
from labelforge.trainer.data.augment import augment
from labelforge.trainer.data.datasets import TrainingSet, check_rows


class Batch(NamedTuple):
    """One training batch, on the CPU.

    Attributes:
        images: (N, 3, H, W) uint8 RGB.
        rows: (N, H, W) int16 global rows of the target table.
        keys: N texts "dataset/key", for messages.
    """

    images: torch.Tensor
    rows: torch.Tensor
    keys: tuple[str, ...]


class BatchPlan(Dataset[Batch | LabelforgeError]):
    """Batch ``s`` of a run, for any ``s``.

    Args:
        training_sets: The datasets.
        counts: Crops per batch of each.
        table: Target table over the training sets' mappings, in their order.
        config: Crop and augmentation.
        seed: Seed of order and augmentation.
        rank: Number of this process among the ``world`` that train together; each draws its own samples.
        world: Number of such processes.
    """

    def __init__(
        self,
        training_sets: Sequence[TrainingSet],
        counts: Sequence[int],
        table: TargetTable,
        config: DataConfig,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.training_sets = tuple(training_sets)
        self.counts = tuple(counts)
        rows = [table.global_rows(item.dataset, np.arange(len(item.mapping.rows))) for item in self.training_sets]
        self._global_rows = [part.astype(np.int16) for part in rows]
        self._mirrored_rows = [table.mirror[part].astype(np.int16) for part in rows]
        self.config = config
        self.seed = seed
        self.rank = rank
        self.world = world

    def __getitem__(self, step: int) -> Batch | LabelforgeError:
        """Batch of a step. An error is returned, not raised: the loader would wrap one in a traceback."""
        try:
            crops = [self._crop(i, draw) for i in range(len(self.training_sets)) for draw in self._draws(i, step)]
        except LabelforgeError as fault:
            return fault
        images = torch.from_numpy(np.stack([image for image, _, _ in crops])).permute(0, 3, 1, 2)
        rows = torch.from_numpy(np.stack([label for _, label, _ in crops]))
        return Batch(images, rows, tuple(key for _, _, key in crops))

    def _draws(self, index: int, step: int) -> range:
        count = self.counts[index]
        first = (step * self.world + self.rank) * count
        return range(first, first + count)

    def _crop(self, index: int, draw: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int16], str]:
        training_set = self.training_sets[index]
        epoch, position = divmod(draw, len(training_set))
        sample = training_set[int(_permutation(self.seed, index, epoch, len(training_set))[position])]
        check_rows(sample, training_set.mapping)
        image, rows = augment(
            np.random.default_rng((_AUGMENT, self.seed, index, draw)),
            sample.image,
            sample.label,
            self.config,
            global_rows=self._global_rows[index],
            mirrored_rows=self._mirrored_rows[index],
        )
        return image, rows, f"{training_set.dataset}/{sample.key}"


def iterate_batches(plan: BatchPlan, start: int, stop: int, workers: int, pin: bool = False) -> Generator[Batch]:
    """Batches ``start`` to ``stop - 1`` in order.

    Args:
        plan: What the batches are.
        start: First step.
        stop: One past the last step.
        workers: Processes that make them, each a whole batch at a time; 0: this process makes them.
        pin: Whether to put them into page-locked memory, for a CUDA device.

    Raises:
        ShardError: A sample is broken.
    """
    with warnings.catch_warnings():
        # The user may choose more workers than cores: reading also waits for disks.
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        loader = DataLoader(
            plan,
            batch_size=None,
            sampler=range(start, stop),
            num_workers=min(workers, stop - start),
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
        del items  # ends the workers now: a traceback that holds this frame would keep them, and they ignore SIGTERM


_ORDER, _AUGMENT = 1, 2
"""First words of the two kinds of seeds, so that no permutation shares its stream with an augmentation."""


@functools.lru_cache(maxsize=64)
def _permutation(seed: int, dataset: int, epoch: int, size: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng((_ORDER, seed, dataset, epoch)).permutation(size)


def _as_is(item: Any) -> Any:
    """Not ``None`` for the loader's ``collate_fn``: it would then turn texts and numbers into tensors."""
    return item


def _leave_signals_to_parent(_: int) -> None:
    """A signal to the whole process group must not kill the workers under a training process that wants to save."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
