"""Train, evaluate and run segmentation networks with hierarchical classifiers on labelforge shards.

The public names are listed once, in ``__init__.pyi``; each is imported on first use, so that importing the package, or
a module of it that needs no torch, stays quick.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
