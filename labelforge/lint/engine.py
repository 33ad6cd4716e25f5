"""Runs the rules. Each makes remarks about a :class:`Case`; the engine adds the rule's name and a file and line."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence

from labelforge.errors import ShardError
from labelforge.lint.acceptance import accept, as_accepted, stale_acceptance
from labelforge.lint.case import Case
from labelforge.lint.findings import SEVERITIES, Finding, LintReport, Remark
from labelforge.lint.label_rules import (
    lone_child,
    mirror_pair,
    never_predicted,
    same_color,
    same_meaning,
    todo,
    unused_label,
)
from labelforge.lint.overlap_rules import no_shared_leaf
from labelforge.lint.places import Places
from labelforge.lint.supervision_rules import inseparable, lone_box, no_signal, one_child, only_boxes
from labelforge.mapping import LabelMapping
from labelforge.own_dataset import OwnDataset, file_in_folder, is_dataset_file
from labelforge.retarget_command import retarget_cure
from labelforge.shards import ShardReader
from labelforge.taxonomy import Taxonomy
from labelforge.treefile import BoxUse
from labelforge.yamlfile import YamlFile

RULES: dict[str, Callable[[Case], Iterator[Remark]]] = {
    "no-signal": no_signal,
    "inseparable": inseparable,
    "one-child": one_child,
    "lone-box": lone_box,
    "only-boxes": only_boxes,
    "todo": todo,
    "unused-label": unused_label,
    "never-predicted": never_predicted,
    "no-shared-leaf": no_shared_leaf,
    "mirror-pair": mirror_pair,
    "same-colour": same_color,
    "lone-child": lone_child,
    "same-meaning": same_meaning,
}
"""The rules by name, in the order of their findings; ``stale-acceptance`` runs on what they found."""


def lint_mappings(
    tree: Taxonomy,
    mappings: Sequence[LabelMapping],
    boxes: BoxUse | None = None,
    places: Places | None = None,
    *,
    lone_boxes: bool = False,
    chosen: bool = False,
) -> LintReport:
    """Check a tree and the mappings of the datasets that should teach it.

    Args:
        tree: The tree.
        mappings: Label tables in it.
        boxes: Which classifiers box labels train; default: what the tree says.
        places: Where things are in the files that they were read from, if any.
        lone_boxes: Whether box labels also train classifiers of which their dataset says nothing else.
        chosen: Whether these datasets are a choice among those that the tree is made for: what they leave out is then
            only noted.
    """
    case = Case.of(tree, mappings, boxes or tree.boxes, lone_boxes=lone_boxes, chosen=chosen)
    places = places or Places()
    findings = [
        Finding.of(name, remark, places.find(remark.subject)) for name, rule in RULES.items() for remark in rule(case)
    ]
    if not chosen:  # what all datasets together need may be needless for some of them
        findings += [
            Finding.of("stale-acceptance", remark, places.find(remark.subject))
            for remark in stale_acceptance(case, findings)
        ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    found = tuple(accept(case, findings))
    return LintReport(found, case.supervision, case.mappings, case.boxes, lone_boxes, case.learnable, chosen)


def lint_taxonomy(
    source: str | os.PathLike[str],
    boxes: BoxUse | None = None,
    *,
    lone_boxes: bool = False,
    datasets: Sequence[str] = (),
    shards: Sequence[str | os.PathLike[str]] = (),
) -> LintReport:
    """Read a tree and mappings in its folder, and check them.

    Args:
        source: A shipped name, a folder, or a ``tree.yaml``.
        boxes: Which classifiers box labels train; default: what the tree says.
        lone_boxes: Whether box labels also train classifiers of which their dataset says nothing else.
        datasets: The datasets to check, by name or by the path of a ``dataset.yaml``.
        shards: Shard sets whose label tables to check, made for the tree. Default, if no dataset is named either: all
            mappings in the tree's folder.

    Raises:
        TaxonomyError: A file is missing or wrong (with its line), or the tree has no mapping for a dataset.
        ShardError: Shards are missing or broken, or were made for another tree.
    """
    path = Taxonomy.locate(source)
    file = YamlFile.load(path)
    tree = Taxonomy.from_file(file, path.parent)
    known = {name: other for name, other in LabelMapping.available(tree).items() if other != path}
    chosen = bool(datasets or shards)
    mappings: list[LabelMapping] = []
    files: dict[str, YamlFile] = {}
    for asked in dict.fromkeys(datasets) if chosen else known:
        name = asked if asked in known else file_in_folder(asked)
        if is_dataset_file(name):
            own = OwnDataset.load(name)
            mapping_file = YamlFile.load(own.mapping_file(tree.name))
            mappings.append(own.mapping(tree))
            files[own.name] = mapping_file
            continue
        if name not in known:
            LabelMapping.load(tree, name)  # says that there is none
        mapping_file = YamlFile.load(known[name])
        mappings.append(LabelMapping.from_file(tree, mapping_file))
        files[mappings[-1].dataset] = mapping_file
    mappings += _tables_of_shards(tree, source, shards, {mapping.dataset for mapping in mappings})
    return lint_mappings(tree, mappings, boxes, Places(file, files), lone_boxes=lone_boxes, chosen=chosen)


def _tables_of_shards(
    tree: Taxonomy, source: str | os.PathLike[str], shards: Sequence[str | os.PathLike[str]], known: Collection[str]
) -> list[LabelMapping]:
    """The label tables of shard sets, one per dataset that is not known yet, with what the tree's folder accepts.

    Args:
        tree: The tree that they must be made for.
        source: Where it was read from, as it was asked for.
        shards: The shard sets.
        known: Datasets that are not looked at.

    Raises:
        ShardError: Shards are missing or broken, or were made for another tree.
    """
    found: dict[str, LabelMapping] = {}
    for reader in map(ShardReader, shards):
        if reader.taxonomy.digest != tree.digest:
            raise ShardError(
                f"made for taxonomy {reader.taxonomy.tag}, not {tree.tag}",
                where=reader.url,
                cure=retarget_cure([reader.url], reader.dataset, tree, source),
            )
        if reader.dataset not in known:
            found.setdefault(reader.dataset, as_accepted(tree, reader.mapping))
    return [found[name] for name in sorted(found)]
