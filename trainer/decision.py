"""The decision rule: argmax at the root; where the winner leads to a classifier, descend and take its argmax.

Classifiers are numbered depth first, a parent before its children, so one pass over them takes every pixel from the
root to where its decision ends: a pixel that has reached the column leading to classifier j moves on to j's winner. No
pixel is gathered, and the host never waits for the device. That is the plain form, for logits of the decision's size;
asked for another size, it upsamples bands of rows, or a kernel decides between the low-resolution logits
(:mod:`labelforge.trainer.kernels`).

The alternative is to compare the probabilities of all classes, each the product of those along its path
(:func:`class_probabilities`); summed over the classes inside a label's meaning they give the probability of any label.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from labelforge.logits import LogitLayout
from labelforge.trainer.kernels.choice import Kernel, choose_decision
from labelforge.trainer.tables import LayoutTensors
from labelforge.trainer.upsampled import band_values, read_upsampled


class Decision(NamedTuple):
    """What :func:`decide_with_confidence` returns.

    >>> import torch, labelforge as lf
    >>> from labelforge.trainer import Decision, LayoutTensors, decide_with_confidence
    >>> layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
    >>> logits = torch.zeros(1, 111, 1, 1)
    >>> logits[:, layout.column_names.index("driveable")] = 9.0
    >>> decision: Decision = decide_with_confidence(logits, LayoutTensors.of_layout(layout), threshold=0.5)
    >>> layout.answer_names[int(decision.answers)]  # sure of the branch, not of which of its ten children
    'driveable'
    """

    answers: Tensor
    """(N, H, W) int64: index into ``LogitLayout.answers``: a class, or K + j where the descent stops before j."""
    confidence: Tensor
    """(N, H, W) float32 in (0, 1]: product of the softmax probabilities of the winners along the path."""


def decide(
    logits_nchw: Tensor, tensors: LayoutTensors, size: tuple[int, int] | None = None, *, kernel: Kernel | None = None
) -> Tensor:
    """Choose a class for each pixel.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import LayoutTensors, decide
        >>> layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
        >>> classes = decide(torch.randn(1, 111, 20, 30), LayoutTensors.of_layout(layout), size=(160, 240))
        >>> classes.shape, layout.class_names[int(classes[0, 0, 0])] in layout.class_names
        (torch.Size([1, 160, 240]), True)

    Args:
        logits_nchw: (N, C, h, w) logits of all classifiers, any floating dtype; of equal logits the first wins.
        tensors: Their layout, or the target table of the training, on the same device.
        size: Height H and width W of the decision: logits are upsampled to it as :func:`labelforge.trainer.upsample`
            does. Default: theirs.
        kernel: What computes it; default: the fastest that fits (:mod:`labelforge.trainer.kernels`).

    Returns:
        (N, H, W) int64: index into ``LogitLayout.classes``.

    Raises:
        ConfigError: The kernel asked for is not there, or cannot do this.
    """
    layout = tensors.layout
    backend = choose_decision(kernel, logits_nchw, size)
    if size is not None and size != tuple(logits_nchw.shape[2:]):
        if backend is not None:
            return backend.decide(logits_nchw, layout, size)
        values = band_values(logits_nchw.shape[1], kernel)
        return read_upsampled(logits_nchw, size, lambda fine: (decide(fine, tensors),), values=values)[0]
    column = _winner(logits_nchw, layout, 0)
    for j in range(1, layout.num_classifiers):
        column = torch.where(column == layout.owning_column(j), _winner(logits_nchw, layout, j), column)
    return tensors.class_of[column]


def decide_with_confidence(
    logits_nchw: Tensor,
    tensors: LayoutTensors,
    threshold: float = 0.0,
    size: tuple[int, int] | None = None,
    *,
    kernel: Kernel | None = None,
) -> Decision:
    """Decide as :func:`decide` does, say how confident the classifiers on the path were, and stop where they are not.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import LayoutTensors, decide_with_confidence
        >>> layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
        >>> decision = decide_with_confidence(torch.zeros(1, 111, 1, 1), LayoutTensors.of_layout(layout))
        >>> layout.answer_names[int(decision.answers)], round(1 / float(decision.confidence))
        ('bird', 53)
        >>> decision = decide_with_confidence(torch.zeros(1, 111, 1, 1), LayoutTensors.of_layout(layout), threshold=0.5)
        >>> layout.answer_names[int(decision.answers)], float(decision.confidence)  # it does not even pass the root
        ('scene', 1.0)

    Args:
        logits_nchw: (N, C, h, w) logits of all classifiers, any floating dtype.
        tensors: Their layout, or the target table of the training, on the same device.
        threshold: The descent goes on only while the product of the winners' probabilities stays at or above it;
            0: to the end.
        size: Height H and width W of the decision; see :func:`decide`.
        kernel: What computes it; see :func:`decide`.

    Raises:
        ConfigError: The kernel asked for is not there, or cannot do this.
    """
    layout = tensors.layout
    backend = choose_decision(kernel, logits_nchw, size)
    if size is not None and size != tuple(logits_nchw.shape[2:]):
        if backend is not None:
            places, confidence, _ = backend.descend(logits_nchw, layout, size, threshold)
            return Decision(tensors.answer_of[places], confidence)
        found = partial(decide_with_confidence, tensors=tensors, threshold=threshold)
        return Decision(*read_upsampled(logits_nchw, size, found, values=band_values(logits_nchw.shape[1], kernel)))
    # Where a pixel is: a column, or C + j while it stands before classifier j.
    column = logits_nchw.new_full((logits_nchw.shape[0], *logits_nchw.shape[2:]), layout.num_logits, dtype=torch.long)
    confidence = torch.ones_like(column, dtype=torch.float32)
    for j in range(layout.num_classifiers):
        if j:
            column = column.masked_fill(column == layout.owning_column(j), layout.num_logits + j)
        winner, probability = winner_and_probability(logits_nchw, layout, j)
        product = confidence * probability
        goes_on = (column == layout.num_logits + j) & (product >= threshold)
        column = torch.where(goes_on, winner, column)
        confidence = torch.where(goes_on, product, confidence)
    return Decision(tensors.answer_of[column], confidence)


def class_probabilities(logits_nchw: Tensor, tensors: LayoutTensors) -> Tensor:
    """Probability of every class: the product of the softmax probabilities along its path.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import LayoutTensors, class_probabilities
        >>> layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
        >>> found = class_probabilities(torch.zeros(1, 111, 1, 1), LayoutTensors.of_layout(layout)).flatten()
        >>> round(1 / float(found[layout.class_names.index("traffic sign/front/stop")]))  # 53 x 2 x 43
        4558
        >>> round(float(found.sum()), 4)
        1.0

    Args:
        logits_nchw: (N, C, H, W) logits of all classifiers, any floating dtype.
        tensors: Their layout, or the target table of the training, on the same device.

    Returns:
        (N, K, H, W) float32; the K values of a pixel sum to 1.
    """
    layout = tensors.layout
    found = logits_nchw.new_empty(
        (logits_nchw.shape[0], len(layout.classes), *logits_nchw.shape[2:]), dtype=torch.float32
    )
    reached: list[Tensor] = []  # per classifier, the columns' probabilities times that of arriving there
    for j, columns in enumerate(layout.slices):
        probabilities = logits_nchw[:, columns].float().softmax(dim=1)
        if j:
            probabilities = probabilities * reached[layout.parent[j]][:, layout.branch[j], None]
        reached.append(probabilities)
        classes = layout.class_of[columns]
        ends = torch.from_numpy(np.flatnonzero(classes >= 0)).to(logits_nchw.device)
        found[:, tensors.class_of[columns][ends]] = probabilities[:, ends]
    return found


def _winner(logits_nchw: Tensor, layout: LogitLayout, classifier: int) -> Tensor:
    """(N, H, W) int64: column of the classifier's highest logit."""
    columns: slice[int, int, None] = layout.slices[classifier]
    # Not argmax: max().indices is the same and several times faster on the CPU.
    return logits_nchw[:, columns].max(dim=1).indices + columns.start


def winner_and_probability(logits_nchw: Tensor, layout: LogitLayout, classifier: int) -> tuple[Tensor, Tensor]:
    """Column of the classifier's highest logit, int64, and its softmax probability, float32; (N, H, W) each."""
    columns = layout.slices[classifier]
    logits = logits_nchw[:, columns].float()
    best, winner = logits.max(dim=1)
    return winner + columns.start, (best - logits.logsumexp(dim=1)).exp()
