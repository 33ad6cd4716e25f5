"""How text names a node of a tree: by a unique name, or by a unique path suffix.

``front`` and ``traffic sign/front`` mean the same node as long as no other node is called ``front``; the full path,
which starts with the root's name, always means its node.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from labelforge.errors import did_you_mean


class References:
    """All the texts that mean a node of one tree.

    Args:
        paths: For each node, the names from the root to it.
    """

    def __init__(self, paths: Sequence[tuple[str, ...]]) -> None:
        self._paths = paths
        self._found: dict[str, tuple[int, ...]] = {}
        for i, path in enumerate(paths):
            for start in range(len(path)):
                reference = "/".join(path[start:])
                self._found[reference] = (*self._found.get(reference, ()), i)
        self._found |= {"/".join(path): (i,) for i, path in enumerate(paths)}

    def find(self, reference: str) -> tuple[int, ...]:
        """Indices of the nodes that a text can mean: exactly one if the text is valid."""
        return self._found.get(reference, ())

    def shortest(self, index: int) -> str:
        """The shortest text that means this node and no other."""
        path = self._paths[index]
        suffixes = ("/".join(path[start:]) for start in range(len(path) - 1, -1, -1))
        return next(s for s in suffixes if self._found[s] == (index,))

    def explain(self, reference: str) -> tuple[str, str]:
        """For a text that does not mean exactly one node: what is wrong, and the cure."""
        found = self.find(reference)
        if not found:
            return f"unknown node {reference!r}", self._nearest(reference)
        paths = " or ".join(repr(self.shortest(i)) for i in found)
        return f"the node name {reference!r} is ambiguous", f"Write {paths}."

    def _nearest(self, reference: str) -> str:
        """The sentence that names the nodes nearest to an unknown one; of a path, those with the same last part."""
        last = reference.rpartition("/")[2]
        same = [text for text in self._found if text.rpartition("/")[2] == last]
        if last == reference or not same:
            return did_you_mean(reference, self._found)
        near = difflib.get_close_matches(reference, same, n=1, cutoff=0.8) or [
            self.shortest(i) for i in self.find(last)
        ]
        return f"Did you mean {' or '.join(map(repr, near[:3]))}?"
