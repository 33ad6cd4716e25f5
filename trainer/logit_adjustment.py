"""Answers as if rare classes were less rare: the logit adjustment of Menon et al. (ICLR 2021), on a tree.

A network learns how often classes occur along with what they look like, and where it is unsure, it says what is
frequent. That is right by the pixel, but mean accuracy counts every class alike. With strength t the probability of
each choice is divided by p^t, where p is its prior, that is, how frequent it was to the loss
(:mod:`labelforge.trainer.priors`), and all are scaled to sum to 1 again: 0 is the network as it was trained, 1 as if
all classes had been equally frequent. More of the rare classes is found, and more is taken for them. Below 0, frequent
classes are taken for more frequent.

On a tree, what lies below a choice changes how probable it is: as probable as that is together. So the logits of a
classifier are adjusted after those below it, and the column above by how much their sum has grown. Where only boxes
tell the choices of a classifier apart, what it scores says nothing of how likely what leads there is: then they are
adjusted among themselves, and what leads there by its own prior. A choice that no pixel showed keeps its probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labelforge.errors import CheckpointError, ConfigError
from labelforge.logits import LogitLayout
from labelforge.trainer.description import Described

WEAKEST, STRONGEST = -1.0, 2.0
"""The range of strengths."""


class LogitAdjustment:
    """Changes logits so that their probabilities are those of less rare classes.

        >>> import torch, labelforge as lf
        >>> from labelforge.trainer import LayoutTensors, class_probabilities
        >>> from labelforge.trainer.logit_adjustment import LogitAdjustment
        >>> tree = lf.Taxonomy.from_dict({"name": "t", "tree": {"r": {"sky": None, "mover": ["car", "dog"]}}})
        >>> layout, priors = lf.LogitLayout.compile(tree), (0.9, 0.1, 0.8, 0.2)
        >>> logits = torch.tensor(priors).log().view(1, 4, 1, 1)  # all that the network knows is how often things occur
        >>> adjusted = LogitAdjustment(layout, priors, strength=1.0)(logits)
        >>> class_probabilities(adjusted, LayoutTensors.of_layout(layout)).flatten()
        tensor([0.3333, 0.3333, 0.3333])

    Args:
        layout: The layout of the logits.
        priors: (C,) prior of each choice, 0 where no pixel showed it (:func:`labelforge.trainer.priors.taught_priors`).
        strength: From `WEAKEST` to `STRONGEST`; 0 changes nothing.

    Attributes:
        strength: As given.

    Raises:
        ConfigError: The strength is out of range, or the priors are not the layout's.
    """

    def __init__(self, layout: LogitLayout, priors: Sequence[float], strength: float) -> None:
        check_strength(strength)
        known = np.asarray(priors, np.float64)
        if known.shape != (layout.num_logits,) or not (np.isfinite(known) & (known >= 0) & (known <= 1)).all():
            raise ConfigError(f"priors must be {layout.num_logits} shares, from 0 to 1")
        self.strength = strength
        self._layout = layout
        self._seen = [np.flatnonzero(known[columns] > 0) + columns.start for columns in layout.slices]
        self._unseen = [np.flatnonzero(known[columns] == 0) + columns.start for columns in layout.slices]
        # What grows below a choice makes it grow, unless boxes alone teach it, or the choice is to stay as it is.
        owners = [layout.owning_column(j) for j in range(layout.num_classifiers)]
        self._lifts = [bool(j) and not layout.boxes_alone[j] and known[owners[j]] > 0 for j in range(len(owners))]
        shift = -strength * np.log(np.where(known > 0, known, 1.0))
        self._shift = torch.from_numpy(shift.astype(np.float32)).view(1, -1, 1, 1)

    @torch.no_grad()
    def __call__(self, logits_nchw: Tensor) -> Tensor:
        """Adjust logits.

        Args:
            logits_nchw: (N, C, h, w) logits of all classifiers, any floating dtype and device; without gradients.

        Returns:
            The same in float32.
        """
        layout, logits = self._layout, logits_nchw.float()
        self._shift = self._shift.to(logits.device)
        adjusted = logits + self._shift
        for j in reversed(range(layout.num_classifiers)):  # children before their parents
            seen, unseen = self._seen[j], self._unseen[j]
            if len(seen) and len(unseen):
                adjusted[:, unseen] += _grown(logits[:, seen], adjusted[:, seen])
            if self._lifts[j]:
                columns, above = layout.slices[j], layout.owning_column(j)
                adjusted[:, above : above + 1] += _grown(logits[:, columns], adjusted[:, columns])
        return adjusted


def _grown(before: Tensor, after: Tensor) -> Tensor:
    """(N, 1, h, w) how much more all of these weigh together, as a logit."""
    return after.logsumexp(dim=1, keepdim=True) - before.logsumexp(dim=1, keepdim=True)


def adjustment_of(network: Described, strength: float) -> LogitAdjustment | None:
    """What changes the logits of a trained network by so much; None if nothing does.

    Raises:
        CheckpointError: Its priors do not fit it.
        ConfigError: The strength is out of range, or the network has no priors.
    """
    check_strength(strength)
    if not strength:
        return None
    if network.about.priors is None:
        what = "an earlier version wrote it, which did not keep how often classes occur: its logits cannot be adjusted"
        cure = (
            "Train the run on with --resume and more steps (and export it again, if this is an exported file), or "
            "leave --logit-adjustment out."
        )
        raise ConfigError(what, where=network.place, cure=cure)
    try:
        return LogitAdjustment(network.layout, network.about.priors, strength)
    except ConfigError as fault:
        raise CheckpointError(fault.what, where=network.described_in, cure=network.lost) from None


def check_strength(strength: float) -> None:
    """Refuse a strength that is out of range.

    Raises:
        ConfigError: It is.
    """
    if not (math.isfinite(strength) and WEAKEST <= strength <= STRONGEST):
        cure = f"Give {WEAKEST:g} to {STRONGEST:g}: 0 is as trained, 1 as if all classes had been equally frequent."
        raise ConfigError(f"a logit adjustment of {strength:g} is out of range", cure=cure)
