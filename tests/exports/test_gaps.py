"""What a cut loses: refused where it is everything, said where it is something, with a way out that works."""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge.errors import ConfigError
from labelforge.exports import export_shards
from labelforge.exports.cut_reader import Space, read_cut
from labelforge.exports.gaps import gap_notes
from labelforge.exports.samples import open_sets
from labelforge.mapping import LabelMapping
from labelforge.protocol import Protocol
from labelforge.taxonomy import Taxonomy
from tests.core.random_trees import worlds
from tests.exports.sets import TREE, antichains, table, write_set

STREET = {"street": {"any": ["road", "sidewalk"]}, "vehicles": {"any": ["car", "truck"]}, "air": "sky"}


def shards(folder: Path, labels: dict[str, Any], rows: Any, dataset: str = "toy-labels") -> Path:
    return write_set(folder, {"a": (np.array(rows, np.uint8), "png")}, table(labels, dataset))


def refusal(folder: Path, classes: str, **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        export_shards([folder], folder.parent / "out", to="masks", classes=classes, **more)
    assert not (folder.parent / "out").exists()
    return str(caught.value)


def proposal(text: str) -> str:
    """The cut that a message proposes, as a shell would read it."""
    return shlex.split(re.sub(r"'[,)]", "' ", text[text.index("--classes ") :]))[1]


def test_an_export_without_a_pixel_is_refused(tmp_path: Path) -> None:
    folder = shards(tmp_path / "in", STREET, [[1, 1, 1, 2, 2, 0]])
    text = refusal(folder, "road, car")
    assert "classes 'road, car': no pixel of these shards would be in a class (road, car)" in text
    assert "'street' of toy-labels can be road, or in none of the classes (sidewalk)" in text
    assert "'vehicles' of toy-labels can be car, or in none of the classes (truck)" in text
    assert proposal(text) == "flat, vehicle" and "or toy-labels for the labels as they are" in text
    assert "no label in them means any of that" in refusal(folder, "sky")
    assert "'street' of toy-labels can be road, or other" in refusal(folder, "road", rest="other")


def test_images_without_labels_are_exported(tmp_path: Path) -> None:
    """As test images are: no other cut could do more for them."""
    folder = shards(tmp_path / "in", {**STREET, "dirt": "ignore"}, [[0, 0, 4]])
    assert export_shards([folder], tmp_path / "out", to="masks", classes="road").ignored == 3
    labelled = shards(tmp_path / "more", {"road": "road"}, [[1]], "other")
    assert export_shards([folder, labelled], tmp_path / "both", to="masks", classes="road").ignored == 3


@settings(max_examples=60)
@given(st.data())
def test_what_is_proposed_gives_pixels(data: st.DataObject) -> None:
    """Of any tree, labels and cut: the proposal is a cut, and an export with it is not refused."""
    world = data.draw(worlds("pixel"))
    nodes = data.draw(antichains(world.tree))
    rest = data.draw(st.sampled_from([None, "rest"]))
    with tempfile.TemporaryDirectory() as name:
        rows = np.arange(len(world.mapping.rows), dtype=np.uint8)[None]
        write_set(Path(name) / "in", {"a": (rows, "png")}, world.mapping, world.tree)
        try:
            cut = ", ".join(node.name for node in nodes)
            export_shards([Path(name) / "in"], Path(name) / "out", to="masks", classes=cut, rest=rest)
        except ConfigError as fault:
            if "--classes" in str(fault):
                wider = export_shards([Path(name) / "in"], Path(name) / "out", to="masks", classes=proposal(str(fault)))
                assert wider.ignored < wider.pixels


def test_what_is_lost_is_said_per_shard_set(tmp_path: Path) -> None:
    garden = shards(tmp_path / "garden", {"street": "flat", "cars": "vehicle", "air": "sky"}, [[1, 1, 2, 3]], "garden")
    town = shards(tmp_path / "town", {"road": "road", "car": "car"}, [[1, 2]], "town")
    done = export_shards([garden, town], tmp_path / "out", to="masks", classes="road, car")
    told = next(note for note in done.notes if note.startswith("garden, train: 75.0% of the pixels are ignored"))
    assert "street (50.0%) can be road, or in none of the classes (sidewalk)" in told
    assert "cars (25.0%) can be car, or in none of the classes (truck)" in told
    assert not [note for note in done.notes if note.startswith("town")]
    (way,) = [note for note in done.notes if "widen" in note]
    assert proposal(way) == "flat, vehicle" and "retarget SHARDS --taxonomy toy --mapping FILE" in way
    wider = export_shards([garden, town], tmp_path / "wider", to="masks", classes=proposal(way))
    assert wider.ignored == 1  # the sky
    assert not [note for note in wider.notes if "widen" in note]


def test_classes_of_a_benchmark_are_not_widened(tmp_path: Path) -> None:
    """Their own dataset loses nothing by them, as its labels go by name; and another can only be mapped more finely."""
    own = table({"road": "road", "crowd": "vehicle", "car": "car"}, "town")
    space = Space(own, Protocol.of_labels(["road", "car"]))
    sets = open_sets([shards(tmp_path / "town", {"crowd": "vehicle", "road": "road"}, [[1, 2]], "town")])
    cut = read_cut("town:evaluated", TREE, {"town": space})
    assert gap_notes(sets, cut) == ()
    other = open_sets([shards(tmp_path / "garden", {"cars": "vehicle"}, [[1]], "garden")])
    told, way = gap_notes(other, cut)
    assert "garden, train: 100.0%" in told and "--classes" not in way and "--mapping FILE" in way


def test_many_nodes_are_proposed_as_the_one_above_them(tmp_path: Path) -> None:
    """Cityscapes in the tree streets: its road is a union of twelve nodes, and its cars may be vans."""
    tree = Taxonomy.load("streets")
    mapping = LabelMapping.load(tree, "cityscapes")
    pixels = {"road": 9, "car": 3, "ground": 2, "out of roi": 5}
    numbers = {row.native_name: row.row for row in mapping.rows}
    rows = np.repeat([numbers[name] for name in pixels], list(pixels.values())).astype(np.uint8)[None]
    write_set(tmp_path / "in", {"a": (rows, "png")}, mapping, tree)
    text = refusal(tmp_path / "in", "road, car")
    assert proposal(text) == "driveable, car | van"
    done = export_shards([tmp_path / "in"], tmp_path / "out", to="masks", classes=proposal(text))
    assert done.pixels_per_class == [9, 3]


def test_a_few_pixels_are_not_worth_a_note(tmp_path: Path) -> None:
    rows = np.ones((40, 50), np.uint8)
    rows[0, 0] = 2
    sets = open_sets([shards(tmp_path / "in", {"road": "road", "ground": "flat"}, rows)])
    assert gap_notes(sets, read_cut("road, sky", TREE, {})) == ()
    rows[0, :5] = 2
    sets = open_sets([shards(tmp_path / "more", {"road": "road", "ground": "flat"}, rows)])
    told, way = gap_notes(sets, read_cut("road, sky", TREE, {}))
    assert re.match(r"toy-labels, train: 0\.2% ", told) and "--classes" not in way
    rows[:10] = 2  # a fourth of the pixels: now a wider class is worth it
    sets = open_sets([shards(tmp_path / "many", {"road": "road", "ground": "flat"}, rows)])
    assert proposal(gap_notes(sets, read_cut("road, sky", TREE, {}))[1]) == "flat, sky"


def test_classes_that_would_meet_are_not_proposed(tmp_path: Path) -> None:
    tree = Taxonomy.parse("name: t\ntree:\n  all: [a, b, c]\n")
    mapping = table({"x": {"any": ["a", "c"]}, "y": {"any": ["b", "c"]}}, "other", tree)
    write_set(tmp_path / "in", {"s": (np.array([[1, 2]], np.uint8), "png")}, mapping, tree)
    text = refusal(tmp_path / "in", "a, b")
    assert "--classes" not in text and "Write a .yaml file" in text
