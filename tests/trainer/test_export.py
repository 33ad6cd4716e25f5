"""An exported network: the same logits for images of any size, in every runtime, from a file that explains itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn

from labelforge.cli import cli
from labelforge.errors import CheckpointError, ConfigError
from labelforge.trainer import export, segmenter
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.evaluation.scoring import evaluate
from labelforge.trainer.export import export_onnx
from labelforge.trainer.models.exportable import exportable
from labelforge.trainer.onnx_file import OnnxFile
from labelforge.trainer.prediction import predict
from labelforge.trainer.runtimes import RuntimeNetwork, choose_runtime
from labelforge.trainer.segmenter import NetworkSegmenter, Segmenter
from tests.trainer.exporting import SameBackbone, logits_of, same_backbone, save_network
from tests.trainer.test_transfer import labelled
from tests.trainer.tiny import draw, make_shards

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package)

SIZES = [(64, 96), (65, 97), (66, 95), (33, 46), (71, 70), (8, 8), (7, 3), (1, 1)]


@pytest.fixture(scope="module", autouse=True)
def _backbone() -> Iterator[None]:
    with same_backbone():
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return save_network(tmp_path_factory.mktemp("exporting") / "run")


@pytest.fixture(scope="module")
def file(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = checkpoint.folder.parents[1]
    return export_onnx(run, tmp_path_factory.mktemp("exported") / "net.onnx")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_logits_are_the_networks_for_images_of_any_size(file: Path, checkpoint: Checkpoint, runtime: Any) -> None:
    pytest.importorskip(runtime)
    network = OnnxFile.open(file).network("float32", runtime)
    random = torch.Generator().manual_seed(1)
    for number, size in enumerate(SIZES):
        images = torch.randint(0, 256, (1 + number % 3, 3, *size), dtype=torch.uint8, generator=random)
        wanted = logits_of(checkpoint, images)
        assert wanted.std() > 0.1
        torch.testing.assert_close(network(images), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def test_joined_logits_are_exported_joined(tmp_path: Path) -> None:
    labels = [labelled(["sky", "road", "grass", "car"])]
    checkpoint = save_network(tmp_path / "run", mappings=labels, samples=(1,), logits="joined")
    assert checkpoint.layout.joins
    images = torch.randint(0, 256, (2, 3, 33, 46), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    network = OnnxFile.open(export_onnx(tmp_path / "run", tmp_path / "net.onnx")).network("float32", "onnxruntime")
    torch.testing.assert_close(network(images), logits_of(checkpoint, images), rtol=1e-4, atol=1e-3)
    plain = save_network(tmp_path / "plain", mappings=labels, samples=(1,))
    assert not torch.equal(logits_of(plain, images), logits_of(checkpoint, images))


def test_a_file_that_answers_otherwise_is_not_written(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(network: nn.Module) -> nn.Module:
        changed = exportable(network)
        with torch.no_grad():
            next(changed.parameters()).mul_(1.1)
        return changed

    monkeypatch.setattr(export, "exportable", wrong)
    with pytest.raises(ConfigError, match="the exported network gives other logits for images of 65x97"):
        export_onnx(checkpoint, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_the_file_is_valid_and_says_nothing_of_the_machine(file: Path) -> None:
    import onnx

    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    (images,), (logits,) = model.graph.input, model.graph.output
    assert (images.name, logits.name) == ("images", "logits")
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert logits.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [dim.dim_value for dim in images.type.tensor_type.shape.dim] == [0, 3, 0, 0]
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    content = file.read_bytes()
    assert b".py" not in content
    assert str(Path.home()).encode() not in content


def test_the_file_explains_itself(file: Path, checkpoint: Checkpoint) -> None:
    import onnx

    opened = OnnxFile.open(file)
    assert opened.layout.to_records() == checkpoint.layout.to_records()
    assert opened.taxonomy.digest == checkpoint.taxonomy.digest
    assert [m.digest for m in opened.mappings] == [m.digest for m in checkpoint.mappings]
    assert (opened.config, opened.step) == (checkpoint.config, 3)
    found = {entry.key.removeprefix("labelforge."): entry.value for entry in onnx.load(file).metadata_props}
    assert (found["tree"], found["stride"], found["taxonomy_digest"]) == ("tiny", "2", checkpoint.taxonomy.digest)
    assert json.loads(found["resize"]) == {"rule": "fit", "crop": [32, 48]}
    assert json.loads(found["scaling"]) == {"mean": [127.5] * 3, "scale": [127.5] * 3}
    columns = sum(len(classifier["choices"]) for classifier in json.loads(found["classifiers"]))
    assert columns == opened.layout.num_logits == logits_of(checkpoint, torch.zeros(1, 3, 8, 8)).shape[1]


def test_predict_and_evaluate_take_the_file(file: Path, checkpoint: Checkpoint, tmp_path: Path) -> None:
    image = draw("dense", 5, (45, 70))[0]
    Image.fromarray(image).save(tmp_path / "street.png")
    written = []
    for run in (file, checkpoint.folder):
        out = tmp_path / run.name
        result = predict(run, [tmp_path / "street.png"], out, label_space="dense", soft=True, device="cpu")
        assert not result.failures
        about = json.loads((out / "classes.json").read_text())
        assert about.pop("checkpoint") == str(run)
        with Image.open(out / "ids" / "street.png") as ids, Image.open(out / "confidence" / "street.png") as sure:
            written.append((about, np.asarray(ids), np.asarray(sure).astype(int)))
    assert written[0][0] == written[1][0]
    assert (written[0][1] == written[1][1]).all()
    assert len(np.unique(written[0][1])) > 1
    assert np.abs(written[0][2] - written[1][2]).max() <= 2  # of 65535
    shards = [make_shards(tmp_path / "dense", "dense", 2)]
    (here,), (there,) = (evaluate(run, shards, device="cpu") for run in (file, checkpoint.folder))
    assert here.matrix.tolist() == there.matrix.tolist()
    assert here.matrix.sum() > 0


def test_bfloat16_is_openvinos(file: Path, checkpoint: Checkpoint) -> None:
    opened = OnnxFile.open(file)
    with pytest.raises(ConfigError, match=r"onnxruntime.* float32 only.*pip install 'labelforge\[openvino\]'"):
        opened.network("bfloat16", "onnxruntime")
    assert choose_runtime(torch.bfloat16) == "openvino"
    pytest.importorskip("openvino")
    network = Segmenter.load(file, precision="bfloat16")._network
    assert isinstance(network, RuntimeNetwork) and network.runtime == "openvino"
    image = torch.from_numpy(draw("dense", 1, (64, 80))[0]).permute(2, 0, 1)[None]
    wanted = logits_of(checkpoint, image)
    assert float((network(image) - wanted).abs().mean()) < 0.05 * float(wanted.abs().mean())


def test_a_network_in_a_runtime_can_be_segmented_with_as_any_other(file: Path, checkpoint: Checkpoint) -> None:
    opened = OnnxFile.open(file)
    network = opened.network(runtime="onnxruntime")
    found = NetworkSegmenter(network, opened.layout, opened.mappings, opened.config, torch.device("cpu"))
    image = draw("boxes", 2, (50, 41))[0]
    assert torch.equal(found.decide(image), Segmenter(checkpoint, device="cpu").decide(image))


def test_nothing_is_written_over_or_beside_a_mistake(checkpoint: Checkpoint, file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    for run, out, what in [
        (checkpoint.folder, file, "exists already.*--overwrite"),
        (checkpoint.folder, tmp_path / "net.pt", r"ends in \.onnx"),
        (checkpoint.folder, tmp_path / "no" / "net.onnx", "its folder does not exist"),
    ]:
        with pytest.raises(ConfigError, match=what):
            export_onnx(run, out)
    with pytest.raises(CheckpointError, match=r"no such folder.*Give the --out folder"):
        export_onnx(tmp_path / "nowhere", tmp_path / "net.onnx")
    assert file.read_bytes() == before
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_replaced_where_asked_for(checkpoint: Checkpoint, file: Path, tmp_path: Path) -> None:
    again = tmp_path / "net.onnx"
    again.write_bytes(b"something else")
    export_onnx(checkpoint, again, overwrite=True)
    assert again.read_bytes() == file.read_bytes()


class Branching(SameBackbone):
    """Does one thing or another by the content of its images, which no exporter can follow."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return super().forward(images if images.mean() > 0 else -images)


