"""How sure it is that one network is ahead of another: from other choices of validation images.

A mean over sixty images could have come out otherwise with sixty others. The bootstrap (Efron 1979) says by how much:
it draws as many images again, with repeats, a thousand times, and scores two networks on the same draws each time. The
interval that holds 95% of the differences is what is shown, and ahead is who is ahead in all of it. It knows nothing of
what another training of the same network would bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from labelforge.mapping import LabelMapping
    from labelforge.protocol import Protocol
    from labelforge.trainer.evaluation.observation import Observation

DRAWS = 1000
COVERED = 0.95
"""Share of the draws that an interval holds."""

Tally = NDArray[np.int64]
"""(images, classes, 2): pixels of each class, and those of them that were decided rightly."""


@dataclass(eq=False)
class Tallies:
    """Counts, image by image, what a mean accuracy is made of; give ``see`` to an evaluation as ``observe``.

    Attributes:
        found: Per shard set, one (rows, 2) array per image: pixels of each row of the label table, and right ones.
    """

    found: dict[str, list[NDArray[np.int64]]] = field(default_factory=dict)

    def see(self, observation: Observation) -> None:
        """Count one image."""
        from labelforge.trainer.evaluation.observation import NOT_SCORED, RIGHT

        rows = len(observation.reader.mapping.rows)
        kinds = (observation.outcome != NOT_SCORED, observation.outcome == RIGHT)
        counts = [np.bincount(observation.true[kind], minlength=rows) for kind in kinds]
        self.found.setdefault(observation.reader.url, []).append(np.stack(counts, axis=1).astype(np.int64))

    def by_class(self, shards: str, mapping: LabelMapping, protocol: Protocol) -> Tally:
        """The counts of a shard set, for the classes that a protocol makes of its labels."""
        of_row = np.stack(self.found[shards])
        names = [row.native_name if row.native_id is not None else None for row in mapping.rows]
        members = np.array([[name in entry.labels for name in names] for entry in protocol.classes])
        tally: Tally = np.einsum("cr,irk->ick", members.astype(np.int64), of_row)
        return tally


@dataclass(frozen=True)
class Lead:
    """How far a network is ahead of another on a dataset, in mean pixel accuracy.

    Attributes:
        dataset: The dataset.
        rival: The network that it is compared with.
        points: The difference, in percent points; negative if it is behind.
        low: Lower end of the interval of differences.
        high: Upper end.
    """

    dataset: str
    rival: str
    points: float
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """In words, from "ahead of" on."""
        if self.low > 0 or self.high < 0:
            how = f"{abs(self.points):.1f} points {'ahead of' if self.points > 0 else 'behind'} {self.rival}"
        else:
            how = f"neither ahead of {self.rival} nor behind it ({self.points:+.1f} points)"
        return f"{how} on {self.dataset} ({self.low:+.1f} to {self.high:+.1f})"


def mean_accuracy(tally: Tally, draws: NDArray[np.integer] | None = None) -> NDArray[np.float64]:
    """Mean pixel accuracy of draws of images.

    Args:
        tally: The counts of one network.
        draws: (D, images) how often each image was drawn; default: each once.

    Returns:
        (D,) in [0, 1]: the mean over the classes that occur in a draw.
    """
    draws = np.ones((1, len(tally)), np.int64) if draws is None else draws
    pixels, right = np.moveaxis(np.einsum("di,ick->dck", draws, tally), 2, 0)
    accuracy = right / np.maximum(pixels, 1)
    means: NDArray[np.float64] = accuracy.sum(1) / np.maximum((pixels > 0).sum(1), 1)
    return means


def compare(dataset: str, network: Tally, rivals: Mapping[str, Tally]) -> Lead:
    """Compare a network with the better one of its rivals.

    Args:
        dataset: Name of the dataset.
        network: The network's counts.
        rivals: Those of others, on the same images in the same order.
    """
    rival = max(rivals, key=lambda name: float(mean_accuracy(rivals[name])[0]))
    images = len(network)
    draws = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), DRAWS)
    gaps = 100 * (mean_accuracy(network, draws) - mean_accuracy(rivals[rival], draws))
    low, high = np.quantile(gaps, [(1 - COVERED) / 2, (1 + COVERED) / 2]).tolist()
    points = 100 * float((mean_accuracy(network) - mean_accuracy(rivals[rival]))[0])
    return Lead(dataset, rival, points, low, high)
