"""Trees and surveys that the drawing tests share."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from labelforge.drawing import Survey
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

HOSTILE = (
    "<script>alert(1)<script>",
    "quote \" and ' and `",
    "a & b; <b>bold<b> {{ 7 * 7 }} {% x %}",
    "back\\slash \\N \\l %%{init} #35; --> end",
    "Straße 道路 é",
    "]]> <!-- -->",
    "[red]not markup[red] \\[b]",
)
"""Node names that mean something to HTML, JSON, SVG, Graphviz, Mermaid, rich or jinja2."""

CLOSING = "</script><script>alert(2)</script><!-- \u2028 ' \""
"""For labels and datasets, whose names may be anything."""


def table(tree: Taxonomy, dataset: str, meanings: dict[str, Any], supervision: str = "pixel") -> LabelMapping:
    """A mapping of labels with ids 0, 1, ... by what they mean."""
    records: list[dict[str, Any]] = [
        {"row": 0, "native_id": None, "native_name": "(none)", "target": "ignore", "supervision": supervision}
    ]
    for i, (name, target) in enumerate(meanings.items()):
        records.append(
            {"row": i + 1, "native_id": i, "native_name": name, "target": target, "supervision": supervision}
        )
    return LabelMapping.from_records(tree, dataset, records)


TOY = Taxonomy.parse(
    """
name: toy
tree:
  scene:
    flat: [road, path]
    sign: [stop, give way]
    car:
nodes:
  road: {id: 7, color: [128, 64, 128]}
  path: {id: 3, color: [0, 0, 0]}
  stop: {id: 1, color: [255, 0, 0], shape: octagon, mirror: none}
  give way: {id: 0, color: [255, 255, 255]}
  car: {id: 12, color: [0, 0, 142]}
"""
)


def toy() -> Survey:
    """Three datasets, one of boxes, two counted."""
    mappings = [
        table(TOY, "dense", {"street": "road", "side": "path", "vehicle": "car", "board": "sign", "junk": "ignore"}),
        table(TOY, "boxed", {"halt": "stop", "yield": "give way"}, "box"),
        table(TOY, "coarse", {"ground": {"any": ["road", "car"]}, "floor": "flat"}),
    ]
    counts = {
        "dense": {"(none)": 5, "street": 1000, "side": 200, "vehicle": 30, "board": 4, "junk": 9},
        "coarse": {"ground": 70_000},
    }
    return Survey.of(TOY, mappings, counts)


def hostile() -> Survey:
    """A tree whose names are hostile, mapped by labels and a dataset that are too."""
    nested = {"root": {HOSTILE[0]: dict.fromkeys(HOSTILE[1:]), "plain": None}}
    tree = Taxonomy.parse(yaml.safe_dump({"name": "hostile", "tree": nested}, sort_keys=False))
    meanings = {f"label {name}": name for name in HOSTILE} | {CLOSING: "plain", "junk": {"ignore": CLOSING}}
    return Survey.of(tree, [table(tree, CLOSING, meanings)], {CLOSING: {CLOSING: 10**12}})


@cache
def shipped(name: str, *, counted: bool = False) -> Survey:
    """A shipped tree with all its mappings; if asked, with made-up counts of every size."""
    tree = Taxonomy.load(name)
    mappings = [LabelMapping.load(tree, dataset) for dataset in LabelMapping.available(tree)]
    counts = {mapping.dataset: {row.native_name: 3 ** (row.row % 24) for row in mapping.rows} for mapping in mappings}
    return Survey.of(tree, mappings, counts if counted else None)
