from .base import Converter as Converter
from .base import Source as Source
from .engine.pipeline import convert as convert
from .engine.result import Conversion as Conversion
from .engine.result import terminal_summary as terminal_summary
from .files import check_root as check_root
from .files import list_files as list_files
from .labels.contract import NO_ANNOTATION as NO_ANNOTATION
from .labels.contract import NativeLabels as NativeLabels
from .labels.pixels import PixelLabels as PixelLabels
from .labels.pixels import Unannotated as Unannotated
from .pictures.label_maps import read_label_map as read_label_map
from .registry import CONVERTERS as CONVERTERS
from .registry import available as available
from .registry import find_converter as find_converter
from .registry import recognise as recognise

__all__: list[str]
