from .errors import CheckpointError as CheckpointError
from .errors import ConfigError as ConfigError
from .errors import DatasetError as DatasetError
from .errors import LabelforgeError as LabelforgeError
from .errors import ShardError as ShardError
from .errors import TaxonomyError as TaxonomyError
from .label_space import LabelSpace as LabelSpace
from .logits import LogitLayout as LogitLayout
from .mapping import LabelMapping as LabelMapping
from .shards.reader import ShardReader as ShardReader
from .targets import TargetTable as TargetTable
from .taxonomy import Taxonomy as Taxonomy

__version__: str
__all__: list[str]
