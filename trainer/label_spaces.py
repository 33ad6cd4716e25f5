"""The label spaces in which a network can answer: the tree, what it was trained on, and what the shipped tree maps."""

from __future__ import annotations

from labelforge.errors import ConfigError, TaxonomyError, did_you_mean
from labelforge.label_space import LabelSpace
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.description import Described
from labelforge.trainer.id_maps import TREE, IdLegend
from labelforge.trainer.readout import By, reads_rows


def find_legend(
    network: Described, label_space: str, by: By | None = "winner", layout: LogitLayout | None = None
) -> IdLegend:
    """The ids and colours of predictions in a label space.

    Args:
        network: The network.
        label_space: ``tree``, a dataset of the training, or one that the shipped tree of the same name maps.
        by: How labels will be found: the legend is for the network's decisions, or for rows of the label table.
        layout: The answers that it decides between; default: all.

    Raises:
        ConfigError: The label space is unknown to the network.
    """
    layout = layout or network.layout
    if label_space == TREE:
        return IdLegend.of_tree(layout)
    mapping = find_mapping(network, label_space)
    make = IdLegend.of_rows if reads_rows(mapping, by) else IdLegend.of_labels
    try:
        space = LabelSpace.load(mapping.dataset)
    except TaxonomyError:  # a label space of the user's own, known from the training's label table alone
        return make(layout, mapping, {})
    colors = {label.id: label.color for label in space.labels if label.color}
    return make(layout, mapping, colors, space.void)


def find_mapping(network: Described, label_space: str) -> LabelMapping:
    """The label table of a dataset in the network's tree.

    Raises:
        ConfigError: Neither the training nor the shipped tree of the same name and content has one.
    """
    known = {mapping.dataset: mapping for mapping in network.mappings}
    if label_space in known:
        return known[label_space]
    tree = network.taxonomy
    names = {TREE, *known}
    if tree.name in Taxonomy.shipped():
        shipped = Taxonomy.load(tree.name)
        if shipped.digest == tree.digest:
            names |= set(LabelMapping.available(shipped))
            if label_space in names:
                return LabelMapping.load(shipped, label_space)
    raise ConfigError(
        f"its tree, {tree.name}, has no mapping for label space {label_space!r}",
        where=network.place,
        cure=f"{did_you_mean(label_space, names)}{_mapped_elsewhere(tree, label_space)}",
    )


def _mapped_elsewhere(tree: Taxonomy, label_space: str) -> str:
    """A sentence about the shipped trees that map a label space, if there are any."""
    others = [name for name in Taxonomy.shipped() if label_space in LabelMapping.available(Taxonomy.load(name))]
    others = [name for name in others if name != tree.name]
    return f" A network for the tree {' or '.join(others)} answers in {label_space}." if others else ""
