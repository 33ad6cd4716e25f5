"""``labelforge tree-viz``: formats, where the drawing goes, and what it says where something is wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labelforge.cli import cli
from labelforge.converters.registry import CONVERTERS
from labelforge.errors import ConfigError, ShardError, TaxonomyError
from labelforge.taxonomy import Taxonomy
from tests.converters.layouts import write_cityscapes


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["tree-viz", *map(str, arguments)], catch_exceptions=False)


def test_the_terminal_shows_the_tree_within_80_columns() -> None:
    result = run("iv2018")
    assert result.exit_code == 0
    lines = result.stdout.split("\n")
    assert max(map(len, lines)) == 80
    assert lines[0] == "iv2018" and "\x1b" not in result.stdout
    assert sum("■" in line for line in lines) == 112
    assert " b  gtsdb (boxes)" in lines
    assert any(re.fullmatch(r"├─■ driveable \(10\) +● · ● ●", line) for line in lines)
    assert any(re.fullmatch(r"│   ├─■ stop +79  · □ · ·", line) for line in lines)


def test_a_terminal_without_utf8_gets_ascii() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "labelforge", "tree-viz", "iv2018"],
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    text = done.stdout.decode("ascii")
    assert "|-* driveable (10)" in text and "P pixels   B boxes" in text


@pytest.mark.parametrize(
    ("file", "start"),
    [
        ("a.svg", b"<svg "),
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.html", b"<!DOCTYPE html>"),
        ("a.dot", b'digraph "iv2018" {'),
        ("a.gv", b'digraph "iv2018" {'),
        ("a.mmd", b"%%{init"),
        ("a.txt", b"iv2018\n107 classes"),
        ("a", b"iv2018\n107 classes"),
    ],
)
def test_the_suffix_decides_the_format(tmp_path: Path, file: str, start: bytes) -> None:
    result = run("iv2018", "-o", tmp_path / file)
    assert result.exit_code == 0 and result.stdout == ""
    content = (tmp_path / file).read_bytes()
    assert content.startswith(start) and content.endswith(b"\n") == (file != "a.png")
    assert [p.name for p in tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("kind", ["svg", "html", "dot", "mermaid"])
def test_text_formats_go_to_standard_output(tmp_path: Path, kind: str) -> None:
    printed = run("iv2018", "--format", kind).stdout
    run("iv2018", "--format", kind, "-o", tmp_path / "named.txt")
    assert (tmp_path / "named.txt").read_text(encoding="utf-8") == printed, "the option wins over the suffix"


def test_datasets_can_be_chosen() -> None:
    text = run("iv2018", "--dataset", "gtsdb", "--dataset", "cityscapes").stdout
    assert re.findall(r"^ ([a-z])  (\S+)", text, re.MULTILINE) == [("a", "cityscapes"), ("b", "gtsdb")]


def test_a_dataset_has_the_same_letter_in_lint() -> None:
    """The order of names, not of files, which differs for bdd100k.yaml and bdd100k-panoptic.yaml."""
    drawn = re.findall(r"^ (\w)  (\S+) \(", run("streets").stdout, re.MULTILINE)
    linted = CliRunner().invoke(cli, ["lint", "streets"], catch_exceptions=False).stdout
    assert drawn == re.findall(r"^(\w)  (\S+)", linted, re.MULTILINE)
    assert {"bdd100k", "bdd100k-panoptic"} <= {name for _, name in drawn}


def test_counts_of_converted_shards(tmp_path: Path) -> None:
    assert "cityscapes" in CONVERTERS
    write_cityscapes(tmp_path / "root")
    out = tmp_path / "out"
    converted = CliRunner().invoke(cli, ["convert", "cityscapes", str(tmp_path / "root"), str(out), "--workers", "0"])
    assert converted.exit_code == 0
    manifest = json.loads((out / "manifest.json").read_text())
    pixels = {label["native_name"]: label["pixels"] for label in manifest["labels"]}
    assert pixels["road"] > 0
    page = run("iv2018", "--shards", out, "--format", "html").stdout
    (embedded,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    nodes = {node["path"]: node for node in json.loads(embedded)["nodes"]}
    names = [dataset["name"] for dataset in json.loads(embedded)["datasets"]]
    assert names == ["cityscapes"], "those that the tree maps besides are not in these shards"
    assert nodes["driveable"]["pixels"] == [pixels["road"] + pixels["parking"]]
    assert nodes["driveable/parking"]["pixels"] == [pixels["parking"]]
    assert nodes["scene"]["pixels"] == [manifest["totals"]["used"]]
    page = run("iv2018", "--shards", out, "--dataset", "gtsdb", "--format", "html").stdout
    (embedded,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert [dataset["name"] for dataset in json.loads(embedded)["datasets"]] == ["cityscapes", "gtsdb"]
    nodes = {node["path"]: node for node in json.loads(embedded)["nodes"]}
    assert nodes["driveable/parking"]["pixels"] == [pixels["parking"], None]
    svg = run("iv2018", "--shards", out, "--format", "svg").stdout
    assert ">pixels<" in svg and ET.fromstring(svg).tag.endswith("svg")
    with pytest.raises(ShardError, match="labelforge retarget"):
        run("streets", "--shards", out)


def test_a_tree_of_ones_own_with_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_text("name: own\ntree:\n  root: [a, b]\n")
    text = run(tmp_path).stdout
    assert "No dataset is mapped to this tree." in text and "├─■ a" in text


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["iv2018", "--format", "png"], ConfigError, "a png picture cannot be printed. Name a file: -o tree.png."),
        (["iv2018", "-o", "/no/such/folder/a.svg"], ConfigError, "/no/such/folder/a.svg: cannot be written"),
        (["iv2018", "-o", "."], ConfigError, ".: cannot be written: it is a folder"),
        (["iv2018", "-o", "tree.jpg"], ConfigError, "tree.jpg: no format has the suffix .jpg. Use .txt, .svg"),
        (["iv2017"], TaxonomyError, "Did you mean 'iv2018'?"),
        (["iv2018", "--dataset", "cityscape"], TaxonomyError, "Did you mean 'cityscapes'?"),
        (["iv2018", "--shards", "/no/such/shards"], ShardError, "/no/such/shards"),
    ],
)
def test_faults_are_one_line_with_a_cure(arguments: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)


def test_every_shipped_tree_can_be_drawn() -> None:
    for name in Taxonomy.shipped():
        assert run(name, "--format", "mermaid").stdout.count('["') == len(Taxonomy.load(name).nodes)
