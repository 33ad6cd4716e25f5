"""What a run says before its first step, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from labelforge.lint import lint_mappings
from labelforge.trainer.data.batches import TrainingBatches
from labelforge.trainer.kernels import choice
from labelforge.trainer.models import network
from labelforge.trainer.models.network import build_network
from labelforge.trainer.models.weights import LoadedWeights
from labelforge.trainer.opening import describe_run
from tests.trainer.tiny import LABELS, TREE, mapping, open_both, tiny_config

pytestmark = pytest.mark.usefixtures("backbone")


def opening(folder: Path, **changes: object) -> list[str]:
    config = tiny_config(data={"batch": {"dense": 2}}, **changes)
    batches = TrainingBatches.open(open_both(folder), config)
    built = build_network(batches.table.layout.sizes, config.model)
    return describe_run(config, batches, built, torch.device("cpu"))


def test_it_says_what_is_trained_on_and_what_that_teaches(tmp_path: Path) -> None:
    boxes, dense, what, classes, lint_warning, device, _ = opening(tmp_path)
    assert boxes == "boxes: 2 samples with labelled boxes, 1 in each batch; 3 of 3 labels occur."
    assert dense == "dense: 3 samples with labelled pixels, 2 in each batch; 4 of 4 labels occur."
    assert what == "2 of 4 classifiers with 7 choices and 6 answers."
    lint = f"labelforge lint TREE --shards {tmp_path / 'boxes'} --shards {tmp_path / 'dense'}"
    counts = "2 from pixels, 3 from boxes, 2 only as part of a larger answer, 1 not at all"
    assert classes == f"Of the {len(TREE.leaves)} classes of tiny, {counts}. Which: {lint}"
    (found,) = [f for f in lint_mappings(TREE, [mapping("boxes"), mapping("dense")], chosen=True).findings if f.counts]
    assert lint_warning == f"lint warning only-boxes: {found.what}."
    assert device == "tiny with 0.0 million parameters on cpu; a batch is 3 crops of 32x48."


def test_boxes_that_are_left_out_have_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lone = (
        "lint note lone-box: the boxes of boxes do not train the classifier of 'sign': 'front' is all that they could "
        "tell it. To ask for it: --set loss.lone_boxes=true."
    )
    path: dict[str, object] = {"boxes": "path"}
    assert lone not in opening(tmp_path / "a", loss=path), "no network for these labels has that classifier"
    monkeypatch.setitem(LABELS, "dense", [*LABELS["dense"], (22, "rear", "sign/back")])
    assert lone in opening(tmp_path / "b", loss=path)
    assert not any("note lone-box" in line for line in opening(tmp_path / "c", loss={**path, "lone_boxes": True}))
    assert not any("lint" in line for line in opening(tmp_path / "d", loss=path, model={"head": "flat-union"})[4:])


def test_of_many_warnings_the_first_are_named_and_the_rest_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning is there without the labels that mean anything, and so train nothing."""
    anything = {"any": ["sky", "ground", "sign", "car"]}
    for extra, named, more in ((7, 8, 0), (8, 9, 0), (9, 8, 2)):
        labels = [(30 + i, f"anything {i}", anything) for i in range(extra)]
        with monkeypatch.context() as patch:
            patch.setitem(LABELS, "dense", [*LABELS["dense"], *labels])
            lines = opening(tmp_path / str(extra))
        assert sum(line.startswith("lint warning ") for line in lines) == named
        assert [line for line in lines if "more" in line] == [f"and {more} more warnings of lint."] * (more > 0)


def test_it_names_the_decoder_and_what_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "load_weights", lambda *_: LoadedWeights("tiny.pth", ("fc.bias", "fc.weight")))
    model = {"backbone": "tiny", "features": 16, "decoder": "fpn", "decoder_channels": 8, "weights": "tiny.pth"}
    *_, loaded, device, _ = opening(tmp_path, model=model)
    assert loaded == "backbone weights: tiny.pth; the classifier in it is dropped (2 tensors)."
    assert device.startswith("tiny and fpn with 0.0 million parameters on cpu; ")


def test_the_command_it_names_can_be_typed(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    assert f"--shards '{folder / 'dense'}' --boxes path" in opening(folder, loss={"boxes": "path"})[3]


def test_it_says_what_is_left_out(tmp_path: Path) -> None:
    dense, left_out, *_ = opening(tmp_path, loss={"boxes": "drop"})
    assert dense.startswith("dense: ")
    assert left_out == "boxes: left out, because it has box labels alone and loss.boxes is drop."


def test_it_says_what_computes_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "has_numba", lambda: True)
    assert opening(tmp_path / "a")[-1] == "Losses and decisions are computed by numba kernels."
    sparse = (
        "The loss is computed by plain PyTorch, since with loss.stride=4 few pixels count per logit; decisions by "
        "numba kernels."
    )
    assert opening(tmp_path / "b", loss={"stride": 4})[-1] == sparse
    monkeypatch.setattr(choice, "has_numba", lambda: False)
    assert opening(tmp_path / "c")[-1] == (
        "Losses and decisions are computed by plain PyTorch; pip install 'labelforge[fast]' brings kernels for both "
        "that take an eighth of the time."
    )
