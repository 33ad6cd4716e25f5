"""``labelforge lint`` as it is called: what it prints, writes and ends with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from labelforge.cli import cli
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from tests.core.shard_folders import encoded, write

TREE = """\
name: small
tree:
  scene:
    flat: [road, path]
    car:
    boat:
"""
SPACE = "name: town\nsource: made up\nlabels: [{id: 0, name: street}, {id: 1, name: trail}, {id: 2, name: auto}]\n"
MAPPING = "dataset: town\nsupervision: pixel\nlabels:\n  street: road\n  trail: path\n  auto: car\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tree with one fault: nobody teaches boats."""
    (tmp_path / "label_spaces").mkdir()
    (tmp_path / "tree.yaml").write_text(TREE)
    (tmp_path / "label_spaces" / "town.yaml").write_text(SPACE)
    (tmp_path / "town.yaml").write_text(MAPPING)
    return tmp_path


def run(*arguments: str | Path, width: int = 80) -> Result:
    """Call the command on a terminal of some width."""
    return CliRunner().invoke(cli, ["lint", *map(str, arguments)], env={"COLUMNS": str(width)})


def test_the_table_and_the_findings_are_printed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    result = run(folder)
    assert result.exit_code == 0
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines[:3] == [
        "small: 2 classifiers, 5 children, 1 dataset",
        "a  town",
        "S strong: pixels   w weak: boxes   p partial: only in unions   . nothing",
    ]
    table = [line.split() for line in lines[4:9]]
    assert table == [
        ["scene", "(3)", "a"],
        ["flat,", "car", "S"],
        ["boat", "."],
        ["flat", "(2)", "a"],
        ["road,", "path", "S"],
    ]
    assert lines[10:14] == [
        "2 of 2 classifiers with 4 choices and 3 answers. Of the 4 classes of small, 3",
        "from pixels, 1 not at all.",
        "Never answered: boat.",
        "",
    ]
    assert lines[14:] == [
        "warning no-signal tree.yaml:6",
        "  no dataset gives the classifier of 'scene' any signal for 'boat', which is",
        "  never an answer.",
        "  Map a label to it or below it, or remove the node.",
        "",
        "0 errors, 1 warning",
    ]


def test_strict_fails_on_warnings_and_errors_fail_always(folder: Path) -> None:
    assert run(folder, "--strict").exit_code == 1
    (folder / "town.yaml").write_text(MAPPING.replace("trail: path", "trail: road"))
    result = run(folder)
    assert result.exit_code == 1
    assert "1 error, 2 warnings" in result.stdout


def test_json_goes_to_a_file_or_alone_to_the_terminal(folder: Path) -> None:
    result = run(folder, "--json", folder / "out.json")
    assert "0 errors, 1 warning" in result.stdout
    content = json.loads((folder / "out.json").read_text())
    assert content["findings"][0]["where"] == f"{folder / 'tree.yaml'}:6"
    assert json.loads(run(folder, "--json", "-").stdout) == content


def test_the_way_boxes_supervise_can_be_asked_for(folder: Path) -> None:
    result = run("streets", "--boxes", "own", "--json", "-", "--strict")
    content = json.loads(result.stdout)
    assert (result.exit_code, content["boxes"]) == (1, "own")
    assert any("boxes: path" in finding["cure"] for finding in content["findings"])


def test_streets_passes_strictly_and_fits_80_columns() -> None:
    result = run("streets", "--strict")
    assert result.exit_code == 0, result.stdout[-2000:]
    assert result.stdout.rstrip().endswith("0 errors, 0 warnings")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert max(map(len, run("streets", width=200).stdout.splitlines())) <= 100


def test_many_datasets_get_letters_of_two(folder: Path) -> None:
    for number in range(28):
        name = f"town{number}"
        (folder / "label_spaces" / f"{name}.yaml").write_text(SPACE.replace("name: town", f"name: {name}"))
        (folder / f"{name}.yaml").write_text(MAPPING.replace("dataset: town", f"dataset: {name}"))
    lines = run(folder, width=100).stdout.splitlines()
    assert [line.split()[0] for line in lines[26:30]] == ["z", "aa", "ab", "ac"]
    assert max(map(len, lines)) <= 100


