"""How sure it is that one network is ahead of another: from other choices of validation images.

A score on sixty images could have come out otherwise with sixty others. The bootstrap (Efron 1979) says by how much:
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
    from labelforge.protocol import Measure, Protocol
    from labelforge.trainer.evaluation.observation import Observation

DRAWS = 1000
COVERED = 0.95
"""Share of the draws that an interval holds."""


@dataclass(frozen=True, eq=False)
class Tally:
    """What the official score of a network on a dataset is made of, image by image.

    Attributes:
        counts: (images, classes, 3) int64, of the pixels that count: those of each class, those of them that were
            decided rightly, and those that were decided as the class.
        protocol: Whose classes they are, and what the score averages.
    """

    counts: NDArray[np.int64]
    protocol: Protocol

    def scores(self, draws: NDArray[np.integer] | None = None) -> NDArray[np.float64]:
        """The protocol's headline figure for draws of images.

        Args:
            draws: (D, images) how often each image was drawn; default: each once.

        Returns:
            (D,) in [0, 1]; 0 where no pixel counts. As in :func:`labelforge.trainer.evaluation.metrics.score_classes`,
            which classes a mean is over depends on what occurs in the draw.
        """
        draws = np.ones((1, len(self.counts)), np.int64) if draws is None else draws
        pixels, right, decided = np.moveaxis(np.einsum("di,ick->dck", draws, self.counts), 2, 0)
        whole = pixels if self.protocol.measure == "accuracy" else pixels + decided - right
        entering = whole > 0
        if self.protocol.mean_over == "labelled":
            entering = pixels > 0
        elif self.protocol.mean_over == "all":
            entering = np.ones_like(entering)
        sums = (right / np.maximum(whole, 1)).sum(1, where=entering)
        means: NDArray[np.float64] = sums / np.maximum(entering.sum(1), 1)
        return means


@dataclass(eq=False)
class Tallies:
    """Counts decisions image by image; give ``see`` to an evaluation as ``observe``.

    Attributes:
        found: Per shard set, one (rows, rows) array per image: pixels by true and decided row of the label table.
    """

    found: dict[str, list[NDArray[np.int64]]] = field(default_factory=dict)

    def see(self, observation: Observation) -> None:
        """Count one image."""
        rows = len(observation.reader.mapping.rows)
        pairs = observation.true.astype(np.int64) * rows + observation.decided
        counts = np.bincount(pairs.ravel(), minlength=rows * rows).reshape(rows, rows)
        self.found.setdefault(observation.reader.url, []).append(counts)

    def by_class(self, shards: str, mapping: LabelMapping, protocol: Protocol) -> Tally:
        """The counts of a shard set, for the classes that a protocol makes of its labels."""
        from labelforge.trainer.evaluation.confusion import classes_of_rows

        class_of = classes_of_rows(mapping, protocol)
        evaluated = class_of >= 0
        counted = np.stack(self.found[shards]) * evaluated[:, None]
        if protocol.other_decisions == "left-out":
            counted = counted * evaluated
        right = counted * (class_of[:, None] == class_of)
        of_row = np.stack([counted.sum(2), right.sum(2), counted.sum(1)], axis=2)
        members = class_of[:, None] == np.arange(len(protocol.classes))
        return Tally(np.einsum("irk,rc->ick", of_row, members.astype(np.int64)), protocol)


@dataclass(frozen=True)
class Lead:
    """How far a network is ahead of another on a dataset, by the dataset's official score.

    Attributes:
        dataset: The dataset.
        measure: What the score is a mean of.
        rival: The network that it is compared with.
        points: The difference, in percent points; negative if it is behind.
        low: Lower end of the interval of differences.
        high: Upper end.
    """

    dataset: str
    measure: Measure
    rival: str
    points: float
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """In words, from "ahead of" on."""
        between = f"{self.low:+.1f} to {self.high:+.1f}"
        if self.low > 0 or self.high < 0:
            side = "ahead of" if self.points > 0 else "behind"
            return f"{abs(self.points):.1f} points {side} {self.rival} on {self.dataset} ({between})"
        how = f"neither ahead of {self.rival} nor behind it on {self.dataset}"
        return f"{how} ({self.points:+.1f} points, {between})"


def compare(dataset: str, network: Tally, rivals: Mapping[str, Tally]) -> Lead:
    """Compare a network with the better one of its rivals, by the official score.

    Args:
        dataset: Name of the dataset.
        network: The network's counts.
        rivals: Those of others, on the same images in the same order.
    """
    rival = max(rivals, key=lambda name: float(rivals[name].scores()[0]))
    images = len(network.counts)
    draws = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), DRAWS)
    gaps = 100 * (network.scores(draws) - rivals[rival].scores(draws))
    low, high = np.quantile(gaps, [(1 - COVERED) / 2, (1 + COVERED) / 2]).tolist()
    points = 100 * float((network.scores() - rivals[rival].scores())[0])
    return Lead(dataset, network.protocol.measure, rival, points, low, high)
