"""Evaluation against confusion counted pixel by pixel, with a network whose every logit is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from labelforge.errors import CheckpointError, ShardError
from labelforge.label_space import LabelSpace
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.protocol import Protocol, ProtocolClass
from labelforge.shards import Manifest, ShardReader, open_folder
from labelforge.taxonomy import Taxonomy
from labelforge.trainer import upsampled
from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint
from labelforge.trainer.checkpoint_writer import save_checkpoint
from labelforge.trainer.decision import decide
from labelforge.trainer.evaluation.metrics import harmonic_mean_iou, score_classes
from labelforge.trainer.evaluation.protocols import find_protocol
from labelforge.trainer.evaluation.scoring import Evaluation, evaluate, scores_frame
from labelforge.trainer.evaluation.summary import over_all
from labelforge.trainer.models.heads import HierarchicalHead
from labelforge.trainer.models.network import build_network, upsample
from labelforge.trainer.segmenter import Segmenter
from labelforge.trainer.tables import LayoutTensors
from labelforge.trainer.training import train
from tests.core import shard_folders
from tests.trainer.scripted import ScriptedSegmenter
from tests.trainer.tiny import (
    DEFINITION,
    LABELS,
    TREE,
    draw,
    make_shards,
    mapping,
    open_both,
    tiny_config,
    write_shards,
)

pytestmark = pytest.mark.usefixtures("backbone")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, backbone: None) -> Path:
    """A run of one step."""
    folder = tmp_path_factory.mktemp("run")
    return train(open_both(folder), folder / "run", tiny_config(steps=1, data={"resize": "none"})).out


def load_scrambled(run: Path, folder: Path, seed: int = 0) -> Segmenter:
    """The network of a run with random classifiers, in both sets of weights: wrong nearly everywhere, in every way."""
    found = find_checkpoint(run)
    generator = torch.Generator().manual_seed(seed)
    image = torch.from_numpy(draw("dense", 0, (64, 80))[0]).permute(2, 0, 1)[None]

    @torch.no_grad()
    def scramble(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        network = build_network(found.layout.sizes, found.config.model)
        network.load_state_dict(weights)
        classifiers = cast("Sequence[nn.Conv2d]", cast("HierarchicalHead", network.head).classifiers)
        for classifier in classifiers:
            classifier.weight.normal_(generator=generator)
        means = network.eval()(image).mean(dim=(0, 2, 3)).split(found.layout.sizes)
        for classifier, mean in zip(classifiers, means, strict=True):
            assert classifier.bias is not None
            classifier.bias.sub_(mean)  # so that each child wins somewhere
        return network.state_dict()

    saved = save_checkpoint(
        folder,
        step=1,
        config=found.config,
        layout=found.layout,
        mappings=found.mappings,
        samples=[1, 1],
        weights=scramble(found.weights(average=False)),
        average=scramble(found.weights(average=True)),
        state=found.state(),
        keep=1,
    )
    return Segmenter.load(saved, device="cpu")


def logits_of(segmenter: Segmenter, image: npt.NDArray[np.uint8], average: bool = True) -> npt.NDArray[np.float32]:
    """(H, W, C) logits at an image's own size, from the checkpoint's files."""
    checkpoint = segmenter.checkpoint
    assert isinstance(checkpoint, Checkpoint)
    network = build_network(checkpoint.layout.sizes, checkpoint.config.model)
    network.load_state_dict(checkpoint.weights(average=average))
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(image.copy()).permute(2, 0, 1)[None])
        found: npt.NDArray[np.float32] = upsample(logits, image.shape[:2])[0].movedim(0, -1).numpy()
    return found


def decided(logits: npt.NDArray[np.float32]) -> str:
    """The decision rule, written down from what the two datasets teach: no kind of ground, and no back of a sign.

    Columns: scene, front.
    """
    *first, left, right, thirty = logits
    name = ("sky", "ground", "sign", "car")[int(np.argmax(first))]
    return ("left", "right", "thirty")[int(np.argmax([left, right, thirty]))] if name == "sign" else name


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
        logits = logits_of(segmenter, sample.image)
        for y, x in np.ndindex(sample.local_rows.shape):
            row = int(sample.local_rows[y, x])
            if not rows_of[row]:
                continue
            name = decided(logits[y, x])
            answer = {"road", "grass"} if name == "ground" else {name}
            containing = [i for i, leaves in enumerate(rows_of) if answer <= leaves]
            counted = min(containing, key=lambda i: len(rows_of[i]), default=0)
            true[row] += 1
            said[counted] += 1
            hit[row] += counted == row
    iou = {}
    for row, leaves in enumerate(rows_of):
        if leaves:
            union = true[row] + said[row] - hit[row]
            iou[row] = hit[row] / union if union else None
    return iou, hit.sum() / true.sum()


def by_row(evaluation: Evaluation) -> dict[int, float | None]:
    """IoU by row; every scored label of the tiny datasets is a class of its own."""
    rows = {name: row for row, (_, name, _) in enumerate(LABELS[evaluation.dataset], start=1)}
    return {rows[entry.name]: entry.iou for entry in evaluation.scores.classes}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scores_are_those_counted_pixel_by_pixel(run: Path, tmp_path: Path, seed: int) -> None:
    readers = [
        ShardReader(make_shards(tmp_path / "dense", "dense", 3, (30, 41), first=10)),
        ShardReader(make_shards(tmp_path / "boxes", "boxes", 2, (33, 28), first=20)),
    ]
    segmenter = load_scrambled(run, tmp_path, seed)
    for reader, found in zip(readers, evaluate(segmenter, readers, by="winner"), strict=True):
        iou, accuracy = brute_force(segmenter, reader)
        assert by_row(found) == pytest.approx(iou)
        assert found.scores.pixel_accuracy == pytest.approx(accuracy)
        assert found.scores.mean_iou == pytest.approx(np.mean([v for v in iou.values() if v is not None]))
        assert (found.shards, found.split, found.dataset) == (reader.url, "train", reader.dataset)
        assert (found.trained, found.images, found.reduced) == (True, len(reader), 0)
        assert found.protocol.benchmark == "no protocol"


def test_a_dataset_that_was_not_trained_on_is_scored(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third label space with labels across branches; its table comes with its shards."""
    labels = [(1, "surface", {"any": ["ground", "car"]}), (2, "rest", {"any": ["sky", "sign"]})]
    monkeypatch.setitem(LABELS, "dense", labels)
    image, rows = draw("dense", 5, (30, 40))
    reader = ShardReader(write_shards(tmp_path / "other", "dense", [("one", image, (rows % 3).astype(np.uint8))]))
    monkeypatch.setitem(MEANING, "dense", [set(), {"road", "grass", "car"}, {"sky", "back", "left", "right", "thirty"}])
    segmenter = load_scrambled(run, tmp_path)
    assert reader.mapping.digest not in {m.digest for m in segmenter.checkpoint.mappings}
    iou, accuracy = brute_force(segmenter, reader)
    (found,) = evaluate(segmenter, [reader], by="winner")
    scores = found.scores
    assert by_row(found) == pytest.approx(iou)
    assert scores.pixel_accuracy == pytest.approx(accuracy)


