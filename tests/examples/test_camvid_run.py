"""The CamVid example from the command line, on made frames and on real ones, at toy size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from camvid_experiment.command import main
from camvid_experiment.experiment import Choice
from camvid_experiment.pool import Pool
from labelforge.trainer import evaluate
from tests.converters.layouts import label_blocks, picture, save

pytestmark = pytest.mark.usefixtures("backbone")

TOY = """\
crops: 2
base:
  precision: float32
  steps: 2
  model: {backbone: tiny, features: 8}
  data: {crop: [32, 48], workers: 0}
forms:
  small: {settings: {}, learning_rates: [0.01, 0.1]}
pictures: [ours]
logit_adjustments: [0, 2]
runs:
  - {name: ours, kind: ours, datasets: [fine, boxes]}
  - {name: rival, kind: rival, datasets: [fine], settings: {model: {head: flat-marginal}}, by: [sum]}
  - {name: the same rival, kind: rival, datasets: [fine], settings: {model: {head: flat-marginal}}, by: [winner]}
  - {name: gate off, kind: ablation, like: ours, settings: {loss: {gate: none}}}
"""

SHOWN = [*range(12), *[3] * 12]
"""Ids of the frames: roads are frequent, so that adjusting logits changes answers."""

AMOUNTS = """\
  - {name: "ours {F}", amounts: [80, 120], kind: ablation, like: ours}
  - {name: "rival {F}", amounts: [80, 120], kind: rival, datasets: [fine], settings: {model: {head: flat-marginal}}}
