"""The page of an evaluation: what it says agrees with the scores, and which images it shows."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from labelforge.errors import ConfigError
from labelforge.palette import Color
from labelforge.report import HeatMap, LineChart, Table
from labelforge.shards import ShardReader
from labelforge.trainer.evaluation.observation import CONSISTENT, NOT_SCORED, RIGHT, WRONG, Observation
from labelforge.trainer.evaluation.pictures import ERROR_COLORS, WorstImages, label_colors
from labelforge.trainer.evaluation.report import build_page, evaluate_and_report, run_names, view
from labelforge.trainer.evaluation.scoring import Evaluation, evaluate
from labelforge.trainer.training import train
from tests.core.html_reader import Reader
from tests.trainer.tiny import TREE, draw, make_shards, mapping, open_both, tiny_config, write_shards

pytestmark = pytest.mark.usefixtures("backbone")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, backbone: None) -> list[Path]:
    """Two short runs: one of the tree, one flat."""
    folder = tmp_path_factory.mktemp("runs")
    shards = open_both(folder)
    heads = ("hierarchical", "flat-union")
    return [train(shards, folder / head, tiny_config(steps=2, model={"head": head})).out for head in heads]


def observed(reader: ShardReader, number: int, wrong: int) -> Observation:
    """A sample of which the first pixels are decided wrongly."""
    sample = reader[number]
    outcome = np.full(sample.local_rows.shape, RIGHT, np.uint8)
    outcome.reshape(-1)[:wrong] = WRONG
    return Observation(reader, sample, sample.local_rows, sample.local_rows, outcome)


def test_only_the_worst_images_are_kept(tmp_path: Path) -> None:
    reader = ShardReader(make_shards(tmp_path / "shards", "dense", 6, (20, 30)))
    worst = WorstImages(2)
    for number, wrong in enumerate((5, 0, 90, 60, 30, 90)):
        worst.see(observed(reader, number, wrong))
        assert len(worst.shown(reader.url)) <= 2
    assert [shown.key for shown in worst.shown(reader.url)] == ["dense_002", "dense_005"]
    assert worst.shown(reader.url)[0].title == "dense_002: 85.0% of its scored pixels are right"
    assert worst.keys() == {reader.url: {"dense_002", "dense_005"}}
    same = WorstImages(2, only={reader.url: {"dense_001"}})
    for number in range(6):
        same.see(observed(reader, number, 1))
    assert [shown.key for shown in same.shown(reader.url)] == ["dense_001"]
    assert WorstImages(2).shown(reader.url) == ()


def test_pictures_show_truth_answer_and_errors_pixel_by_pixel(tmp_path: Path) -> None:
    image, rows = draw("dense", 0, (20, 30))
    reader = ShardReader(write_shards(tmp_path / "shards", "dense", [("one", image, rows)]))
    decided = np.roll(rows, 3, axis=1).astype(np.int64)
    outcome = np.arange(600).reshape(20, 30).astype(np.uint8) % 4
    worst = WorstImages(1)
    worst.see(Observation(reader, reader[0], rows, decided, outcome))
    (shown,) = worst.shown(reader.url)
    colors = label_colors(mapping("dense"), TREE)
    assert np.array_equal(shown.true, colors[rows]) and np.array_equal(shown.decided, colors[decided])
    assert len({tuple(color) for color in colors.tolist()}) == len(colors), "no two labels look the same"
    expected = dict(zip((WRONG, CONSISTENT, NOT_SCORED), ERROR_COLORS.values(), strict=True))
    for code, color in expected.items():
        assert (shown.errors[outcome == code] == color).all()
    right = shown.errors[outcome == RIGHT]
    assert (right >= 160).all() and (right == right[:, :1]).all()
    names = {row.native_name: colors[row.row] for row in mapping("dense").rows}
    assert {swatch.text for swatch in shown.legend} == {mapping("dense").rows[r].native_name for r in np.unique(rows)}
    assert all(tuple(names[swatch.text].tolist()) == swatch.color for swatch in shown.legend)


def test_large_images_are_kept_small(tmp_path: Path) -> None:
    image, rows = draw("dense", 0, (600, 1500))
    reader = ShardReader(write_shards(tmp_path / "shards", "dense", [("one", image, rows)]))
    worst = WorstImages(1)
    worst.see(observed(reader, 0, 7))
    (shown,) = worst.shown(reader.url)
    assert shown.image.shape == shown.true.shape == shown.errors.shape == (192, 480, 3)


def blocks(found: list[Evaluation]) -> dict[str, list[object]]:
    page = build_page([{"run": view(evaluation, WorstImages(1))} for evaluation in found])
    return {section.title: list(section.blocks) for section in page.sections}


def test_the_page_says_what_the_scores_say(runs: list[Path], tmp_path: Path) -> None:
    (found,) = evaluate(runs[0], [make_shards(tmp_path / "val", "dense", 2)], device="cpu")
    page = blocks([found])
    assert list(page) == ["Scores", "Classes", "Confusions", "By the tree", "Confidence", "Worst images"]
    figures, _ = page["Scores"]
    assert isinstance(figures, Table) and figures.rows[0] == (found.protocol.title, found.scores.headline)
    (classes,) = page["Classes"]
    assert isinstance(classes, Table)
    assert [row[:2] for row in classes.rows] == [
        (entry.name, entry.pixels) for entry in found.scores.classes if entry.iou is not None
    ]
    heat = page["Confusions"][-1]
    assert isinstance(heat, HeatMap)
    accuracies = {entry.name: entry.accuracy for entry in found.scores.classes}
    for i, name in enumerate(heat.rows):
        assert sum(heat.shares[i]) == pytest.approx(1 if accuracies[name] is not None else 0)
    assert sum(isinstance(block, LineChart) for block in page["Confidence"]) == 2


def test_the_confusion_matrix_is_strict(runs: list[Path], tmp_path: Path) -> None:
    """Against decisions looked up one by one."""
    reader = ShardReader(make_shards(tmp_path / "val", "dense", 2))
    seen: list[Observation] = []
    (found,) = evaluate(runs[0], [reader], device="cpu", observe=seen.append)
    names = ["sky", "floor", "sign", "auto"]
    assert [entry.name for entry in found.scores.classes] == names
    expected = np.zeros((4, 5), np.int64)
    for observation in seen:
        for true, decided in zip(observation.true.ravel().tolist(), observation.decided.ravel().tolist(), strict=True):
            if true in (1, 2, 3, 4):
                expected[true - 1, decided - 1 if decided else 4] += 1
    assert found.matrix.tolist() == expected.tolist()
    assert [o.sample.key for o in seen] == list(reader.keys)
    scored = np.concatenate([o.outcome.ravel() for o in seen])
    assert (scored != NOT_SCORED).sum() == expected.sum() == found.tree.answers.pixels


def test_runs_side_by_side(runs: list[Path], tmp_path: Path) -> None:
    shards = [make_shards(tmp_path / name, name, 2) for name in ("dense", "boxes")]
    out = tmp_path / "page"

    def score(run: Path, *, observe: object) -> list[Evaluation]:
        return evaluate(run, shards, device="cpu", observe=observe)  # type: ignore[arg-type]

    first = evaluate_and_report(out, runs, score)
    assert [evaluation.shards for evaluation in first] == [str(folder) for folder in shards]
    assert [path.name for path in out.iterdir()] == ["report.html"]
    page = Reader((out / "report.html").read_text(encoding="utf-8"))
    titles = [heading["text"] for heading in page.all("h2")]
    assert titles[:2] == ["Scores", "dense train: classes"] and "boxes train: worst images" in titles
    headings = [heading["text"] for heading in page.all("th", scope="col")]
    assert {"IoU of hierarchical", "IoU of flat-union", "difference, points", "share in flat-union"} <= set(headings)
    images = page.all("img")
    assert {image["alt"].split(": ")[1] for image in images} == {
        "image",
        "truth",
        "answer",
        "errors",
        "answer of flat-union",
    }
    for image in images:
        data = base64.b64decode(image["src"].split(",")[1])
        assert Image.open(io.BytesIO(data)).size == (80, 64)
    before = (out / "report.html").read_bytes()
    evaluate_and_report(out, runs, score)
    assert (out / "report.html").read_bytes() == before, "an earlier report is replaced, by the same bytes"


def test_a_folder_with_anything_else_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("a run's")
    (tmp_path / "config.yaml").write_text("")

    def score(run: Path, *, observe: object) -> list[Evaluation]:
        raise AssertionError("must not be reached")

    with pytest.raises(ConfigError, match=r"holds other files \(config\.yaml\)"):
        evaluate_and_report(tmp_path, [tmp_path / "run"], score)
    with pytest.raises(ConfigError, match="not a folder"):
        evaluate_and_report(tmp_path / "config.yaml", [tmp_path / "run"], score)


def test_runs_are_called_by_their_folders_where_these_differ() -> None:
    assert run_names([Path("runs/a"), Path("runs/b/")]) == ["a", "b"]
    assert run_names([Path("x/run"), Path("y/run")]) == ["x/run", "y/run"]
    with pytest.raises(ConfigError, match="given twice"):
        run_names([Path("runs/a"), Path("runs/../runs/a")])


def test_colors_of_labels_differ_even_where_their_nodes_are_one() -> None:
    colors: NDArray[np.uint8] = label_colors(mapping("dense"), TREE)
    black: Color = (0, 0, 0)
    assert tuple(colors[0].tolist()) == black
    assert len({tuple(color) for color in colors.tolist()}) == len(colors)
