"""What every format of an export does: take samples one at a time, then finish."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labelforge.errors import ConfigError
from labelforge.exports.cut import Cut
from labelforge.exports.samples import ExportSample, ShardSet


@dataclass(frozen=True)
class Plan:
    """What is known of an export before its first sample.

    Attributes:
        cut: The classes.
        sets: The shard sets.
        name: The export's name: that of its folder.
    """

    cut: Cut
    sets: Sequence[ShardSet]
    name: str

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that samples go to, in order, each once."""
        return tuple(dict.fromkeys(shard_set.split for shard_set in self.sets))


class Writer(ABC):
    """One format.

    Args:
        folder: An empty folder.
        plan: What is known of the export.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self._open = ExitStack()

    @abstractmethod
    def add(self, sample: ExportSample) -> None:
        """Write one sample."""

    @abstractmethod
    def finish(self) -> tuple[str, ...]:
        """Write what describes the whole.

        Returns:
            What the user should know about it.
        """

    def put(self, name: str, data: bytes) -> None:
        """Write a file of a sample.

        Args:
            name: Its path below the folder.
            data: Its content.

        Raises:
            ConfigError: There is one already: names that differ only in case are one file on some disks.
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            what = f"two samples would become the same file, {name}"
            cure = "This disk tells no capital from small letters, or knows no folders: rename one of the two images."
            raise ConfigError(what, where=self.folder.parent, cure=cure) from None

    def text(self, name: str) -> IO[str]:
        """A text file to write to (UTF-8), open until `close`."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return self._open.enter_context(path.open("w", encoding="utf-8", newline="\n"))

    def close(self) -> None:
        """Close all files, also after a fault."""
        self._open.close()

    def describe(self, name: str, text: str) -> None:
        """Write a file that describes the whole, as UTF-8."""
        (self.folder / name).write_text(text, encoding="utf-8", newline="\n")

    def ignored_pixels(self) -> int:
        """Pixels of all samples so far that are in no class."""
        total = 0
        for shard_set in self.plan.sets:
            decisions = shard_set.decisions(self.plan.cut)
            pairs = zip(shard_set.pixels, decisions, strict=True)
            total += sum(int(pixels) for pixels, decision in pairs if decision.index is None)
        return total
