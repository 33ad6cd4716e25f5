"""What a run is validated on, checked before its first step.

A shard set that the network learns from, or cannot answer, or that shows nothing that is scored would waste the whole
run: each is an error before anything is written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelforge.errors import ConfigError, ShardError, counted, listed
from labelforge.files import json_digest
from labelforge.label_rows import IntArray
from labelforge.logits import LogitLayout
from labelforge.protocol import Protocol
from labelforge.shards import IMAGE_SUFFIXES, ShardReader
from labelforge.trainer.config import ValidationConfig
from labelforge.trainer.data.batches import TrainingBatches
from labelforge.trainer.data.datasets import check_taxonomy, open_shards
from labelforge.trainer.evaluation.confusion import classes_of_rows
from labelforge.trainer.evaluation.protocols import find_protocol
from labelforge.trainer.evaluation.scoring import spread
from labelforge.trainer.readout import readable_rows, reads_rows

PICTURED = 3
"""Images of each shard set that pictures are kept of."""


@dataclass(frozen=True)
class ValidationSet:
    """One shard set that a run is validated on.

    Attributes:
        reader: The shards.
        protocol: How it is scored.
        chosen: Numbers of the samples that are scored.
        pictured: Keys of those that pictures are kept of.
        unanswered: Classes that occur but that the network never answers.
    """

    reader: ShardReader
    protocol: Protocol
    chosen: Sequence[int]
    pictured: frozenset[str]
    unanswered: tuple[str, ...]

    @property
    def name(self) -> str:
        """Dataset and split."""
        return f"{self.reader.dataset} {self.reader.split}"

    @property
    def content(self) -> str:
        """Digest of what is scored: the images, and what their labels mean."""
        reader = self.reader
        shards = [shard.sha256 for shard in reader.manifest.shards]
        return json_digest([reader.dataset, reader.split, shards, list(self.chosen), reader.mapping.digest])[:16]

    @property
    def sentence(self) -> str:
        """What is scored, in a sentence."""
        total = len(self.reader)
        images = counted(total, "image") if len(self.chosen) == total else f"{len(self.chosen)} of {total} images"
        never = f"; never answered: {listed(self.unanswered)}" if self.unanswered else ""
        return f"{self.name}: {images}, {self.protocol.title}{never}"


def open_validation_sets(
    shards: Sequence[str | os.PathLike[str] | ShardReader], config: ValidationConfig, batches: TrainingBatches
) -> tuple[ValidationSet, ...]:
    """Open what a run is validated on.

    Args:
        shards: Shard sets; none for a run without validation.
        config: How many of their images are scored.
        batches: What the run learns from.

    Raises:
        ConfigError: A shard set is given twice, is learnt from, or the network cannot be scored on it.
        ShardError: A shard set is broken, empty or made for another taxonomy.
    """
    if not shards:
        return ()
    readers = open_shards(shards)
    learnt = [reader for crops in batches.crops for reader in crops.training_set.readers]
    check_taxonomy((learnt[0], *readers))
    for reader in readers:
        if not len(reader):
            raise ShardError("holds no sample", where=reader.url, cure="Convert a split that has images.")
        _check_not_learnt(reader, learnt)
    return tuple(_open(reader, config, batches.table.layout) for reader in readers)


def _check_not_learnt(reader: ShardReader, learnt: Sequence[ShardReader]) -> None:
    """Refuse images that the network learns from: of the same split, or the same file in any other shards."""
    numbers = {key: number for number, key in enumerate(reader.keys)}
    for other in learnt:
        both = [(numbers[key], number) for number, key in enumerate(other.keys) if key in numbers]
        if (other.dataset, other.split) != (reader.dataset, reader.split):
            both = [(ours, theirs) for ours, theirs in both if _image(reader, ours) == _image(other, theirs)]
        if both:
            what = f"{len(both)} of its {counted(len(reader), 'image')} are learnt from ({other.url})"
            cure = "Validate on another split: scores on what was learnt say nothing about new images."
            raise ConfigError(what, where=reader.url, cure=cure)


def _image(reader: ShardReader, number: int) -> memoryview:
    """The image of a sample as it is stored."""
    members = reader.members(number)
    return next(members[suffix] for suffix in IMAGE_SUFFIXES if suffix in members)


def _open(reader: ShardReader, config: ValidationConfig, layout: LogitLayout) -> ValidationSet:
    protocol = find_protocol(reader, "official")
    chosen = spread(len(reader), config.images)
    class_of = classes_of_rows(reader.mapping, protocol)
    occurring = sorted({int(class_of[row]) for number in chosen for row in reader.pixels(number)} - {-1})
    if not occurring:
        some = "its images have" if len(chosen) == len(reader) else f"the {len(chosen)} images chosen of it have"
        what = f"{some} no pixel that is scored by its protocol ({protocol.title})"
        raise ConfigError(what, where=reader.url, cure="Leave it out of --val, or raise validation.images.")
    unanswered = sorted(set(occurring) - _answered(reader, class_of, layout))
    if unanswered == occurring:
        what = f"labels of {reader.dataset} are scored, but the network can answer none of those that occur"
        cure = "Leave it out of --val, or train on a dataset that teaches them."
        raise ConfigError(what, where=reader.url, cure=cure)
    names = tuple(protocol.classes[number].name for number in unanswered)
    return ValidationSet(reader, protocol, chosen, _telling(reader, chosen, class_of), names)


def _answered(reader: ShardReader, class_of: IntArray, layout: LogitLayout) -> set[int]:
    """The protocol's classes that some answer of the network is read as."""
    mapping = reader.mapping
    rows = readable_rows(layout, mapping) if reads_rows(mapping, None) else set(layout.native_rows(mapping).tolist())
    return {int(class_of[row]) for row in rows if row}


def _telling(reader: ShardReader, chosen: Sequence[int], class_of: IntArray) -> frozenset[str]:
    """A few images that tell most: from each part of those scored, the one that shows most classes, then pixels."""

    def telling(number: int) -> tuple[int, int, int]:
        scored = {row: count for row, count in reader.pixels(number).items() if class_of[row] >= 0}
        return len({int(class_of[row]) for row in scored}), sum(scored.values()), -number

    parts = [part for part in np.array_split(np.array(chosen), PICTURED) if len(part)]
    return frozenset(reader.keys[max(part.tolist(), key=telling)] for part in parts)
