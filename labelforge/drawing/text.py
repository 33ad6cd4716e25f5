"""The tree for a terminal: one line per node, its colour, its classifier's size, and one narrow column per dataset.

Lines are laid out by hand, not by a table, so that they fit a given width exactly: the columns on the right have fixed
widths and the node's name takes what is left, cut with an ellipsis if necessary. Characters say everything; colours
only repeat it. If the output is not UTF-8, plain ASCII is used.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from labelforge.drawing.style import ANNOTATIONS, LEGEND, headline, short_count
from labelforge.drawing.survey import Survey
from labelforge.palette import hex_color
from labelforge.supervision import SIGNAL_STYLES, Signal
from labelforge.taxonomy import Node, Taxonomy

_MARKS = {
    Signal.FROM_PIXELS: "\N{BLACK CIRCLE}",
    Signal.FROM_BOX: "\N{WHITE SQUARE}",
    Signal.PARTIAL: "\N{CIRCLE WITH LEFT HALF BLACK}",
    Signal.NOTHING: "\N{MIDDLE DOT}",
}
_SWATCH = "\N{BLACK SQUARE}"
_ASCII = str.maketrans(
    {
        "\N{BLACK CIRCLE}": "P",
        "\N{WHITE SQUARE}": "B",
        "\N{CIRCLE WITH LEFT HALF BLACK}": "p",
        "\N{MIDDLE DOT}": ".",
        "\N{BLACK SQUARE}": "*",
        "\N{HORIZONTAL ELLIPSIS}": "~",
        "\N{BOX DRAWINGS LIGHT VERTICAL}": "|",
        "\N{BOX DRAWINGS LIGHT VERTICAL AND RIGHT}": "|",
        "\N{BOX DRAWINGS LIGHT UP AND RIGHT}": "`",
        "\N{BOX DRAWINGS LIGHT HORIZONTAL}": "-",
    }
)
_FORK = "\N{BOX DRAWINGS LIGHT VERTICAL AND RIGHT}\N{BOX DRAWINGS LIGHT HORIZONTAL}"
_CORNER = "\N{BOX DRAWINGS LIGHT UP AND RIGHT}\N{BOX DRAWINGS LIGHT HORIZONTAL}"
_PASSING = "\N{BOX DRAWINGS LIGHT VERTICAL} "
_COUNT_WIDTH = 6
_ID_WIDTH = 4
_LEAST_NAMES = 24


def draw_text(survey: Survey, width: int = 80, *, ascii_only: bool = False) -> Text:
    """The tree as lines of text with styles; ``.plain`` has them without.

    Args:
        survey: What to draw.
        width: Columns that no line exceeds, unless the datasets would leave no room for names.
        ascii_only: Use ASCII characters only, except in names.
    """
    width = max(width, _columns(survey) + _LEAST_NAMES)
    lines = [*_head(survey, width), Text(""), _titles(survey, width)]
    lines += [_line(survey, survey.tree.root, "", width)]
    lines += [_line(survey, node, guide, width) for node, guide in _branches(survey.tree, survey.tree.root)]
    if survey.datasets:
        # Once more at the end, where the reader of a long tree is.
        lines.append(Text(_codes(survey).rjust(width), "bold"))
    if ascii_only:
        for line in lines:
            line.plain = line.plain.translate(_ASCII)  # one character for one: styles keep their places
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def _head(survey: Survey, width: int) -> list[Text]:
    name = Text(_cut(survey.tree.name, width), style="bold")
    lines = [name, Text(headline(survey), style="dim"), Text("")]
    for dataset in survey.datasets:
        kind = ANNOTATIONS[dataset.supervision]
        counted = "" if dataset.pixels is None else f", {short_count(dataset.pixels)} px used"
        rest = _cut(f"{dataset.name} ({kind}{counted})", width - 4)
        lines.append(Text().append(f"{dataset.code:>2}  ", "bold").append(rest))
    legend = Text("")
    for signal, meaning in LEGEND.items():
        legend.append(f"{_MARKS[signal]} ", SIGNAL_STYLES[signal]).append(f"{meaning}   ", "dim")
    return [*lines, *([legend] if survey.datasets else [Text("No dataset is mapped to this tree.", "dim")])]


def _columns(survey: Survey) -> int:
    """Width of the right part: class id, count, one column per dataset."""
    return _ID_WIDTH + _COUNT_WIDTH * survey.counted + 1 + _pitch(survey) * len(survey.datasets)


def _pitch(survey: Survey) -> int:
    """Columns per dataset: letters have gaps as long as that leaves most of the line to the names."""
    widest = max((len(dataset.code) for dataset in survey.datasets), default=1)
    return widest + (len(survey.datasets) <= 10)


def _titles(survey: Survey, width: int) -> Text:
    left = width - _columns(survey)
    count = f"{'px':>{_COUNT_WIDTH}}" if survey.counted else ""
    names = f"{'node (children)':<{left}}{'id':>{_ID_WIDTH}}{count} "
    return Text().append(names, "dim").append(_codes(survey), "bold")


def _codes(survey: Survey) -> str:
    return "".join(f"{dataset.code:>{_pitch(survey)}}" for dataset in survey.datasets)


def _line(survey: Survey, node: Node, guide: str, width: int) -> Text:
    summary = survey.nodes[node.index]
    size = f" ({len(node.children)})" if node.children else ""
    line = Text().append(guide, "dim")
    line.append(_SWATCH, hex_color(node.color)).append(" ")
    room = width - _columns(survey) - cell_len(guide) - 2 - len(size)
    line.append(_cut(node.name, room), "bold" if node.children else "").append(size, "dim")
    line.append(" " * (width - _columns(survey) - cell_len(line.plain)))
    line.append(f"{'' if node.class_id is None else node.class_id:>{_ID_WIDTH}}", "dim")
    if survey.counted:
        line.append(f"{short_count(summary.total) if summary.total else '':>{_COUNT_WIDTH}}")
    line.append(" ")
    for signal in summary.signals:
        # The root is given: no classifier chooses it.
        mark = " " if node.parent is None else _MARKS[signal]
        line.append(f"{mark:>{_pitch(survey)}}", SIGNAL_STYLES[signal])
    return line


def _branches(tree: Taxonomy, node: Node, above: str = "") -> Iterator[tuple[Node, str]]:
    """All nodes below one, depth first, each with the branches that lead to it: two columns per level."""
    for index in node.children:
        child, last = tree.nodes[index], index == node.children[-1]
        yield child, above + (_CORNER if last else _FORK)
        yield from _branches(tree, child, above + ("  " if last else _PASSING))


def _cut(text: str, room: int) -> str:
    if cell_len(text) <= room:
        return text
    return set_cell_size(text, max(room - 1, 0)).rstrip() + "\N{HORIZONTAL ELLIPSIS}"
