"""``labelforge convert``: what it prints, and how it ends where something is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import click
import pytest
from click.testing import CliRunner, Result

from labelforge.cli import cli
from labelforge.cli.convert import command
from labelforge.converters import Converter, NativeLabels, Source, Unannotated, find_converter
from labelforge.converters.pictures.images import CODECS
from labelforge.converters.registry import CONVERTERS
from labelforge.errors import ConfigError, DatasetError
from tests.converters.layouts import contents, write_cityscapes, write_gtsdb, write_vistas


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(cli, ["convert", *map(str, arguments)], catch_exceptions=False)


def test_a_conversion_and_its_summary(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "root")
    result = run("cityscapes", tmp_path / "root", tmp_path / "out", "--samples-per-shard", "2", "--workers", "0")
    assert result.exit_code == 0
    text = re.sub(r" +", " ", result.stdout)
    assert "Cityscapes, train" in text
    assert re.search(r"\nroad [\d,]+ \d\.\d\d% driveable except parking\s", text)
    assert re.search(r"\nstatic [\d,]+ \d\.\d\d% not used: any object without a class of its own\s", text)
    assert "5 samples in 3 shards; 3,000 pixels: " in text
    assert "1 of 35 labels has no pixel here: license plate." in text
    assert text.rstrip().endswith(f"{tmp_path}/out/report.html")
    again = run("cityscapes", tmp_path / "root", tmp_path / "out", "--samples-per-shard", "2")
    assert "5 samples in 3 shards (3 kept from before)" in again.stdout


def test_boxes_and_options_of_a_dataset(tmp_path: Path) -> None:
    write_gtsdb(tmp_path / "gtsdb")
    result = run("gtsdb", tmp_path / "gtsdb", tmp_path / "signs", "--option", "overlaps=ignore")
    assert "(no annotation)" in result.stdout and "outside all boxes" in result.stdout
    write_vistas(tmp_path / "vistas", releases=["1.2", "2.0"])
    result = run(
        "mapillary-vistas", tmp_path / "vistas", tmp_path / "out", "--split", "validation", "--option", "release=1.2"
    )
    assert '"dataset": "mapillary-vistas-1.2"' in (tmp_path / "out" / "manifest.json").read_text()


def test_the_summary_breaks_no_name_of_vistas_at_80_columns(tmp_path: Path) -> None:
    write_vistas(tmp_path / "vistas", releases=["1.2"])
    result = CliRunner(env={"COLUMNS": "80"}).invoke(
        cli, ["convert", "mapillary-vistas", *map(str, (tmp_path / "vistas", tmp_path / "out", "--split=validation"))]
    )
    lines = result.stdout.splitlines()
    assert max(map(len, lines[:-1])) <= 80  # the last one is the report's path
    labels = json.loads((tmp_path / "out" / "manifest.json").read_text())["labels"]
    shown = {line.split()[0] for line in lines if "%" in line}
    names = {label["native_name"] for label in labels if label["pixels"]}
    assert max(map(len, names)) > 30
    assert names <= shown
    assert "not used: no label was given" in " ".join(result.stdout.split())


def test_a_damaged_image_and_the_way_to_keep_it(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "root", count=1)
    (path,) = (tmp_path / "root").rglob("*_leftImg8bit.png")
    data = bytearray(path.read_bytes())
    data[data.index(b"IEND") - 5] ^= 1  # in the checksum of the pixel data: decoders do not compare it
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="--check decode tries") as caught:
        run("cityscapes", tmp_path / "root", tmp_path / "out")
    assert caught.value.where == str(path)
    result = run("cityscapes", tmp_path / "root", tmp_path / "out", "--check", "decode")
    assert result.exit_code == 0, result.output
    assert "1 sample in 1 shard" in result.output


def test_samples_left_out_are_listed(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "root")
    path = tmp_path / "root/gtFine/train/ulm/ulm_000002_000019_gtFine_labelIds.png"
    path.write_bytes(path.read_bytes()[:80])
    result = run("cityscapes", tmp_path / "root", tmp_path / "out", "--on-error", "skip")
    text = " ".join(result.stdout.split())
    assert "4 samples in 1 shard, 1 left out" in text
    assert "left out: ulm_000002_000019: " in text and "cut short or broken" in text
    assert "--on-error" not in text, "it is left out already"
    with pytest.raises(DatasetError, match="Make, unpack or download it again, or leave it out: --on-error skip"):
        run("cityscapes", tmp_path / "root", tmp_path / "stopped")


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["cityscape", "root", "out"], ConfigError, "no converter is called 'cityscape'. Did you mean 'cityscapes'?"),
        (["cityscapes", "rot", "out"], DatasetError, "rot: no such folder."),
        (["cityscapes", "root", "out", "--split", "trian"], DatasetError, "no split 'trian'. Did you mean 'train'?"),
        (
            ["cityscapes", "root", "out", "--option", "release"],
            ConfigError,
            "--option 'release' is not of the form NAME=VALUE. Write annotations=... (gtFine (the default) or "
            "gtCoarse) or labels=... (ids or polygons (default: ids, where there are any)).",
        ),
        (
            ["mapillary-vistas", "root", "out", "--option", "release"],
            ConfigError,
            "Write release=... (1.2 or 2.0 (default: the newest found)).",
        ),
        (["kitti", "root", "out", "--option", "x"], ConfigError, "KITTI has no options."),
        (["cityscapes", "root", "out", "--option", "a=b"], ConfigError, "Cityscapes has no option 'a'."),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], kind: type[Exception], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cityscapes(tmp_path / "root")
    with pytest.raises(kind) as caught:
        run(*arguments)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(contents_of(tmp_path)) == ["root"]


def contents_of(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_numbers_out_of_range_are_for_click_to_refuse(tmp_path: Path) -> None:
    for option in ("--short-side", "--samples-per-shard"):
        result = run("cityscapes", tmp_path, tmp_path / "out", option, "0")
        assert result.exit_code == 2 and option in result.stderr
    assert run("cityscapes", tmp_path, tmp_path / "out", "--workers", "-1").exit_code == 2


def test_the_help_knows_every_converter_and_codec() -> None:
    text = run("--help").stdout
    for name in CONVERTERS:
        (line,) = [line for line in text.splitlines() if line.strip().startswith(f"{name} ")]
        assert ", ".join(find_converter(name).splits) in line
    (codec,) = [p for p in command.params if p.name == "image_codec"]
    assert isinstance(codec.type, click.Choice) and list(codec.type.choices) == list(CODECS)


def test_the_help_lists_converters_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [
        EntryPoint("fading", "tests.cli.test_convert:Fading", "labelforge.converters"),
        EntryPoint("gone", "nowhere.at_all:Gone", "labelforge.converters"),
    ]
    monkeypatch.setattr("labelforge.converters.registry.entry_points", lambda group: others)
    text = " ".join(run("--help").stdout.split())
    listed = text[text.index("Datasets:") : text.index("Options:")]
    assert "gtsdb splits train, test, all; options overlaps, fill " in listed
    assert listed.strip().endswith(
        "fading splits dusk, dawn; options hours, lamps "
        "gone the converter 'gone' cannot be loaded (No module named 'nowhere'). "
        "Repair or remove the module nowhere.at_all, which adds it. "
        "auto whichever ROOT looks like "
        "dataset.yaml your own, as 'labelforge init' describes it"
    )
    with pytest.raises(ConfigError, match="the converter 'gone' cannot be loaded"):
        run("gone", "root", "out")


class Fading(Converter):
    """A converter as another package has it."""

    name = "fading"
    title = "Fading light"
    splits = ("dusk", "dawn")
    option_help: ClassVar[Mapping[str, str]] = {"hours": "1 to 12"}

    def __init__(self, root: str | os.PathLike[str], *, hours: int = 1, lamps: bool = False) -> None:
        super().__init__(root)

    def sources(self, split: str) -> list[Source]:
        return []

    def labels(self, source: Source) -> NativeLabels:
        return Unannotated()


def test_the_progress_bar_is_not_in_the_way_of_the_summary(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "root", count=1)
    result = run("cityscapes", tmp_path / "root", tmp_path / "out")
    assert result.stderr == "cityscapes train: 1 of 1 samples, 0 s\n"
    assert "1 of 1 samples" not in result.stdout
    assert "manifest.json" in contents(tmp_path / "out")


def test_an_error_stands_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "labelforge", "convert", "cityscapes", str(tmp_path), str(tmp_path / "out")]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: ") and failed.stderr.count("\n") == 1
