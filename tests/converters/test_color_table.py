"""Labels that are colours: the ids of known ones, and what is said of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelforge.converters.pictures.color_table import ColorTable
from labelforge.converters.pictures.label_maps import read_color_map
from labelforge.errors import DatasetError
from tests.converters.layouts import save

byte = st.integers(0, 255)
colors = st.tuples(byte, byte, byte)


@given(st.dictionaries(colors, st.integers(-5, 70_000), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_every_pixel_gets_the_id_of_its_colour(
    labels: dict[tuple[int, int, int], int], random: np.random.Generator
) -> None:
    table = ColorTable([(str(native_id), native_id, color) for color, native_id in labels.items()])
    chosen = [random.choice(sorted(labels)) for _ in range(12)]
    packed = np.array([r * 65536 + g * 256 + b for r, g, b in chosen], np.int32).reshape(3, 4)
    assert table.ids(packed, Path("a.png")).ravel().tolist() == [labels[color] for color in chosen]


def test_a_colour_that_no_label_has(tmp_path: Path) -> None:
    table = ColorTable([("road", 1, (128, 64, 128)), ("sky", 2, (70, 130, 180)), ("tree", 3, (0, 255, 0))])
    image = np.full((5, 6, 3), (128, 64, 128), np.uint8)
    image[2, 3] = (70, 131, 180)
    image[2, 5] = image[4, 0] = (9, 9, 9)
    path = save(tmp_path / "a.png", image)
    with pytest.raises(DatasetError) as caught:
        table.ids(read_color_map(path), path)
    assert caught.value.what == (
        "the colours (70, 131, 180), (9, 9, 9) are no label's: 3 pixels, the first at column 3, row 2; the label "
        "nearest to (70, 131, 180) is 'sky', (70, 130, 180)"
    )
    assert caught.value.where == str(path) and "JPEG" in str(caught.value.cure)


def test_labels_may_share_a_colour_only_with_their_id() -> None:
    ColorTable([("car 1", 4, (255, 0, 0)), ("car 2", 4, (255, 0, 0))])
    with pytest.raises(DatasetError, match=r"'car' and 'bus' have the same colour, \(255, 0, 0\)"):
        ColorTable([("car", 4, (255, 0, 0)), ("bus", 5, (255, 0, 0))])