"""


def write_toy(folder: Path) -> list[str]:
    """A CamVid of made frames with a test split, a table of runs, and the arguments that use them."""
    for split, count in (("train", 24), ("test", 3)):
        for i in range(count):
            key = f"{('0001TP', '0016E5')[i % 2]}_{split}{i:04d}"
            save(folder / "camvid" / split / f"{key}.png", picture(i, 36, 48))
            save(folder / "camvid" / f"{split}annot" / f"{key}.png", label_blocks(i, SHOWN, 36, 48))
    (folder / "runs.yaml").write_text(TOY)
    given = {"--data": folder / "camvid", "--out": folder / "out", "--runs": folder / "runs.yaml", "--workers": 0}
    return [*(str(part) for pair in given.items() for part in pair), "--small", "--seeds", "3", "4"]


def rows(out: Path) -> list[dict[str, Any]]:
    return list(json.loads((out / "results.json").read_text()))


def test_from_frames_to_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, out = write_toy(tmp_path), tmp_path / "out"
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "Choosing: 4 trainings" in said and "Counting: 6 trainings" in said  # the rivals share theirs
    found = rows(out)
    assert {(row["run"], row["seed"], row["split"]) for row in found} == {
        (run, seed, "test") for run in ("ours", "rival", "the same rival", "gate off") for seed in (3, 4)
    }
    for row in found:
        assert row["miou"] == pytest.approx(np.mean([value or 0 for value in row["iou"].values()]))
        assert len(row["iou"]) == 11 and 0 <= row["mean_accuracy"] <= 1
    text = (out / "RESULTS.md").read_text()
    for row in found:
        assert f"| {row['run']} |" in text
    pictures = sorted((out / "pictures").iterdir())
    assert len(pictures) == 3
    with Image.open(pictures[0]) as drawn:
        assert drawn.size[0] == 2 * 48 + 18
    (folder,) = (out / "runs" / "count").glob("flat-marginal-*-seed-3-*")
    (evaluation,) = evaluate(folder, [out / "shards" / "test"], by="sum", device="cpu")
    traded = json.loads((out / "trade.json").read_text())
    plain = {(row["run"], row["seed"]): row for row in traded if row["logit_adjustment"] == 0}
    assert plain["rival", 3]["official_miou"] == evaluation.scores.mean_iou
    assert {row["run"] for row in traded} == {"ours", "rival", "the same rival"}, "an ablation is counted as chosen"
    for row in found:
        same = [each for each in traded if all(each[name] == row[name] for name in ("run", "seed", "logit_adjustment"))]
        assert same == [row] * (row["run"] != "gate off")
    _is_adjusted(folder, out, traded)
    _goes_on(arguments, out, capsys)


def _is_adjusted(folder: Path, out: Path, traded: list[dict[str, Any]]) -> None:
    """The rows with an adjustment, and their table, are what evaluating the network with it says."""
    (evaluation,) = evaluate(folder, [out / "shards" / "test"], by="sum", device="cpu", logit_adjustment=2.0)
    rows = {row["seed"]: row for row in traded if (row["run"], row["logit_adjustment"]) == ("rival", 2)}
    assert rows[3]["official_miou"] == evaluation.scores.mean_iou
    (plain,) = [row for row in traded if (row["run"], row["seed"], row["logit_adjustment"]) == ("rival", 3, 0)]
    assert plain["accuracy"] != rows[3]["accuracy"], "or this would show nothing"
    means = [100 * np.mean([row[name] for row in rows.values()]) for name in ("miou", "mean_accuracy")]
    text = (out / "RESULTS.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("| rival |") and " / " in line]
    assert line.replace("*", "").endswith(f"| {means[0]:.1f} / {means[1]:.1f} |")


def test_tables_for_each_number_of_fine_frames(tmp_path: Path) -> None:
    arguments, out = write_toy(tmp_path), tmp_path / "out"
    table = TOY.replace("learning_rates: [0.01, 0.1]", "learning_rates: [0.1], ablation_seeds: 1")
    (tmp_path / "runs.yaml").write_text(table + AMOUNTS)
    assert main(arguments) == 0
    text = (out / "RESULTS.md").read_text()
    heads = [line for line in text.splitlines() if line.startswith("### ")]
    assert heads == [f"### {fine} frames with fine labels" for fine in (40, 80, 120)] + ["### Variations"]
    (by_amount,) = [part for part in text.split("\n\n") if part.startswith("| measure | run | F40 | F80 | F120 |")]
    assert "over the seeds that all of these have (3)" in text, "variations have one seed"
    cells = {tuple(line.split(" | ")[:2]): line.split(" | ")[2:] for line in by_amount.splitlines()[2:]}
    found = {(row["run"], row["seed"]): row["miou"] for row in rows(out)}
    for number, name in enumerate(("ours", "ours F80", "ours F120")):
        assert cells["| mIoU", "ours"][number].strip(" |") == f"{100 * found[name, 3]:.1f}"


def test_both_figures_count_in_a_choice(tmp_path: Path) -> None:
    arguments, out = write_toy(tmp_path), tmp_path / "out"
    assert main(arguments) == 0
    records = [json.loads(file.read_text()) for file in (out / "runs" / "choose").glob("*/record.json")]
    worth = {(s["miou"] + s["mean_accuracy"]) / 2 for record in records for s in record["scores"].values()}
    for choice in json.loads((out / "choices.json").read_text()):
        tried = [each["mean of miou and mean_accuracy"] for each in choice["tried"]]
        assert set(tried) <= worth and len(tried) == 4
        best = {name: choice[name] for name in ("lr", "option", "by", "over", "logit_adjustment")}
        assert [each for each in choice["tried"] if best.items() <= each.items()] == [
            max(choice["tried"], key=lambda each: float(each["mean of miou and mean_accuracy"]))
        ]


def test_an_option_that_was_chosen_is_trained_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, out, kept = write_toy(tmp_path), tmp_path / "out", []
    option = "datasets: [fine, boxes], options: {wide: {model: {features: 16}, loss: {gate: path}}}}"
    (tmp_path / "runs.yaml").write_text(TOY.replace("datasets: [fine, boxes]}", option))
    do = Pool.do

    def watched(pool: Pool, *given: Any, **how: Any) -> Any:
        kept.append(how["keep"])
        return do(pool, *given, **how)

    monkeypatch.setattr(Pool, "do", watched)
    monkeypatch.setattr(Choice, "of", lambda tried: Choice([*tried][-1], tried))
    assert main(arguments) == 0
    assert kept == [True, False, False], "features stay until the options are tried"
    chosen = {choice["run"]: choice["option"] for choice in json.loads((out / "choices.json").read_text())}
    assert chosen == {"ours": "wide", "rival": "", "the same rival": ""}
    runs = [yaml.safe_load(file.read_text()) for file in (out / "runs" / "count").glob("*seed-3*/config.yaml")]
    made = {(run["model"]["head"], run["model"]["features"], run["loss"]["gate"]) for run in runs}
    own = {("hierarchical", 16, "path"), ("hierarchical", 16, "none")}  # what a run itself sets lies over its option
    assert made == own | {("flat-marginal", 8, "parent")}


def _goes_on(arguments: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command does nothing twice; what is missing it makes."""
    before = (out / "results.json").read_bytes()
    records = {path: path.stat().st_mtime_ns for path in out.rglob("record.json")}
    lost = sorted(records)[-1]
    lost.unlink()
    assert main([*arguments, "--frames", str(out.parent / "camvid")]) == 0
    assert "5 of 6 are done already" not in capsys.readouterr().out  # all are scored on the new frames
    after = rows(out)
    assert [row for row in after if row["split"] == "test"] == json.loads(before)
    assert len(after) == 2 * len(json.loads(before))


