"""Weights of an earlier run: the network answers as before where it was taught before, split into finer choices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from labelforge.errors import ConfigError
from labelforge.logits import Head, LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.shards import ShardReader
from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint
from labelforge.trainer.checkpoint_writer import save_checkpoint
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.decision import class_probabilities
from labelforge.trainer.models.network import SegmentationNet, build_network
from labelforge.trainer.tables import LayoutTensors
from labelforge.trainer.training import train
from labelforge.trainer.transfer import transfer_weights
from tests.trainer.tiny import TREE, make_shards, mapping, tiny_config

pytestmark = pytest.mark.usefixtures("backbone")

IMAGE = torch.randint(0, 256, (1, 3, 32, 40), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


def coarse() -> LabelMapping:
    """A dataset that does not tell the sky from cars."""
    targets = ["ignore", {"any": ["sky", "car"]}, "ground", "sign/front"]
    records: list[dict[str, Any]] = [
        {"row": i, "native_id": i or None, "native_name": f"label {i}", "target": target, "supervision": "pixel"}
        for i, target in enumerate(targets)
    ]
    return LabelMapping.from_records(TREE, "coarse", records)


def labelled(targets: list[str]) -> LabelMapping:
    """A dataset with a label for each of some nodes."""
    records: list[dict[str, Any]] = [
        {"row": i, "native_id": i or None, "native_name": f"label {i}", "target": target, "supervision": "pixel"}
        for i, target in enumerate(["ignore", *targets])
    ]
    return LabelMapping.from_records(TREE, "labelled", records)


def scrambled(layout: LogitLayout, config: TrainConfig) -> SegmentationNet:
    network = build_network(layout.sizes, config.model)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network


def saved(folder: Path, layout: LogitLayout, config: TrainConfig, network: SegmentationNet) -> Checkpoint:
    weights = network.state_dict()
    place = save_checkpoint(
        folder,
        step=1,
        config=config,
        layout=layout,
        mappings=[coarse()],
        samples=[1],
        weights={name: torch.zeros_like(value) for name, value in weights.items()},
        average=weights,
        state={},
        keep=1,
    )
    return find_checkpoint(place)


def probabilities(network: SegmentationNet, layout: LogitLayout) -> dict[frozenset[int], torch.Tensor]:
    with torch.no_grad():
        found = class_probabilities(network.eval()(IMAGE), LayoutTensors.of_layout(layout))
    return dict(zip(layout.classes, found.unbind(1), strict=True))


@pytest.mark.parametrize("upsampling", ["bilinear", "hybrid"])
def test_what_was_one_answer_keeps_its_probability_in_its_parts(tmp_path: Path, upsampling: str) -> None:
    config = tiny_config(model={"upsampling": upsampling})
    before = LogitLayout.compile(TREE, [coarse()])
    after = LogitLayout.compile(TREE, [mapping("boxes"), mapping("dense")])
    source = scrambled(before, config)
    earlier = saved(tmp_path, before, config, source)
    network = build_network(after.sizes, config.model)
    found = transfer_weights(network, after, config.model, earlier)
    assert (found.kept, found.changed, found.new) == ((), ("scene",), ("sign/front",))
    assert found.sentence == (
        "the backbone; 1 classifier with other choices (scene); 1 classifier that it did not have (sign/front)."
    )
    was, now = probabilities(source, before), probabilities(network, after)
    assert len(was) == 3 and len(now) == 6
    for leaves, probability in was.items():
        parts = [part for other, part in now.items() if other <= leaves]
        torch.testing.assert_close(torch.stack(parts).sum(0), probability)
        if leaves == frozenset({0, 7}):  # sky and car, which nothing told apart, are equally likely
            torch.testing.assert_close(parts[0], parts[1])


def test_the_same_classifiers_are_kept_whole(tmp_path: Path) -> None:
    config = tiny_config()
    layout = LogitLayout.compile(TREE, [mapping("boxes"), mapping("dense")])
    source = scrambled(layout, config)
    network = build_network(layout.sizes, config.model)
    found = transfer_weights(network, layout, config.model, saved(tmp_path, layout, config, source))
    assert found.kept == ("scene", "sign/front")
    for name, value in network.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


@pytest.mark.parametrize("upsampling", ["bilinear", "hybrid"])
@pytest.mark.parametrize("head", ["hierarchical", "flat-union", "flat-marginal"])
def test_choices_that_were_there_keep_their_logits_beside_new_ones(tmp_path: Path, head: Head, upsampling: str) -> None:
    """Also in a flat-union head, where one choice lies inside another."""
    config = tiny_config(model={"head": head, "upsampling": upsampling, "start": "variance-scaling"})
    few, more = ({"sign", "ground", "sign/front"} | extra for extra in (set(), {"sky"}))
    before, after = (LogitLayout.compile(TREE, [labelled(sorted(names))], head) for names in (few, more))
    source, network = scrambled(before, config), build_network(after.sizes, config.model)
    transfer_weights(network, after, config.model, saved(tmp_path, before, config, source))
    with torch.no_grad():
        was, now = source.eval()(IMAGE), network.eval()(IMAGE)
    assert now.shape[1] == was.shape[1] + 1
    for cover, logits in zip(before.covers, was.unbind(1), strict=True):
        torch.testing.assert_close(now[:, after.covers.index(cover)], logits)


def test_a_decoder_is_taken_over_too(tmp_path: Path) -> None:
    config = tiny_config(model={"decoder": "fpn", "decoder_channels": 8})
    before = LogitLayout.compile(TREE, [coarse()])
    source = scrambled(before, config)
    network = build_network(before.sizes, config.model)
    found = transfer_weights(network, before, config.model, saved(tmp_path, before, config, source))
    assert found.sentence.startswith("the backbone and the decoder; 1 classifier as before")
    for name, value in network.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name
    other = tiny_config(model={"decoder": "fpn", "decoder_channels": 16})
    with pytest.raises(ConfigError, match=r"Add --set model\.decoder_channels=8\."):
        transfer_weights(build_network(before.sizes, other.model), before, other.model, find_checkpoint(tmp_path))


def test_a_scaling_without_a_name_is_cured_by_the_weights(tmp_path: Path) -> None:
    layout = LogitLayout.compile(TREE, [coarse()])
    config = tiny_config(model={"backbone": "efficientnet-lite0", "output_stride": 32, "weights": "imagenet"})
    network = build_network(layout.sizes, config.model, pretrained=False)
    earlier = saved(tmp_path, layout, config, network)
    other = config.model.model_copy(update={"weights": None})
    with pytest.raises(ConfigError) as caught:
        transfer_weights(build_network(layout.sizes, other), layout, other, earlier)
    assert str(caught.value).endswith("Add --set model.normalisation=auto --set model.weights=imagenet.")
    taken = build_network(layout.sizes, config.model, pretrained=False)
    assert transfer_weights(taken, layout, config.model, earlier).kept == ("scene",)


def test_another_network_is_refused_with_the_cure(tmp_path: Path) -> None:
    layout = LogitLayout.compile(TREE, [coarse()])
    config = tiny_config()
    earlier = saved(tmp_path, layout, config, scrambled(layout, config))
    for changes, cure in (
        ({"decoder": "fpn"}, "--set model.decoder=none."),
        ({"features": 8}, f"--set model.features={config.model.features}."),
        ({"normalisation": "imagenet"}, "--set model.normalisation=symmetric."),
    ):
        other = tiny_config(model=changes)
        with pytest.raises(ConfigError) as caught:
            transfer_weights(build_network(layout.sizes, other.model), layout, other.model, earlier)
        assert str(caught.value).endswith(f"Add {cure}")


def test_a_run_starts_from_another(tmp_path: Path) -> None:
    readers = [ShardReader(make_shards(tmp_path / name, name, 2)) for name in ("dense", "boxes")]
    first = train(readers[:1], tmp_path / "first", tiny_config(steps=1))
    second = train(readers, tmp_path / "second", tiny_config(steps=1, start_from=str(first.out)))
    assert second.step == 1
    resumed = train(readers, tmp_path / "second", settings=["steps=2"], resume=True)
    assert resumed.step == 2
