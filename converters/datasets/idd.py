"""IDD, the India Driving Dataset: unstructured traffic, 40 labels (Varma et al., WACV 2019).

    ROOT/leftImg8bit/<split>/<drive>/<frame>_leftImg8bit.png (part 2: .jpg)
    ROOT/gtFine/<split>/<drive>/<frame>_gtFine_polygons.json
    ROOT/gtFine/<split>/<drive>/<frame>_gtFine_labelids.png     if made by the dataset's own tool, with --id-type id

It is published as polygons, which are painted as that tool does (`labelforge.converters.datasets.outlines`). The maps
that the tool makes by default, ``_labellevel3Ids.png``, merge labels, and are not read. Frames of different drives have
the same names. The test split is published without labels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

from labelforge.converters.base import Source, check_choice
from labelforge.converters.datasets.outlines import OutlineReader
from labelforge.converters.datasets.paired import PairedConverter, Pairs
from labelforge.converters.labels.contract import NativeLabels
from labelforge.label_space import LabelSpace

Labels = Literal["ids", "polygons"]

_ENDS: Final[Mapping[str, str]] = {"ids": "_gtFine_labelids.png", "polygons": "_gtFine_polygons.json"}


class Idd(PairedConverter):
    """IDD's fine annotations.

    Args:
        root: Folder that holds ``leftImg8bit`` and ``gtFine``.
        labels: The ``polygons``, or the label maps with all ids (``ids``); default: the label maps, of a split that has
            none the polygons.

    Raises:
        ConfigError: ``labels`` is neither.
        DatasetError: The folder does not hold them.
    """

    name = "idd"
    title = "IDD"
    splits = ("train", "val", "test")
    label_space = "idd"
    markers = ("leftImg8bit", "gtFine")
    home = "https://idd.insaan.iiit.ac.in"
    layout = """\
leftImg8bit/<split>/<drive>/<frame>_leftImg8bit.png (or .jpg)
gtFine/<split>/<drive>/<frame>_gtFine_polygons.json (or _gtFine_labelids.png)"""
    option_help: ClassVar[Mapping[str, str]] = {"labels": "polygons or ids (default: ids, where there are any)"}
    image_ends = ("_leftImg8bit.png", "_leftImg8bit.jpg")

    def __init__(self, root: str | os.PathLike[str], *, labels: Labels | None = None) -> None:
        super().__init__(root)
        if labels is not None:
            check_choice("labels", labels, get_args(Labels))
        self.kind = labels
        self._outlines = OutlineReader(LabelSpace.load(self.label_space))

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """A folder like that of Cityscapes, with frames that are only numbered."""
        frames = root.glob("leftImg8bit/*/*/*_leftImg8bit.*")
        return super().recognises(root) and any(frame.name.count("_") == 1 for frame in frames)

    @property
    def options(self) -> dict[str, Any]:
        """Whether polygons were asked for."""
        return {"labels": self.kind}

    def pairs(self, split: str) -> Pairs:
        """The folders of a split."""
        folder = self.root / "gtFine" / split
        here = [kind for kind, end in _ENDS.items() if next(folder.rglob(f"*{end}"), None)]
        kind = self.kind or (here[0] if here else "polygons")
        labels = None if split == "test" and not here else f"gtFine/{split}"
        return Pairs(f"leftImg8bit/{split}", labels, _ENDS[kind], nested=True)

    def key(self, frame: str, folder: str) -> str:
        """Drive and frame."""
        return f"{folder}/{frame}"

    def about(self, frame: str, folder: str) -> dict[str, str]:
        """The drive that a frame is of."""
        return {"drive": folder}

    def labels(self, source: Source) -> NativeLabels:
        """The labels of a frame, from its polygons or its label map."""
        path = self.label_path(source)
        return self._outlines.read(path) if path.suffix == ".json" else super().labels(source)
