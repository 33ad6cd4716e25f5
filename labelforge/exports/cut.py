"""The classes that an export has, and which of them each label of a dataset becomes.

A cut is a list of classes, each a set of leaves of the tree. A label also means a set of leaves, so what becomes of it
is a question of sets: it becomes the class that holds all of its leaves. If none does, because the label lies above the
cut or reaches over several classes or out of all, nobody can say which class a pixel of it shows, and it is ignored.

Classes made of nodes never overlap. Those of a label space (`labelforge.exports.cut_reader`) may: several can then hold
a label, and the smallest of them wins if it lies inside all others. If it does not, or two classes mean the same, the
label is ignored. Labels of that label space's own dataset are not decided by sets but by name.

A cut can have a class for all leaves that no other class holds (`Cut.with_rest`). It is a class like any other: a label
becomes it only if all of its leaves are there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Final

from labelforge.answers import cover_names
from labelforge.errors import ConfigError, listed
from labelforge.mapping import LabelRow
from labelforge.palette import Color, distinct_color
from labelforge.taxonomy import Taxonomy

_MOST: Final = 65535
"""Values that a label map of 16 bits has beside the one for "ignore"."""


@dataclass(frozen=True)
class CutClass:
    """One class of an export.

    Attributes:
        id: Its value in exported label maps.
        name: Its name; no other class has it.
        color: RGB, 0-255; no other class has it.
        leaves: Leaf numbers that it holds; empty for a class of a benchmark for which the tree has no place.
        nodes: The fewest nodes of the tree that are together those leaves.
        labels: Native labels of the cut's own label space that it is.
    """

    id: int
    name: str
    color: Color
    leaves: frozenset[int]
    nodes: tuple[str, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What becomes of a label.

    Attributes:
        index: Position of the class that it becomes; None if its pixels are ignored.
        why: Why they are; empty otherwise.
        touched: Positions of the classes that an ignored label can be, but for that of the rest.
        outside: Leaves that it can be as well, and that none of these classes holds.
    """

    index: int | None
    why: str = ""
    touched: tuple[int, ...] = ()
    outside: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Draft:
    """A class before it has an id and a colour: name, leaves, and for a label space its native labels and id."""

    name: str
    leaves: frozenset[int]
    labels: tuple[str, ...] = ()
    id: int | None = None


@dataclass(frozen=True)
class Cut:
    """The classes of an export.

    Attributes:
        text: The cut as it was asked for.
        tree: The tree that it cuts.
        classes: The classes, in order; position = index.
        dataset: The label space that the classes are of; None for a cut made of nodes.
        notes: What the user should know about it.
        rest: Position of the class of all that lies outside the others; None if there is none.
    """

    text: str
    tree: Taxonomy
    classes: tuple[CutClass, ...]
    dataset: str | None = None
    notes: tuple[str, ...] = ()
    rest: int | None = None

    @classmethod
    def of(
        cls,
        text: str,
        tree: Taxonomy,
        drafts: Sequence[Draft],
        *,
        dataset: str | None = None,
        notes: Sequence[str] = (),
    ) -> Cut:
        """A cut of classes in order; without ids of their own (or with ids that no label map can hold) they count on.

        Args:
            text: The cut as it was asked for.
            tree: The tree.
            drafts: The classes.
            dataset: The label space that they are of; only such classes may overlap.
            notes: What the user should know.

        Raises:
            ConfigError: There is no class or there are too many, a name is repeated, or two classes overlap.
        """
        where = f"classes {text!r}"
        if not drafts:
            raise ConfigError("there is no class", where=where, cure="Name at least one node.")
        if len(drafts) > _MOST:
            raise ConfigError(f"{len(drafts)} classes", where=where, cure=f"A label map holds at most {_MOST}.")
        names = [draft.name for draft in drafts]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise ConfigError(f"two classes are called {repeated[0]!r}", where=where, cure="Name each class once.")
        if dataset is None:
            _check_apart(where, tree, drafts)
        ids, extra = _ids(drafts)
        colors = _colors(tree, drafts)
        classes = tuple(
            CutClass(number, draft.name, color, draft.leaves, node_names(tree, draft.leaves), draft.labels)
            for number, color, draft in zip(ids, colors, drafts, strict=True)
        )
        return cls(text, tree, classes, dataset, (*notes, *extra))

    def with_rest(self, name: str) -> Cut:
        """This cut and, as its last class, all that lies outside its classes; its id is the next after theirs.

        Args:
            name: The class's name.

        Raises:
            ConfigError: The name is empty or a class has it, or nothing lies outside the classes.
        """
        where = f"rest {name!r}"
        if not name.strip():
            raise ConfigError("a class needs a name", where=where, cure="Write --rest background.")
        if any(name == c.name for c in self.classes):
            raise ConfigError(f"a class is called {name!r} already", where=where, cure="Choose another name.")
        leaves = frozenset(range(len(self.tree.leaves))).difference(*(c.leaves for c in self.classes))
        if not leaves:
            what = f"the classes {self.text!r} hold the whole tree {self.tree.name}: nothing is left over"
            raise ConfigError(what, where=where, cure="Leave --rest out, or name fewer classes.")
        number = max(c.id for c in self.classes) + 1
        if number >= _MOST:
            raise ConfigError(f"its id would be {number:,}", where=where, cure=f"A label map holds at most {_MOST}.")
        taken = [(0, 0, 0), *(c.color for c in self.classes)]
        color = distinct_color(len(self.classes), taken)
        last = CutClass(number, name, color, leaves, node_names(self.tree, leaves))
        return replace(self, classes=(*self.classes, last), rest=len(self.classes))

    @property
    def bits(self) -> int:
        """Bits of a value in exported label maps: 8, or 16 where the classes need it."""
        return 8 if max(c.id for c in self.classes) < 255 else 16

    @property
    def ignore(self) -> int:
        """The value of pixels that are in no class, or in nobody knows which: the largest, 255 or 65535."""
        return (1 << self.bits) - 1

    @cached_property
    def index_of(self) -> dict[int, int]:
        """Class id -> position."""
        return {c.id: index for index, c in enumerate(self.classes)}

    @cached_property
    def palette(self) -> list[Color]:
        """A colour for every value of a label map of 8 bits; for one of 16 bits, as many entries as it has values."""
        colors: list[Color] = [(0, 0, 0)] * (self.ignore + 1)
        for c in self.classes:
            colors[c.id] = c.color
        return colors

    def decide(self, row: LabelRow, dataset: str) -> Decision:
        """What becomes of a label.

        Args:
            row: A row of a dataset's label table, in this cut's tree.
            dataset: Name of the label space that the row is of.
        """
        if row.row == 0:
            return Decision(None, "outside all boxes" if row.supervision == "box" else "not annotated")
        if row.target.ignored:
            return Decision(None, row.target.reason or "the mapping ignores it")
        if dataset == self.dataset and row.native_id is not None:
            own = [index for index, c in enumerate(self.classes) if row.native_name in c.labels]
            if own:
                return Decision(own[0])
            if self.rest is not None and row.target.leaves <= self.classes[self.rest].leaves:
                return Decision(self.rest)
            return Decision(None, "in none of the classes")
        return self._by_leaves(row.target.leaves)

    def _by_leaves(self, leaves: frozenset[int]) -> Decision:
        holding = [index for index, c in enumerate(self.classes) if leaves <= c.leaves]
        if not holding:
            return self._undecided(leaves)
        smallest = min(holding, key=lambda index: len(self.classes[index].leaves))
        inner = self.classes[smallest].leaves
        if all(inner < self.classes[index].leaves for index in holding if index != smallest):
            return Decision(smallest)
        names = [self.classes[index].name for index in holding]
        return Decision(None, f"fits {listed(names, 3)} alike")

    def _undecided(self, leaves: frozenset[int]) -> Decision:
        touched = tuple(i for i, c in enumerate(self.classes) if c.leaves & leaves and i != self.rest)
        if not touched:
            return Decision(None, "in none of the classes")
        outside = leaves.difference(*(self.classes[index].leaves for index in touched))
        names = listed([self.classes[index].name for index in touched], 3)
        if not outside:
            return Decision(None, f"can be any of {names}", touched)
        place = "in none of the classes" if self.rest is None else self.classes[self.rest].name
        nodes = listed(node_names(self.tree, outside), 3)
        return Decision(None, f"can be {names}, or {place} ({nodes})", touched, outside)


