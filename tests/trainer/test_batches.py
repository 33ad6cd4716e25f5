"""Batches: their order, their balance, and their independence of workers, steps and processes."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from labelforge import deflate
from labelforge.bench.loader_rivals import copy_as
from labelforge.errors import ConfigError, ShardError
from labelforge.logits import HEADS, Head
from labelforge.shards import IMAGE_SUFFIXES, ShardReader, fast_jpeg, fast_png
from labelforge.shards.codec import ImageSuffix
from labelforge.targets import SILENT, TargetTable
from labelforge.trainer import resampling
from labelforge.trainer.config import DataConfig, TrainConfig
from labelforge.trainer.data.augment import PAD_COLOR
from labelforge.trainer.data.batches import Batch, TrainingBatches
from labelforge.trainer.data.crops import Crop, CropDataset
from labelforge.trainer.data.datasets import group_training_sets
from labelforge.trainer.loss import hierarchical_loss
from labelforge.trainer.tables import TableTensors
from tests.trainer.tiny import TREE, draw, make_shards, tiny_config, write_shards

CONFIG = DataConfig(crop=(24, 32), jitter=0.2)


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    folder = tmp_path_factory.mktemp("batches")
    return [
        ShardReader(make_shards(folder / "dense", "dense", 5)),
        ShardReader(make_shards(folder / "boxes", "boxes", 1)),
    ]


def plan(
    readers: list[ShardReader],
    steps: int,
    counts: tuple[int, ...] = (1, 2),
    rank: int = 0,
    world: int = 1,
    seed: int = 3,
) -> TrainingBatches:
    training_sets = group_training_sets(readers)  # sorted by name: boxes, dense
    table = TargetTable.compile(TREE, [item.mapping for item in training_sets])
    crops = [CropDataset(item, table, CONFIG, seed) for item in training_sets]
    return TrainingBatches(crops, counts, table, steps, rank=rank, world=world)


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.keys == b.keys
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.rows.tensor, b.rows.tensor)


def test_any_number_of_workers_gives_the_same_batches(readers: list[ShardReader]) -> None:
    alone = list(plan(readers, 7).load())
    assert_same(alone, list(plan(readers, 7).load(workers=1)))
    assert_same(alone, list(plan(readers, 7).load(workers=3)))


def test_a_later_start_gives_the_same_later_batches(readers: list[ShardReader]) -> None:
    whole = list(plan(readers, 9).load())
    assert_same(whole[4:], list(plan(readers, 9).load(4, workers=0)))


def test_batches_have_their_layout(readers: list[ShardReader]) -> None:
    batch = next(plan(readers, 1).load(workers=1))
    assert (batch.images.shape, batch.images.dtype) == ((3, 3, 24, 32), torch.uint8)
    assert (batch.rows.shape, batch.rows.tensor.dtype) == ((3, 24, 32), torch.int16)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_every_epoch_is_a_fresh_permutation_of_the_dataset(readers: list[ShardReader]) -> None:
    batches = list(plan(readers, 20).load())
    order = [key for batch in batches for key in batch.keys if key.startswith("dense/")]
    epochs = [order[i : i + 5] for i in range(0, len(order), 5)]
    assert len(epochs) == 8  # two crops in each of 20 batches, out of five samples
    assert all(len(set(epoch)) == 5 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 4


def test_every_batch_has_its_number_of_crops_per_dataset(readers: list[ShardReader]) -> None:
    for batch in plan(readers, 6, (3, 1)).load():
        assert Counter(key.split("/")[0] for key in batch.keys) == {"boxes": 3, "dense": 1}


def test_one_sample_gives_a_new_crop_at_every_draw(readers: list[ShardReader]) -> None:
    batches = list(plan(readers, 12).load())
    crops = {batch.images[0].numpy().tobytes() for batch in batches}
    assert len(crops) == 12


def test_rows_are_global_rows_of_their_dataset_or_their_mirror_images(readers: list[ShardReader]) -> None:
    job = plan(readers, 20)
    table = job.table
    boxes = set(range(table.offsets[0], table.offsets[1]))
    dense = set(range(table.offsets[1], table.offsets[1] + 6))
    for batch in job.load():
        for rows, key in zip(batch.rows.tensor, batch.keys, strict=True):
            own = boxes if key.startswith("boxes/") else dense
            assert set(rows.unique().tolist()) <= own | {int(table.mirror[row]) for row in own}


@pytest.mark.parametrize("resize", ["none", "fit"])
def test_padding_teaches_nothing(tmp_path: Path, resize: Literal["none", "fit"]) -> None:
    """Crops larger than the images, which shrink besides. The images are black and labelled all over, with labels that
    have a mirror image, so that padding is known by its colour alone."""
    rng = np.random.default_rng(0)
    black = np.zeros((40, 50, 3), np.uint8)
    dense = [(f"d{i}", black, rng.choice([1, 2, 4], (40, 50)).astype(np.uint8)) for i in range(2)]
    boxes = [(f"b{i}", black, rng.choice([1, 2], (40, 50)).astype(np.uint8)) for i in range(2)]
    readers = [
        ShardReader(write_shards(tmp_path / "dense", "dense", dense)),
        ShardReader(write_shards(tmp_path / "boxes", "boxes", boxes)),
    ]
    data = DataConfig(crop=(64, 80), resize=resize, scale=(0.3, 0.9), jitter=0, batch={"dense": 2, "boxes": 2})
    batches = TrainingBatches.open(readers, TrainConfig(steps=8, data=data))
    table, tensors = batches.table, TableTensors.of(batches.table)
    amounts = set()
    for batch in batches:
        padding = (batch.images == torch.tensor(PAD_COLOR)[:, None, None]).all(dim=1)
        trained = (tensors.target[batch.rows.tensor.long()] != SILENT).any(dim=-1)
        assert torch.equal(trained, ~padding)
        logits = torch.randn(4, table.layout.num_logits, 64, 80, requires_grad=True)
        loss = hierarchical_loss(logits, batch.rows, tensors, gate="none")
        loss.total.backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        assert torch.equal((logits.grad != 0).any(dim=1), ~padding)
        assert loss.labelled_pixels[0] == (~padding[2:]).sum()  # every pixel of the dense images trains the root
        amounts.add(int(padding.sum()))
    assert len(amounts) == 8 and 0 not in amounts


def test_processes_share_out_the_samples_of_one_larger_batch(readers: list[ShardReader]) -> None:
    together = list(plan(readers, 5, (2, 4)).load())
    parts = [list(plan(readers, 5, (1, 2), rank, 2).load()) for rank in range(2)]
    for step, batch in enumerate(together):
        shared = [key for part in parts for key in part[step].keys]
        assert sorted(shared) == sorted(batch.keys)
        first = torch.cat([parts[0][step].images[1:], parts[1][step].images[1:]])
        assert torch.equal(first, batch.images[2:])


def test_another_seed_gives_other_batches(readers: list[ShardReader]) -> None:
    assert not torch.equal(plan(readers, 1)[0].images, plan(readers, 1, seed=4)[0].images)


@pytest.mark.parametrize("workers", [0, 2])
def test_global_random_states_are_left_alone(readers: list[ShardReader], workers: int) -> None:
    state, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    list(plan(readers, 3).load(workers=workers))
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(legacy, np.random.get_state()[1])  # type: ignore[index]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_row_outside_the_table_names_its_sample(tmp_path: Path, workers: int) -> None:
    image, rows = draw("dense", 0, (40, 50))
    rows[5, 5] = 9
    with pytest.raises(ShardError) as caught:
        bad = [ShardReader(write_shards(tmp_path / "bad", "dense", [("odd", image, rows)]))]
        list(plan(bad, 3, (1,)).load(workers=workers))
    assert str(caught.value) == (
        "dense/odd: label row 9 in a table with 6 rows. The shard is damaged: convert it again."
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_one_line_naming_its_shard(tmp_path: Path, workers: int) -> None:
    reader = ShardReader(make_shards(tmp_path / "boxes", "boxes", 1))
    shard = tmp_path / "boxes" / "shard-00000.tar"
    content = bytearray(shard.read_bytes())
    content[700:900] = bytes(200)  # inside the image's PNG data; the file keeps its length
    shard.write_bytes(content)
    with pytest.raises(ShardError) as caught:
        list(plan([reader], 2, (1,)).load(workers=workers))
    assert str(shard) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_they_are_a_dataset_for_pytorchs_own_loader(readers: list[ShardReader], workers: int) -> None:
    """Each batch beside the samples, pixel by pixel, where nothing is resized, flipped or cut off."""
    config = TrainConfig(steps=5, data=DataConfig(crop=(64, 80), resize="none", scale=(1, 1), flip=False, jitter=0))
    batches = TrainingBatches.open(readers, config)
    samples = {f"{reader.dataset}/{sample.key}": (reader, sample) for reader in readers for sample in reader}
    every = [(mapping.dataset, row.native_name) for mapping in batches.table.mappings for row in mapping.rows]
    loader = DataLoader(batches, batch_size=None, num_workers=workers, collate_fn=lambda batch: batch)
    loaded: list[Batch] = list(loader)
    assert_same(loaded, list(batches))
    assert len(loaded) == len(batches) == 5
    for batch in loaded:
        for image, rows, key in zip(batch.images, batch.rows.tensor, batch.keys, strict=True):
            reader, sample = samples[key]
            assert np.array_equal(image.permute(1, 2, 0).numpy(), sample.image)
            names = [(reader.dataset, row.native_name) for row in reader.mapping.rows]
            assert [every[row] for row in rows.flatten()] == [names[row] for row in sample.local_rows.flatten()]


def test_a_mirrored_crop_has_mirrored_pixels_and_the_mirror_images_of_its_labels(readers: list[ShardReader]) -> None:
    """Pixel by pixel, where a crop is the whole image."""
    table = TargetTable.compile(TREE, [reader.mapping for reader in readers])
    config = DataConfig(crop=(64, 80), resize="none", scale=(1, 1), jitter=0)
    for reader in readers:
        crops, seen = CropDataset(reader, table, config), set()
        samples = {f"{reader.dataset}/{sample.key}": sample for sample in reader}
        for number in range(4 * len(reader)):
            crop = crops[number]
            sample, found = samples[crop.key], crop.image.permute(1, 2, 0).numpy()
            flipped = not np.array_equal(found, sample.image)
            assert np.array_equal(found[:, ::-1] if flipped else found, sample.image)
            for y, x in np.ndindex(64, 80):
                row = int(table.global_rows(reader.dataset, sample.local_rows[y, x]))
                place = (y, 79 - x) if flipped else (y, x)
                assert int(crop.rows.tensor[place]) == (int(table.mirror[row]) if flipped else row)
            seen.add(flipped)
        assert seen == {False, True}


def test_crops_of_one_dataset_go_on_in_a_new_order(readers: list[ShardReader]) -> None:
    table = TargetTable.compile(TREE, [readers[0].mapping])
    crops = CropDataset(readers[0], table, CONFIG)
    loader: DataLoader[Crop] = DataLoader(crops, batch_size=5, sampler=range(20), collate_fn=Batch.of)
    epochs = [batch.keys for batch in loader]
    assert len(crops) == 5
    assert tuple(crop.key for crop in crops) == epochs[0]
    with pytest.raises(IndexError):
        crops[-1]
    assert {frozenset(keys) for keys in epochs} == {frozenset(f"dense/{sample.key}" for sample in readers[0])}
    assert len(set(epochs)) > 1
    with pytest.raises(ConfigError, match=r"several datasets: boxes, dense\. Use TrainingBatches to mix them"):
        CropDataset(readers, table, CONFIG)
    with pytest.raises(ConfigError, match="no dataset 'boxes' in this table"):
        CropDataset(readers[1], table, CONFIG)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("scale", [(0.1, 0.5), (1.0, 2.0)])
def test_crops_are_the_same_with_and_without_the_packages_that_make_them_faster(
    readers: list[ShardReader],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffix: ImageSuffix,
    scale: tuple[float, float],
) -> None:
    for package in ("numba", "simplejpeg", "zlib_ng"):
        pytest.importorskip(package)
    reader = copy_as(readers[0], range(5), tmp_path, suffix)
    table = TargetTable.compile(TREE, [reader.mapping])
    crops = CropDataset(reader, table, DataConfig(crop=(40, 50), resize="none", scale=scale))
    quick = [Batch.of([crops[number] for number in range(20)])]
    monkeypatch.setattr(fast_jpeg, "simplejpeg", None)
    monkeypatch.setattr(deflate, "library", zlib)
    monkeypatch.setattr(fast_png, "unfilter_kernel", lambda: None)
    monkeypatch.setattr(resampling, "_kernel", lambda taps: None)
    assert_same([Batch.of([crops[number] for number in range(20)])], quick)


@pytest.mark.parametrize("head", HEADS)
def test_dropped_boxes_give_no_crops_and_no_classes(readers: list[ShardReader], head: Head) -> None:
    changes = {"model": {"head": head}, "loss": {"boxes": "drop"}}
    batches = TrainingBatches.open(readers, tiny_config(**changes, data={"batch": {"boxes": 3, "dense": 2}}))
    alone = TrainingBatches.open(readers[:1], tiny_config(model={"head": head}, data={"batch": {"dense": 2}}))
    assert batches.left_out == ("boxes",) and batches.share(0, 2).left_out == ("boxes",)
    assert batches.counts == (2,) and batches.table.datasets == ("dense",)
    assert batches.table.layout.to_records() == alone.table.layout.to_records()
    assert batches[0].keys == alone[0].keys
    with pytest.raises(ConfigError, match="leaves nothing to learn from: boxes has boxes alone"):
        TrainingBatches.open(readers[1:], tiny_config(**changes))
