"""Finds which attribute of the regions of VGG Image Annotator says the class."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelforge.converters.own.via import ClassRule, Marked, class_rule, is_drawn, regions_of, said_by
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
    """Which attribute says the class: by its name or as the only one, else the one that most regions have.

    Of several that as many regions have, it is the one of the fewest values, if these are more than one.
    """
    values: dict[str, Counter[str]] = defaultdict(Counter)
    rules: list[ClassRule] = []
    regions: list[Marked] = []
    for file in files:
        try:
            found = [region for _, each in regions_of(root / file) for region in each if is_drawn(region[0])]
        except LabelforgeError:
            continue  # a broken file is said when it is read
        rules.append(class_rule(found))
        regions += found
        for _, attributes in found:
            for name, value in said_by(attributes).items():
                values[name][json.dumps(value)] += 1
    if not values:
        return Attribute()
    shown = {name: f"{name!r} ({counted(len(found), 'value')})" for name, found in values.items()}
    if all(rule.attribute is not None or not rule.total for rule in rules):
        chosen = [*dict.fromkeys(rule.attribute for rule in rules if rule.attribute is not None)]
        others = listed(text for name, text in shown.items() if name not in chosen)
        lacking = _lack(sum(rule.lacking for rule in rules), len(regions))
        if not others and not lacking:
            return Attribute()
        more = f"; for another of {others}, write attribute: NAME" if others else ""
        return Attribute(None, f"The attribute {listed(map(repr, chosen))} of regions is the class{more}.{lacking}")
    # Of equal ones, the first.
    best = min(values, key=lambda name: (-values[name].total(), len(values[name]) == 1, len(values[name])))
    others = listed(text for name, text in shown.items() if name != best)
    text = f"Guessed: that the attribute {shown[best]} of regions is the class."
    text += f" There is {others}, too." if others else ""
    return Attribute(best, text + _lack(class_rule(regions, best).lacking, len(regions)))


def _lack(number: int, total: int) -> str:
    """A sentence, or "" if no region lacks the attribute."""
    which = f"{number:,} of {counted(total, 'region')} {'lacks' if number == 1 else 'lack'} it"
    return f" {which}, which convert refuses: give them their class first." if number else ""