def test_a_wrong_file_is_one_line_and_an_unwritable_one_too(folder: Path) -> None:
    assert "Did you mean 'streets'" in str(run("street").exception)
    fault = run(folder, "--json", folder / "missing" / "out.json").exception
    assert "cannot be written" in str(fault)
    assert "\n" not in str(fault)


def test_chosen_datasets_show_what_a_network_would_choose_from(folder: Path) -> None:
    (folder / "village.yaml").write_text(
        "dataset: village\nsupervision: pixel\nlabels:\n  ground: flat\n  thing: {any: [car, boat]}\n"
    )
    space = "name: village\nlabels: [{id: 0, name: ground}, {id: 1, name: thing}]\n"
    (folder / "label_spaces" / "village.yaml").write_text(space)
    result = run(folder, "--dataset", "village", "--strict")
    assert result.exit_code == 0, result.stdout
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines[:6] == [
        "small: 2 classifiers, 5 children, 1 dataset",
        "  village",
        "",
        "scene (2)",
        "  flat; car | boat",
        "",
    ]
    assert lines[6:8] == [
        "1 of 2 classifiers with 2 choices and 2 answers. Of the 4 classes of small, 4",
        "only as part of a larger answer.",
    ]
    both = run(folder, "--dataset", "village", "--dataset", "town", "--json", "-")
    content = json.loads(both.stdout)
    assert content["learnable"]["classifiers"][0] == {
        "classifier": "scene",
        "choices": [
            {"choice": "flat", "answer": None},
            {"choice": "car", "answer": "car"},
            {"choice": "boat", "answer": "boat"},
        ],
    }
    assert content["learnable"]["from_pixels"] == ["flat/road", "flat/path", "car", "boat"]


def test_shards_are_checked_by_their_own_label_table(folder: Path, tmp_path: Path) -> None:
    tree = Taxonomy.load(folder)
    for name, made_for in (("fits", tree), ("other", Taxonomy.load("iv2018"))):
        table = LabelMapping.load(tree, "town") if made_for is tree else LabelMapping.load(made_for, "cityscapes")
        zeros = np.zeros((4, 4), np.uint8)
        write(tmp_path / name, [[encoded("a", np.zeros((4, 4, 3), np.uint8), zeros, [(0, 0, 0)])]], table, made_for)
    (folder / "town.yaml").unlink()  # the shards hold what it said
    found = run(folder, "--shards", tmp_path / "fits", "--json", "-")
    assert [dataset["name"] for dataset in json.loads(found.stdout)["datasets"]] == ["town"]
    fault = str(run(folder, "--shards", tmp_path / "fits", "--shards", tmp_path / "other").exception)
    meant = "--mapping FILE, where FILE says what the labels of cityscapes mean in small."
    assert fault.endswith(f"Run: labelforge retarget {tmp_path / 'other'} --taxonomy {folder} {meant}")
    fault = str(run("streets", "--shards", tmp_path / "other").exception)
    assert fault.endswith(f"Run: labelforge retarget {tmp_path / 'other'} --taxonomy streets")


def test_what_the_folder_accepts_is_accepted_of_shards_too(folder: Path, tmp_path: Path) -> None:
    everything = MAPPING.replace("auto: car", "auto: scene")
    accepted = "accepted: [{rule: unused-label, at: auto, why: of no use}]\n"
    (folder / "town.yaml").write_text(everything)
    tree = Taxonomy.load(folder)
    image, rows = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    write(tmp_path / "shards", [[encoded("a", image, rows, [(0, 0, 0)])]], LabelMapping.load(tree, "town"), tree)
    for text, reason in (
        (everything, None),
        (everything + accepted, "of no use"),
        (everything.replace("trail: path", "trail: road") + accepted, None),  # no longer what the shards hold
        ("no mapping", None),
    ):
        (folder / "town.yaml").write_text(text)
        found = json.loads(run(folder, "--shards", tmp_path / "shards", "--json", "-").stdout)["findings"]
        assert [f["accepted"] for f in found if f["rule"] == "unused-label"] == [reason]


