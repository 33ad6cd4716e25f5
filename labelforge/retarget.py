"""Giving shards another tree without reading a pixel.

Label maps hold one row per native label, and the manifest says what each row means. So another tree, or another state
of the same, is a matter of ``manifest.json`` alone: the tree, the label table with its digest, and the totals that
follow from it are replaced. The shards and their indexes stay as they are.

What was drawn with the old tree's help stays drawn: the palette of the label pictures has its colours (values are what
counts, colours are for viewers), and boxes have the shapes that it gave their classes. Shapes that differ are reported.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from labelforge.errors import ShardError, TaxonomyError, did_you_mean
from labelforge.label_sets import SEPARATOR, joined_row
from labelforge.mapping import LabelMapping, LabelRow
from labelforge.shards import LabelRecord, Manifest, TaxonomyRecord, open_folder, stored_mapping, stored_taxonomy
from labelforge.taxonomy import Taxonomy
from labelforge.treediff import MappingDiff, TreeDiff

__all__ = ["Retargeting", "plan_retargeting", "retarget"]


@dataclass(frozen=True, eq=False)
class Retargeting:
    """The change of one folder of shards.

    Attributes:
        url: The folder.
        old: Its manifest.
        new: The manifest that it gets.
        tree: The two trees, node by node.
        labels: The labels that mean something else.
        redrawn: Native labels whose boxes were filled with a shape that is not that of the new tree.
    """

    url: str
    old: Manifest
    new: Manifest
    tree: TreeDiff
    labels: MappingDiff
    redrawn: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return self.old != self.new

    def pixels(self) -> int:
        """Pixels of the label maps whose label means something else."""
        counts = {record.native_name: record.pixels for record in self.old.labels}
        return sum(counts[change.label] for change in self.labels.labels)


def retarget(
    shards: Sequence[str | os.PathLike[str]], taxonomy: str | os.PathLike[str] | Taxonomy
) -> tuple[Retargeting, ...]:
    """Rewrite the manifests of some shards for a tree. Nothing is written before all of them are known to fit.

    Args:
        shards: Folders or fsspec URLs that ``labelforge convert`` wrote.
        taxonomy: A shipped name, a folder, a ``tree.yaml``, or a tree with its folder.

    Returns:
        What changed, per folder.

    Raises:
        TaxonomyError: The tree is wrong or has no mapping for a dataset.
        ShardError: A manifest is missing or garbled, or its rows are not those of the dataset's label space now.
    """
    tree = taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.load(taxonomy)
    plans = tuple(plan_retargeting(url, tree) for url in shards)
    for plan in plans:
        if plan.changes:
            plan.new.write(open_folder(plan.url))
    return plans


def plan_retargeting(url: str | os.PathLike[str], tree: Taxonomy) -> Retargeting:
    """What a tree changes in one folder of shards; the errors of :func:`retarget`. Nothing is written."""
    folder = open_folder(url)
    manifest = Manifest.load(folder)
    old_tree = stored_taxonomy(manifest, folder)
    old = stored_mapping(manifest, old_tree, folder)
    try:
        native = LabelMapping.load(tree, manifest.dataset)
    except TaxonomyError as fault:
        if fault.where is not None:
            raise
        raise TaxonomyError(fault.what, where=folder.url, cure=fault.cure) from None
    new = _fit(old, native, tree, folder.url)
    difference = TreeDiff(old_tree, tree)
    return Retargeting(
        url=folder.url,
        old=manifest,
        new=_rewritten(manifest, tree, new),
        tree=difference,
        labels=difference.mapping(old, new),
        redrawn=_redrawn(old, old_tree, new, tree),
    )


def _fit(old: LabelMapping, native: LabelMapping, tree: Taxonomy, url: str) -> LabelMapping:
    """The new label table with the rows of the old one, sets of overlapping boxes included."""
    rows = list(native.rows)
    known = {row.native_name: row for row in rows}
    stored = [row for row in old.rows[1:] if row.native_id is not None]
    for i in range(max(len(stored), len(rows) - 1)):
        have = stored[i] if i < len(stored) else None
        want = rows[i + 1] if i + 1 < len(rows) else None
        if have is None or want is None or (have.native_id, have.native_name) != (want.native_id, want.native_name):
            raise ShardError(
                f"row {i + 1} is {_native(have)} in these shards, and {_native(want)} in the label space "
                f"{old.dataset!r} now",
                where=url,
                cure="Convert the dataset again, or restore the label space.",
            )
    for row in old.rows[1 + len(stored) :]:
        members = row.native_name.split(SEPARATOR)
        for name in members:
            if row.native_id is not None or name not in known:
                raise ShardError(
                    f"row {row.row}, {row.native_name!r}, is no set of native labels",
                    where=url,
                    cure=f"{did_you_mean(name, known)} Convert the dataset again.",
                )
        rows.append(joined_row([known[name] for name in members], row.row, tree))
    return replace(native, rows=tuple(rows))


def _native(row: LabelRow | None) -> str:
    return "missing" if row is None else f"{row.native_name!r} (id {row.native_id})"


def _rewritten(manifest: Manifest, tree: Taxonomy, mapping: LabelMapping) -> Manifest:
    counts = [record.pixels for record in manifest.labels]
    labels = [LabelRecord(**record, pixels=pixels) for record, pixels in zip(mapping.to_records(), counts, strict=True)]
    ignored = sum(counts[row.row] for row in mapping.rows[1:] if row.target.ignored)
    totals: dict[str, Any] = {"ignored": ignored, "used": sum(counts) - counts[0] - ignored}
    return manifest.model_copy(
        update={
            "taxonomy": TaxonomyRecord(name=tree.name, digest=tree.digest, definition=tree.to_dict()),
            "mapping_digest": mapping.digest,
            "labels": tuple(labels),
            "totals": manifest.totals.model_copy(update=totals),
        }
    )


def _redrawn(old: LabelMapping, old_tree: Taxonomy, new: LabelMapping, tree: Taxonomy) -> tuple[str, ...]:
    return tuple(
        now.native_name
        for before, now in zip(old.rows, new.rows, strict=True)
        if now.supervision == "box" and _shape(before, old_tree) != _shape(now, tree)
    )


def _shape(row: LabelRow, tree: Taxonomy) -> str | None:
    """The shape that the boxes of a label are filled with: that of the lowest node that holds all it means."""
    return None if row.target.ignored else tree.covering(row.target.leaves).shape
