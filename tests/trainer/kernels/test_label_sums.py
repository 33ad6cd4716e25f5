"""What is added up for labels, against sums over all classes."""

from __future__ import annotations

import random

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import labelforge as lf
from labelforge.trainer import LayoutTensors, class_probabilities
from labelforge.trainer.kernels.label_sums import LabelSums
from labelforge.trainer.readout import _Shares
from tests.trainer.kernels.worlds import GrowTree, random_table


def sums_of_spans(sums: LabelSums, logits: torch.Tensor) -> list[float]:
    """(L + 1) sums: the classifiers in turn, then the spans of each label."""
    probability = torch.full_like(logits, torch.nan)
    for first, last, owner, above in sums.classifiers.tolist():
        # What leads to a classifier is one of the logits of the one above it.
        assert (owner < 0) == (above < 0)
        assert owner < 0 or sums.classifiers[above, 0] <= owner < sums.classifiers[above, 1]
        arrival = 1.0 if owner < 0 else probability[owner]
        probability[first:last] = arrival * logits[first:last].softmax(0)
    found = []
    for begin, end in zip(sums.starts[:-1], sums.starts[1:], strict=True):
        spans = sums.spans[begin:end].tolist()
        for place, first, last in spans:
            assert sums.classifiers[place, 0] <= first < last <= sums.classifiers[place, 1]
        found.append(sum(float(probability[first:last].sum()) for _, first, last in spans))
    return found


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_sums_of_random_labels(grow_tree: GrowTree, seed: int) -> None:
    """Labels are all classes below some logits, and some single ones, as labels are; they may overlap."""
    rng = random.Random(seed)
    layout = random_table(rng, grow_tree).layout
    shares = np.zeros((rng.randint(1, 6), len(layout.classes)), np.bool_)
    for label in shares:
        for column in rng.choices(range(layout.num_logits), k=rng.randint(0, 4)):
            label |= [leaves <= layout.covers[column] for leaves in layout.classes]
        label[rng.randrange(len(label))] |= rng.random() < 0.5
    logits = torch.randn(layout.num_logits, generator=torch.Generator().manual_seed(seed)).double() * 2
    of_class = class_probabilities(logits[None, :, None, None], LayoutTensors.of_layout(layout)).flatten().numpy()
    wanted = np.append(shares @ of_class, of_class[~shares.any(axis=0)].sum())
    np.testing.assert_allclose(sums_of_spans(LabelSums.of(layout, shares), logits), wanted, atol=2e-6)


def test_what_no_label_tells_apart_is_not_computed() -> None:
    """Cityscapes has one label for all riders' kinds, and one for all 43 signs."""
    tree = lf.Taxonomy.load("iv2018")
    layout, mapping = lf.LogitLayout.compile(tree), lf.LabelMapping.load(tree, "cityscapes")
    shares = _Shares.of(layout, mapping).shares > 0
    sums = LabelSums.of(layout, shares)
    starts = [layout.slices[layout.names.index(name)].start for name in ("scene", "driveable", "traffic sign")]
    assert sums.classifiers[:, 0].tolist() == starts
    assert int((sums.spans[:, 2] - sums.spans[:, 1]).sum()) < shares.sum()


def test_a_label_of_everything_is_certain() -> None:
    layout = lf.LogitLayout.compile(lf.Taxonomy.load("iv2018"))
    sums = LabelSums.of(layout, np.ones((1, len(layout.classes)), np.bool_))
    assert sums.spans.tolist() == [[0, 0, layout.sizes[0]]] and sums.starts.tolist() == [0, 1, 1]
