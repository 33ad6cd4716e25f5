"""Which frames of the CamVid example get which labels, and which are held out."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from camvid_experiment.division import ALL, hold_out, labels_of, pieces, spread_order

VIDEOS = {"0001TP": 62, "0006R0": 101, "0016E5": 204}
KEYS = [f"{video}_{30 * i:06d}" for video, count in VIDEOS.items() for i in range(count)]


def divided(fine: int, number: int = 0) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"fine": [], "coarse": [], "boxes": []}
    for piece in pieces(KEYS, (10, 20, 40, 80), number):
        found[labels_of(piece, fine)] += piece.keys
    return found


@pytest.mark.parametrize("number", [0, 1, 7])
def test_every_stretch_of_the_order_is_spread_evenly(number: int) -> None:
    order = np.array(spread_order(ALL, number))
    assert sorted(order.tolist()) == list(range(ALL))
    for length in (10, 40, 160):
        for start in (0, 40, 200):
            steps = np.diff(np.sort(order[start : start + length]))
            assert steps.max() <= 2.7 * ALL / length, "no wide gap"


def test_the_numbers_are_those_that_were_announced() -> None:
    parts = divided(40)
    assert {name: len(keys) for name, keys in parts.items()} == {"fine": 40, "coarse": 160, "boxes": 167}
    assert sorted(chain.from_iterable(parts.values())) == KEYS
    per_video = [sum(key.startswith(video) for key in parts["fine"]) for video in VIDEOS]
    assert np.abs(np.array(per_video) - 40 * np.array(list(VIDEOS.values())) / ALL).max() <= 1.5


def test_fewer_fine_frames_are_among_the_more_and_coarse_ones_stay() -> None:
    for few, many in ((10, 20), (20, 40), (40, 80)):
        assert len(divided(few)["fine"]) == few
        assert set(divided(few)["fine"]) < set(divided(many)["fine"])
        assert set(divided(many)["boxes"]) < set(divided(few)["boxes"])
        assert divided(few)["coarse"] == divided(many)["coarse"]
    assert len(divided(ALL)["fine"]) == ALL


def test_other_numbers_are_other_divisions() -> None:
    assert divided(40, 0) == divided(40, 0)
    assert len(set(divided(40, 0)["fine"]) & set(divided(40, 1)["fine"])) < 20


def test_what_is_held_out_is_a_block_of_each_video_with_a_gap_before_it() -> None:
    kept, held = hold_out(KEYS)
    assert not set(kept) & set(held)
    for video, count in VIDEOS.items():
        frames = [key for key in KEYS if key.startswith(video)]
        inside = [frames.index(key) for key in held if key.startswith(video)]
        assert inside == list(range(count - count // 5, count))
        before = [frames.index(key) for key in kept if key.startswith(video)]
        assert before == list(range(len(before)))
        assert inside[0] - before[-1] - 1 == -(-count // 20)


def test_pieces_to_choose_by_hold_nothing_that_is_held_out() -> None:
    kept, held = hold_out(KEYS)
    inside = [key for piece in pieces(KEYS, (40,)) if piece.kept for key in piece.keys]
    assert sorted(inside) == kept and not set(inside) & set(held)


def test_few_frames_are_divided_in_the_same_shares() -> None:
    few = [f"a_{i:02d}" for i in range(37)]
    counts = {labels_of(piece): 0 for piece in pieces(few, (40,))}
    for piece in pieces(few, (40,)):
        counts[labels_of(piece)] += len(piece.keys)
    assert counts == {"fine": 4, "coarse": 16, "boxes": 17}
