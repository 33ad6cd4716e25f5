"""``labelforge inspect``: see what shards hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from labelforge.console import narrow_console, output_file, print_or_write

if TYPE_CHECKING:
    from labelforge.shards import ShardReader


@click.command("inspect")
@click.argument("shards", nargs=-1, required=True, metavar="SHARDS...")
@click.option(
    "--sample", "keys", multiple=True, metavar="KEY", help="Show all that is stored of a sample (repeatable)."
)
@click.option("--label", "labels", multiple=True, metavar="NAME", help="List the frames that hold most (repeatable).")
@click.option("--frames", type=click.IntRange(min=1), default=6, help="How many frames per label; default: 6.")
@click.option("--html", metavar="FILE", callback=output_file, help="Write a page of pictures to FILE; -: print it.")
def command(
    shards: tuple[str, ...], keys: tuple[str, ...], labels: tuple[str, ...], frames: int, html: str | None
) -> None:
    """See what shards hold: how many samples of which sizes, and what became of every label.

    --sample and --label show one sample, or the frames that hold most of a native label or of a node of the tree.
    --html writes one self-contained page: pick a label, or a node of the tree, and see the frames that hold most of it,
    the image beside its labels. Several SHARDS go into one page; they must be of one tree.
    """
    from labelforge.inspection import terminal
    from labelforge.inspection.finding import find_label, find_sample
    from labelforge.shards import ShardReader

    readers = [ShardReader(url) for url in shards]
    if html is not None:
        _page(readers, frames, html)
        return
    console = narrow_console()
    views = [terminal.sample_view(frame) for key in keys for frame in find_sample(readers, key)]
    views += [terminal.most_view(name, find_label(readers, name), frames) for name in labels]
    for number, view in enumerate(views or [terminal.overview(reader) for reader in readers]):
        if number:
            console.print()
        console.print(view)


def _page(readers: list[ShardReader], frames: int, target: str) -> None:
    from labelforge.console import progress_bar
    from labelforge.inspection.gallery import gallery_page

    with progress_bar(transient=True) as bar:
        task = bar.add_task("pictures", total=None)
        page = gallery_page(readers, frames, lambda done, total: bar.update(task, completed=done, total=total))
    print_or_write(target, page)
    if target != "-":
        click.echo(target)
