"""Features that are computed once: the same weights to the last bit, whatever was kept, and fixed crops in turn."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from labelforge.alone import alone_in
from labelforge.errors import ConfigError, LabelforgeError
from labelforge.shards import ShardReader
from labelforge.shards.codec import decode_image
from labelforge.targets import TargetTable
from labelforge.trainer.checkpoint import find_checkpoint
from labelforge.trainer.config import DataConfig, TrainConfig
from labelforge.trainer.data.batches import TrainingBatches
from labelforge.trainer.data.crops import CropDataset
from labelforge.trainer.features import FrozenFeatures, open_store
from labelforge.trainer.log import read_log
from labelforge.trainer.models.network import build_network
from labelforge.trainer.progress import NoProgress
from labelforge.trainer.training import train
from tests.trainer.tiny import TREE, TinyBackbone, draw, make_shards, tiny_backbone, tiny_config, write_shards

pytestmark = pytest.mark.usefixtures("backbone")

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    folder = tmp_path_factory.mktemp("shards")
    return [
        ShardReader(make_shards(folder / "dense", "dense", 5)),
        ShardReader(make_shards(folder / "boxes", "boxes", 2)),
    ]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(99)
    backbone = TinyBackbone(8)
    backbone(torch.randn(4, 3, 32, 32))
    file = tmp_path_factory.mktemp("weights") / "tiny.pth"
    torch.save(backbone.state_dict(), file)
    return file


def frozen_config(weights: Path, views: int = 2, steps: int = 16, **data: Any) -> TrainConfig:
    data = {"views": views, "jitter": 0.2, "batch": {"dense": 2}, **data}
    return tiny_config(
        steps=steps, log_every=8, model={"freeze": "backbone", "weights": str(weights)}, data=data, optim={"lr": 0.05}
    )


class Stopper(NoProgress):
    """Keeps notes, and sends this process a signal after a step."""

    def __init__(self, step: int | None = None) -> None:
        self.step, self.told = step, list[str]()

    def note(self, text: str) -> None:
        self.told.append(text)

    def advance(self, step: int) -> None:
        if step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def tensors(run: Path) -> Tensors:
    found = find_checkpoint(run)
    parts = {"model": found.weights(average=False), "average": found.weights(average=True), "state": found.state()}
    return {f"{part}/{name}": tensor for part, content in parts.items() for name, tensor in content.items()}


def assert_same(a: Tensors, b: Tensors) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


@pytest.fixture(scope="module")
def uncached(readers: list[ShardReader], weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Tensors:
    """The weights of a run that keeps no features."""
    run = tmp_path_factory.mktemp("uncached") / "run"
    with tiny_backbone():
        train(readers, run, frozen_config(weights, feature_cache=0))
    assert not (run / "features").exists()
    return tensors(run)


# The crops.


def crops_of(readers: list[ShardReader], views: int, seed: int = 3) -> CropDataset:
    table = TargetTable.compile(TREE, [reader.mapping for reader in sorted(readers, key=lambda r: r.dataset)])
    return CropDataset(readers[0], table, DataConfig(crop=(24, 32), jitter=0.2, views=views), seed)


def test_views_come_in_turn_and_are_the_same_each_time(readers: list[ShardReader]) -> None:
    """Every draw of nine epochs, listed: in epoch e each sample once, as its view e mod 3."""
    views, epochs = 3, 9
    dataset = crops_of(readers, views)
    number = len(dataset)
    seen: dict[tuple[str, int], set[tuple[bytes, bytes]]] = {}
    for epoch in range(epochs):
        keys = []
        for position in range(number):
            crop = dataset[epoch * number + position]
            keys.append(crop.key)
            content = crop.image.numpy().tobytes(), crop.rows.tensor.numpy().tobytes()
            seen.setdefault((crop.key, epoch % views), set()).add(content)
        assert Counter(keys) == Counter({f"dense/{sample.key}": 1 for sample in readers[0]})
    assert len(seen) == number * views
    assert all(len(contents) == 1 for contents in seen.values())
    assert len(set.union(*seen.values())) == number * views  # no two views are alike
    without = crops_of(readers, 0)
    assert len({without[draw].image.numpy().tobytes() for draw in range(epochs * number)}) == epochs * number


def test_a_view_depends_on_the_seed_and_not_on_the_other_datasets(readers: list[ShardReader]) -> None:
    def content(dataset: CropDataset) -> dict[str, bytes]:
        return {crop.key: crop.image.numpy().tobytes() for crop in (dataset[draw] for draw in range(len(dataset)))}

    both, alone = crops_of(readers, 2), crops_of(readers[:1], 2)
    assert content(both) == content(alone)
    other = content(crops_of(readers, 2, seed=4))
    assert all(other[key] != found for key, found in content(both).items())


# The runs.


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_keeps_features_ends_with_the_same_bits(
    readers: list[ShardReader], weights: Path, tmp_path: Path, uncached: Tensors, workers: int
) -> None:
    config = frozen_config(weights, workers=workers, feature_folder=str(tmp_path / "shared"))
    for name in ("cold", "warm"):
        train(readers, tmp_path / name, config)
        assert_same(tensors(tmp_path / name), uncached)
    # 5 x 2 crops of one dataset and 2 x 2 of the other, each kept once
    assert len(list((tmp_path / "shared").rglob("*.features"))) == 14
    assert [line.loss for line in read_log(tmp_path / "cold")] == [line.loss for line in read_log(tmp_path / "warm")]


def test_a_hit_decodes_nothing_and_computes_nothing(
    readers: list[ShardReader], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = frozen_config(weights, feature_folder=str(tmp_path / "shared"))
    calls: Counter[str] = Counter()

    def counting(*args: Any) -> Any:
        calls["decoded"] += 1
        return decode_image(*args)

    forward = TinyBackbone.forward

    def computing(self: TinyBackbone, images: torch.Tensor) -> tuple[torch.Tensor]:
        calls["computed"] += len(images)
        return forward(self, images)

    monkeypatch.setattr("labelforge.shards.reader.decode_image", counting)
    monkeypatch.setattr(TinyBackbone, "forward", computing)
    train(readers, tmp_path / "cold", config)
    assert calls == {"decoded": 14, "computed": 14}
    calls.clear()
    train(readers, tmp_path / "warm", config)
    assert not calls
    train(readers, tmp_path / "none", frozen_config(weights, feature_cache=0))
    assert calls == {"decoded": 48, "computed": 48}  # 16 steps of 3 crops


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stopped_run_goes_on_with_the_same_bits_with_and_without_its_features(
    readers: list[ShardReader], weights: Path, tmp_path: Path, uncached: Tensors, workers: int
) -> None:
    config = frozen_config(weights, workers=workers)
    for name in ("warm", "cold"):
        run = tmp_path / name
        assert train(readers, run, config, progress=Stopper(5)).stopped_by == signal.SIGTERM
        kept = list((run / "features").rglob("*.features"))
        assert kept
        if name == "cold":
            for file in kept:
                file.unlink()
        torch.manual_seed(4321)
        train(readers, run, resume=True)
        assert_same(tensors(run), uncached)
        assert not (run / "features").exists(), "a finished run needs none"


def test_a_full_folder_changes_nothing_and_is_told_once(
    readers: list[ShardReader], weights: Path, tmp_path: Path, uncached: Tensors
) -> None:
    limit = 60_000
    told = Stopper()
    shared = tmp_path / "shared"
    config = frozen_config(weights, feature_cache=limit / 1e9, feature_folder=str(shared))
    train(readers, tmp_path / "run", config, progress=told)
    assert_same(tensors(tmp_path / "run"), uncached)
    files = list(shared.rglob("*.features"))
    assert 0 < len(files) < 14
    assert sum(file.stat().st_size for file in files) <= limit
    kept = f"the features of 2 fixed crops of each image are computed once and kept in {shared}."
    assert told.told.count(kept) == 1
    (note,) = (text for text in told.told if "further" in text)
    assert note.startswith(f"the folder of features {shared} is full: 0.00 of 0.00 GB. The features of further crops")


def test_damaged_features_are_computed_again(
    readers: list[ShardReader], weights: Path, tmp_path: Path, uncached: Tensors
) -> None:
    config = frozen_config(weights, feature_folder=str(tmp_path / "shared"))
    train(readers, tmp_path / "first", config)
    files = sorted((tmp_path / "shared").rglob("*.features"))
    whole = {file: file.read_bytes() for file in files}
    for number, file in enumerate(files):
        content = bytearray(whole[file])
        content[len(content) // 2] ^= 255
        file.write_bytes(content if number % 2 else whole[file][:100])
    train(readers, tmp_path / "second", config)
    assert_same(tensors(tmp_path / "second"), uncached)
    assert {file: file.read_bytes() for file in files} == whole


def _run(readers: list[ShardReader], out: Path, config: TrainConfig) -> None:
    """A run in a process of its own."""
    torch.set_num_threads(1)
    with tiny_backbone():
        train(readers, out, config)


def test_runs_at_the_same_time_share_one_folder(
    readers: list[ShardReader], weights: Path, tmp_path: Path, uncached: Tensors
) -> None:
    config = frozen_config(weights, feature_folder=str(tmp_path / "shared"))
    context = multiprocessing.get_context("spawn")  # autograd does not survive a fork
    runs = [tmp_path / f"run{number}" for number in range(2)]
    processes = [context.Process(target=_run, args=(readers, run, config)) for run in runs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    for run in runs:
        assert_same(tensors(run), uncached)
    assert len(list((tmp_path / "shared").rglob("*.features"))) == 14


def test_other_heads_and_datasets_share_the_features_of_one_seed(
    readers: list[ShardReader], weights: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    config = frozen_config(weights, feature_folder=str(shared))
    train(readers, tmp_path / "tree", config)
    before = {file: file.stat().st_mtime_ns for file in shared.rglob("*.features")}
    flat = config.model_copy(update={"model": config.model.model_copy(update={"head": "flat-marginal"})})
    train(readers, tmp_path / "flat", flat)
    alone = frozen_config(weights, feature_folder=str(shared), batch={})
    train(readers[:1], tmp_path / "alone", alone)
    assert {file: file.stat().st_mtime_ns for file in shared.rglob("*.features")} == before
    assert len(before) == 14
    train(readers, tmp_path / "seed", config.model_copy(update={"seed": 1}))
    assert len(list(shared.rglob("*.features"))) == 28


def test_flipped_labels_come_back_as_they_were(readers: list[ShardReader], weights: Path, tmp_path: Path) -> None:
    """The rows of every batch, with kept features and without: half of the crops are mirrored, which changes rows."""
    config = frozen_config(weights, views=4, feature_folder=str(tmp_path / "shared"))
    train(readers, tmp_path / "run", config)
    plain = TrainingBatches.open(readers, config)
    network = build_network(plain.table.layout.sizes, config.model).train()
    store = open_store(config, tmp_path / "run", network, torch.float32)
    assert store is not None
    kept = plain.keeping(store)
    features = FrozenFeatures(network, torch.device("cpu"), torch.float32)
    flipped = Counter[bool]()
    for step in range(config.steps):
        with_maps, with_images = kept[step], plain[step]
        assert len(with_maps.images) == 0 and len(with_images.images) == 3
        assert with_maps.keys == with_images.keys
        assert torch.equal(with_maps.rows.tensor, with_images.rows.tensor)
        flipped.update(place.flipped for place in with_maps.features)
        for stored, computed in zip(features.of(with_maps), features.of(with_images), strict=True):
            assert torch.equal(stored, computed)
            assert torch.equal(stored, stored.half().float())
    assert min(flipped[True], flipped[False]) > 5
    # They are what the network makes of the images, as far as 16 bits go.
    network.eval()
    for stored, exact in zip(features.of(with_maps), network.extract(with_images.images), strict=True):
        torch.testing.assert_close(stored, exact, rtol=2e-3, atol=1e-3)


def test_other_weights_have_other_features(readers: list[ShardReader], weights: Path, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared")
    train(readers, tmp_path / "a", frozen_config(weights, steps=1, feature_folder=shared))
    count = len(list(Path(shared).rglob("*.features")))
    changed = torch.load(weights, weights_only=True)
    changed["layers.0.0.weight"][0, 0, 0, 0] += 1e-6
    torch.save(changed, tmp_path / "other.pth")
    train(readers, tmp_path / "b", frozen_config(tmp_path / "other.pth", steps=1, feature_folder=shared))
    assert len(list(Path(shared).rglob("*.features"))) == 2 * count
    train(readers, tmp_path / "c", frozen_config(weights, steps=1, feature_folder=shared, scale=[1.0, 1.5]))
    assert len(list(Path(shared).rglob("*.features"))) == 3 * count


def test_views_without_a_frozen_backbone_keep_nothing(readers: list[ShardReader], tmp_path: Path) -> None:
    train(readers, tmp_path / "run", tiny_config(data={"views": 2}))
    assert not (tmp_path / "run" / "features").exists()


def test_features_that_16_bits_cannot_hold_are_an_error(
    readers: list[ShardReader], weights: Path, tmp_path: Path
) -> None:
    large = torch.load(weights, weights_only=True)
    large["layers.3.1.weight"] *= 1e6
    torch.save(large, tmp_path / "large.pth")
    with pytest.raises(LabelforgeError, match=r"^boxes/boxes_00\d: the backbone's features are .* set data\.views=0"):
        train(readers, tmp_path / "run", frozen_config(tmp_path / "large.pth"))


def test_a_folder_that_cannot_be_made_is_an_error_before_the_run(
    readers: list[ShardReader], weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file: is a file"):
        train(readers, tmp_path / "run", frozen_config(weights, feature_folder=str(tmp_path / "file")))
    assert not (tmp_path / "run").exists()


def test_a_training_that_is_refused_makes_no_features(
    readers: list[ShardReader], weights: Path, tmp_path: Path
) -> None:
    """Another process trains in the folder."""
    run = tmp_path / "run"
    train(readers, run, frozen_config(weights, steps=2))
    before = sorted(run.rglob("*"))
    with alone_in(run, ".train.lock", "training in", "Wait."), pytest.raises(ConfigError, match="another process"):
        train(readers, run, resume=True, settings=["steps=4"])
    assert sorted(run.rglob("*")) == before


def test_a_broken_sample_is_named_as_without_features(weights: Path, tmp_path: Path) -> None:
    image, rows = draw("dense", 0, (40, 50))
    rows[5, 5] = 9
    bad = write_shards(tmp_path / "bad", "dense", [("odd", image, rows)])
    with pytest.raises(LabelforgeError, match=r"^dense/odd: label row 9 in a table with 6 rows"):
        train([bad], tmp_path / "run", frozen_config(weights, batch={}))
