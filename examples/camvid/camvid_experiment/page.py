"""Writes results.json and RESULTS.md from what was chosen and counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from camvid_experiment.experiment import Choice, Experiment, Try
from camvid_experiment.purity import section
from camvid_experiment.summary import MOVERS, Row, Spread, class_means, paired, spread, strongest, verdict
from camvid_experiment.table import Run
from labelforge.files import json_text, write_atomically

MEASURES = {"miou": "mIoU", "mean_accuracy": "mean accuracy"}


def rows_of(experiment: Experiment) -> list[dict[str, Any]]:
    """The rows of results.json."""
    return [{"run": run, "seed": seed, "split": split, **score} for run, seed, split, score in experiment.counts]


def write_results(experiment: Experiment, pictures: Sequence[Path]) -> None:
    """Write results.json and RESULTS.md into the experiment's folder.

    Args:
        experiment: After choosing and counting.
        pictures: Files in the folder to show.
    """
    out, rows = experiment.pool.out, rows_of(experiment)
    write_atomically(out / "results.json", json_text(rows))
    write_atomically(out / "choices.json", json_text(_choices(experiment)))
    if experiment.purity is not None:
        write_atomically(out / "purity.json", json_text(experiment.purity[1]))
    sections = [_opening(experiment)]
    for split, shards in experiment.counted_on.items():
        sections.append(_counted(experiment, rows, split, shards))
    purity = "" if experiment.purity is None else section(*experiment.purity)
    sections += [_choice_section(experiment), purity, _pictures(out, pictures)]
    write_atomically(out / "RESULTS.md", "\n".join(filter(None, sections)))


def _choices(experiment: Experiment) -> list[dict[str, Any]]:
    return [
        {
            "run": name,
            **_plain(choice.best),
            "tried": [{**_plain(each), "miou": miou} for each, miou in choice.tried.items()],
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
        "Learning rates, options and readings were chosen on a held-out part of the training videos, never on what is "
        "counted.\n"
    )


def _counted(experiment: Experiment, rows: Sequence[Row], split: str, shards: Path) -> str:
    from labelforge.shards import ShardReader

    main = [run for run in experiment.runs if run.kind != "ablation"]
    rivals = [run.name for run in main if run.kind == "rival"]
    best = {measure: strongest(rows, rivals, split, measure) for measure in MEASURES} if rivals else {}  # type: ignore[arg-type]
    parts = [f"## {split}: {len(ShardReader(shards))} frames\n", _main_table(rows, main, split, best)]
    if best:
        parts.append(_pairs(rows, [run.name for run in main if run.kind == "ours"], split, best))
    parts += [_class_table(rows, main, split), _ablations(experiment, rows, split), _amounts(experiment, rows, split)]
    return "\n".join(filter(None, parts))


def _main_table(rows: Sequence[Row], runs: Sequence[Run], split: str, best: dict[str, str]) -> str:
    heads = ["run", "", *MEASURES.values(), "IoU of movers"]
    heads += [f"{title} ahead of {best[measure]}" for measure, title in MEASURES.items() if best]
    lines = []
    for run in runs:
        movers = [class_means(rows, run.name, split)[name] for name in MOVERS]
        cells = [run.name, run.note or run.kind]
        cells += [spread(rows, run.name, split, measure).percent() for measure in MEASURES]  # type: ignore[arg-type]
        cells.append(f"{100 * sum(movers) / len(movers):.1f}")
        for measure, rival in best.items():
            ahead = paired(rows, run.name, rival, split, measure)  # type: ignore[arg-type]
            cells.append("-" if run.name == rival else Spread.of(list(ahead.values())).percent(sign=True))
        lines.append(cells)
    return _table(heads, lines)


def _pairs(rows: Sequence[Row], ours: Iterable[str], split: str, best: dict[str, str]) -> str:
    """By seed: how far each of our runs is ahead of the strongest rival in each measure."""
    lines = []
    for measure, rival in best.items():
        for run in ours:
            ahead = paired(rows, run, rival, split, measure)  # type: ignore[arg-type]
            each = ", ".join(f"{100 * value:+.1f}" for value in ahead.values())
            lines.append([MEASURES[measure], run, rival, each, verdict(ahead)])
    return _table(["measure", "run", "strongest rival", "ahead by, seed by seed", "verdict"], lines)


def _class_table(rows: Sequence[Row], runs: Sequence[Run], split: str) -> str:
    means = {run.name: class_means(rows, run.name, split) for run in runs}
    classes = list(next(iter(means.values())))
    lines = [[name, *(f"{100 * means[name][each]:.1f}" for each in classes)] for name in means]
    return "IoU by class, mean over seeds:\n\n" + _table(["run", *classes], lines)


def _ablations(experiment: Experiment, rows: Sequence[Row], split: str) -> str:
    lines = []
    for run in experiment.runs:
        if run.like is None:
            continue
        cells = [run.name, run.like]
        for measure in MEASURES:
            cells.append(spread(rows, run.name, split, measure).percent())  # type: ignore[arg-type]
            change = paired(rows, run.name, run.like, split, measure)  # type: ignore[arg-type]
            cells.append(Spread.of(list(change.values())).percent(sign=True))
        lines.append(cells)
    if not lines:
        return ""
    heads = ["variation", "of"]
    for title in MEASURES.values():
        heads += [title, "change"]
    return (
        "Variations, with the choices of the run that they vary; changes are over the seeds that both have:\n\n"
        + _table(heads, lines)
    )


def families(runs: Sequence[Run]) -> dict[str, dict[int, str]]:
    """Run -> frames with fine labels -> the run that differs from it in nothing else; where there are several."""
    found = {}
    for base in runs:
        alike = [run for run in runs if run.like == base.name]
        alike = [run for run in alike if (run.datasets, run.settings) == (base.datasets, base.settings)]
        if alike:
            found[base.name] = {run.fine: run.name for run in sorted([base, *alike], key=lambda run: run.fine)}
    return found


def _amounts(experiment: Experiment, rows: Sequence[Row], split: str) -> str:
    """MIoU by the number of fine frames, and how far the first family is ahead of the others."""
    found = families(experiment.runs)
    amounts = sorted(set.intersection(*map(set, found.values()))) if found else []
    if len(amounts) < 2:
        return ""
    lines = []
    for name, members in found.items():
        lines.append([name, *(spread(rows, members[each], split, "miou").percent() for each in amounts)])
    first, *others = found
    for other in others:
        ahead = [paired(rows, found[first][each], found[other][each], split, "miou") for each in amounts]
        shown = [Spread.of(list(each.values())).percent(sign=True) for each in ahead]
        lines.append([f"{first} ahead of {other}", *shown])
    heads = ["mIoU by frames with fine labels", *map(str, amounts)]
    return _table(heads, lines)


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
        lines.append([name, *by_rate, *by_option, chosen, " ".join(filter(None, best.reading))])
    text = (
        "## What was chosen\n\n"
        "mIoU on the held-out block of every training video, one seed; of the readings, the best. "
        "First every learning rate was tried, then every option with the best of them. *edge*: the best rate is the "
        "first or last of those tried.\n\n"
    )
    return text + _table(["run", *(f"lr {rate:g}" for rate in rates), *options, "chosen", "read by"], lines)


def _best(choice: Choice, **asked: float | str) -> str:
    """The best score among the trials with these values."""
    found = [miou for each, miou in choice.tried.items() if all(getattr(each, k) == v for k, v in asked.items())]
    return f"{100 * max(found):.1f}" if found else "-"


def _pictures(out: Path, pictures: Sequence[Path]) -> str:
    if not pictures:
        return ""
    shown = "\n\n".join(f"![{path.stem}]({path.relative_to(out).as_posix()})" for path in pictures)
    return f"## Pictures\n\nFrames at even distances, not chosen by hand; the first seed.\n\n{shown}\n"


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = "|".join("---" for _ in heads)
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"| {' | '.join(heads)} |\n|{rule}|\n{body}\n"
