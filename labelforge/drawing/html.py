"""The tree as one self-contained, interactive HTML page: a searchable tree beside a sunburst that zooms.

The page holds the tree twice: as a list that works without JavaScript, and as JSON from which ``templates/tree.js``
draws the sunburst, the details and the search. Names are autoescaped, or written as JSON without any character that
HTML could read as markup, and the page's content security policy runs no script but its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelforge.drawing.style import LEGEND, WORDS, headline, ink_on, short_count, signals_in_words
from labelforge.drawing.survey import Survey
from labelforge.palette import hex_color
from labelforge.report import environment, page_script, script_json
from labelforge.taxonomy import Node

_OPEN_ROWS = 64
"""At first, as many levels of the tree are open as fit into this many rows."""


def draw_html(survey: Survey) -> str:
    """The whole document."""
    script, digest = page_script("tree.js")
    return (
        environment()
        .get_template("tree.html")
        .render(
            survey=survey,
            headline=headline(survey),
            rows=_rows(survey),
            legend=[(int(signal), meaning) for signal, meaning in LEGEND.items()],
            ignored=list(_ignored(survey)),
            data=script_json(page_data(survey)),
            script=script,
            script_digest=digest,
        )
    )


def page_data(survey: Survey) -> dict[str, Any]:
    """All data of the page, JSON-able.

    Returns:
        ``name``, ``counted`` (whether there are pixel counts), ``words`` (names of the signals 0-3), ``datasets``,
        ``labels`` and ``nodes``; references between them are positions, and ``mirror`` is -1 for "no class".
    """
    return {
        "name": survey.tree.name,
        "counted": survey.counted,
        "words": [WORDS[signal] for signal in sorted(WORDS)],
        "datasets": [
            {"name": d.name, "code": d.code, "supervision": d.supervision, "pixels": d.pixels} for d in survey.datasets
        ],
        "labels": [
            {
                "dataset": label.dataset,
                "id": label.native_id,
                "name": label.name,
                "target": label.target.text,
                "pixels": label.pixels,
            }
            for label in survey.labels
        ],
        "nodes": [_node(survey, node) for node in survey.tree.nodes],
    }


def _node(survey: Survey, node: Node) -> dict[str, Any]:
    summary = survey.nodes[node.index]
    return {
        "name": node.name,
        "path": node.path,
        "parent": node.parent,
        "children": list(node.children),
        "depth": node.depth,
        "leaves": len(node.leaves),
        "id": node.class_id,
        "color": hex_color(node.color),
        "ink": ink_on(node.color),
        "shape": node.shape,
        "mirror": node.mirror,
        "boxOnly": node.box_only,
        "signals": [int(signal) for signal in summary.signals],
        "labels": list(summary.labels),
        "wider": list(summary.wider),
        "pixels": list(summary.pixels),
    }


def _rows(survey: Survey) -> list[dict[str, Any]]:
    """What the list shows of every node, by index."""
    tree = survey.tree
    open_levels, rows = 0, 1
    for level in range(1 + max(node.depth for node in tree.nodes)):
        rows += sum(node.depth == level + 1 for node in tree.nodes)
        if level and rows > _OPEN_ROWS:
            break
        open_levels = level + 1
    return [
        {
            "node": node,
            "open": node.depth < open_levels,
            "color": hex_color(node.color),
            "signals": [] if node.parent is None else [int(s) for s in survey.nodes[node.index].signals],
            "count": short_count(total) if (total := survey.nodes[node.index].total) else "",
            "spoken": "; ".join(_spoken(survey, node)),
        }
        for node in tree.nodes
    ]


def _spoken(survey: Survey, node: Node) -> Iterator[str]:
    """A row of the list as a screen reader reads it."""
    yield node.name
    if node.children:
        yield f"{len(node.children)} children"
    if node.class_id is not None:
        yield f"class {node.class_id}"
    total = survey.nodes[node.index].total
    if total is not None:
        yield f"{total} pixels"
    if node.parent is not None and survey.datasets:
        yield ", ".join(signals_in_words(survey, node)) or "not supervised"


def _ignored(survey: Survey) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """Per dataset that ignores labels, these labels and the reasons."""
    for number, dataset in enumerate(survey.datasets):
        labels = [(name, reason) for owner, name, reason in survey.ignored if owner == number]
        if labels:
            yield dataset.name, labels
