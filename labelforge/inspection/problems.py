"""What `verify_shards` finds, and a list of it that stays short however broken the shards are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from labelforge.wording import printable

MOST: Final = 200
"""Problems of one shard, or of one folder apart from its shards, that are kept; the rest is only counted."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: The file or folder at fault.
        sample: Key of the sample at fault; None where it is no single one.
        what: The fault, as a clause without a full stop.
        cure: What to do, as a sentence.
    """

    where: str
    sample: str | None
    what: str
    cure: str

    def __str__(self) -> str:
        sample = "" if self.sample is None else f"sample {self.sample}: "
        return printable(f"{self.where}: {sample}{self.what}. {self.cure}")

    def to_dict(self) -> dict[str, Any]:
        """The problem, JSON-able."""
        return {"where": self.where, "sample": self.sample, "what": self.what, "cure": self.cure}


@dataclass
class Findings:
    """Problems of one place, the first `MOST` of them.

    Attributes:
        where: The file or folder.
        kept: The problems.
        more: How many further ones there are.
    """

    where: str
    kept: list[Problem] = field(default_factory=list)
    more: int = 0

    def add(self, what: str, cure: str, *, sample: str | None = None, where: str | None = None) -> None:
        """Note a problem.

        Args:
            what: The fault.
            cure: What to do.
            sample: Key of the sample at fault.
            where: The file at fault, if it is another one.
        """
        if len(self.kept) < MOST:
            self.kept.append(Problem(where or self.where, sample, what, cure))
        else:
            self.more += 1
