"""Official figures: Cityscapes by its own package on real frames, the others by independent implementations.

The latter follow the published evaluation code of each benchmark: Mapillary's mapillary_vistas/evaluation, MIT's
sceneparsing/evaluationCode, Berkeley's scalabel/eval/sem_seg, AutoNUE's evaluation/evaluate_mIoU. They work on pictures
of native ids, as those tools do, and know nothing of rows, trees or protocols.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from labelforge import LabelMapping, LabelSpace, LogitLayout, ShardReader, Taxonomy
from labelforge.converters import convert
from labelforge.trainer import ConfusionMatrix, Scores, evaluate
from tests.trainer.scripted import Classes, ScriptedSegmenter, answer_perfectly

Ids = NDArray[np.int64]


# ---- what all tests share ----


def native_ids(layout: LogitLayout, mapping: LabelMapping, classes: Classes, none: int) -> Ids:
    """The id map that a decision is written as; `none` where no native label contains it."""
    rows = layout.native_rows(mapping)[classes]
    ids = np.array([none, *(row.native_id for row in mapping.rows[1:])])
    return ids[rows]


def blocks(rng: np.random.Generator, values: ArrayLike, size: tuple[int, ...], block: int) -> NDArray[np.int64]:
    """A picture of random blocks."""
    coarse = rng.choice(np.asarray(values), (-(-size[0] // block), -(-size[1] // block)))
    return np.kron(coarse, np.ones((block, block), np.int64))[: size[0], : size[1]]


def imperfect(
    rng: np.random.Generator, layout: LogitLayout, mapping: LabelMapping, labels: NDArray[Any], wrong: float
) -> Classes:
    """Mostly right classes for label rows: outlines shifted, and blocks of anything with probability `wrong`."""
    classes = answer_perfectly(layout, mapping, np.roll(labels, (3, 5), (0, 1)), rng)
    noise = blocks(rng, range(len(layout.classes)), labels.shape, 16)
    where = blocks(rng, [0, 1], labels.shape, 16) * (rng.random(labels.shape) < 2 * wrong)
    return np.where(where, noise, classes)


# ---- Cityscapes ----


@pytest.fixture(scope="module")
def frames(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ShardReader, list[Path]]:
    """Shards of the real frames at their own size, in the tree iv2018, and the label files in the same order."""
    out = tmp_path_factory.mktemp("cityscapes")
    convert("cityscapes", shared_data / "cityscapes", out / "shards", split="train", taxonomy="iv2018")
    reader = ShardReader(out / "shards")
    labels = {p.name: p for p in (shared_data / "cityscapes" / "gtFine").rglob("*_gtFine_labelIds.png")}
    return reader, [labels[Path(sample.meta["labels"]).name] for sample in reader]


def official(predictions: Sequence[Path], truths: Sequence[Path]) -> dict[str, Any]:
    """What the package says."""
    tool = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    tool.args.quiet, tool.args.JSONOutput, tool.args.evalInstLevelScore = True, False, False
    found: dict[str, Any] = tool.evaluateImgLists([*map(str, predictions)], [*map(str, truths)], tool.args)
    return found


@pytest.mark.parametrize("wrong", [0.1, 0.9, None])
def test_cityscapes_is_the_official_package_class_by_class(
    frames: tuple[ShardReader, list[Path]], tmp_path: Path, wrong: float | None
) -> None:
    """Good, bad and random answers, with decisions for labels that are not evaluated and for none at all."""
    reader, truths = frames
    rng = np.random.default_rng(1)
    mapping, layout = reader.mapping, LogitLayout.compile(reader.taxonomy)
    answers, files = [], []
    for sample in reader:
        if wrong is None:
            answers.append(rng.integers(0, len(layout.classes), sample.local_rows.shape))
        else:
            answers.append(imperfect(rng, layout, mapping, sample.local_rows, wrong))
        files.append(tmp_path / f"{sample.key}.png")
        ids = native_ids(layout, mapping, answers[-1], none=0)
        Image.fromarray(ids.astype(np.uint8)).save(files[-1])
    theirs = official(files, truths)
    (found,) = evaluate(ScriptedSegmenter.answering(layout, answers), [reader], by="winner")
    scores = found.scores
    assert found.protocol.title == "IoU class, 19 classes (Cityscapes)"
    ours = {entry.name: entry.iou for entry in scores.classes}
    assert ours == pytest.approx(defined(theirs["classScores"], ours), abs=1e-9)
    categories = {entry.name: entry.iou for entry in scores.categories}
    assert categories == pytest.approx(defined(theirs["categoryScores"], categories), abs=1e-9)
    assert scores.headline == pytest.approx(theirs["averageScoreClasses"], abs=1e-9)
    assert scores.mean_category_iou == pytest.approx(theirs["averageScoreCategories"], abs=1e-9)
    assert scores.uncovered > 0


def defined(table: dict[str, float], names: dict[str, float | None]) -> dict[str, float | None]:
    """The package's scores of the evaluated names, None for nan."""
    ignored = {name for name, value in table.items() if np.isnan(value)}
    assert set(names) <= set(table)
    return {name: None if name in ignored else table[name] for name in names}


