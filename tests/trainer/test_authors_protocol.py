"""The authors' validation against its description, pixel by pixel, with a network whose every logit is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labelforge import LabelMapping, LogitLayout, Taxonomy
from labelforge.errors import ConfigError
from labelforge.shards import ShardReader
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.decision import decide
from labelforge.trainer.evaluation.protocols import resize_labels, take_branch_as_given
from labelforge.trainer.evaluation.scoring import evaluate
from labelforge.trainer.images import Pixels
from labelforge.trainer.segmenter import Segmenter
from labelforge.trainer.tables import LayoutTensors
from tests.core import shard_folders

TREE = Taxonomy.load("iv2018")
LAYOUT = LogitLayout.compile(TREE)
SIGN = 38
"""The root's child "traffic sign", counted in the paper's list of 53."""


class KnownSegmenter(Segmenter):
    """Random logits per image, seen at half the size and decided there."""

    def __init__(self, seed: int) -> None:
        checkpoint = SimpleNamespace(taxonomy=TREE, mappings=(), place=Path("known"))
        self.checkpoint = cast("Checkpoint", checkpoint)
        self.layout, self.mappings, self.device = LAYOUT, (), torch.device("cpu")
        self.tensors = LayoutTensors.of_layout(LAYOUT)
        self._seed = seed

    def network_size(self, image: Pixels) -> tuple[int, int]:
        return image.shape[0] // 2, image.shape[1] // 2

    def network_logits(self, images: Sequence[Pixels]) -> torch.Tensor:
        (image,) = images
        height, width = self.network_size(image)
        generator = torch.Generator().manual_seed(self._seed + int(image[0, 0, 0]))
        logits = torch.randn(1, 111, height // 4, width // 4, generator=generator)
        logits[:, SIGN] += 2  # so that there are signs
        return logits


def upsampled(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)[0]


def test_a_sign_is_one_of_the_43_wherever_the_root_says_sign() -> None:
    """Columns of iv2018: 53 of the root, 10 driveable, 3 rider, 2 back and front, 43 fronts (METHOD.md's order)."""
    mapping = LabelMapping.load(TREE, "gtsdb")
    logits = torch.randn(1, 111, 7, 9, generator=torch.Generator().manual_seed(3))
    logits[:, SIGN] += 2
    before = logits.clone()
    favoured = take_branch_as_given(logits, LAYOUT, mapping)
    assert torch.equal(logits, before)
    classes = decide(favoured, LayoutTensors.of_layout(LAYOUT), (28, 36))[0]
    native = LAYOUT.native_rows(mapping)[classes.numpy()]
    fine = upsampled(logits, (28, 36))
    expected = torch.where(fine[:53].argmax(0) == SIGN, fine[68:].argmax(0) + 1, 0)
    assert (native == expected.numpy()).mean() > 0.999  # ties within rounding may fall differently
    assert 50 < (native > 0).sum() < native.size - 50
    says_back = fine[66] > fine[67]
    assert (native[says_back.numpy()] > 0).any()


def test_other_datasets_are_read_as_always() -> None:
    logits = torch.randn(1, 111, 3, 4)
    for dataset in ("cityscapes", "mapillary-vistas-1.2"):
        assert take_branch_as_given(logits, LAYOUT, LabelMapping.load(TREE, dataset)) is logits


def test_the_network_need_not_choose_between_back_and_front() -> None:
    """In a tree where a sign has nothing but fronts, there is no choice to take as made."""
    tree = Taxonomy.from_dict({"name": "t", "tree": {"scene": {"sky": None, "sign": ["stop", "go"]}}})
    records: list[dict[str, Any]] = [
        {"row": 0, "native_id": None, "native_name": "-", "target": "ignore", "supervision": "box"},
        {"row": 1, "native_id": 0, "native_name": "stop", "target": "stop", "supervision": "box"},
        {"row": 2, "native_id": 1, "native_name": "go", "target": "go", "supervision": "box"},
    ]
    layout = LogitLayout.compile(tree)
    logits = torch.randn(1, layout.num_logits, 3, 4)
    assert take_branch_as_given(logits, layout, LabelMapping.from_records(tree, "signs", records)) is logits


@pytest.mark.parametrize("dataset", ["gtsdb", "cityscapes"])
def test_scores_are_those_of_the_description(tmp_path: Path, dataset: str) -> None:
    """Network size, void row and void column dropped, mean over the classes that occur."""
    mapping = LabelMapping.load(TREE, dataset)
    rng = np.random.default_rng(5)
    scored = [row.row for row in mapping.rows if not row.target.ignored]
    palette = [(i, i, i) for i in range(len(mapping.rows))]
    samples, labels = [], []
    for number in range(2):
        coarse = rng.choice([0, *scored[:-3]], (6, 8))  # the last three never occur
        labels.append(np.kron(coarse, np.ones((8, 8))).astype(np.uint8))
        image = np.full((48, 64, 3), number, np.uint8)
        samples.append(shard_folders.encoded(str(number), image, labels[-1], palette))
    shard_folders.write(tmp_path / "shards", [samples], mapping, TREE)
    segmenter = KnownSegmenter(seed=11)
    (found,) = evaluate(segmenter, [ShardReader(tmp_path / "shards")], protocol="authors")
    assert found.to_dict()["by"] == "winner"

    matrix = np.zeros((len(mapping.rows), len(mapping.rows)))
    for number, truth in enumerate(labels):
        logits = segmenter.logits(np.full((48, 64, 3), number, np.uint8))
        fine = upsampled(logits, (24, 32)).numpy()
        for y, x in np.ndindex(24, 32):
            true = int(truth[2 * y, 2 * x])  # blocks of 8: any of the 2 x 2 pixels
            said = decided(fine[:, y, x], dataset, mapping)
            matrix[true, said] += 1
    matrix = matrix[np.ix_(scored, scored)]
    rows = matrix.sum(1)
    accuracies = matrix.diagonal()[rows > 0] / rows[rows > 0]
    assert found.scores.headline == pytest.approx(accuracies.mean(), abs=1e-3)
    assert found.scores.pixels == rows.sum()
    assert found.protocol.title == f"mean pixel accuracy, {len(scored)} classes (the authors' validation)"
    official = evaluate(segmenter, [ShardReader(tmp_path / "shards")])[0]
    assert official.scores.headline != found.scores.headline


def decided(logits: np.ndarray[tuple[int], np.dtype[np.float32]], dataset: str, mapping: LabelMapping) -> int:
    """The row that the authors' flattening gives one pixel, 0 for void."""
    first = int(logits[:53].argmax())
    if dataset == "gtsdb":
        return int(logits[68:].argmax()) + 1 if first == SIGN else 0
    child = TREE.nodes[TREE.root.children[first]]
    columns = {"driveable": slice(53, 63), "rider": slice(63, 66), "traffic sign": slice(66, 68)}.get(child.name)
    node = child
    if columns is not None:
        node = TREE.nodes[child.children[int(logits[columns].argmax())]]
    if node.name == "front":
        node = TREE.nodes[node.children[int(logits[68:].argmax())]]
    holding = [row for row in mapping.rows if set(node.leaves) <= row.target.leaves]
    return min(holding, key=lambda row: len(row.target.leaves)).row if holding else 0


def test_labels_shrink_to_the_nearest_pixel() -> None:
    labels = torch.arange(24).view(4, 6) + 60000
    assert resize_labels(labels, (4, 6)) is labels
    assert resize_labels(labels, (2, 2)).tolist() == [[60000 + 7, 60000 + 10], [60000 + 19, 60000 + 22]]


def test_an_unknown_protocol_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown protocol 'author'"):
        evaluate(tmp_path, [tmp_path], protocol="author")  # type: ignore[arg-type]
