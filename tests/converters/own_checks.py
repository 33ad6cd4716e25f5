"""What tests of data of one's own have in common: the labels of an image, as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.converters.layouts import Array, picture, save
from tests.converters.own_layouts import (
    describe,
    own,
    put,
)

MASK = np.array([[0, 1, 1, 0, 1], [1, 1, 0, 0, 1], [0, 0, 1, 1, 0]], bool)


def drawn(root: Path, key: str = "a") -> Array:
    """(20, 30) what the boxes of an image of 30 x 20 pixels mean."""
    converter = own(root)
    converter.sets("all")
    (source,) = [source for source in converter.sources("all") if source.key == key]
    return np.asarray(converter.labels(source).draw((20, 30), (20, 30), np.asarray))


def read(root: Path, fmt: str, labels: str, text: str) -> Array:
    """(20, 30) what one label file of an image "a" of 30 x 20 pixels means."""
    head = f"kind: polygons\nformat: {fmt}\nimages: images/{{key}}.png\n"
    describe(root, f"{head}labels: {labels}\nclasses: [road, sky, car, person]\n")
    save(root / "images" / "a.png", picture(0))
    put(root / labels.replace("{key}", "a"), text)
    converter = own(root)
    (source,) = converter.sources("all")
    return np.asarray(converter.labels(source).draw((20, 30), (20, 30), np.asarray))


def placed(mask: Array, left: int, top: int) -> Array:
    """(20, 30) a mask in its place, pixel by pixel."""
    ids = np.zeros((20, 30), bool)
    for (row, column), value in np.ndenumerate(mask):
        if 0 <= row + top < 20 and 0 <= column + left < 30:
            ids[row + top, column + left] = value
    return ids
