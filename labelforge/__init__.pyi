from .errors import CheckpointError as CheckpointError
from .errors import ConfigError as ConfigError
from .errors import DatasetError as DatasetError
from .errors import LabelforgeError as LabelforgeError
from .errors import ShardError as ShardError
from .errors import TaxonomyError as TaxonomyError
from .exports.exporting import export_shards as export_shards
from .exports.report import Export as Export
from .expression import LabelTarget as LabelTarget
from .inspection.statistics import label_statistics as label_statistics
from .inspection.verification import verify_shards as verify_shards
from .label_space import LabelSpace as LabelSpace
from .label_space import NativeLabel as NativeLabel
from .logits import LogitLayout as LogitLayout
from .mapping import LabelMapping as LabelMapping
from .mapping import LabelRow as LabelRow
from .protocol import Protocol as Protocol
from .shards.reader import ShardReader as ShardReader
from .targets import TargetTable as TargetTable
from .taxonomy import Classifier as Classifier
from .taxonomy import Node as Node
from .taxonomy import Taxonomy as Taxonomy

__version__: str
__all__: list[str]
