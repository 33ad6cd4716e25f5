"""Scores of a trained network on shards, each dataset as its own benchmark scores it.

The network need not have been trained on a dataset to be scored on it: the label table comes with the shards, and a
class of the network is written as the native label that contains it. Only the tree must be the one of the training.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor

from labelforge.errors import CheckpointError, ConfigError
from labelforge.protocol import Protocol
from labelforge.retarget_command import retarget_cure
from labelforge.shards import Sample, ShardReader
from labelforge.trainer.config import Precision
from labelforge.trainer.data.datasets import check_rows, open_shards
from labelforge.trainer.description import Described
from labelforge.trainer.evaluation.confusion import ConfusionMatrix
from labelforge.trainer.evaluation.metrics import Counts, Scores
from labelforge.trainer.evaluation.observation import Observation, Observe
from labelforge.trainer.evaluation.protocols import ProtocolName, check_protocol, find_protocol
from labelforge.trainer.evaluation.scored_images import ReadImages, image_reader
from labelforge.trainer.evaluation.tree_counts import TreeCounter
from labelforge.trainer.evaluation.tree_scores import TreeScores, tree_scores
from labelforge.trainer.evaluation.verdicts import RIGHT
from labelforge.trainer.overlap import read_ahead
from labelforge.trainer.reading import Reading
from labelforge.trainer.readout import By, Over, written_rows
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
    found = evaluate_readings(
        run,
        shards,
        [Reading(by, over, logit_adjustment)],
        protocol=protocol,
        device=device,
        short_side=short_side,
        precision=precision,
        images=images,
        progress=progress,
        observe=observe,
    )
    return [evaluation for (evaluation,) in found]


def evaluate_readings(
    run: str | os.PathLike[str] | NetworkSegmenter,
    shards: Sequence[str | os.PathLike[str] | ShardReader],
    readings: Sequence[Reading],
    *,
    protocol: ProtocolName = "official",
    device: str = "auto",
    short_side: int | None = None,
    precision: Precision | None = None,
    images: int | None = None,
    progress: EvaluateProgress | None = None,
    observe: Observe | None = None,
) -> list[list[Evaluation]]:
    """Evaluate a run that is read in several ways; the network sees each image once.

        >>> from labelforge.trainer import Reading, evaluate_readings
        >>> ways = [Reading(logit_adjustment=0.0), Reading(logit_adjustment=1.0)]
        >>> ((plain, adjusted),) = evaluate_readings("runs/first", ["shards/cityscapes-train"], ways)
        >>> plain.scores.pixels == adjusted.scores.pixels
        True

    Args:
        run: As for :func:`evaluate`, as are all others.
        shards: The shard sets.
        readings: How it is read.
        protocol: Whose scores.
        device: Where to compute.
        short_side: Size at which the network sees the images.
        precision: Its arithmetic.
        images: How many to score at most.
        progress: Called after each sample.
        observe: Called with each image and what was decided; only with one reading, since it cannot tell several.

    Returns:
        Per shard set, one evaluation per reading.

    Raises:
        CheckpointError: As for :func:`evaluate`.
        ConfigError: As for :func:`evaluate`; there are no readings, or several to observe, or the network cannot be
            read so.
        ShardError: As for :func:`evaluate`.
    """
    check_protocol(protocol)
    readings = _checked(readings, protocol)
    if observe is not None and len(readings) > 1:
        raise ConfigError(f"{len(readings)} readings cannot be observed at once", cure="Observe one after the other.")
    opened = run if isinstance(run, NetworkSegmenter) else find_network(run)
    readers = open_shards(shards)
    for reader in readers:
        check_same_taxonomy(opened, reader)
    protocols = [find_protocol(reader, protocol) for reader in readers]
    network = take_network(opened, device, short_side, precision=precision)
    networks = [network.read_as(reading.over, reading.logit_adjustment) for reading in readings]
    found = []
    for reader, each in zip(readers, protocols, strict=True):
        scorers = [
            _Scorer(one, reader, each, image_reader(one, reader.mapping, protocol, reading.by), reading.by)
            for one, reading in zip(networks, readings, strict=True)
        ]
        found.append(_score(network, reader, spread(len(reader), images), scorers, progress, observe))
    return found


def _checked(readings: Sequence[Reading], protocol: ProtocolName) -> list[Reading]:
    """The readings as a protocol has them.

    Raises:
        ConfigError: There is none, or one of them is none of those that there are, or not of this protocol.
    """
    if not readings:
        raise ConfigError("there is no reading", cure="Give one, such as Reading().")
    for by, over, _ in readings:
        for what, value, possible in (("by", by, get_args(By)), ("over", over, get_args(Over))):
            if value not in (None, *possible):
                raise ConfigError(f"{what}: no such reading {value!r}", cure=f"Give one of {', '.join(possible)}.")
    if protocol != "authors":
        return list(readings)
    if any(reading.by == "sum" for reading in readings):
        raise ConfigError("the authors' protocol reads decisions, not sums", cure="Leave --by out.")
    return [reading._replace(by="winner") for reading in readings]


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


class _Scorer:
    """Scores a network, read in one way, on a shard set.

    Args:
        segmenter: The network.
        reader: The shards.
        protocol: What is scored, and how.
        read: How images are read.
        by: How labels are found, if it was asked for.
    """

    def __init__(
        self, segmenter: NetworkSegmenter, reader: ShardReader, protocol: Protocol, read: ReadImages, by: By | None
    ) -> None:
        layout, mapping, device = segmenter.layout, reader.mapping, segmenter.device
        self._segmenter, self._reader, self._protocol, self._read, self._by = segmenter, reader, protocol, read, by
        written = written_rows(layout, mapping, by)
        self._confusion = ConfusionMatrix(layout, mapping, protocol, device, written)
        self._tree = TreeCounter(layout, mapping, device)
        self._native_rows = torch.tensor(written, device=device)

    def add(self, samples: Sequence[Sample], logits: Tensor, observe: Observe | None) -> None:
        """Score images of one size by what the network makes of them.

        Args:
            samples: The images.
            logits: Their ``network_logits``.
            observe: Called with each.
        """
        for sample, image in zip(samples, self._read(samples, logits), strict=True):
            classes = image.descent.classes[0]
            self._confusion.update(image.labels, classes, image.rows)
            self._tree.update(image.labels[None], image.descent)
            if observe is not None:
                decided = self._native_rows[classes] if image.rows is None else image.rows
                inside = self._tree.verdict(image.labels, classes) == RIGHT
                arrays = (t.cpu().numpy() for t in (image.labels, decided, inside))
                observe(Observation.of(self._reader, sample, *arrays, class_of=self._confusion.class_of))

    def evaluation(self, images: int, reduced: int) -> Evaluation:
        """The scores of all images that were added."""
        segmenter, reader, confusion = self._segmenter, self._reader, self._confusion
        return Evaluation(
            shards=reader.url,
            dataset=reader.dataset,
            split=reader.split,
            trained=reader.dataset in {mapping.dataset for mapping in segmenter.mappings},
            protocol=self._protocol,
            scores=confusion.scores(),
            consistent=confusion.consistent_scores(),
            merged=confusion.merged_scores(),
            confusable=confusion.confusable,
            not_in_tree=confusion.not_in_tree,
            matrix=confusion.class_counts,
            tree=tree_scores(self._tree.counts(), segmenter.layout, reader.mapping),
            images=images,
            reduced=reduced,
            by=self._by,
            over=segmenter.over,
            logit_adjustment=segmenter.logit_adjustment,
        )


def _score(
    network: NetworkSegmenter,
    reader: ShardReader,
    chosen: Sequence[int],
    scorers: Sequence[_Scorer],
    progress: EvaluateProgress | None,
    observe: Observe | None,
) -> list[Evaluation]:
    """Show a network each image once, for all scorers."""
    done = reduced = 0
    for samples in _alike(network, reader, chosen):
        logits = network.network_logits([sample.image for sample in samples])
        for scorer in scorers:
            scorer.add(samples, logits, observe)
        for sample in samples:
            done, reduced = done + 1, reduced + _is_reduced(sample)
            if progress is not None:
                progress(reader.url, done, len(chosen))
    return [scorer.evaluation(done, reduced) for scorer in scorers]


def _alike(network: NetworkSegmenter, reader: ShardReader, chosen: Sequence[int]) -> Iterator[list[Sample]]:
    """Samples of one size that follow each other, as many as are best looked at together."""
    alike: list[Sample] = []
    with closing(read_ahead(reader.__getitem__, chosen)) as samples:
        for found in samples:
            sample = found()
            check_rows(sample, reader.mapping)
            if alike and alike[0].image.shape != sample.image.shape:
                yield alike
                alike = []
            alike.append(sample)
            if len(alike) >= network.at_once(sample.image):
                yield alike
                alike = []
    if alike:
        yield alike


def _is_reduced(sample: Sample) -> bool:
    """Whether the dataset's own image has more pixels than the stored one; no, where the sample does not say."""
    height, width = sample.meta.get("source_size", sample.local_rows.shape)
    return bool(height * width > sample.local_rows.size)
