"""The converter of data described by a ``dataset.yaml``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.base import Converter, Source
from labelforge.converters.labels.contract import NO_ANNOTATION, NativeLabels
from labelforge.converters.labels.labeled_boxes import set_values
from labelforge.converters.labels.pixels import PixelLabels
from labelforge.converters.own.formats import OF_ONE, PER_IMAGE, Marks, reader_of
from labelforge.converters.own.marks import BoxMarks, Classes, LeftOut
from labelforge.converters.own.pairing import find_pairs
from labelforge.converters.own.panoptic import picture_sources
from labelforge.converters.own.shared import find_entries
from labelforge.converters.pictures.color_table import ColorTable
from labelforge.converters.pictures.label_maps import read_color_map, read_label_map
from labelforge.dataset_file import SHARED
from labelforge.errors import DatasetError, counted, listed
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.own_dataset import OwnDataset
from labelforge.palette import Color
from labelforge.taxonomy import Taxonomy
from labelforge.void_values import UNLISTED

_LOOKED_AT: Final = 2000
"""Label files that are read once more, after a conversion, to count what was left out."""
_PICTURES: Final = 200
"""The same of pictures of segments, which take longer."""


class OwnData(Converter):
    """Your own data.

    Args:
        path: The ``dataset.yaml``.
        root: The folder that its paths are relative to; default: its own.
        mapping: File that says what the classes mean in a tree; default: as `OwnDataset.mapping_file` finds it.

    Raises:
        DatasetError: The root is missing.
        TaxonomyError: The file is wrong.
    """

    name: ClassVar[str] = "own"
    title = "Your own data"

    def __init__(
        self,
        path: str | os.PathLike[str],
        root: str | os.PathLike[str] | None = None,
        *,
        mapping: str | os.PathLike[str] | None = None,
    ) -> None:
        self.own = OwnDataset.load(path)
        super().__init__(self.own.folder if root is None else root)
        self.title = self.own.title  # type: ignore[misc]  # of each dataset its own
        self.label_space = self.own.name
        self.splits = tuple(self.own.splits)
        self.exif = self.own.exif
        self._mapping = mapping
        self._colors = _color_table(self.own) if self.own.format == "rgb" else None
        self._classes = Classes(self.own.space, self.own.path.name, self.own.crowds)
        self._sets: dict[frozenset[int], int] = {}
        self._sources: dict[str, _Split] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes get no lists of files."""
        return {**self.__dict__, "_sources": {}}

    @property
    def options(self) -> dict[str, Any]:
        """What of the dataset.yaml decides how a label file is read."""
        own = self.own
        classes = [[label.id, label.name, label.color] for label in own.space.labels]
        found: dict[str, Any] = {"kind": own.kind, "format": own.format, "classes": classes, "exif": own.exif}
        found |= own.csv.facts
        if own.attribute is not None:
            found["attribute"] = own.attribute
        if _is_map(own):
            return found | {"void": [*own.void.values, *([UNLISTED] if own.void.unlisted else [])]}
        if own.crowds != "ignore":
            found["crowds"] = own.crowds
        if own.kind == "boxes":
            return found | {"overlaps": own.overlaps, "shapes": {str(k): self.shapes[k] for k in sorted(self.shapes)}}
        return found

    def tree_name(self) -> str:
        """The shipped tree that the mapping is for; raises what `OwnDataset.tree_name` raises."""
        return self.own.tree_name(self._mapping)

    def space(self, tree: Taxonomy) -> LabelSpace:
        """The classes of the dataset.yaml."""
        return self.own.space

    def mapping(self, tree: Taxonomy) -> LabelMapping:
        """What the classes mean in a tree, by the mapping beside the dataset.yaml."""
        return self.own.mapping(tree, self._mapping)

    def sources(self, split: str) -> list[Source]:
        """The images of a split that have labels."""
        self.check_split(split)
        return list(self._found(split).sources)

    def missing(self, split: str) -> list[str]:
        """Keys of labels without an image, or what a file of many images calls it."""
        return list(self._found(split).missing)

    def notes(self, split: str) -> list[str]:
        """What could not be paired, and what label files have that cannot be drawn."""
        found = self._found(split)
        return [*found.notes, *self._left_out(found.sources)]

    def labels(self, source: Source) -> NativeLabels:
        """The labels of one image."""
        if _is_map(self.own):
            return self._mask(self.label_path(source))
        marks = self._marks(source)
        if isinstance(marks, BoxMarks):
            return marks.labels(self.shapes, self.own.overlaps, self._sets)
        return marks.labels

    def sets(self, split: str) -> dict[int, frozenset[int]]:
        """Of boxes with ``overlaps: set``, the sets of classes whose boxes overlap, by their values."""
        if self.own.kind != "boxes" or self.own.overlaps != "set":
            return {}
        boxes = []
        for source in self._found(split).sources:
            with suppress(DatasetError):  # a broken sample is an error, or skipped, when it is converted
                marks = self._marks(source)
                boxes.append(marks.boxes if isinstance(marks, BoxMarks) else ())
        self._sets = set_values(boxes)
        return {value: members for members, value in self._sets.items()}

    def cure_for_unknown(self, ids: Iterable[int]) -> str:
        """The values to add to the dataset.yaml."""
        return f"Add {listed(ids, 4)} to 'classes' in {self.own.path.name}, or write it as 'void' if it means no label."

    def _found(self, split: str) -> _Split:
        if split not in self._sources:
            self._sources[split] = self._find(split)
        return self._sources[split]

    def _find(self, split: str) -> _Split:
        pairs = find_pairs(self.own, self.root, split, follow_links=self.follow_links)
        if self.own.format not in SHARED:
            sources = [Source(key, image, pairs.labels[key]) for key, image in sorted(pairs.images.items())]
            return _Split(sources, pairs.missing, pairs.notes)
        found = find_entries(self.root, pairs, reader_of(self.own), self._classes)
        notes = [*pairs.notes, *found.notes]
        if self.own.format == "panoptic":
            sources, more = picture_sources(self.root, found, pairs.images, pairs.pictures)
            return _Split(sources, found.missing, (*notes, *more))
        sources = [
            Source(key, pairs.images[key], found.files[key], annotations=found.texts[key])
            for key in sorted(found.texts)
        ]
        return _Split(sources, found.missing, tuple(notes))

    def _marks(self, source: Source) -> Marks:
        place = self.label_path(source)
        if source.annotations is None:
            return PER_IMAGE[self.own.kind, self.own.format](place, self._classes)
        return OF_ONE[self.own.kind, self.own.format](source.annotations, place, self._classes)

    def _left_out(self, sources: Sequence[Source]) -> list[str]:
        """What of label files is not labelled, counted over some of them, evenly spread."""
        if _is_map(self.own):
            return []
        number = _PICTURES if self.own.format == "panoptic" else _LOOKED_AT
        some = sources[:: max(1, -(-len(sources) // number))]
        found = LeftOut()
        for source in some:
            with suppress(DatasetError):  # a broken sample that was skipped
                found.add(self._marks(source).left_out)
        return found.sentences("" if len(some) == len(sources) else f" (of {counted(len(some), 'image')} looked at)")

    def _mask(self, path: Path) -> PixelLabels:
        if self._colors is not None:
            return PixelLabels(self._of_colors(self._colors, path))
        ids, void = read_label_map(path), self.own.void
        if not void:
            return PixelLabels(ids)
        bare = np.isin(ids, self.own.space.ids, invert=True) if void.unlisted else np.isin(ids, void.values)
        wide = ids.astype(np.int16 if ids.dtype.itemsize == 1 else np.int32)
        return PixelLabels(np.where(bare, wide.dtype.type(NO_ANNOTATION), wide))

    def _of_colors(self, table: ColorTable, path: Path) -> NDArray[np.int32]:
        colors = read_color_map(path)
        try:
            return table.ids(colors, path)
        except DatasetError as error:
            error.advise(f"Or write 'void: {UNLISTED}' in {self.own.path.name}: such pixels are not labelled then.")
            raise


@dataclass(frozen=True)
class _Split:
    """What is on disk of a split."""

    sources: Sequence[Source]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def _is_map(own: OwnDataset) -> bool:
    """Whether a label file is a picture whose values or colours are labels."""
    return own.kind == "masks" and own.format != "panoptic"


def _color_table(own: OwnDataset) -> ColorTable:
    entries = [(label.name, label.id, cast(Color, label.color)) for label in own.space.labels]
    entries += [("not labelled", NO_ANNOTATION, cast(Color, color)) for color in own.void.values]
    return ColorTable(entries, others=NO_ANNOTATION if own.void.unlisted else None)
