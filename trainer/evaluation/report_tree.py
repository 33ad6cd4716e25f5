"""The parts of an evaluation's page about the tree and about confidences."""

from __future__ import annotations

from collections.abc import Callable

from labelforge.report import Bar, Column, LineChart, Series, Table, Text
from labelforge.report.blocks import Block, Cell
from labelforge.trainer.evaluation.confidence_scores import ConfidenceScores
from labelforge.trainer.evaluation.tree_scores import Tally, TreeScores

_NAN = float("nan")


def tree_blocks(runs: dict[str, TreeScores]) -> list[Block]:
    """Tables of the tree metrics.

    Args:
        runs: Scores of every run on one shard set, by the runs' names.
    """
    blocks: list[Block] = [_figures(runs), _kinds(runs), _depths(runs)]
    classifiers = _classifiers(runs)
    return [*blocks, *classifiers, _stops(runs)]


def confidence_blocks(runs: dict[str, ConfidenceScores]) -> list[Block]:
    """Calibration and coverage: charts, and the calibration error in words.

    Args:
        runs: Scores of every run on one shard set, by the runs' names.
    """
    scored = {name: scores for name, scores in runs.items() if scores.calibration_error is not None}
    if not scored:
        return [Text("No pixel was scored.")]
    several = len(scored) > 1
    errors = "; ".join(
        f"{name}: {scores.calibration_error:.1%}" if several else f"{scores.calibration_error:.1%}"
        for name, scores in scored.items()
    )
    words = Text(
        f"Expected calibration error: {errors}. It is the mean distance between how sure the network is and how often "
        "it is right, over 15 bins of confidence; 0% would be perfect.",
        "These are decisions, however labels are read. The confidence of one is the product of the probabilities of "
        "the choices that lead to the label that contains it.",
    )
    curves = [
        _series(name, what, several, scores)
        for name, scores in scored.items()
        for what in ("answered", "right of these")
    ]
    coverage = LineChart(
        tuple(curves), "confidence above", "share", "What is answered, and right, if unsure pixels are left out"
    )
    reliability = LineChart(_reliability(scored), "confidence", "share right", "Reliability: right against sure")
    return [words, reliability, coverage]


def _series(name: str, what: str, several: bool, scores: ConfidenceScores) -> Series:
    points = scores.coverage
    values = [p.coverage if what == "answered" else _or_nan(p.accuracy) for p in points]
    return Series(f"{name}: {what}" if several else what, [p.threshold for p in points], values)


def _reliability(runs: dict[str, ConfidenceScores]) -> tuple[Series, ...]:
    found = []
    for name, scores in runs.items():
        bins = [entry for entry in scores.bins if entry.pixels]
        found.append(Series(name, [_or_nan(b.confidence) for b in bins], [_or_nan(b.accuracy) for b in bins]))
        if len(runs) == 1:
            whole = sum(entry.pixels for entry in bins)
            middles = [(entry.low + entry.high) / 2 for entry in scores.bins]
            found.append(Series("share of pixels", middles, [entry.pixels / whole for entry in scores.bins]))
    return (*found, Series("perfect", [0, 1], [0, 1]))


def _figures(runs: dict[str, TreeScores]) -> Table:
    lines: list[tuple[str, str, Callable[[TreeScores], float | None]]] = [
        ("right", ".1%", lambda s: s.answers.right),
        ("too coarse", ".1%", lambda s: s.answers.too_coarse),
        ("wrong", ".1%", lambda s: s.answers.wrong),
        ("hierarchical precision", ".1%", lambda s: s.precision),
        ("hierarchical recall", ".1%", lambda s: s.recall),
        ("hierarchical F", ".1%", lambda s: s.f1),
        ("mean distance of wrong answers, in edges", ".2f", lambda s: s.distance),
    ]
    rows: list[tuple[Cell, ...]] = []
    for name, spec, measure in lines:
        values = [measure(scores) for scores in runs.values()]
        rows.append((name, *("\N{EN DASH}" if value is None else format(value, spec) for value in values)))
    caption = (
        "Decisions, however labels are read, for all labels that mean something in the tree, evaluated or not: right "
        "is inside what the label means, too coarse leaves open what it decides"
    )
    return Table((Column("figure"), *(Column(name, True) for name in runs)), tuple(rows), caption)


def _kinds(runs: dict[str, TreeScores]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, scores in runs.items():
        for kind, answers in (
            ("a leaf", scores.leaves),
            ("a group of leaves", scores.groups),
            ("an inner node", scores.inner_nodes),
        ):
            if answers.pixels:
                rows.append((_of(kind, name, runs), answers.pixels, *_worth(answers)))
    columns = (Column("the answer is"), Column("pixels", True), *_WORTH)
    return Table(columns, tuple(rows), "What kind of answers these are")


def _depths(runs: dict[str, TreeScores]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    depths = len(next(iter(runs.values())).depths)
    for i in range(depths):
        for name, scores in runs.items():
            entry = scores.depths[i]
            if entry.answers.pixels:
                rows.append((_of(str(entry.depth), name, runs), entry.answers.pixels, *_worth(entry.answers)))
    columns = (Column("depth"), Column("pixels", True), *_WORTH)
    return Table(columns, tuple(rows), "Down to each depth of the tree, where the label says something at that depth")


def _classifiers(runs: dict[str, TreeScores]) -> list[Table]:
    """One table; none where a network has a single classifier. Networks of one page may have different ones."""
    rows: list[tuple[Cell, ...]] = []
    order = dict.fromkeys(entry.name for scores in runs.values() for entry in scores.classifiers)
    for classifier in order:
        for name, scores in runs.items():
            for entry in scores.classifiers:
                if entry.name == classifier and entry.pixels:
                    line = (_of(classifier, name, runs), entry.pixels, entry.reached, Bar(entry.accuracy))
                    rows.append(line)
    if not rows:
        return []
    columns = (
        Column("classifier"),
        Column("pixels", True),
        Column("reached", True, ".1%"),
        Column("right of those reached", True, ".1%"),
    )
    return [Table(columns, tuple(rows), "Every classifier, on the pixels whose label decides it")]


def _stops(runs: dict[str, TreeScores]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for i in range(max(len(scores.stops) for scores in runs.values())):
        for name, scores in runs.items():
            stop = scores.stops[i]
            whole = scores.answers.pixels
            rows.append(
                (
                    _of(f"{stop.threshold:g}", name, runs),
                    stop.full.pixels / whole,
                    stop.full.right,
                    stop.inner.pixels / whole,
                    stop.inner.right,
                    stop.inner.too_coarse,
                    stop.unanswered,
                )
            )
    columns = (
        Column("confidence at least"),
        *(
            Column(name, True, ".1%")
            for name in (
                "to the end",
                "right of these",
                "to an inner node",
                "right of these",
                "too coarse",
                "no answer",
            )
        ),
    )
    return Table(columns, tuple(rows), "How far descents go that stop where the network is less sure than this")


_WORTH = tuple(Column(name, True, ".1%") for name in ("right", "too coarse", "wrong"))


def _worth(answers: Tally) -> tuple[float | None, ...]:
    return answers.right, answers.too_coarse, answers.wrong


def _of(what: str, run: str, runs: dict[str, TreeScores]) -> str:
    return what if len(runs) == 1 else f"{what}, {run}"


def _or_nan(value: float | None) -> float:
    return _NAN if value is None else value
