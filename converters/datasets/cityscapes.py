"""Cityscapes: street scenes of 50 cities, 34 label ids per pixel (Cordts et al., CVPR 2016).

    ROOT/leftImg8bit/<split>/<city>/<city>_000000_000019_leftImg8bit.png
    ROOT/gtFine/<split>/<city>/<city>_000000_000019_gtFine_labelIds.png
    ROOT/gtFine/<split>/<city>/<city>_000000_000019_gtFine_polygons.json
    ROOT/gtCoarse/...  the same with gtCoarse; it also has the split train_extra

The label files hold label ids (0-33), not train ids. License plates have id -1, which no picture can hold: the files
show what is behind them. The test split's labels are published as void everywhere and converted as such. Where there
are only polygons, they are painted as the dataset's own tool does (`labelforge.converters.datasets.outlines`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

from labelforge.converters.base import Converter, Source, check_choice
from labelforge.converters.datasets.outlines import OutlineReader
from labelforge.converters.files import list_files
from labelforge.converters.labels.contract import NativeLabels
from labelforge.converters.labels.pixels import PixelLabels
from labelforge.converters.pictures.label_maps import read_label_map
from labelforge.label_space import LabelSpace

Annotations = Literal["gtFine", "gtCoarse"]
Labels = Literal["ids", "polygons"]

_IMAGE_ENDS: Final = ("_leftImg8bit.png", "_leftImg8bit.jpg")
_ENDS: Final[Mapping[str, str]] = {"ids": "labelIds.png", "polygons": "polygons.json"}
_LARGEST_TRAIN_ID: Final = 18


class Cityscapes(Converter):
    """The fine or the coarse annotations of Cityscapes.

    Args:
        root: Folder that holds ``leftImg8bit`` and the annotations.
        annotations: ``gtFine`` or ``gtCoarse``.
        labels: The label maps (``ids``), or the ``polygons`` that these were made from; default: the label maps, of a
            split that has none the polygons.

    Raises:
        ConfigError: An option has no such value.
        DatasetError: The folder does not hold them.
    """

    name = "cityscapes"
    title = "Cityscapes"
    splits = ("train", "val", "test", "train_extra")
    label_space = "cityscapes"
    markers = ("leftImg8bit", "gtFine or gtCoarse")
    home = "https://www.cityscapes-dataset.com"
    layout = """\
leftImg8bit/<split>/<city>/<frame>_leftImg8bit.png
gtFine/<split>/<city>/<frame>_gtFine_labelIds.png (or _gtFine_polygons.json; also gtCoarse)"""
    option_help: ClassVar[Mapping[str, str]] = {
        "annotations": "gtFine (the default) or gtCoarse",
        "labels": "ids or polygons (default: ids, where there are any)",
    }

    def __init__(
        self, root: str | os.PathLike[str], *, annotations: Annotations = "gtFine", labels: Labels | None = None
    ) -> None:
        super().__init__(root)
        check_choice("annotations", annotations, get_args(Annotations))
        if labels is not None:
            check_choice("labels", labels, get_args(Labels))
        self.annotations = annotations
        self.kind = labels
        self._outlines = OutlineReader(LabelSpace.load(self.label_space))

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """A folder with frames that are named by city, sequence and number (IDD's are only numbered)."""
        frames = root.glob("leftImg8bit/*/*/*_leftImg8bit.*")
        return super().recognises(root) and any(frame.name.count("_") == 3 for frame in frames)

    @property
    def options(self) -> dict[str, Any]:
        """Which annotations, and whether polygons were asked for."""
        return {"annotations": self.annotations, "labels": self.kind}

    def sources(self, split: str) -> list[Source]:
        """The frames of a split that are on disk, each with the name of its city."""
        self.check_split(split)
        images = list_files(
            self.root / "leftImg8bit" / split, _IMAGE_ENDS, what=f"images of the split {split}", recursive=True
        )
        end = self._end(split)
        found = []
        for path in images:
            key = path.name[: -len(_IMAGE_ENDS[0])]
            city = path.parent.name
            label = f"{self.annotations}/{split}/{city}/{key}{end}"
            found.append(Source(key, path.relative_to(self.root).as_posix(), label, {"city": city}))
        return sorted(found, key=lambda source: source.key)

    def _end(self, split: str) -> str:
        """What the names of a split's label files end in."""
        folder = self.root / self.annotations / split
        here = [kind for kind, end in _ENDS.items() if next(folder.rglob(f"*{end}"), None)]
        return f"_{self.annotations}_{_ENDS[self.kind or (here[0] if here else 'ids')]}"

    def labels(self, source: Source) -> NativeLabels:
        """The label ids of a frame."""
        path = self.label_path(source)
        return self._outlines.read(path) if path.suffix == ".json" else PixelLabels(read_label_map(path))

    def missing(self, split: str) -> list[str]:
        """Names of the frames that have labels but no image."""
        here = {source.key for source in self.sources(split)}
        end = self._end(split)
        labels = (self.root / self.annotations / split).rglob(f"*{end}")
        return sorted({path.name.removesuffix(end) for path in labels} - here)

    def cure_for_unknown(self, ids: Iterable[int]) -> str:
        """Recognises the other label files of Cityscapes by their values."""
        unknown = set(ids)
        end = f"_{self.annotations}_{_ENDS['ids']}"
        if unknown == {255}:
            return f"It looks like a _labelTrainIds export (0-{_LARGEST_TRAIN_ID} and 255): give the *{end} files."
        if max(unknown) >= 1000:
            return f"It looks like an _instanceIds file (label id x 1000 + number): give the *{end} files."
        return f"Give the *{end} files as published."
