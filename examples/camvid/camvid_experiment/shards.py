"""Native files and shards of the experiment, each made once and shared by all runs.

    OUT/data/                            the three datasets as files (camvid_experiment.native)
    OUT/shards/0-010-020-kept-boxes/     what runs are trained on: boxes of frames 10 to 19 in the order of division 0
    OUT/shards/held-out/                 what choices are scored on
    OUT/shards/test, val, frames-...     what is counted on

Runs are trained on pieces, so that they share shards, and with them features, however many frames have fine labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from camvid_experiment.division import Piece, hold_out, labels_of, pieces
from camvid_experiment.native import DATASETS, REFINED, Fine, Pairs, frames_of, write_list, write_native
from camvid_experiment.table import Run, Table, Tree
from labelforge.converters import Converter, convert
from labelforge.converters.datasets.camvid import CamVid
from labelforge.errors import ConfigError
from labelforge.files import json_digest

HERE = Path(__file__).resolve().parents[1]
TAXONOMY: Tree = "taxonomy"
"""The tree of most runs; shards of the other one have its name."""

SHORT_SIDE = 360  # of SegNet's copy; the original is scaled down to it

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Shards:
    """The shards of one experiment.

    Attributes:
        frames: CamVid, with its 11 classes.
        out: Folder of the experiment.
        keys: Its training frames.
        cuts: Numbers of fine labels in the table of runs.
        tell: Called with a line when something is made.
    """

    frames: CamVid
    out: Path
    keys: tuple[str, ...]
    cuts: tuple[int, ...]
    tell: Tell

    @classmethod
    def prepare(cls, data: Path, out: Path, table: Table, tell: Tell) -> Shards:
        """Write the native files, unless an earlier run did.

        Raises:
            ConfigError: ``out`` holds something else.
            DatasetError: ``data`` is not CamVid, or a frame of it is broken.
        """
        tell("Writing fine labels, coarse labels and boxes of the training frames")
        frames = CamVid(data, classes=11)
        cuts = tuple(run.fine for run in table.runs)
        return cls(frames, out, tuple(write_native(frames, out / "data")), cuts, tell)

    def trained_on(self, run: Run, part: str, number: int = 0) -> list[Path]:
        """The shards that a run is trained on.

        Args:
            run: The run.
            part: ``choose``: without what is held out; or ``count``.
            number: Number of the division.
        """
        found = []
        for kind in run.datasets:
            for piece in self._pieces(number):
                if labels_of(piece, run.fine) == frames_of(kind) and (piece.kept or part == "count"):
                    found.append(self._piece(piece, kind, number, run.tree))
        return found

    def truth_of_boxes(self, run: Run, number: int = 0) -> list[tuple[Path, Path]]:
        """All box shards of a run, each with shards of the same frames that have fine labels."""
        (kind,) = [kind for kind in run.datasets if frames_of(kind) == "boxes"]
        there = [piece for piece in self._pieces(number) if labels_of(piece, run.fine) == "boxes"]
        return [
            (self._piece(piece, kind, number, run.tree), self._piece(piece, "fine", number, run.tree))
            for piece in there
        ]

    def held_out(self, tree: Tree = TAXONOMY) -> Path:
        """The frames that choices are scored on."""
        write_list(self.out / "data", "held-out", hold_out(self.keys)[1])
        return self._convert(Fine, self.out / "data", "held-out", "held-out", tree)

    def counted_on(self, frames: Path | None, tree: Tree = TAXONOMY) -> dict[str, Path]:
        """Name -> shards of the frames that are counted on: test, or else val; and other frames.

        Raises:
            ConfigError: There is nothing to count on.
            DatasetError: There is something wrong with them.
        """
        found = {}
        split = next((name for name in ("test", "val") if self._has(name)), None)
        if split is not None:
            found[split] = self._convert(CamVid, self.frames.root, split, split, tree, classes=11)
        if frames is not None:
            pairs = (frames / "images").is_dir() and (frames / "labels").is_dir()
            kind, classes = (Pairs, None) if pairs else (CamVid, 11)
            found["frames"] = self._convert(kind, frames, "all", _name(frames), tree, classes=classes)
        if not found:
            cure = "Give a copy with test or val labels, or other frames with --frames."
            raise ConfigError("there is nothing to count on", where=self.frames.root, cure=cure)
        return found

    def _has(self, split: str) -> bool:
        file = f"{split}.txt" if self.frames.original else f"{split}annot"
        return (self.frames.root / file).exists()

    def _pieces(self, number: int) -> list[Piece]:
        return pieces(self.keys, self.cuts, number)

    def _piece(self, piece: Piece, dataset: str, number: int, tree: Tree) -> Path:
        split = f"{number}-{piece.name}"
        write_list(self.out / "data", split, piece.keys)
        name, refine = f"{split}-{dataset}", dataset == REFINED
        return self._convert(DATASETS[dataset], self.out / "data", split, name, tree, refine=refine)

    def _convert(
        self,
        kind: type[Converter],
        root: Path,
        split: str,
        name: str,
        tree: Tree,
        *,
        refine: bool = False,
        classes: int | None = None,
    ) -> Path:
        name = name if tree == TAXONOMY else f"{name}-{tree.removeprefix('taxonomy-')}"
        out = self.out / "shards" / name
        if not (out / "manifest.json").is_file():
            self.tell(f"Converting {name}")
        convert(
            kind,
            root,
            out,
            split=split,
            taxonomy=HERE / tree,
            short_side=SHORT_SIDE,
            options={} if classes is None else {"classes": classes},
            refine=refine,
            follow_links=True,  # a copy of CamVid may be links to another
        )
        return out


def _name(frames: Path) -> str:
    """A folder for the shards of other frames: other ones when they are elsewhere."""
    return f"frames-{json_digest(str(frames.resolve()))[:8]}"
