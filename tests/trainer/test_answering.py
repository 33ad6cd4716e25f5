"""What predict writes if it is asked for confidence, for sums, or to stop where it is not sure: pixel by pixel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from labelforge.errors import ConfigError
from labelforge.logits import LogitLayout
from labelforge.shards import ShardReader
from labelforge.trainer.answering import Answering
from labelforge.trainer.evaluation.scoring import evaluate
from labelforge.trainer.prediction import predict
from labelforge.trainer.readout import By
from labelforge.trainer.segmenter import Readings, Segmenter
from tests.trainer.scripted import ScriptedSegmenter
from tests.trainer.tiny import TREE, make_shards, mapping

MAPPINGS = [mapping("boxes"), mapping("dense")]
LAYOUT = LogitLayout.compile(TREE, MAPPINGS)
# Columns: sky, ground, sign ->, car; left, right, thirty. One line per column of the picture, as probabilities.
PROBABILITIES = [
    ((0.7, 0.1, 0.1, 0.1), (0.4, 0.3, 0.3)),  # sky
    ((0.1, 0.1, 0.6, 0.2), (0.8, 0.1, 0.1)),  # a sign, 0.6; to the left, 0.48
    ((0.1, 0.1, 0.6, 0.2), (0.4, 0.3, 0.3)),  # a sign, 0.6; which one, 0.24
    ((0.3, 0.25, 0.25, 0.2), (0.4, 0.3, 0.3)),  # anything
]
IDS = {"sky": 0, "left": 4, "scene": 8, "front": 11}


class Doubtful(ScriptedSegmenter):
    """Gives every column of a picture the probabilities above."""

    def __init__(self) -> None:
        super().__init__(LAYOUT, lambda image: np.zeros(image.shape[:2], np.int64), MAPPINGS)

    def _look(self, image: npt.NDArray[np.uint8], readout: Readings) -> tuple[torch.Tensor, ...]:
        logits = torch.tensor([[*first, *second] for first, second in PROBABILITIES]).log()
        wide = logits.T[None, :, None].expand(1, 7, image.shape[0], 4)
        return tuple(part[0] for part in readout(wide, (image.shape[0], 4)))


def load(path: Path | None) -> npt.NDArray[Any]:
    assert path is not None
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (4, 3)).save(tmp_path / "p.png")
    return tmp_path / "p.png"


@pytest.fixture
def segmenter() -> Segmenter:
    return Doubtful()


def test_a_descent_stops_at_the_node_reached(segmenter: Segmenter, picture: Path, tmp_path: Path) -> None:
    (written,) = predict(segmenter, [picture], tmp_path / "out", confidence=0.45, soft=True).written
    expected = [IDS["sky"], IDS["left"], IDS["front"], IDS["scene"]]
    assert load(written.ids).tolist() == [expected] * 3
    confidence = load(tmp_path / "out" / "confidence" / "p.png")
    assert confidence.dtype == np.uint16
    assert (confidence[0] / 65535).tolist() == pytest.approx([0.7, 0.48, 0.6, 1.0], abs=1e-5)
    names = {entry["id"]: entry["name"] for entry in json.loads((tmp_path / "out/classes.json").read_text())["classes"]}
    assert [names[i] for i in expected] == ["sky", "sign/front/left", "sign/front", "scene"]


def test_labels_by_sum_and_by_winner(segmenter: Segmenter, picture: Path, tmp_path: Path) -> None:
    """The kinds of signs share what the sign has: 'boxes' has no label for all of them, 'dense' no other."""
    for by, dense, boxes in (("sum", [7, 20, 20, 7], [0, 0, 0, 0]), ("winner", [7, 20, 20, 7], [255, 0, 0, 255])):
        for space, expected in (("dense", dense), ("boxes", boxes)):
            out = tmp_path / f"{by}-{space}"
            (written,) = predict(segmenter, [picture], out, label_space=space, by=by).written  # type: ignore[arg-type]
            assert load(written.ids)[0].tolist() == expected, (by, space)


def test_unasked_it_is_by_sum_but_for_boxes(segmenter: Segmenter, picture: Path, tmp_path: Path) -> None:
    for space, by in (("dense", "sum"), ("boxes", "winner")):
        first, second = (
            predict(segmenter, [picture], tmp_path / f"{space}-{way}", label_space=space, by=way).written[0].ids  # type: ignore[arg-type]
            for way in (None, by)
        )
        assert (load(first) == load(second)).all()


def test_labels_below_the_confidence_are_void(segmenter: Segmenter, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "sum"
    (written,) = predict(segmenter, [picture], out, label_space="dense", by="sum", confidence=0.65, soft=True).written
    assert load(written.ids)[0].tolist() == [7, 255, 255, 255]
    assert (load(out / "confidence/p.png")[0] / 65535).tolist() == pytest.approx([0.7, 0.6, 0.6, 0.3], abs=1e-5)
    (written,) = predict(segmenter, [picture], tmp_path / "w", label_space="dense", by="winner", confidence=0.5).written
    assert load(written.ids)[0].tolist() == [7, 20, 20, 255]  # 'sign' holds the front, where two descents stop


class Noisy(ScriptedSegmenter):
    """Random logits, the same for the same picture."""

    def __init__(self) -> None:
        super().__init__(LAYOUT, lambda image: np.zeros(image.shape[:2], np.int64), MAPPINGS)

    def _look(self, image: npt.NDArray[np.uint8], readout: Readings) -> tuple[torch.Tensor, ...]:
        seeded = torch.Generator().manual_seed(int(image.sum()))
        size = (image.shape[0], image.shape[1])
        return tuple(part[0] for part in readout(3 * torch.randn(1, 7, *size, generator=seeded), size))


@pytest.mark.parametrize("dataset", ["dense", "boxes"])
@pytest.mark.parametrize("by", [None, "sum", "winner"])
def test_what_predict_writes_is_what_evaluate_scores(by: By | None, dataset: str, tmp_path: Path) -> None:
    reader = ShardReader(make_shards(tmp_path / "shards", dataset, 3, (20, 30)))
    native = np.array([255 if row.native_id is None else row.native_id for row in reader.mapping.rows])
    scored: dict[str, npt.NDArray[Any]] = {}
    (found,) = evaluate(Noisy(), [reader], by=by, observe=lambda seen: scored.update({seen.sample.key: seen.decided}))
    for number in range(3):
        Image.fromarray(reader[number].image).save(tmp_path / f"{reader[number].key}.png")
    for soft in (False, True):
        out = tmp_path / f"out-{soft}"
        result = predict(Noisy(), [tmp_path / "*.png"], out, label_space=dataset, by=by, soft=soft)
        written = {prediction.source.stem: load(prediction.ids) for prediction in result.written}
        assert written.keys() == scored.keys()
        assert all((written[key] == native[rows]).all() for key, rows in scored.items())
    hits = sum(int(((rows == true) & (true > 0)).sum()) for rows, true in _with_truth(reader, scored))
    of = sum(int((true > 0).sum()) for _, true in _with_truth(reader, scored))
    assert found.scores.pixel_accuracy == hits / of


def _with_truth(
    reader: ShardReader, scored: dict[str, npt.NDArray[Any]]
) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """What was scored and the truth, without labels that are ignored."""
    ignored = [row.row for row in reader.mapping.rows if row.target.ignored]
    samples = [reader[number] for number in range(len(reader))]
    return [(scored[s.key], np.where(np.isin(s.local_rows, ignored), 0, s.local_rows)) for s in samples]


def test_what_cannot_be_asked_says_so() -> None:
    with pytest.raises(ConfigError, match=r"Add --label-space NAME\."):
        Answering(by="sum")
    with pytest.raises(ConfigError, match="a confidence of 70 is no probability"):
        Answering(threshold=70)
