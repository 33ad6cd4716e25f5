"""How far confidences can be trusted: calibration, and what is answered if unsure decisions are left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelforge.trainer.evaluation.tree_counts import BINS, STEPS, TreeCounts

_POINTS = 50  # of the curve, besides the first


@dataclass(frozen=True)
class ConfidenceBin:
    """Decisions of about the same confidence.

    Attributes:
        low: Confidences above this ...
        high: ... up to this.
        pixels: Their number.
        confidence: Mean confidence; None without a pixel.
        accuracy: Share that is right; None without a pixel.
    """

    low: float
    high: float
    pixels: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class CoveragePoint:
    """What is left if decisions of low confidence are not answered.

    Attributes:
        threshold: Confidence above which a pixel is answered.
        coverage: Share of the scored pixels that are answered.
        accuracy: Share of these that is right; None if there is none.
    """

    threshold: float
    coverage: float
    accuracy: float | None


@dataclass(frozen=True)
class ConfidenceScores:
    """Calibration and coverage on one dataset.

    Attributes:
        calibration_error: Expected calibration error: the mean over all pixels of the distance between accuracy and
            mean confidence in the pixel's bin (Guo et al., On Calibration of Modern Neural Networks, ICML 2017, eq. 3;
            15 bins of equal width). None if no pixel was scored.
        bins: The bins, from low to high.
        coverage: From threshold 0 to 1 in steps of 0.02; empty if no pixel was scored.
    """

    calibration_error: float | None
    bins: tuple[ConfidenceBin, ...]
    coverage: tuple[CoveragePoint, ...]


def confidence_scores(counts: TreeCounts) -> ConfidenceScores:
    """Scores from counts."""
    by_bin = counts.confident.reshape(2, BINS, STEPS).sum(axis=2)
    pixels, right = by_bin.sum(axis=0), by_bin[1]
    whole = int(pixels.sum())
    bins = tuple(
        ConfidenceBin(i / BINS, (i + 1) / BINS, n, total / n if n else None, hits / n if n else None)
        for i, (n, hits, total) in enumerate(
            zip(pixels.tolist(), right.tolist(), counts.confidence.tolist(), strict=True)
        )
    )
    if not whole:
        return ConfidenceScores(None, bins, ())
    error = float(np.abs(right - counts.confidence).sum()) / whole
    return ConfidenceScores(error, bins, _coverage(counts, whole))


def _coverage(counts: TreeCounts, whole: int) -> tuple[CoveragePoint, ...]:
    def above(histogram: NDArray[np.int64]) -> list[int]:
        """Pixels above each of the thresholds."""
        rest: list[int] = [*np.cumsum(histogram[::-1])[::-1].tolist(), 0]
        return rest[:: BINS * STEPS // _POINTS]

    answered, right = above(counts.confident.sum(axis=0)), above(counts.confident[1])
    return tuple(
        CoveragePoint(i / _POINTS, n / whole, hits / n if n else None)
        for i, (n, hits) in enumerate(zip(answered, right, strict=True))
    )
