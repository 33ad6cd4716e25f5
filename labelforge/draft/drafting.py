"""A draft from beginning to end: a label list is read, its labels are proposed a meaning, a mapping is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelforge.draft.lists import LabelList, read_labels
from labelforge.draft.proposal import Proposal, draft
from labelforge.draft.writer import label_space_text, mapping_text
from labelforge.errors import ConfigError
from labelforge.files import check_output
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping, Supervision
from labelforge.taxonomy import Taxonomy


@dataclass(frozen=True)
class Draft:
    """A drafted mapping.

    Attributes:
        labels: The label list.
        tree: The tree that it is mapped to.
        proposals: What each label means, in the list's order.
    """

    labels: LabelList
    tree: Taxonomy
    proposals: tuple[Proposal, ...]

    @property
    def space(self) -> LabelSpace:
        """The label space that is mapped."""
        return self.labels.space

    def mapping_text(self, supervision: Supervision | None = None) -> str:
        """The text of the mapping file; ``supervision`` is what the dataset annotates (default: as the list says)."""
        return mapping_text(self.space, self.tree.name, self.proposals, supervision or self.labels.supervision)

    def label_space_text(self) -> str:
        """The text of a label space file for a list that was none."""
        return label_space_text(self.space)


def draft_mapping(labels: str | os.PathLike[str], taxonomy: str | os.PathLike[str], name: str | None = None) -> Draft:
    """Draft a mapping for a new label list, from a tree and its mappings of other lists.

    Args:
        labels: The label list (:mod:`labelforge.draft.lists`).
        taxonomy: A shipped tree by name, or a folder with tree.yaml.
        name: Name of the dataset; default: that of the label space, or of the file.

    Raises:
        TaxonomyError: The list, the tree or one of its mappings is missing or wrong (with its line).
    """
    tree = Taxonomy.load(taxonomy)
    found = read_labels(Path(labels), name)
    # An earlier draft of the same list says nothing about it, and may not fit it any more.
    others = [dataset for dataset in LabelMapping.available(tree) if dataset != found.space.name]
    mappings = [LabelMapping.load(tree, dataset) for dataset in others]
    known = [mapping for mapping in mappings if mapping.dataset != found.space.name]
    return Draft(found, tree, draft(tree, known, found.space.names))


def check_new(files: Sequence[str | os.PathLike[str]], *, overwrite: bool) -> None:
    """Refuse files that cannot be written, or that exist and may not be replaced.

    Raises:
        ConfigError: A folder does not exist, a file exists already, or one is named twice.
    """
    places = [Path(file).absolute() for file in files if os.fspath(file) != "-"]
    if len(set(places)) < len(places):
        raise ConfigError("is named twice", where=files[0], cure="Name two files.")
    for file in files:
        check_output(file)
        if os.fspath(file) != "-" and Path(file).exists() and not overwrite:
            raise ConfigError("exists already", where=file, cure="Name another file, or give --overwrite.")
