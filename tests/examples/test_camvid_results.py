"""The arithmetic of the CamVid example's results, and its table of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camvid_experiment.command import RUNS
from camvid_experiment.jobs import Planner, share_out
from camvid_experiment.page import families
from camvid_experiment.summary import Spread, class_means, paired, spread, strongest, verdict
from camvid_experiment.table import Run, load_table
from camvid_experiment.trade import reached_at, trade_section
from labelforge.errors import ConfigError
from labelforge.trainer import TrainConfig


def row(run: str, seed: int, miou: float, accuracy: float = 0.5, **iou: float | None) -> dict[str, Any]:
    return {"run": run, "seed": seed, "split": "test", "miou": miou, "mean_accuracy": accuracy, "iou": iou}


ROWS = [
    row("ours", 0, 0.52, car=0.4, sky=None),
    row("ours", 1, 0.50, car=0.6, sky=0.2),
    row("ours", 5, 0.10),
    row("rival", 1, 0.51),
    row("rival", 0, 0.49),
    row("other", 0, 0.40, accuracy=0.9),
    {**row("ours", 0, 0.99), "split": "val"},
]


def test_spreads() -> None:
    found = spread(ROWS, "ours", "test", "miou")
    assert found.mean == pytest.approx(np.mean([0.52, 0.5, 0.1]))
    assert found.sd == pytest.approx(np.std([0.52, 0.5, 0.1], ddof=1))
    assert Spread.of([0.5]) == (0.5, None)
    assert (Spread.of([0.5]).percent(), Spread(0.504, 0.0021).percent(sign=True)) == ("50.0", "+50.4 ± 0.2")


def test_differences_are_paired_by_seed() -> None:
    found = paired(ROWS, "ours", "rival", "test", "miou")
    assert found == pytest.approx({0: 0.03, 1: -0.01})
    assert list(found) == [0, 1]


def test_the_strongest_differs_by_measure() -> None:
    assert strongest(ROWS, ["rival", "other"], "test", "miou") == "rival"
    assert strongest(ROWS, ["rival", "other"], "test", "mean_accuracy") == "other"


def test_a_class_that_is_nowhere_counts_as_zero() -> None:
    rows = [each for each in ROWS if each["iou"]]
    assert class_means(rows, "ours", "test") == pytest.approx({"car": 0.5, "sky": 0.1})


@pytest.mark.parametrize(
    ("differences", "word"),
    [
        ([0.03, 0.02, 0.025], "ahead by more"),
        ([-0.03, -0.02], "behind by more"),
        ([0.03, 0.01, -0.01], "not told apart"),
        ([0.001, 0.001, 0.05], "not told apart"),  # all ahead, but by less than they differ
        ([0.03], "one seed"),
    ],
)
def test_verdicts(differences: list[float], word: str) -> None:
    assert word in verdict(dict(enumerate(differences)))


@pytest.mark.parametrize("file", ["runs.yaml", "runs-trained.yaml"])
def test_the_shipped_tables_hold_settings_that_train_accepts(file: str) -> None:
    table = load_table(RUNS.with_name(file))
    names = [run.name for run in table.runs]
    assert {run.kind for run in table.runs} >= {"ours", "rival"}
    for form in table.forms:
        planner = Planner(table, form, "cpu", Path("features"))
        for run in table.runs:
            for option in table.options_of(table.chooses(run)):
                config = TrainConfig.model_validate(planner.settings(run, 3, planner.rates[0], option))
                assert (config.seed, config.optim.lr) == (3, planner.rates[0])
                assert sum(config.data.batch.values()) == table.crops, "every run has the same number of crops"
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("strong", [False, True])
def test_rivals_that_are_as_good_in_both_figures_are_named(strong: bool) -> None:
    def read(name: str, strength: float, miou: float, accuracy: float) -> dict[str, Any]:
        return {**row(name, 0, miou, accuracy), "logit_adjustment": strength}

    traded = [
        *(read("ours", 0, 0.6, 0.7), read("ours", 1, 0.5, 0.8)),
        *(read("rival", 0, 0.65, 0.69), read("rival", 1, 0.5, 0.81)),
        *(read("bound", 0, 0.9, 0.9), read("bound", 1, 0.9, 0.9)),
    ]
    if strong:
        traded[3] = read("rival", 1, 0.6, 0.71)
    runs = [Run(name=name, kind=kind) for name, kind in (("ours", "ours"), ("rival", "rival"), ("bound", "bound"))]
    text = trade_section([traded[0], traded[3], traded[4]], traded, runs, "test")
    assert "| ours | **60.0 / 70.0** | 50.0 / 80.0 |" in text
    said = "At least as good in both as *ours* as chosen: rival at 1." if strong else "No rival, at any of these"
    assert said in text
    assert trade_section(traded[:1], [each for each in traded if each["logit_adjustment"] == 0], runs, "test") == ""


def test_networks_are_compared_where_they_are_equal_in_the_other_figure() -> None:
    assert reached_at([(0.7, 0.6), (0.8, 0.5)], 0.75) == pytest.approx(0.55)
    assert reached_at([(0.8, 0.5), (0.7, 0.6)], 0.5) == 0.6, "no less is asked for"
    assert reached_at([(0.8, 0.5), (0.7, 0.6)], 0.81) is None
    assert reached_at([(0.7, 0.6), (0.75, 0.4), (0.8, 0.5)], 0.74) == 0.5, "a point that is better in both counts"

    def read(name: str, seed: int, strength: float, miou: float, accuracy: float) -> dict[str, Any]:
        return {**row(name, seed, miou, accuracy), "logit_adjustment": strength}

    ours = [read("ours", s, t, 0.6 + s / 100 - 0.1 * t, 0.7 + 0.1 * t) for s in (0, 1) for t in (0, 1)]
    strong = [read("strong", s, t, 0.52 - 0.1 * t, 0.74) for s in (0, 1) for t in (0, 1)]
    weak = [read("weak", s, t, 0.2, 0.74) for s in (0, 1) for t in (0, 1)]
    traded = [*ours, *strong, *weak]
    runs = [Run(name=n, kind=k) for n, k in (("ours", "ours"), ("strong", "rival"), ("weak", "rival"))]
    text = trade_section([each for each in traded if not each["logit_adjustment"]], traded, runs, "test")
    ahead = "ahead by more than the spread of the seeds"
    assert f"| mIoU at equal mean accuracy | ours | strong | +4.0, +5.0 | {ahead} |" in text
    assert f"| mean accuracy at equal mIoU | ours | strong | +4.0, +5.0 | {ahead} |" in text
    strong[0] = read("strong", 0, 0, 0.3, 0.9)
    traded = [*ours, *strong]
    text = trade_section([each for each in traded if not each["logit_adjustment"]], traded, runs[:2], "test")
    assert (
        "| mIoU at equal mean accuracy | ours | strong | not reached, +5.0 | its mean accuracy is not reached in"
        in text
    )


def test_runs_that_differ_only_in_fine_frames() -> None:
    found = families(load_table(RUNS).runs)
    ours = {
        10: "hierarchical F10+C+B",
        20: "hierarchical F20+C+B",
        40: "hierarchical F40+C+B",
        80: "hierarchical F80+C+B",
    }
    rival = {fine: f"flat-marginal F{fine}+C" for fine in (10, 20, 40, 80)}
    assert found[0] == ours and rival in found
    assert "gate off" not in {name for members in found for name in members.values()}
    assert not any(367 in members for members in found), "a bound is no run to compare with"


def test_a_line_with_amounts_is_a_run_for_each(tmp_path: Path) -> None:
    file = tmp_path / "runs.yaml"
    file.write_text(
        TABLE
        + "  - {name: 'two {F}+C', kind: rival, datasets: [fine, coarse], amounts: [10, 30]}\n"
        + "  - {name: '{F}', kind: ablation, like: two F30+C, amounts: [5, 7]}\n"
    )
    table = load_table(file)
    assert [(run.name, run.fine, run.datasets) for run in table.runs[1:]] == [
        ("two F10+C", 10, ("fine", "coarse")),
        ("two F30+C", 30, ("fine", "coarse")),
        ("F5", 5, ("fine", "coarse")),
        ("F7", 7, ("fine", "coarse")),
    ]


TABLE = """\
crops: 2
base: {steps: 2}
forms: {small: {settings: {}, learning_rates: [0.1]}}
runs:
  - {name: one, kind: ours, datasets: [fine, boxes], fine: 20, settings: {loss: {others: 0.2}}, by: [winner]}
