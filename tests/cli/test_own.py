"""Your own data from the command line: convert, lint, tree-viz and retarget of a ``dataset.yaml``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labelforge.cli import cli
from labelforge.errors import ConfigError, DatasetError, ShardError, TaxonomyError, counted
from tests.converters.layouts import contents, picture, save, write_cityscapes
from tests.converters.own_layouts import put, write_palette


def run(*arguments: str | Path) -> Result:
    runner = CliRunner(env={"COLUMNS": "100"})
    return runner.invoke(cli, [*map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def yard(tmp_path: Path) -> Path:
    write_palette(tmp_path / "yard")
    return tmp_path / "yard" / "dataset.yaml"


def test_two_arguments_are_enough(yard: Path, tmp_path: Path) -> None:
    result = run("convert", yard, tmp_path / "out", "--workers", "0")
    assert result.exit_code == 0 and "3 samples in 1 shard" in result.stdout and "yard, train" in result.stdout
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["dataset"] == "yard" and manifest["taxonomy"]["definition"]["name"] == "streets"
    run("convert", yard, yard.parent, tmp_path / "again", "--workers", "0", "--split", "train", "--taxonomy", "streets")
    assert contents(tmp_path / "out") == contents(tmp_path / "again")


@pytest.mark.parametrize(
    ("arguments", "form"),
    [
        (["dataset.yaml"], "convert DATASET.yaml [ROOT] OUT"),
        (["dataset.yaml", "a", "b", "c"], "convert DATASET.yaml [ROOT] OUT"),
        (["cityscapes", "out"], "convert cityscapes ROOT OUT"),
        (["auto", "out"], "convert auto ROOT OUT"),
    ],
)
def test_too_few_or_too_many(arguments: list[str], form: str) -> None:
    result = run("convert", *arguments)
    assert result.exit_code == 2
    assert f"{counted(len(arguments), 'argument')} given. Write: labelforge {form}" in result.stderr


def test_lint_and_tree_viz_read_it(yard: Path) -> None:
    result = run("lint", "streets", "--dataset", yard)
    assert result.exit_code == 0 and "yard" in result.stdout
    assert "yard" in run("tree-viz", "streets", "--dataset", yard, "--format", "text").stdout


def test_the_folder_of_the_file_stands_for_it(yard: Path, tmp_path: Path) -> None:
    assert run("convert", yard.parent, tmp_path / "out", "--workers", "0").exit_code == 0
    assert run("lint", "streets", "--dataset", yard.parent).stdout == run("lint", "streets", "--dataset", yard).stdout
    assert "yard" in run("tree-viz", "streets", "--dataset", yard.parent).stdout
    drafted = run("taxonomy", "draft", yard.parent)
    assert drafted.exit_code == 0 and "dataset: yard" in drafted.stdout
    assert "DATASET.yaml [ROOT] OUT" in run("convert", yard.parent).stderr


def test_commands_that_are_proposed_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder with a space in its name: init, what it names, what convert asks for, and what draft names."""
    monkeypatch.chdir(tmp_path)
    write_palette(Path("My Yard (2)"))
    for name in ("dataset.yaml", "mapping.yaml"):
        Path("My Yard (2)", name).unlink()
    said = run("init", "My Yard (2)").stdout.splitlines()
    steps = [shlex.split(line)[1:] for line in said if line.startswith("  labelforge ")]
    with pytest.raises(TaxonomyError, match="no mapping says") as caught:
        run(*steps[-1])
    _, _, make = str(caught.value).partition("Make one: labelforge ")
    drafted = run(*shlex.split(make)).stdout.splitlines()
    steps = [shlex.split(line)[1:] for line in drafted if line.startswith("  labelforge ")]
    assert [step[0] for step in steps] == ["lint", "convert"]
    assert all(run(*step).exit_code == 0 for step in steps)


def test_two_trees_and_the_way_that_there_is(yard: Path, tmp_path: Path) -> None:
    """The tree of the first has no mapping for the second, so the first is to be given the tree of the second."""
    write_cityscapes(tmp_path / "cs")
    shards = [tmp_path / "shards a", tmp_path / "shards b"]
    run("convert", "cityscapes", tmp_path / "cs", shards[0], "--workers", "0")
    run("convert", yard, shards[1], "--workers", "0")
    with pytest.raises(ShardError, match="made for taxonomy") as caught:
        run("train", *shards, "--out", tmp_path / "run")
    command = str(caught.value).partition("Run: labelforge ")[2]
    assert shlex.split(command) == ["retarget", str(shards[0]), "--taxonomy", "streets"]
    assert run(*shlex.split(command)).exit_code == 0
    assert run("lint", "streets", "--shards", shards[0], shards[1]).exit_code == 0
    with pytest.raises(ShardError, match=r"--mapping FILE, where FILE says what the labels of yard mean in iv2018\."):
        run("lint", "iv2018", "--shards", shards[1])


