"""Which frames get which labels, and which are held out while settings are chosen.

Frames of one video, a second apart, are near-duplicates. So the datasets of the experiment are spread evenly over the
videos, as if annotators had been given every n-th frame; and what is held out is a block of every video, with a gap
before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

ALL, FINE, COARSE = 367, 40, 160
"""CamVid's training frames, and how many of them get fine and coarse labels; of other numbers, the same shares."""

HELD_OUT = 5  # one in so many frames is held out
GAP = 20  # and one in so many is left out before them

_GOLDEN = (math.sqrt(5) - 1) / 2


def spread_order(count: int, number: int = 0) -> list[int]:
    """The positions 0 to ``count`` - 1 in an order of which every stretch is spread evenly over all of them.

    They are sorted by the fractional part of position x golden ratio, whose multiples fill an interval more evenly than
    those of any other number (the three-distance theorem; Knuth, TAOCP volume 3, section 6.4).

    Args:
        count: How many.
        number: Another number gives another order.
    """
    start = number * math.sqrt(2) % 1
    return sorted(range(count), key=lambda position: (position * _GOLDEN + start) % 1)


def divide(keys: Sequence[str], fine: int = FINE, number: int = 0) -> dict[str, list[str]]:
    """Divide frames into those with fine labels, with coarse labels, and with boxes alone.

    Divisions with more and fewer fine labels have the same coarse ones, and every smaller set of fine labels is part of
    the larger.

    Args:
        keys: All frames, sorted: video by video, in the order of time.
        fine: How many of `ALL` get fine labels.
        number: Number of the division.

    Returns:
        ``fine``, ``coarse`` and ``boxes`` -> sorted keys.
    """
    order = [keys[position] for position in spread_order(len(keys), number)]
    share = len(keys) / ALL
    first, last = (max(1, round(count * share)) for count in (fine, COARSE))
    parts = {"fine": order[:first], "coarse": order[len(order) - last :], "boxes": order[first : len(order) - last]}
    return {name: sorted(part) for name, part in parts.items()}


def hold_out(keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split frames for choosing settings: the last fifth of every video is held out, a twentieth before it left out.

    Args:
        keys: All frames, sorted; a key begins with the video's name and an underscore.

    Returns:
        The frames to train on, and those to score on.
    """
    kept, held = [], []
    for _, group in groupby(keys, key=lambda key: key.partition("_")[0]):
        frames = list(group)
        end = len(frames) - len(frames) // HELD_OUT
        kept += frames[: end - math.ceil(len(frames) / GAP)]
        held += frames[end:]
    return kept, held
