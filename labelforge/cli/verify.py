"""``labelforge verify``: whether shards are still what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from labelforge.console import json_option, print_json
from labelforge.errors import LabelforgeError, counted

if TYPE_CHECKING:
    from labelforge.inspection import Verification


@click.command("verify")
@click.argument("shards", nargs=-1, required=True, metavar="SHARDS...")
@click.option("--quick", is_flag=True, help="Only sizes, manifest, indexes and tar headers; no content is read.")
@click.option("--workers", type=click.IntRange(min=0), default=0, help="Processes that check a shard each; default: 1.")
@json_option
@click.pass_context
def command(context: click.Context, shards: tuple[str, ...], quick: bool, workers: int, json_file: str | None) -> None:
    """Check that shards are whole, unchanged, and hold what their manifest says.

    Checks the list of files, the indexes and totals, tree and label table, the checksum of every shard, that its tar
    file holds what its index lists and nothing else, that every image and label map can be decoded and has the size on
    record, and that the label values lie within the table and occur as often as recorded.

    Prints one line per problem: file, sample, what is wrong, what to do. The exit code is 0 if there is none, 1 if
    there is one, 2 if SHARDS have no manifest that can be read.
    """
    found: list[dict[str, Any]] = []
    code = 0
    for url in shards:
        try:
            result = _verify(url, quick, workers)
        except LabelforgeError as fault:
            code = 2
            click.secho("error: ", fg="red", bold=True, err=True, nl=False)
            click.echo(str(fault), err=True)
            found.append({"shards": url, "error": str(fault)})
            continue
        code = max(code, int(bool(result.problems)))
        found.append(result.to_dict())
        if json_file != "-":
            _print(result)
    if json_file is not None:
        print_json(json_file, found)
    context.exit(code)


def _verify(url: str, quick: bool, workers: int) -> Verification:
    from labelforge.console import progress_bar
    from labelforge.inspection import verify_shards
    from labelforge.wording import printable

    with progress_bar(transient=True) as bar:
        task = bar.add_task(printable(url), total=None)
        return verify_shards(
            url,
            quick=quick,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _print(result: Verification) -> None:
    from labelforge.wording import printable

    for problem in result.problems:
        click.echo(str(problem))
    manifest = result.manifest
    count = counted(len(result.problems) + result.more, "problem")
    more = f" ({result.more:,} not listed)" if result.more else ""
    checked = "sizes and indexes agree" if result.quick else "all is as it was written"
    verdict = f"{count}{more}" if result.problems else checked
    samples = counted(manifest.totals.samples, "sample")
    where = printable(f"{result.url}: {manifest.dataset} {manifest.split}")
    click.secho(f"{where}, {samples}: {verdict}.", fg="red" if result.problems else "green")
