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
from labelforge.errors import CheckpointError, ConfigError
from labelforge.files import json_text
from labelforge.logits import Head, LogitLayout
from labelforge.shards import ShardReader
from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint
from labelforge.trainer.class_weights import class_weights
from labelforge.trainer.config import ClassWeighting, Mean
from labelforge.trainer.config.loss import Balance, LossConfig
from labelforge.trainer.data.batches import TrainingBatches
from labelforge.trainer.data.datasets import pixel_counts
from labelforge.trainer.decision import class_probabilities
from labelforge.trainer.evaluation.scoring import evaluate
from labelforge.trainer.evaluation.summary import reading_notes
from labelforge.trainer.logit_adjustment import LogitAdjustment
from labelforge.trainer.loss import hierarchical_loss
from labelforge.trainer.prediction import predict
from labelforge.trainer.priors import taught_priors
from labelforge.trainer.rows import GlobalRows
from labelforge.trainer.segmenter import Segmenter
from labelforge.trainer.tables import LayoutTensors, TableTensors
from labelforge.trainer.training import train
from tests.core.random_trees import trees
from tests.trainer.tiny import draw, make_shards, open_both, tiny_config


def way_to(layout: LogitLayout, k: int) -> list[int]:
    """Columns from the root to a class, by search from its end."""
    way = [int(np.flatnonzero(layout.class_of == k)[0])]
    while True:
        classifier = next(j for j, columns in enumerate(layout.slices) if columns.start <= way[0] < columns.stop)
        if classifier == 0:
            return way
        way.insert(0, layout.slices[layout.parent[classifier]].start + layout.branch[classifier])


@given(tree=trees(), seed=st.integers(0, 10**6), strength=st.sampled_from([-1.0, 0.0, 0.3, 1.0, 2.0]))
def test_the_probability_of_a_class_is_divided_by_a_power_of_its_prior(
    tree: Taxonomy, seed: int, strength: float
) -> None:
    layout, rng = LogitLayout.compile(tree), np.random.default_rng(seed)
    priors = np.concatenate([rng.dirichlet(np.full(size, 0.7)) + 1e-4 for size in layout.sizes]).clip(max=1)
    logits = torch.from_numpy(rng.normal(0, 3, (2, layout.num_logits, 3, 1))).float()
    tensors = LayoutTensors.of_layout(layout)
    wanted = class_probabilities(logits, tensors).numpy().astype(np.float64)
    adjusted = LogitAdjustment(layout, priors.tolist(), strength)(logits)
    for k in range(len(layout.classes)):
        wanted[:, k] /= np.prod([priors[column] for column in way_to(layout, k)]) ** strength
    wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(class_probabilities(adjusted, tensors).numpy(), wanted, rtol=2e-4, atol=1e-7)


DEEP = Taxonomy.from_dict(
    {"name": "t", "tree": {"r": {"sky": None, "thing": {"car": None, "sign": None, "dog": None}, "road": None}}}
)


@pytest.mark.parametrize("strength", [-0.5, 0.5, 1.5])
def test_a_choice_that_no_pixel_showed_keeps_its_probability(strength: float) -> None:
    layout = LogitLayout.compile(DEEP)
    tensors, logits = LayoutTensors.of_layout(layout), torch.randn(1, 6, 4, 5)
    sky, car, sign, dog, road = (
        layout.class_names.index(n) for n in ("sky", "thing/car", "thing/sign", "thing/dog", "road")
    )
    below = LogitAdjustment(layout, [0.7, 0.1, 0.2, 0.9, 0.1, 0.0], strength)(logits)
    before, after = (class_probabilities(each, tensors) for each in (logits, below))
    within = [(each[:, dog] / each[:, [car, sign, dog]].sum(1)).numpy() for each in (before, after)]
    assert within[1] == pytest.approx(within[0], rel=1e-5)
    assert after[:, car] / after[:, sign] == pytest.approx(before[:, car] / before[:, sign] * 9**-strength, rel=1e-4)
    above = class_probabilities(LogitAdjustment(layout, [0.7, 0.0, 0.3, 0.8, 0.1, 0.1], strength)(logits), tensors)
    things = [each[:, [car, sign, dog]].sum(1).numpy() for each in (before, above)]
    assert things[1] == pytest.approx(things[0], rel=1e-5), "also where what is below it was shown"
    assert above[:, sky] / above[:, road] == pytest.approx(
        before[:, sky] / before[:, road] * (7 / 3) ** -strength, rel=1e-4
    )
    nothing = LogitAdjustment(layout, [0.0] * 6, strength)(logits)
    assert class_probabilities(nothing, tensors).numpy() == pytest.approx(before.numpy(), rel=1e-5)


