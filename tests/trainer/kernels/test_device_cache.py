"""Tables that a recorded kernel reads stay although the cache forgets them."""

from __future__ import annotations

import gc
import weakref

from labelforge.trainer.kernels.device_cache import device_cache, holding


class Table:
    """Something that can be watched."""


def test_held_although_forgotten() -> None:
    made: list[int] = []

    @device_cache(1)
    def table(number: int) -> Table:
        made.append(number)
        return Table()

    first = weakref.ref(table(1))
    with holding() as held:
        assert table(1) is first()  # was there before, and is held all the same
    table(2)
    gc.collect()
    assert first() is not None and held == [first()]
    del held[:]
    gc.collect()
    assert first() is None
    table(1)
    assert made == [1, 2, 1]
    assert not held  # only what is asked for within
