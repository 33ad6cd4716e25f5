"""``labelforge retarget`` as it is called, on shards of a real conversion's form."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from labelforge.cli import cli
from labelforge.cli.taxonomy import label_changes
from labelforge.errors import LabelforgeError, ShardError
from labelforge.shards import ShardReader
from labelforge.treediff import LabelChange, MappingDiff
from tests.core.test_retarget import NEW, OLD, convert, tree_folder


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Shards of the old tree; a folder with the new one stands beside them."""
    tree_folder(tmp_path / "old", OLD, "ignore;ground;left;right;rest")
    tree_folder(tmp_path / "new", NEW, "ignore;flat;left;right;ignore")
    convert(tmp_path / "shards", tmp_path / "old")
    return tmp_path / "shards"


def run(*arguments: str | Path) -> Result:
    """Call the command on a terminal of 90 columns."""
    return CliRunner().invoke(cli, ["retarget", *map(str, arguments)], env={"COLUMNS": "90"})


def test_the_difference_is_printed_with_its_pixels(shards: Path) -> None:
    new = shards.parent / "new"
    result = run(shards, "--taxonomy", new)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    digests = (ShardReader(shards).taxonomy.digest[:12], "town, train")
    assert all(part in text for part in digests)
    assert "street 6 ground flat x 6 rest ignore" in text
    assert "2 of 5 labels changed their meaning: 12 of 36 pixels (33.3%); used: 24 -> 18" in text
    again = run(shards, "--taxonomy", new)
    assert "nothing changes" in again.stdout
    assert again.exit_code == 0


def test_a_garbled_manifest_is_named_whatever_is_wrong_in_it(shards: Path) -> None:
    file = shards / "manifest.json"
    good = json.loads(file.read_text())

    def fault(**change: Any) -> str:
        file.write_text(json.dumps(good | change))
        with pytest.raises(ShardError) as caught:
            CliRunner().invoke(
                cli, ["retarget", str(shards), "--taxonomy", str(shards.parent / "new")], catch_exceptions=False
            )
        assert str(caught.value).startswith(f"{file}: ") and "damaged or edited by hand" in str(caught.value)
        return str(caught.value)

    rows = good["labels"]
    assert "taxonomy: the key 'name' is missing" in fault(taxonomy=good["taxonomy"] | {"definition": {}})
    assert "row 3: unknown node 'lefft'" in fault(labels=[*rows[:3], rows[3] | {"target": "lefft"}, *rows[4:]])
    assert "row 2: it has row number 7 instead" in fault(labels=[*rows[:2], rows[2] | {"row": 7}, *rows[3:]])


def test_the_taxonomy_must_be_named(shards: Path) -> None:
    result = run(shards)
    assert result.exit_code == 2
    assert "--taxonomy" in result.stderr


def test_shapes_and_supervision_that_change_are_told(shards: Path) -> None:
    new = shards.parent / "new"
    (new / "town.yaml").write_text((new / "town.yaml").read_text().replace("pixel", "box"))
    text = " ".join(run(shards, "--taxonomy", new).stdout.split())
    assert "its labels count as box labels, no longer as pixel labels" in text
    assert "the boxes of these labels keep the shapes of old; convert again for those of new: right" in text


def test_what_training_asks_for_is_a_command_that_works(shards: Path) -> None:
    """The trainer's refusal names this command; run as it stands there, it makes the shards fit."""
    from labelforge.trainer.data.datasets import check_taxonomy, open_shards

    new = str(shards.parent / "new")
    with pytest.raises(LabelforgeError) as caught:
        check_taxonomy(open_shards([shards]), new)
    assert caught.value.cure is not None
    _, _, words = caught.value.cure.partition("labelforge retarget ")
    assert words
    assert run(*words.rstrip(".").split()).exit_code == 0
    assert check_taxonomy(open_shards([shards]), new).name == "new"


def test_labels_without_a_pixel_are_counted() -> None:
    """Of a hundred labels that a small set of shards does not show, a terminal says how many they are."""
    changes = tuple(LabelChange(label, "a", "b") for label in ("object--very-long-name--of-a-label", "x", "y"))
    console = Console(width=80, file=io.StringIO())
    with console.capture() as capture:
        pixels = {"object--very-long-name--of-a-label": 5, "x": 0, "y": 0}
        console.print(label_changes(MappingDiff("town", changes, None), pixels))
    lines = [" ".join(line.split()) for line in capture.get().splitlines()]
    assert lines[1:] == [
        "object--very-long-name--of-a-label 5 a b",
        "2 labels without a pixel here; labelforge taxonomy diff lists all",
    ]