@pytest.mark.parametrize("seed", range(4))
def test_cityscapes_with_classes_that_are_absent(tmp_path: Path, seed: int) -> None:
    """Few labels a picture: classes that nothing is, that are only decided, that are only true; ids -1 never drawn."""
    rng = np.random.default_rng(seed)
    tree = Taxonomy.load("streets")
    mapping, layout = LabelMapping.load(tree, "cityscapes"), LogitLayout.compile(tree)
    space = LabelSpace.load("cityscapes")
    matrix = ConfusionMatrix(layout, mapping, space.protocol)
    files: tuple[list[Path], list[Path]] = ([], [])
    ids = [label.id for label in space.labels if label.id >= 0]
    some, classes = rng.choice(ids, 12, replace=False), rng.choice(len(layout.classes), 60, replace=False)
    for number in range(2):
        truth, answer = blocks(rng, some, (40, 60), 5), blocks(rng, classes, (40, 60), 4)
        rows = np.vectorize(mapping.row_of.__getitem__)(truth)
        matrix.update(torch.from_numpy(rows), torch.from_numpy(answer))
        for folder, picture in zip(files, (native_ids(layout, mapping, answer, none=0), truth), strict=True):
            folder.append(tmp_path / f"{number}-{len(files[0])}-{len(files[1])}.png")
            Image.fromarray(picture.astype(np.uint8)).save(folder[-1])
    theirs, scores = official(*files), matrix.scores()
    ours = {entry.name: entry.iou for entry in scores.classes}
    assert None in ours.values()
    assert ours == pytest.approx(defined(theirs["classScores"], ours), abs=1e-9)
    categories = {entry.name: entry.iou for entry in scores.categories}
    assert categories == pytest.approx(defined(theirs["categoryScores"], categories), abs=1e-9)
    assert scores.headline == pytest.approx(theirs["averageScoreClasses"], abs=1e-9)
    assert scores.mean_category_iou == pytest.approx(theirs["averageScoreCategories"], abs=1e-9)


# ---- the others ----


def drawn(dataset: str, seed: int, none: int, few: bool) -> tuple[Ids, Ids, Scores, LabelSpace]:
    """True and decided native ids of two pictures' pixels, and our scores of them."""
    rng = np.random.default_rng(seed)
    tree = Taxonomy.load("streets")
    mapping, layout = LabelMapping.load(tree, dataset), LogitLayout.compile(tree)
    space = LabelSpace.load(dataset)
    rows = [row.row for row in mapping.rows[1:]]
    labels = blocks(rng, rng.choice(rows, 8, replace=False).tolist() if few else rows, (160, 200), 4)
    classes = imperfect(rng, layout, mapping, labels, 0.2)
    matrix = ConfusionMatrix(layout, mapping, space.protocol)
    matrix.update(torch.from_numpy(labels), torch.from_numpy(classes))
    truth = np.array([-9, *(row.native_id for row in mapping.rows[1:])])[labels]
    return truth.ravel(), native_ids(layout, mapping, classes, none).ravel(), matrix.scores(), space


