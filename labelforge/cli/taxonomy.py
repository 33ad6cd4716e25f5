"""``labelforge taxonomy``: schemas of the YAML files, differences of trees and of label spaces, drafts of mappings."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import TYPE_CHECKING, Any

import click

from labelforge.cli._draft import draft_command
from labelforge.console import json_option, narrow_console, output_option, print_json, print_or_write

if TYPE_CHECKING:
    from rich.console import RenderableType

    from labelforge.treediff import MappingDiff, TaxonomyDiff, TreeDiff


@click.group("taxonomy")
def command() -> None:
    """Draft mappings; compare trees or label spaces; print the YAML files' schemas."""


command.add_command(draft_command)


@command.command("schema")
@click.argument("kind", type=click.Choice(["tree", "mapping", "label-space", "dataset"]))
@output_option
def schema_command(kind: str, output: str | None) -> None:
    """Print the JSON Schema of a kind of YAML file.

    Editors complete and check a YAML file whose first line gives the path to its schema, relative to the file:

    \b
        # yaml-language-server: $schema=mapping.schema.json
    """  # noqa: D301 -- \b is click's mark for text that keeps its lines
    from labelforge.schema import schema_text

    print_or_write(output or "-", schema_text(kind))  # type: ignore[arg-type]  # click has checked the choice


@command.command("diff")
@click.argument("old")
@click.argument("new")
@click.option(
    "--through", metavar="TREE", help="Compare label spaces by what their labels mean in this tree, not by names alone."
)
@json_option
def diff_command(old: str, new: str, through: str | None, json_file: str | None) -> None:
    """Compare two trees with their mappings, or two label spaces.

    OLD and NEW are two trees (shipped names, or folders with tree.yaml) or two label spaces (shipped names, or YAML
    files).

    Of trees it lists nodes that were removed, added, moved or reordered, ids, mirrors and shapes that changed, and, for
    every dataset that both trees map, the labels whose meaning changed.

    Of label spaces it says what became of each label, with both ids: the same, renumbered, renamed, split, merged or
    gone; and what is new. For example: labelforge taxonomy diff mapillary-vistas-1.2 mapillary-vistas-2.0 --through
    streets

    The exit code is 0 whatever it finds.
    """
    from labelforge.cli import _label_spaces
    from labelforge.label_space_diff import diff_label_spaces
    from labelforge.treediff import diff_taxonomies

    if _label_spaces.are_meant(old, new, through):
        spaces = diff_label_spaces(old, new, through)
        _show(_label_spaces.render(spaces), spaces.to_dict(), json_file)
    else:
        trees = diff_taxonomies(old, new)
        _show(_parts(trees), trees.to_dict(), json_file)


def _show(parts: Iterable[RenderableType], data: dict[str, Any], json_file: str | None) -> None:
    if json_file is not None:
        print_json(json_file, data)
    if json_file != "-":
        console = narrow_console()
        for part in parts:
            console.print(part, markup=False)


def _parts(difference: TaxonomyDiff) -> Iterable[RenderableType]:
    from rich.text import Text

    tree = difference.tree
    same = "the same nodes and ids" if tree.old.digest == tree.new.digest else "other nodes or ids"
    yield Text(f"{_tag(tree.old.name, tree.old.digest)} -> {_tag(tree.new.name, tree.new.digest)}: {same}", "bold")
    if tree.old.boxes != tree.new.boxes:
        yield f"boxes: {tree.old.boxes} -> {tree.new.boxes}"
    yield from _nodes(tree)
    for kind, datasets in (("no longer mapped", difference.removed), ("newly mapped", difference.added)):
        if datasets:
            yield _paragraph(f"{_count(datasets, 'dataset')} {kind}", datasets)
    for mapping in difference.mappings:
        yield from _mapping(mapping)


