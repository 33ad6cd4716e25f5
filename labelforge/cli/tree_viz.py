"""``labelforge tree-viz``: a tree, its classifiers, and which dataset supervises what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelforge.console import narrow_console, output_option, print_or_write
from labelforge.errors import ConfigError

if TYPE_CHECKING:
    from labelforge.drawing import Survey

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
@click.option(
    "--format", "kind", type=click.Choice(list(_SUFFIXES)), help="Default: from the suffix of FILE, else text."
)
@output_option
@click.option(
    "--shards", multiple=True, metavar="DIR", help="Show only what these shards teach, with their pixels (repeatable)."
)
@click.option(
    "--dataset",
    multiple=True,
    metavar="NAME",
    help="Show only, or beside the shards, this dataset's supervision: a name or a dataset.yaml (repeatable).",
)
def command(
    taxonomy: str, kind: str | None, output: str | None, shards: tuple[str, ...], dataset: tuple[str, ...]
) -> None:
    """Show a tree: colours, classifier sizes, and which dataset supervises what.

    TAXONOMY is a shipped name or a folder with tree.yaml. All mappings in the folder are shown, or with --shards the
    labels of these shards and with --dataset those datasets.

    Text shows it in the terminal; html is one self-contained page with a searchable tree and a sunburst; svg and png
    are for a paper, mermaid for a README, dot for Graphviz.
    """
    kind = kind or _kind_of(output)
    if kind == "png" and output is None:
        raise ConfigError("a png picture cannot be printed", cure="Name a file: -o tree.png.")
    survey = _survey(taxonomy, shards, dataset)
    if kind == "text" and output in (None, "-"):
        _print(survey)
    else:
        print_or_write(output or "-", _draw(survey, kind))


def _kind_of(output: str | None) -> str:
    suffix = Path(output or "").suffix.lower()
    for kind, suffixes in _SUFFIXES.items():
        if suffix in suffixes or not suffix:
            return kind
    known = ", ".join(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
    raise ConfigError(f"no format has the suffix {suffix}", where=output, cure=f"Use {known}, or give --format.")


def _survey(taxonomy: str, shards: tuple[str, ...], names: tuple[str, ...]) -> Survey:
    from labelforge.drawing import Survey, counted_mappings
    from labelforge.mapping import LabelMapping
    from labelforge.own_dataset import OwnDataset, file_in_folder, is_dataset_file
    from labelforge.taxonomy import Taxonomy

    tree = Taxonomy.load(taxonomy)
    counted, counts = counted_mappings(tree, shards)
    found = {mapping.dataset: mapping for mapping in counted}
    known = LabelMapping.available(tree)
    asked = names or (() if shards else known)  # shards say themselves which datasets are meant
    for name in (name if name in known else file_in_folder(name) for name in asked):
        if is_dataset_file(name):
            own = OwnDataset.load(name)
            found.setdefault(own.name, own.mapping(tree))
        elif name not in found:
            found[name] = LabelMapping.load(tree, name)
    return Survey.of(tree, [found[name] for name in sorted(found)], counts)


def _print(survey: Survey) -> None:
    from labelforge.drawing import draw_text

    console = narrow_console()
    width = console.width if console.is_terminal else 80  # a pipe has no width; 80 columns suit whatever reads from it
    console.print(draw_text(survey, width, ascii_only=console.options.ascii_only), soft_wrap=True)


def _draw(survey: Survey, kind: str) -> str | bytes:
    from labelforge import drawing

    writers: dict[str, Callable[[Survey], str | bytes]] = {
        "text": lambda survey: drawing.draw_text(survey).plain + "\n",
        "svg": drawing.draw_svg,
        "png": drawing.draw_png,
        "html": drawing.draw_html,
        "dot": drawing.draw_dot,
        "mermaid": drawing.draw_mermaid,
    }
    return writers[kind](survey)
