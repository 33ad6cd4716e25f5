"""``labelforge train``: train a network on shards."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from labelforge.errors import ConfigError, counted
from labelforge.trainer.presets import PRESETS


class _TrainCommand(click.Command):
    """A command whose help ends with every setting of the configuration, and whose --val takes several values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read ``--val A B`` as ``--val A --val B``: B would else be learnt from, without a word."""
        return super().parse_args(ctx, list(_spell_out(args)))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from labelforge.trainer.settings import describe_fields

        with formatter.section("Settings of --config and --set (with their defaults)"):
            formatter.write_dl([(f"{key}={default}", text) for key, _, default, text in describe_fields()])


def _spell_out(args: Sequence[str]) -> Iterator[str]:
    """Repeat ``--val`` before each of its values but the first: all words up to the next option."""
    values: int | None = None  # how many --val has got; None where no --val is open
    for word in args:
        if word.startswith("-"):
            values = 0 if word == "--val" else 1 if word.startswith("--val=") else None
        elif values is not None:
            if values:
                yield "--val"
            values += 1
        yield word


@click.command("train", cls=_TrainCommand)
@click.argument("shards", nargs=-1, required=True, metavar="SHARDS...")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the run; a new one, unless --resume is given.",
)
@click.option(
    "--val",
    multiple=True,
    metavar="SHARDS...",
    help="Shards to score the network on while it is trained, not to learn from: all folders up to the next option. "
    "Each is scored as its own benchmark does, every validation.every steps; the best checkpoint is OUT/best.",
)
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    help="Start from a whole set of settings; --config and --set lie over it. authors: exactly the training of the "
    "method's authors, as their code has it. light: a small network with ImageNet weights, for little data and CPUs. "
    "Default: the settings below, which differ from both.",
)
@click.option("--config", type=click.Path(path_type=Path), help="YAML file with any of the settings below.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="One setting, e.g. optim.lr=0.02; repeatable."
)
@click.option("--resume", is_flag=True, help="Continue the run in --out exactly where it stopped.")
def command(
    shards: tuple[str, ...],
    out: Path,
    val: tuple[str, ...],
    preset: str | None,
    config: Path | None,
    settings: tuple[str, ...],
    resume: bool,
) -> None:
    """Train one network on the shards of one or more datasets.

    SHARDS are folders written by 'labelforge convert', all for the same taxonomy. A batch holds a fixed number of crops
    of each dataset. The run's folder gets config.yaml, metrics.jsonl, checkpoints and report.html.

    SIGTERM or Ctrl-C saves a checkpoint after the current step and ends with exit code 143 or 130; the same command
    with --resume continues from there. A second signal ends at once. --resume uses the run's own config.yaml unless
    --config is given.

    With --val, the averaged weights are scored on shards that the network does not learn from. OUT/best is then a
    checkpoint that 'evaluate' and 'predict' take; validation.patience ends a run that gets no better. Nothing of the
    training changes by it.

    Also runs under torchrun, one process per GPU; each process then has a batch of its own.
    """
    from labelforge.trainer.checkpoint import BEST
    from labelforge.trainer.progress import ConsoleProgress
    from labelforge.trainer.training import train

    for name in (*shards, *val):
        if "=" in name and not Path(name).exists():
            raise ConfigError(f"no shards are called {name!r}", cure=f"If it is a setting, write --set {name}.")
    if preset is not None:
        settings = (f"preset={preset}", *settings)
    result = train(shards, out, config, val=val, settings=settings, resume=resume, progress=ConsoleProgress())
    main = os.environ.get("RANK", "0") == "0"  # under torchrun one process prints for all
    if result.stopped_by is not None:
        name = signal.Signals(result.stopped_by).name
        if main:
            click.echo(f"Stopped by {name} after step {result.step}; continue with --resume.", err=True)
        raise SystemExit(128 + result.stopped_by)
    if main:
        click.echo(f"Trained {counted(result.step, 'step')}. Checkpoint: {result.checkpoint}")
        if result.best is not None:
            click.echo(f"Best by validation: {out / BEST}, of step {int(result.best.name.rpartition('-')[2])}")
            out /= BEST
        run = shlex.quote(str(out))
        click.echo(f"Next: labelforge evaluate {run} SHARDS..., labelforge predict {run} IMAGES... --out DIR")
