"""``labelforge taxonomy draft`` as it is called."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labelforge.cli import cli
from labelforge.draft import leave_one_out, markdown_table
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy, shipped_folder


def run(*arguments: str | Path, width: int = 90) -> Result:
    """Call the command on a terminal of some width."""
    return CliRunner().invoke(cli, ["taxonomy", "draft", *map(str, arguments)], env={"COLUMNS": str(width)})


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    file = tmp_path / "mine.txt"
    file.write_text("road\ncar\nfrobnicator\npedestrain\n")
    return file


def test_a_draft_is_printed_with_the_summary_aside(labels: Path) -> None:
    result = run(labels)
    assert result.exit_code == 0
    assert result.stdout.startswith("# A draft: what the 4 labels of mine mean")
    assert "mine: read as a name a line, 4 labels" in result.stderr
    assert "frobnicator" in result.stderr


def test_a_draft_is_written_into_a_tree_of_ones_own(labels: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    shutil.copytree(shipped_folder() / "streets", folder)
    (folder / "label_spaces").mkdir()
    space = folder / "label_spaces" / "town.yaml"
    result = run(
        labels, "--taxonomy", folder, "-o", folder / "town.yaml", "--label-space", space, "--supervision", "box"
    )
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "TODO frobnicator" in lines
    assert any(line.startswith("check pedestrain person spelt like 'pedestrian'") for line in lines)
    assert max(len(line) for line in result.stdout.splitlines() if str(tmp_path) not in line) <= 90
    assert LabelSpace.load(space).names == ("road", "car", "frobnicator", "pedestrain")
    mapping = LabelMapping.load(Taxonomy.load(folder), "town")
    assert (mapping.dataset, mapping.supervision, len(mapping.rows)) == ("town", "box", 5)
    assert CliRunner().invoke(cli, ["lint", str(folder)]).exit_code == 0


@pytest.mark.parametrize("arguments", [[], ["-o", "draft.yaml"], ["-o", "a b.yaml", "--label-space", "a list.yaml"]])
def test_the_commands_that_come_next_can_be_run(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my labels.txt").write_text("road\ncar\nfrobnicator\n")
    result = run("my labels.txt", *arguments)
    said = (result.stdout if arguments else result.stderr).splitlines()
    steps = [
        shlex.split(line) for line in said if line.startswith("  ") and line.split()[0] in ("cp", "mkdir", "labelforge")
    ]
    assert steps[0][:2] == ["cp", "-r"] and steps[-1] == ["labelforge", "lint", "my-streets"]
    for step in steps:
        if step[0] == "labelforge":
            last = CliRunner().invoke(cli, step[1:], catch_exceptions=False)
            assert last.exit_code == 0, step
        else:
            subprocess.run(step, check=True)
    assert "frobnicator" in last.stdout
    (mapping,) = {*Path("my-streets").glob("*.yaml")} - {
        Path("my-streets", file.name) for file in (shipped_folder() / "streets").glob("*.yaml")
    }
    assert LabelMapping.load(Taxonomy.load("my-streets"), mapping.stem).rows[1].native_name == "road"


def test_what_is_left_to_do_is_said_of_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "sure.txt").write_text("road\ncar\n")
    said = " ".join(run(tmp_path / "sure.txt").stderr.split())
    assert "Next: read the lines once. Then:" in said
    (tmp_path / "unsure.txt").write_text("road\nfrobnicator\n")
    said = " ".join(run(tmp_path / "unsure.txt").stderr.split())
    assert "Next: decide the 1 line marked TODO, read the others once. Then:" in said


def test_nothing_is_overwritten_unasked(labels: Path, tmp_path: Path) -> None:
    out, space = tmp_path / "out.yaml", tmp_path / "space.yaml"
    space.write_text("mine")
    result = run(labels, "-o", out, "--label-space", space)
    assert "exists already. Name another file, or give --overwrite" in str(result.exception)
    assert not out.exists()
    assert space.read_text() == "mine"
    assert run(labels, "-o", out, "--label-space", space, "--overwrite").exit_code == 0
    assert space.read_text() != "mine"
    assert "exists already" in str(run(labels, "-o", out).exception)


WRONG = {
    "unknown tree": (["mine.txt", "--taxonomy", "street"], "called 'street'. Did you mean 'streets'"),
    "no list": (["gone.txt"], "gone.txt: no such file"),
    "a label space twice": (["town.yaml", "--label-space", "other.yaml"], "is a label space already"),
    "a list to measure": (["mine.txt", "--measure"], "--measure takes no label list"),
    "one file for both": (["mine.txt", "-o", "a.yaml", "--label-space", "./a.yaml"], "is named twice"),
    "no folder": (["mine.txt", "-o", "gone/out.yaml"], "its folder does not exist"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_one_line_and_leave_nothing(
    labels: Path, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "town.yaml").write_text("name: town\nlabels: [{id: 0, name: road}]\n")
    before = sorted(tmp_path.iterdir())
    arguments, message = WRONG[case]
    result = run(*arguments)
    assert message in str(result.exception)
    assert sorted(tmp_path.iterdir()) == before


def test_without_a_list_the_usage_is_shown() -> None:
    result = run()
    assert result.exit_code == 2
    assert "Missing argument 'LABELS'" in result.stderr


def test_how_good_drafts_are_is_printed() -> None:
    tree = Taxonomy.load("iv2018")
    assert run("--measure", "--taxonomy", "iv2018").stdout == markdown_table(
        leave_one_out(tree), leave_one_out(tree, twins=True)
    )
