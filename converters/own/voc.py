"""Pascal VOC's boxes, an XML file per image.

Pixels count from 1, and a box includes its last ones. So the edges of a box are xmin - 1, ymin - 1, xmax, ymax. Objects
that are marked as difficult are drawn as "not labelled", unless the dataset.yaml says ``crowds: label``.
"""

from __future__ import annotations

from pathlib import Path

from labelforge.converters.annotations.json_files import flag
from labelforge.converters.labels.contract import Size
from labelforge.converters.labels.labeled_boxes import Box
from labelforge.converters.own.marks import BoxMarks, Classes, checked_boxes
from labelforge.converters.own.xml_files import Element, read_xml
from labelforge.errors import DatasetError


def read_voc(path: Path, classes: Classes) -> BoxMarks:
    """The boxes of a VOC file, which may have none.

    Raises:
        DatasetError: The file is missing or broken, or an object is malformed or of an unknown class.
    """
    boxes, lines = [], []
    size: Size | None = None
    for element in read_xml(path, "annotation"):
        if element.tag == "size":
            size = _size(element)
        elif element.tag == "object":
            boxes.append(_object(element, path, classes))
            lines.append(element.line)
    checked_boxes(boxes, path, lines)
    return BoxMarks(boxes, size)


def _object(element: Element, path: Path, classes: Classes) -> Box:
    place = element.find("bndbox")
    try:
        if place is None:
            raise ValueError("it has no <bndbox>")
        left, top, right, bottom = (float(place.value(tag) or "") for tag in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError as error:
        cure = "Write xmin, ymin, xmax and ymax as numbers."
        raise DatasetError(f"an object is no box ({error})", where=path, line=element.line, cure=cure) from None
    try:
        difficult = flag(element.value("difficult"))
    except ValueError as error:
        what = f"<difficult> is wrong ({error})"
        raise DatasetError(what, where=path, line=element.line, cure="Write 0 or 1.") from None
    name = element.value("name")
    if not name:
        raise DatasetError("an object has no <name>", where=path, line=element.line, cure="Write its class.")
    return Box(classes.unless(difficult, classes.named(name, path, element.line)), left - 1, top - 1, right, bottom)


def _size(element: Element) -> Size | None:
    """The size of the image, where it is given; tools that do not know it write 0."""
    try:
        height, width = int(element.value("height") or 0), int(element.value("width") or 0)
    except ValueError:
        return None
    return (height, width) if height > 0 and width > 0 else None