@pytest.mark.parametrize("flags", [[], ["--lone-boxes"], ["--boxes", "own"], ["--boxes", "drop"]])
def test_boxes_of_one_kind_of_sign_are_noted_where_they_would_train(flags: list[str]) -> None:
    """GTSDB knows fronts of traffic signs alone, which are objects."""
    content = json.loads(run("streets", "--dataset", "camvid-11", "gtsdb", *flags, "--json", "-").stdout)
    noted = {finding["node"] for finding in content["findings"] if finding["rule"] == "lone-box"}
    assert noted == (set() if flags else {"object", "object/traffic sign"})
    always = {finding["node"] for finding in content["findings"] if finding["rule"] == "one-child"}
    assert ({"object", "object/traffic sign"} <= always) == (flags == ["--lone-boxes"])
    assert content["lone_boxes"] == (flags == ["--lone-boxes"])


def test_an_unknown_dataset_names_the_nearest(folder: Path) -> None:
    result = run(folder, "--dataset", "twon")
    assert result.exit_code != 0
    assert "Did you mean 'town'" in str(result.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        "streets --dataset camvid-11 gtsdb --json -",
        "streets --dataset camvid-11 --json - --dataset gtsdb",
        "--json - --dataset camvid-11 --dataset gtsdb streets",
        "streets --boxes path --dataset camvid-11 gtsdb --strict --json -",
    ],
)
def test_datasets_in_one_list_or_one_by_one(arguments: str) -> None:
    content = json.loads(run(*arguments.split()).stdout)
    assert [entry["name"] for entry in content["datasets"]] == ["camvid-11", "gtsdb"]


def own(folder: Path, kind: str, labels: str, classes: str) -> Path:
    """A dataset.yaml and its mapping to streets; lint reads nothing else."""
    form = "yolo" if kind == "boxes" else "ids"
    (folder / "dataset.yaml").write_text(
        f"name: yard\nkind: {kind}\nformat: {form}\nimages: i/{{key}}.jpg\nlabels: l/{{key}}.x\nclasses: [{classes}]\n"
    )
    supervision = "box" if kind == "boxes" else "pixel"
    (folder / "mapping.yaml").write_text(f"dataset: yard\nsupervision: {supervision}\nlabels: {{{labels}}}\n")
    return folder / "dataset.yaml"


def test_a_label_that_another_one_holds_names_it(tmp_path: Path) -> None:
    file = own(tmp_path, "masks", "road: road, persons: human, rider: rider", "road, persons, rider")
    text = " ".join(run("streets", "--dataset", file).stdout.split())
    assert "no answer lies within rider, and the same can be in what is labelled 'persons' (human)." in text
    assert "map 'persons' to what is left: {any: [...], except: [rider]}." in text
    file = own(
        tmp_path, "masks", "road: road, persons: {any: [human], except: [rider]}, rider: rider", "road, persons, rider"
    )
    assert "never predicts" not in run("streets", "--dataset", file).stdout


def test_boxes_alone_are_told_what_they_lack(tmp_path: Path) -> None:
    file = own(tmp_path, "boxes", "car: car, pedestrian: person", "car, pedestrian")
    text = " ".join(run("streets", "--dataset", file).stdout.split())
    assert "tell nothing apart: no network can be trained on them. They have boxes alone" in text
    assert "add a dataset with pixel labels" in text and "docs/BOXES.md" in text
    with_pixels = " ".join(run("streets", "--dataset", file, "--dataset", "cityscapes").stdout.split())
    assert "boxes alone" not in with_pixels


def test_notes_are_counted_in_plain_words() -> None:
    text = " ".join(run("streets", "--dataset", "cityscapes", "gtsdb").stdout.split())
    assert re.search(r"nothing to be done about: .*\d x a class or choice that no label teaches", text)
    report = json.loads(run("streets", "--json", "-").stdout)
    named = {f["rule"] for f in report["findings"] if f["severity"] == "info" or f["accepted"]}
    assert named and not any(rule in run("streets").stdout for rule in named)
