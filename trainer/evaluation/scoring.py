"""Scores of a trained network on shards, each dataset as its own benchmark scores it.

The network need not have been trained on a dataset to be scored on it: the label table comes with the shards, and a
class of the network is written as the native label that contains it. Only the tree must be the one of the training.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from labelforge.errors import CheckpointError, ConfigError
from labelforge.mapping import LabelMapping
from labelforge.protocol import Protocol
from labelforge.retarget_command import retarget_cure
from labelforge.shards import Sample, ShardReader
from labelforge.trainer.config import Precision
from labelforge.trainer.data.datasets import check_rows, open_shards
from labelforge.trainer.descent import Descent, descend
from labelforge.trainer.description import Described
from labelforge.trainer.evaluation.confusion import ConfusionMatrix
from labelforge.trainer.evaluation.metrics import Counts, Scores
from labelforge.trainer.evaluation.observation import Observation, Observe
from labelforge.trainer.evaluation.protocols import (
    ProtocolName,
    check_protocol,
    find_protocol,
    resize_labels,
    take_branch_as_given,
)
from labelforge.trainer.evaluation.tree_counts import TreeCounter
from labelforge.trainer.evaluation.tree_scores import TreeScores, tree_scores
from labelforge.trainer.evaluation.verdicts import RIGHT
from labelforge.trainer.overlap import read_ahead
from labelforge.trainer.readout import By, Over, Readout, label_readout, reads_rows, written_rows
from labelforge.trainer.segmenter import NetworkSegmenter, find_network, take_network

if TYPE_CHECKING:
    import pandas as pd

EvaluateProgress = Callable[[str, int, int], None]
"""Called with the shards' URL, samples done and samples in all."""


