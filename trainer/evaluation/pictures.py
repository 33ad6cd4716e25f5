"""The worst images of an evaluation, kept as thumbnails while it runs.

Only as many as the page shows are in memory at any time, each scaled down.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.mapping import LabelMapping
from labelforge.palette import Color, distinct_color
from labelforge.report import GalleryRow, Picture, Swatch
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.evaluation.mistakes import percent
from labelforge.trainer.evaluation.observation import CONSISTENT, NOT_SCORED, RIGHT, WRONG, Observation

ERROR_COLORS: dict[str, Color] = {
    "wrong": (230, 25, 75),
    "another label, but inside the true one's meaning": (245, 170, 30),
    "not scored": (110, 110, 110),
}
"""Colours of the pictures of errors; what is right shows the image, in faint grey."""

_SIDE = 480  # of a thumbnail, at most
_NAMED = 20  # labels in a legend


@dataclass(frozen=True, eq=False)
class Shown:
    """One image that the page shows, scaled down.

    Attributes:
        key: The sample's key.
        title: What it is, and how bad.
        right: Share of its scored pixels that are right; None if none is scored.
        image: (h, w, 3) uint8.
        true: (h, w, 3) uint8: its labels in colours.
        decided: (h, w, 3) uint8: what was decided, in colours.
        errors: (h, w, 3) uint8: see :data:`ERROR_COLORS`.
        legend: The labels that occur in either, the most frequent first.
    """

    key: str
    title: str
    right: float | None
    image: NDArray[np.uint8]
    true: NDArray[np.uint8]
    decided: NDArray[np.uint8]
    errors: NDArray[np.uint8]
    legend: tuple[Swatch, ...]


@dataclass(eq=False)
class WorstImages:
    """Keeps, per shard set, the images with most wrong pixels for their size; or given ones.

    Attributes:
        count: How many per shard set.
        only: Keys of the images to keep instead, per shard set.
    """

    count: int
    only: dict[str, Collection[str]] | None = None
    _kept: dict[str, list[tuple[float, str, Shown]]] = field(default_factory=dict)

    def see(self, observation: Observation) -> None:
        """Look at one image, and keep it if it is among the worst so far."""
        heap = self._kept.setdefault(observation.reader.url, [])
        key = observation.sample.key
        if self.only is not None and key not in self.only.get(observation.reader.url, ()):
            return
        badness = float((observation.outcome == WRONG).mean())
        if self.only is None and (badness == 0 or (len(heap) == self.count and badness <= heap[0][0])):
            return
        heapq.heappush(heap, (badness, key, _shrink(observation)))
        if self.only is None and len(heap) > self.count:
            heapq.heappop(heap)

    def shown(self, shards: str) -> tuple[Shown, ...]:
        """The images of a shard set, the worst first."""
        kept = sorted(self._kept.get(shards, ()), key=lambda entry: (-entry[0], entry[1]))
        return tuple(shown for _, _, shown in kept)

    def keys(self) -> dict[str, Collection[str]]:
        """Keys of the images kept, per shard set."""
        return {shards: {key for _, key, _ in heap} for shards, heap in self._kept.items()}


def gallery_row(shown: Shown, others: dict[str, Shown]) -> GalleryRow:
    """The pictures of one image: image, truth, answer, errors, and what other runs answer.

    Args:
        shown: The image with the first run's answer.
        others: The same image with the answers of other runs, by their names.
    """
    pictures = {"image": shown.image, "truth": shown.true, "answer": shown.decided, "errors": shown.errors}
    pictures |= {f"answer of {name}": other.decided for name, other in others.items()}
    legend = dict.fromkeys([*shown.legend, *(swatch for other in others.values() for swatch in other.legend)])
    encoded = tuple(Picture.encode(pixels, f"{shown.key}: {what}") for what, pixels in pictures.items())
    return GalleryRow(shown.title, encoded, tuple(legend))


def label_colors(mapping: LabelMapping, tree: Taxonomy) -> NDArray[np.uint8]:
    """(R, 3) uint8: a colour for every row, its node's or another if that is taken; black for row 0."""
    taken: set[Color] = {(0, 0, 0)}
    found: list[Color] = [(0, 0, 0)]
    for number, color in enumerate(mapping.colors(tree)[1:], start=1):
        free = color if color not in taken else distinct_color(number, taken)
        taken.add(free)
        found.append(free)
    return np.array(found, np.uint8)


def _shrink(observation: Observation) -> Shown:
    mapping, sample = observation.reader.mapping, observation.sample
    colors = label_colors(mapping, observation.reader.taxonomy)
    image = Image.fromarray(np.ascontiguousarray(sample.image), "RGB")
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    small = np.asarray(image)
    true, decided, verdict = (
        _nearest(values, small.shape[:2]) for values in (observation.true, observation.decided, observation.outcome)
    )
    scored = int((observation.outcome != NOT_SCORED).sum())
    right = int((observation.outcome == RIGHT).sum()) / scored if scored else None
    return Shown(
        key=sample.key,
        title=f"{sample.key}: {percent(right)} of its scored pixels are right",
        right=right,
        image=small,
        true=colors[true],
        decided=colors[decided],
        errors=_draw_errors(small, verdict),
        legend=_legend(true, decided, mapping, colors),
    )


def _nearest(values: NDArray[np.integer], size: tuple[int, int]) -> NDArray[np.integer]:
    """Values at another size, each from the nearest pixel centre."""
    rows, columns = (((np.arange(n) + 0.5) * m / n).astype(np.int64) for n, m in zip(size, values.shape, strict=True))
    small: NDArray[np.integer] = values[rows[:, None], columns]
    return small


def _draw_errors(image: NDArray[np.uint8], verdict: NDArray[np.integer]) -> NDArray[np.uint8]:
    grey = image.mean(axis=2, keepdims=True)
    drawn = np.repeat((160 + grey * 0.35).astype(np.uint8), 3, axis=2)
    for code, color in zip((WRONG, CONSISTENT, NOT_SCORED), ERROR_COLORS.values(), strict=True):
        drawn[verdict == code] = color
    return drawn


def _legend(
    true: NDArray[np.integer], decided: NDArray[np.integer], mapping: LabelMapping, colors: NDArray[np.uint8]
) -> tuple[Swatch, ...]:
    pixels = np.bincount(np.concatenate([true.ravel(), decided.ravel()]), minlength=len(colors))
    order = [row for row in np.argsort(-pixels, kind="stable").tolist() if pixels[row]]
    named = [Swatch(mapping.rows[row].native_name, _color(colors[row])) for row in order[:_NAMED]]
    return tuple(named)


def _color(values: NDArray[np.uint8]) -> Color:
    red, green, blue = values.tolist()
    return red, green, blue
