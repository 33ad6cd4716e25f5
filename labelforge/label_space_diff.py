"""What became of each label of one label space in another, such as of Vistas 1.2 in Vistas 2.0.

Without a tree, names decide: a label is the same if its name is, but for case, spaces and hyphens. If there is none of
that name, those below it (``human--person--individual`` below ``human--person``) are its parts, and else the nearest
one above it holds it.

With a tree that maps both spaces, what labels mean decides, as sets of leaves. The labels within a label's meaning are
its parts, but for namesakes of other labels that are not needed to make up the whole. Where they leave some of it out,
wider labels take the rest: the smallest one that holds the whole label, or else all that hold some of the rest. Labels
that the tree ignores are compared by name.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from labelforge.label_space import LabelSpace, NativeLabel
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

Kind = Literal["same", "renumbered", "renamed", "split", "merged", "gone"]
KINDS: tuple[Kind, ...] = ("same", "renumbered", "renamed", "split", "merged", "gone")
"""Of a label: name and id are the same; the id is another; the name is another; several labels share what it was; one
label holds it and more; nothing does."""

Meanings = Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class LabelFate:
    """What became of one label.

    Attributes:
        label: The label in the old space.
        kind: In one word.
        became: The labels of the new space that it is now, in their order.
        or_else: Further labels of the new space that can hold some of what it was, all wider than it.
    """

    label: NativeLabel
    kind: Kind
    became: tuple[NativeLabel, ...]
    or_else: tuple[NativeLabel, ...] = ()


@dataclass(frozen=True, eq=False)
class LabelSpaceDiff:
    """Two label spaces, label by label.

    Attributes:
        old: One label space.
        new: The other.
        tree: The tree by whose meanings labels were compared; None if only names were.
        fates: What became of the labels of the old space, in their order.
    """

    old: LabelSpace
    new: LabelSpace
    tree: Taxonomy | None
    fates: tuple[LabelFate, ...]

    @property
    def added(self) -> tuple[NativeLabel, ...]:
        """The labels of the new space that no label of the old one became."""
        taken = {label.name for fate in self.fates for label in fate.became}
        return tuple(label for label in self.new.labels if label.name not in taken)

    def sources(self, label: NativeLabel) -> tuple[NativeLabel, ...]:
        """The labels of the old space of which some can be in an added one."""
        return tuple(fate.label for fate in self.fates if label in fate.or_else)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-able data."""
        return {
            "old": {"name": self.old.name, "labels": len(self.old.labels)},
            "new": {"name": self.new.name, "labels": len(self.new.labels)},
            "through": None if self.tree is None else {"name": self.tree.name, "digest": self.tree.digest},
            "counts": {kind: sum(fate.kind == kind for fate in self.fates) for kind in KINDS}
            | {"new": len(self.added)},
            "labels": [
                {**_entry(fate.label), "kind": fate.kind}
                | {"became": [*map(_entry, fate.became)], "or_else": [*map(_entry, fate.or_else)]}
                for fate in self.fates
            ],
            "new_labels": [{**_entry(label), "from": [*map(_entry, self.sources(label))]} for label in self.added],
        }


def diff_label_spaces(
    old: str | os.PathLike[str], new: str | os.PathLike[str], through: str | os.PathLike[str] | None = None
) -> LabelSpaceDiff:
    """Compare two label spaces.

    Args:
        old: A label space by name, or its YAML file.
        new: Another.
        through: A tree that maps both; default: compare names only.

    Raises:
        TaxonomyError: A label space or the tree is missing or wrong, or the tree does not map one of the two.
    """
    if through is None:
        spaces = LabelSpace.load(old), LabelSpace.load(new)
        return LabelSpaceDiff(*spaces, None, tuple(_by_name(label, spaces[1]) for label in spaces[0].labels))
    tree = Taxonomy.load(through)
    before, now = LabelSpace.load(old, tree.folder), LabelSpace.load(new, tree.folder)
    meant, means = _meanings(tree, before), _meanings(tree, now)
    fates = [_fate(label, now, meant, means) for label in before.labels]
    return LabelSpaceDiff(before, now, tree, _merged(fates))