def test_what_only_boxes_tell_apart_says_nothing_of_what_leads_there() -> None:
    mappings = [
        labels("pixels", ["ignore", "sky", "thing", "road"]),
        labels("boxes", ["ignore", "car", "sign", "dog"], "box"),
    ]
    layout = LogitLayout.compile(DEEP, mappings)
    assert layout.boxes_alone == (False, True)
    tensors, logits = LayoutTensors.of_layout(layout), torch.randn(1, 6, 4, 5)
    priors = [0.6, 0.1, 0.3, 0.998, 0.001, 0.001]
    before, after = (
        class_probabilities(each, tensors) for each in (logits, LogitAdjustment(layout, priors, 1.0)(logits))
    )
    things = [[i for i, name in enumerate(layout.class_names) if name.startswith("thing/")]] * 2
    sky = layout.class_names.index("sky")
    odds = [each[:, kinds].sum(1) / each[:, sky] for each, kinds in zip((before, after), things, strict=True)]
    assert odds[1] == pytest.approx(odds[0] * 6, rel=1e-4), "by its own prior, not by those of what is below"
    car, sign = (layout.class_names.index(name) for name in ("thing/car", "thing/sign"))
    assert after[:, sign] / after[:, car] == pytest.approx(before[:, sign] / before[:, car] * 998, rel=1e-3)


def labels(name: str, targets: Sequence[Any], supervision: str = "pixel") -> LabelMapping:
    records = [
        {"row": i, "native_id": i or None, "native_name": f"{name}{i}", "target": target, "supervision": supervision}
        for i, target in enumerate(targets)
    ]
    return LabelMapping.from_records(DEEP, name, records)


FINE = labels("fine", ["ignore", "sky", "car", "sign", "dog", "road"])
COARSE = labels("coarse", ["ignore", "sky", "thing", {"any": ["sky", "dog"]}])
SOME = labels("some", ["ignore", "sky", "dog"])
BOXES = labels("boxes", ["ignore", "car", "dog"], "box")
PIXELS = {"fine": [9, 400, 64, 16, 4, 20], "coarse": [5, 90, 300, 60], "some": [0, 10, 90], "boxes": [0, 600, 40]}
WORLDS = {
    "one": [FINE],
    "coarse": [COARSE, FINE],
    "datasets that name other things": [FINE, SOME],
    "boxes": [BOXES, FINE],
    "all": [BOXES, COARSE, FINE, SOME],
}


def learned(table: TargetTable, pixels: Sequence[int], loss: LossConfig, weights: Any) -> Tensor:
    """The logits that a network learns from these labels if it sees nothing of the image: (1, C, 1, 1)."""
    rows = np.repeat(np.arange(len(pixels)), pixels)[None, None]
    tensors = TableTensors.of(table)
    labels = GlobalRows(torch.from_numpy(rows), table.numbering)
    logits = torch.zeros(1, table.layout.num_logits, 1, 1, requires_grad=True, dtype=torch.float64)
    optimizer = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        found = hierarchical_loss(
            logits.expand(1, -1, 1, rows.shape[2]),
            labels,
            tensors,
            torch.ones(table.layout.num_classifiers),
            "none",
            mean=loss.mean,
            box_weight=loss.box_weight,
            balance=loss.balance,
            class_weights=None if weights is None else torch.from_numpy(weights),
            kernel="reference",
        )
        found.total.backward()  # type: ignore[no-untyped-call]
        return found.total

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return logits.detach().float()


