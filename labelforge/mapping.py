"""Mappings: what each native label of one dataset means in one tree.

``taxonomies/<tree>/<dataset>.yaml`` names every label of the dataset's label space and gives each a label expression
(:mod:`labelforge.expression`); with ``rest: ignore``, those that it does not name are ignored. Reading a mapping checks
that nothing is missing and nothing is unknown. The result is a table of rows: row 0 means "no annotation", then one row
per native label. Label maps in shards hold these row numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from labelforge.errors import TaxonomyError, counted, did_you_mean, listed
from labelforge.expression import IGNORED, LabelTarget, compile_expression
from labelforge.files import json_digest
from labelforge.label_space import LabelSpace
from labelforge.palette import Color
from labelforge.taxonomy import Node, Taxonomy, shipped_folder
from labelforge.yamlfile import KeyPath, YamlFile

Supervision = Literal["pixel", "box"]
AcceptableRule = Literal["one-child", "unused-label", "no-shared-leaf"]
LABEL_RULES = frozenset({"unused-label", "no-shared-leaf"})
"""The acceptable rules whose findings are about a native label, not about a node."""

BOXES_ALONE = (
    "They have boxes alone, and a box says what is in it, but not what is around it: add a dataset with pixel labels "
    "that shows the same things. Boxes teach to tell kinds of one thing apart, such as signs (docs/BOXES.md)."
)
"""What to do where nothing is learnt because all datasets have boxes alone."""
NO_ANNOTATION = "(no annotation)"
"""Name of row 0."""
_SEPARATOR = " | "  # between the native names in the name of a set
_REST = {"ignore": "not named in the mapping"}  # what 'rest: ignore' makes of a label


class Accepted(BaseModel):
    """A finding of ``labelforge lint`` that the mapping's author knows and accepts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rule: AcceptableRule = Field(description="The rule that lint names.")
    at: str = Field(
        min_length=1,
        description="Where: the node whose classifier is meant (one-child), or else the native label.",
    )
    why: str = Field(min_length=1, description="Why it is intended.")


class Overlap(BaseModel):
    """A sentence by which a label and one of another dataset can show the same thing; lint compares what they mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    label: str = Field(min_length=1, description="The native label that the sentence is about.")
    dataset: str = Field(min_length=1, description="The label space that the other label is of.")
    other: str = Field(min_length=1, description="The other label, by its native name.")
    text: str = Field(min_length=1, description="The sentence, from the text that defines either label.")


class MappingFile(BaseModel):
    """The top level of a mapping's YAML file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dataset: str = Field(min_length=1, description="Name of the label space that is mapped.")
    taxonomy: str | None = Field(None, description="Name of the tree that it is mapped to; checked if given.")
    supervision: Supervision = Field(description="What the dataset annotates: every pixel, or boxes around objects.")
    labels: dict[str, Any] = Field(description="Every native label and what it means in the tree.")
    rest: Literal["ignore"] | None = Field(
        None, description="ignore: labels that are not named under 'labels' are never used. Default: that is an error."
    )
    overlaps: Annotated[tuple[Overlap, ...], Field(strict=False)] = Field(
        (), description="Labels of other datasets that can show the same thing, by the datasets' own texts."
    )
    accepted: Annotated[tuple[Accepted, ...], Field(strict=False)] = Field(
        (), description="Findings of 'labelforge lint' that are intended, each with the reason."
    )


@dataclass(frozen=True)
class LabelRow:
    """One row of a dataset's label table.

        >>> import labelforge as lf
        >>> mapping = lf.LabelMapping.load(lf.Taxonomy.load("iv2018"), "gtsdb")
        >>> row: lf.LabelRow = mapping.rows[1]
        >>> row.row, row.native_id, row.native_name, row.supervision
        (1, 0, 'speed limit 20', 'box')

    Attributes:
        row: The value in label maps of shards.
        native_id: The value in the dataset's own files; None for row 0 and for sets (:meth:`LabelMapping.with_sets`).
        native_name: The label's native name.
        target: What it means in the tree.
        supervision: What kind of annotation it comes from.
    """

    row: int
    native_id: int | None
    native_name: str
    target: LabelTarget
    supervision: Supervision

    @property
    def members(self) -> list[str]:
        """Native names of the labels that a set was made of; of a native label, its own."""
        return self.native_name.split(_SEPARATOR) if self.native_id is None else [self.native_name]

    @property
    def undecided(self) -> bool:
        """Whether somebody has still to say what it means: it is ignored, with a reason that begins with TODO."""
        return self.target.ignored and (self.target.reason or "").startswith("TODO")

    def node(self, tree: Taxonomy) -> Node | None:
        """The lowest node that holds all that the label can mean in the mapping's tree; None where it is ignored."""
        return None if self.target.ignored else tree.covering(self.target.leaves)

    def shape(self, tree: Taxonomy) -> str | None:
        """The shape that the tree gives the label's boxes: that of its node, if it has one."""
        node = self.node(tree)
        return node.shape if node else None


