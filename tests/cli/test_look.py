"""``labelforge inspect``, ``verify`` and ``stats`` as they are called, on shards of a real conversion's form."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from labelforge.cli import cli
from labelforge.converters import convert
from labelforge.errors import ConfigError, ShardError
from labelforge.shards import ShardReader
from tests.converters.layouts import write_cityscapes, write_gtsdb
from tests.core import shard_folders


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two converted datasets, side by side."""
    folder = tmp_path_factory.mktemp("look")
    for name, write in (("cityscapes", write_cityscapes), ("gtsdb", write_gtsdb)):
        write(folder / "data" / name)
        convert(name, folder / "data" / name, folder / name, split="train", samples_per_shard=2)
    return folder


def run(*arguments: str | Path, columns: int = 120) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(cli, [*map(str, arguments)], catch_exceptions=False)


def words(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def test_an_overview(shards: Path) -> None:
    text = words(run("inspect", shards / "cityscapes", shards / "gtsdb"))
    reader = ShardReader(shards / "cityscapes")
    assert f"cityscapes, train {shards}/cityscapes 5 samples in 3 shards, " in text
    assert f"tree iv2018 ({reader.taxonomy.digest[:12]}) images 30x20 3,000 pixels: " in text
    totals = reader.manifest.totals
    assert f"{totals.used / 30:.1f}% used, {totals.ignored / 30:.1f}% ignored, 0.0% not annotated" in text
    road = next(label for label in reader.manifest.labels if label.native_name == "road")
    images = sum(bool((sample.local_rows == road.row).any()) for sample in reader)
    assert f" road {road.pixels} {road.pixels / 30:.2f}% {images} driveable except parking " in text
    assert "1 of 35 labels has no pixel here: license plate." in text
    assert "gtsdb, train" in text and "not used: outside all boxes" in text


def test_sizes_of_many_kinds(tmp_path: Path) -> None:
    labels = [np.zeros((4 + i // 2, 9 + i), int) for i in range(6)] + [np.zeros((4, 9), int)] * 2
    samples = [
        shard_folders.encoded(f"k{i}", np.zeros((*label.shape, 3), np.uint8), label, [(0, 0, 0)] * 2)
        for i, label in enumerate(labels)
    ]
    shard_folders.write(tmp_path, [samples], shard_folders.mapping(1))
    text = words(run("inspect", tmp_path))
    assert "images 9x4 (3), 10x4 (1), 11x5 (1), ... (6 sizes; 9 to 14 wide, 4 to 6 high)" in text


def test_one_sample(shards: Path) -> None:
    text = words(run("inspect", shards / "gtsdb", shards / "cityscapes", "--sample", "ulm_000002_000019"))
    assert text.startswith("ulm_000002_000019 cityscapes, train: sample 4 of 5, in shard-00001.tar of ")
    sample = ShardReader(shards / "cityscapes")[3]
    assert "30x20; png " in text and "label.png " in text
    road = int((sample.local_rows == 8).sum())
    assert f"road {road} {road / 6:.2f}% driveable except parking" in text
    assert f'image: "{sample.meta["image"]}"' in text and "source_size: [20, 30]" in text
    with pytest.raises(ConfigError, match=r"no sample 'ulm_00'\. Did you mean|no sample 'ulm_00'\. Known: "):
        run("inspect", shards / "cityscapes", "--sample", "ulm_00")


def test_the_frames_that_hold_most_of_a_label(shards: Path) -> None:
    result = run("inspect", shards / "cityscapes", "--label", "road", "--frames", "2")
    reader = ShardReader(shards / "cityscapes")
    row = next(row.row for row in reader.mapping.rows if row.native_name == "road")
    held = {sample.key: int((sample.local_rows == row).sum()) for sample in reader}
    best = sorted(held, key=lambda key: -held[key])[:2]
    table = [line.split() for line in result.stdout.splitlines() if "_000019" in line]
    assert [(line[0], line[-2], line[-1]) for line in table] == [
        (key, str(held[key]), f"{held[key] / 6:.2f}%") for key in best
    ]
    with pytest.raises(ConfigError, match="no label of these shards is called 'raod'"):
        run("inspect", shards / "cityscapes", "--label", "raod")
    text = words(run("inspect", shards / "cityscapes", shards / "gtsdb", "--label", "front"))  # a node
    assert "gtsdb, train: front (" in text


def test_a_page(shards: Path, tmp_path: Path) -> None:
    result = run("inspect", shards / "cityscapes", shards / "gtsdb", "--html", tmp_path / "page.html")
    assert result.stdout == f"{tmp_path}/page.html\n"
    page = (tmp_path / "page.html").read_text()
    assert "<title>cityscapes train, gtsdb train: labels and frames</title>" in page
    with pytest.raises(ConfigError, match="its folder does not exist"):
        run("inspect", shards / "cityscapes", "--html", tmp_path / "no" / "page.html")


def test_names_that_are_commands_to_a_terminal(tmp_path: Path) -> None:
    shard_folders.write(tmp_path, [[]], shard_folders.mapping(3))
    file = tmp_path / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["dataset"] = "toy\x1b]0;title\x07"
    manifest["labels"][1]["native_name"] = "[bold]a\x1b[2J\nb"
    manifest["labels"][1]["pixels"] = 5
    file.write_text(json.dumps(manifest))
    for command in (["inspect"], ["inspect", "--label", "road"], ["verify"]):
        output = run(*command, tmp_path).output
        assert "\x1b" not in output and "\x07" not in output
        assert "\\x1b" in output
    assert "[bold]a\\x1b[2J\\nb" in run("inspect", tmp_path).output


def test_verify_says_what_is_wrong_and_ends_accordingly(shards: Path, tmp_path: Path) -> None:
    result = run("verify", shards / "cityscapes", shards / "gtsdb")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == (
        f"{shards}/cityscapes: cityscapes train, 5 samples: all is as it was written."
    )
    out = tmp_path / "out"
    out.mkdir()
    for file in (shards / "cityscapes").iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    data = bytearray((out / "shard-00001.tar").read_bytes())
    data[2000] ^= 1
    (out / "shard-00001.tar").write_bytes(data)
    (out / "shard-00002.tar").unlink()
    result = run("verify", out, shards / "gtsdb", "--json", tmp_path / "found.json")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{out}/shard-00002.tar: the manifest lists this file's shard, but it is missing. Copy")
    assert any(line.startswith(f"{out}/shard-00001.tar: its content has changed") for line in lines)
    count = len([line for line in lines if line.startswith(f"{out}/")])
    assert f"{out}: cityscapes train, 5 samples: {count} problems." in lines
    first, second = json.loads((tmp_path / "found.json").read_text())
    assert [problem["where"] for problem in first["problems"]].count(f"{out}/shard-00002.tar") == 1
    assert len(first["problems"]) == count and first["more"] == 0 and second["problems"] == []
    assert json.loads(run("verify", out, "--json", "-", "--quick").stdout)[0]["quick"] is True


def test_verify_goes_on_behind_a_folder_that_cannot_be_read(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/shard-00000.tar").write_bytes(b"")
    result = run("verify", tmp_path / "begun", tmp_path / "nosuch", shards / "gtsdb")
    assert result.exit_code == 2
    assert f"error: {tmp_path}/begun: holds no manifest.json" in result.stderr
    assert f"error: {tmp_path}/nosuch: no such folder, or an empty one. Give a folder that" in result.stderr
    assert "gtsdb train" in result.stdout


@pytest.mark.parametrize(
    "command", [["inspect"], ["stats"], ["train", "--out=r"], ["export", "--format=masks", "--classes=leaves"]]
)
def test_a_folder_that_is_not_there(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ShardError, match="nosuch: no such folder"):
        run(*command, "nosuch", *(["out"] if command[0] == "export" else []))


def test_statistics_to_a_file_and_to_the_screen(shards: Path, tmp_path: Path) -> None:
    both = (shards / "cityscapes", shards / "gtsdb")
    printed = pd.read_csv(io.StringIO(run("stats", *both).stdout), keep_default_na=False)
    assert run("stats", *both, "-o", tmp_path / "stats.csv").stdout == ""
    assert pd.read_csv(tmp_path / "stats.csv", keep_default_na=False).equals(printed)
    for url, group in printed.groupby("shards"):
        labels = ShardReader(str(url)).manifest.labels
        assert group.pixels.tolist() == [label.pixels for label in labels]
        assert group.native_name.tolist() == [label.native_name for label in labels]
    long = pd.read_csv(io.StringIO(run("stats", *both, "--per", "sample-label").stdout), keep_default_na=False)
    sums = long.groupby(["shards", "row"]).pixels.sum()
    some = printed[printed.pixels > 0].set_index(["shards", "row"]).pixels
    assert sums.to_dict() == some.to_dict()
    per_sample = pd.read_csv(io.StringIO(run("stats", *both, "--per", "sample").stdout))
    assert len(per_sample) == 5 + len(ShardReader(both[1]))


def test_nothing_heavy_is_imported_by_the_help_of_these_commands() -> None:
    for name in ("inspect", "verify", "stats"):
        code = (
            "import sys; from labelforge.cli import cli; cli(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
        )
        command = [sys.executable, "-c", code, name, "--help"]
        loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert not {"torch", "numpy", "pandas", "pydantic", "PIL"} & set(loaded)


def test_shards_of_other_trees_do_not_go_into_one_page(shards: Path, tmp_path: Path) -> None:
    shard_folders.write(tmp_path, [[]], shard_folders.mapping(3))
    with pytest.raises(ShardError, match=re.escape("(taxonomy 'toy') than the first ('iv2018')")) as caught:
        run("inspect", shards / "gtsdb", tmp_path, "--html", "-")
    assert "labelforge retarget" in str(caught.value.cure)