@pytest.mark.parametrize("balance", ["pixels", "datasets"])
@pytest.mark.parametrize("weighting", ["none", "inverse-sqrt", "inverse"])
@pytest.mark.parametrize("mean", ["classifier", "pixel"])
@pytest.mark.parametrize("head", ["hierarchical", "flat-marginal", "flat-union"])
@pytest.mark.parametrize("world", list(WORLDS))
def test_a_network_that_knows_only_how_often_things_occur_then_knows_nothing(
    world: str, head: Head, mean: Mean, weighting: ClassWeighting, balance: Balance
) -> None:
    mappings = WORLDS[world]
    table = TargetTable.compile(DEEP, mappings, head=head)
    pixels = [count for mapping in mappings for count in PIXELS[mapping.dataset]]
    loss = LossConfig(
        mean=mean, class_weights=weighting, balance=balance, **({"box_weight": 0.3} if mean == "pixel" else {})
    )
    weights = class_weights(table, np.array(pixels), weighting, flip=False, mean=mean)
    network = learned(table, pixels, loss, weights)
    priors = taught_priors(table, np.array(pixels), [1.0] * len(mappings), loss, weights, flip=False)
    for columns in table.layout.slices:
        assert priors[columns] == pytest.approx(network[0, columns, 0, 0].softmax(0).numpy(), abs=2e-3)
    adjusted = LogitAdjustment(table.layout, priors.tolist(), 1.0)(network)
    shown = class_probabilities(adjusted, LayoutTensors.of_layout(table.layout)).flatten()
    assert shown.tolist() == pytest.approx([1 / len(shown)] * len(shown), rel=0.03)


