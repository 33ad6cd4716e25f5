"""Predictions as the benchmarks' own tools find and read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.prediction import predict
from tests.trainer.scripted import ScriptedSegmenter


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The official evaluation of Cityscapes, without its instance scores (they need a function that numpy removed)."""
    tool: Any = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    for name, value in (("evalInstLevelScore", False), ("quiet", True), ("JSONOutput", False)):
        monkeypatch.setattr(tool.args, name, value)
    for name in ("predictionPath", "predictionWalk"):
        monkeypatch.setattr(tool.args, name, None)
    yield tool


def test_the_official_tool_finds_and_scores_cityscapes_predictions(
    official: Any,
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The network is right wherever some class is the true label, and else decides for what is no Cityscapes label."""
    tree = Taxonomy.load("iv2018")
    mappings = [LabelMapping.load(tree, name) for name in ("cityscapes", "mapillary-vistas-1.2", "gtsdb")]
    layout = LogitLayout.compile(tree, mappings)
    root = shared_data / "cityscapes"
    images = sorted((root / "leftImg8bit").rglob("*_leftImg8bit.png"))
    truths = sorted((root / "gtFine").rglob("*_gtFine_labelIds.png"))
    native = layout.native_rows(mappings[0]).tolist()
    unfit = native.index(0)
    class_of = np.full(256, unfit)
    for number, row in enumerate(native):
        native_id = mappings[0].rows[row].native_id
        if native_id is not None and native_id >= 0:
            class_of[native_id] = number
    truth_of = {load(image).tobytes(): load(truth) for image, truth in zip(images, truths, strict=True)}
    network = ScriptedSegmenter(layout, lambda image: class_of[truth_of[image.tobytes()]], mappings)

    predict(network, [root / "leftImg8bit"], tmp_path / "out", name_as="cityscapes", by="winner")
    monkeypatch.setenv("CITYSCAPES_RESULTS", str(tmp_path / "out" / "ids"))
    found = [official.getPrediction(official.args, str(truth)) for truth in truths]
    scores = official.evaluateImgLists(found, [str(truth) for truth in truths], official.args)
    told_apart = {label.name for label in official.labels if label.id >= 0 and class_of[label.id] != unfit}
    evaluated = {name: score for name, score in scores["classScores"].items() if not np.isnan(score)}
    assert len(evaluated) >= 15
    assert evaluated == {name: 1.0 if name in told_apart else 0.0 for name in evaluated}
    assert {"road", "sidewalk", "car", "person", "sky"} <= told_apart & set(evaluated)
    assert np.asarray(scores["confMatrix"])[:, 0].sum() > 0, "what fits no label is Cityscapes' 'unlabeled'"


def load(path: Path) -> npt.NDArray[Any]:
    with Image.open(path) as picture:
        return np.asarray(picture)
