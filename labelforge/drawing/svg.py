"""The tree as SVG, for a paper: text stays text, nodes have their colours, all else takes the page's text colour.

Lines, marks and words are drawn in ``currentColor`` on no background: black where the file stands alone, the text
colour of the page where it is pasted into one, in dark mode too.
"""

from __future__ import annotations

from html import escape

from labelforge.drawing.layout import Box, Drawing, Fork, Leader, Mark, Shape, Words, lay_out
from labelforge.drawing.style import signals_in_words
from labelforge.drawing.survey import Survey
from labelforge.palette import hex_color
from labelforge.supervision import Signal
from labelforge.taxonomy import Node

_FONTS = "Helvetica, Arial, 'Liberation Sans', 'Nimbus Sans', sans-serif"
_CORNER = 4.0


def draw_svg(survey: Survey) -> str:
    """The tree as a complete SVG document."""
    drawing = lay_out(survey)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width} {drawing.height}" '
        f'width="{drawing.width}" height="{drawing.height}" font-family="{_FONTS}" fill="currentColor" role="img">',
        f"<title>{escape(f'The taxonomy {survey.tree.name}')}</title>",
        *map(_shape, drawing.head),
        '<g fill="none" stroke="currentColor" stroke-opacity="0.4">',
        *map(_fork, drawing.branches),
        "</g>",
        *(_node(drawing, node) for node in survey.tree.nodes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _node(drawing: Drawing, node: Node) -> str:
    survey = drawing.survey
    title = escape("; ".join([node.path, *signals_in_words(survey, node)]))
    shapes = "".join(map(_shape, drawing.nodes[node.index]))
    return f'<g class="node" data-path="{escape(node.path)}"><title>{title}</title>{shapes}</g>'


def _shape(shape: Shape) -> str:
    match shape:
        case Words():
            return _words(shape)
        case Box(x, y, width, height, color, radius):
            return (
                f'<rect x="{x:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:g}" rx="{radius:g}" '
                f'fill="{hex_color(color)}" stroke="currentColor" stroke-opacity="0.3" stroke-width="0.5"/>'
            )
        case Mark():
            return _mark(shape)
        case Fork():
            return _fork(shape)
        case Leader(x0, x1, y):
            return (
                f'<line x1="{x0:.1f}" x2="{x1:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" '
                f'stroke-opacity="0.25" stroke-dasharray="0.1 4" stroke-linecap="round"/>'
            )


def _words(words: Words) -> str:
    options = f' text-anchor="{words.anchor}"' if words.anchor != "start" else ""
    options += ' font-weight="600"' if words.bold else ""
    options += f' fill="{words.ink}"' if words.ink else ""
    options += ' fill-opacity="0.65"' if words.faint else ""
    # Baseline instead of dominant-baseline: PDF converters support it.
    return (
        f'<text x="{words.x:.1f}" y="{words.y + 0.35 * words.size:.1f}" font-size="{words.size:g}"{options}>'
        f"{escape(words.text)}</text>"
    )


def _mark(mark: Mark) -> str:
    x, y = mark.x, mark.y
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}"'
    match mark.signal:
        case Signal.FROM_PIXELS:
            return f'{circle} r="3.2"/>'
        case Signal.FROM_BOX:
            corner = f'x="{x - 2.8:.1f}" y="{y - 2.8:.1f}"'
            return f'<rect {corner} width="5.6" height="5.6" fill="none" stroke="currentColor"/>'
        case Signal.PARTIAL:
            half = f'<path d="M{x:.1f},{y - 3.2:.1f}a3.2,3.2 0 0 0 0,6.4z"/>'
            return f'{circle} r="2.8" fill="none" stroke="currentColor" stroke-width="0.8"/>{half}'
        case Signal.NOTHING:
            return f'{circle} r="0.9" fill-opacity="0.35"/>'


def _fork(fork: Fork) -> str:
    """All branches of a node; every stretch is drawn once, because overlapping strokes would look darker."""
    turn, right = fork.x_turn, fork.x1
    if len(fork.ends) == 1:
        return f'<path d="M{fork.x0:.1f},{fork.y0:.1f}H{turn:.1f}V{fork.ends[0]:.1f}H{right:.1f}"/>'
    first, *between, last = fork.ends
    corner = min(_CORNER, (last - first) / 2)
    spine = (
        f"M{right:.1f},{first:.1f}H{turn + corner:.1f}q-{corner:.1f},0 -{corner:.1f},{corner:.1f}"
        f"V{last - corner:.1f}q0,{corner:.1f} {corner:.1f},{corner:.1f}H{right:.1f}"
    )
    twigs = "".join(f"M{turn:.1f},{end:.1f}H{right:.1f}" for end in between)
    return f'<path d="M{fork.x0:.1f},{fork.y0:.1f}H{turn:.1f}{spine}{twigs}"/>'
