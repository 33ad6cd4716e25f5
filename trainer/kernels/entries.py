"""The target table as the kernels read it: a list of entries per label, not a table of mostly silent classifiers."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelforge.logits import LogitLayout
from labelforge.targets import SILENT
from labelforge.trainer.config import Gate
from labelforge.trainer.tables import TableTensors

Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Entries:
    """What labels ask: an *entry* for each classifier that a label trains. E in all, for L labels.

    Attributes:
        starts: (L + 1,) first entry of each label, then E.
        label: (E,) the label.
        classifier: (E,) the classifier, in rising order within a label.
        target: (E,) the one logit that is allowed, counted over all C; -1 where ``allowed`` says which.
        allowed: (L, C) logits that a label allows.
        from_box: (L,) the label comes from a box.
        columns: (J + 1,) first logit of each classifier, then C.
    """

    starts: Longs
    label: Longs
    classifier: Longs
    target: Longs
    allowed: Bools
    from_box: Bools
    columns: Longs

    @property
    def most_of_boxes(self) -> int:
        """Entries of the box label that has most."""
        return int(np.diff(self.starts)[self.from_box].max(initial=0))


@functools.lru_cache(maxsize=8)
def entries_of(tensors: TableTensors) -> Entries:
    """The entries of a target table."""
    targets = tensors.target.cpu().numpy()
    label, classifier = np.nonzero(targets != SILENT)
    columns = np.array(tensors.layout.starts, np.int64)
    own = targets[label, classifier]
    return Entries(
        starts=np.searchsorted(label, np.arange(len(targets) + 1)),
        label=label,
        classifier=classifier,
        target=np.where(own >= 0, columns[classifier] + own, -1),
        allowed=tensors.allowed.cpu().numpy(),
        from_box=tensors.from_box.cpu().numpy(),
        columns=columns,
    )


@functools.lru_cache(maxsize=32)
def gate_conditions(layout: LogitLayout, gate: Gate) -> tuple[Longs, Longs]:
    """What must be decided above a classifier so that a box pixel counts for it.

    Returns:
        (J + 1,) first condition of each classifier, then their number; and (conditions, 2) pairs: a classifier above,
        and the logit, counted over all C, that it must choose.
    """
    starts, found = [0], []
    for j in range(layout.num_classifiers):
        above = layout.ancestors(j)
        asked = {"parent": above[:1], "path": above, "none": ()}[gate]
        found += [(ancestor, layout.slices[ancestor].start + branch) for ancestor, branch in asked]
        starts.append(len(found))
    return np.array(starts, np.int64), np.array(found, np.int64).reshape(-1, 2)
