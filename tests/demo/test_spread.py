"""The comparison of networks: against scores of the evaluation, and against a resampling done image by image."""

from __future__ import annotations

import numpy as np
import pytest

from labelforge.demo.spread import COVERED, DRAWS, Lead, Tally, compare, mean_accuracy


def tally(rng: np.random.Generator, share: float, images: int = 40, classes: int = 5) -> Tally:
    """Counts of a network that is right with about the given share; the last class occurs in the first image only."""
    pixels = rng.integers(1, 200, (images, classes))
    pixels[1:, -1] = 0
    return np.stack([pixels, rng.binomial(pixels, share)], axis=2).astype(np.int64)


def brute_force(counts: Tally, drawn: list[int]) -> float:
    """Mean pixel accuracy of some images, class by class."""
    shares = []
    for number in range(counts.shape[1]):
        pixels = sum(int(counts[image, number, 0]) for image in drawn)
        if pixels:
            shares.append(sum(int(counts[image, number, 1]) for image in drawn) / pixels)
    return sum(shares) / len(shares)


def test_mean_accuracy_of_draws() -> None:
    counts = tally(np.random.default_rng(0), 0.4, images=6)
    draws = np.array([[1, 1, 1, 1, 1, 1], [0, 3, 1, 0, 2, 0], [6, 0, 0, 0, 0, 0]])
    expected = [brute_force(counts, [i for i, n in enumerate(row) for _ in range(n)]) for row in draws.tolist()]
    assert mean_accuracy(counts, draws) == pytest.approx(expected)
    assert mean_accuracy(counts) == pytest.approx(expected[:1])


def test_the_better_rival_is_the_one_compared_with() -> None:
    rng = np.random.default_rng(1)
    ours, good, bad = tally(rng, 0.6), tally(rng, 0.5), tally(rng, 0.3)
    lead = compare("gtsdb", ours, {"bad": bad, "good": good})
    assert lead.rival == "good"
    assert lead.points == pytest.approx(100 * float((mean_accuracy(ours) - mean_accuracy(good))[0]))
    assert lead.low < lead.points < lead.high


def test_the_interval_is_that_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(2)
    ours, other = tally(rng, 0.5, images=30), tally(rng, 0.5, images=30)
    lead = compare("x", ours, {"other": other})
    gaps = []
    for _ in range(4 * DRAWS):
        drawn = rng.integers(0, 30, 30).tolist()
        gaps.append(100 * (brute_force(ours, drawn) - brute_force(other, drawn)))
    low, high = np.quantile(gaps, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    width = high - low
    assert lead.low == pytest.approx(low, abs=0.1 * width)
    assert lead.high == pytest.approx(high, abs=0.1 * width)


def test_equal_networks_are_neither_ahead_nor_behind() -> None:
    counts = tally(np.random.default_rng(3), 0.5)
    lead = compare("x", counts, {"twin": counts.copy()})
    assert (lead.points, lead.low, lead.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("points", "low", "high", "said"),
    [
        (2.0, 0.5, 3.5, "2.0 points ahead of a on d (+0.5 to +3.5)"),
        (-2.0, -3.5, -0.5, "2.0 points behind a on d (-3.5 to -0.5)"),
        (1.0, -0.5, 2.5, "neither ahead of a nor behind it (+1.0 points) on d (-0.5 to +2.5)"),
        (0.0, 0.0, 0.0, "neither ahead of a nor behind it (+0.0 points) on d (+0.0 to +0.0)"),
    ],
)
def test_ahead_is_said_only_of_all_of_the_interval(points: float, low: float, high: float, said: str) -> None:
    assert Lead("d", "a", points, low, high).sentence == said