def test_decisions_are_those_of_the_averaged_weights(run: Path, tmp_path: Path) -> None:
    segmenter = load_scrambled(run, tmp_path)
    image, _ = draw("dense", 3, (30, 41))
    names = [segmenter.layout.class_names[i].split("/")[-1] for i in segmenter.decide(image).flatten().tolist()]
    averaged, trained = (logits_of(segmenter, image, average).reshape(-1, 7) for average in (True, False))
    assert names == [decided(pixel) for pixel in averaged]
    assert names != [decided(pixel) for pixel in trained]
    assert len(set(names)) >= 5


def test_shards_of_another_tree_are_refused_with_the_cure(run: Path, tmp_path: Path) -> None:
    other = Taxonomy.from_dict({**DEFINITION, "name": "other"})
    shards = make_shards(tmp_path / "foreign", "dense", 1, tree=other)
    with pytest.raises(CheckpointError) as caught:
        evaluate(run, [shards])
    message = str(caught.value)
    assert f"trained for taxonomy tiny ({TREE.digest[:12]})" in message
    assert f"have other ({other.digest[:12]})" in message
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
    how = ["metric", "by", "over", "logit_adjustment", "reading", "kind"]
    assert list(frame.columns[:9]) == ["shards", "dataset", "split", *how]
    assert set(frame["by"]) == {"usual"}
    classes = frame[(frame["reading"] == "strict") & (frame["kind"] == "class")]
    assert list(classes["name"]) == ["keep left", "keep right", "limit 30"]
    assert classes["pixels"].sum() == found[0].scores.pixels
    (mean,) = frame[(frame["reading"] == "consistent") & (frame["kind"] == "mean")]["iou"]
    assert mean == found[0].consistent.mean_iou


