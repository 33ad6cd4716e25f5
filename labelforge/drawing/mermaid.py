"""The tree as a Mermaid flowchart, for a README: code forges draw a ``mermaid`` code block as a picture.

Ids are ``n0``, ``n1``, ...; labels are quoted, with every character that Mermaid or the HTML around it could read as
markup written as a character code. Nodes of one colour share a class, which keeps the source short: viewers refuse
sources of more than 50,000 characters or 500 edges.
"""

from __future__ import annotations

import re

from labelforge.drawing.style import headline, ink_on, node_caption
from labelforge.drawing.survey import Survey
from labelforge.palette import hex_color

# Closer together than Mermaid's own spacing, which makes a tree of a hundred leaves ten screens high.
_SETTINGS = '%%{init: {"flowchart": {"curve": "step", "nodeSpacing": 8, "rankSpacing": 60, "padding": 6}}}%%'


def draw_mermaid(survey: Survey) -> str:
    """A complete flowchart, from left to right; comments explain the datasets' letters."""
    tree = survey.tree
    lines = [_SETTINGS, f"%% {_comment(tree.name)}: {headline(survey)}"]
    lines += [f"%% {d.code}: {_comment(d.name)} ({d.supervision})" for d in survey.datasets]
    lines.append("flowchart LR")
    for node in tree.nodes:
        label = "<br>".join(map(_escaped, node_caption(survey, node)))
        parent = "" if node.parent is None else f"n{node.parent} --- "
        lines.append(f'{parent}n{node.index}["{label}"]')
    colors: dict[str, list[int]] = {}
    for node in tree.nodes:
        colors.setdefault(f"fill:{hex_color(node.color)},color:{ink_on(node.color)}", []).append(node.index)
    for number, (style, members) in enumerate(colors.items()):
        lines.append(f"classDef c{number} {style}")
        lines.append(f"class {','.join(f'n{i}' for i in members)} c{number}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """A label: letters, digits and harmless marks stay, the rest becomes ``#code;``."""
    return re.sub(r"[^\w \-.,:/()+]", lambda found: f"#{ord(found[0])};", text)


def _comment(text: str) -> str:
    """A comment must stay on its line, and must not open a directive (``%%{``)."""
    return re.sub(r"[\s{}]+", " ", text)
