"""``labelforge export`` of shards: what it prints, and what it refuses in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from labelforge.cli import cli
from labelforge.cli.export import _SHARD_FORMATS
from labelforge.errors import ConfigError
from labelforge.exports import FORMATS
from tests.exports.sets import read_ids, street_shards, table, toy_rows, write_set


def run(*arguments: str | Path, catch: bool = False) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(cli, ["export", *map(str, arguments)], catch_exceptions=catch)


def test_the_table_says_what_became_of_each_label(tmp_path: Path) -> None:
    shards = street_shards(tmp_path)
    result = run(*shards, tmp_path / "out", "--format", "masks", "--classes", "road, sidewalk, front, vegetation")
    assert result.exit_code == 0, result.output
    text = re.sub(r" +", " ", result.stdout)
    assert re.search(r"cityscapes, train: 5 samples, \d+\.\d% ignored", text)
    assert re.search(r"mapillary-vistas-2.0, validation \(as val\): 3 samples, \d+\.\d% ignored", text)
    assert re.search(r"\nvegetation [\d,]+ \d\.\d\d% vegetation\s", text)
    assert re.search(r"\n\(no annotation\) [\d,]+ \d+\.\d\d% ignored: outside all boxes\s", text)
    assert re.search(r"10 samples as masks, 4 classes; [\d,]+ pixels: \d+\.\d% in a class, \d+\.\d%\s+ignored\.", text)
    assert text.rstrip().endswith("out/report.html")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "What became of the labels of gtsdb, train" in page and "without a pixel here" in page
    assert "traffic sign/front" in page  # "front" alone would say little


def test_split_names(tmp_path: Path) -> None:
    write_set(tmp_path / "in", {"a": (toy_rows(), "png")}, table(), split="all")
    result = run(
        tmp_path / "in", tmp_path / "out", "--format", "yolo", "--classes", "leaves", "--split-names", "all=train"
    )
    assert "toy-labels, all (as train): 1 sample, " in re.sub(r" +", " ", result.stdout)
    assert "note: YOLO has no ignore" in result.stdout and "is in the split" not in result.stdout
    assert "export yolo: 1 of 1 samples, 0 s" in result.stderr.splitlines()  # no terminal: a line, not a bar
    again = run(tmp_path / "in", tmp_path / "o2", "--format", "masks", "--classes", "leaves").stdout
    assert "toy-labels is in the split 'all'" in again and "--split-names all=train" in " ".join(again.split())


def test_the_rest_is_a_class(tmp_path: Path) -> None:
    rows = toy_rows()
    write_set(tmp_path / "in", {"a": (rows, "png")}, table())
    result = run(
        tmp_path / "in", tmp_path / "out", "--format=masks", "--classes", "road | sidewalk, sky", "--rest", "background"
    )
    text = re.sub(r" +", " ", result.stdout)
    assert "1 of 3 classes have no pixel: sky." in text
    assert re.search(r"\ncar \d+ \d+\.\d\d% background", text)
    assert re.search(r"\nmovable \d+ \d+\.\d\d% ignored: can be sky, or background \(vehicle\)", text)
    want = np.select([np.isin(rows, [1, 2]), rows == 3], [0, 2], 255)  # road and ground; car
    assert np.array_equal(read_ids(tmp_path / "out/labels/train/toy-labels/a.png"), want)
    told = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert told["rest"] == "background" and told["sources"][0]["ignored_pixels"] == np.count_nonzero(want == 255)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "out"], "out: is no ONNX file, and no format is given. Add --format with one of masks, coco"),
        (["in", "out", "--format", "masks"], "the format masks needs --classes. Name nodes"),
        (["in", "out.onnx", "--classes", "leaves"], "--classes is for shards, not for a network"),
        (
            ["in", "--format", "masks", "--classes", "leaves"],
            r"in: there is one path, .*export SHARDS\.\.\. OUT --format",
        ),
        (["in", "out.onnx", "--rest", "x"], "--rest is for shards, not for a network"),
        (["in", "out", "--format=masks", "--classes=truck, sidewalk"], "no pixel of these shards would be in a class"),
        (["in", "out", "--format", "onnx", "--split-names", "a=b"], "--split-names is for shards, not for a network"),
        (["in", "in", "out.onnx"], "2 runs for one ONNX file"),
        (["in", "out", "--format=coco", "--classes=leaves", "--split-names=a"], "is not of the form OLD=NEW"),
        (["in", "out", "--format=coco", "--classes=raod"], "unknown node 'raod' of the tree toy.* mean 'road'"),
    ],
)
def test_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    write_set(tmp_path / "in", {"a": (toy_rows(), "png")}, table())
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, catch=True)
    assert isinstance(result.exception, ConfigError)
    assert re.search(message, str(result.exception)) and "\n" not in str(result.exception)
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


def test_the_command_knows_every_format() -> None:
    assert tuple(FORMATS) == _SHARD_FORMATS


def test_control_c_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path / "in", {"a": (toy_rows(), "png")}, table())

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("labelforge.exports.masks.encode_label", interrupt)
    result = run(tmp_path / "in", tmp_path / "out", "--format", "masks", "--classes", "leaves", catch=True)
    assert result.exit_code == 130 and "Interrupted: nothing is left" in result.output
    assert not (tmp_path / "out").exists()