@dataclass(frozen=True)
class Evaluation:
    """Scores on one shard set.

        >>> from labelforge.trainer import Evaluation, evaluate
        >>> evaluations: list[Evaluation] = evaluate("runs/first", ["shards/gtsdb-train", "shards/cityscapes-train"])
        >>> [(evaluation.dataset, evaluation.split, evaluation.trained) for evaluation in evaluations]
        [('gtsdb', 'train', True), ('cityscapes', 'train', True)]
        >>> evaluations[1].protocol.title
        'IoU class, 19 classes (Cityscapes)'

    Attributes:
        shards: Its folder or URL.
        dataset: Name of the label space.
        split: The dataset's own name of the split.
        trained: Whether the network was trained on the dataset.
        protocol: What is scored, and how.
        scores: The scores; a decision is the one native label that ``predict`` writes.
        consistent: The same where every decision inside the true label's meaning is right.
        merged: The scores with labels that the network cannot tell apart as one class; None if there are none.
        confusable: Native names of these labels, group by group.
        not_in_tree: Evaluated labels that have no place in the tree: they score 0 where they occur.
        matrix: (N, N + 1) int64: pixels by true and decided class of the protocol; the last column is no class.
        tree: Scores by the tree, over all labels that mean something in it; of decisions, however labels are read.
        images: Number of images.
        reduced: How many of them the shards hold smaller than the dataset does.
        over: What a flat union decided between, ``nodes`` or ``leaves``.
        by: How labels were read: ``sum``, ``winner``, or None for the usual way of the dataset
            (:mod:`labelforge.trainer.readout`).
        logit_adjustment: How far rare classes were taken for less rare (:mod:`labelforge.trainer.logit_adjustment`).
    """

    shards: str
    dataset: str
    split: str
    trained: bool
    protocol: Protocol
    scores: Scores
    consistent: Scores
    merged: Scores | None
    confusable: tuple[tuple[str, ...], ...]
    not_in_tree: tuple[str, ...]
    matrix: Counts = field(compare=False, repr=False)
    tree: TreeScores
    images: int
    reduced: int
    by: By | None = None
    over: Over = "nodes"
    logit_adjustment: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As nested dictionaries and lists, for JSON."""
        return {
            "shards": self.shards,
            "dataset": self.dataset,
            "split": self.split,
            "trained": self.trained,
            "images": self.images,
            "reduced": self.reduced,
            "by": self.by or "usual",
            "over": self.over,
            "logit_adjustment": self.logit_adjustment,
            "metric": self.protocol.title,
            "protocol": self.protocol.to_dict(),
            **self.scores.to_dict(),
            "consistent": self.consistent.to_dict(),
            "merged": None if self.merged is None else self.merged.to_dict(),
            "confusable": [list(group) for group in self.confusable],
            "not_in_tree": list(self.not_in_tree),
            "matrix": self.matrix.tolist(),
            "tree": self.tree.to_dict(),
        }


def evaluate(
    run: str | os.PathLike[str] | NetworkSegmenter,
    shards: Sequence[str | os.PathLike[str] | ShardReader],
    *,
    protocol: ProtocolName = "official",
    by: By | None = None,
    over: Over | None = None,
    device: str = "auto",
    short_side: int | None = None,
    precision: Precision | None = None,
    logit_adjustment: float | None = None,
    images: int | None = None,
    progress: EvaluateProgress | None = None,
    observe: Observe | None = None,
) -> list[Evaluation]:
    """Evaluate a run on shard sets, full images at their stored size.

        >>> from labelforge.trainer import evaluate
        >>> (evaluation,) = evaluate("runs/first", ["shards/cityscapes-train"])
        >>> 0 <= evaluation.scores.headline <= 1
        True

    Args:
        run: Folder of a run (its latest checkpoint), its ``best``, one checkpoint's folder, an exported file, or a
            loaded network.
        shards: Shard sets made for the taxonomy that the network was trained for.
        protocol: ``official``: as each dataset's benchmark scores; ``authors``: as the method's authors did, at the
            size that the network sees.
        by: How labels are found: ``sum`` of the probabilities of the classes inside a label, or the ``winner`` of the
            decision; default: as :func:`labelforge.trainer.predict`. The authors' protocol is by winner.
        over: ``leaves``: a flat union decides only between answers that hold no other; default: ``nodes``, or as the
            loaded network does.
        device: auto, cpu, cuda or cuda:N.
        short_side: Size at which the network sees the images; see :class:`Segmenter`.
        precision: Arithmetic of the network; default: the run's own.
        logit_adjustment: How far rare classes are taken for less rare, from 0 (not at all); see :class:`Segmenter`.
        images: Score at most so many images of each shard set, evenly spread over it; default: all.
        progress: Called after each sample.
        observe: Called with each image and what was decided.

    Returns:
        One evaluation per shard set, in the order given.

    Raises:
        CheckpointError: The checkpoint or the file is broken, or was trained for another taxonomy than the shards'.
        ConfigError: There is no such protocol, or it is not by sum.
        ShardError: A shard set is missing or broken.
    """
    check_protocol(protocol)
    if protocol == "authors" and by == "sum":
        raise ConfigError("the authors' protocol reads decisions, not sums", cure="Leave --by out.")
    if protocol == "authors":
        by = "winner"
    opened = run if isinstance(run, NetworkSegmenter) else find_network(run)
    readers = open_shards(shards)
    for reader in readers:
        check_same_taxonomy(opened, reader)
    protocols = [find_protocol(reader, protocol) for reader in readers]
    segmenter = take_network(opened, device, short_side, over, precision, logit_adjustment)
    return [
        _evaluate_one(
            segmenter,
            reader,
            spread(len(reader), images),
            each,
            _read_of(segmenter, reader.mapping, protocol, by),
            by,
            progress,
            observe,
        )
        for reader, each in zip(readers, protocols, strict=True)
    ]


def check_same_taxonomy(network: Described | NetworkSegmenter, reader: ShardReader) -> None:
    """Refuse shards of another tree than a network's.

    Raises:
        CheckpointError: They differ; the message names both trees.
    """
    ours, theirs = network.layout.taxonomy, reader.taxonomy
    if ours.digest != theirs.digest:
        raise CheckpointError(
            f"trained for taxonomy {ours.tag}, but the shards {reader.url} have {theirs.tag}",
            where=network.place if isinstance(network, Described) else None,
            cure=retarget_cure([reader.url], reader.dataset, ours),
        )


def spread(count: int, limit: int | None) -> range | tuple[int, ...]:
    """Numbers of at most ``limit`` of ``count`` things, evenly spread over them, always the same ones.

    >>> spread(10, 4), spread(3, 4)
    ((0, 2, 5, 7), range(0, 3))
    """
    return range(count) if limit is None or limit >= count else tuple(i * count // limit for i in range(limit))


def scores_frame(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """All scores as one table: per shard set and reading a line per class and category, and one with the means.

    Columns: shards, dataset, split, metric (the protocol's title), by (sum, winner or usual), over (nodes or leaves),
    logit_adjustment, reading (strict, consistent or merged), kind (class, category or mean), and the fields of a class
    score.
    """
    import pandas as pd

    return pd.DataFrame([line for evaluation in evaluations for line in _frame_lines(evaluation)])


def _frame_lines(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    place = {"shards": evaluation.shards, "dataset": evaluation.dataset, "split": evaluation.split}
    readings = {"strict": evaluation.scores, "consistent": evaluation.consistent, "merged": evaluation.merged}
    for reading, scores in readings.items():
        if scores is None:
            continue
        how = {
            "metric": evaluation.protocol.title,
            "by": evaluation.by or "usual",
            "over": evaluation.over,
            "logit_adjustment": evaluation.logit_adjustment,
        }
        start = {**place, **how, "reading": reading}
        for kind, entries in (("class", scores.classes), ("category", scores.categories)):
            for entry in entries:
                fields = entry.__dict__ | {"labels": " | ".join(entry.labels)}
                yield {**start, "kind": kind, **fields}
        predicted = sum(entry.predicted for entry in scores.classes)
        mean = {"name": "mean", "labels": "", "pixels": scores.pixels, "predicted": predicted}
        yield {**start, "kind": "mean", **mean, "iou": scores.mean_iou, "accuracy": scores.mean_accuracy}


class Reading(NamedTuple):
    """One image as it is scored, at one size (H, W) and on the segmenter's device."""

    labels: Tensor
    """int64: true local rows."""
    descent: Descent
    """The decision, (1, H, W), with its confidences."""
    rows: Tensor | None
    """int64: local rows that the decisions are written as; None: the most specific label that contains the class."""


Read = Callable[[Sequence[Sample]], list[Reading]]


def _read_of(segmenter: NetworkSegmenter, mapping: LabelMapping, protocol: ProtocolName, by: By | None) -> Read:
    """How the images of a shard set are read."""
    if protocol == "authors":
        return partial(_read_as_authors, segmenter, mapping)
    if reads_rows(mapping, by):
        return partial(_read_sums, segmenter, label_readout(segmenter.tensors, mapping, by))
    return partial(_read_decisions, segmenter)


def _read_decisions(segmenter: NetworkSegmenter, samples: Sequence[Sample]) -> list[Reading]:
    images = [sample.image for sample in samples]
    found = segmenter.look_all(images, lambda logits, size: descend(logits, segmenter.tensors, size))
    return [_reading(segmenter, sample, descent) for sample, descent in zip(samples, found, strict=True)]


def _read_sums(segmenter: NetworkSegmenter, readout: Readout, samples: Sequence[Sample]) -> list[Reading]:
    def read(logits: Tensor, size: tuple[int, int]) -> tuple[Tensor, ...]:
        return (*descend(logits, segmenter.tensors, size), readout(logits, size).rows)

    found = segmenter.look_all([sample.image for sample in samples], read)
    return [_reading(segmenter, sample, part[:-1], part[-1]) for sample, part in zip(samples, found, strict=True)]


def _reading(
    segmenter: NetworkSegmenter, sample: Sample, descent: Sequence[Tensor], rows: Tensor | None = None
) -> Reading:
    return Reading(_labels(segmenter, sample), Descent(*(part[None] for part in descent)), rows)


def _read_as_authors(segmenter: NetworkSegmenter, mapping: LabelMapping, samples: Sequence[Sample]) -> list[Reading]:
    """As :mod:`labelforge.trainer.evaluation.protocols` says of the authors."""
    return [_read_one_as_authors(segmenter, mapping, sample) for sample in samples]


def _read_one_as_authors(segmenter: NetworkSegmenter, mapping: LabelMapping, sample: Sample) -> Reading:
    size = segmenter.network_size(sample.image)
    logits = take_branch_as_given(segmenter.logits(sample.image), segmenter.layout, mapping)
    return Reading(resize_labels(_labels(segmenter, sample), size), descend(logits, segmenter.tensors, size), None)


def _labels(segmenter: NetworkSegmenter, sample: Sample) -> Tensor:
    return torch.from_numpy(sample.local_rows.astype(np.int64)).to(segmenter.device)


def _evaluate_one(
    segmenter: NetworkSegmenter,
    reader: ShardReader,
    chosen: Sequence[int],
    protocol: Protocol,
    read: Read,
    by: By | None,
    progress: EvaluateProgress | None,
    observe: Observe | None,
) -> Evaluation:
    layout, mapping = segmenter.layout, reader.mapping
    written = written_rows(layout, mapping, by)
    confusion = ConfusionMatrix(layout, mapping, protocol, segmenter.device, written)
    tree = TreeCounter(layout, mapping, segmenter.device)
    native_rows = torch.tensor(written, device=segmenter.device)
    reduced = 0
    for done, (sample, reading) in enumerate(_readings(segmenter, reader, chosen, read), start=1):
        classes = reading.descent.classes[0]
        confusion.update(reading.labels, classes, reading.rows)
        tree.update(reading.labels[None], reading.descent)
        if observe is not None:
            decided = native_rows[classes] if reading.rows is None else reading.rows
            inside = tree.verdict(reading.labels, classes) == RIGHT
            arrays = (t.cpu().numpy() for t in (reading.labels, decided, inside))
            observe(Observation.of(reader, sample, *arrays, class_of=confusion.class_of))
        reduced += _is_reduced(sample)
        if progress is not None:
            progress(reader.url, done, len(chosen))
    return Evaluation(
        shards=reader.url,
        dataset=reader.dataset,
        split=reader.split,
        trained=reader.dataset in {mapping.dataset for mapping in segmenter.mappings},
        protocol=protocol,
        scores=confusion.scores(),
        consistent=confusion.consistent_scores(),
        merged=confusion.merged_scores(),
        confusable=confusion.confusable,
        not_in_tree=confusion.not_in_tree,
        matrix=confusion.class_counts,
        tree=tree_scores(tree.counts(), layout, mapping),
        images=len(chosen),
        reduced=reduced,
        by=by,
        over=segmenter.over,
        logit_adjustment=segmenter.logit_adjustment,
    )


def _readings(
    segmenter: NetworkSegmenter, reader: ShardReader, chosen: Sequence[int], read: Read
) -> Iterator[tuple[Sample, Reading]]:
    """Samples with what is read of them; those of one size that follow each other are read together."""
    alike: list[Sample] = []
    with closing(read_ahead(reader.__getitem__, chosen)) as samples:
        for found in samples:
            sample = found()
            check_rows(sample, reader.mapping)
            if alike and alike[0].image.shape != sample.image.shape:
                yield from zip(alike, read(alike), strict=True)
                alike = []
            alike.append(sample)
            if len(alike) >= segmenter.at_once(sample.image):
                yield from zip(alike, read(alike), strict=True)
                alike = []
    if alike:
        yield from zip(alike, read(alike), strict=True)


def _is_reduced(sample: Sample) -> bool:
    """Whether the dataset's own image has more pixels than the stored one; no, where the sample does not say."""
    height, width = sample.meta.get("source_size", sample.local_rows.shape)
    return bool(height * width > sample.local_rows.size)
