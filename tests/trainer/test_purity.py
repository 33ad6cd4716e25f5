"""What the pixels inside boxes show: against a count pixel by pixel in plain Python, of random logits."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from click.testing import CliRunner

from labelforge.cli import cli
from labelforge.errors import ConfigError, ShardError
from labelforge.logits import LogitLayout
from labelforge.shards import ShardReader
from labelforge.trainer.config import Gate, LossConfig
from labelforge.trainer.evaluation.purity import altogether, box_purity
from labelforge.trainer.segmenter import Readings
from labelforge.trainer.training import train
from tests.trainer.scripted import ScriptedSegmenter
from tests.trainer.tiny import LABELS, SUPERVISION, TREE, draw, mapping, tiny_config, write_shards

pytestmark = pytest.mark.usefixtures("backbone")

SIZE = (12, 16)
# What the fine labels mean: the leaves of each row; row 0 and "void" mean nothing.
FINE = [
    (1, "sky", "sky"),
    (2, "left", "left"),
    (3, "right or 30", {"any": ["right", "thirty"]}),
    (4, "any sign", "sign"),
    (5, "void", "ignore"),
]
FINE_LEAVES: list[set[str]] = [
    set(),
    {"sky"},
    {"left"},
    {"right", "thirty"},
    {"back", "left", "right", "thirty"},
    set(),
]
BOX_LEAVES = [set(), {"left"}, {"right"}, {"thirty"}]
# Columns of the network: sky, ground, sign ->, car; left, right, thirty.
SIGN = 2


class Noisy(ScriptedSegmenter):
    """Random logits, the same for the same picture."""

    def __init__(self, loss: LossConfig, layout: LogitLayout) -> None:
        super().__init__(layout, lambda image: np.zeros(image.shape[:2], np.int64))
        self.checkpoint.config = SimpleNamespace(loss=loss, model=SimpleNamespace(head="hierarchical"))  # type: ignore

    def made_up(self, image: npt.NDArray[np.uint8]) -> torch.Tensor:
        seeded = torch.Generator().manual_seed(int(image.sum()))
        return 2 * torch.randn(1, self.layout.num_logits, *image.shape[:2], generator=seeded)

    def _look(self, image: npt.NDArray[np.uint8], readout: Readings) -> tuple[torch.Tensor, ...]:
        fine = torch.split(self.made_up(image), 5, dim=2)
        bands = [readout(band, (band.shape[2], band.shape[3])) for band in fine]
        return tuple(torch.cat(parts, dim=-2)[0] for parts in zip(*bands, strict=True))


@pytest.fixture(scope="module")
def patch_labels() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LABELS, "fine", FINE)
        patch.setitem(SUPERVISION, "fine", "pixel")
        yield


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, patch_labels: None) -> tuple[ShardReader, ShardReader]:
    """Boxes of images a to d; fine labels of b to e, in another order."""
    folder, rng = tmp_path_factory.mktemp("pair"), np.random.default_rng(1)
    images = {key: rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8) for key in "abcde"}
    boxes = [(key, images[key], rng.integers(0, 4, SIZE).astype(np.uint8)) for key in "abcd"]
    fine = [(key, images[key], rng.integers(0, 6, SIZE).astype(np.uint8)) for key in "bcde"]
    return (
        ShardReader(write_shards(folder / "boxes", "boxes", boxes)),
        ShardReader(write_shards(folder / "fine", "fine", fine)),
    )


def counted(segmenter: Noisy, boxes: ShardReader, fine: ShardReader, gate: str) -> dict[str, list[int]]:
    """Label -> pixels, right, passed, right and passed, undecided."""
    fine_of = {sample.key: sample for sample in fine}
    found: dict[str, list[int]] = {}
    for sample in boxes:
        if sample.key not in fine_of:
            continue
        logits = segmenter.made_up(sample.image)[0]
        for y in range(SIZE[0]):
            for x in range(SIZE[1]):
                row, truth = int(sample.local_rows[y, x]), FINE_LEAVES[int(fine_of[sample.key].local_rows[y, x])]
                if row == 0:
                    continue
                root = logits[:4, y, x].tolist()
                passed = gate == "none" or root.index(max(root)) == SIGN
                counts = found.setdefault(boxes.mapping.rows[row].native_name, [0] * 5)
                if not truth or (truth & BOX_LEAVES[row] and not truth <= BOX_LEAVES[row]):
                    counts[4] += 1
                    continue
                right = truth <= BOX_LEAVES[row]
                for i, value in enumerate((1, right, passed, right and passed)):
                    counts[i] += value
    return found


@pytest.mark.parametrize("gate", ["parent", "path", "none"])
@pytest.mark.parametrize("asked", [False, True])
def test_counts(pair: tuple[ShardReader, ShardReader], gate: Gate, asked: bool) -> None:
    layout = LogitLayout.compile(TREE, [mapping("boxes"), mapping("dense")])
    segmenter = Noisy(LossConfig() if asked else LossConfig(gate=gate), layout)
    found = box_purity(segmenter, pair[:1], pair[1:], gate=gate if asked else None)
    expected = counted(segmenter, *pair, gate)
    assert sorted(expected) == sorted(entry.label for entry in found) == ["keep left", "keep right", "limit 30"]
    for entry in found:
        counts = expected[entry.label]
        assert [entry.pixels, entry.right, entry.passed, entry.right_passed, entry.undecided] == counts
        assert entry.classifier == "sign/front"
        assert entry.purity == counts[1] / counts[0]
        assert entry.gated_purity == pytest.approx(counts[3] / counts[2] if counts[2] else None)
    assert altogether(found).openness == pytest.approx(
        sum(c[2] for c in expected.values()) / sum(c[0] for c in expected.values())
    )
    # "keep right" is never decided to be right: no fine label is that alone.
    assert found[1].right == 0 and found[1].kept is None and found[1].undecided > 0


def test_it_says_what_does_not_fit(pair: tuple[ShardReader, ShardReader], tmp_path: Path) -> None:
    boxes, fine = pair
    segmenter = Noisy(LossConfig(), LogitLayout.compile(TREE, [mapping("boxes"), mapping("dense")]))
    image, rows = np.zeros((*SIZE, 3), np.uint8), np.ones(SIZE, np.uint8)
    other = ShardReader(write_shards(tmp_path / "other", "fine", [("z", image, rows)]))
    with pytest.raises(ConfigError, match="no image of boxes is in"):
        box_purity(segmenter, [boxes], [other])
    small = ShardReader(write_shards(tmp_path / "small", "fine", [("a", image[:8], rows[:8])]))
    with pytest.raises(ShardError, match="boxes/a: its boxes and its fine labels differ in size: 16x12 and 16x8"):
        box_purity(segmenter, [boxes], [small])
    only_dense = Noisy(LossConfig(), LogitLayout.compile(TREE, [mapping("dense")]))
    with pytest.raises(ConfigError, match="no box label of boxes trains a classifier of this network"):
        box_purity(only_dense, [boxes], [fine])


def test_the_command(tmp_path: Path, patch_labels: None) -> None:
    samples = [(str(i), *draw("boxes", i, (64, 80))) for i in range(2)]
    # The fine labels are left where the boxes are left, sky elsewhere in boxes.
    fine = [(key, image, np.select([rows == 1, rows > 1], [2, 1]).astype(np.uint8)) for key, image, rows in samples]
    dense = [(str(i), *draw("dense", i, (64, 80))) for i in range(2)]
    boxes_url, fine_url, dense_url = (
        write_shards(tmp_path / name, name, content)
        for name, content in (("boxes", samples), ("fine", fine), ("dense", dense))
    )
    run = train([dense_url, boxes_url], tmp_path / "run", tiny_config(steps=2, loss={"gate": "none"})).out
    arguments = ["evaluate", str(run), str(boxes_url), "--truth", str(fine_url), "--device", "cpu"]
    result = CliRunner().invoke(cli, [*arguments, "--json", str(tmp_path / "o.json")], catch_exceptions=False)
    lines = [line.split() for line in result.stdout.splitlines()]
    left = sum(int((rows == 1).sum()) for _, _, rows in samples)
    assert ["keep", "left", f"{left:,}", "100.0%", "100.0%", "100.0%", "100.0%"] in lines
    assert lines[-1][0] == "all"
    content = json.loads((tmp_path / "o.json").read_text())
    assert [(entry["label"], entry["purity"]) for entry in content] == [
        ("keep left", 1.0),
        ("keep right", 0.0),
        ("limit 30", 0.0),
    ]
    with pytest.raises(ConfigError, match="--truth makes a table of its own"):
        CliRunner().invoke(cli, [*arguments, "--summary"], catch_exceptions=False)
