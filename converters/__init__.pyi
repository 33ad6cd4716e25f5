from .base import NO_ANNOTATION as NO_ANNOTATION
from .base import Converter as Converter
from .base import NativeLabels as NativeLabels
from .base import PixelLabels as PixelLabels
from .base import Source as Source
from .base import Unannotated as Unannotated
from .base import check_root as check_root
from .base import list_files as list_files
from .engine.pipeline import convert as convert
from .engine.result import Conversion as Conversion
from .engine.result import terminal_summary as terminal_summary
from .images import read_label_map as read_label_map
from .registry import CONVERTERS as CONVERTERS
from .registry import available as available
from .registry import find_converter as find_converter

__all__: list[str]
