"""``labelforge retarget``: shards for another tree, without reading a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from labelforge.retarget import Retargeting


@click.command("retarget")
@click.argument("shards", nargs=-1, required=True, metavar="SHARDS...")
@click.option("--taxonomy", required=True, help="A shipped tree, or a folder with tree.yaml.")
@click.option(
    "--mapping",
    metavar="FILE",
    help="What the labels mean in the tree; for shards of a dataset.yaml. Default: the tree's.",
)
def command(shards: tuple[str, ...], taxonomy: str, mapping: str | None) -> None:
    """Switch shards to another tree, or to the current state of their own.

    Shards keep the native labels, so only manifest.json is rewritten, as a whole or not at all: the tree, what each
    label means in it, and the totals. Nothing is written unless all SHARDS fit. The colours of the label maps and
    report.html stay as the conversion made them.
    """
    from labelforge.console import narrow_console
    from labelforge.retarget import retarget

    console = narrow_console()
    for plan in retarget(shards, taxonomy, mapping):
        _show(plan, console)


def _show(plan: Retargeting, console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from labelforge.cli.taxonomy import label_changes

    def say(text: str, style: str = "") -> None:
        console.print(Padding(Text(text, style), (0, 0, 0, 2)))

    old, new = plan.old.taxonomy, plan.new.taxonomy
    console.print(Text(f"{plan.url}: {plan.old.dataset}, {plan.old.split}", "bold"))
    if not plan.needed:
        say(f"already uses {new.name} ({new.digest[:12]}); nothing changes")
        return
    say(f"{old.name} ({old.digest[:12]}) -> {new.name} ({new.digest[:12]})")
    kinds = plan.changes.supervision
    if kinds is not None:
        say(f"its labels count as {kinds[1]} labels, no longer as {kinds[0]} labels")
    if plan.changes.labels:
        pixels = {record.native_name: record.pixels for record in plan.old.labels}
        console.print(label_changes(plan.changes, pixels), markup=False)
    total = plan.old.totals.pixels
    share = plan.pixels() / total if total else 0
    say(
        f"{len(plan.changes.labels)} of {len(plan.old.labels) - 1} labels changed their meaning: {plan.pixels():,} of "
        f"{total:,} pixels ({share:.1%}); used: {plan.old.totals.used:,} -> {plan.new.totals.used:,}"
    )
    if plan.redrawn:
        say(
            f"the boxes of these labels keep the shapes of {old.name}; convert again for those of {new.name}: "
            f"{', '.join(plan.redrawn)}",
            "yellow",
        )
