"""Datasets with a label map beside each image: what they share, so that each of them only says where its files are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from labelforge.converters.base import Converter, Source
from labelforge.converters.files import list_files
from labelforge.converters.labels.contract import NativeLabels
from labelforge.converters.labels.pixels import PixelLabels, Unannotated
from labelforge.converters.pictures.label_maps import read_label_map


@dataclass(frozen=True)
class Pairs:
    """Where the images and the label maps of a split are; paths are relative to the root.

    Attributes:
        images: Folder of the images.
        labels: Folder of the label maps; None if the split is published without.
        label_end: What the name of a label map ends in, after the name of the frame.
        nested: Both folders have subfolders, which are the same.
    """

    images: str
    labels: str | None
    label_end: str = ".png"
    nested: bool = False


class PairedConverter(Converter):
    """A dataset with a label map beside each image."""

    image_ends: ClassVar[tuple[str, ...]]
    """What the name of an image ends in, after the name of the frame."""

    @abstractmethod
    def pairs(self, split: str) -> Pairs:
        """Where the files of a split are."""

    def about(self, frame: str, folder: str) -> Mapping[str, Any]:
        """Facts for a sample's json member.

        Args:
            frame: The frame's name.
            folder: The subfolder that its image is in; "" if there is none.
        """
        return {}

    def sources(self, split: str) -> list[Source]:
        """The frames of a split that are on disk."""
        self.check_split(split)
        pairs = self.pairs(split)
        top = self.root / pairs.images
        images = list_files(top, self.image_ends, what=f"images of the split {split}", recursive=pairs.nested)
        found = []
        for path in images:
            folder = "" if path.parent == top else path.parent.relative_to(top).as_posix()
            frame = self._frame(path)
            label = f"{pairs.labels}/{folder}/{frame}{pairs.label_end}".replace("//", "/") if pairs.labels else None
            meta = self.about(frame, folder)
            found.append(Source(self.key(frame, folder), path.relative_to(self.root).as_posix(), label, meta))
        return sorted(found, key=lambda source: source.key)

    def key(self, frame: str, folder: str) -> str:
        """A sample's name; the frame's, unless frames of different folders have the same."""
        return frame

    def missing(self, split: str) -> list[str]:
        """Names of the frames that have a label map but no image."""
        pairs = self.pairs(split)
        if pairs.labels is None:
            return []
        here = {source.labels for source in self.sources(split)}
        folder = self.root / pairs.labels
        labels = folder.rglob(f"*{pairs.label_end}") if pairs.nested else folder.glob(f"*{pairs.label_end}")
        return sorted(
            path.name.removesuffix(pairs.label_end)
            for path in labels
            if path.relative_to(self.root).as_posix() not in here
        )

    def labels(self, source: Source) -> NativeLabels:
        """The label map of a frame; none where the split has none."""
        return Unannotated() if source.labels is None else PixelLabels(self.ids(self.label_path(source)))

    def ids(self, path: Path) -> Any:
        """The native ids of a label file, (H, W)."""
        return read_label_map(path)

    def _frame(self, path: Path) -> str:
        name = path.name
        return name[: -next(len(end) for end in self.image_ends if name.lower().endswith(end.lower()))]
