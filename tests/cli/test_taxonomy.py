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
    assert lines[0].strip().endswith(": the same targets and ids")
    assert all(line.strip().endswith("all labels mean the same") for line in lines[1:])


def test_added_subtrees_are_one_entry(tmp_path: Path) -> None:
    for name, extra in (("a", ""), ("b", "    boat: [ferry, yacht]\n    bus:\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tree.yaml").write_text(f"name: t\ntree:\n  scene:\n    car:\n    road:\n{extra}")
    result = run("diff", tmp_path / "a", tmp_path / "b")
    assert "4 nodes added\n  boat (and 2 below), bus" in "\n".join(map(str.rstrip, result.stdout.splitlines()))
