"""Which pixels a step looks at: against plain upsampling of everything."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from labelforge.trainer import GlobalRows, upsample, upsample_at
from labelforge.trainer.models.contract import FeatureMap
from labelforge.trainer.models.decoders import build_decoder
from labelforge.trainer.pixels import at_labels, place_of_step


@pytest.mark.parametrize(
    ("small", "large"), [((5, 7), (20, 28)), ((5, 7), (37, 41)), ((9, 4), (5, 9)), ((1, 1), (6, 3))]
)
@pytest.mark.parametrize("every", [1, 2, 3, 8])
def test_logits_and_labels_are_those_of_the_same_pixels(
    small: tuple[int, int], large: tuple[int, int], every: int
) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, *small), torch.randint(9, (2, *large), dtype=torch.int16)
    everything = upsample(logits, large)
    for top in range(min(every, large[0])):
        for left in range(min(every, large[1])):
            found, rows = at_labels(logits, GlobalRows(labels, "n"), every, (top, left))
            assert torch.equal(rows.tensor, labels[:, top::every, left::every]) and rows.numbering == "n"
            assert torch.allclose(found, everything[:, :, top::every, left::every], atol=1e-5)


def test_gradients_are_those_of_upsampling_everything() -> None:
    torch.manual_seed(1)
    logits = torch.randn(1, 2, 4, 5, dtype=torch.float64)
    rows, columns = torch.tensor([1, 6, 11]), torch.tensor([0, 9])
    weights = torch.randn(1, 2, 3, 2, dtype=torch.float64)
    gradients: list[torch.Tensor] = []
    for sparse in (True, False):
        given = logits.clone().requires_grad_()
        whole = (13, 10)
        found = upsample_at(given, whole, rows, columns) if sparse else upsample(given, whole)[:, :, rows][..., columns]
        gradients += torch.autograd.grad((found * weights).sum(), given)
    assert torch.allclose(gradients[0], gradients[1])


def test_a_map_smaller_than_the_step_still_gives_a_pixel() -> None:
    found, rows = at_labels(
        torch.zeros(1, 2, 1, 1), GlobalRows(torch.zeros(1, 3, 2, dtype=torch.int16), "n"), 8, (7, 7)
    )
    assert found.shape == (1, 2, 1, 1) and rows.shape == (1, 1, 1)


def test_every_place_comes_once_in_a_turn_and_turns_differ() -> None:
    turns = [[place_of_step(5, turn * 16 + step, 4) for step in range(16)] for turn in range(3)]
    for places in turns:
        assert Counter(places) == Counter({(row, column): 1 for row in range(4) for column in range(4)})
    assert turns[0] != turns[1] != turns[2]
    assert [place_of_step(5, step, 4) for step in range(16)] == turns[0] != [place_of_step(6, s, 4) for s in range(16)]
    assert place_of_step(5, 123, 1) == (0, 0)


@pytest.mark.parametrize(("stride", "read"), [(4, (0, 1, 2)), (8, (1, 2)), (16, (2,))])
def test_a_pyramid_reads_no_map_finer_than_its_stride(stride: int, read: tuple[int, ...]) -> None:
    maps = (FeatureMap(4, 6), FeatureMap(8, 10), FeatureMap(16, 12))
    decoder = build_decoder("fpn", maps, 5, stride)
    assert decoder.reads == read and decoder.output == FeatureMap(stride, 5)
    given = tuple(
        torch.zeros(1, maps[number].channels, 48 // maps[number].stride, 64 // maps[number].stride) for number in read
    )
    assert decoder(given).shape == (1, 5, 48 // stride, 64 // stride)