def test_networks_of_an_earlier_version_are_trained_again(tmp_path: Path) -> None:
    arguments, out = write_toy(tmp_path), tmp_path / "out"
    (tmp_path / "runs.yaml").write_text(TOY.replace("logit_adjustments: [0, 2]\n", ""))
    assert main(arguments) == 0
    assert not {row["logit_adjustment"] for row in rows(out)} - {0}
    for file in out.glob("runs/count/*/checkpoints/*/checkpoint.json"):
        about = json.loads(file.read_text())
        del about["priors"]
        file.write_text(json.dumps(about))
    (tmp_path / "runs.yaml").write_text(TOY)
    assert main(arguments) == 0
    assert {row["logit_adjustment"] for row in json.loads((out / "trade.json").read_text())} == {0, 2}


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = write_toy(tmp_path)
    for path in (tmp_path / "camvid" / "testannot").iterdir():
        path.unlink()
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert main([*arguments, "--seeds", "0", "1000"]) == 2
    assert "that seed chooses" in capsys.readouterr().err
    file = tmp_path / "runs.yaml"
    assert main([*arguments, "--out", str(file)]) == 2
    assert capsys.readouterr().err == f"error: {file}: is a file. Name a folder with --out.\n"
    assert file.read_text() == TOY
    file.write_text(TOY.replace("  small:", "  full:"))
    assert main(arguments) == 2
    assert capsys.readouterr().err == "error: the table of runs has no form 'small'. Leave --small out.\n"


def test_what_goes_wrong_in_another_process_is_said_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = write_toy(tmp_path)
    table = yaml.safe_load(TOY)
    table["base"]["model"] = {"backbone": "resnet18", "weights": str(tmp_path / "lost.pth")}
    (tmp_path / "runs.yaml").write_text(yaml.safe_dump(table))
    assert main([*arguments, "--workers", "1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "lost.pth" in said and said.count("\n") == 1


def test_a_few_real_frames(tmp_path: Path, shared_data: Path) -> None:
    arguments, real = write_toy(tmp_path), shared_data / "camvid"
    for split, step in (("train", 12), ("val", 50)):
        for image in sorted((real / split).iterdir())[::step]:
            for file in (image, real / f"{split}annot" / f"{image.stem}.png"):
                link = tmp_path / "real" / file.parent.name / file.name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file)
    table = yaml.safe_load(TOY)
    table["forms"]["small"]["learning_rates"] = [0.1]
    table["purity_of"] = "ours"
    (tmp_path / "runs.yaml").write_text(yaml.safe_dump(table))
    assert main([*arguments, "--data", str(tmp_path / "real"), "--seeds", "0"]) == 0
    assert {row["split"] for row in rows(tmp_path / "out")} == {"val"}
    boxed = (tmp_path / "out" / "data" / "boxes.csv").read_text().splitlines()[1:]
    assert {line.split(",")[1] for line in boxed} == {"car", "pedestrian", "bicyclist", "sign"}
    found = json.loads((tmp_path / "out" / "purity.json").read_text())
    assert [each["step"] for each in found if each["label"] == "all"] == [1, 2]
    right, pixels = _box_pixels(tmp_path / "out" / "data")
    for each in found:
        names = list(right) if each["label"] == "all" else [each["label"]]
        expected = sum(right[name] for name in names), sum(pixels[name] for name in names)
        assert (each["right"], each["pixels"]) == expected
    assert "## What boxes teach" in (tmp_path / "out" / "RESULTS.md").read_text()


def _box_pixels(data: Path) -> tuple[dict[str, int], dict[str, int]]:
    """By the name of the boxes: pixels inside that show it by their fine labels, and all that are labelled."""
    ids = {"car": 8, "pedestrian": 9, "bicyclist": 10}
    right, pixels = dict.fromkeys(ids, 0), dict.fromkeys(ids, 0)
    lines = [line.split(",") for line in (data / "boxes.csv").read_text().splitlines()[1:]]
    for key in [key for file in (data / "lists").glob("0-040-207-*.txt") for key in file.read_text().split()]:
        fine = np.asarray(Image.open(data / "fine" / f"{key}.png"))
        drawn = np.zeros(fine.shape, int)
        boxes = [(name, [int(side) for side in sides]) for each, name, *sides in lines if each == key and name in ids]
        for name, (x0, y0, x1, y1) in sorted(boxes, key=lambda box: -(box[1][2] - box[1][0]) * (box[1][3] - box[1][1])):
            drawn[y0:y1, x0:x1] = ids[name]
        for name, number in ids.items():
            right[name] += int(((drawn == number) & (fine == number)).sum())
            pixels[name] += int(((drawn == number) & (fine != 11)).sum())
    return right, pixels
