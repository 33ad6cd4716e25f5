"""Shard sets grouped into the training sets of a run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from labelforge.errors import ConfigError, ShardError
from labelforge.shards import ShardReader
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.data.datasets import batch_counts, check_taxonomy, group_training_sets, open_shards
from tests.trainer import tiny
from tests.trainer.tiny import DEFINITION, TREE, make_shards

OTHER = Taxonomy.from_dict({**DEFINITION, "name": "other"})


def named(name: str) -> Any:
    """A training set of which only the name matters."""

    class Named:
        dataset = name

    return Named()


def test_shard_sets_of_one_dataset_are_one_training_set(tmp_path: Path) -> None:
    readers = [
        ShardReader(make_shards(tmp_path / "b", "dense", 3)),
        ShardReader(make_shards(tmp_path / "x", "boxes", 1)),
        ShardReader(make_shards(tmp_path / "a", "dense", 2, first=3)),
    ]
    boxes, dense = group_training_sets(readers)
    assert (boxes.dataset, dense.dataset) == ("boxes", "dense")
    assert [dense[i].key for i in range(len(dense))] == [f"dense_{i:03d}" for i in range(5)]
    with pytest.raises(IndexError):
        dense[5]


def test_label_tables_of_one_dataset_must_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_shards(tmp_path / "a", "dense", 1)
    changed = [*tiny.LABELS["dense"][:-1], (9, "void", "car")]
    monkeypatch.setitem(tiny.LABELS, "dense", changed)
    second = make_shards(tmp_path / "b", "dense", 1)
    with pytest.raises(
        ShardError,
        match=r"mean something different from those in .*\. Run: labelforge retarget .*a .*b --taxonomy tiny",
    ):
        group_training_sets([ShardReader(first), ShardReader(second)])


def test_an_empty_shard_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="holds no sample"):
        group_training_sets([ShardReader(make_shards(tmp_path / "none", "dense", 0))])


def test_all_shards_must_be_of_one_tree(tmp_path: Path) -> None:
    ours = ShardReader(make_shards(tmp_path / "ours", "dense", 1))
    theirs = ShardReader(make_shards(tmp_path / "theirs", "boxes", 1, tree=OTHER))
    with pytest.raises(ShardError) as caught:
        check_taxonomy([ours, theirs])
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'theirs'}: made for taxonomy other (")
    assert f"tiny ({TREE.digest[:12]})" in message
    assert message.endswith(f"Run: labelforge retarget {tmp_path / 'theirs'} --taxonomy tiny")
    assert check_taxonomy([ours]).digest == TREE.digest


def test_a_wanted_tree_is_held_against_the_shards(tmp_path: Path) -> None:
    reader = ShardReader(make_shards(tmp_path / "ours", "dense", 1))
    with pytest.raises(ShardError, match=r"made for taxonomy tiny .* not iv2018 .*retarget .*ours --taxonomy iv2018"):
        check_taxonomy([reader], "iv2018")


@pytest.mark.parametrize(
    ("wanted", "counts"),
    [
        ({}, (1, 1, 2)),  # the paper's 1 Cityscapes, 2 Vistas, 1 GTSDB
        ({"mapillary-vistas": 5}, (1, 1, 5)),
        ({"mapillary-vistas": 5, "mapillary-vistas-1.2": 3, "gtsdb": 4}, (1, 4, 3)),
    ],
)
def test_crops_per_batch(wanted: dict[str, int], counts: tuple[int, ...]) -> None:
    training_sets = [named("cityscapes"), named("gtsdb"), named("mapillary-vistas-1.2")]
    assert batch_counts(training_sets, wanted) == counts


def test_a_count_for_an_unknown_dataset_names_the_nearest() -> None:
    cure = r"Did you mean 'cityscapes'\? Write for example data\.batch\.cityscapes=2\.$"
    with pytest.raises(ConfigError, match=rf"no dataset 'cityscape' in this run\. {cure}"):
        batch_counts([named("cityscapes"), named("gtsdb")], {"cityscape": 2})


def test_the_same_shards_twice_are_refused(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "a", "dense", 2)
    with pytest.raises(ConfigError, match=rf"^{folder}: given twice\. Name it once\.$"):
        open_shards([folder, str(folder)])
    copy = shutil.copytree(folder, tmp_path / "copy")
    with pytest.raises(ConfigError, match=rf"^{copy}: holds the same samples as {folder}\. Name it once\.$"):
        open_shards([ShardReader(folder), copy])
    other = make_shards(tmp_path / "b", "dense", 2, first=2)
    empty = [make_shards(tmp_path / name, "dense", 0) for name in ("c", "d")]
    assert len(open_shards([folder, other, *empty])) == 4


def test_no_shards_and_no_folder_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no shards given"):
        open_shards([])
    with pytest.raises(ShardError, match=str(tmp_path / "nowhere")):
        open_shards([tmp_path / "nowhere"])
