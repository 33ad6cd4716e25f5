"""An image as it is scored: its true labels, what the network decides, and the labels that this is written as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from labelforge.mapping import LabelMapping
from labelforge.shards import Sample
from labelforge.trainer.descent import Descent, descend
from labelforge.trainer.evaluation.protocols import ProtocolName, resize_labels, take_branch_as_given
from labelforge.trainer.readout import By, Readout, label_readout, reads_rows
from labelforge.trainer.segmenter import NetworkSegmenter


class ScoredImage(NamedTuple):
    """One image as it is scored, at one size (H, W) and on the segmenter's device."""

    labels: Tensor
    """int64: true local rows."""
    descent: Descent
    """The decision, (1, H, W), with its confidences."""
    rows: Tensor | None
    """int64: local rows that the decisions are written as; None: the most specific label that contains the class."""


ReadImages = Callable[[Sequence[Sample], Tensor], list[ScoredImage]]
"""From images of one size and (N, C, h, w) ``network_logits`` of them to how each is scored."""


def image_reader(
    segmenter: NetworkSegmenter, mapping: LabelMapping, protocol: ProtocolName, by: By | None
) -> ReadImages:
    """How the images of a shard set are read.

    Args:
        segmenter: The network, as it is read.
        mapping: Label table of the shards.
        protocol: Whose.
        by: How labels are found, if it was asked for.
    """
    if protocol == "authors":
        return partial(_as_authors, segmenter, mapping)
    if reads_rows(mapping, by):
        return partial(_sums, segmenter, label_readout(segmenter.tensors, mapping, by))
    return partial(_decisions, segmenter)


def _decisions(segmenter: NetworkSegmenter, samples: Sequence[Sample], logits: Tensor) -> list[ScoredImage]:
    found = segmenter.read_all(logits, _size(samples), lambda shown, size: descend(shown, segmenter.tensors, size))
    return [_scored(segmenter, sample, descent) for sample, descent in zip(samples, found, strict=True)]


def _sums(
    segmenter: NetworkSegmenter, readout: Readout, samples: Sequence[Sample], logits: Tensor
) -> list[ScoredImage]:
    def read(shown: Tensor, size: tuple[int, int]) -> tuple[Tensor, ...]:
        return (*descend(shown, segmenter.tensors, size), readout(shown, size).rows)

    found = segmenter.read_all(logits, _size(samples), read)
    return [_scored(segmenter, sample, part[:-1], part[-1]) for sample, part in zip(samples, found, strict=True)]


def _scored(
    segmenter: NetworkSegmenter, sample: Sample, descent: Sequence[Tensor], rows: Tensor | None = None
) -> ScoredImage:
    return ScoredImage(_labels(segmenter, sample), Descent(*(part[None] for part in descent)), rows)


def _as_authors(
    segmenter: NetworkSegmenter, mapping: LabelMapping, samples: Sequence[Sample], logits: Tensor
) -> list[ScoredImage]:
    """As :mod:`labelforge.trainer.evaluation.protocols` says of the authors: at the size that the network sees."""
    size = segmenter.network_size(samples[0].image)
    shown = take_branch_as_given(segmenter.shown(logits), segmenter.layout, mapping)
    return [
        ScoredImage(resize_labels(_labels(segmenter, sample), size), descend(one[None], segmenter.tensors, size), None)
        for sample, one in zip(samples, shown, strict=True)
    ]


def _labels(segmenter: NetworkSegmenter, sample: Sample) -> Tensor:
    return torch.from_numpy(sample.local_rows.astype(np.int64)).to(segmenter.device)


def _size(samples: Sequence[Sample]) -> tuple[int, int]:
    height, width = samples[0].image.shape[:2]
    return height, width
