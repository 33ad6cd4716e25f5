"""What means over pixels and joined logits are worth, in a shallow tree and in a deep one.

    python benchmarks/deep_trees.py --out DIR [--seeds 0 1 2] [--steps 800] [--scenes 100]

Renders the demo's three datasets (``--scenes`` is the seed of the scenes; the demo's own are 0), converts them for both
shipped trees, and trains the demo's light network with each loss and head, twice four settings and the flat rival, two
side by side. Nothing is chosen: every network has the same learning rate, batches and class weights. Printed, and
written to DIR/deep-trees.md, is each dataset's official score, as mean and standard deviation over the seeds; what is
there is not trained again, so take a new DIR for other steps or scenes. ``benchmarks/deep-trees.md`` has what was seen.
On two cores a training takes a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from labelforge.demo.processes import Tell, side_by_side
from labelforge.demo.settings import DATASETS, Settings, train_config
from labelforge.demo.writers import write_dataset

TREES = ("iv2018", "streets")
VARIANTS: dict[str, dict[str, Any]] = {
    "means per classifier": {"loss": {"mean": "classifier"}, "model": {"logits": "separate"}},
    "joined logits": {"loss": {"mean": "classifier"}, "model": {"logits": "joined"}},
    "means over pixels": {"loss": {"mean": "pixel"}, "model": {"logits": "separate"}},
    "both": {"loss": {"mean": "pixel"}, "model": {"logits": "joined"}},
    "flat-marginal": {"model": {"head": "flat-marginal"}},
}


@dataclass(frozen=True)
class Job:
    """One training."""

    tree: str
    variant: str
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.tree}-{self.variant.replace(' ', '-')}-{self.seed}"


def main() -> None:
    """Render, convert, train what is missing, and print the table."""
    given = _parse()
    console, shards = Console(), given.out / "shards"
    _prepare(given.out, given.scenes, console)
    jobs = [Job(tree, variant, seed) for seed in given.seeds for tree in TREES for variant in VARIANTS]
    missing = [job for job in jobs if not (given.out / "runs" / job.name / "scores.json").is_file()]
    work = {job.name: partial(_train, job, given.out, shards, given.steps) for job in missing}
    if work:
        side_by_side(work, console, processes=2)
    table = "\n".join(_table(given.out / "runs", given.seeds))
    (given.out / "deep-trees.md").write_text(table + "\n", encoding="utf-8")
    print(table)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path, help="folder for everything that is made")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of batches and first weights")
    parser.add_argument("--steps", type=int, default=800, help="of each training")
    parser.add_argument("--scenes", type=int, default=100, help="seed of the scenes")
    given: argparse.Namespace = parser.parse_args()
    return given


def _prepare(out: Path, scenes: int, console: Console) -> None:
    """Render and convert what is not there yet."""
    from labelforge.converters import convert

    for d in DATASETS:
        if not (out / "data" / d.name).is_dir():
            console.print(f"rendering {d.name}")
            write_dataset(d.name, out / "data" / d.name, d.train_scenes, d.val_scenes, scenes, d.size)
    for tree in TREES:
        for d in DATASETS:
            for part, split in (("train", d.train), ("val", d.val)):
                folder = out / "shards" / tree / f"{d.name}-{part}"
                if not (folder / "manifest.json").is_file():
                    convert(d.name, out / "data" / d.name, folder, split=split, taxonomy=tree)


def _train(job: Job, out: Path, shards: Path, steps: int, tell: Tell) -> None:
    """Train one network and write its scores."""
    import torch

    from labelforge.shards import ShardReader
    from labelforge.trainer.config import TrainConfig
    from labelforge.trainer.evaluation.scoring import evaluate
    from labelforge.trainer.presets import overlay
    from labelforge.trainer.training import train

    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", "2000000000")
    torch.set_num_threads(1)
    config = train_config(Settings(out, steps, job.seed), "flat-marginal").model_dump(exclude_unset=True)
    config["model"].pop("head")
    config["optim"]["lr"] = 0.006
    chosen = overlay(config, VARIANTS[job.variant])
    run = out / "runs" / job.name
    train_shards = [shards / job.tree / f"{d.name}-train" for d in DATASETS]
    train(train_shards, run, TrainConfig.model_validate(chosen), resume=(run / "config.yaml").is_file())
    val = [ShardReader(shards / job.tree / f"{d.name}-val") for d in DATASETS]
    scores = [(e.dataset, e.scores.headline, e.scores.mean_accuracy) for e in evaluate(run, val, device="cpu")]
    (run / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    tell(job.name, 1, 1, "")


def _table(runs: Path, seeds: list[int]) -> Iterator[str]:
    """The lines of the table: official score / mean pixel accuracy, percent."""
    yield f"| tree | network | {' | '.join(d.name for d in DATASETS)} |"
    yield "|---|---|" + "---|" * len(DATASETS)
    for tree in TREES:
        for variant in VARIANTS:
            found = [json.loads((runs / Job(tree, variant, s).name / "scores.json").read_text()) for s in seeds]
            cells = [_cell([run[number] for run in found]) for number in range(len(DATASETS))]
            yield f"| {tree} | {variant} | {' | '.join(cells)} |"


def _cell(scores: list[tuple[str, float, float]]) -> str:
    headline, accuracy = ([100 * score[k] for score in scores] for k in (1, 2))
    spread = f" ± {statistics.stdev(headline):.1f}" if len(headline) > 1 else ""
    return f"{statistics.mean(headline):.1f}{spread} / {statistics.mean(accuracy):.1f}"


if __name__ == "__main__":
    main()
