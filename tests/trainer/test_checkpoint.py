"""Checkpoints: exact round trips, nothing partial, and clear errors about broken ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from labelforge.errors import CheckpointError
from labelforge.logits import LogitLayout
from labelforge.targets import TargetTable
from labelforge.trainer.checkpoint import Checkpoint, best_checkpoint, find_checkpoint, list_checkpoints
from labelforge.trainer.checkpoint_writer import mark_best, save_checkpoint
from tests.trainer.tiny import TREE, mapping, tiny_config

CONFIG = tiny_config(loss={"nodes": {"sign/front": 0.5}}, model={"head": "flat-union"})
MAPPINGS = [mapping("boxes"), mapping("dense")]


def save(run: Path, step: int, keep: int = 2) -> Path:
    generator = torch.Generator().manual_seed(step)
    weights = {
        "w": torch.randn(2, 3, 2, 2, generator=generator).to(memory_format=torch.channels_last),
        "count": torch.tensor(step),
    }
    average = {"w": torch.randn(2, 3, 2, 2, generator=generator), "count": torch.tensor(step)}
    state = {"rng/cpu": torch.arange(9, dtype=torch.uint8), "half": torch.randn(3, generator=generator).bfloat16()}
    return save_checkpoint(
        run,
        step=step,
        config=CONFIG,
        layout=LogitLayout.compile(TREE, MAPPINGS, CONFIG.model.head),
        mappings=MAPPINGS,
        samples=[2, 3],
        weights=weights,
        average=average,
        state=state,
        keep=keep,
    )


def test_everything_comes_back(tmp_path: Path) -> None:
    found = find_checkpoint(save(tmp_path, 7).parents[1])
    generator = torch.Generator().manual_seed(7)
    assert torch.equal(found.weights(average=False)["w"], torch.randn(2, 3, 2, 2, generator=generator))
    assert torch.equal(found.weights(average=True)["w"], torch.randn(2, 3, 2, 2, generator=generator))
    state = found.state()
    assert torch.equal(state["rng/cpu"], torch.arange(9, dtype=torch.uint8))
    assert torch.equal(state["half"], torch.randn(3, generator=generator).bfloat16())
    assert found.step == 7
    assert found.config == CONFIG
    assert found.taxonomy.digest == TREE.digest
    assert found.taxonomy.node("car").color == TREE.node("car").color
    assert [m.digest for m in found.mappings] == [mapping("boxes").digest, mapping("dense").digest]
    assert [d.samples for d in found.about.datasets] == [2, 3]
    trained = TargetTable.compile(TREE, MAPPINGS, head="flat-union").layout
    assert found.layout.classes == trained.classes
    assert (found.layout.class_names, found.layout.slices) == (trained.class_names, trained.slices)


def test_the_latest_is_found_and_the_oldest_go(tmp_path: Path) -> None:
    for step in (5, 100, 99_999_999, 20):
        save(tmp_path, step, keep=3)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-0000020", "step-0000100", "step-99999999"]
    assert find_checkpoint(tmp_path).step == 99_999_999
    assert find_checkpoint(tmp_path / "checkpoints" / "step-0000100").step == 100
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-0000020",
        "step-0000100",
        "step-99999999",
    ]


def test_the_best_is_named_by_a_file_and_never_removed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"best: no such file: nothing was validated.* Train with --val SHARDS"):
        find_checkpoint(tmp_path / "best")
    assert best_checkpoint(tmp_path) is None
    save(tmp_path, 1)
    mark_best(tmp_path, 1, keep=2)
    for step in (2, 3, 4):
        save(tmp_path, step, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-0000001", "step-0000003", "step-0000004"]
    assert find_checkpoint(tmp_path / "best").step == 1
    assert find_checkpoint(tmp_path).step == 4
    mark_best(tmp_path, 3, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-0000003", "step-0000004"]
    assert best_checkpoint(tmp_path) == tmp_path / "checkpoints" / "step-0000003"
    with pytest.raises(CheckpointError, match=r"step-0000001: no such checkpoint"):
        mark_best(tmp_path, 1, keep=2)

    shutil.copy(tmp_path / "best", tmp_path / "checkpoints" / "best")
    with pytest.raises(CheckpointError, match=r"best: names checkpoints/step-0000003, which is not here\. Copy checkp"):
        find_checkpoint(tmp_path / "checkpoints" / "best")
    for content in (b"../../elsewhere\n", b"\xff", b""):
        (tmp_path / "best").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"best: does not name a checkpoint"):
            find_checkpoint(tmp_path / "best")
    save(tmp_path, 5)  # whatever the file says, training goes on


def test_a_save_that_breaks_off_leaves_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_half(_: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError("disk full")

    save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(safetensors.torch, "save_file", write_half)
        with pytest.raises(CheckpointError, match=r"step-0000002: cannot be written \(disk full\)\. Free some space"):
            save(tmp_path, 2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-0000001"]
    save(tmp_path, 3)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-0000001", "step-0000003"]  # what the broken save left is gone too


def test_saving_a_step_again_changes_nothing(tmp_path: Path) -> None:
    folder = save(tmp_path, 4)
    before = (folder / "checkpoint.json").stat().st_mtime_ns
    assert save(tmp_path, 4) == folder
    assert (folder / "checkpoint.json").stat().st_mtime_ns == before


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def edit(key: str, value: object) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        content = json.loads(file.read_text())
        content[key] = value
        file.write_text(json.dumps(content))

    return change


def of_the_first_format(file: Path) -> None:
    """Version 1 had no classifiers: what a file of another version lacks is not what to tell."""
    content = json.loads(file.read_text())
    del content["classifiers"]
    file.write_text(json.dumps(content | {"version": 1}))


@pytest.mark.parametrize(
    ("name", "damage", "what"),
    [
        ("average.safetensors", cut, "cut short: "),
        ("average.safetensors", flip, "SHA-256 differs"),
        ("average.safetensors", Path.unlink, "no such file"),
        ("checkpoint.json", cut, "not readable"),
        ("checkpoint.json", Path.unlink, "no such file"),
        ("checkpoint.json", edit("version", 99), "format version 99"),
        ("checkpoint.json", of_the_first_format, "format version 1. Use labelforge 0.1.0, or train again"),
        ("checkpoint.json", edit("classifiers", []), "its classifiers: they are not complete"),
        ("checkpoint.json", edit("taxonomy_digest", "0" * 64), "its taxonomy was changed by hand"),
        ("checkpoint.json", edit("taxonomy", {"name": "x"}), "its taxonomy: "),
        ("checkpoint.json", edit("surprise", 1), "not readable"),
    ],
)
def test_a_broken_checkpoint_is_one_line_naming_the_file(
    tmp_path: Path, name: str, damage: Callable[[Path], None], what: str
) -> None:
    folder = save(tmp_path, 1)
    damage(folder / name)
    with pytest.raises(CheckpointError) as caught:
        opened = find_checkpoint(tmp_path)
        assert opened.layout is not None
        opened.weights(average=True)
    message = str(caught.value)
    assert message.startswith(f"{folder / name}: ")
    assert what in message
    assert "\n" not in message
    assert message.count(". ") >= 1  # a cure follows


def test_a_path_without_checkpoint_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint in this folder\. Give the --out folder"):
        find_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="no such folder"):
        find_checkpoint(tmp_path / "none")
    (tmp_path / "text").write_text("no run")
    with pytest.raises(CheckpointError, match="text: is a file, not a folder"):
        find_checkpoint(tmp_path / "text")
    with pytest.raises(CheckpointError, match=r"checkpoint\.json: no such file"):
        find_checkpoint(tmp_path / "step-0000009")


def test_a_checkpoint_needs_nothing_but_its_folder(tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(save(tmp_path, 1), moved)
    shutil.rmtree(tmp_path / "checkpoints")
    assert Checkpoint.open(moved).taxonomy.name == "tiny"
    assert find_checkpoint(moved).step == 1
