"""``labelforge retarget``: shards for another tree, without reading a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from labelforge.retarget import Retargeting

__all__ = ["command"]


@click.command("retarget")
@click.argument("shards", nargs=-1, required=True, metavar="SHARDS...")
@click.option("--taxonomy", required=True, help="A shipped tree, or a folder with tree.yaml.")
def command(shards: tuple[str, ...], taxonomy: str) -> None:
    """Give shards another tree, or the present state of theirs.

    Shards keep the native labels, so only manifest.json is rewritten, at once and as a whole: the tree, what each label
    means in it, and the totals. Nothing is written unless all SHARDS fit. The colours of the label pictures and the
    report.html beside them stay those of the conversion.
    """
    from labelforge.cli._output import narrow_console
    from labelforge.retarget import retarget

    console = narrow_console()
    for plan in retarget(shards, taxonomy):
        _show(plan, console)


def _show(plan: Retargeting, console: Console) -> None:
    from rich.text import Text

    from labelforge.cli.taxonomy import label_changes

    old, new = plan.old.taxonomy, plan.new.taxonomy
    console.print(Text(f"{plan.url}: {plan.old.dataset}, {plan.old.split}", "bold"))
    if not plan.changes:
        console.print(f"  is of {new.name} ({new.digest[:12]}) already; nothing changes", markup=False)
        return
    console.print(f"  {old.name} ({old.digest[:12]}) -> {new.name} ({new.digest[:12]})", markup=False)
    kinds = plan.labels.supervision
    if kinds is not None:
        console.print(f"  its labels count as {kinds[1]} labels, no longer as {kinds[0]} labels")
    if plan.labels.labels:
        pixels = {record.native_name: record.pixels for record in plan.old.labels}
        console.print(label_changes(plan.labels, pixels), markup=False)
    total = plan.old.totals.pixels
    share = plan.pixels() / total if total else 0
    console.print(
        f"  {len(plan.labels.labels)} of {len(plan.old.labels) - 1} labels mean something else: {plan.pixels():,} of "
        f"{total:,} pixels ({share:.1%}); used: {plan.old.totals.used:,} -> {plan.new.totals.used:,}",
        markup=False,
    )
    if plan.redrawn:
        console.print(
            f"  the boxes of {len(plan.redrawn)} labels keep the shape that {old.name} gave them; convert again for "
            f"that of {new.name}: {', '.join(plan.redrawn)}",
            markup=False,
            style="yellow",
        )
