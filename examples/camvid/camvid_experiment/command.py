"""The command: reads the arguments, runs the experiment, writes the results."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from camvid_experiment.experiment import CHOOSING_SEED, Experiment
from camvid_experiment.jobs import Job, Planner
from camvid_experiment.page import rows_of, write_results
from camvid_experiment.pictures import draw_pictures
from camvid_experiment.pool import Pool
from camvid_experiment.shards import Shards
from camvid_experiment.summary import strongest
from camvid_experiment.table import FormName, load_table
from labelforge.errors import ConfigError, LabelforgeError
from labelforge.trainer.reading import Reading

RUNS = Path(__file__).resolve().parents[1] / "runs.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment.

    Args:
        arguments: Of the command line; default: those of the process.

    Returns:
        The exit status: 2 if something is wrong or it was stopped.
    """
    given = _parse(arguments)
    small_machine = given.device == "cpu"
    usual = min(2, os.cpu_count() or 1) if small_machine else 1
    workers = usual if given.workers is None else given.workers
    seeds = tuple(dict.fromkeys(given.seeds))
    try:
        if CHOOSING_SEED in seeds:
            raise ConfigError(f"--seeds {CHOOSING_SEED}: that seed chooses, and does not count", cure="Take another.")
        if given.out.exists() and not given.out.is_dir():
            raise ConfigError("is a file", where=given.out, cure="Name a folder with --out.")
        table = load_table(given.runs)
        form: FormName = "small" if given.small else "full"
        table.form(form)
        shards = Shards.prepare(given.data, given.out, table, _tell)
        planner = Planner(table, form, given.device, given.out / "features")
        shards.counted_on(given.frames)  # now, so that what is wrong with them is said before hours of training
        pool = Pool(given.out, workers, _tell)
        experiment = Experiment(planner, shards, pool, seeds, given.division == "seed", given.frames)
        experiment.choose()
        experiment.count()
        write_results(experiment, _draw(experiment))
    except LabelforgeError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    print(given.out / "RESULTS.md")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Trains on CamVid's frames with fine labels, coarse labels and boxes, and counts what they are "
        "worth. Interrupted, the same command goes on where it was.",
    )
    add = parser.add_argument
    add("--data", required=True, type=Path, help="CamVid, in either layout")
    add("--out", required=True, type=Path, help="folder for everything that is made")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="seeds that count (default: 0 1 2)")
    add("--small", action="store_true", help="the form for two CPU cores: backbone frozen, few steps a network")
    add("--frames", type=Path, help="count on other frames too: CamVid in either layout, or images/ and labels/")
    add(
        "--division",
        choices=["fixed", "seed"],
        default="fixed",
        help="which frames get which labels: the same for all seeds (default), or others for each",
    )
    add("--device", default="cpu", help="device of the trainings: cpu (default), cuda or cuda:N")
    add("--workers", type=int, help="trainings side by side (default: 2 on the CPU, else 1); 0: in this process")
    add("--runs", type=Path, default=RUNS, help="another table of runs")
    return parser.parse_args(arguments)


_tell = partial(print, flush=True)


def _draw(experiment: Experiment) -> list[Path]:
    """Pictures of the table's networks and of the strongest rival, on the first frames that count."""
    split, shards = next(iter(experiment.counted_on.items()))
    names = [*experiment.planner.table.pictures]
    alike = {experiment.planner.table.by_name(name).fine for name in names}
    rivals = [run.name for run in experiment.runs if run.kind == "rival" and run.fine in alike]
    if rivals:
        names.append(strongest(rows_of(experiment), rivals, split, "miou"))
    networks: dict[str, tuple[Job, Reading]] = {
        name: (experiment.jobs[name, experiment.seeds[0]], experiment.choice_of(name).best.reading) for name in names
    }
    return draw_pictures(experiment.pool.out, shards, networks, "pictures") if networks else []
