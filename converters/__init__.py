"""Native datasets on disk become labelforge shards: one file per dataset, boxes, images, and the engine that runs them.

`convert` is the way in. A new dataset is a subclass of `Converter` and a line in `labelforge.converters.registry`, or
an entry point of the group ``labelforge.converters`` in another package; `check_root`, `list_files` and
`read_label_map` are there for it.

The public names stand in ``__init__.pyi``, once; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
