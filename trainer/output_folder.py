"""The folder that predictions are written to.

    OUT/ids/NAME.png             grey 8 or 16 bit: the id of every pixel, at the image's size
    OUT/overlays/NAME.jpg        the image under the ids' colours; of a video, NAME.mp4
    OUT/confidence/NAME.png      grey 16 bit: confidence times 65535, if it was asked for
    OUT/ids/NAME/000000.png ...  the frames of a video, if they were asked for
    OUT/classes.json             all ids, what they mean, their colours
    OUT/legend.html              for people: the classes that occur, beside a picture

Ids and overlays are in folders of their own, because other tools read every png that they find.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelforge.errors import ConfigError, counted
from labelforge.files import write_atomically, writing_into
from labelforge.leftovers import NewFolder, nothing_left

_CLASSES = "classes.json"
_LEGEND = "legend.html"
_SUBFOLDERS = ("ids", "overlays", "confidence")
_JPEG = {"quality": 90, "subsampling": 0}  # colours at full size, so that thin objects keep theirs


@dataclass(frozen=True)
class OutputFolder:
    """Where everything goes. A name may hold slashes.

    Attributes:
        root: The folder.
    """

    root: Path

    @contextmanager
    def filling(self) -> Iterator[None]:
        """While results are written: where there is none, nothing is left of a new folder.

        Raises:
            ConfigError: The folder cannot be made or written to.
        """
        with (
            nothing_left(NewFolder.at(self.root), (*_SUBFOLDERS, _CLASSES, _LEGEND), self._kept),
            writing_into(self.root),
        ):
            yield

    def _kept(self) -> str | None:
        """What stays if a new folder cannot be filled to the end."""
        done = sum(1 for path in (self.root / "overlays").rglob("*") if path.is_file())
        return f"What was finished is kept: {counted(done, 'overlay')}." if done else None

    @property
    def classes(self) -> Path:
        """What the ids mean, for programs."""
        return self.root / _CLASSES

    @property
    def legend(self) -> Path:
        """What the ids mean, for people."""
        return self.root / _LEGEND

    def ids(self, name: str) -> Path:
        """The id map of an image."""
        return self.root / "ids" / f"{name}.png"

    def overlay(self, name: str) -> Path:
        """The overlay of an image."""
        return self.root / "overlays" / f"{name}.jpg"

    def confidence(self, name: str) -> Path:
        """The confidence map of an image."""
        return self.root / "confidence" / f"{name}.png"

    def video_overlay(self, name: str) -> Path:
        """The overlay of a video."""
        return self.root / "overlays" / f"{name}.mp4"

    def frames(self, name: str) -> Path:
        """The folder of the id maps of a video's frames."""
        return self.root / "ids" / name


def refuse_to_overwrite(targets: Iterable[Path]) -> None:
    """Check that nothing stands where something will be written.

    Raises:
        ConfigError: One of the targets exists.
    """
    for target in targets:
        if target.exists():
            cure = "Add --overwrite (in Python, overwrite=True), or name another output folder."
            raise ConfigError("exists already", where=target, cure=cure)


def remove_frames(folder: Path) -> None:
    """Remove the numbered maps of a video's frames."""
    for file in folder.glob("[0-9]*.png"):
        file.unlink()


def write_png(path: Path, pixels: npt.NDArray[np.unsignedinteger]) -> None:
    """Write a (H, W) uint8 or uint16 map as a grey PNG of 8 or 16 bit.

    Raises:
        OSError: It cannot be written.
    """
    _write(path, pixels, "PNG")


def write_jpeg(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write a (H, W, 3) uint8 image as a JPEG.

    Raises:
        OSError: It cannot be written.
    """
    _write(path, pixels, "JPEG", **_JPEG)


def write_confidence(path: Path, confidence: npt.NDArray[np.float32]) -> None:
    """Write a confidence map as a grey PNG of 16 bit.

    Args:
        path: The file.
        confidence: (H, W) float32 in [0, 1]; stored as round(65535 * confidence).

    Raises:
        OSError: It cannot be written.
    """
    write_png(path, np.rint(confidence.astype(np.float64) * 65535).astype(np.uint16))


def _write(path: Path, pixels: npt.NDArray[np.unsignedinteger], form: str, **options: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


class OwnFiles:
    """The files that labelforge wrote: those in the subfolders of an output folder.

    An output folder is the one of this run, or any whose ``classes.json`` is labelforge's.

    Args:
        out: The output folder of this run, which need not exist.
    """

    def __init__(self, out: Path) -> None:
        self._out = out.resolve()
        self._is_output: dict[Path, bool] = {self._out: True}
        self._holds_own: dict[Path, bool] = {}  # by folder, since all files of a folder are or are not

    def __contains__(self, file: Path) -> bool:
        folder = file.parent
        if folder not in self._holds_own:
            self._holds_own[folder] = any(map(self._is_output_folder, _output_folders(file)))
        return self._holds_own[folder]

    def of_this_output(self, file: Path) -> bool:
        """Whether a file lies in the subfolders of this run's output folder."""
        return self._out in _output_folders(file)

    def _is_output_folder(self, folder: Path) -> bool:
        if folder not in self._is_output:
            self._is_output[folder] = _has_classes(folder)
        return self._is_output[folder]


def _output_folders(file: Path) -> list[Path]:
    """The folders that would be output folders if labelforge had written the file; by path alone."""
    folder = file.parent.resolve()
    return [above.parent for above in (folder, *folder.parents) if above.name in _SUBFOLDERS]


def _has_classes(folder: Path) -> bool:
    try:
        content = json.loads((folder / _CLASSES).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"label_space", "checkpoint", "classes"} <= content.keys()
