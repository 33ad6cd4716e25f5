"""Answers as if rare classes were less rare: the logit adjustment of Menon et al. (ICLR 2021), on a tree.

A network learns how often classes occur along with what they look like, and where it is unsure, it says what is
frequent. That is right by the pixel, but mean accuracy counts every class alike. With strength t the probability of a
class of frequency f is divided by f^t (and all are scaled to sum to 1 again): 0 is the network as it was trained, 1 as
if all classes had been equally frequent. More of the rare classes is found, and more is taken for them. A training that
weighs classes has gone some of the way already: after ``inverse-sqrt`` it is 0.5 that makes all equally frequent, after
``inverse`` 0. Below 0, frequent classes are taken for more frequent.

On a tree, the classes below a classifier change what leads to it: its column is as probable as they are together. So
the logits of a classifier are adjusted after those below it, and the column above by how much their sum has grown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labelforge.errors import ConfigError
from labelforge.logits import LogitLayout
from labelforge.trainer.frequencies import class_frequencies

WEAKEST, STRONGEST = -1.0, 2.0
"""The range of strengths."""


class LogitAdjustment:
    """Changes logits so that their probabilities are those of less rare classes.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import LayoutTensors, class_probabilities
        >>> from labelforge.trainer.logit_adjustment import LogitAdjustment
        >>> tree = lf.Taxonomy.from_dict({"name": "t", "tree": {"r": {"sky": None, "mover": ["car", "dog"]}}})
        >>> layout, often = lf.LogitLayout.compile(tree), (0.9, 0.1, 0.8, 0.2)
        >>> adjust = LogitAdjustment(layout, frequencies=often, strength=1.0)
        >>> logits = torch.tensor(often).log().view(1, 4, 1, 1)  # all that the network knows is how often things occur
        >>> class_probabilities(adjust(logits), LayoutTensors.of_layout(layout)).flatten()
        tensor([0.3333, 0.3333, 0.3333])

    Args:
        layout: The layout of the logits.
        frequencies: (C,) how often each choice of each classifier was right in training
            (:func:`labelforge.trainer.frequencies.column_frequencies`); a class that never was stays as it is.
        strength: From `WEAKEST` to `STRONGEST`; 0 changes nothing.

    Raises:
        ConfigError: The strength is out of range.
    """

    def __init__(self, layout: LogitLayout, frequencies: Sequence[float], strength: float) -> None:
        check_strength(strength)
        of_class = class_frequencies(layout, np.asarray(frequencies, np.float64))
        known = of_class > 0
        shift = np.zeros(len(of_class))
        shift[known] = -strength * np.log(of_class[known])
        columns = np.where(layout.class_of < 0, 0.0, shift[layout.class_of])
        self._shift = torch.from_numpy(columns.astype(np.float32)).view(1, -1, 1, 1)
        self._layout = layout

    def __call__(self, logits_nchw: Tensor) -> Tensor:
        """Adjust logits.

        Args:
            logits_nchw: (N, C, h, w) logits of all classifiers, any floating dtype and device.

        Returns:
            The same in float32.
        """
        layout, logits = self._layout, logits_nchw.float()
        self._shift = self._shift.to(logits.device)
        adjusted = logits + self._shift
        for j in reversed(range(1, layout.num_classifiers)):  # children before their parents
            columns = layout.slices[j]
            grown = adjusted[:, columns].logsumexp(dim=1) - logits[:, columns].logsumexp(dim=1)
            adjusted[:, layout.owning_column(j)] += grown
        return adjusted


def check_strength(strength: float) -> None:
    """Refuse a strength that is out of range.

    Raises:
        ConfigError: It is.
    """
    if not (math.isfinite(strength) and WEAKEST <= strength <= STRONGEST):
        cure = f"Give {WEAKEST:g} to {STRONGEST:g}: 0 is as trained, 1 as if all classes had been equally frequent."
        raise ConfigError(f"a logit adjustment of {strength:g} is out of range", cure=cure)
