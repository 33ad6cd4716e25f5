"""Logit adjustment against products of probabilities, and against a network that knows nothing but frequencies."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from labelforge import LabelMapping, TargetTable, Taxonomy
from labelforge.cli import cli
from labelforge.errors import ConfigError
from labelforge.files import json_text
from labelforge.logits import Head, LogitLayout
from labelforge.shards import ShardReader
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.class_weights import class_weights
from labelforge.trainer.config import ClassWeighting, Mean
from labelforge.trainer.decision import class_probabilities
from labelforge.trainer.evaluation.scoring import evaluate
from labelforge.trainer.evaluation.summary import reading_notes
from labelforge.trainer.frequencies import class_frequencies, column_frequencies, with_flips
from labelforge.trainer.logit_adjustment import LogitAdjustment
from labelforge.trainer.loss import hierarchical_loss
from labelforge.trainer.prediction import predict
from labelforge.trainer.rows import GlobalRows
from labelforge.trainer.segmenter import Segmenter
from labelforge.trainer.tables import LayoutTensors, TableTensors
from labelforge.trainer.training import train
from tests.core.random_trees import World, trees, worlds
from tests.trainer.tiny import draw, make_shards, tiny_config


def way_to(layout: LogitLayout, k: int) -> list[int]:
    """Columns from the root to a class, by search from its end."""
    way = [int(np.flatnonzero(layout.class_of == k)[0])]
    while True:
        classifier = next(j for j, columns in enumerate(layout.slices) if columns.start <= way[0] < columns.stop)
        if classifier == 0:
            return way
        way.insert(0, layout.slices[layout.parent[classifier]].start + layout.branch[classifier])


@given(tree=trees(), seed=st.integers(0, 10**6), strength=st.sampled_from([-1.0, 0.0, 0.3, 1.0, 2.0]))
def test_the_probability_of_a_class_is_divided_by_a_power_of_its_frequency(
    tree: Taxonomy, seed: int, strength: float
) -> None:
    layout, rng = LogitLayout.compile(tree), np.random.default_rng(seed)
    columns = np.concatenate([rng.dirichlet(np.full(size, 0.5)) for size in layout.sizes])
    columns[rng.random(len(columns)) < 0.1] = 0  # never seen
    logits = torch.from_numpy(rng.normal(0, 3, (2, layout.num_logits, 3, 1))).float()
    tensors = LayoutTensors.of_layout(layout)
    before = class_probabilities(logits, tensors).numpy().astype(np.float64)
    adjusted = LogitAdjustment(layout, columns.tolist(), strength)(logits)
    wanted = before.copy()
    for k in range(len(layout.classes)):
        frequency = np.prod([columns[column] for column in way_to(layout, k)])
        if frequency:
            wanted[:, k] /= frequency**strength
    wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(class_probabilities(adjusted, tensors).numpy(), wanted, rtol=2e-4, atol=1e-7)


@given(world=worlds(supervision="pixel"), seed=st.integers(0, 10**6))
def test_frequencies_of_classes_are_those_of_their_labels(world: World, seed: int) -> None:
    leaves = [leaf.path for leaf in world.tree.leaves]
    records = [
        {"row": i, "native_id": i or None, "native_name": f"l{i}", "target": target, "supervision": "pixel"}
        for i, target in enumerate(["ignore", *leaves])
    ]
    table = TargetTable.compile(world.tree, [LabelMapping.from_records(world.tree, "set", records)])
    pixels = np.random.default_rng(seed).integers(1, 1000, len(leaves))
    counts = with_flips(table, np.array([7, *pixels]), flip=False)
    found = class_frequencies(table.layout, column_frequencies(table, counts))
    assert found == pytest.approx(pixels / pixels.sum(), rel=1e-6)


TREE = Taxonomy.from_dict(
    {"name": "t", "tree": {"r": {"sky": None, "thing": {"car": None, "sign": None, "dog": None}}}}
)
FINE = [("ignore", 9), ("sky", 400), ("car", 64), ("sign", 16), ("dog", 4)]
COARSE = [*FINE, ("thing", 300), ({"any": ["sky", "dog"]}, 60)]


def best_constant(table: TargetTable, pixels: Sequence[int], weighting: ClassWeighting, mean: Mean) -> Tensor:
    """The logits that a network learns from these labels if it sees nothing of the image: (1, C, 1, 1)."""
    rows = np.repeat(np.arange(len(pixels)), pixels)[None, None]
    labels, tensors = GlobalRows.of(table, "set", rows), TableTensors.of(table)
    weights = class_weights(table, np.array(pixels), weighting, flip=False, mean=mean)
    logits = torch.zeros(1, table.layout.num_logits, 1, 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=300, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = hierarchical_loss(
            logits.expand(1, -1, 1, rows.shape[2]),
            labels,
            tensors,
            torch.ones(table.layout.num_classifiers),
            class_weights=None if weights is None else torch.from_numpy(weights),
            mean=mean,
            kernel="reference",
        )
        loss.total.backward()  # type: ignore[no-untyped-call]
        return loss.total

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return logits.detach()


@pytest.mark.parametrize("mean", ["classifier", "pixel"])
@pytest.mark.parametrize("head", ["hierarchical", "flat-marginal"])
@pytest.mark.parametrize(("labels", "weighting"), [(FINE, "none"), (FINE, "inverse-sqrt"), (COARSE, "none")])
def test_a_network_that_knows_only_frequencies_then_knows_nothing(
    labels: list[tuple[Any, int]], weighting: ClassWeighting, head: Head, mean: Mean
) -> None:
    records = [
        {"row": i, "native_id": i or None, "native_name": f"l{i}", "target": target, "supervision": "pixel"}
        for i, (target, _) in enumerate(labels)
    ]
    table = TargetTable.compile(TREE, [LabelMapping.from_records(TREE, "set", records)], head=head)
    pixels = [count for _, count in labels]
    learned = best_constant(table, pixels, weighting, mean)
    tensors = LayoutTensors.of_layout(table.layout)
    assert class_probabilities(learned, tensors).max() > 0.5, "it knows that the sky is frequent"
    frequencies = column_frequencies(table, np.array(pixels, float)).tolist()
    strength = {"none": 1.0, "inverse-sqrt": 0.5}[weighting]
    adjusted = LogitAdjustment(table.layout, frequencies, strength)(learned)
    assert class_probabilities(adjusted, tensors).flatten().tolist() == pytest.approx([0.25] * 4, abs=0.003)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    folder = tmp_path_factory.mktemp("shards")
    return [ShardReader(make_shards(folder / name, name, 2)) for name in ("dense", "boxes")]


@pytest.fixture(scope="module")
def run(shards: list[ShardReader], tmp_path_factory: pytest.TempPathFactory, backbone: None) -> Path:
    config = tiny_config(steps=40, optim={"lr": 0.02}, ema={"decay": 0}, data={"flip": False})
    return train(shards, tmp_path_factory.mktemp("run") / "run", config).out


IMAGE, _ = draw("dense", 5, (64, 80))


def test_a_checkpoint_says_how_often_things_occur(run: Path, shards: list[ShardReader]) -> None:
    from labelforge.trainer.checkpoint import find_checkpoint

    checkpoint = find_checkpoint(run)
    names = checkpoint.layout.column_names
    assert checkpoint.about.frequencies is not None
    found = dict(zip(names, checkpoint.about.frequencies, strict=True))
    dense, boxes = (np.concatenate([sample.local_rows.ravel() for sample in reader]) for reader in shards)
    seen = np.bincount(dense, minlength=6)[1:5]
    assert [found[name] for name in ("sky", "ground", "sign", "car")] == pytest.approx(seen / seen.sum())
    signs = np.bincount(boxes, minlength=4)[1:]
    in_order = [found[f"sign/front/{name}"] for name in ("left", "right", "thirty")]
    assert in_order == pytest.approx(signs / signs.sum())


def test_every_answer_is_of_the_adjusted_logits(run: Path, shards: list[ShardReader], tmp_path: Path) -> None:
    plain, adjusted = Segmenter.load(run, "cpu"), Segmenter.load(run, "cpu", logit_adjustment=1.5)
    frequencies = plain.checkpoint.about.frequencies
    assert frequencies is not None
    wanted = LogitAdjustment(plain.layout, frequencies, 1.5)(plain.logits(IMAGE))
    assert torch.equal(adjusted.logits(IMAGE), wanted) and not torch.equal(wanted, plain.logits(IMAGE))
    assert torch.equal(Segmenter.load(run, "cpu", logit_adjustment=0.0).logits(IMAGE), plain.logits(IMAGE))
    picture = tmp_path / "p.png"
    Image.fromarray(IMAGE).save(picture)
    result = predict(run, [picture], tmp_path / "out", device="cpu", logit_adjustment=1.5)
    listed = {e["id"]: e["name"] for e in json.loads((tmp_path / "out" / "classes.json").read_text())["classes"]}
    names = [listed[i] for i in np.asarray(Image.open(str(result.written[0].ids))).ravel()]
    assert names == [plain.layout.class_names[k] for k in adjusted.decide(IMAGE).ravel()]
    (asked,) = evaluate(run, shards[:1], device="cpu", logit_adjustment=1.5)
    (loaded,) = evaluate(adjusted, shards[:1])
    (before,) = evaluate(run, shards[:1], device="cpu")
    assert asked == loaded and (asked.matrix == loaded.matrix).all() and not (asked.matrix == before.matrix).all()
    assert asked.to_dict()["logit_adjustment"] == 1.5 and before.to_dict()["logit_adjustment"] == 0
    assert "Rare classes were taken for less rare: logit adjustment 1.5." in reading_notes(asked)
    with pytest.raises(ConfigError, match=r"loaded with logit adjustment 1\.5, not 0\.5"):
        evaluate(adjusted, shards[:1], logit_adjustment=0.5)


def test_several_strengths_are_compared_in_a_table(run: Path, shards: list[ShardReader], tmp_path: Path) -> None:
    urls, files = [reader.url for reader in shards], [tmp_path / "s.csv", tmp_path / "s.json"]
    asked = ["evaluate", str(run), *urls, "--device", "cpu", "--csv", str(files[0]), "--json", str(files[1])]
    strengths = [option for t in ("1", "0", "-0.5", "1") for option in ("--logit-adjustment", t)]
    result = CliRunner().invoke(cli, [*asked, *strengths])
    assert result.exit_code == 0, result.output
    single = {t: evaluate(run, shards, device="cpu", logit_adjustment=t) for t in (-0.5, 0.0, 1.0)}
    expected = [single[t][number].to_dict() for number in range(2) for t in single]
    assert json.loads(files[1].read_text()) == json.loads(json_text(expected))
    assert sorted(pd.read_csv(files[0]).logit_adjustment.unique()) == [-0.5, 0, 1]
    printed = {"dense": "", "boxes": ""}
    _, printed["dense"], printed["boxes"] = re.split(r"(?m)^dense train|^boxes train", result.stdout)
    for number, name in enumerate(printed):
        lines = [line.split() for line in printed[name].splitlines()]
        rows = {line[0]: line[-1] for line in lines if len(line) == 4 and line[0] in ("-0.5", "0", "1")}
        assert rows == {f"{t:g}": f"{found[number].scores.pixel_accuracy:.1%}" for t, found in single.items()}
    result = CliRunner().invoke(cli, [*asked, *strengths, "--out", str(tmp_path / "page")])
    assert isinstance(result.exception, ConfigError) and not (tmp_path / "page").exists()


def test_an_exported_network_knows_its_frequencies_too(run: Path, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    from labelforge.trainer.export import export_onnx

    file = export_onnx(run, tmp_path / "net.onnx")
    one, other = (Segmenter.load(place, "cpu", logit_adjustment=1.0) for place in (run, file))
    torch.testing.assert_close(one.logits(IMAGE), other.logits(IMAGE), rtol=1e-3, atol=1e-3)


def test_a_flat_union_is_adjusted_before_it_is_read_over_leaves(
    shards: list[ShardReader], tmp_path: Path, backbone: None
) -> None:
    made = train(shards, tmp_path / "union", tiny_config(steps=1, model={"head": "flat-union"})).out
    nodes, leaves = (Segmenter.load(made, "cpu", over=over, logit_adjustment=1.0) for over in ("nodes", "leaves"))
    kept = [nodes.layout.class_names.index(name) for name in leaves.layout.class_names]
    assert len(kept) < len(nodes.layout.class_names)
    assert torch.equal(nodes.logits(IMAGE)[:, kept], leaves.logits(IMAGE))


def test_what_cannot_be_adjusted_is_said(run: Path, shards: list[ShardReader], tmp_path: Path) -> None:
    def said(*arguments: str) -> str:
        result = CliRunner().invoke(cli, [*arguments, "--device", "cpu"])
        assert isinstance(result.exception, ConfigError), result.output
        return str(result.exception)

    for wrong in ("-1.1", "2.5", "nan"):
        what = said("evaluate", str(run), str(shards[0].url), "--logit-adjustment", wrong)
        assert "logit adjustment" in what and "Give -1 to 2" in what
    folder = Checkpoint.open(next((run / "checkpoints").iterdir())).folder
    old = tmp_path / folder.name
    old.mkdir()
    for file in folder.iterdir():
        (old / file.name).write_bytes(file.read_bytes())
    about = json.loads((old / "checkpoint.json").read_text())
    del about["frequencies"]
    (old / "checkpoint.json").write_text(json.dumps(about))
    assert Segmenter.load(old, "cpu").logits(IMAGE).shape == Segmenter.load(run, "cpu").logits(IMAGE).shape
    what = said("evaluate", str(old), str(shards[0].url), "--logit-adjustment", "1")
    assert "does not say how often its classes occur" in what and "--resume" in what