"""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("  - {name: one, kind: ours, datasets: [fine]}", "6: the run 'one' is there twice"),
        ("  - {name: two, kind: ablation, like: too}", "6: 'two' is like 'too', which is no earlier run"),
        ("  - {name: two, kind: rival}", "6: the run 'two' has no datasets"),
        ("  - {name: two, kind: rival, datasets: [boxes, box-masks]}", "6: the run 'two' has two datasets of the same"),
        (
            "  - {name: two, kind: ablation, like: one, options: {a: {}}}",
            "6: 'two' takes what 'one' chose, and has opt",
        ),
        (
            "  - {name: two, kind: rival, datasets: [fine]}\npurity_of: two",
            "7: the run 'two' learns from no boxes",
        ),
        ("  - {name: two, kind: rivl, datasets: [fine]}", "6: "),
        (
            "  - {name: two, kind: rival, datasets: [fine], amounts: [10, 20]}",
            "6: the run 'two' has only one of amounts",
        ),
        ("  - {name: 'two {F}', kind: rival, datasets: [fine]}", "6: the run 'two {F}' has only one of amounts"),
        (
            "  - {name: 'two {F}', kind: rival, datasets: [fine], amounts: [9], fine: 3}",
            "6: the run 'two {F}' has amounts and",
        ),
        ("logit_adjustments: [0, 3]", "6: logit_adjustments.1: "),
        ("logit_adjustments: [0, 0]", "6: logit_adjustments: "),
        ("pictures: [won]", "no run is called 'won'. Did you mean 'one'"),
    ],
)
def test_mistakes_in_a_table(tmp_path: Path, more: str, message: str) -> None:
    file = tmp_path / "runs.yaml"
    file.write_text(TABLE + more + "\n")
    with pytest.raises(ConfigError) as caught:
        load_table(file)
    assert message in str(caught.value)


def test_a_variation_has_what_it_does_not_change(tmp_path: Path) -> None:
    file = tmp_path / "runs.yaml"
    file.write_text(TABLE + "  - {name: two, kind: ablation, like: one, settings: {loss: {gate: none}}, fine: 10}\n")
    table = load_table(file)
    two = table.by_name("two")
    assert (two.datasets, two.fine, two.by) == (("fine", "boxes"), 10, ("winner",))
    assert two.settings == {"loss": {"others": 0.2, "gate": "none"}}
    assert table.chooses(two).name == "one"


def test_crops_are_shared_out_whole_and_everybody_gets_one() -> None:
    for crops in range(3, 13):
        for shares in ([1, 1, 1], [3, 2, 1], [9, 1, 1], [2, 5, 2]):
            got = share_out(crops, shares)
            exact = [crops * share / sum(shares) for share in shares]
            assert min(got) >= 1
            if min(exact) >= 1:
                assert sum(got) == crops and all(abs(n - each) < 1 for n, each in zip(got, exact, strict=True))
