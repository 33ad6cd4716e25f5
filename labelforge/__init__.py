"""Train one segmentation network from datasets whose labels disagree.

    import labelforge as lf

    tree = lf.Taxonomy.load("iv2018")
    table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, "cityscapes")])
    reader = lf.ShardReader("shards/cityscapes-train")

Names are imported when they are first used, so that ``import labelforge`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelforge.errors import (
        CheckpointError,
        ConfigError,
        DatasetError,
        LabelforgeError,
        ShardError,
        TaxonomyError,
    )
    from labelforge.expression import LabelTarget
    from labelforge.label_space import LabelSpace, NativeLabel
    from labelforge.mapping import LabelMapping, LabelRow
    from labelforge.shards import ShardReader
    from labelforge.targets import TargetTable
    from labelforge.taxonomy import Classifier, Node, Taxonomy

__version__ = "0.1.0"

_HOME = {
    "CheckpointError": "errors",
    "Classifier": "taxonomy",
    "ConfigError": "errors",
    "DatasetError": "errors",
    "LabelMapping": "mapping",
    "LabelRow": "mapping",
    "LabelSpace": "label_space",
    "LabelTarget": "expression",
    "LabelforgeError": "errors",
    "NativeLabel": "label_space",
    "Node": "taxonomy",
    "ShardError": "errors",
    "ShardReader": "shards",
    "TargetTable": "targets",
    "Taxonomy": "taxonomy",
    "TaxonomyError": "errors",
}

__all__ = [
    "CheckpointError",
    "Classifier",
    "ConfigError",
    "DatasetError",
    "LabelMapping",
    "LabelRow",
    "LabelSpace",
    "LabelTarget",
    "LabelforgeError",
    "NativeLabel",
    "Node",
    "ShardError",
    "ShardReader",
    "TargetTable",
    "Taxonomy",
    "TaxonomyError",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'labelforge' has no attribute {name!r}")
    return getattr(import_module(f"labelforge.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
