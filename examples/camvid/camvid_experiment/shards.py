"""Native files and shards of the experiment, each made once and shared by all runs.

    OUT/data/                              the three datasets as files (camvid_experiment.native)
    OUT/shards/<part>-<number>-<set>/      what a run is trained on, such as count-0-fine-40
    OUT/shards/choose-0-held-out/          what choices are scored on
    OUT/shards/test, val, frames           what is counted on

``part`` is ``choose`` or ``count``, ``number`` that of the division.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from camvid_experiment.division import divide, hold_out
from camvid_experiment.native import DATASETS, Fine, Pairs, write_list, write_native
from camvid_experiment.table import Run
from labelforge.converters import Converter, convert
from labelforge.converters.camvid import CamVid
from labelforge.errors import ConfigError
from labelforge.files import json_digest

TAXONOMY = Path(__file__).resolve().parents[1] / "taxonomy"
SHORT_SIDE = 360  # of SegNet's copy; the original is scaled down to it

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Shards:
    """The shards of one experiment.

    Attributes:
        frames: CamVid, with its 11 classes.
        out: Folder of the experiment.
        keys: Its training frames.
        tell: Called with a line when something is made.
    """

    frames: CamVid
    out: Path
    keys: tuple[str, ...]
    tell: Tell

    @classmethod
    def prepare(cls, data: Path, out: Path, tell: Tell) -> Shards:
        """Write the native files, unless an earlier run did.

        Raises:
            ConfigError: ``out`` holds something else.
            DatasetError: ``data`` is not CamVid, or a frame of it is broken.
        """
        tell("Writing fine labels, coarse labels and boxes of the training frames")
        frames = CamVid(data, classes=11)
        return cls(frames, out, tuple(write_native(frames, out / "data")), tell)

    def trained_on(self, run: Run, part: str, number: int = 0) -> list[Path]:
        """The shards that a run is trained on."""
        return [self._subset(kind, part, number, kind, run.fine) for kind in run.datasets]

    def truth_of_boxes(self, run: Run, part: str, number: int = 0) -> tuple[Path, Path]:
        """The box shards of a run, and shards of the same frames with fine labels."""
        (kind,) = [kind for kind in run.datasets if "boxes" in kind]
        return tuple(self._subset(name, part, number, kind, run.fine) for name in (kind, "fine"))  # type: ignore[return-value]

    def held_out(self) -> Path:
        """The frames that choices are scored on."""
        write_list(self.out / "data", "choose-0-held-out", hold_out(self.keys)[1])
        return self._convert(Fine, self.out / "data", "choose-0-held-out", "choose-0-held-out")

    def counted_on(self, frames: Path | None) -> dict[str, Path]:
        """Name -> shards of the frames that are counted on: test, or else val; and other frames.

        Raises:
            ConfigError: There is nothing to count on.
            DatasetError: There is something wrong with them.
        """
        found = {}
        split = next((name for name in ("test", "val") if self._has(name)), None)
        if split is not None:
            found[split] = self._convert(CamVid, self.frames.root, split, split, classes=11)
        if frames is not None:
            pairs = (frames / "images").is_dir() and (frames / "labels").is_dir()
            options = {} if pairs else {"classes": 11}
            found["frames"] = self._convert(Pairs if pairs else CamVid, frames, "all", _name(frames), **options)
        if not found:
            cure = "Give a copy with test or val labels, or other frames with --frames."
            raise ConfigError("there is nothing to count on", where=self.frames.root, cure=cure)
        return found

    def _has(self, split: str) -> bool:
        file = f"{split}.txt" if self.frames.original else f"{split}annot"
        return (self.frames.root / file).exists()

    def _subset(self, dataset: str, part: str, number: int, kind: str, fine: int) -> Path:
        """Shards of a dataset for the frames whose labels are of a kind."""
        if (kind, fine) == ("fine", 367):
            keys: Iterable[str] = self.keys
        else:
            keys = divide(self.keys, fine, number)[kind.removeprefix("sign-")]
        if part == "choose":
            kept = set(hold_out(self.keys)[0])
            keys = [key for key in keys if key in kept]
        # Coarse frames are the same whatever the amount of fine ones.
        split = f"{part}-{number}-{kind.removeprefix('sign-')}" + (f"-{fine}" if kind != "coarse" else "")
        name = split if dataset == kind == split.split("-")[2] else f"{split}-as-{dataset}"
        write_list(self.out / "data", split, list(keys))
        return self._convert(DATASETS[dataset], self.out / "data", split, name)

    def _convert(self, kind: type[Converter], root: Path, split: str, name: str, **options: int) -> Path:
        out = self.out / "shards" / name
        if not (out / "manifest.json").is_file():
            self.tell(f"Converting {name}")
        convert(kind, root, out, split=split, taxonomy=TAXONOMY, short_side=SHORT_SIDE, options=options)
        return out


def _name(frames: Path) -> str:
    """A folder for the shards of other frames: other ones when they are elsewhere."""
    return f"frames-{json_digest(str(frames.resolve()))[:8]}"
