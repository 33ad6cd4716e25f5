"""What every dataset converter is: something that lists the samples of a split and yields each one's native labels.

A converter knows one dataset's layout on disk and nothing else. It never resizes, encodes or writes: the pipeline reads
the image, decides the output size, asks the labels to draw themselves at that size, looks the native ids up in the
label table and writes the shard. So a new dataset is one small file with one subclass of `Converter`:

    class Mine(Converter):
        name = "mine"
        title = "My dataset"
        splits = ("train", "val")
        label_space = "mine"                       # taxonomies/label_spaces/mine.yaml

        def sources(self, split): ...              # cheap: folder listings only, no image is opened
        def labels(self, source): ...              # a NativeLabels: PixelLabels(ids), boxes, or Unannotated()

A dataset of boxes takes a keyword option ``shapes``: native id -> name of the shape that the tree gives the label; the
pipeline fills it in. A converter is pickled to worker processes: keep only plain data in it, and do the parsing of
shared files (an annotation list) once, in ``__init__``.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import DatasetError, did_you_mean

__all__ = [
    "NO_ANNOTATION",
    "Converter",
    "NativeLabels",
    "PixelLabels",
    "Size",
    "Source",
    "Unannotated",
    "check_root",
    "list_files",
    "nearest",
]

NO_ANNOTATION: Final = -32768
"""Stands in a drawn label map for "nobody annotated this pixel". No dataset uses it as an id."""

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True, slots=True)
class Source:
    """One sample as it lies in the dataset.

    Attributes:
        key: The sample's own name within the split, unique, without suffix; may hold ``/`` and dots (the shard writer
            escapes them).
        image: Path of the image relative to the root, with forward slashes.
        labels: Path of the file that holds its labels relative to the root, or None where the split has none.
        meta: Further JSON-able facts for the sample's json member.
    """

    key: str
    image: str
    labels: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


class NativeLabels(Protocol):
    """The labels of one sample, able to draw themselves at any size."""

    @property
    def size(self) -> Size | None:
        """Image size that the labels were made for; None where they hold for whatever size the image has."""

    def draw(self, image_size: Size, output_size: Size) -> NDArray[np.integer[Any]]:
        """The label map at the output size.

        Args:
            image_size: (height, width) of the source image, in whose pixels boxes and polygons are given.
            output_size: (height, width) asked for.

        Returns:
            (H, W) = ``output_size`` integer array of native ids and `NO_ANNOTATION`. Ids outside the label table may
            be returned; the pipeline reports them.

        Raises:
            DatasetError: The labels do not fit the image (a box outside of it).
        """


@dataclass(frozen=True)
class PixelLabels:
    """A label map as stored by a dataset: one native id per pixel.

    Attributes:
        ids: (H, W) integer array.
    """

    ids: NDArray[np.integer[Any]]

    @property
    def size(self) -> Size:
        """(height, width) of the stored map."""
        return self.ids.shape[0], self.ids.shape[1]

    def draw(self, image_size: Size, output_size: Size) -> NDArray[np.integer[Any]]:
        """The map resampled by nearest neighbour (pixel centres aligned), untouched where the size is the same."""
        del image_size  # equal to ours: the pipeline has checked
        return nearest(self.ids, output_size)


@dataclass(frozen=True)
class Unannotated:
    """The labels of a sample that has none (a benchmark's test split)."""

    size: Size | None = None

    def draw(self, image_size: Size, output_size: Size) -> NDArray[np.integer[Any]]:
        """`NO_ANNOTATION` everywhere."""
        del image_size
        return np.full(output_size, NO_ANNOTATION, dtype=np.int16)


class Converter(ABC):
    """One dataset's layout on disk.

    Args:
        root: Folder of the dataset, as unpacked.

    Raises:
        DatasetError: The folder is missing or is not this dataset.
    """

    name: ClassVar[str]
    """The name on the command line."""
    title: ClassVar[str]
    """The name in reports."""
    splits: ClassVar[tuple[str, ...]]
    """The dataset's own split names."""
    label_space: str
    """Name of the label space (``taxonomies/label_spaces/<name>.yaml``) that the ids belong to. A class attribute, or
    set in ``__init__`` by a dataset that has several releases."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            what = "is a file, not a folder" if self.root.exists() else "no such folder"
            raise DatasetError(what, where=self.root, cure=f"Give the folder that {self.title} was unpacked into.")

    @property
    def options(self) -> dict[str, Any]:
        """JSON-able options of this converter that change what is written (recorded in the manifest)."""
        return {}

    @abstractmethod
    def sources(self, split: str) -> list[Source]:
        """The samples of a split, sorted by key, without opening an image.

        Raises:
            DatasetError: The split is unknown (see `check_split`), a folder or a label file is missing, or no sample
                is there.
        """

    @abstractmethod
    def labels(self, source: Source) -> NativeLabels:
        """The native labels of one sample.

        Raises:
            DatasetError: The label file is missing or broken.
        """

    def files(self, source: Source) -> list[Path]:
        """The files that a sample is made of, for finding missing and changed ones early."""
        return [self.root / name for name in (source.image, source.labels) if name is not None]

    def label_path(self, source: Source) -> Path:
        """The file that holds a sample's labels; the image where the split has none."""
        return self.root / (source.labels or source.image)

    def read_image(self, source: Source) -> bytes:
        """The image file's bytes.

        Raises:
            DatasetError: The file is missing or unreadable.
        """
        path = self.root / source.image
        try:
            return path.read_bytes()
        except OSError as error:
            raise DatasetError(
                f"cannot be read ({error.strerror})", where=path, cure="Unpack the dataset again."
            ) from error

    def cure_for_unknown(self, ids: Iterable[int]) -> str:
        """A sentence for an error about label values outside the table: what they look like and what to do."""
        del ids
        return f"Check that the file is a label map of {self.label_space}."

    def missing(self, split: str) -> list[str]:
        """Keys of annotated samples of a split whose image is not on disk: left out, but not silently."""
        del split
        return []

    def sets(self, split: str) -> dict[int, frozenset[int]]:
        """Values that this converter draws where labels overlap and any of them may be shown: value -> native ids.

        Each becomes a row of the label table (`labelforge.converters.engine.sets`). None of the values is a native id.
        """
        del split
        return {}

    def check_split(self, split: str) -> None:
        """Raise a `DatasetError` unless the dataset has a split of this name."""
        if split not in self.splits:
            raise DatasetError(
                f"{self.title} has no split {split!r}", where=self.root, cure=did_you_mean(split, self.splits)
            )


def check_root(root: Path, expected: Sequence[str], title: str) -> None:
    """Make sure that a folder is a dataset's root; if not, say where the root seems to be.

    Args:
        root: What the user gave.
        expected: Folders or files that a root holds, relative to it; glob patterns.
        title: The dataset's name, for the message.

    Raises:
        DatasetError: One of ``expected`` is missing. The cure names the folder above or below that holds all of them.
    """

    def complete(folder: Path) -> bool:
        return all(any(folder.glob(name)) for name in expected)

    if complete(root):
        return
    inside = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    below = [folder for folder in inside if folder.is_dir() and complete(folder)]
    above = [folder for folder in list(root.resolve().parents)[:3] if complete(folder)]
    found = ", ".join(entry.name + ("/" if entry.is_dir() else "") for entry in inside[:6])
    found += f" and {len(inside) - 6} more" if len(inside) > 6 else ""
    wanted = " and ".join(expected)
    nearby = [*below, *above]
    raise DatasetError(
        f"not the root of {title}: expected {wanted} in it, found {found or 'nothing'}",
        where=root,
        cure=f"Give {nearby[0]} instead." if nearby else f"Give the folder that holds {wanted}.",
    )


def list_files(folder: Path, suffixes: Sequence[str], *, what: str, recursive: bool = False) -> list[Path]:
    """The files of a folder that end in one of some suffixes, sorted by path, hidden ones left out.

    Args:
        folder: Where to look.
        suffixes: Accepted ends of the name, in any case (``_leftImg8bit.png``, ``.jpg``).
        what: The files in words, for the message ("images of the split train").
        recursive: Look into subfolders too.

    Raises:
        DatasetError: The folder is missing or holds none.
    """
    if not folder.is_dir():
        raise DatasetError(f"no such folder, but {what} should be in it", where=folder, cure="Unpack that part too.")
    entries = folder.rglob("*") if recursive else folder.iterdir()
    ends = tuple(suffix.lower() for suffix in suffixes)
    files = sorted(p for p in entries if p.name.lower().endswith(ends) and not p.name.startswith(".") and p.is_file())
    if not files:
        raise DatasetError(
            f"holds no {what} (looked for *{', *'.join(suffixes)})", where=folder, cure="Unpack that part again."
        )
    return files


def nearest(values: NDArray[Any], size: Size) -> NDArray[Any]:
    """Resample by nearest neighbour, pixel centres aligned: output pixel i takes input pixel floor((i + 0.5) * in/out).

    Args:
        values: (H, W) or (H, W, C) array of any dtype.
        size: (height, width) wanted.

    Returns:
        The array of that size; the input itself where it has it already.
    """
    height, width = values.shape[:2]
    if (height, width) == tuple(size):
        return values
    rows = (2 * np.arange(size[0]) + 1) * height // (2 * size[0])
    columns = (2 * np.arange(size[1]) + 1) * width // (2 * size[1])
    taken: NDArray[Any] = values[rows[:, None], columns[None, :]]
    return taken
