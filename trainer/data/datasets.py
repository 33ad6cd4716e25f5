"""What a run reads: shard sets of one taxonomy, grouped into one training set per dataset.

A :class:`TrainingSet` is one dataset (one label space) with all its shard sets: Cityscapes' train and val given
together are one. They are sorted by name, so the order of the shard sets on the command line changes nothing.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from labelforge.errors import ConfigError, ShardError, did_you_mean
from labelforge.mapping import LabelMapping
from labelforge.retarget_command import one_tree_cure, retarget_cure
from labelforge.shards import Sample, ShardReader
from labelforge.taxonomy import Taxonomy

_TWICE = ("mapillary-vistas",)
"""Datasets with two crops in each of the paper's batches; every other one has one."""


@dataclass(frozen=True)
class TrainingSet:
    """One dataset of a run, as a sequence of samples.

    Attributes:
        dataset: Name of the label space.
        readers: Its shard sets.
        mapping: Its label rows; the same in all shard sets.
    """

    dataset: str
    readers: tuple[ShardReader, ...]
    mapping: LabelMapping

    def __len__(self) -> int:
        return sum(len(reader) for reader in self.readers)

    def __getitem__(self, index: int) -> Sample:
        reader, number = self._find(index)
        return reader[number]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of a sample, without reading it."""
        reader, number = self._find(index)
        height, width = reader.sizes[number].tolist()
        return height, width

    def sample(self, index: int, at_least: tuple[int, int]) -> Sample:
        """A sample whose image need not be larger than so high and wide (:meth:`labelforge.ShardReader.sample`)."""
        reader, number = self._find(index)
        return reader.sample(number, at_least)

    def origin(self, index: int) -> tuple[str, str]:
        """What names the content of a sample, without reading it (:meth:`labelforge.ShardReader.origin`)."""
        reader, number = self._find(index)
        return reader.origin(number)

    def _find(self, index: int) -> tuple[ShardReader, int]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        starts = [0, *accumulate(len(reader) for reader in self.readers)]
        reader = bisect_right(starts, index) - 1
        return self.readers[reader], index - starts[reader]


def open_shards(shards: Sequence[str | os.PathLike[str] | ShardReader]) -> tuple[ShardReader, ...]:
    """Open shard sets; readers are returned as they are.

    Raises:
        ConfigError: No shard set is given, or one is given twice.
        ShardError: One is missing or broken.
    """
    if not shards:
        raise ConfigError("no shards given", cure="Name at least one folder written by 'labelforge convert'.")
    readers = tuple(item if isinstance(item, ShardReader) else ShardReader(item) for item in shards)
    seen: dict[tuple[str, ...], ShardReader] = {}
    for reader in readers:
        content = tuple(shard.sha256 for shard in reader.manifest.shards)
        first = seen.get((reader.dataset, *content))
        seen[reader.dataset, *content] = reader
        if content and first is not None:
            same = "given twice" if first.url == reader.url else f"holds the same samples as {first.url}"
            raise ConfigError(same, where=reader.url, cure="Name it once.")
    return readers


def check_taxonomy(readers: Sequence[ShardReader], wanted: str | None = None) -> Taxonomy:
    """The one taxonomy of all shard sets.

    Args:
        readers: At least one shard set.
        wanted: A shipped name or a folder that the shards must agree with, or None.

    Raises:
        ShardError: A shard set was made for another tree, or for another state of the tree.
    """
    tree = readers[0].taxonomy if wanted is None else Taxonomy.load(wanted)
    other = "not" if wanted else f"but {readers[0].url} for"
    for reader in readers:
        if reader.taxonomy.digest != tree.digest:
            cure = retarget_cure([reader.url], reader.dataset, tree, wanted) if wanted else one_tree_cure(readers)
            raise ShardError(
                f"made for taxonomy {reader.taxonomy.tag}, {other} {tree.tag}", where=reader.url, cure=cure
            )
    return tree


def group_training_sets(readers: Sequence[ShardReader]) -> tuple[TrainingSet, ...]:
    """Training sets by name, from shard sets in any order.

    Raises:
        ShardError: A shard set is empty, or two of one dataset have different label tables.
    """
    groups: dict[str, list[ShardReader]] = {}
    for reader in readers:
        if not len(reader):
            raise ShardError("holds no sample", where=reader.url, cure="Convert a split that has images.")
        group = groups.setdefault(reader.dataset, [])
        if group and group[0].mapping.to_records() != reader.mapping.to_records():
            raise ShardError(
                f"its labels of {reader.dataset} mean something different from those in {group[0].url}",
                where=reader.url,
                cure=retarget_cure([group[0].url, reader.url], reader.dataset, reader.taxonomy),
            )
        group.append(reader)
    return tuple(TrainingSet(name, tuple(groups[name]), groups[name][0].mapping) for name in sorted(groups))


def check_rows(sample: Sample, mapping: LabelMapping) -> None:
    """Refuse a label map with rows that the dataset's table does not have; nothing else looks at its values.

    Raises:
        ShardError: There is such a row; the message names the sample.
    """
    highest = int(sample.local_rows.max(initial=0))
    if highest >= len(mapping.rows):
        raise ShardError(
            f"label row {highest} in a table with {len(mapping.rows)} rows",
            where=f"{mapping.dataset}/{sample.key}",
            cure="The shard is damaged: convert it again.",
        )


def without_boxes(training_sets: Sequence[TrainingSet]) -> tuple[TrainingSet, ...]:
    """The training sets that have labels which are no boxes.

    Raises:
        ConfigError: There is none.
    """
    kept = tuple(item for item in training_sets if not _only_boxes(item.mapping))
    if not kept:
        names = ", ".join(item.dataset for item in training_sets)
        cure = "Add shards with labelled pixels, or leave loss.boxes as it is."
        raise ConfigError(f"loss.boxes=drop leaves nothing to learn from: {names} has boxes alone", cure=cure)
    return kept


def _only_boxes(mapping: LabelMapping) -> bool:
    used = {row.supervision for row in mapping.rows if not row.target.ignored}
    return used == {"box"}


def pixel_counts(training_sets: Sequence[TrainingSet]) -> npt.NDArray[np.int64]:
    """(rows of all their label tables,) int64: labelled pixels in the shards, dataset after dataset."""
    counts = [
        sum(reader.manifest.labels[row.row].pixels for reader in item.readers)
        for item in training_sets
        for row in item.mapping.rows
    ]
    return np.array(counts, np.int64)


def batch_counts(training_sets: Sequence[TrainingSet], wanted: Mapping[str, int]) -> tuple[int, ...]:
    """Crops per batch of every training set.

    Args:
        training_sets: The datasets of the run.
        wanted: ``data.batch`` of the configuration; a key is a dataset, or the part of its name before a release.

    Raises:
        ConfigError: A key names no dataset of the run.
    """
    names = [training_set.dataset for training_set in training_sets]
    for key in wanted:
        if not any(_names(key, name) for name in names):
            cure = f"{did_you_mean(key, names)} Write for example data.batch.{names[0]}=2."
            raise ConfigError(f"data.batch: no dataset {key!r} in this run", cure=cure)
    return tuple(_count(name, wanted) for name in names)


def _names(key: str, dataset: str) -> bool:
    return dataset == key or dataset.startswith(f"{key}-")


def _count(dataset: str, wanted: Mapping[str, int]) -> int:
    matches = [key for key in wanted if _names(key, dataset)]
    if matches:
        return wanted[max(matches, key=len)]
    return 2 if any(_names(key, dataset) for key in _TWICE) else 1
