"""Native datasets on disk become labelforge shards: one file per dataset, boxes, images, and the engine that runs them.

`convert` is the way in. A new dataset is a subclass of `Converter` and a line in `labelforge.converters.registry`, or
an entry point of the group ``labelforge.converters`` in another package; `check_root`, `list_files` and
`read_label_map` are there for it.
"""

from labelforge.converters.base import (
    NO_ANNOTATION,
    Converter,
    NativeLabels,
    PixelLabels,
    Source,
    Unannotated,
    check_root,
    list_files,
)
from labelforge.converters.engine.pipeline import convert
from labelforge.converters.engine.result import Conversion
from labelforge.converters.images import read_label_map
from labelforge.converters.registry import available, find_converter

__all__ = [
    "NO_ANNOTATION",
    "Conversion",
    "Converter",
    "NativeLabels",
    "PixelLabels",
    "Source",
    "Unannotated",
    "available",
    "check_root",
    "convert",
    "find_converter",
    "list_files",
    "read_label_map",
]
