"""Where a run begins, and how its folder describes it."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest
import torch
from torch.torch_version import TorchVersion

from labelforge.errors import CheckpointError, ConfigError
from labelforge.logits import LogitLayout
from labelforge.trainer.checkpoint_writer import save_checkpoint
from labelforge.trainer.run_folder import RunStart, describe_environment, open_run, write_description
from labelforge.trainer.settings import load_config
from tests.trainer.tiny import TREE, mapping, tiny_config

CPU = torch.device("cpu")


def save(run: Path, step: int) -> Path:
    return save_checkpoint(
        run,
        step=step,
        config=tiny_config(),
        layout=LogitLayout.compile(TREE),
        mappings=[mapping("dense")],
        samples=[1],
        weights={},
        average={},
        state={},
        keep=2,
    )


def test_a_new_run_begins_at_its_first_step_and_writes_nothing_yet(tmp_path: Path) -> None:
    start = open_run(tmp_path / "new", resume=False)
    assert (start.folder, start.config_file, start.checkpoint, start.step) == (tmp_path / "new", None, None, 0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "notes.txt").touch()
    assert open_run(tmp_path, resume=False).step == 0  # a folder with other things in it is as good


def test_a_run_goes_on_from_its_latest_checkpoint(tmp_path: Path) -> None:
    write_description(RunStart(tmp_path), tiny_config(), CPU)
    for step in (30, 4):
        save(tmp_path, step)
    start = open_run(tmp_path, resume=True)
    assert (start.step, start.config_file) == (30, tmp_path / "config.yaml")
    assert start.checkpoint is not None and start.checkpoint.folder.name == "step-0000030"


def test_a_run_without_checkpoint_goes_on_from_its_first_step(tmp_path: Path) -> None:
    write_description(RunStart(tmp_path), tiny_config(), CPU)
    start = open_run(tmp_path, resume=True)
    assert (start.step, start.checkpoint, start.config_file) == (0, None, tmp_path / "config.yaml")


@pytest.mark.parametrize("trace", ["config.yaml", "checkpoints"])
def test_a_run_is_overwritten_by_none(tmp_path: Path, trace: str) -> None:
    if trace == "checkpoints":
        save(tmp_path, 1)
    else:
        write_description(RunStart(tmp_path), tiny_config(), CPU)
    with pytest.raises(ConfigError, match=r"already holds a run\. Add --resume"):
        open_run(tmp_path, resume=False)


def test_where_there_is_no_run_none_goes_on(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigError, match="there is no run to resume"):
            open_run(folder, resume=True)
    (tmp_path / "file").touch()
    for resume in (False, True):
        with pytest.raises(ConfigError, match="not a folder"):
            open_run(tmp_path / "file", resume=resume)


def test_a_broken_latest_checkpoint_is_not_passed_over(tmp_path: Path) -> None:
    """Going on from the one before would silently lose steps."""
    write_description(RunStart(tmp_path), tiny_config(), CPU)
    save(tmp_path, 1)
    (save(tmp_path, 2) / "checkpoint.json").unlink()
    with pytest.raises(CheckpointError, match=r"step-0000002.*no such file"):
        open_run(tmp_path, resume=True)


@pytest.mark.parametrize("build", ["2.13.0", "2.13.0+cu130", "2.14.0a0+git1234abc"])
def test_the_environment_names_the_build_of_torch(monkeypatch: pytest.MonkeyPatch, build: str) -> None:
    """Builds for CPUs and for CUDA give different results, and the metadata of both may say just 2.13.0."""
    monkeypatch.setattr(torch, "__version__", TorchVersion(build))
    packages = describe_environment(CPU)["packages"]
    assert json.loads(json.dumps(packages))["torch"] == build


def test_a_folder_describes_configuration_and_machine(tmp_path: Path) -> None:
    config = tiny_config(optim={"lr": 0.5}, data={"batch": {"mapillary-vistas-1.2": 3}})
    write_description(RunStart(tmp_path / "deep" / "run"), config, CPU)
    assert load_config(tmp_path / "deep" / "run" / "config.yaml") == config
    environment = json.loads((tmp_path / "deep" / "run" / "environment.json").read_text())
    for package in ("numpy", "safetensors"):
        assert environment["packages"][package] == importlib.metadata.version(package)
    assert environment["cuda"] is None
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be written \(.*Name a folder that you may write to"):
        write_description(RunStart(tmp_path / "file" / "run"), config, CPU)


def test_a_folder_in_which_another_run_was_begun_meanwhile_is_not_written_to(tmp_path: Path) -> None:
    first, second = open_run(tmp_path / "run", resume=False), open_run(tmp_path / "run", resume=False)
    write_description(first, tiny_config(), CPU)
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    with pytest.raises(ConfigError, match="another run was begun in this folder"):
        write_description(second, tiny_config(seed=5), CPU)
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before