def ious(scores: Scores) -> list[float]:
    return [np.nan if entry.iou is None else entry.iou for entry in scores.classes]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize(
    ("release", "config"),
    [("1.2", "mapillary_vistas_v2/config_v1.2.json"), ("2.0", "mapillary_vistas_v2/config_v2.0.json")],
)
def test_vistas(shared_data: Path, release: str, config: str, few: bool, seed: int) -> None:
    """All labels are counted, then the rows and columns of those without the flag are taken out."""
    labels = json.loads((shared_data / config).read_text(encoding="utf-8"))["labels"]
    truth, decided, scores, _ = drawn(f"mapillary-vistas-{release}", seed, len(labels) - 1, few)
    matrix = np.zeros((len(labels), len(labels)), int)
    np.add.at(matrix, (truth, decided), 1)
    kept = [i for i, label in enumerate(labels) if label["evaluate"]]

    def scored(matrix: NDArray[Any]) -> list[float]:
        hits = matrix.diagonal()
        with np.errstate(invalid="ignore"):
            return list(hits / (matrix.sum(0) + matrix.sum(1) - hits))

    theirs = scored(matrix[np.ix_(kept, kept)])
    assert ious(scores) == pytest.approx(theirs, abs=1e-12, nan_ok=True)
    assert scores.headline == pytest.approx(np.nanmean(theirs), abs=1e-12)
    family = {i: labels[i]["name"].split("--")[0] for i in kept}
    names = sorted(set(family.values()))

    def of_family(name: str) -> list[int]:
        return [i for i in kept if family[i] == name]

    meta = np.array([[matrix[np.ix_(of_family(a), of_family(b))].sum() for b in names] for a in names])
    by_name = dict(zip(names, scored(meta), strict=True))
    ours = {entry.name: np.nan if entry.iou is None else entry.iou for entry in scores.categories}
    assert ours == pytest.approx(by_name, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("few", [False, True])
def test_ade20k(few: bool, seed: int) -> None:
    """Decisions where nothing is labelled do not count; an absent class has an IoU of 0, and the mean is over 150."""
    truth, decided, scores, _ = drawn("ade20k-150", seed, 0, few)
    decided = decided * (truth > 0)
    theirs = []
    for i in range(1, 151):
        both, either = np.sum((decided == i) & (truth == i)), np.sum((decided == i) | (truth == i))
        theirs.append(both / (either + np.spacing(1)))
    assert np.nan_to_num(ious(scores)) == pytest.approx(theirs, abs=1e-12)
    assert scores.headline == pytest.approx(sum(theirs) / 150, abs=1e-12)
    labelled = truth > 0
    assert scores.pixel_accuracy == pytest.approx(np.mean(truth[labelled] == decided[labelled]), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("few", [False, True])
def test_bdd100k(few: bool, seed: int) -> None:
    """A twentieth class for all that is not one of the 19; pixels that are truly so do not count, nor does its IoU."""
    truth, decided, scores, _ = drawn("bdd100k", seed, 255, few)
    truth, decided = np.minimum(truth, 19), np.minimum(decided, 19)
    matrix = np.zeros((20, 20), int)
    np.add.at(matrix, (truth[truth < 19], decided[truth < 19]), 1)
    hits = matrix.diagonal()[:19]
    with np.errstate(invalid="ignore"):
        theirs = hits / (matrix.sum(0) + matrix.sum(1) - matrix.diagonal())[:19]
    occurring = sorted(set(truth.tolist()) - {19})
    assert ious(scores) == pytest.approx(list(theirs), abs=1e-12, nan_ok=True)
    assert scores.headline == pytest.approx(np.nan_to_num(theirs)[occurring].mean(), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_idd(seed: int) -> None:
    """The 26 ids of level 3; 26 itself stands for what is not evaluated: its row never counts, its column is wrong."""
    level3 = [0, 1, 1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 20, 20, 21, 22,
              23, 23, 24, 25, 25, 26, 26, 26, 26, 26]  # fmt: skip
    truth, decided, scores, _ = drawn("idd", seed, 35, few=False)
    truth, decided = np.array(level3)[truth], np.array(level3)[decided]
    theirs = []
    for i in range(26):
        hits = np.sum((truth == i) & (decided == i))
        missed = np.sum((truth == i) & (decided != i))
        false = np.sum((truth != i) & (truth < 26) & (decided == i))
        theirs.append(hits / (hits + missed + false))
    assert ious(scores) == pytest.approx(theirs, abs=1e-12)
    assert scores.headline == pytest.approx(np.mean(theirs), abs=1e-12)
