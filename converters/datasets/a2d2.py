"""A2D2, the Audi Autonomous Driving Dataset: 41,277 frames of six cameras, 38 labels (Geyer et al., arXiv 2004.06320).

    ROOT/class_list.json
    ROOT/<drive>/camera/cam_front_center/20180807145028_camera_frontcenter_000000091.png
    ROOT/<drive>/label/cam_front_center/20180807145028_label_frontcenter_000000091.png

ROOT is the folder ``camera_lidar_semantic``. Labels are colours; the list gives those of numbered instances ("Car 1" to
"Car 4") their own, which here are one label. There are no splits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from labelforge.converters.annotations.json_files import read_json, reading
from labelforge.converters.base import Converter, Source
from labelforge.converters.files import list_files
from labelforge.converters.labels.pixels import PixelLabels
from labelforge.converters.pictures.color_table import ColorTable
from labelforge.converters.pictures.label_maps import read_color_map
from labelforge.errors import DatasetError, did_you_mean
from labelforge.label_space import LabelSpace
from labelforge.palette import Color

LIST: Final = "class_list.json"


class A2d2(Converter):
    """The semantic segmentation part of A2D2."""

    name = "a2d2"
    title = "A2D2"
    splits = ("all",)
    label_space = "a2d2-38"
    markers = (LIST, "*/camera/cam_*")
    home = "https://www.a2d2.audi"
    layout = """\
class_list.json
<drive>/camera/<camera>/20180807145028_camera_frontcenter_000000091.png
<drive>/label/<camera>/20180807145028_label_frontcenter_000000091.png"""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        self._table = ColorTable(_classes(self.root / LIST, LabelSpace.load(self.label_space)))

    def sources(self, split: str) -> list[Source]:
        """The frames that are on disk, each with its drive and camera."""
        self.check_split(split)
        found = []
        for folder in sorted(self.root.glob("*/camera/cam_*")):
            drive, camera = folder.parent.parent.name, folder.name
            for path in list_files(folder, (".png",), what="images"):
                label = f"{drive}/label/{camera}/{path.name.replace('_camera_', '_label_')}"
                meta = {"drive": drive, "camera": camera}
                found.append(Source(path.stem, path.relative_to(self.root).as_posix(), label, meta))
        return sorted(found, key=lambda source: source.key)

    def missing(self, split: str) -> list[str]:
        """Names of the frames that have labels but no image."""
        here = {source.labels for source in self.sources(split)}
        labels = self.root.glob("*/label/cam_*/*.png")
        return sorted(path.stem for path in labels if path.relative_to(self.root).as_posix() not in here)

    def labels(self, source: Source) -> PixelLabels:
        """The labels of a frame, by their colours."""
        path = self.label_path(source)
        return PixelLabels(self._table.ids(read_color_map(path), path))


def _classes(path: Path, space: LabelSpace) -> Iterator[tuple[str, int, Color]]:
    """Name, native id and colour of every entry of the class list.

    Raises:
        DatasetError: The list is broken or names an unknown label.
    """
    content: Any = read_json(path)
    with reading(path, "the class list"):
        entries = [(str(name), bytes.fromhex(color.removeprefix("#"))) for color, name in content.items()]
    for name, color in entries:
        label = space.by_name.get(name) or space.by_name.get(re.sub(r" \d+$", "", name))
        if label is None or len(color) != 3:
            cure = f"{did_you_mean(name, space.names)} Use the dataset's own class list."
            raise DatasetError(f"has the label {name!r}, which {space.name} has not", where=path, cure=cure)
        yield label.name, label.id, (color[0], color[1], color[2])
