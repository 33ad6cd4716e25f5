"""Evaluation against confusion counted pixel by pixel, with a network whose every logit is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from labelforge.errors import CheckpointError, ShardError
from labelforge.mapping import LabelMapping
from labelforge.shards import ShardReader
from labelforge.taxonomy import Taxonomy
from labelforge.trainer import segmenter as inference
from labelforge.trainer.config import DataConfig
from labelforge.trainer.data.datasets import compile_table
from labelforge.trainer.decision import decide
from labelforge.trainer.evaluation.scoring import evaluate, scores_frame
from labelforge.trainer.models.network import upsample
from labelforge.trainer.segmenter import Segmenter, decide_upsampled, network_size
from labelforge.trainer.tables import TableTensors
from labelforge.trainer.training import train
from tests.trainer.tiny import (
    DEFINITION,
    LABELS,
    TREE,
    draw,
    make_shards,
    mapping,
    open_both,
    tiny_backbone,
    tiny_config,
    write_shards,
)


@pytest.fixture(scope="module", autouse=True)
def _backbone() -> Iterator[None]:
    with tiny_backbone():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step."""
    folder = tmp_path_factory.mktemp("run")
    return train(open_both(folder), folder / "run", tiny_config(steps=1, data={"resize": "none"})).out


def stub(run: Path, seed: int = 0) -> Segmenter:
    """A segmenter whose network is one random convolution of stride 4: wrong nearly everywhere, in every way."""
    segmenter = Segmenter.load(run, device="cpu")
    torch.manual_seed(seed)
    network = nn.Conv2d(3, segmenter.checkpoint.table.slices[-1].stop, 5, stride=4, padding=2)

    class Floating(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = network(images.float() / 255 - 0.4)
            return found

    segmenter._network = Floating()  # type: ignore[assignment]
    return segmenter


def leaf_decided(logits: npt.NDArray[np.float32]) -> str:
    """The decision rule, written down from the tree's definition. Columns: scene, ground, sign, front, depth first."""
    sky, ground, sign, car, road, grass, back, front, *kinds = logits
    first = int(np.argmax([sky, ground, sign, car]))
    if first == 1:
        return ("road", "grass")[int(np.argmax([road, grass]))]
    if first == 2:
        if np.argmax([back, front]) == 0:
            return "back"
        return ("left", "right", "thirty")[int(np.argmax(kinds))]
    return ("sky", "", "", "car")[first]


MEANING = {
    "dense": [set(), {"sky"}, {"road", "grass"}, {"left", "right", "thirty"}, {"car"}, set()],
    "boxes": [set(), {"left"}, {"right"}, {"thirty"}],
}
"""Leaves of every row, written down from the mappings."""


def brute_force(segmenter: Segmenter, reader: ShardReader) -> tuple[dict[int, float | None], float]:
    """IoU of every scored row, and pixel accuracy."""
    rows_of = MEANING[reader.dataset]
    hit, true, said = np.zeros(9, int), np.zeros(9, int), np.zeros(9, int)
    for sample in reader:
        with torch.no_grad():
            pixels = torch.from_numpy(sample.image.copy()).permute(2, 0, 1)[None]
            logits = segmenter._network(pixels)
            fine = upsample(logits, sample.label.shape)[0].numpy()
        for y, x in np.ndindex(sample.label.shape):
            row = int(sample.label[y, x])
            if not rows_of[row]:
                continue
            leaf = leaf_decided(fine[:, y, x])
            containing = [i for i, leaves in enumerate(rows_of) if leaf in leaves]
            counted = row if row in containing else min(containing, key=lambda i: len(rows_of[i]), default=0)
            true[row] += 1
            said[counted] += 1
            hit[row] += counted == row
    iou = {}
    for row, leaves in enumerate(rows_of):
        if leaves:
            union = true[row] + said[row] - hit[row]
            iou[row] = hit[row] / union if union else None
    return iou, hit.sum() / true.sum()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scores_are_those_counted_pixel_by_pixel(run: Path, tmp_path: Path, seed: int) -> None:
    readers = [
        ShardReader(make_shards(tmp_path / "dense", "dense", 3, (30, 41), first=10)),
        ShardReader(make_shards(tmp_path / "boxes", "boxes", 2, (33, 28), first=20)),
    ]
    segmenter = stub(run, seed)
    for reader, found in zip(readers, evaluate(segmenter, readers), strict=True):
        iou, accuracy = brute_force(segmenter, reader)
        assert {entry.row: entry.iou for entry in found.scores.classes} == pytest.approx(iou)
        assert found.scores.pixel_accuracy == pytest.approx(accuracy)
        assert found.scores.mean_iou == pytest.approx(np.mean([v for v in iou.values() if v is not None]))
        assert (found.shards, found.split, found.scores.dataset) == (reader.url, "train", reader.dataset)


def test_a_dataset_that_was_not_trained_on_is_scored(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third label space with labels across branches; its table comes with its shards."""
    labels = [(1, "surface", {"any": ["ground", "car"]}), (2, "rest", {"any": ["sky", "sign"]})]
    monkeypatch.setitem(LABELS, "dense", labels)
    image, rows = draw("dense", 5, (30, 40))
    reader = ShardReader(write_shards(tmp_path / "other", "dense", [("one", image, (rows % 3).astype(np.uint8))]))
    monkeypatch.setitem(MEANING, "dense", [set(), {"road", "grass", "car"}, {"sky", "back", "left", "right", "thirty"}])
    segmenter = stub(run)
    assert reader.mapping.digest not in {m.digest for m in segmenter.checkpoint.mappings}
    iou, accuracy = brute_force(segmenter, reader)
    scores = evaluate(segmenter, [reader])[0].scores
    assert {entry.row: entry.iou for entry in scores.classes} == pytest.approx(iou)
    assert scores.pixel_accuracy == pytest.approx(accuracy)


def test_the_averaged_weights_are_the_ones_in_use(run: Path) -> None:
    segmenter = Segmenter.load(run, device="cpu")
    average, trained = (segmenter.checkpoint.weights(average=flag) for flag in (True, False))
    used = segmenter._network.state_dict()
    assert all(torch.equal(value, average[key]) for key, value in used.items())
    assert any(not torch.equal(value, trained[key]) for key, value in used.items())
    assert not segmenter._network.training


def test_shards_of_another_tree_are_refused_with_the_cure(run: Path, tmp_path: Path) -> None:
    other = Taxonomy.from_dict({**DEFINITION, "name": "other"})
    shards = make_shards(tmp_path / "foreign", "dense", 1, tree=other)
    with pytest.raises(CheckpointError) as caught:
        evaluate(run, [shards])
    message = str(caught.value)
    assert f"trained for taxonomy tiny ({TREE.digest[:12]})" in message
    assert f"are of other ({other.digest[:12]})" in message
    assert message.endswith(f"Run: labelforge retarget {shards} --taxonomy tiny")


def test_a_shard_cut_short_after_opening_is_one_line(run: Path, tmp_path: Path) -> None:
    shards = make_shards(tmp_path / "dense", "dense", 2)
    reader = ShardReader(shards)
    file = shards / "shard-00000.tar"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ShardError, match=r"shard-00000\.tar"):
        evaluate(run, [reader])


def test_progress_and_frame(run: Path, tmp_path: Path) -> None:
    reader = ShardReader(make_shards(tmp_path / "boxes", "boxes", 3))
    told: list[tuple[str, int, int]] = []
    found = evaluate(run, [reader], progress=lambda url, done, total: told.append((url, done, total)))
    assert told == [(reader.url, i, 3) for i in (1, 2, 3)]
    frame = scores_frame(found)
    assert list(frame["name"]) == ["keep left", "keep right", "limit 30"]
    assert list(frame.columns[:3]) == ["shards", "dataset", "split"]
    assert frame["pixels"].sum() == found[0].scores.pixels


@pytest.mark.parametrize("size", [(8, 12), (37, 23), (5, 60), (1, 1), (64, 64)])
def test_deciding_in_bands_is_deciding_at_once(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "_BAND_VALUES", 2 * 11 * 3 * size[1])  # bands of three rows
    table = TableTensors.of(compile_table("hierarchical", TREE, [mapping("boxes"), mapping("dense")]))
    logits = torch.randn(2, 11, 6, 9, generator=torch.Generator().manual_seed(1))
    banded = decide_upsampled(logits, table, size)
    whole = decide(upsample(logits, size), table)
    assert banded.shape == whole.shape
    assert (banded == whole).float().mean() > 0.999  # ties within rounding may fall differently


@pytest.mark.parametrize(
    ("resize", "short_side", "expected"),
    [("fit", None, (512, 1024)), ("none", None, (1024, 2048)), ("fit", 256, (256, 512)), ("none", 2048, (2048, 4096))],
)
def test_the_size_that_the_network_sees(resize: str, short_side: int | None, expected: tuple[int, int]) -> None:
    config = DataConfig.model_validate({"crop": (512, 706), "resize": resize})
    assert network_size((1024, 2048), config, short_side) == expected


def test_labels_of_the_mapping_are_as_the_oracle_says() -> None:
    leaves = {name: i for i, name in enumerate(leaf.name for leaf in TREE.leaves)}
    for dataset, rows in MEANING.items():
        table: LabelMapping = mapping(dataset)
        assert [row.target.leaves for row in table.rows] == [frozenset(leaves[n] for n in names) for names in rows]
