"""Finds which attribute of the regions of VGG Image Annotator says the class."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelforge.converters.own.via import class_attribute, regions_of, said_by
from labelforge.errors import LabelforgeError, counted, listed


@dataclass(frozen=True)
class Attribute:
    """The attribute that says the class.

    Attributes:
        name: Its name, if a ``dataset.yaml`` must say it.
        reason: Why, or which others there are, in a sentence; or "".
    """

    name: str | None = None
    reason: str = ""


def find_attribute(root: Path, files: Sequence[str]) -> Attribute:
    """Which attribute says the class: by its name or as the only one, else one that all regions have, of few values."""
    values: dict[str, Counter[str]] = defaultdict(Counter)
    by_rule: Counter[str | None] = Counter()
    for file in files:
        try:
            for _, regions in regions_of(root / file):
                for _, attributes in regions:
                    said = said_by(attributes)
                    by_rule[class_attribute(said)] += bool(said)
                    for name, value in said.items():
                        values[name][json.dumps(value)] += 1
        except (LabelforgeError, AttributeError):
            continue  # a broken file is said when it is read
    if len(values) < 2:
        return Attribute()
    shown = {name: f"{name!r} ({counted(len(found), 'value')})" for name, found in values.items()}
    if not by_rule[None]:
        chosen = [name for name, count in by_rule.items() if count]
        others = listed(text for name, text in shown.items() if name not in chosen)
        text = f"The attribute {listed(map(repr, chosen))} of regions is the class; for another of {others}, write "
        return Attribute(None, f"{text}attribute: NAME." if others else "")
    # Of equal ones, the first.
    best = min(values, key=lambda name: (-values[name].total(), len(values[name]) == 1, len(values[name])))
    others = listed(text for name, text in shown.items() if name != best)
    text = f"Guessed: that the attribute {shown[best]} of regions is the class. There is {others}, too."
    return Attribute(best, text)
