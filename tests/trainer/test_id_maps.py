"""Legends: which id, name and colour each class of a network gets."""

from __future__ import annotations

import pytest

from labelforge.logits import LogitLayout
from labelforge.palette import distinct_color
from labelforge.trainer.id_maps import IdLegend
from tests.trainer.tiny import TREE, mapping

LAYOUT = LogitLayout.compile(TREE)


def test_the_tree_gives_its_class_ids_paths_and_colors() -> None:
    legend = IdLegend.of_tree(LAYOUT)
    entries = {entry.id: (entry.name, entry.color) for entry in legend.entries}
    assert entries[6] == ("sign/front/thirty", TREE.node("thirty").color)
    assert legend.id_of.tolist() == list(range(12))  # the leaves, then scene, ground, sign and front
    assert legend.color_of[6].tolist() == list(TREE.node("thirty").color)


def test_inner_nodes_have_ids_after_the_leaves() -> None:
    layout = LogitLayout.compile(TREE, [mapping("boxes"), mapping("dense")], "flat-union")
    legend = IdLegend.of_tree(layout)
    by_name = {entry.name: entry.id for entry in legend.entries}
    assert by_name["sky"] == 0
    assert by_name["sign/front/thirty"] == 6
    assert (by_name["scene"], by_name["ground"], by_name["sign/front"]) == (8, 9, 11)
    assert len({entry.id for entry in legend.entries}) == len(legend.entries) == 8


def test_a_dataset_gives_its_native_ids_and_its_published_colors() -> None:
    legend = IdLegend.of_labels(LAYOUT, mapping("dense"), {7: (1, 2, 3), 0: (4, 5, 6)})
    entries = {entry.id: (entry.name, entry.color) for entry in legend.entries}
    assert (entries[7], entries[0]) == (("sky", (1, 2, 3)), ("floor", (4, 5, 6)))
    assert entries[20] == ("sign", distinct_color(3))  # not published: a colour of the palette, by row
    # sky, road, grass, back, left, right, thirty, car: 'sign' means the front only, so nothing fits the back;
    # then scene, ground, sign, front
    assert legend.id_of.tolist() == [7, 0, 0, 255, 20, 20, 20, 21, 255, 0, 255, 20]
    assert (legend.void, legend.color_of[3].tolist()) == (255, [0, 0, 0])
    assert legend.fits.tolist() == [i not in (3, 8, 10) for i in range(12)]


@pytest.mark.parametrize(("void", "bits"), [(0, 8), (9, 8), (255, 8), (256, 16), (65535, 16)])
def test_what_fits_no_label_gets_the_datasets_own_void(void: int, bits: int) -> None:
    legend = IdLegend.of_labels(LAYOUT, mapping("dense"), {}, void)
    assert legend.id_of.tolist() == [7, 0, 0, void, 20, 20, 20, 21, void, 0, void, 20]
    assert (legend.void, legend.id_of.itemsize * 8) == (void, bits)
    assert not legend.fits[3], "also where the void is the id of a label"
