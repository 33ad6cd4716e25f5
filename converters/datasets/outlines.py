"""The polygon files of Cityscapes and IDD: which pixels they mean, as the datasets' own tools say.

    {"imgHeight": 1024, "imgWidth": 2048, "objects": [{"label": "road", "polygon": [[0, 769], ...]}, ...]}

Objects are painted in the order of the list. An object marked as deleted is not drawn, nor one whose label has a
negative id (a license plate: what is behind it shows). ``cargroup`` means several cars that nobody told apart and
counts as ``car``. Where nothing is painted, the pixel is ``unlabeled``.
(cityscapesScripts, preparation/json2labelImg.py; AutoNUE public-code, preperation/json2labelImg.py.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from labelforge.converters.annotations.json_files import corners, read_json, reading
from labelforge.converters.labels.polygons import PaintedPolygons
from labelforge.errors import DatasetError, did_you_mean
from labelforge.label_space import LabelSpace

_GROUP: Final = "group"


class OutlineReader:
    """Reads the polygon files of a dataset.

    Args:
        space: Its label space, with a label ``unlabeled``.
    """

    def __init__(self, space: LabelSpace) -> None:
        self._ids = {label.name: label.id for label in space.labels}
        self._background = self._ids["unlabeled"]
        self._space = space.name

    def read(self, path: Path) -> PaintedPolygons:
        """The labels of one image.

        Raises:
            DatasetError: The file is missing or broken, or names an unknown label.
        """
        content = read_json(path)
        with reading(path, "the file"):
            size = int(content["imgHeight"]), int(content["imgWidth"])
            objects = list(content["objects"])
        polygons = []
        for number, thing in enumerate(objects):
            with reading(path, f"object {number}"):
                native_id = self._id(thing, path, number)
                outline = corners(thing["polygon"])
            if native_id >= 0 and len(outline) > 1:
                polygons.append((native_id, outline))
        return PaintedPolygons(size, polygons, self._background)

    def _id(self, thing: Any, path: Path, number: int) -> int:
        """The native id of an object; negative if it is not drawn."""
        if thing.get("deleted"):
            return -1
        name = str(thing["label"])
        if name not in self._ids:
            name = name.removesuffix(_GROUP)
        if name not in self._ids:
            cure = f"{did_you_mean(name, self._ids)} Correct the label, or unpack the file again."
            raise DatasetError(
                f"object {number} has the label {name!r}, which {self._space} has not", where=path, cure=cure
            )
        return self._ids[name]