def _meanings(tree: Taxonomy, space: LabelSpace) -> Meanings:
    mapping = LabelMapping.load(tree, space.name, space)
    return {row.native_name: row.target.leaves for row in mapping.rows[1:]}


def _by_name(label: NativeLabel, new: LabelSpace) -> LabelFate:
    """What became of a label, by its name alone."""
    path = _path(label.name)
    alike = [other for other in new.labels if _path(other.name) == path]
    if alike:
        return _named(label, alike[0])
    below = tuple(other for other in new.labels if _path(other.name)[: len(path)] == path)
    above = [other for other in new.labels if path[: len(_path(other.name))] == _path(other.name)]
    if below:
        return LabelFate(label, "split" if len(below) > 1 else "renamed", below)
    if above:
        return LabelFate(label, "merged", (max(above, key=lambda other: len(_path(other.name))),))
    return LabelFate(label, "gone", ())


def _fate(label: NativeLabel, new: LabelSpace, meant: Meanings, means: Meanings) -> LabelFate:
    """What became of a label, by what it meant and what the labels of the new space mean."""
    by_name = _by_name(label, new)
    meaning = meant[label.name]
    if not meaning or (by_name.kind in ("same", "renumbered", "renamed") and not means[by_name.became[0].name]):
        return by_name if len(by_name.became) == 1 else LabelFate(label, "gone", ())
    touching = [other for other in new.labels if not meaning.isdisjoint(means[other.name])]
    parts = _parts(label, [other for other in touching if means[other.name] <= meaning], meant, means)
    rest = meaning.difference(*(means[other.name] for other in parts))
    wider = [other for other in touching if not means[other.name] <= meaning]
    whole = [other for other in wider if meaning <= means[other.name]]
    took = [other for other in wider if not rest.isdisjoint(means[other.name])]
    if took and whole and not parts:
        smallest = min(len(means[other.name]) for other in whole)
        took = [other for other in whole if len(means[other.name]) == smallest]
    became = tuple(other for other in touching if other in parts or other in took)
    or_else = tuple(other for other in wider if other not in took)
    if not became:
        return LabelFate(label, "gone", ())
    if len(became) > 1:
        return LabelFate(label, "split", became, or_else)
    if took:
        return LabelFate(label, "merged", became, or_else)
    named = _named(label, became[0])
    return LabelFate(label, named.kind, became, or_else)


def _parts(label: NativeLabel, within: list[NativeLabel], meant: Meanings, means: Meanings) -> list[NativeLabel]:
    """The labels within another's meaning, less those that are other old labels by name if they are not needed."""
    others = {_path(name) for name, meaning in meant.items() if meaning} - {_path(label.name)}
    own = [other for other in within if _path(other.name) not in others]
    held, needed = (frozenset[int]().union(*(means[other.name] for other in these)) for these in (own, within))
    return own if held == needed else within


def _merged(fates: Sequence[LabelFate]) -> tuple[LabelFate, ...]:
    """The fates; labels of other names that became the same label were merged, not renamed."""
    ends = Counter(fate.became for fate in fates)
    return tuple(
        replace(fate, kind="merged") if fate.kind == "renamed" and ends[fate.became] > 1 else fate for fate in fates
    )


def _named(label: NativeLabel, other: NativeLabel) -> LabelFate:
    """A label that another one is, whatever its name and id are."""
    if _path(label.name) != _path(other.name):
        return LabelFate(label, "renamed", (other,))
    if label.id != other.id:
        return LabelFate(label, "renumbered", (other,))
    return LabelFate(label, "same" if label.name == other.name else "renamed", (other,))


def _path(name: str) -> tuple[str, ...]:
    """A name as the parts of its path, without case, spaces and hyphens."""
    return tuple("".join(c for c in part.lower() if c.isalnum()) for part in name.split("--"))


def _entry(label: NativeLabel) -> dict[str, Any]:
    return {"id": label.id, "name": label.name}
