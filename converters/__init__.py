"""Turns native datasets on disk into labelforge shards: one file per dataset, boxes, images, and the engine behind all.

Start with `convert`. A new dataset is a subclass of `Converter` and a line in `labelforge.converters.registry`, or an
entry point of the group ``labelforge.converters`` in another package; `check_root`, `list_files` and `read_label_map`
help to write it.

The public names are listed once, in ``__init__.pyi``; each is imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
