"""Train one segmentation network from datasets whose labels disagree.

    import labelforge as lf

    tree = lf.Taxonomy.load("iv2018")
    table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, "cityscapes")])
    reader = lf.ShardReader("shards/cityscapes-train")

The public names are listed once, in ``__init__.pyi``; each is imported on first use, so that ``import labelforge``
costs nothing.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
