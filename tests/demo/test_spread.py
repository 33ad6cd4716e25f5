"""The comparison of networks: against the evaluation of drawn images, and against a resampling done image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from labelforge import LabelMapping, LabelSpace, LogitLayout, Protocol, ShardReader, Taxonomy
from labelforge.demo.results import in_words
from labelforge.demo.spread import COVERED, DRAWS, Lead, Tallies, Tally, compare
from labelforge.protocol import MeanOver, Measure, OtherDecisions, ProtocolClass
from labelforge.trainer import evaluate
from tests.core import shard_folders
from tests.trainer.scripted import Classes, ScriptedSegmenter, answer_perfectly

TREE = Taxonomy.load("iv2018")
LAYOUT = LogitLayout.compile(TREE)
SIZE = (12, 16)
DRAWN = np.array([[1, 1, 1, 1, 1], [0, 3, 1, 0, 1], [5, 0, 0, 0, 0], [0, 0, 0, 1, 4]])
"""How often each of five images is drawn."""


@dataclass(frozen=True, eq=False)
class World:
    """Five images of a dataset, each with a few of its labels, and decisions: right, mixed up, or for anything."""

    mapping: LabelMapping
    rows: list[NDArray[np.uint8]]
    answers: list[Classes]

    @classmethod
    def of(cls, dataset: str) -> World:
        rng = np.random.default_rng(0)
        mapping = LabelMapping.load(TREE, dataset)
        ignored = [row.row for row in mapping.rows if row.target.ignored]
        rows, answers = [], []
        for _ in range(DRAWN.shape[1]):
            labels = rng.choice([*ignored[:2], *rng.choice(len(mapping.rows), 10)], SIZE).astype(np.uint8)
            right = answer_perfectly(LAYOUT, mapping, labels, rng)
            choices = (right, rng.permutation(right.ravel()).reshape(SIZE), rng.choice(len(LAYOUT.classes), SIZE))
            rows.append(labels)
            answers.append(np.choose(rng.choice(3, SIZE, p=[0.3, 0.4, 0.3]), choices))
        return cls(mapping, rows, answers)

    def scored(self, folder: Path, protocol: Protocol, drawn: Sequence[int]) -> tuple[float, Tally]:
        """The official score of some of the images, any number of times each, by an evaluation; and the tally."""
        table = self.mapping
        palette = [(i, i, i) for i in range(len(table.rows))]
        blank = np.zeros((*SIZE, 3), np.uint8)
        samples = [shard_folders.encoded(f"{n:03d}", blank, self.rows[i], palette) for n, i in enumerate(drawn)]
        shard_folders.write(folder, [samples], table, TREE, protocol)
        reader, seen = ShardReader(folder), Tallies()
        network = ScriptedSegmenter.answering(LAYOUT, [self.answers[i] for i in drawn])
        (evaluation,) = evaluate(network, [reader], observe=seen.see)
        assert evaluation.protocol == protocol
        return evaluation.scores.headline or 0.0, seen.by_class(evaluation.shards, table, protocol)

    def check(self, folder: Path, protocol: Protocol) -> None:
        """Every draw has the score that an evaluation of the images drawn has."""
        _, tally = self.scored(folder / "all", protocol, range(len(self.rows)))
        for number, draw in enumerate(DRAWN):
            drawn = np.repeat(np.arange(len(draw)), draw).tolist()
            official, _ = self.scored(folder / str(number), protocol, drawn)
            assert tally.scores(DRAWN)[number] == pytest.approx(official, rel=1e-12, abs=0)
            assert number or tally.scores().tolist() == pytest.approx([official], rel=1e-12, abs=0)
            assert 0 < official < 1


@pytest.mark.parametrize("dataset", ["cityscapes", "mapillary-vistas-1.2", "gtsdb"])
def test_draws_score_as_the_benchmark_scores_the_images_drawn(dataset: str, tmp_path: Path) -> None:
    protocol = LabelSpace.load(dataset).protocol
    assert protocol is not None
    World.of(dataset).check(tmp_path, protocol)


@pytest.mark.parametrize(
    ("measure", "mean_over", "other_decisions"),
    list(product(get_args(Measure), get_args(MeanOver), get_args(OtherDecisions))),
)
def test_draws_score_by_any_rules(
    measure: Measure, mean_over: MeanOver, other_decisions: OtherDecisions, tmp_path: Path
) -> None:
    """Every second label is evaluated, the last ten of these in pairs."""
    world = World.of("cityscapes")
    names = [row.native_name for row in world.mapping.rows if row.native_id is not None][::-2]
    parts = [*zip(names[:10:2], names[1:10:2], strict=True), *((name,) for name in names[10:])]
    rules = Protocol(
        benchmark="some",
        metric="some",
        source="nowhere",
        classes=tuple(ProtocolClass(name=" or ".join(labels), labels=labels) for labels in parts),
        measure=measure,
        mean_over=mean_over,
        other_decisions=other_decisions,
    )
    world.check(tmp_path, rules)


def test_nothing_to_score_scores_zero() -> None:
    tally = replace(random_tally(np.random.default_rng(0), 0.5), counts=np.zeros((4, 5, 3), np.int64))
    assert tally.scores().tolist() == [0.0]


# ---- the comparison ----


def random_tally(rng: np.random.Generator, share: float, images: int = 40, measure: Measure = "iou") -> Tally:
    """Counts of a network that is right with about the given share; the last class occurs in the first image only."""
    pixels = rng.integers(1, 200, (images, 5))
    pixels[1:, -1] = 0
    right = rng.binomial(pixels, share)
    counts = np.stack([pixels, right, right + rng.permuted(pixels - right, axis=1)], axis=2)
    return Tally(counts.astype(np.int64), replace(Protocol.of_labels("abcde"), measure=measure))


def brute_force(tally: Tally, drawn: list[int]) -> float:
    """The score of some images, class by class."""
    shares = []
    for number in range(tally.counts.shape[1]):
        pixels, right, decided = (sum(int(tally.counts[image, number, k]) for image in drawn) for k in range(3))
        whole = pixels if tally.protocol.measure == "accuracy" else pixels + decided - right
        if whole:
            shares.append(right / whole)
    return sum(shares) / len(shares)


@pytest.mark.parametrize("measure", get_args(Measure))
def test_the_better_rival_is_the_one_compared_with(measure: Measure) -> None:
    rng = np.random.default_rng(1)
    ours, good, bad = (random_tally(rng, share, measure=measure) for share in (0.6, 0.5, 0.3))
    lead = compare("gtsdb", ours, {"bad": bad, "good": good})
    assert (lead.rival, lead.measure) == ("good", measure)
    everything = list(range(40))
    assert lead.points == pytest.approx(100 * (brute_force(ours, everything) - brute_force(good, everything)))
    assert lead.low < lead.points < lead.high


def test_which_rival_is_better_is_a_question_of_the_measure() -> None:
    """One finds more of the first label by deciding for it wherever it is in doubt."""
    counts = {
        "eager": [[[100, 90, 160], [100, 30, 40]]],
        "careful": [[[100, 60, 70], [100, 55, 60]]],
    }
    expected: dict[Measure, str] = {"accuracy": "eager", "iou": "careful"}
    for measure, better in expected.items():
        protocol = replace(Protocol.of_labels("ab"), measure=measure)
        tallies = {name: Tally(np.array(each, np.int64), protocol) for name, each in counts.items()}
        assert compare("x", tallies["eager"], tallies).rival == better


@pytest.mark.parametrize("measure", get_args(Measure))
def test_the_interval_is_that_of_a_plain_bootstrap(measure: Measure) -> None:
    rng = np.random.default_rng(2)
    ours, other = (random_tally(rng, 0.5, images=30, measure=measure) for _ in range(2))
    lead = compare("x", ours, {"other": other})
    gaps = []
    for _ in range(4 * DRAWS):
        drawn = rng.integers(0, 30, 30).tolist()
        gaps.append(100 * (brute_force(ours, drawn) - brute_force(other, drawn)))
    low, high = np.quantile(gaps, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    width = high - low
    assert lead.low == pytest.approx(low, abs=0.1 * width)
    assert lead.high == pytest.approx(high, abs=0.1 * width)


def test_equal_networks_are_neither_ahead_nor_behind() -> None:
    tally = random_tally(np.random.default_rng(3), 0.5)
    lead = compare("x", tally, {"twin": replace(tally, counts=tally.counts.copy())})
    assert (lead.points, lead.low, lead.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("points", "low", "high", "said"),
    [
        (2.0, 0.5, 3.5, "2.0 points ahead of a on d (+0.5 to +3.5)"),
        (-2.0, -3.5, -0.5, "2.0 points behind a on d (-3.5 to -0.5)"),
        (1.0, -0.5, 2.5, "neither ahead of a nor behind it on d (+1.0 points, -0.5 to +2.5)"),
        (0.0, 0.0, 0.0, "neither ahead of a nor behind it on d (+0.0 points, +0.0 to +0.0)"),
    ],
)
def test_ahead_is_said_only_of_all_of_the_interval(points: float, low: float, high: float, said: str) -> None:
    assert Lead("d", "iou", "a", points, low, high).sentence == said


def test_the_sentence_names_each_measure_once() -> None:
    found = [
        Lead("cityscapes", "iou", "flat-union", 2.0, 0.5, 3.5),
        Lead("vistas", "iou", "flat-marginal", 1.0, -0.5, 2.5),
        Lead("gtsdb", "accuracy", "flat-union", -2.0, -3.5, -0.5),
    ]
    assert in_words(found) == (
        "In mean IoU the hierarchical network is 2.0 points ahead of flat-union on cityscapes (+0.5 to +3.5) and "
        "neither ahead of flat-marginal nor behind it on vistas (+1.0 points, -0.5 to +2.5); "
        "in mean pixel accuracy it is 2.0 points behind flat-union on gtsdb (-3.5 to -0.5)."
    )