def test_what_is_drawn_more_often_seems_more_frequent() -> None:
    table = TargetTable.compile(DEEP, [FINE, SOME])
    pixels = np.array([*PIXELS["fine"], *PIXELS["some"]])
    more = np.array([*PIXELS["fine"], *(3 * n for n in PIXELS["some"])])
    given = [(pixels, [0.5, 1.5]), (more, [1.0, 1.0]), (pixels, [1.0, 1.0])]
    often, same, alike = (taught_priors(table, shown, drawn, LossConfig(), None, flip=False) for shown, drawn in given)
    assert often == pytest.approx(same, rel=1e-6)
    assert not np.allclose(often, alike, rtol=0.1)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    return open_both(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def run(shards: list[ShardReader], tmp_path_factory: pytest.TempPathFactory, backbone: None) -> Path:
    config = tiny_config(steps=40, optim={"lr": 0.02}, ema={"decay": 0}, data={"flip": False})
    return train(shards, tmp_path_factory.mktemp("run") / "run", config).out


IMAGE, _ = draw("dense", 5, (64, 80))


def test_a_checkpoint_keeps_what_its_labels_taught(run: Path, shards: list[ShardReader]) -> None:
    checkpoint = find_checkpoint(run)
    names = checkpoint.layout.column_names
    assert checkpoint.about.priors is not None
    found = dict(zip(names, checkpoint.about.priors, strict=True))
    dense, boxes = (np.concatenate([sample.local_rows.ravel() for sample in reader]) for reader in shards)
    seen = np.bincount(dense, minlength=6)[1:5]
    assert [found[name] for name in ("sky", "ground", "sign", "car")] == pytest.approx(seen / seen.sum())
    signs = np.bincount(boxes, minlength=4)[1:]
    in_order = [found[f"sign/front/{name}"] for name in ("left", "right", "thirty")]
    assert in_order == pytest.approx(signs / signs.sum())


def test_priors_are_of_what_a_training_draws(tmp_path: Path, backbone: None) -> None:
    shared = [
        ShardReader(make_shards(tmp_path / "many", "dense", 6)),
        ShardReader(make_shards(tmp_path / "boxes", "boxes", 2)),
    ]
    large = ShardReader(make_shards(tmp_path / "large", "boxes", 2, (128, 160), first=2))
    data = {"crop": [32, 40], "scale": [0.6, 0.6], "batch": {"dense": 1, "boxes": 3}, "flip": True}
    loss = {"class_weights": "inverse-sqrt", "boxes": "path"}
    config = tiny_config(steps=400, model={"head": "flat-marginal"}, data=data, loss=loss)
    for number, readers in enumerate((shared, [shared[0], large])):
        batches = TrainingBatches.open(readers, config)
        drawn = np.zeros(len(batches.table.target), np.int64)
        for batch in batches:
            drawn += np.bincount(batch.rows.tensor.flatten().numpy(), minlength=len(drawn))
        weights = class_weights(
            batches.table, pixel_counts([c.training_set for c in batches.crops]), "inverse-sqrt", flip=True
        )
        wanted = taught_priors(batches.table, drawn, [1.0, 1.0], config.loss, weights, flip=False)
        once = tiny_config(**{**config.model_dump(), "steps": 1})
        found = find_checkpoint(train(readers, tmp_path / f"run-{number}", once).out).about.priors
        assert found == pytest.approx(wanted, rel=0.2), "whatever the size of the images"


def test_a_run_that_goes_on_with_other_settings_has_priors_of_both(
    shards: list[ShardReader], tmp_path: Path, backbone: None
) -> None:
    out = tmp_path / "run"
    first = find_checkpoint(train(shards, out, tiny_config(steps=3)).out).about.priors
    same = find_checkpoint(train(shards, out, tiny_config(steps=4), resume=True).out).about.priors
    assert first is not None and same == first
    weighted = tiny_config(steps=6, loss={"class_weights": "inverse"})
    both = find_checkpoint(train(shards, out, weighted, resume=True).out).about.priors
    alone = find_checkpoint(train(shards, tmp_path / "alone", weighted).out).about.priors
    assert alone is not None and not np.allclose(alone, first)
    assert both == pytest.approx([4 / 6 * a + 2 / 6 * b for a, b in zip(first, alone, strict=True)])


def test_every_answer_is_of_the_adjusted_logits(run: Path, shards: list[ShardReader], tmp_path: Path) -> None:
    plain, adjusted = Segmenter.load(run, "cpu"), Segmenter.load(run, "cpu", logit_adjustment=1.5)
    priors = plain.checkpoint.about.priors
    assert priors is not None
    wanted = LogitAdjustment(plain.layout, priors, 1.5)(plain.logits(IMAGE))
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
    (again,) = evaluate(adjusted, shards[:1], logit_adjustment=0.0)
    assert again == before and (again.matrix == before.matrix).all()


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
        notes, text = [reading_notes(found[number]) for found in single.values()], " ".join(printed[name].split())
        assert "classes occur" in text and "less rare" not in text
        for note in {note for of_one in notes for note in of_one}:
            assert (note in text) == all(note in of_one for of_one in notes), note
    result = CliRunner().invoke(cli, [*asked, *strengths, "--out", str(tmp_path / "page")])
    assert isinstance(result.exception, ConfigError) and not (tmp_path / "page").exists()


def test_an_exported_network_knows_its_frequencies_too(run: Path, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    from labelforge.trainer.export import export_onnx

    file = export_onnx(run, tmp_path / "net.onnx")
    one, other = (Segmenter.load(place, "cpu", logit_adjustment=1.0) for place in (run, file))
    torch.testing.assert_close(one.logits(IMAGE), other.logits(IMAGE), rtol=1e-3, atol=1e-3)
    import onnx

    model = onnx.load(str(file))
    kept = [entry for entry in model.metadata_props if entry.key != "labelforge.priors"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, str(file))
    torch.testing.assert_close(
        Segmenter.load(run, "cpu").logits(IMAGE), Segmenter.load(file, "cpu").logits(IMAGE), rtol=1e-3, atol=1e-3
    )
    with pytest.raises(ConfigError, match="and export it again, if this is an exported file"):
        Segmenter.load(file, "cpu", logit_adjustment=1.0)


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
    del about["priors"]
    (old / "checkpoint.json").write_text(json.dumps(about))
    assert Segmenter.load(old, "cpu").logits(IMAGE).shape == Segmenter.load(run, "cpu").logits(IMAGE).shape
    what = said("evaluate", str(old), str(shards[0].url), "--logit-adjustment", "1")
    assert "an earlier version wrote it" in what and "--resume" in what
    for priors in ([0.5, 0.5], [2.0] * 9):
        (old / "checkpoint.json").write_text(json.dumps({**about, "priors": priors}))
        with pytest.raises(CheckpointError, match="priors must be"):
            Segmenter.load(old, "cpu", logit_adjustment=1.0)
