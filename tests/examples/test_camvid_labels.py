"""The coarse labels and boxes of the CamVid example, and its converters, against brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from camvid_experiment.labels import BOXED, COARSE_OF, FINE_VOID, Box, boxes_of, coarse_ids
from camvid_experiment.native import DATASETS, REFINED, SignBoxes, write_list, write_native
from camvid_experiment.shards import HERE, Shards
from camvid_experiment.table import Run, Table
from labelforge.converters import convert
from labelforge.converters.datasets.camvid import CamVid
from labelforge.errors import DatasetError
from labelforge.label_space import LabelSpace
from labelforge.lint import lint_taxonomy
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from tests.converters.layouts import Array, picture, read_shards, save, write_camvid

TREE, NODES = HERE / "taxonomy", HERE / "taxonomy-nodes"


def flooded(fine: Array, smallest: float) -> set[Box]:
    """Boxes by flood fill, pixel by pixel."""
    height, width = fine.shape
    seen: set[tuple[int, int]] = set()
    found = set()
    for start in np.ndindex(height, width):
        if start in seen or int(fine[start]) not in BOXED:
            continue
        todo, region = [start], {start}
        while todo:
            y, x = todo.pop()
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    near = (y + dy, x + dx)
                    if near in region or not (0 <= near[0] < height and 0 <= near[1] < width):
                        continue
                    if fine[near] == fine[start]:
                        region.add(near)
                        todo.append(near)
        seen |= region
        if len(region) >= smallest:
            rows, columns = [y for y, _ in region], [x for _, x in region]
            name = BOXED[int(fine[start])]
            found.add(Box(name, min(columns), min(rows), max(columns) + 1, max(rows) + 1))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_those_of_a_flood_fill(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fine = rng.choice(12, size=(18, 24)).astype(np.uint8)
    fine = fine.repeat(10, axis=0).repeat(10, axis=1)
    fine[rng.random(fine.shape) < 0.2] = 3
    boxes = boxes_of(fine)
    assert len(boxes) > 10
    assert set(boxes) == flooded(fine, 30 / (360 * 480) * fine.size)
    assert {box.name for box in boxes} == set(BOXED.values())


def test_small_regions_get_no_box() -> None:
    fine = np.zeros((360, 480), np.uint8)
    fine[10:15, 10:16] = 8  # 30 pixels
    fine[50:59, 10:13] = 8  # 27
    assert boxes_of(fine) == [Box("car", 10, 10, 16, 15)]


def test_coarse_labels_are_the_nodes_of_the_tree_above_the_classes() -> None:
    tree = Taxonomy.load(NODES)
    fine, coarse = (LabelMapping.load(tree, name) for name in ("camvid-11", "camvid-coarse"))
    by_id = {row.native_id: row.target.leaves for row in coarse.rows}
    for row in fine.rows[1:]:
        assert row.native_id is not None
        above = by_id[COARSE_OF[row.native_id]]
        assert row.target.leaves <= above and bool(above) == bool(row.target.leaves)
    every = np.arange(12, dtype=np.uint8)[None]
    assert coarse_ids(every).tolist() == [[COARSE_OF[i] for i in range(12)]]
    assert LabelSpace.load("camvid-11").void == FINE_VOID


def test_boxed_classes_are_leaves_of_the_same_name() -> None:
    names = {label.id: label.name for label in LabelSpace.load("camvid-11").labels}
    mapping = yaml.safe_load((NODES / "camvid-11.yaml").read_text())["labels"]
    assert {name: mapping[names[i]] for i, name in BOXED.items()} == {name: name for name in SignBoxes.boxed}


def test_lint_finds_the_sign_boxes_and_nothing_else() -> None:
    found = [each for each in lint_taxonomy(NODES).findings if each.counts]
    assert [(each.rule, each.dataset, each.labels) for each in found] == [
        ("unused-label", "camvid-sign-boxes", ("sign",))
    ]
    asked = [each for each in lint_taxonomy(NODES, lone_boxes=True).findings if each.counts]
    assert [(each.rule, each.dataset) for each in asked] == [("one-child", "camvid-sign-boxes")]


@pytest.mark.parametrize("step", [1, 2])
def test_what_is_written_comes_back_from_the_shards(tmp_path: Path, step: int) -> None:
    """As it is, and at half the size: of every pixel there the middle is a corner here, which no even edge cuts."""
    written = write_camvid(tmp_path / "camvid")
    key = sorted(written)[0]
    fine = np.full((20, 30), 3, np.uint8)  # road
    fine[2:10, 4:12], fine[4:16, 8:20], fine[12:20, 22:28] = 8, 6, 9  # a sign before a car, and a pedestrian
    fine[14:16, 22:24] = 3
    save(tmp_path / "camvid" / "trainannot" / f"{key}.png", fine)
    data = tmp_path / "data"
    assert write_native(CamVid(tmp_path / "camvid"), data) == sorted(written)
    write_list(data, "one", [key])
    plain = {name: kind for name, kind in DATASETS.items() if name != REFINED}
    for name, kind in plain.items():
        convert(kind, data, tmp_path / name, split="one", taxonomy=NODES, short_side=20 // step)
    shards = {name: read_shards(tmp_path / name)[key] for name in plain}
    small = np.s_[::step, ::step]
    for image, labels, _ in shards.values():
        assert labels.shape == fine[small].shape
        assert step == 2 or np.array_equal(image, written[key].image)
    assert np.array_equal(shards["fine"][1], fine[small])
    assert np.array_equal(shards["coarse"][1], coarse_ids(fine)[small])
    movers = {"car": 0, "pedestrian": 1, "bicyclist": 2}
    for name, ids in (("boxes", movers), ("sign-boxes", {**movers, "sign": 3})):
        drawn = np.full(fine.shape, -9999)
        boxes = sorted(boxes_of(fine), key=lambda b: -(b.right - b.left) * (b.bottom - b.top))
        for box in boxes:
            if box.name in ids:
                drawn[box.top : box.bottom, box.left : box.right] = ids[box.name]
        assert np.array_equal(shards[name][1], drawn[small])
        if name == "boxes":
            right = np.isin(drawn, list(movers.values())) & (drawn == fine.astype(np.int64) - 8)
            assert np.array_equal(shards["box-masks"][1], np.where(right, drawn, -9999)[small])
            assert not right[drawn >= 0].all(), "or there is nothing to cut"


def test_refined_boxes_leave_out_corners_that_look_like_the_surroundings(tmp_path: Path) -> None:
    y, x = np.mgrid[:120, :160] + 0.5
    thing = ((x - 80) / 40) ** 2 + ((y - 60) / 30) ** 2 <= 1
    for key in ("a_0", "a_1", "b_0", "b_1", "b_2"):
        save(
            tmp_path / "camvid" / "train" / f"{key}.png",
            np.where(thing[..., None], 200, 60).repeat(3, 2).astype(np.uint8),
        )
        save(tmp_path / "camvid" / "trainannot" / f"{key}.png", np.where(thing, 8, 3).astype(np.uint8))
    table = Table(
        crops=1,
        base={},
        forms={},
        runs=[Run(name=kind, kind="ours", datasets=(kind,), fine=1) for kind in ("boxes", "refined-boxes")],
    )
    shards = Shards.prepare(tmp_path / "camvid", tmp_path / "out", table, print)
    covered = []
    for run in table.runs:
        labels = [labels for folder in shards.trained_on(run, "count") for _, labels, _ in read_shards(folder).values()]
        covered.append(labels[0] == 0)
        assert len(labels) > 1 and all(np.array_equal(each, labels[0]) for each in labels)
    assert (covered[0] & ~thing).sum() > 900 and not (covered[1] & ~covered[0]).any()
    assert (covered[1] != thing).sum() < 0.1 * (covered[0] != thing).sum()


def test_other_frames_in_a_folder_are_refused(tmp_path: Path) -> None:
    write_camvid(tmp_path / "camvid")
    write_native(CamVid(tmp_path / "camvid"), tmp_path / "data")
    save(tmp_path / "camvid" / "train" / "new_1.png", picture(9))
    save(tmp_path / "camvid" / "trainannot" / "new_1.png", np.zeros((20, 30), np.uint8))
    with pytest.raises(DatasetError, match="holds 4 frames of an earlier run, not these 5"):
        write_native(CamVid(tmp_path / "camvid"), tmp_path / "data")


def test_another_copy_of_the_same_frames_is_refused(tmp_path: Path) -> None:
    key, first = min(write_camvid(tmp_path / "camvid").items())
    for _ in range(2):
        write_native(CamVid(tmp_path / "camvid"), tmp_path / "data")
    larger = np.kron(first.ids, np.ones((2, 2), np.int64)).astype(np.uint8)
    save(tmp_path / "camvid" / "trainannot" / f"{key}.png", larger)
    with pytest.raises(DatasetError, match=f"another copy of CamVid: {key}"):
        write_native(CamVid(tmp_path / "camvid"), tmp_path / "data")


def test_coarse_labels_mean_the_same_leaves_in_both_trees() -> None:
    for dataset in ("camvid-11", "camvid-coarse", "camvid-boxes"):
        meanings = []
        for folder in (TREE, NODES):
            tree = Taxonomy.load(folder)
            leaves = tree.leaves
            mapping = LabelMapping.load(tree, dataset)
            meanings.append(
                {
                    row.native_name: {leaves[i].name for i in row.target.leaves}
                    for row in mapping.rows
                    if row.native_id is not None
                }
            )
        assert meanings[0] == meanings[1]


def test_lint_finds_nothing_in_the_tree_of_most_runs() -> None:
    assert not [each for each in lint_taxonomy(TREE).findings if each.counts]
