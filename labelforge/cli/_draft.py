"""``labelforge taxonomy draft``: a mapping for a new label list, to be looked at by a person."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from labelforge.console import narrow_console, print_or_write
from labelforge.errors import ConfigError, counted
from labelforge.leftovers import unmade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from labelforge.draft import Draft
    from labelforge.mapping import Supervision
    from labelforge.own_dataset import OwnDataset

_SHOWN = 30  # labels that are listed to be looked at; the file has all of them


class _Given(NamedTuple):
    """What the command was given."""

    labels: str
    taxonomy: str
    output: str
    space_file: str | None


@click.command("draft")
@click.argument("labels", required=False)
@click.option("--taxonomy", default="streets", show_default=True, help="A shipped tree, or a folder with tree.yaml.")
@click.option(
    "-o", "--output", metavar="FILE", default="-", help="Write the mapping to FILE; -: print it (the default)."
)
@click.option(
    "--supervision",
    type=click.Choice(["pixel", "box"]),
    help="What the dataset annotates. Default: as a dataset.yaml says, else pixel.",
)
@click.option(
    "--label-space", "space_file", metavar="FILE", help="Also write the label list as a label space; names the dataset."
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--measure", is_flag=True, help="Instead, draft each mapping of the tree from the others and compare.")
def draft_command(
    labels: str | None,
    taxonomy: str,
    output: str,
    supervision: Supervision | None,
    space_file: str | None,
    overwrite: bool,
    measure: bool,
) -> None:
    """Draft a mapping for a new label list.

    LABELS is a text file with a name a line (also "id name", "name: id", names with colours), a label space (.yaml), a
    dataset.yaml, or a YOLO data file (.yaml).

    Every label gets the node, or the union of nodes, that its name stands for: in the tree, in the tree's mappings of
    other datasets, in a list of synonyms, or by its last word. A comment says why and how sure that is: sure, likely or
    check; what is not known is {ignore: "TODO: ..."}. The file loads as it is, and labelforge lint counts what is left.
    """
    if measure:
        if labels is not None:
            raise ConfigError(
                "--measure takes no label list", cure="It drafts the mappings of the tree: leave LABELS out."
            )
        _measure(taxonomy, output, overwrite=overwrite)
        return
    if labels is None:
        raise click.UsageError("Missing argument 'LABELS'.")
    from labelforge.draft import check_new, draft_mapping
    from labelforge.own_dataset import file_in_folder

    labels = file_in_folder(labels)
    check_new([output] if space_file is None else [output, space_file], overwrite=overwrite)
    draft = draft_mapping(labels, taxonomy, None if space_file is None else Path(space_file).stem)
    if space_file is not None and draft.labels.is_file:
        raise ConfigError("LABELS is a label space already", where=labels, cure="Leave --label-space out.")
    new = [Path(file) for file in (space_file,) if file and file != "-" and not Path(file).exists()]
    with unmade(new, Path.unlink):  # both files, or none
        if space_file is not None:
            print_or_write(space_file, draft.label_space_text())
        print_or_write(output, draft.mapping_text(supervision))
    console = narrow_console(aside=output == "-")
    _summary(console, draft)
    _next_steps(console, draft, _Given(labels, taxonomy, output, space_file))


def _measure(taxonomy: str, output: str, *, overwrite: bool) -> None:
    from labelforge.draft import check_new, leave_one_out, markdown_table
    from labelforge.taxonomy import Taxonomy

    check_new([output], overwrite=overwrite)
    tree = Taxonomy.load(taxonomy)
    print_or_write(output, markdown_table(leave_one_out(tree), leave_one_out(tree, twins=True)))


def _summary(console: Console, draft: Draft) -> None:
    from rich.table import Table
    from rich.text import Text

    from labelforge.draft import WORDS, Sureness, counts

    said = ", ".join(f"{number} {WORDS[sureness]}" for sureness, number in counts(draft.proposals).items() if number)
    console.print(Text(f"{draft.space.name}: read as {draft.labels.form}", "bold"))
    console.print(f"{said} (of {len(draft.proposals)})", markup=False)
    open_labels = [p for p in draft.proposals if p.sureness <= Sureness.CHECK]
    if not open_labels:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("", "label", "proposed", "why"):
        table.add_column(title, overflow="fold")
    for proposal in sorted(open_labels, key=lambda p: p.sureness)[:_SHOWN]:
        meaning = "" if proposal.sureness == Sureness.TODO else _meaning(proposal.expression)
        table.add_row(*map(Text, (WORDS[proposal.sureness], proposal.name, meaning, proposal.why)))
    console.print(table)
    if len(open_labels) > _SHOWN:
        console.print(f"... and {len(open_labels) - _SHOWN} more: see the comments in the file", markup=False)


def _meaning(expression: object) -> str:
    from labelforge.expression import LabelTarget

    return LabelTarget(frozenset(), expression).text


def _next_steps(console: Console, draft: Draft, given: _Given) -> None:
    """What to do now: sentences, and commands to be pasted."""
    from labelforge.draft import Sureness, counts

    number = counts(draft.proposals)
    todo, check = number[Sureness.TODO], number[Sureness.CHECK]
    parts = [f"decide the {counted(todo, 'line')} marked TODO"] if todo else []
    parts += [f"look at the {counted(check, 'line')} marked check"] if check else []
    others = "the others" if parts else "the lines"
    console.print(f"Next: {', '.join([*parts, f'read {others} once'])}. Then:", markup=False)
    own = draft.labels.dataset
    for step in _own_steps(draft, own, given) if own is not None else _tree_steps(draft, given):
        is_command = isinstance(step, list)  # it stays in one piece
        text = f"  {shlex.join(step)}" if isinstance(step, list) else step
        console.print(text, markup=False, style="dim", soft_wrap=is_command)


def _own_steps(draft: Draft, own: OwnDataset, given: _Given) -> Iterator[str | list[str]]:
    """What comes next for a dataset that has a dataset.yaml."""
    from labelforge.taxonomy import Taxonomy

    places = own.mapping_places(draft.tree.name)[::-1]
    if given.output != "-" and Path(given.output).absolute() not in [place.absolute() for place in places]:
        yield f"{own.path.name} looks for {places[0]}: move the mapping there, or name it in the line 'mapping:'."
    yield ["labelforge", "lint", given.taxonomy, "--dataset", str(own.path)]
    tree = [] if draft.tree.name in Taxonomy.shipped() else ["--taxonomy", given.taxonomy]
    yield ["labelforge", "convert", str(own.path), "OUT", *tree]


def _tree_steps(draft: Draft, given: _Given) -> Iterator[str | list[str]]:
    """How a mapping of a list of labels gets into the folder of a tree, where it is used from."""
    from labelforge.taxonomy import shipped_folder

    name, there = draft.space.name, draft.tree.folder
    assert there is not None, "a tree that was read from a file"
    shipped = there.resolve().is_relative_to(shipped_folder().resolve())
    folder = Path(f"my-{draft.tree.name}") if shipped else there
    mapping, spaces = folder / f"{name}.yaml", folder / "label_spaces"
    why = " Copy it, since the next installation replaces the shipped one:" if shipped else ""
    yield f"It is used from the folder of its tree, beside tree.yaml, with the label list in label_spaces/.{why}"
    if shipped:
        yield ["cp", "-r", str(there), str(folder)]
    draw = ["labelforge", "taxonomy", "draft", given.labels, "--taxonomy", str(folder), "-o", str(mapping)]
    place = None if given.output == "-" else given.output  # where the mapping is
    if not (space := spaces / f"{name}.yaml").is_file():
        yield ["mkdir", "-p", str(spaces)]
        labels = given.labels if draft.labels.is_file else given.space_file
        if labels is None:
            yield [*draw, "--label-space", str(space)]
            place = str(mapping)
        else:
            yield ["cp", labels, str(space)]
    if place is None:
        yield draw
    elif Path(place).absolute() != mapping.absolute():
        yield ["cp", place, str(mapping)]
    yield ["labelforge", "lint", str(folder)]
    yield "Or for data of your own, write a dataset.yaml (labelforge init FOLDER): its mapping needs no tree beside it."
