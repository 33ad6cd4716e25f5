"""Which protocol a dataset is scored by, and the one that the method's authors used.

*Official* is the protocol of the dataset's benchmark, from its label space. *Authors* is the validation of the code
behind the paper (Meletis and Dubbelman, IEEE IV 2018), so that a run can be set beside its figures:

- every label that the mapping does not ignore is a class; decisions that are none of the dataset's labels leave the
  score with their pixels (the void column of the confusion matrix is dropped), so a missed sign costs nothing;
- the headline is the mean pixel accuracy over the classes that occur;
- images and labels are compared at the size that the network sees;
- in a dataset whose labels are all below one node (GTSDB's below *front*), the choice of that node from its parent
  (*back* or *front* of a *traffic sign*) is taken as made: wherever the classifiers above say *traffic sign*, the
  winner of the 43 classes counts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor

from labelforge.errors import ConfigError, TaxonomyError, did_you_mean
from labelforge.label_space import LabelSpace
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.protocol import Protocol
from labelforge.shards import ShardReader
from labelforge.taxonomy import Node
from labelforge.trainer.evaluation.confusion import all_labels

ProtocolName = Literal["official", "authors"]

PROTOCOLS: tuple[ProtocolName, ...] = get_args(ProtocolName)
"""What datasets can be scored by."""


def check_protocol(name: str) -> None:
    """Refuse a name that is none of :data:`PROTOCOLS`.

    Raises:
        ConfigError: There is no such protocol.
    """
    if name not in PROTOCOLS:
        raise ConfigError(f"unknown protocol {name!r}", cure=did_you_mean(name, PROTOCOLS))


def find_protocol(reader: ShardReader, name: ProtocolName) -> Protocol:
    """The protocol of a shard set: without a benchmark, every label that the tree has a place for is a class.

    Args:
        reader: The shards.
        name: official or authors.
    """
    everything = all_labels(reader.mapping)
    if name == "authors":
        return replace(
            everything,
            benchmark="the authors' validation",
            metric="mean pixel accuracy",
            source="the code of Meletis and Dubbelman, IEEE IV 2018",
            measure="accuracy",
            mean_over="labelled",
            other_decisions="left-out",
        )
    return reader.manifest.protocol or _shipped_protocol(reader.dataset, reader.mapping) or everything


def take_branch_as_given(logits_nchw: Tensor, layout: LogitLayout, mapping: LabelMapping) -> Tensor:
    """Logits with which a decision that reaches the parent of a dataset's common node always goes on to that node.

    Args:
        logits_nchw: (N, C, h, w) float logits, before or after upsampling.
        layout: Their layout.
        mapping: Label table of the dataset.

    Returns:
        The same logits, where the labels have a common node whose parent owns a classifier; else a changed copy. They
        may be upsampled linearly: the favoured logit stays ahead of its rivals by one.
    """
    place = _given_choice(layout, mapping)
    if place is None:
        return logits_nchw
    classifier, column = place
    favoured = logits_nchw.clone()
    favoured[:, column] = logits_nchw[:, layout.slices[classifier]].amax(dim=1) + 1
    return favoured


def _shipped_protocol(dataset: str, mapping: LabelMapping) -> Protocol | None:
    """For shards of version 0.1.0, which hold no protocol: that of the shipped label space, if it is the same one."""
    try:
        space = LabelSpace.load(dataset)
    except TaxonomyError:
        return None
    same = {(label.id, label.name) for label in space.labels} == {
        (row.native_id, row.native_name) for row in mapping.rows if row.native_id is not None
    }
    return space.protocol if same else None


def resize_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """(H, W) int64 labels at another size, each pixel from the nearest one."""
    if tuple(labels.shape) == size:
        return labels
    # Row numbers are below 2 ** 16: float32 holds them exactly.
    return F.interpolate(labels[None, None].float(), size=size, mode="nearest-exact")[0, 0].long()


def _given_choice(layout: LogitLayout, mapping: LabelMapping) -> tuple[int, int] | None:
    """The classifier whose choice is taken as made, and the column of that choice; None if there is none."""
    node = _common_node(layout, mapping)
    parent = None if node is None or node.parent is None else layout.taxonomy.nodes[node.parent]
    if node is None or parent is None or parent.parent is None or node.path not in layout.names:
        return None
    chosen = layout.names.index(node.path)
    above = layout.parent[chosen]
    if above < 0 or layout.names[above] != parent.path:
        return None  # the network does not choose there
    start: int = layout.slices[above].start
    return above, start + layout.branch[chosen]


def _common_node(layout: LogitLayout, mapping: LabelMapping) -> Node | None:
    """The lowest node that holds all that a dataset's labels mean; None if they mean nothing."""
    leaves = frozenset().union(*(row.target.leaves for row in mapping.rows))
    return layout.taxonomy.covering(leaves) if leaves else None
