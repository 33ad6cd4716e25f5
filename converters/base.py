"""The base of dataset converters: a converter lists the samples of a split and gives the native labels of each.

A converter knows one dataset's layout on disk and nothing else. It never resizes, encodes or writes: the pipeline reads
the image, chooses the output size, has the labels drawn at that size and writes the shard. So a new dataset is one
small file with one subclass of `Converter`, whose docstring has an example.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import ConfigError, DatasetError, did_you_mean, listed

NO_ANNOTATION: Final = -32768
"""Means "this pixel is not annotated" in a drawn label map. No dataset uses it as an id."""

Size = tuple[int, int]
"""(height, width) in pixels."""

Ids = NDArray[np.integer[Any]]
"""Native ids, or rows of the label table, of any integer dtype."""

RowLookup = Callable[[Ids], Ids]
"""Native ids and `NO_ANNOTATION` -> rows of the label table (not writable); raises a `DatasetError` for unknown ids."""


@dataclass(frozen=True, slots=True)
class Source:
    """One sample as stored in the dataset.

        >>> from labelforge.converters import Source
        >>> Source("one", "photos/one.png", "labels/one.png", meta={"camera": "left"}).key
        'one'

    Attributes:
        key: The sample's own name within the split, unique, without suffix; may hold ``/`` and dots (the shard writer
            escapes them).
        image: Path of the image relative to the root, with forward slashes.
        labels: Path of the file with its labels, relative to the root, or None if the split has none.
        meta: More JSON-able facts for the sample's json member.
    """

    key: str
    image: str
    labels: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


class NativeLabels(Protocol):
    """The labels of one sample, able to draw themselves at any size: `PixelLabels`, `Unannotated`, boxes, your own.

    >>> import numpy as np
    >>> from labelforge.converters import NativeLabels, PixelLabels
    >>> labels: NativeLabels = PixelLabels(np.array([[7, 7], [23, 23]]))
    >>> labels.size
    (2, 2)
    """

    @property
    def size(self) -> Size | None:
        """Image size that the labels were made for; None if they fit any image size."""

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """The label map at the output size.

        Args:
            image_size: (height, width) of the source image; boxes and polygons are in its pixels.
            output_size: (height, width) wanted.
            rows_of: Looks ids up in the label table. Ids that are stored per pixel are looked up before the map is
                scaled down, so that a wrong one is found at any scale.

        Returns:
            (H, W) = ``output_size`` rows of the label table, as ``rows_of`` gives them.

        Raises:
            DatasetError: The labels do not fit the image (a box outside of it) or the label table.
        """


@dataclass(frozen=True)
class PixelLabels:
    """A label map as stored by a dataset: one native id per pixel.

        >>> import numpy as np
        >>> from labelforge.converters import PixelLabels
        >>> labels = PixelLabels(np.array([[7, 7], [23, 23]]))
        >>> labels.draw((2, 2), (1, 1), rows_of=lambda ids: ids)
        array([[23]])

    Attributes:
        ids: (H, W) integer array.
    """

    ids: Ids

    @property
    def size(self) -> Size:
        """(height, width) of the stored map."""
        return self.ids.shape[0], self.ids.shape[1]

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """The map resampled by nearest neighbour (pixel centres aligned), unchanged if the size is the same."""
        return nearest(rows_of(self.ids), output_size)


@dataclass(frozen=True)
class Unannotated:
    """The labels of a sample that has none (a benchmark's test split).

    >>> from labelforge.converters import NO_ANNOTATION, Unannotated
    >>> (Unannotated().draw((2, 2), (1, 1), rows_of=lambda ids: ids) == NO_ANNOTATION).all()
    np.True_
    """

    size: Size | None = None

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """`NO_ANNOTATION` everywhere."""
        return rows_of(np.full(output_size, NO_ANNOTATION, dtype=np.int16))


class Converter(ABC):
    """One dataset's layout on disk.

    A converter is pickled to worker processes: keep only plain data in it, and read shared files (a list of boxes)
    once, in ``__init__``. Keyword-only arguments of ``__init__`` are its options.

    Args:
        root: Folder of the dataset, as unpacked.

    Raises:
        DatasetError: The folder is missing or is not this dataset.

    Example:
        A dataset of photos, and label maps of the same names that hold the ids of Cityscapes:

        >>> from labelforge.converters import Converter, PixelLabels, Source, list_files, read_label_map
        >>> class Photos(Converter):
        ...     name = "photos"
        ...     title = "My photos"
        ...     splits = ("all",)
        ...     label_space = "cityscapes"
        ...
        ...     def sources(self, split):
        ...         files = list_files(self.root / "photos", [".png"], what="photos")
        ...         return [Source(file.stem, f"photos/{file.name}", f"labels/{file.name}") for file in files]
        ...
        ...     def labels(self, source):
        ...         return PixelLabels(read_label_map(self.label_path(source)))
        >>> [source.key for source in Photos("data/mine").sources("all")]
        ['one', 'two']
    """

    name: ClassVar[str]
    """The name on the command line."""
    title: ClassVar[str]
    """The name in reports."""
    splits: ClassVar[tuple[str, ...]]
    """The dataset's own split names."""
    option_help: ClassVar[Mapping[str, str]] = {}
    """What each option may be, in a few words, for ``convert --help``."""
    label_space: str
    """Name of the label space (``taxonomies/label_spaces/<name>.yaml``) that the ids belong to. A class attribute, or
    set in ``__init__`` by a dataset that has several releases."""
    shapes: Mapping[int, str]
    """Native id -> the shape that its boxes are filled with (`labelforge.converters.boxes.SHAPES`), rectangles where
    there is none. Empty at first; before calling any method, the pipeline sets it to what the tree says."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.shapes = {}
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
            DatasetError: The split is unknown, a folder or a label file is missing, or there is no sample.
        """

    @abstractmethod
    def labels(self, source: Source) -> NativeLabels:
        """The native labels of one sample.

        Raises:
            DatasetError: The label file is missing or broken.
        """

    def files(self, source: Source) -> list[Path]:
        """The files that make up a sample, so that missing and changed ones are found early."""
        return [self.root / name for name in (source.image, source.labels) if name is not None]

    def label_path(self, source: Source) -> Path:
        """The file with a sample's labels; the image if the split has none."""
        return self.root / (source.labels or source.image)

    def read_image(self, source: Source) -> bytes:
        """The image file's bytes.

        Raises:
            DatasetError: The file is missing or cannot be read.
        """
        return read_file(self.root / source.image, "Unpack the dataset again.")

    def cure_for_unknown(self, ids: Iterable[int]) -> str:
        """A sentence for an error about label values outside the table: what they may be and what to do."""
        return f"Check that the file is a label map of {self.label_space}."

    def missing(self, split: str) -> list[str]:
        """Keys of annotated samples of a split whose image is not on disk; they are left out and reported."""
        return []

    def sets(self, split: str) -> dict[int, frozenset[int]]:
        """Values drawn where labels overlap and the pixel may show any of them: value -> native ids.

        Each becomes a row of the label table. None of the values is a native id.
        """
        return {}

    def check_split(self, split: str) -> None:
        """Raise a `DatasetError` unless the dataset has a split of this name."""
        if split not in self.splits:
            raise DatasetError(
                f"{self.title} has no split {split!r}", where=self.root, cure=did_you_mean(split, self.splits)
            )


def check_choice(what: str, choice: str, known: Collection[str]) -> None:
    """Raise a `ConfigError` unless an option has one of its known values."""
    if choice not in known:
        raise ConfigError(f"{what} cannot be {choice!r}", cure=did_you_mean(choice, known))


def read_file(path: Path, cure: str) -> bytes:
    """The content of a file of a dataset.

    Raises:
        DatasetError: The file is missing or cannot be read; ``cure`` says what to do.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        what = "this file is missing" if missing else f"cannot be read ({error.strerror})"
        raise DatasetError(what, where=path, cure=cure) from error


def check_root(root: Path, expected: Sequence[str], title: str) -> None:
    """Check that a folder is a dataset's root; if not, say where the root seems to be.

        >>> from pathlib import Path
        >>> from labelforge.converters import check_root
        >>> check_root(Path("data/cityscapes"), ["leftImg8bit", "gtFine"], "Cityscapes")

    Args:
        root: What the user gave.
        expected: Folders or files that a root holds, relative to it; glob patterns. "a or b": one of the two.
        title: The dataset's name, for the message.

    Raises:
        DatasetError: One of ``expected`` is missing. The cure names the folder above or below that holds all of them.
    """

    def complete(folder: Path) -> bool:
        return all(any(any(folder.glob(name)) for name in names.split(" or ")) for names in expected)

    if complete(root):
        return
    inside = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    below = [folder for folder in inside if folder.is_dir() and complete(folder)]
    above = [folder for folder in list(root.resolve().parents)[:3] if complete(folder)]
    found = listed(entry.name + ("/" if entry.is_dir() else "") for entry in inside)
    wanted = " and ".join(expected)
    nearby = [*below, *above]
    raise DatasetError(
        f"not the root of {title}: expected {wanted} in it, found {found or 'nothing'}",
        where=root,
        cure=f"Give {nearby[0]} instead." if nearby else f"Give the folder that holds {wanted}.",
    )


def list_files(folder: Path, suffixes: Sequence[str], *, what: str, recursive: bool = False) -> list[Path]:
    """The files of a folder that end in one of some suffixes, sorted by path, hidden ones left out.

        >>> from pathlib import Path
        >>> from labelforge.converters import list_files
        >>> [file.name for file in list_files(Path("data/mine/photos"), [".png"], what="photos")]
        ['one.png', 'two.png']

    Args:
        folder: Where to look.
        suffixes: Accepted ends of the name, in any case (``_leftImg8bit.png``, ``.jpg``).
        what: What the files are, for the message ("images of the split train").
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
        The array of that size; the input itself if it already has it.
    """
    height, width = values.shape[:2]
    if (height, width) == tuple(size):
        return values
    rows = (2 * np.arange(size[0]) + 1) * height // (2 * size[0])
    columns = (2 * np.arange(size[1]) + 1) * width // (2 * size[1])
    taken: NDArray[Any] = values[rows[:, None], columns[None, :]]
    return taken
