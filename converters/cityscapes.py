"""Cityscapes: street scenes of 50 cities, 34 label ids per pixel (Cordts et al., CVPR 2016).

    ROOT/leftImg8bit/<split>/<city>/<city>_000000_000019_leftImg8bit.png
    ROOT/gtFine/<split>/<city>/<city>_000000_000019_gtFine_labelIds.png

The label files hold label ids (0-33), not train ids. License plates have id -1, which no picture can hold: the files
show what is behind them. The test split's labels are published as void everywhere and converted as such.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from labelforge.converters.base import Converter, PixelLabels, Source, check_root, list_files
from labelforge.converters.images import read_label_map

_IMAGE_ENDS = ("_leftImg8bit.png", "_leftImg8bit.jpg")
_LABEL_END = "_gtFine_labelIds.png"
_LARGEST_TRAIN_ID = 18


class Cityscapes(Converter):
    """The fine annotations of Cityscapes.

    Args:
        root: Folder that holds ``leftImg8bit`` and ``gtFine``.

    Raises:
        DatasetError: The folder does not hold them.
    """

    name = "cityscapes"
    title = "Cityscapes"
    splits = ("train", "val", "test")
    label_space = "cityscapes"

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        check_root(self.root, ["leftImg8bit", "gtFine"], self.title)

    def sources(self, split: str) -> list[Source]:
        """The frames of a split that are on disk, each with the name of its city."""
        self.check_split(split)
        images = list_files(
            self.root / "leftImg8bit" / split, _IMAGE_ENDS, what=f"images of the split {split}", recursive=True
        )
        found = []
        for path in images:
            key = path.name[: -len(_IMAGE_ENDS[0])]
            city = path.parent.name
            label = f"gtFine/{split}/{city}/{key}{_LABEL_END}"
            found.append(Source(key, path.relative_to(self.root).as_posix(), label, {"city": city}))
        return sorted(found, key=lambda source: source.key)

    def labels(self, source: Source) -> PixelLabels:
        """The label ids of a frame."""
        return PixelLabels(read_label_map(self.label_path(source)))

    def missing(self, split: str) -> list[str]:
        """Names of the frames that have labels but no image."""
        here = {source.key for source in self.sources(split)}
        labels = (self.root / "gtFine" / split).rglob(f"*{_LABEL_END}")
        return sorted({path.name.removesuffix(_LABEL_END) for path in labels} - here)

    def cure_for_unknown(self, ids: Iterable[int]) -> str:
        """Recognises the other label files of Cityscapes by their values."""
        unknown = set(ids)
        if unknown == {255}:
            return (
                f"It looks like a _labelTrainIds export (0-{_LARGEST_TRAIN_ID} and 255): give the *{_LABEL_END} files."
            )
        if max(unknown) >= 1000:
            return f"It looks like an _instanceIds file (label id x 1000 + number): give the *{_LABEL_END} files."
        return f"Give the *{_LABEL_END} files as published."
