"""The tree as Graphviz source: ``labelforge tree-viz iv2018 --format dot | dot -Tpdf -o tree.pdf``."""

from __future__ import annotations

from labelforge.drawing.style import headline, ink_on, node_caption, signals_in_words
from labelforge.drawing.survey import Survey
from labelforge.palette import hex_color


def draw_dot(survey: Survey) -> str:
    """A complete digraph, from left to right; the datasets' letters are explained in its label."""
    tree = survey.tree
    kinds = [f"{d.code}: {d.name} ({d.supervision})" for d in survey.datasets]
    lines = [
        f"digraph {_quoted(tree.name)} {{",
        '  graph [rankdir=LR, nodesep=0.06, ranksep=0.6, labelloc=t, labeljust=l, fontname="Helvetica",',
        f"         label={_quoted(tree.name, headline(survey), *kinds)}];",
        '  node [shape=box, style="filled,rounded", fontname="Helvetica", fontsize=10, height=0.25,',
        '        margin="0.08,0.03"];',
        "  edge [arrowhead=none, color=gray60];",
    ]
    for node in tree.nodes:
        label = _quoted(*node_caption(survey, node))
        tip = _quoted("; ".join([node.path, *signals_in_words(survey, node)]))
        color = hex_color(node.color)
        lines.append(
            f'  n{node.index} [label={label}, tooltip={tip}, fillcolor="{color}", fontcolor="{ink_on(node.color)}"];'
        )
    lines += [f"  n{node.parent} -> n{node.index};" for node in tree.nodes if node.parent is not None]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(*lines: str) -> str:
    """A quoted string; of several lines, left-aligned. Graphviz's own escapes and HTML entities are switched off."""
    safe = [line.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines]
    return '"' + (safe[0] if len(safe) == 1 else "".join(line + "\\l" for line in safe)) + '"'