def test_a_backbone_that_cannot_be_traced_is_an_error(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with same_backbone(Branching), pytest.raises(ConfigError, match="cannot be exported"):
        export_onnx(checkpoint, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_broken_and_foreign_files(file: Path, tmp_path: Path) -> None:
    import onnx

    def refused(path: Path, what: str) -> None:
        with pytest.raises(CheckpointError, match=what) as caught:
            Segmenter.load(path, device="cpu")
        assert caught.value.where == str(path)

    refused(tmp_path / "none.onnx", "no such file")
    content = file.read_bytes()
    for name, changed in (("cut", content[: len(content) // 2]), ("text", b"not a network")):
        (tmp_path / f"{name}.onnx").write_bytes(changed)
        refused(tmp_path / f"{name}.onnx", "not an ONNX file, or damaged")
    for key, value, what in (
        ("version", None, "labelforge did not write it"),
        ("version", "9", "of format version 9"),
        ("classifiers", None, r"not readable \(labelforge.classifiers: Field required\)"),
        ("classifiers", "[]", "its classifiers"),
        ("config", "{]", "not readable"),
        ("step", '"many"', "not readable"),
        ("taxonomy_digest", "0" * 64, "its taxonomy was changed by hand"),
    ):
        model = onnx.load(file)
        properties = {entry.key: entry.value for entry in model.metadata_props}
        properties.pop(f"labelforge.{key}")
        changes = {} if value is None else {f"labelforge.{key}": value}
        onnx.helper.set_model_props(model, properties | changes)
        onnx.save(model, tmp_path / "changed.onnx")
        refused(tmp_path / "changed.onnx", what)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_runtime_that_does_not_take_a_file_says_so(runtime: Any, tmp_path: Path) -> None:
    pytest.importorskip(runtime)
    (tmp_path / "net.onnx").write_bytes(b"not a network")
    with pytest.raises(CheckpointError, match=r"net\.onnx: .* does not take it"):
        RuntimeNetwork(tmp_path / "net.onnx", runtime)


def test_it_is_computed_on_the_cpu(file: Path) -> None:
    assert Segmenter.load(file).device == torch.device("cpu")
    with pytest.raises(ConfigError, match="on the CPU, not cuda"):
        segmenter.take_network(file, device="cuda")


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(
    package: str, checkpoint: Checkpoint, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = OnnxFile.open(file)
    monkeypatch.setitem(sys.modules, package, None)
    cure = rf"{package}, which is not installed. Install it with pip install 'labelforge\[onnx\]'\."
    with pytest.raises(ConfigError, match=cure):
        export_onnx(checkpoint, tmp_path / "net.onnx")
    if package == "onnx":
        with pytest.raises(ConfigError, match=cure):
            Segmenter.load(file)
    if package == "onnxruntime":
        with pytest.raises(ConfigError, match=cure):
            opened.network(runtime="onnxruntime")
    assert not list(tmp_path.iterdir())


def test_the_command(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["export", str(checkpoint.folder), "net.onnx"])
    assert done.exit_code == 0, done.output
    assert "Wrote net.onnx" in done.output and "step 3, tree tiny, 7 logits" in done.output
    again = CliRunner().invoke(cli, ["export", str(checkpoint.folder), "net.onnx"])
    assert isinstance(again.exception, ConfigError)
    Image.fromarray(draw("dense", 5, (45, 70))[0]).save("street.png")
    done = CliRunner().invoke(cli, ["predict", "net.onnx", "street.png", "--out", "P"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "P" / "ids" / "street.png").is_file()
