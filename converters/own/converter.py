"""The converter of data described by a ``dataset.yaml``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from labelforge.converters.base import Converter, Source
from labelforge.converters.color_table import ColorTable
from labelforge.converters.label_maps import read_color_map, read_label_map
from labelforge.converters.labels.contract import NO_ANNOTATION, NativeLabels
from labelforge.converters.labels.pixels import PixelLabels
from labelforge.converters.own.pairing import Pairs, find_pairs
from labelforge.errors import listed
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.own_dataset import OwnDataset
from labelforge.palette import Color
from labelforge.taxonomy import Taxonomy


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
        self._mapping = mapping
        self._colors = _color_table(self.own) if self.own.format == "rgb" else None
        self._pairs: dict[str, Pairs] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes get no lists of files."""
        return {**self.__dict__, "_pairs": {}}

    @property
    def options(self) -> dict[str, Any]:
        """What of the dataset.yaml decides how a label file is read."""
        classes = [[label.id, label.name, label.color] for label in self.own.space.labels]
        return {"kind": self.own.kind, "format": self.own.format, "void": self.own.void, "classes": classes}

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
        pairs = self._found(split)
        return [Source(key, image, pairs.labels[key]) for key, image in sorted(pairs.images.items())]

    def missing(self, split: str) -> list[str]:
        """Keys of labels without an image."""
        return list(self._found(split).missing)

    def notes(self, split: str) -> list[str]:
        """What could not be paired."""
        return list(self._found(split).notes)

    def labels(self, source: Source) -> NativeLabels:
        """The labels of one image."""
        return self._mask(self.label_path(source))

    def cure_for_unknown(self, ids: Iterable[int]) -> str:
        """The values to add to the dataset.yaml."""
        return f"Add {listed(ids, 4)} to 'classes' in {self.own.path.name}, or write it as 'void' if it means no label."

    def _found(self, split: str) -> Pairs:
        if split not in self._pairs:
            self._pairs[split] = find_pairs(self.own, self.root, split)
        return self._pairs[split]

    def _mask(self, path: Path) -> PixelLabels:
        if self._colors is not None:
            return PixelLabels(self._colors.ids(read_color_map(path), path))
        ids = read_label_map(path)
        if self.own.void is None:
            return PixelLabels(ids)
        wide = ids.astype(np.int16 if ids.dtype.itemsize == 1 else np.int32)
        return PixelLabels(np.where(ids == self.own.void, wide.dtype.type(NO_ANNOTATION), wide))


def _color_table(own: OwnDataset) -> ColorTable:
    entries = [(label.name, label.id, cast(Color, label.color)) for label in own.space.labels]
    if own.void is not None:
        entries.append(("not labelled", NO_ANNOTATION, cast(Color, own.void)))
    return ColorTable(entries)
