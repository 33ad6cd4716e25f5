"""What all drawings share: words for signals, captions, short numbers, readable text colours."""

from __future__ import annotations

from labelforge.drawing.survey import Survey
from labelforge.palette import Color
from labelforge.supervision import Signal
from labelforge.taxonomy import Node

WORDS = {Signal.FROM_PIXELS: "pixels", Signal.FROM_BOX: "boxes", Signal.PARTIAL: "partial", Signal.NOTHING: "nothing"}
"""What a dataset gives to a node, in one word."""

LEGEND = WORDS | {Signal.PARTIAL: "only within a set"}
"""The same in a legend."""

ANNOTATIONS = {"pixel": "pixels", "box": "boxes"}
"""What a dataset annotates, in one word."""


def ink_on(color: Color) -> str:
    """Black or white, whichever reads better on a background (relative luminance as in WCAG 2.2)."""

    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = map(linear, color)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def short_count(value: int) -> str:
    """A count in at most five characters: 950, 12.3k, 1.24M, 980G."""
    for power, unit in ((1, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")):
        scaled = value / power
        if scaled < 999.5 or unit == "T":
            break
    if not unit:
        return str(value)
    return (
        f"{scaled:.2f}{unit}" if scaled < 9.995 else f"{scaled:.1f}{unit}" if scaled < 99.95 else f"{scaled:.0f}{unit}"
    )


def headline(survey: Survey) -> str:
    """The tree's size in words."""
    tree = survey.tree
    classifiers, classes = len(tree.classifiers), len(tree.leaves)
    return (
        f"{classes} class{'es' * (classes != 1)}, {classifiers} classifier{'s' * (classifiers != 1)}, "
        f"{tree.num_logits} logits"
    )


def signals_in_words(survey: Survey, node: Node) -> list[str]:
    """What each dataset that says something about a node gives to it: "cityscapes: pixels"."""
    pairs = zip(survey.datasets, survey.nodes[node.index].signals, strict=True)
    return [f"{dataset.name}: {WORDS[signal]}" for dataset, signal in pairs if signal is not Signal.NOTHING]


def node_caption(survey: Survey, node: Node) -> list[str]:
    """A node in one or two short lines: name, classifier size and pixels; then datasets by what they give to it."""
    summary = survey.nodes[node.index]
    first = node.name + (f" ({len(node.children)})" if node.children else "")
    if summary.total:
        first += f" {short_count(summary.total)}"
    parts = []
    for wanted in (Signal.FROM_PIXELS, Signal.FROM_BOX, Signal.PARTIAL):
        pairs = zip(survey.datasets, summary.signals, strict=True)
        codes = [dataset.code for dataset, signal in pairs if signal is wanted]
        parts += [f"{WORDS[wanted]} {' '.join(codes)}"] * bool(codes)
    second = ", ".join(parts)
    return [first, second] if second else [first]
