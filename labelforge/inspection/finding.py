"""Finds samples and labels of some shards by the names that a user gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from labelforge.errors import ConfigError, TaxonomyError, did_you_mean, listed
from labelforge.inspection.counts import LabelCounts
from labelforge.shards import ShardReader, escape_key


class Frame(NamedTuple):
    """A sample of one of several folders.

    Attributes:
        reader: The folder.
        number: The sample's number in it.
        pixels: Pixels of what was looked for.
    """

    reader: ShardReader
    number: int
    pixels: int = 0


@dataclass(frozen=True)
class Wanted:
    """Rows of one folder that a name means.

    Attributes:
        reader: The folder.
        rows: The rows, at least one.
    """

    reader: ShardReader
    rows: tuple[int, ...]


def find_sample(readers: Sequence[ShardReader], name: str) -> list[Frame]:
    """The samples with a key, or whose name in the dataset becomes that key.

    Raises:
        ConfigError: There is none.
    """
    keys = {name, escape_key(name)}
    found = [Frame(reader, number) for reader in readers for number, key in enumerate(reader.keys) if key in keys]
    if not found:
        known = {key for reader in readers for key in reader.keys}
        raise ConfigError(f"there is no sample {name!r}", cure=did_you_mean(name, known))
    return found


def find_label(readers: Sequence[ShardReader], name: str) -> list[Wanted]:
    """The rows that a native label has, or if no label has that name, those below the node of that name.

    Raises:
        ConfigError: Neither a label nor a node is called so.
    """
    native = [Wanted(r, tuple(row.row for row in r.mapping.rows if row.native_name == name)) for r in readers]
    below = native if any(wanted.rows for wanted in native) else [Wanted(r, rows_below(r, name)) for r in readers]
    found = [wanted for wanted in below if wanted.rows]
    if not found:
        raise _unknown_label(readers, name)
    return found


def _unknown_label(readers: Sequence[ShardReader], name: str) -> ConfigError:
    """The error about a name that neither a label has, nor a node that labels lie below."""
    nodes = [(r, r.taxonomy.node(name)) for r in readers if len(r.taxonomy.references.find(name)) == 1]
    if nodes:
        wider = {
            row.native_name
            for reader, node in nodes
            for row in reader.mapping.rows
            if any(leaf in node.leaves for leaf in row.target.leaves)
        }
        which = (
            f"It can be in what is labelled {listed(map(repr, sorted(wider)))}." if wider else "No label can show it."
        )
        return ConfigError(f"no label of these shards lies within the node {name!r}", cure=which)
    known = {label for reader in readers for label in _shown(reader)}
    what = f"no label of these shards is called {name!r}, and no label lies below a node of that name"
    return ConfigError(what, cure=did_you_mean(name, known))


def _shown(reader: ShardReader) -> Iterator[str]:
    """Names of the labels that have pixels, and of the nodes that hold one of these."""
    tree = reader.taxonomy
    there = [row for row in reader.mapping.rows[1:] if reader.manifest.labels[row.row].pixels]
    yield from (row.native_name for row in there)
    spans = [(min(row.target.leaves), max(row.target.leaves)) for row in there if row.target.leaves]
    for node in tree.nodes:
        if any(first in node.leaves and last in node.leaves for first, last in spans):
            yield tree.references.shortest(node.index)


def rows_below(reader: ShardReader, reference: str) -> tuple[int, ...]:
    """The rows that mean a node or what is below it, without unions that reach beyond it; none for an unknown node."""
    try:
        leaves = reader.taxonomy.node(reference).leaves
    except TaxonomyError:
        return ()
    rows = reader.mapping.rows
    return tuple(row.row for row in rows if row.target.leaves and all(leaf in leaves for leaf in row.target.leaves))


def most_of(found: Sequence[Wanted], number: int) -> list[Frame]:
    """The samples that hold most of some labels, the most first.

    Args:
        found: The labels.
        number: How many samples of all folders together.
    """
    frames = [
        Frame(wanted.reader, sample, pixels)
        for wanted in found
        for sample, pixels in LabelCounts.of(wanted.reader).most(wanted.rows, number)
    ]
    return sorted(frames, key=lambda frame: -frame.pixels)[:number]
