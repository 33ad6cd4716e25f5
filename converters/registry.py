"""The converters by their command-line names, labelforge's own and those of other packages."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from labelforge.converters.base import Converter
from labelforge.errors import ConfigError, DatasetError, did_you_mean
from labelforge.own_dataset import is_dataset_file

ENTRY_POINTS: Final = "labelforge.converters"
"""Entry point group: another package adds a converter by ``mine = "package.module:Mine"`` in it."""

CONVERTERS: Final[Mapping[str, str]] = {
    "cityscapes": "labelforge.converters.datasets.cityscapes:Cityscapes",
    "mapillary-vistas": "labelforge.converters.datasets.mapillary_vistas:MapillaryVistas",
    "gtsdb": "labelforge.converters.datasets.gtsdb:Gtsdb",
    "camvid": "labelforge.converters.datasets.camvid:CamVid",
    "bdd100k": "labelforge.converters.datasets.bdd100k:Bdd100k",
    "idd": "labelforge.converters.datasets.idd:Idd",
    "kitti": "labelforge.converters.datasets.kitti:Kitti",
    "railsem19": "labelforge.converters.datasets.railsem19:RailSem19",
    "ade20k": "labelforge.converters.datasets.ade20k:Ade20k",
    "a2d2": "labelforge.converters.datasets.a2d2:A2d2",
    "coco": "labelforge.converters.datasets.coco:Coco",
    "coco-panoptic": "labelforge.converters.datasets.coco_panoptic:CocoPanoptic",
    "wilddash2": "labelforge.converters.datasets.wilddash2:WildDash2",
}
"""Name -> ``module:class`` of the converters that come with labelforge; imported on first use."""


def available() -> dict[str, EntryPoint]:
    """All converters by name; labelforge's own come first and win if a name is used twice.

    >>> from labelforge.converters import available
    >>> "cityscapes" in available()
    True
    """
    found = {name: EntryPoint(name, value, ENTRY_POINTS) for name, value in CONVERTERS.items()}
    for entry in entry_points(group=ENTRY_POINTS):
        found.setdefault(entry.name, entry)
    return found


def find_converter(name: str) -> type[Converter]:
    """The converter with this name.

        >>> from labelforge.converters import find_converter
        >>> find_converter("gtsdb").splits
        ('train', 'test', 'all')

    Raises:
        ConfigError: There is none, or the package that adds it cannot be imported.
    """
    known = available()
    if name not in known:
        raise ConfigError(f"no converter is called {name!r}", cure=did_you_mean(name, known))
    entry = known[name]
    try:
        found: type[Converter] = entry.load()
    except (ImportError, AttributeError) as error:
        package = f"the package {entry.dist.name}" if entry.dist else f"the module {entry.module}"
        cure = f"Repair or remove {package}, which adds it."
        raise ConfigError(f"the converter {name!r} cannot be loaded ({error})", cure=cure) from error
    return found


def recognise(root: str | os.PathLike[str]) -> str:
    """The name of the dataset that a folder is a root of.

        >>> from labelforge.converters import recognise
        >>> recognise("data/cityscapes")
        'cityscapes'

    Raises:
        DatasetError: The folder is missing, or looks like no dataset or like several.
    """
    folder = Path(root)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "no such folder"
        raise DatasetError(what, where=folder, cure="Give the folder that a dataset was unpacked into.")
    found = [name for name, kind in _loadable().items() if kind.recognises(folder)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(f"looks like several datasets: {', '.join(found)}", where=folder, cure="Name one of them.")
    below = [entry for entry in sorted(folder.iterdir()) if entry.is_dir()]
    here = ((entry, name) for entry in below for name, kind in _loadable().items() if kind.recognises(entry))
    entry, name = next(here, (None, None))
    cure = "'labelforge datasets' lists those that it knows, each with its layout."
    if entry is not None:
        cure = f"{entry} looks like {name}: give that."
    raise DatasetError("has the layout of no dataset that labelforge knows", where=folder, cure=cure)


def _loadable() -> dict[str, type[Converter]]:
    """All converters that can be imported, by name."""
    found = {}
    for name in available():
        with suppress(ConfigError):
            found[name] = find_converter(name)
    return found


def option_names(kind: type[Converter]) -> list[str]:
    """The options of a converter: the keyword-only arguments that it is constructed with."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def open_converter(
    dataset: str | os.PathLike[str] | type[Converter], root: str | os.PathLike[str] | None, options: Mapping[str, Any]
) -> Converter:
    """Construct a converter.

    Args:
        dataset: Its name, its class, or the path of a ``dataset.yaml``.
        root: Folder that the dataset was unpacked into; None: that of the ``dataset.yaml``.
        options: Its own options by name.

    Raises:
        ConfigError: There is no such converter, it has no such option, or it needs a root.
        DatasetError: The folder is not the dataset.
        TaxonomyError: The ``dataset.yaml`` is wrong.
    """
    kind = converter_class(dataset)
    accepted = option_names(kind)
    for name in options:
        if name not in accepted:
            cure = did_you_mean(name, accepted) if accepted else "It has no options."
            raise ConfigError(f"{kind.title} has no option {name!r}", cure=cure)
    if not isinstance(dataset, type) and is_dataset_file(dataset):
        from labelforge.converters.own.converter import OwnData

        return OwnData(dataset, root, **options)
    if root is None:
        raise ConfigError(f"{kind.title} needs the folder that it was unpacked into", cure="Give it as root.")
    return kind(root, **options)


def converter_class(dataset: str | os.PathLike[str] | type[Converter]) -> type[Converter]:
    """The class of a converter that is given by name, by itself, or by a ``dataset.yaml``.

    Raises:
        ConfigError: There is none, or the package that adds it cannot be imported.
    """
    if isinstance(dataset, type):
        return dataset
    if is_dataset_file(dataset):
        from labelforge.converters.own.converter import OwnData

        return OwnData
    return find_converter(os.fspath(dataset))
