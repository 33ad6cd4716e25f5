"""Native datasets on disk become labelforge shards: one file per dataset, one rasteriser, one pipeline.

`convert` is the way in. A new dataset is a subclass of `Converter` (see `labelforge.converters.base`) and a line in
`CONVERTERS`, or an entry point of the group ``labelforge.converters`` in another package.
"""

from labelforge.converters.base import NO_ANNOTATION, Converter, NativeLabels, PixelLabels, Source, Unannotated
from labelforge.converters.engine.pipeline import convert
from labelforge.converters.engine.summary import Conversion, terminal_summary
from labelforge.converters.registry import CONVERTERS, available, find_converter

__all__ = [
    "CONVERTERS",
    "NO_ANNOTATION",
    "Conversion",
    "Converter",
    "NativeLabels",
    "PixelLabels",
    "Source",
    "Unannotated",
    "available",
    "convert",
    "find_converter",
    "terminal_summary",
]