@dataclass(frozen=True)
class LabelMapping:
    """The label table of one dataset in one tree.

        >>> import labelforge as lf
        >>> mapping = lf.LabelMapping.load(lf.Taxonomy.load("iv2018"), "cityscapes")
        >>> mapping.rows[mapping.row_of[7]].native_name, mapping.rows[mapping.row_of[7]].target.text
        ('road', 'driveable except parking')

    Attributes:
        dataset: Name of the label space.
        supervision: What the dataset annotates.
        rows: The table; position = row number.
        accepted: Findings of ``labelforge lint`` that the file says are intended; they do not change what labels mean.
        overlaps: Labels of other datasets that can show the same thing, for ``labelforge lint``.
    """

    dataset: str
    supervision: Supervision
    rows: tuple[LabelRow, ...]
    accepted: tuple[Accepted, ...] = field(default=(), compare=False)
    overlaps: tuple[Overlap, ...] = field(default=(), compare=False)

    @classmethod
    def load(cls, tree: Taxonomy, source: str | os.PathLike[str], space: LabelSpace | None = None) -> LabelMapping:
        """Load a mapping by the dataset's name (from the tree's folder) or by its YAML file.

        Args:
            tree: The tree to map to.
            source: Name of a label space, or the path of a ``.yaml`` file.
            space: The label space; default: the one that the file names.

        Raises:
            TaxonomyError: No such mapping, or a fault in the file (with its line): a native label that is missing,
                unknown or mapped twice, an unknown or ambiguous node, an expression that means nothing, an
                accepted finding or an overlap about a label or node that does not exist.
        """
        path = Path(source)
        if path.suffix != ".yaml":
            known = cls.available(tree)
            if str(source) not in known:
                others = cls.trees_with(str(source))
                near = f"The tree {' or '.join(others)} has one." if others else did_you_mean(str(source), known)
                cure = f"{near} A mapping of your own is {source}.yaml next to tree.yaml."
                raise TaxonomyError(f"tree {tree.name!r} has no mapping for dataset {str(source)!r}", cure=cure)
            path = known[str(source)]
        return cls.from_file(tree, YamlFile.load(path), space)

    @staticmethod
    def available(tree: Taxonomy) -> dict[str, Path]:
        """The mappings in the tree's folder, by dataset name and in the order of these names."""
        if tree.folder is None:
            return {}
        files = (path for path in tree.folder.glob("*.yaml") if path.name != "tree.yaml")
        return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}

    @staticmethod
    def trees_with(dataset: str) -> list[str]:
        """Names of the shipped trees that have a mapping for a dataset."""
        return [name for name in Taxonomy.shipped() if (shipped_folder() / name / f"{dataset}.yaml").is_file()]

    @classmethod
    def from_file(cls, tree: Taxonomy, file: YamlFile, space: LabelSpace | None = None) -> LabelMapping:
        """Build a mapping from a YAML file that is already read; raises what :meth:`load` raises."""
        content = file.validate(MappingFile)
        if content.taxonomy not in (None, tree.name):
            what = f"this mapping is for tree {content.taxonomy!r}, not {tree.name!r}"
            file.fail(("taxonomy",), what, f"Load it with --taxonomy {content.taxonomy}, or correct the name.")
        if space is None:
            try:
                space = LabelSpace.load(content.dataset, tree.folder)
            except TaxonomyError as fault:
                if fault.where is not None:
                    raise
                file.fail(("dataset",), fault.what, fault.cure)
        for name in content.labels:
            if name not in space.by_name:
                file.fail(("labels", name), f"{space.name} has no label {name!r}", did_you_mean(name, space.names))
        targets = {
            name: compile_expression(tree, expression, ("labels", name), file.fail)
            for name, expression in content.labels.items()
        }
        _check_complete(file, content, space)  # last, so that a long list of missing labels hides no misspelt name
        rest = LabelTarget(frozenset(), _REST, _REST["ignore"])
        rows = [_row_zero(content.supervision)]
        for label in space.labels:
            target = targets.get(label.name, rest)
            rows.append(LabelRow(len(rows), label.id, label.name, target, content.supervision))
        _check_accepted(file, content, tree, space)
        for i, entry in enumerate(content.overlaps):
            _check_label(file, content, ("overlaps", i, "label"), entry.label, space)
        return cls(space.name, content.supervision, tuple(rows), content.accepted, content.overlaps)

    @classmethod
    def from_records(cls, tree: Taxonomy, dataset: str, records: Sequence[Mapping[str, Any]]) -> LabelMapping:
        """Rebuild a label table from :meth:`to_records`, as a shard manifest holds it.

        Raises:
            TaxonomyError: A record does not fit the tree, or rows are missing or repeated.
        """
        rows = []
        for number, record in enumerate(records):
            place = f"label table of {dataset}, row {number}"
            if record.get("row") != number:
                raise TaxonomyError(
                    f"it has row number {record.get('row')!r} instead", where=place, cure="Convert again."
                )

            def fail(at: KeyPath, what: str, cure: str | None, place: str = place) -> NoReturn:
                raise TaxonomyError(what, where=place, cure=cure)

            target = compile_expression(tree, record["target"], (), fail)
            supervision: Supervision = "box" if record["supervision"] == "box" else "pixel"
            rows.append(LabelRow(number, record["native_id"], record["native_name"], target, supervision))
        if not rows or not rows[0].target.ignored:
            raise TaxonomyError(
                "row 0 must be 'no annotation'", where=f"label table of {dataset}", cure="Convert again."
            )
        return cls(dataset, rows[0].supervision, tuple(rows))

    def __repr__(self) -> str:
        labels = counted(len(self.rows) - 1, f"{self.supervision} label")
        used = sum(not row.target.ignored for row in self.rows)
        return f"<LabelMapping {self.dataset}: {labels}, {used} used>"

    def to_records(self) -> list[dict[str, Any]]:
        """The table as JSON-able records: row, native_id, native_name, target (the expression), supervision."""
        return [
            {
                "row": row.row,
                "native_id": row.native_id,
                "native_name": row.native_name,
                "target": row.target.expression,
                "supervision": row.supervision,
            }
            for row in self.rows
        ]

    def with_sets(self, tree: Taxonomy, sets: Iterable[Sequence[int]]) -> LabelMapping:
        """The table with further rows for sets of labels.

        Where boxes of several labels overlap, a pixel shows one of them, but the dataset does not say which. Such a set
        gets a row of its own: it has no native id, is called "speed limit 20 | danger", and means the union of what its
        members mean (nothing if one of them is ignored). So label maps still hold one value per pixel.

        Args:
            tree: The tree that the table maps to.
            sets: Native ids of the members of each set, in the order of the name.
        """
        rows = list(self.rows)
        for ids in sets:
            members = [self.rows[self.row_of[native_id]] for native_id in ids]
            name = _SEPARATOR.join(member.native_name for member in members)
            rows.append(LabelRow(len(rows), None, name, _union(tree, members), members[0].supervision))
        return replace(self, rows=tuple(rows))

    def colors(self, tree: Taxonomy) -> tuple[Color, ...]:
        """RGB colour of every row: that of its node in the mapping's tree; black where it is ignored."""
        nodes = [row.node(tree) for row in self.rows]
        return tuple(node.color if node else (0, 0, 0) for node in nodes)

    @cached_property
    def row_of(self) -> dict[int, int]:
        """Native id -> row."""
        return {row.native_id: row.row for row in self.rows if row.native_id is not None}

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of the table's content."""
        return json_digest([self.dataset, self.to_records()])