def test_a_mapping_that_was_edited_and_the_command_that_applies_it(yard: Path, tmp_path: Path) -> None:
    out, mapping = tmp_path / "my out", yard.with_name("mapping.yaml")
    run("convert", yard, out, "--workers", "0")
    mapping.write_text(mapping.read_text().replace("sky: sky", "sky: ignore"))
    with pytest.raises(ConfigError, match="was converted when labels meant something else") as caught:
        run("convert", yard, out, "--workers", "0")
    command = shlex.split(str(caught.value).partition("without reading a pixel: labelforge ")[2])
    assert command == ["retarget", str(out), "--taxonomy", "streets", "--mapping", str(mapping)]
    assert "1 of 4 labels changed their meaning" in run(*command).stdout
    with pytest.raises(ConfigError, match="mean what they should: nothing is left to do"):
        run("convert", yard, out, "--workers", "0")
    (out / "manifest.json").unlink()  # as if it had not been finished
    with pytest.raises(ConfigError, match="It was not finished: give it the tree and the mapping of then"):
        run("convert", yard, out, "--workers", "0")


def test_a_folder_that_holds_something_else_says_what(yard: Path, tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "cs")
    run("convert", yard, tmp_path / "out", "--workers", "0")
    with pytest.raises(ConfigError, match=r"holds yard, train; this is cityscapes, train\. Give another folder"):
        run("convert", "cityscapes", tmp_path / "cs", tmp_path / "out", "--workers", "0")
    yard.write_text(yard.read_text().replace("void: 255", "void: 254"))
    with pytest.raises(ConfigError, match=r"with other options \(void\[0\] was 255 and is 254 now\)"):
        run("convert", yard, tmp_path / "out", "--workers", "0")


def test_retarget_takes_its_mapping(yard: Path, tmp_path: Path) -> None:
    run("convert", yard, tmp_path / "out", "--workers", "0")
    mapping = yard.with_name("mapping.yaml")
    with pytest.raises(TaxonomyError, match=r"has no mapping for dataset 'yard'.*--mapping FILE"):
        run("retarget", tmp_path / "out", "--taxonomy", "streets")
    assert "nothing changes" in run("retarget", tmp_path / "out", "--taxonomy", "streets", "--mapping", mapping).stdout
    mapping.write_text(mapping.read_text().replace("sky: sky", "sky: ignore"))
    text = run("retarget", tmp_path / "out", "--taxonomy", "streets", "--mapping", mapping).stdout
    assert "1 of 4 labels changed their meaning" in text
    mapping.write_text(mapping.read_text().replace("yard", "yart"))
    with pytest.raises(TaxonomyError, match="is for the dataset 'yart', but the shards are of 'yard'"):
        run("retarget", tmp_path / "out", "--taxonomy", "streets", "--mapping", mapping)


def test_init_and_the_commands_that_it_names(tmp_path: Path) -> None:
    write_palette(tmp_path / "yard")
    mapping = (tmp_path / "yard/mapping.yaml").read_text()
    (tmp_path / "yard/dataset.yaml").unlink()
    names = ["road", "sky", "car", "person"]
    (tmp_path / "yard/classes.txt").write_text("\n".join(names))
    result = run("init", tmp_path / "yard")
    file = tmp_path / "yard/dataset.yaml"
    assert result.exit_code == 0 and result.stdout.startswith(f"{file}: masks of 4 classes. Check it, then:\n")
    assert f"labelforge taxonomy draft {file} --taxonomy streets -o {tmp_path}/yard/mapping.yaml" in result.stdout
    assert f"labelforge lint streets --dataset {file}\n" in result.stdout
    assert f"labelforge convert {file} OUT --split train\n" in result.stdout
    (tmp_path / "yard/mapping.yaml").write_text(mapping)
    assert run("lint", "streets", "--dataset", file).exit_code == 0
    assert run("convert", file, tmp_path / "out", "--split", "train", "--workers", "0").exit_code == 0
    with pytest.raises(ConfigError, match="there is such a file already, and it is not replaced"):
        run("init", tmp_path / "yard")
    printed = run("init", tmp_path / "yard", "-o", "-").stdout
    assert printed == file.read_text()
    result = run("init", tmp_path / "yard", "-o", tmp_path / "else.yaml")
    assert f"labelforge convert {tmp_path}/else.yaml {tmp_path}/yard OUT --split train\n" in result.stdout
    (tmp_path / "mapping.yaml").write_text(mapping)
    run("convert", tmp_path / "else.yaml", tmp_path / "yard", tmp_path / "again", "--split", "train", "--workers", "0")
    assert contents(tmp_path / "again")["shard-00000.tar"] == contents(tmp_path / "out")["shard-00000.tar"]


def test_init_counts_one_class(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture(0))
    put(tmp_path / "labels/a.txt", "0 0.5 0.5 0.2 0.2\n")
    assert "boxes of 1 class. Check it, then:" in run("init", tmp_path).stdout


def test_nothing_is_written_where_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no pictures"):
        run("init", tmp_path / "empty")
    assert not [*(tmp_path / "empty").iterdir()]


def test_the_schema_of_the_file() -> None:
    schema = json.loads(run("taxonomy", "schema", "dataset").stdout)
    assert "title" in schema["properties"] and schema["title"] == "labelforge dataset"
