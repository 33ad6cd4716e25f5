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
    dataset: str | type[Converter], root: str | os.PathLike[str], options: Mapping[str, Any]
) -> Converter:
    """Construct a converter.

    Args:
        dataset: Its name or its class.
        root: Folder that the dataset was unpacked into.
        options: Its own options by name.

    Raises:
        ConfigError: There is no such converter, or it has no such option.
        DatasetError: The folder is not the dataset.
    """
    kind = find_converter(dataset) if isinstance(dataset, str) else dataset
    accepted = option_names(kind)
    for name in options:
        if name not in accepted:
            cure = did_you_mean(name, accepted) if accepted else "It has no options."
            raise ConfigError(f"{kind.title} has no option {name!r}", cure=cure)
    return kind(root, **options)
