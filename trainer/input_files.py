"""Which files are to be segmented: from paths, folders and patterns to image and video files.

What labelforge wrote is never found in a folder or by a pattern (:class:`~labelforge.trainer.output_folder.OwnFiles`),
so ``predict photos/ --out photos/x`` can be run twice.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelforge.errors import ConfigError
from labelforge.trainer.output_folder import OwnFiles

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Files that count as images when a folder is given."""
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})
"""Files that count as videos."""


@dataclass(frozen=True)
class InputFile:
    """An image or a video.

    Attributes:
        path: The file.
        folder: Where it is below the folder, or the fixed part of the pattern, that it was found by; with slashes, and
            empty for a file right in it.
    """

    path: Path
    folder: str = ""

    @property
    def is_video(self) -> bool:
        """Whether its name says that it is a video."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES


def find_inputs(items: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> list[InputFile]:
    """The images and videos that paths, folders and glob patterns name; each once, in the order given, folders sorted.

    Args:
        items: Files, folders (searched with all subfolders), or glob patterns.
        out: The output folder, which need not exist.

    Raises:
        ConfigError: One of them names no image or video, or a file that labelforge wrote to the output folder.
    """
    own = OwnFiles(Path(out))
    found: dict[Path, InputFile] = {}
    for item in items:
        path = Path(item)
        if path.exists() and not path.is_dir():
            if own.of_this_output(path):
                raise ConfigError("is output of labelforge", where=path, cure="Name another folder with --out.")
            found.setdefault(path.resolve(), InputFile(path))
            continue
        base, every = (path, _images_in(path)) if path.is_dir() else (_fixed_part(path), _matches(item))
        inputs = [file for file in every if file not in own]
        if not inputs:
            raise _nothing(path, skipped=len(every))
        for file in inputs:
            folder = file.parent.relative_to(base).as_posix()
            found.setdefault(file.resolve(), InputFile(file, "" if folder == "." else folder))
    return list(found.values())


def _images_in(folder: Path) -> list[Path]:
    suffixes = IMAGE_SUFFIXES | VIDEO_SUFFIXES
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())


def _matches(pattern: str | os.PathLike[str]) -> list[Path]:
    return sorted(Path(path) for path in glob.glob(os.fspath(pattern), recursive=True) if Path(path).is_file())  # noqa: PTH207


def _fixed_part(pattern: Path) -> Path:
    """The folders of a pattern before the first one with a wildcard."""
    while glob.has_magic(os.fspath(pattern)):
        pattern = pattern.parent
    return pattern


def _nothing(path: Path, skipped: int) -> ConfigError:
    if skipped:
        return ConfigError("holds only what labelforge wrote", where=path, cure="Name the folder of the images.")
    kinds = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
    what = "holds no image or video" if path.is_dir() else "no such file"
    return ConfigError(what, where=path, cure=f"Give files, folders with {kinds} files, or a pattern.")
