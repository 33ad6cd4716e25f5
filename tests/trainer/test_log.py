"""The log says nothing of a classifier that no pixel trained: not in its lines, TensorBoard, charts or progress."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from labelforge.report import Fold, LineChart
from labelforge.report.chart import STYLES
from labelforge.targets import TargetTable
from labelforge.trainer.config import Gate
from labelforge.trainer.log import Clock, LogLine, LossWindow, MetricsLog, Speed, read_log
from labelforge.trainer.loss import LossOutput
from labelforge.trainer.report import classifier_charts, write_report
from tests.core.html_reader import Reader
from tests.trainer.tiny import TREE, mapping, tiny_config

NAMES = ("scene", "ground", "sign")


def a_line(step: int, losses: dict[str, float], gate: dict[str, float] | None = None) -> LogLine:
    return LogLine(step, 1.0, losses, gate or {}, lr=0.1, images_per_s=1.0, data_wait=0.0, seconds=1.0)


def a_step(losses: list[float], labelled: list[int], passed: list[int], boxes: list[int]) -> LossOutput:
    counts = (torch.tensor(counts) for counts in (labelled, passed, boxes))
    return LossOutput(torch.tensor(sum(losses)), torch.tensor(losses), *counts)


def test_a_mean_is_over_the_steps_in_which_pixels_trained_the_classifier() -> None:
    """Against the definition, step by step: 60 windows of up to 5 steps in which each classifier often has nothing."""
    rng = np.random.default_rng(0)
    window = LossWindow(NAMES)
    for _ in range(60):
        seen: dict[str, list[float]] = {name: [] for name in NAMES}
        shares = {name: [0, 0] for name in NAMES}
        for step in range(rng.integers(1, 6)):
            labelled, boxes = rng.integers(0, 3, 3) * rng.integers(0, 2, 3), rng.integers(0, 4, 3)
            passed = np.minimum(boxes, rng.integers(0, 3, 3))
            losses = np.where(labelled + passed > 0, rng.uniform(0, 5, 3), 0.0)
            step_loss = a_step(losses.tolist(), labelled.tolist(), passed.tolist(), boxes.tolist())
            window.add(step + 1, step_loss, ("a",))
            for j, name in enumerate(NAMES):
                if labelled[j] or passed[j]:
                    seen[name].append(float(losses[j]))
                shares[name][0] += int(passed[j])
                shares[name][1] += int(boxes[j])
        means = window.take()
        assert means.losses == pytest.approx({n: sum(v) / len(v) for n, v in seen.items() if v}, rel=1e-6)
        assert means.gate == pytest.approx({n: a / b for n, (a, b) in shares.items() if b})


def test_a_loss_of_zero_that_was_measured_is_kept() -> None:
    window = LossWindow(NAMES)
    window.add(1, a_step([0.0, 0.0, 0.0], labelled=[5, 0, 0], passed=[0, 0, 0], boxes=[0, 0, 2]), ("a",))
    means = window.take()
    assert means.losses == {"scene": 0.0}
    assert means.gate == {"sign": 0.0}  # two box pixels, none of which passed


def test_the_file_and_tensorboard_leave_it_out(tmp_path: Path) -> None:
    event_file = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = MetricsLog(tmp_path, 0)
    log.write(a_line(1, {"scene": 2.0}))
    log.write(a_line(2, {"scene": 1.0, "ground": 3.0}))
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["losses"] for line in lines] == [{"scene": 2.0}, {"scene": 1.0, "ground": 3.0}]
    assert [line.losses for line in read_log(tmp_path)] == [line["losses"] for line in lines]
    events = event_file.EventAccumulator(str(tmp_path)).Reload()
    assert {tag for tag in events.Tags()["scalars"] if tag.startswith("loss/")} == {
        "loss/total",
        "loss/scene",
        "loss/ground",
    }
    assert [event.step for event in events.Scalars("loss/ground")] == [2]


def test_charts_have_gaps_where_nothing_was_measured() -> None:
    log = [a_line(1, {"scene": 2.0}), a_line(2, {"scene": 1.0, "ground": 3.0}), a_line(3, {"ground": 2.0})]
    (chart,) = classifier_charts(log, "Loss")
    assert isinstance(chart, LineChart)
    found = {curve.name: [None if math.isnan(y) else y for y in curve.y] for curve in chart.series}
    assert found == {"scene": [2.0, 1.0, None], "ground": [None, 3.0, 2.0]}


@pytest.mark.parametrize(("classifiers", "charts_inside"), [(STYLES + 1, 1), (44, 5)])
def test_of_many_classifiers_the_worst_are_in_sight(classifiers: int, charts_inside: int) -> None:
    rng = np.random.default_rng(0)
    last = rng.permutation(classifiers).astype(float)
    log = [
        a_line(1, {f"c{j}": 50.0 - j for j in range(classifiers)}),
        a_line(2, {f"c{j}": last[j] for j in range(classifiers)}),
        a_line(3, {}),
    ]
    chart, fold = classifier_charts(log, "Loss")
    assert isinstance(chart, LineChart) and isinstance(fold, Fold)
    ranked = [f"c{j}" for j in np.argsort(-last)]
    assert [curve.name for curve in chart.series] == ranked[:STYLES]
    assert len(fold.blocks) == charts_inside
    inside = [curve.name for block in fold.blocks if isinstance(block, LineChart) for curve in block.series]
    assert inside == ranked[STYLES:]
    assert all(isinstance(block, LineChart) and len(block.series) <= STYLES for block in fold.blocks)


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ("parent", "where the parent classifier chooses the box&#39;s branch"),
        ("path", "where every classifier above chooses the box&#39;s branch"),
        ("none", None),
    ],
)
def test_the_words_of_the_gate_are_those_of_the_run(tmp_path: Path, gate: Gate, words: str | None) -> None:
    config = tiny_config(loss={"gate": gate})
    table = TargetTable.compile(TREE, [mapping("boxes"), mapping("dense")])
    log = [a_line(1, {"scene": 1.0, "sign/front": 1.0}, {"sign/front": 0.5 if words else 1.0})]
    write_report(tmp_path / "report.html", config, table, log, 1)
    page = (tmp_path / "report.html").read_text()
    assert ("passed the gate" in page) == (words is not None)
    assert words is None or f"Share of box pixels that passed the gate: {words}" in page


def test_the_page_lists_what_the_network_can_answer(tmp_path: Path) -> None:
    table = TargetTable.compile(TREE, [mapping("boxes"), mapping("dense")])
    write_report(tmp_path / "report.html", tiny_config(), table, [], 0)
    page = (tmp_path / "report.html").read_text()
    assert (
        "Of the 8 classes of tiny, 2 from pixels, 3 from boxes, 2 only as part of a larger answer, 1 not at all."
        in page
    )
    elements = Reader(page).elements
    rows: dict[int, list[str]] = {}
    for element in elements:
        if element["tag"] in ("td", "th"):
            rows.setdefault(element["parent"], []).append(element["text"].strip())
    cells = [row for row in rows.values() if row[2:3] in (["scene"], ["sign/front"])]
    assert cells == [
        ["0", "sky", "scene", "1"],
        ["9", "ground", "scene", "2"],
        ["4", "sign/front/left", "sign/front", "1"],
        ["5", "sign/front/right", "sign/front", "1"],
        ["6", "sign/front/thirty", "sign/front", "1"],
        ["7", "car", "scene", "1"],
    ]


def test_rest_is_part_of_the_run_but_not_of_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps of four images in 3 s of work, 1 s of which waits for data, and 5 s of rest."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = Clock(4, seconds=50.0)
    with clock.waiting():
        now[0] += 1
    clock.step()
    with clock.resting():
        now[0] += 5
    now[0] += 2
    clock.step()
    assert clock.take() == Speed(images_per_s=8 / 3, data_wait=1 / 3, seconds=58.0)
    now[0] += 2
    clock.step()
    assert clock.take() == Speed(images_per_s=2.0, data_wait=0.0, seconds=60.0)
