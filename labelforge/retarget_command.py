"""The ``labelforge retarget`` command that a message proposes: ready to be pasted, and in a direction that works.

Shards can go to a tree that maps their dataset. Of shards of several trees, not every tree maps all of the datasets.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from labelforge.mapping import LabelMapping
from labelforge.shards import ShardReader
from labelforge.taxonomy import Taxonomy


def retarget_command(
    urls: Sequence[str | os.PathLike[str]],
    tree: str | os.PathLike[str],
    mapping: str | os.PathLike[str] | None = None,
) -> str:
    """The command, quoted for a shell.

    Args:
        urls: The shards.
        tree: The tree, as a command takes it.
        mapping: File with what the labels mean; default: the tree's own.
    """
    words = ["labelforge", "retarget", *map(str, urls), "--taxonomy", str(tree)]
    return shlex.join(words if mapping is None else [*words, "--mapping", str(mapping)])


def retarget_cure(
    urls: Sequence[str | os.PathLike[str]],
    dataset: str,
    tree: Taxonomy,
    source: str | os.PathLike[str] | None = None,
) -> str:
    """What to do about shards of one dataset that should be of another tree.

    Args:
        urls: The shards.
        dataset: What they are of.
        tree: The tree that is wanted.
        source: Where it was read from, as the user gave it; default: its name.
    """
    command = retarget_command(urls, source or tree.name)
    known = _mapped(tree)
    if known is None or dataset in known:
        return f"Run: {command}"
    return f"Run: {command} --mapping FILE, where FILE says what the labels of {dataset} mean in {tree.name}."


def one_tree_cure(readers: Sequence[ShardReader]) -> str:
    """What to do about shards of several trees: which of them to give the tree of the others.

    The tree of the first is taken, unless it is known to lack a mapping that another one has.

    Args:
        readers: Shards of two trees or more.
    """
    first = readers[0].taxonomy
    for tree in dict.fromkeys([first.name, *(reader.taxonomy.name for reader in readers)]):
        if tree not in Taxonomy.shipped():
            break  # nothing is known of its mappings
        found = Taxonomy.load(tree)
        known = LabelMapping.available(found)
        others = [reader for reader in readers if reader.taxonomy.digest != found.digest]
        if others and all(reader.dataset in known for reader in others):
            return f"Run: {retarget_command([reader.url for reader in others], tree)}"
    other = next(reader for reader in readers if reader.taxonomy.digest != first.digest)
    return retarget_cure([other.url], other.dataset, first)


def _mapped(tree: Taxonomy) -> set[str] | None:
    """The datasets that a tree has mappings for; None where its folder is not known."""
    if tree.folder is None and tree.name in Taxonomy.shipped():
        shipped = Taxonomy.load(tree.name)
        tree = shipped if shipped.digest == tree.digest else tree
    return None if tree.folder is None else set(LabelMapping.available(tree))