def _check_complete(file: YamlFile, content: MappingFile, space: LabelSpace) -> None:
    missing = [name for name in space.names if name not in content.labels]
    if missing and content.rest is None:
        shown = listed(map(repr, missing), 8)
        what = f"{len(missing)} native label{'s' * (len(missing) > 1)} of {space.name} not mapped: {shown}"
        cure = "Give each a node, a union of nodes, or ignore; or write 'rest: ignore' beside 'labels' to use no other."
        file.fail(("labels",), what, cure)


def _check_accepted(file: YamlFile, content: MappingFile, tree: Taxonomy, space: LabelSpace) -> None:
    """Check that every accepted finding is about something that exists; lint says whether it is still needed."""
    for i, entry in enumerate(content.accepted):
        at: KeyPath = ("accepted", i, "at")
        if any((entry.rule, entry.at) == (other.rule, other.at) for other in content.accepted[:i]):
            file.fail(at, f"{entry.rule} at {entry.at!r} is accepted twice", "Keep one of the two.")
        if entry.rule in LABEL_RULES:
            _check_label(file, content, at, entry.at, space)
            continue
        found = tree.references.find(entry.at)
        if len(found) != 1:
            file.fail(at, *tree.references.explain(entry.at))
        if tree.nodes[found[0]].is_leaf:
            file.fail(at, f"{entry.at!r} is a leaf and owns no classifier", "Use the inner node that lint names.")


def _check_label(file: YamlFile, content: MappingFile, at: KeyPath, name: str, space: LabelSpace) -> None:
    if name not in space.by_name:
        file.fail(at, f"{content.dataset} has no label {name!r}", did_you_mean(name, space.names))


def _row_zero(supervision: Supervision) -> LabelRow:
    return LabelRow(0, None, NO_ANNOTATION, IGNORED, supervision)


def _union(tree: Taxonomy, members: Sequence[LabelRow]) -> LabelTarget:
    """The union of what some labels mean; ignored if one of them is."""
    ignored = [member.native_name for member in members if member.target.ignored]
    if ignored:
        reason = f"may show {ignored[0]}, which is ignored"
        return LabelTarget(frozenset(), {"ignore": reason}, reason)
    nodes = dict.fromkeys(name for member in members for name in _node_names(tree, member.target))
    return LabelTarget(frozenset().union(*(member.target.leaves for member in members)), {"any": list(nodes)})


def _node_names(tree: Taxonomy, target: LabelTarget) -> list[str]:
    """What a label means as a list of nodes: the node that it names, or all leaves of a union."""
    if isinstance(target.expression, str):
        return [target.expression]
    return [f"{tree.root.name}/{tree.leaves[leaf].path}" for leaf in sorted(target.leaves)]
