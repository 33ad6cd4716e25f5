"""Label lists of other datasets, with what their labels mean as people decided by hand (``lists/*.yaml``).

A label has one meaning, or several readings that a person could defend; each is a label expression of the tree streets.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from labelforge.draft.measure import Measured, judge
from labelforge.expression import compile_expression
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.yamlfile import KeyPath, YamlFile

FOLDER = Path(__file__).with_name("lists")
HELD_OUT = ("apolloscape", "argoverse2", "pandaset")
"""The lists that were kept aside until the rules stood; docs/DRAFT.md has what they scored then."""
LATER = ("dota", "goose", "kitti360", "lisa", "synthia", "viper", "visdrone", "waymo")
"""The lists that were written down later, before they were drafted once; the document has their first score."""
DRAFTED_ONCE = ("eurocity", "rellis3d", "semanticdrone", "siftflow", "tas500", "uavid")
"""The lists that were written down last, and for which no rule and no word was changed."""


def names() -> list[str]:
    """The lists, by name."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def expected(tree: Taxonomy, name: str) -> dict[str, tuple[frozenset[int], ...]]:
    """By native label, the leaves of each of its readings."""
    file = YamlFile.load(FOLDER / f"{name}.yaml")

    def fail(at: KeyPath, what: str, cure: str | None) -> NoReturn:
        file.fail(at, what, cure)

    return {
        label: tuple(
            compile_expression(tree, reading, (name, label), fail).leaves
            for reading in (readings if isinstance(readings, list) else [readings])
        )
        for label, readings in file.data[name].items()
    }


def measure(tree: Taxonomy) -> tuple[Measured, ...]:
    """Draft every list from all shipped mappings."""
    mappings = [LabelMapping.load(tree, dataset) for dataset in LabelMapping.available(tree)]
    return tuple(judge(tree, mappings, name, expected(tree, name)) for name in names())
