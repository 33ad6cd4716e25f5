"""Switches shards to another tree without reading a pixel.

Label maps hold one row per native label, and the manifest says what each row means. So for another tree, or another
state of the same tree, only ``manifest.json`` changes: the tree, the label table with its digest, and the totals that
follow from it are replaced. The shards and their indexes stay as they are.

What the old tree decided about pixels and colours stays: label maps keep its palette (only their values count; colours
are for viewers), and boxes keep the shapes that it gave their classes. Shapes that differ are reported.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from labelforge.errors import ShardError, TaxonomyError, did_you_mean
from labelforge.label_space import LabelSpace, NativeLabel
from labelforge.mapping import LabelMapping, LabelRow, MappingFile
from labelforge.shards import Manifest, open_folder, stored_mapping, stored_taxonomy
from labelforge.taxonomy import Taxonomy
from labelforge.treediff import MappingDiff, TreeDiff
from labelforge.yamlfile import YamlFile


@dataclass(frozen=True, eq=False)
class Retargeting:
    """The change of one folder of shards.

    Attributes:
        url: The folder.
        old: Its manifest.
        new: The manifest that it gets.
        tree: The two trees, node by node.
        changes: The labels whose meaning changed.
        redrawn: Native labels whose boxes were filled with another shape than the new tree's.
    """

    url: str
    old: Manifest
    new: Manifest
    tree: TreeDiff
    changes: MappingDiff
    redrawn: tuple[str, ...]

    @property
    def needed(self) -> bool:
        """Whether anything has to be written."""
        return self.old != self.new

    def pixels(self) -> int:
        """Pixels of the label maps whose label changed its meaning."""
        counts = {record.native_name: record.pixels for record in self.old.labels}
        return sum(counts[change.label] for change in self.changes.labels)


def retarget(
    shards: Sequence[str | os.PathLike[str]],
    taxonomy: str | os.PathLike[str] | Taxonomy,
    mapping: str | os.PathLike[str] | None = None,
) -> tuple[Retargeting, ...]:
    """Rewrite the manifests of some shards for a tree. Nothing is written unless all of them fit.

    Args:
        shards: Folders or fsspec URLs that ``labelforge convert`` wrote.
        taxonomy: A shipped name, a folder, a ``tree.yaml``, or a tree with its folder.
        mapping: YAML file that says what the labels mean in the tree; default: the one in the tree's folder. Shards of
            a ``dataset.yaml`` need it; their labels are those of the manifest.

    Returns:
        What changed, per folder.

    Raises:
        TaxonomyError: The tree is wrong or has no mapping for a dataset.
        ShardError: A manifest is missing or damaged, or its rows are not those of the dataset's label space now.
    """
    tree = taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.load(taxonomy)
    plans = tuple(plan_retargeting(url, tree, mapping) for url in shards)
    for plan in plans:
        if plan.needed:
            plan.new.write(open_folder(plan.url))
    return plans


def plan_retargeting(
    url: str | os.PathLike[str], tree: Taxonomy, mapping: str | os.PathLike[str] | None = None
) -> Retargeting:
    """What a tree changes in one folder of shards; raises what :func:`retarget` raises. Nothing is written."""
    folder = open_folder(url)
    manifest = Manifest.load(folder)
    old_tree = stored_taxonomy(manifest, folder)
    old = stored_mapping(manifest, old_tree, folder)
    try:
        if mapping is not None:
            native, protocol = _from_file(manifest, old, tree, mapping), manifest.protocol
        else:
            native = LabelMapping.load(tree, manifest.dataset)
            protocol = LabelSpace.load(manifest.dataset, tree.folder).protocol
    except TaxonomyError as fault:
        if fault.where is not None:
            raise
        cure = f"{fault.cure or ''} Of data of your own, give the mapping beside its dataset.yaml: --mapping FILE."
        raise TaxonomyError(fault.what, where=folder.url, cure=cure) from None
    new = _fit(old, native, tree, folder.url)
    difference = TreeDiff(old_tree, tree)
    return Retargeting(
        url=folder.url,
        old=manifest,
        new=manifest.retargeted(tree, new, protocol),
        tree=difference,
        changes=difference.mapping(old, new),
        redrawn=_redrawn(old, old_tree, new, tree),
    )


def _from_file(manifest: Manifest, old: LabelMapping, tree: Taxonomy, mapping: str | os.PathLike[str]) -> LabelMapping:
    """A mapping of the labels that some shards have, from its file."""
    file = YamlFile.load(mapping)
    dataset = file.validate(MappingFile).dataset
    if dataset != manifest.dataset:
        what = f"this mapping is for the dataset {dataset!r}, but the shards are of {manifest.dataset!r}"
        file.fail(("dataset",), what, "Give the mapping of that dataset.")
    labels = [NativeLabel(row.native_id, row.native_name) for row in old.rows if row.native_id is not None]
    return LabelMapping.from_file(tree, file, LabelSpace(manifest.dataset, None, tuple(labels)))


def _fit(old: LabelMapping, native: LabelMapping, tree: Taxonomy, url: str) -> LabelMapping:
    """The new label table with the rows of the old one, sets of overlapping boxes included."""
    stored = [row for row in old.rows[1:] if row.native_id is not None]
    for number, (have, want) in enumerate(zip_longest(stored, native.rows[1:]), start=1):
        if have is None or want is None or (have.native_id, have.native_name) != (want.native_id, want.native_name):
            raise ShardError(
                f"row {number} is {_native(have)} in these shards, and {_native(want)} in the label space "
                f"{old.dataset!r} now",
                where=url,
                cure="Convert the dataset again, or restore the label space.",
            )
    ids = {row.native_name: row.native_id for row in stored if row.native_id is not None}
    sets = old.rows[1 + len(stored) :]
    for row in sets:
        for name in row.members:
            if row.native_id is not None or name not in ids:
                raise ShardError(
                    f"row {row.row}, {row.native_name!r}, is not a set of native labels",
                    where=url,
                    cure=f"{did_you_mean(name, ids)} Convert the dataset again.",
                )
    return native.with_sets(tree, [[ids[name] for name in row.members] for row in sets])


def _native(row: LabelRow | None) -> str:
    return "missing" if row is None else f"{row.native_name!r} (id {row.native_id})"


def _redrawn(old: LabelMapping, old_tree: Taxonomy, new: LabelMapping, tree: Taxonomy) -> tuple[str, ...]:
    """Native names of the box labels whose shape differs between the trees."""
    return tuple(
        now.native_name
        for before, now in zip(old.rows, new.rows, strict=True)
        if now.supervision == "box" and before.shape(old_tree) != now.shape(tree)
    )
