"""Who supervises what: against brute force over sets of leaves, and pixel counts from real manifests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge.drawing import Survey, counted_mappings
from labelforge.errors import ShardError
from labelforge.mapping import LabelMapping
from labelforge.shards import Manifest
from labelforge.supervision import Signal
from labelforge.taxonomy import Node, Taxonomy
from tests.core import shard_folders
from tests.core.drawing_samples import TOY, table, toy
from tests.core.random_trees import World, worlds


def by_name(drawn: Survey, name: str) -> Node:
    return drawn.tree.node(name)


@given(worlds(), st.lists(st.integers(0, 10**9), min_size=8, max_size=8))
@settings(max_examples=60)
def test_labels_wider_labels_and_pixels_by_brute_force(world: World, sizes: list[int]) -> None:
    tree = world.tree
    counts = {row.native_name: sizes[i % 8] for i, row in enumerate(world.mapping.rows)}
    drawn = Survey.of(tree, [world.mapping], {"random": counts})
    meant = [(row.native_name, row.target.leaves) for row in world.mapping.rows if row.target.leaves]
    assert [(label.name, label.target.leaves) for label in drawn.labels] == meant
    for node in tree.nodes:
        summary = drawn.nodes[node.index]
        own = set(node.leaves)
        below = [i for i, (_, leaves) in enumerate(meant) if leaves <= own]
        assert summary.pixels == (sum(counts[meant[i][0]] for i in below),)
        deeper = [set(child.leaves) for child in tree.nodes if child.parent == node.index]
        placed = [i for i in below if not any(meant[i][1] <= leaves for leaves in deeper)]
        assert list(summary.labels) == placed
        wider = [i for i, (_, leaves) in enumerate(meant) if i not in below and leaves & own]
        assert list(summary.wider) == wider
    used = sum(counts[name] for name, _ in meant)
    assert drawn.datasets[0].pixels == used
    assert drawn.datasets[0].unused == sum(counts.values()) - used


@given(worlds("pixel"))
@settings(max_examples=60)
def test_signals_of_pixels_by_brute_force(world: World) -> None:
    tree = world.tree
    drawn = Survey.of(tree, [world.mapping])
    for node in tree.nodes[1:]:
        parent = tree.nodes[node.parent or 0]
        expected = Signal.NOTHING
        for row in world.mapping.rows:
            leaves = row.target.leaves
            touched = [c for c in parent.children if leaves & set(tree.nodes[c].leaves)]
            if leaves <= set(parent.leaves) and node.index in touched and len(touched) < len(parent.children):
                expected = max(expected, Signal.FROM_PIXELS if len(touched) == 1 else Signal.PARTIAL)
        assert drawn.nodes[node.index].signals == (expected,)
    assert drawn.nodes[0].signals == (Signal.NOTHING,)


def test_the_toy_by_hand() -> None:
    drawn = toy()
    assert [d.code for d in drawn.datasets] == ["a", "b", "c"]
    assert [(d.pixels, d.unused) for d in drawn.datasets] == [(1234, 14), (None, None), (70_000, 0)]
    summaries = {node.name: drawn.nodes[node.index] for node in drawn.tree.nodes}
    S, W, P, N = Signal.FROM_PIXELS, Signal.FROM_BOX, Signal.PARTIAL, Signal.NOTHING  # noqa: N806
    assert summaries["road"].signals == (S, N, N)  # "ground" extends beyond flat, so flat's classifier cannot use it
    assert summaries["flat"].signals == (S, N, S)  # "floor" is flat
    assert summaries["car"].signals == (S, N, P)
    assert summaries["stop"].signals == (N, W, N)
    assert summaries["sign"].signals == (S, N, N)  # boxes: own classifier only
    assert summaries["scene"].pixels == (1234, None, 70_000) and summaries["scene"].total == 71_234
    assert summaries["flat"].pixels == (1200, None, 0)
    assert summaries["stop"].total == 0
    assert [drawn.labels[i].name for i in summaries["car"].wider] == ["ground"]
    assert drawn.ignored == ((0, "junk", None),)


def test_many_datasets_get_codes_of_two_letters() -> None:
    mappings = [table(TOY, f"d{i}", {"x": "road"}) for i in range(28)]
    assert [d.code for d in Survey.of(TOY, mappings).datasets][24:] == ["y", "z", "aa", "ab"]


def test_a_tree_without_datasets() -> None:
    drawn = Survey.of(TOY, [])
    assert drawn.datasets == () and not drawn.counted
    assert all(summary.signals == () and summary.total is None for summary in drawn.nodes)


def shards(folder: Path, labels: list[list[int]], mapping: LabelMapping) -> Manifest:
    """A folder with one image whose label map is given."""
    array = np.array(labels, np.uint8)
    image = np.zeros((*array.shape, 3), np.uint8)
    sample = shard_folders.encoded("one", image, array, [(0, 0, 0)] * 8)
    return shard_folders.write(folder, [[sample]], mapping)


def test_counts_of_two_splits_add_up(tmp_path: Path) -> None:
    mapping = shard_folders.mapping(3)
    shards(tmp_path / "train", [[0, 1, 1], [2, 2, 2]], mapping)
    shards(tmp_path / "val", [[3, 1], [0, 0]], mapping)
    mappings, counts = counted_mappings(shard_folders.TREE, [tmp_path / "train", tmp_path / "val"])
    assert mappings == (mapping,)
    assert counts == {"toy-labels": {"(no annotation)": 3, "label 0": 3, "label 1": 3, "label 2": 1}}
    drawn = Survey.of(shard_folders.TREE, mappings, counts)
    totals = {node.name: drawn.nodes[node.index].total for node in drawn.tree.nodes}
    assert totals == {"scene": 7, "flat": 6, "road": 3, "sidewalk": 3, "car": 1}


def test_splits_with_different_sets_are_joined(tmp_path: Path) -> None:
    """Sets of overlapping boxes get rows of their own, after the native labels, in each split as needed."""
    native = shard_folders.mapping(3)
    extra = {"native_id": None, "native_name": "label 0 | label 1", "target": {"any": ["road", "sidewalk"]}}
    longer = [*native.to_records(), {"row": 4, "supervision": "pixel", **extra}]
    shards(tmp_path / "train", [[1, 2, 3]], native)
    shards(tmp_path / "val", [[4, 4, 1]], LabelMapping.from_records(shard_folders.TREE, "toy-labels", longer))
    mappings, counts = counted_mappings(shard_folders.TREE, [tmp_path / "train", tmp_path / "val"])
    assert [row.native_name for row in mappings[0].rows][-1] == "label 0 | label 1"
    assert counts["toy-labels"]["label 0 | label 1"] == 2
    drawn = Survey.of(shard_folders.TREE, mappings, counts)
    assert drawn.nodes[by_name(drawn, "flat").index].total == 5
    assert drawn.nodes[by_name(drawn, "road").index].total == 2


def test_shards_of_another_tree_are_refused(tmp_path: Path) -> None:
    shards(tmp_path / "s", [[1]], shard_folders.mapping(1))
    with pytest.raises(
        ShardError, match=r"another tree \(taxonomy 'toy'\).*labelforge retarget .*/s --taxonomy iv2018"
    ):
        counted_mappings(Taxonomy.load("iv2018"), [tmp_path / "s"])


def test_splits_that_disagree_are_refused(tmp_path: Path) -> None:
    shards(tmp_path / "a", [[1]], shard_folders.mapping(1))
    other = table(shard_folders.TREE, "toy-labels", {"label 0": "car"})
    renamed = [
        record | {"native_name": "(no annotation)"} if not record["row"] else record for record in other.to_records()
    ]
    shards(tmp_path / "b", [[1]], LabelMapping.from_records(shard_folders.TREE, "toy-labels", renamed))
    with pytest.raises(ShardError, match=r"/b: gives 'label 0' another meaning than the other shards of toy-labels"):
        counted_mappings(shard_folders.TREE, [tmp_path / "a", tmp_path / "b"])
