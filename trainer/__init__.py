"""Train, evaluate and run segmentation networks with hierarchical classifiers on labelforge shards.

The public names stand in ``__init__.pyi``, once; each is imported when it is first used, so that importing the package,
or a module of it that needs no torch, stays quick.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