def node_names(tree: Taxonomy, leaves: Collection[int]) -> tuple[str, ...]:
    """The fewest nodes that are together a set of leaves, by their shortest unique names, in the tree's order."""
    return tuple(cover_names(tree, frozenset(leaves)))


def with_parents(tree: Taxonomy, names: Sequence[str]) -> str:
    """Nodes for people, each with the node above it: "front" alone says little, "traffic sign/front" all.

    Args:
        tree: The tree.
        names: Its nodes.
    """
    return ", ".join("/".join(tree.node(name).path.split("/")[-2:]) for name in names)


def _check_apart(where: str, tree: Taxonomy, drafts: Sequence[Draft]) -> None:
    """Refuse two classes that share a leaf."""
    if sum(len(draft.leaves) for draft in drafts) == len(frozenset().union(*(draft.leaves for draft in drafts))):
        return
    for one, other in combinations(drafts, 2):
        shared = one.leaves & other.leaves
        if shared:
            raise ConfigError(
                f"the classes {one.name!r} and {other.name!r} overlap: both hold {listed(node_names(tree, shared), 3)}",
                where=where,
                cure="Leave one of them out, or write the nodes below it instead.",
            )


def _ids(drafts: Sequence[Draft]) -> tuple[list[int], list[str]]:
    """The classes' own ids if they all have one that fits; else their positions. And a note, if theirs do not fit."""
    own = [draft.id for draft in drafts]
    found = [number for number in own if number is not None]
    if len(found) < len(own):
        return list(range(len(own))), []
    misfits = [draft for draft in drafts if draft.id is not None and not 0 <= draft.id < _MOST]
    if misfits:
        what = f"{misfits[0].name!r} has the native id {misfits[0].id}, which a label map cannot hold"
        return list(range(len(own))), [f"Class ids are positions from 0, not native ids: {what}."]
    return found, []


def _colors(tree: Taxonomy, drafts: Sequence[Draft]) -> list[Color]:
    """The tree's colour of every class's node; another one where an earlier class has it, or it is that of "ignore"."""
    taken: list[Color] = [(0, 0, 0)]
    for number, draft in enumerate(drafts):
        color = tree.covering(draft.leaves).color if draft.leaves else (0, 0, 0)
        taken.append(distinct_color(number, taken) if color in taken else color)
    return taken[1:]