def _nodes(tree: TreeDiff) -> Iterable[RenderableType]:
    for title, paths in (("removed", tree.removed), ("added", tree.added)):
        if paths:
            yield _paragraph(f"{_count(paths, 'node')} {title}", _tops(paths))
    if tree.moved:
        yield _moves(tree)
    if tree.reordered:
        yield _paragraph("children in another order", tree.reordered)
    names = {node.path: tree.new.references.shortest(node.index) for node in tree.new.nodes}
    facts: dict[str, list[str]] = {}
    for change in tree.facts:
        name = names[change.node]
        facts.setdefault(change.fact, []).append(f"{name} ({_word(change.old)} -> {_word(change.new)})")
    for fact, changes in facts.items():
        yield _paragraph(f"{_count(changes, 'node')} with another {fact}", changes)


def _moves(tree: TreeDiff) -> RenderableType:
    """Nodes that moved; those that moved from and to the same places are grouped."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    ways: dict[tuple[str, str], list[str]] = {}
    for old, new in tree.moved:
        (before, _, name), (now, _, _) = old.rpartition("/"), new.rpartition("/")
        ways.setdefault((before or tree.old.root.name, now or tree.new.root.name), []).append(name)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("  from", "to", "nodes"):
        table.add_column(title, overflow="fold")
    for (before, now), names in ways.items():
        table.add_row(f"  {before}", now, ", ".join(names))
    return Group(Text(f"{_count(tree.moved, 'node')} moved", "bold"), table)


def _mapping(mapping: MappingDiff) -> Iterable[RenderableType]:
    from rich.text import Text

    if mapping.supervision is not None:
        yield Text(f"{mapping.dataset}: {mapping.supervision[0]} -> {mapping.supervision[1]} labels", "bold")
    if mapping.labels:
        yield Text(f"{mapping.dataset}: {_count(mapping.labels, 'label')} with another meaning", "bold")
        yield label_changes(mapping)
    elif mapping.supervision is None:
        yield Text(f"{mapping.dataset}: all labels mean the same", "bold")


def label_changes(mapping: MappingDiff, pixels: dict[str, int] | None = None) -> RenderableType:
    """A table of the labels whose meaning changed.

    Args:
        mapping: The changes of one dataset.
        pixels: Pixels per native label, where known; labels without any are only counted.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=True, header_style="dim")
    table.add_column("  label", no_wrap=True, overflow="fold")
    if pixels is not None:
        table.add_column("pixels", justify="right")
    table.add_column("meant", overflow="fold")
    table.add_column("means", overflow="fold")
    shown = [change for change in mapping.labels if pixels is None or pixels[change.label]]
    for change in shown:
        counts = [] if pixels is None else [f"{pixels[change.label]:,}"]
        new = _word(change.new) + (" (other leaves)" if change.old == change.new else "")
        table.add_row(f"  {change.label}", *counts, _word(change.old), new)
    others = len(mapping.labels) - len(shown)
    if not others:
        return table
    what = f"{others} label{'s' * (others != 1)} without a pixel here; labelforge taxonomy diff lists all"
    return Group(*([table] if shown else []), Text(f"  {what}", "dim"))


def _paragraph(title: str, names: Iterable[str]) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    return Group(Text(title, "bold"), Padding(Text(", ".join(names)), (0, 0, 0, 2)))


def _tops(paths: tuple[str, ...]) -> list[str]:
    """The topmost of some paths, each with how many of the others are below it."""
    tops: dict[str, int] = {}
    for path in paths:  # depth first: what is below a node follows it
        above = next((top for top in tops if path.startswith(f"{top}/")), None)
        tops[path if above is None else above] = 0 if above is None else tops[above] + 1
    return [path + (f" (and {below} below)" if below else "") for path, below in tops.items()]


def _count(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'s' * (len(things) != 1)}"


def _word(value: object) -> str:
    return "-" if value is None else str(value)


def _tag(name: str, digest: str) -> str:
    return f"{name} ({digest[:12]})"
