"""Joined logits: classifiers of a tree that are parts of one softmax, wherever a network is used."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge import LabelMapping, LogitLayout, Taxonomy
from labelforge.trainer import HierarchicalHead, LayoutTensors
from labelforge.trainer.decision import class_probabilities
from labelforge.trainer.models.joining import join
from labelforge.trainer.models.network import build_network
from labelforge.trainer.transfer import transfer_weights
from tests.trainer.test_transfer import labelled, probabilities, saved, scrambled
from tests.trainer.tiny import TREE, mapping, tiny_config


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32))
def test_without_logits_of_inner_nodes_it_is_one_softmax(
    grow_tree: Callable[[random.Random], dict[str, Any]], seed: int
) -> None:
    layout = LogitLayout.compile(Taxonomy.from_dict(grow_tree(random.Random(seed))))
    generator = torch.Generator().manual_seed(seed % 2**31)
    own = torch.randn(1, layout.num_logits, 2, 3, generator=generator, dtype=torch.float64) * 4
    classes = torch.tensor(layout.class_of)
    own[:, classes < 0] = 0
    found = class_probabilities(join(own, layout.sizes, layout.joins), LayoutTensors.of_layout(layout))
    order = classes[classes >= 0].argsort()
    wanted = own[:, classes >= 0].softmax(dim=1)[:, order]
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-7)


def test_the_gradient_reaches_the_logits_below() -> None:
    own = torch.randn(2, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda logits: join(logits, (2, 3), [(1, 0, 1)]), own)


def test_half_precision_stays_half() -> None:
    logits = torch.full((1, 5, 1, 1), 9.0, dtype=torch.bfloat16)
    joined = join(logits, (2, 3), [(1, 0, 1)])
    assert joined.dtype == torch.bfloat16 and joined[0, 1].item() == pytest.approx(18 + 1.0986, rel=4e-3)


def test_what_only_boxes_tell_apart_is_not_joined() -> None:
    iv2018 = Taxonomy.load("iv2018")
    names = ("cityscapes", "mapillary-vistas-1.2", "gtsdb")
    layout = LogitLayout.compile(iv2018, [LabelMapping.load(iv2018, name) for name in names])
    assert [layout.names[j] for j, _, _ in layout.joins] == ["driveable", "rider", "traffic sign"]
    assert LogitLayout.compile(TREE, [mapping("dense"), mapping("boxes")]).joins == ()
    assert [layout.column_names[layout.slices[k].start + c] for _, k, c in layout.joins] == [
        "driveable", "rider", "traffic sign",
    ]  # fmt: skip


@pytest.mark.parametrize("upsampling", ["bilinear", "hybrid"])
@pytest.mark.parametrize("bottlenecks", ["each", "shared"])
def test_the_head_joins_what_it_is_told(bottlenecks: Any, upsampling: Any) -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"features": 8, "bottlenecks": bottlenecks, "upsampling": upsampling}
    plain, joined = HierarchicalHead(4, (2, 3), **options), HierarchicalHead(4, (2, 3), **options, joins=[(1, 0, 0)])
    joined.load_state_dict(plain.state_dict())
    features = torch.randn(2, 4, 5, 6)
    own, found = plain.eval()(features), joined.eval()(features)
    torch.testing.assert_close(found[:, 0], own[:, 0] + own[:, 2:].exp().sum(dim=1).log())
    assert torch.equal(found[:, 1:], own[:, 1:])


@pytest.mark.usefixtures("backbone")
@pytest.mark.parametrize("upsampling", ["bilinear", "hybrid"])
def test_a_new_classifier_below_does_not_change_what_is_decided_above(tmp_path: Path, upsampling: str) -> None:
    config = tiny_config(model={"logits": "joined", "upsampling": upsampling})
    before = LogitLayout.compile(TREE, [labelled(["sky", "ground", "car"])])
    after = LogitLayout.compile(TREE, [labelled(["sky", "road", "grass", "car"])])
    assert before.joins == () and len(after.joins) == 1
    source = scrambled(before, config)
    network = build_network(after.sizes, config.model, joins=after.joins)
    transfer_weights(network, after, config.model, saved(tmp_path, before, config, source))
    was, now = probabilities(source, before), probabilities(network, after)
    for leaves, probability in was.items():
        parts = [part for other, part in now.items() if other <= leaves]
        # But for the new classifier's first weights, which are small.
        torch.testing.assert_close(torch.stack(parts).sum(dim=0), probability, rtol=0, atol=0.01)
