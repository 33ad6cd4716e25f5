"""Which frames get which labels, and which are held out while settings are chosen.

Frames of one video, a second apart, are near-duplicates. So the datasets of the experiment are spread evenly over the
videos, as if annotators had been given every n-th frame; and what is held out is a block of every video, with a gap
before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

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


class Piece(NamedTuple):
    """Frames that always get the same labels in one run, and together are either held back in choosing or not.

    Attributes:
        name: Where its frames are in the order of the division, and ``kept`` or ``rest``.
        first: Position of the first in that order, counted in `ALL` frames.
        last: Position after the last.
        kept: Whether networks that choose settings are trained on it.
        keys: Its frames, sorted.
    """

    name: str
    first: int
    last: int
    kept: bool
    keys: tuple[str, ...]


def pieces(keys: Sequence[str], cuts: Iterable[int] = (), number: int = 0) -> list[Piece]:
    """Cut all frames into pieces, in an order of which every stretch is spread evenly over the videos.

    The first frames of the order get fine labels, the last `COARSE` coarse ones, those between boxes. So every smaller
    set of fine labels is part of the larger, and the coarse ones are the same whatever the number of fine ones.

    Args:
        keys: All frames, sorted: video by video, in the order of time.
        cuts: Where to cut besides before the coarse ones: numbers of fine labels, of `ALL` frames.
        number: Number of the division.

    Returns:
        The pieces that are not empty.
    """
    order = [keys[position] for position in spread_order(len(keys), number)]
    kept = set(hold_out(keys)[0])
    ends = sorted({0, *cuts, ALL - COARSE, ALL})
    found = []
    for first, last in pairwise(ends):
        part = order[round(first * len(keys) / ALL) : round(last * len(keys) / ALL)]
        for name, inside in (("kept", True), ("rest", False)):
            chosen = tuple(sorted(key for key in part if (key in kept) is inside))
            if chosen:
                found.append(Piece(f"{first:03}-{last:03}-{name}", first, last, inside, chosen))
    return found


def labels_of(piece: Piece, fine: int = FINE) -> str:
    """``fine``, ``coarse`` or ``boxes``: the labels that a piece gets where so many frames get fine ones."""
    if piece.last <= fine:
        return "fine"
    return "coarse" if piece.first >= ALL - COARSE else "boxes"


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