@pytest.mark.parametrize("size", [(8, 12), (37, 23), (5, 60), (1, 1), (64, 64)])
def test_deciding_in_bands_is_deciding_at_once(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upsampled, "_BAND_VALUES", 2 * 11 * 3 * size[1])  # bands of three rows
    tensors = LayoutTensors.of_layout(LogitLayout.compile(TREE))
    logits = torch.randn(2, 11, 6, 9, generator=torch.Generator().manual_seed(1))
    banded = decide(logits, tensors, size, kernel="torch")
    whole = decide(upsample(logits, size), tensors)
    assert banded.shape == whole.shape
    assert (banded == whole).float().mean() > 0.999  # ties within rounding may fall differently


def test_labels_of_the_mapping_are_as_the_oracle_says() -> None:
    leaves = {name: i for i, name in enumerate(leaf.name for leaf in TREE.leaves)}
    for dataset, rows in MEANING.items():
        table: LabelMapping = mapping(dataset)
        assert [row.target.leaves for row in table.rows] == [frozenset(leaves[n] for n in names) for names in rows]


def test_the_protocol_of_an_own_label_space_comes_with_the_shards(run: Path, tmp_path: Path) -> None:
    shards = make_shards(tmp_path / "dense", "dense", 2)
    folder = open_folder(shards)
    own = Protocol("Tiny", "mIoU", "this test", (ProtocolClass(name="up", labels=("sky", "auto")),), "accuracy")
    Manifest.load(folder).model_copy(update={"protocol": own}).write(folder)
    (found,) = evaluate(run, [shards])
    assert found.protocol == own
    assert [(entry.name, entry.labels) for entry in found.scores.classes] == [("up", ("sky", "auto"))]
    assert found.scores.headline == found.scores.mean_accuracy


def test_shards_without_a_protocol_take_that_of_the_shipped_label_space(tmp_path: Path) -> None:
    tree = Taxonomy.load("iv2018")
    table = LabelMapping.load(tree, "cityscapes")
    shard_folders.write(tmp_path / "real", [], table, tree)
    assert find_protocol(ShardReader(tmp_path / "real"), "official") == LabelSpace.load("cityscapes").protocol
    short = LabelMapping.from_records(tree, "cityscapes", table.to_records()[:-1])
    shard_folders.write(tmp_path / "own", [], short, tree)
    assert find_protocol(ShardReader(tmp_path / "own"), "official").benchmark == "no protocol"


def test_images_that_were_scaled_down_are_counted(tmp_path: Path) -> None:
    """The converter notes the source's size; turned on its side it is no smaller."""
    image, rows = draw("dense", 5, (30, 40))
    for name, source, reduced in (("same", [30, 40], 0), ("turned", [40, 30], 0), ("half", [60, 80], 1)):
        member = {"source_size": source}
        sample = shard_folders.encoded("one", image, rows, [(i, i, i) for i in range(6)])
        members = (*sample.members[:2], ("json", json.dumps(member).encode()))
        shard_folders.write(tmp_path / name, [[replace(sample, members=members)]], mapping("dense"), TREE)
        answers = [np.zeros((30, 40), np.int64)]
        (found,) = evaluate(
            ScriptedSegmenter.answering(LogitLayout.compile(TREE), answers), [ShardReader(tmp_path / name)]
        )
        assert (found.images, found.reduced, found.trained) == (1, reduced, False)


def test_several_datasets_are_summed_up_by_the_harmonic_mean() -> None:
    scores = [score_classes(np.array([[right, 10 - right]]), Protocol.of_labels(["a"])) for right in (2, 6)]
    assert harmonic_mean_iou(scores) == pytest.approx(2 / (1 / 0.2 + 1 / 0.6))
    assert harmonic_mean_iou([*scores, score_classes(np.zeros((1, 2), np.int64), Protocol.of_labels(["a"]))]) == (
        pytest.approx(0.3)
    )


def test_the_harmonic_mean_says_over_how_many() -> None:
    """A dataset of which nothing was scored has no mean IoU, and is not counted."""
    table = [np.array([[4, 6]]), np.zeros((1, 2), np.int64)]
    scores = [score_classes(matrix, Protocol.of_labels(["a"])) for matrix in table]
    found = [
        cast(Evaluation, SimpleNamespace(scores=s, dataset=d, trained=d != "b"))
        for s, d in zip(scores, "ab", strict=True)
    ]
    text = "Harmonic mean of the mean IoU over 1 of 2 datasets (as MSeg): 40.0%."
    assert over_all(found) == f"{text} Not in the training: b."
    assert over_all([found[0], found[0]]) == f"{text.replace('1 of 2', '2')} The training saw all of them."
