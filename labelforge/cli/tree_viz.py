"""``labelforge tree-viz``: a tree, its classifiers, and which dataset supervises what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from labelforge.drawing import Survey

__all__ = ["command"]

_SUFFIXES = {
    "text": (".txt",),
    "svg": (".svg",),
    "png": (".png",),
    "html": (".html", ".htm"),
    "dot": (".dot", ".gv"),
    "mermaid": (".mmd", ".mermaid"),
}


@click.command("tree-viz")
@click.argument("taxonomy")
@click.option("--format", "kind", type=click.Choice(list(_SUFFIXES)), help="Default: by FILE's suffix, or text.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to FILE.")
@click.option("--shards", multiple=True, metavar="DIR", help="Count the pixels of these shards (repeatable).")
@click.option("--dataset", multiple=True, metavar="NAME", help="Show only this dataset's supervision (repeatable).")
def command(
    taxonomy: str, kind: str | None, output: Path | None, shards: tuple[str, ...], dataset: tuple[str, ...]
) -> None:
    """Show a tree: colours, classifier sizes, and which dataset supervises what.

    TAXONOMY is a shipped name or a folder with tree.yaml. All mappings in the folder are shown, unless --dataset names
    some; for a dataset with --shards, the label table of the shards. Without -o the drawing goes to standard output.

    Text shows it in the terminal; html is one self-contained page with a searchable tree and a sunburst; svg and png
    are for a paper, mermaid for a README, dot for Graphviz.
    """
    from labelforge.console import print_or_write
    from labelforge.errors import ConfigError

    kind = kind or _kind_of(output)
    if kind == "png" and output is None:
        raise ConfigError("a png picture cannot be printed", cure="Name a file: -o tree.png.")
    survey = _survey(taxonomy, shards, dataset)
    if kind == "text" and output is None:
        _print(survey)
    else:
        print_or_write("-" if output is None else str(output), _draw(survey, kind))


def _kind_of(output: Path | None) -> str:
    suffix = "" if output is None else output.suffix.lower()
    return next((kind for kind, suffixes in _SUFFIXES.items() if suffix in suffixes), "text")


def _survey(taxonomy: str, shards: tuple[str, ...], names: tuple[str, ...]) -> Survey:
    from labelforge.drawing import Survey, counted_mappings
    from labelforge.mapping import LabelMapping
    from labelforge.taxonomy import Taxonomy

    tree = Taxonomy.load(taxonomy)
    counted, counts = counted_mappings(tree, shards)
    found = {mapping.dataset: mapping for mapping in counted}
    for name in names or LabelMapping.available(tree):
        if name not in found:
            found[name] = LabelMapping.load(tree, name)
    return Survey.of(tree, [found[name] for name in sorted(found)], counts)


def _print(survey: Survey) -> None:
    from rich.console import Console

    from labelforge.drawing import draw_text

    console = Console(highlight=False)
    # A pipe has no width; 80 columns suit what reads from one.
    width = min(console.width, 100) if console.is_terminal else 80
    console.print(draw_text(survey, width, ascii_only=console.options.ascii_only), soft_wrap=True)


def _draw(survey: Survey, kind: str) -> str | bytes:
    from labelforge import drawing

    match kind:
        case "svg":
            return drawing.draw_svg(survey)
        case "png":
            return drawing.draw_png(survey)
        case "html":
            return drawing.draw_html(survey)
        case "dot":
            return drawing.draw_dot(survey)
        case "mermaid":
            return drawing.draw_mermaid(survey)
        case _:
            return drawing.draw_text(survey).plain + "\n"
