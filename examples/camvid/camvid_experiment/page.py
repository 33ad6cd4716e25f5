"""Writes results.json and RESULTS.md from what was chosen and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from camvid_experiment.experiment import Choice, Count, Experiment, Try
from camvid_experiment.purity import section
from camvid_experiment.summary import (
    MEASURES,
    MOVERS,
    Measure,
    Row,
    Spread,
    by_seed,
    class_means,
    paired,
    spread,
    strongest,
    table,
    verdict,
)
from camvid_experiment.table import Run
from camvid_experiment.trade import trade_section
from labelforge.files import json_text, write_atomically


def rows_of(experiment: Experiment) -> list[dict[str, Any]]:
    """The rows of results.json."""
    return _rows(experiment, experiment.counts)


def _rows(experiment: Experiment, counts: Iterable[Count]) -> list[dict[str, Any]]:
    fine = {run.name: run.fine for run in experiment.runs}
    return [
        {
            "run": each.run,
            "fine": fine[each.run],
            "seed": each.seed,
            "split": each.split,
            "logit_adjustment": each.reading.logit_adjustment,
            **each.score,
        }
        for each in counts
    ]


def write_results(experiment: Experiment, pictures: Sequence[Path]) -> None:
    """Write results.json and RESULTS.md into the experiment's folder.

    Args:
        experiment: After choosing and counting.
        pictures: Files in the folder to show.
    """
    out, rows = experiment.pool.out, rows_of(experiment)
    write_atomically(out / "results.json", json_text(rows))
    traded = _rows(experiment, experiment.traded)
    write_atomically(out / "trade.json", json_text(traded))
    write_atomically(out / "choices.json", json_text(_choices(experiment)))
    if experiment.purity is not None:
        write_atomically(out / "purity.json", json_text(experiment.purity[1]))
    sections = [_opening(experiment)]
    for split, shards in experiment.counted_on.items():
        sections.append(_counted(experiment, rows, traded, split, shards))
    purity = "" if experiment.purity is None else section(*experiment.purity)
    sections += [_choice_section(experiment), purity, _pictures(out, pictures)]
    write_atomically(out / "RESULTS.md", "\n".join(filter(None, sections)))


def _choices(experiment: Experiment) -> list[dict[str, Any]]:
    return [
        {
            "run": name,
            **_plain(choice.best),
            "tried": [
                {**_plain(each), "mean of miou and mean_accuracy": worth} for each, worth in choice.tried.items()
            ],
        }
        for name, choice in experiment.choices.items()
    ]


def _plain(each: Try) -> dict[str, Any]:
    return {"lr": each.rate, "option": each.option, **each.reading._asdict()}


def _opening(experiment: Experiment) -> str:
    planner, seeds = experiment.planner, ", ".join(map(str, experiment.seeds))
    division = "a division of its own for each seed" if experiment.by_seed else "the same division for all seeds"
    return (
        "# CamVid: fine labels, coarse labels and boxes\n\n"
        f"Form {planner.form}, {planner.settings(experiment.runs[0], 0, 1.0)['steps']} steps a network, seeds {seeds}, "
        f"{division} of {len(experiment.shards.keys)} training frames. F: fine labels, C: coarse labels, B: boxes. "
        "Figures are percent, mean ± standard deviation over seeds. A pixel without an answer counts as wrong. "
        "Learning rates, options, readings and logit adjustments were chosen on a held-out part of the training "
        "videos, never on what is counted.\n"
    )


def _counted(experiment: Experiment, rows: Sequence[Row], traded: Sequence[Row], split: str, shards: Path) -> str:
    """All tables of one set of frames: for each number of frames with fine labels, then for all."""
    from labelforge.shards import ShardReader

    main = [run for run in experiment.runs if run.kind != "ablation"]
    amounts = sorted({run.fine for run in main if run.kind != "bound"})
    parts = [f"## {split}: {len(ShardReader(shards))} frames\n"]
    for fine in amounts:
        alike = [run for run in main if run.fine == fine or run.kind == "bound"]
        ours, rivals = ([run.name for run in alike if run.kind == kind] for kind in ("ours", "rival"))
        best = {measure: strongest(rows, rivals, split, measure) for measure in MEASURES} if rivals else {}
        if len(amounts) > 1:
            parts.append(f"### {fine} frames with fine labels\n")
        parts.append(_main_table(rows, alike, split, best))
        if best and ours:
            parts.append(_pairs(rows, ours, split, best))
        parts.append(_class_table(rows, alike, split))
        parts.append(trade_section(rows, traded, alike, split))
    if len(amounts) > 1:
        parts.append("### Variations\n")
    parts += [_ablations(experiment, rows, split), _amounts(experiment, rows, split)]
    return "\n".join(filter(None, parts))


def _main_table(rows: Sequence[Row], runs: Sequence[Run], split: str, best: dict[Measure, str]) -> str:
    heads = ["run", "", *MEASURES.values(), "IoU of movers"]
    heads += [f"{title} ahead of {best[measure]}" for measure, title in MEASURES.items() if best]
    lines = []
    for run in runs:
        movers = [class_means(rows, run.name, split)[name] for name in MOVERS]
        cells = [run.name, run.note or run.kind]
        cells += [spread(rows, run.name, split, measure).percent() for measure in MEASURES]
        cells.append(f"{100 * sum(movers) / len(movers):.1f}")
        for measure, rival in best.items():
            ahead = paired(rows, run.name, rival, split, measure)
            cells.append("-" if run.name == rival else Spread.of(list(ahead.values())).percent(sign=True))
        lines.append(cells)
    return table(heads, lines)


def _pairs(rows: Sequence[Row], ours: Iterable[str], split: str, best: dict[Measure, str]) -> str:
    """By seed: how far each of our runs is ahead of the strongest rival in each measure."""
    lines = []
    for measure, rival in best.items():
        for run in ours:
            ahead = paired(rows, run, rival, split, measure)
            each = ", ".join(f"{100 * value:+.1f}" for value in ahead.values())
            lines.append([MEASURES[measure], run, rival, each, verdict(ahead)])
    return table(["measure", "run", "strongest rival", "ahead by, seed by seed", "verdict"], lines)


def _class_table(rows: Sequence[Row], runs: Sequence[Run], split: str) -> str:
    means = {run.name: class_means(rows, run.name, split) for run in runs}
    classes = list(next(iter(means.values())))
    lines = [[name, *(f"{100 * means[name][each]:.1f}" for each in classes)] for name in means]
    return "IoU by class, mean over seeds:\n\n" + table(["run", *classes], lines)


def _ablations(experiment: Experiment, rows: Sequence[Row], split: str) -> str:
    lines = []
    for run in experiment.runs:
        if run.like is None:
            continue
        cells = [run.name, run.like]
        for measure in MEASURES:
            cells.append(spread(rows, run.name, split, measure).percent())
            change = paired(rows, run.name, run.like, split, measure)
            cells.append(Spread.of(list(change.values())).percent(sign=True))
        lines.append(cells)
    if not lines:
        return ""
    heads = ["variation", "of"]
    for title in MEASURES.values():
        heads += [title, "change"]
    return (
        "Variations, with the choices of the run that they vary; changes are over the seeds that both have:\n\n"
        + table(heads, lines)
    )


def families(runs: Sequence[Run]) -> list[dict[int, str]]:
    """Runs that differ in nothing but how many frames have fine labels: of each family that number -> run."""
    found: dict[str, dict[int, str]] = {}
    for run in sorted(runs, key=lambda run: run.fine):
        if run.kind != "bound":
            what = json_text([run.datasets, run.tree, run.settings, run.by, run.over])
            found.setdefault(what, {}).setdefault(run.fine, run.name)
    order = {run.name: number for number, run in enumerate(runs)}
    several = [members for members in found.values() if len(members) > 1]
    return sorted(several, key=lambda members: min(order[name] for name in members.values()))


def _amounts(experiment: Experiment, rows: Sequence[Row], split: str) -> str:
    """Both measures by the number of fine frames, and how far the first family is ahead of the others that have all."""
    found = families(experiment.runs)
    if not found:
        return ""
    amounts = list(found[0])
    first, *others = [members for members in found if set(amounts) <= set(members)]
    names = [members[each] for members in (first, *others) for each in amounts]
    seeds = set.intersection(*(set(by_seed(rows, name, split, "miou")) for name in names))
    rows = [row for row in rows if row["seed"] in seeds]
    lines = []
    for measure, title in MEASURES.items():
        for members in (first, *others):
            figures = [spread(rows, members[each], split, measure).percent() for each in amounts]
            lines.append([title, _family_name(members), *figures])
        for other in others:
            ahead = [paired(rows, first[each], other[each], split, measure) for each in amounts]
            shown = [Spread.of(list(each.values())).percent(sign=True) for each in ahead]
            lines.append([title, f"{_family_name(first)} ahead of {_family_name(other)}", *shown])
    shared = ", ".join(map(str, sorted(seeds)))
    text = (
        f"By the number of frames with fine labels; over the seeds that all of these have ({shared}). Variations take "
        "the choices of the run that they vary:\n\n"
    )
    return text + table(["measure", "run", *(f"F{each}" for each in amounts)], lines)


def _family_name(members: Mapping[int, str]) -> str:
    """What the runs of a family are called without their numbers."""
    fine, name = next(iter(members.items()))
    return name.replace(f"F{fine}", "F")


def _choice_section(experiment: Experiment) -> str:
    rates = experiment.planner.rates
    options = list(dict.fromkeys(each.option for c in experiment.choices.values() for each in c.tried if each.option))
    lines = []
    for name, choice in experiment.choices.items():
        by_rate = [_best(choice, rate=rate, option="") for rate in rates]
        by_option = [_best(choice, option=option) for option in options]
        best = choice.best
        edge = len(rates) > 2 and best.rate in (rates[0], rates[-1])
        chosen = ", ".join(filter(None, [f"{best.rate:g}" + " (edge)" * edge, best.option]))
        lines.append([name, *by_rate, *by_option, chosen, str(best.reading)])
    text = (
        "## What was chosen\n\n"
        "The mean of mIoU and mean accuracy on the held-out block of every training video, one seed; of the readings "
        "and adjustments, the best. "
        "First every learning rate was tried, then every option with the best of them. *edge*: the best rate is the "
        "first or last of those tried.\n\n"
    )
    return text + table(["run", *(f"lr {rate:g}" for rate in rates), *options, "chosen", "read by"], lines)


def _best(choice: Choice, **asked: float | str) -> str:
    """The best score among the trials with these values."""
    found = [worth for each, worth in choice.tried.items() if all(getattr(each, k) == v for k, v in asked.items())]
    return f"{100 * max(found):.1f}" if found else "-"


def _pictures(out: Path, pictures: Sequence[Path]) -> str:
    if not pictures:
        return ""
    shown = "\n\n".join(f"![{path.stem}]({path.relative_to(out).as_posix()})" for path in pictures)
    return f"## Pictures\n\nFrames at even distances, not chosen by hand; the first seed.\n\n{shown}\n"
