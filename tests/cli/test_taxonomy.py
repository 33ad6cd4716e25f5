"""``labelforge taxonomy schema`` and ``diff`` as they are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner, Result

from labelforge.cli import cli
from labelforge.schema import Kind, json_schema


def run(*arguments: str | Path) -> Result:
    """Call the command on a terminal of 90 columns."""
    return CliRunner().invoke(cli, ["taxonomy", *map(str, arguments)], env={"COLUMNS": "90"})


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_schema_is_printed_or_written(kind: Kind, tmp_path: Path) -> None:
    printed = run("schema", kind)
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == json_schema(kind)
    assert run("schema", kind, "-o", tmp_path / "s.json").stdout == ""
    assert (tmp_path / "s.json").read_text() == printed.stdout


def test_an_unknown_kind_names_the_known_ones() -> None:
    result = run("schema", "leaf")
    assert result.exit_code == 2
    assert all(kind in result.stderr for kind in get_args(Kind))


def test_two_shipped_trees_are_compared(tmp_path: Path) -> None:
    result = run("diff", "iv2018", "streets", "--json", tmp_path / "d.json")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "boxes: own -> path" in lines
    assert "scene human person, rider" in lines
    assert "car car car | van" in lines
    assert max(map(len, result.stdout.splitlines())) <= 90
    content = json.loads((tmp_path / "d.json").read_text())
    assert {"old": "person", "new": "human/person"} in content["tree"]["moved"]
    assert f"{len(content['tree']['added'])} nodes added" in lines
    cityscapes = next(m for m in content["mappings"] if m["dataset"] == "cityscapes")
    assert f"cityscapes: {len(cityscapes['labels'])} labels with another meaning" in lines
    assert json.loads(run("diff", "iv2018", "streets", "--json", "-").stdout) == content


def test_a_tree_and_itself_say_so() -> None:
    result = run("diff", "iv2018", "iv2018")
    lines = result.stdout.splitlines()
    assert lines[0].strip().endswith(": the same nodes and ids")
    assert all(line.strip().endswith("all labels mean the same") for line in lines[1:])


def test_added_subtrees_are_one_entry(tmp_path: Path) -> None:
    for name, extra in (("a", ""), ("b", "    boat: [ferry, yacht]\n    bus:\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tree.yaml").write_text(f"name: t\ntree:\n  scene:\n    car:\n    road:\n{extra}")
    result = run("diff", tmp_path / "a", tmp_path / "b")
    assert "4 nodes added\n  boat (and 2 below), bus" in "\n".join(map(str.rstrip, result.stdout.splitlines()))


def test_two_label_spaces_are_compared_by_meaning(tmp_path: Path) -> None:
    result = run(
        "diff", "mapillary-vistas-1.2", "mapillary-vistas-2.0", "--through", "streets", "--json", tmp_path / "d.json"
    )
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "   45 ->  85  object--support--pole" in map(str.rstrip, lines)
    at = next(i for i, line in enumerate(lines) if line.rstrip() == "   17  construction--structure--building")
    assert [line.strip() for line in lines[at + 1 : at + 3]] == [
        "->  27  construction--structure--building",
        "->  28  construction--structure--garage",
    ]
    content = json.loads((tmp_path / "d.json").read_text())
    for kind, count in content["counts"].items():
        assert count == 0 or any(line.startswith(f"{kind} ({count}): ") for line in lines)
    assert max(map(len, lines)) <= 90


def test_two_label_spaces_are_compared_by_name_and_the_other_way_is_named() -> None:
    result = run("diff", "cityscapes", "kitti")
    assert result.exit_code == 0
    assert "same (35): the same name and id" in result.stdout
    assert "--through TREE compares what the labels mean in a tree" in " ".join(result.stdout.split())


WRONG = {
    "a tree and a label space": (("streets", "cityscapes"), "'streets' is a tree and 'cityscapes' is a label space"),
    "trees through a tree": (("iv2018", "streets", "--through", "streets"), "--through is for two label spaces"),
    "neither": (("cityscape", "kitti"), "no tree and no label space is called 'cityscape'. Did you mean 'cityscapes'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_compared_is_said(case: str) -> None:
    arguments, message = WRONG[case]
    assert message in str(run("diff", *arguments).exception)
