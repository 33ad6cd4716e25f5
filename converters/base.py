"""The base of dataset converters: a converter lists the samples of a split and gives the native labels of each.

A converter knows one dataset's layout on disk and nothing else. It never resizes, encodes or writes: the pipeline reads
the image, chooses the output size, has the labels drawn at that size and writes the shard. So a new dataset is one
small file with one subclass of `Converter`, whose docstring has an example.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from labelforge.converters.files import check_root, is_root, read_file
from labelforge.converters.labels.contract import NativeLabels
from labelforge.converters.pictures.images import Turning
from labelforge.errors import ConfigError, DatasetError, did_you_mean
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

DEFAULT_TREE: Final = "iv2018"
"""The tree of the paper."""


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
        annotations: What the converter draws the labels from, where one file has those of many samples: JSON, or other
            text that it can read. It goes with the sample to whatever process converts it, and is not stored.
    """

    key: str
    image: str
    labels: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    annotations: str | None = field(default=None, repr=False)


class Converter(ABC):
    """One dataset's layout on disk.

    A converter is pickled to worker processes: keep only plain and little data in it. What a shared file says of a
    sample belongs into `Source.annotations`. Keyword-only arguments of ``__init__`` are its options.

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
    splits: tuple[str, ...]
    """The dataset's own split names. A class attribute, or set in ``__init__`` by a dataset that names its own."""
    layout: ClassVar[str] = ""
    """Where the files are below the root, a line a kind of file, for people."""
    home: ClassVar[str] = ""
    """Address of the dataset's home page, where it is to be had."""
    markers: ClassVar[tuple[str, ...]] = ()
    """Folders and files by which a root is known: glob patterns relative to it, all of which must be there. "a or b":
    one of the two. None: every folder is taken for a root, and none is recognised."""
    option_help: ClassVar[Mapping[str, str]] = {}
    """What each option may be, in a few words, for ``convert --help``."""
    label_space: str
    """Name of the label space (``taxonomies/label_spaces/<name>.yaml``) that the ids belong to. A class attribute, or
    set in ``__init__`` by a dataset that has several releases."""
    exif: Turning = "stored"
    """What labels were made for where EXIF asks to turn an image and they would fit both ways: the picture as it is
    ``stored`` (label maps), or ``turned`` as viewers and most annotation tools show it."""
    shapes: Mapping[int, str]
    """Native id -> the shape that its boxes are filled with, one of `labelforge.converters.labels.boxes.SHAPES`;
    rectangles where there is none. Empty at first; before calling any method, the pipeline sets it to what the tree
    says."""

    follow_links: bool = False
    """Whether links in the root may lead out of it; the pipeline sets it. Only a converter that lists whole folders
    needs it: whatever files a sample has, the engine checks that they are in the root."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.shapes = {}
        if not self.root.is_dir():
            what = "is a file, not a folder" if self.root.exists() else "no such folder"
            raise DatasetError(what, where=self.root, cure=f"Give the folder that holds {self.title}.")
        check_root(self.root, self.markers, self.title)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a folder looks like a root of this dataset, for ``convert auto``."""
        return bool(cls.markers) and is_root(root, cls.markers)

    @property
    def options(self) -> dict[str, Any]:
        """JSON-able options of this converter that change what is written (recorded in the manifest)."""
        return {}

    def tree_name(self) -> str:
        """The shipped tree that it is converted for unless another is asked for.

        `DEFAULT_TREE` or, where that has no mapping for the label space, the first that has.
        """
        trees = LabelMapping.trees_with(self.label_space)
        return DEFAULT_TREE if DEFAULT_TREE in trees or not trees else trees[0]

    def space(self, tree: Taxonomy) -> LabelSpace:
        """The label space that the ids belong to; in a tree's folder, its own come first."""
        return LabelSpace.load(self.label_space, tree.folder)

    def mapping(self, tree: Taxonomy) -> LabelMapping:
        """What the labels mean in a tree.

        Raises:
            TaxonomyError: The tree has no mapping for the label space, or a wrong one.
        """
        return LabelMapping.load(tree, self.label_space)

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
        return read_file(self.root / source.image, "Make or unpack it again.")

    def cure_for_unknown(self, ids: Iterable[int]) -> str:
        """A sentence for an error about label values outside the table: what they may be and what to do."""
        return f"Check that the file is a label map of {self.label_space}."

    def missing(self, split: str) -> list[str]:
        """Keys of annotated samples of a split whose image is not on disk; they are left out and reported."""
        return []

    def notes(self, split: str) -> list[str]:
        """What else the user should know of a split as it is on disk, in sentences (boxes left out, and why)."""
        return []

    def sets(self, split: str) -> dict[int, frozenset[int]]:
        """Values drawn where labels overlap and the pixel may show any of them: value -> native ids.

        Each becomes a row of the label table. None of the values is a native id.
        """
        return {}

    def check_split(self, split: str) -> None:
        """Raise a `DatasetError` unless the dataset has a split of this name."""
        if split not in self.splits:
            cure = did_you_mean(split, self.splits)
            raise DatasetError(f"has no split {split!r}", where=self.root, cure=cure)


def check_choice(what: str, choice: str, known: Collection[str]) -> None:
    """Raise a `ConfigError` unless an option has one of its known values."""
    if choice not in known:
        raise ConfigError(f"{what} cannot be {choice!r}", cure=did_you_mean(choice, known))
