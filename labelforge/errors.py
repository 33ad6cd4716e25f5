"""Every error a user can cause, in one tree.

    LabelforgeError
    ├── TaxonomyError      a tree, a mapping or a label space (YAML)
    ├── DatasetError       a file of a source dataset
    ├── ShardError         a manifest, an index or a shard
    ├── ConfigError        a training configuration or a command's options
    └── CheckpointError    a checkpoint that is broken or does not fit

An error says what is wrong, where (file, line, key), and what to do about it, on one line; the command line prints that
line and exits with code 2.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable

from labelforge.wording import printable

_BEGINNING = 3  # letters of a name that say which is meant


class LabelforgeError(Exception):
    """Something that the user can fix.

        >>> import labelforge as lf
        >>> try:
        ...     lf.Taxonomy.load("iv2018").node("parkin")
        ... except lf.LabelforgeError as error:
        ...     print(error)
        tree 'iv2018': unknown node 'parkin'. Did you mean 'parking'?

    Args:
        what: The fault, as a clause without a full stop ("unknown node 'parkin'").
        where: The file, folder, URL or sample at fault.
        line: Line number in ``where``, from 1.
        cure: What to do, as a sentence.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | os.PathLike[str] | None = None,
        line: int | None = None,
        cure: str | None = None,
    ) -> None:
        super().__init__(what, where, line, cure)
        self.what = what
        self.where = None if where is None else os.fspath(where)
        self.line = line
        self.cure = cure

    def advise(self, sentence: str) -> None:
        """Add a sentence to what there is to do."""
        self.cure = f"{self.cure or ''} {sentence}".strip() or None

    def __str__(self) -> str:
        place = "" if self.where is None else self.where + (f":{self.line}" if self.line else "") + ": "
        cure = f" {self.cure}" if self.cure else ""
        return printable(" ".join(f"{place}{self.what.rstrip('.')}.{cure}".split()))

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process boundaries by pickle, which calls the class with positional arguments only.
        return _rebuild, (type(self), self.what, self.where, self.line, self.cure)


class TaxonomyError(LabelforgeError):
    """A tree, a mapping or a label space is wrong."""


class DatasetError(LabelforgeError):
    """A file of a source dataset is missing, broken or not what its name says."""


class ShardError(LabelforgeError):
    """A manifest, an index or a shard is missing, broken or of another taxonomy."""


class ConfigError(LabelforgeError):
    """A configuration value or a combination of options is wrong."""


class CheckpointError(LabelforgeError):
    """A checkpoint is missing, broken or does not fit the model, taxonomy or data."""


def did_you_mean(name: str, known: Iterable[str], limit: int = 3) -> str:
    """A sentence naming the known names nearest to a mistyped one, or, where none is near, the known names.

    Where none is spelt alike, those count that begin with what was typed ("city": "cityscapes").

    Args:
        name: The name that was not found.
        known: All names that would have been right.
        limit: At most this many suggestions.
    """
    names = sorted({str(k) for k in known})
    lowered = {n.lower(): n for n in reversed(names)}
    near = [lowered[n] for n in difflib.get_close_matches(name.lower(), lowered, n=limit, cutoff=0.6)]
    if not near and len(name) >= _BEGINNING:
        near = [n for n in names if n.lower().startswith(name.lower())][:limit]
    if near:
        return f"Did you mean {' or '.join(repr(n) for n in near)}?"
    if not names:
        return "There are none here."
    return f"Known: {listed(names, 12)}."


def listed(items: Iterable[object], limit: int = 5) -> str:
    """Items joined by commas; if there are many, the first few and the total.

    Args:
        items: What to name.
        limit: How many are named if there are many; if only one is left over, it is named too.
    """
    every = [str(item) for item in items]
    if len(every) > limit + 1:
        return ", ".join(every[:limit]) + f", ... ({len(every)} in all)"
    return ", ".join(every)


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 classifier", "5 classifiers", "2,975 samples"."""
    return f"{number:,} {noun}" + ("s" if number != 1 else "")


def shortened(place: str | os.PathLike[str], length: int = 40) -> str:
    """A path or URL, of a long one only its end."""
    text = os.fspath(place)
    return text if len(text) <= length else "..." + text[3 - length :]


def _rebuild(
    cls: type[LabelforgeError], what: str, where: str | None, line: int | None, cure: str | None
) -> LabelforgeError:
    return cls(what, where=where, line=line, cure=cure)
