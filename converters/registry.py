"""The converters by their names on the command line, labelforge's own and those of other packages."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from labelforge.converters.base import Converter
from labelforge.errors import ConfigError, did_you_mean

__all__ = ["CONVERTERS", "ENTRY_POINTS", "available", "find_converter", "make_converter"]

ENTRY_POINTS: Final = "labelforge.converters"
"""Entry point group: another package adds a converter by ``mine = "package.module:Mine"`` in it."""

CONVERTERS: Final[Mapping[str, str]] = {
    "cityscapes": "labelforge.converters.cityscapes:Cityscapes",
    "mapillary-vistas": "labelforge.converters.mapillary_vistas:MapillaryVistas",
    "gtsdb": "labelforge.converters.gtsdb:Gtsdb",
}
"""Name -> ``module:class`` of the converters that come with labelforge; imported when used."""


def available() -> dict[str, EntryPoint]:
    """All converters by name; labelforge's own come first and win where a name is taken twice."""
    found = {name: EntryPoint(name, value, ENTRY_POINTS) for name, value in CONVERTERS.items()}
    for entry in entry_points(group=ENTRY_POINTS):
        found.setdefault(entry.name, entry)
    return found


def find_converter(name: str) -> type[Converter]:
    """The converter of a name.

    Raises:
        ConfigError: There is none.
    """
    known = available()
    if name not in known:
        raise ConfigError(f"no converter is called {name!r}", cure=did_you_mean(name, known))
    found: type[Converter] = known[name].load()
    return found


def accepted_options(kind: type[Converter]) -> list[str]:
    """Names of the keyword options that a converter takes beside its root."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


def make_converter(kind: type[Converter], root: str | os.PathLike[str], options: Mapping[str, Any]) -> Converter:
    """Construct a converter.

    Raises:
        ConfigError: It has no such option.
        DatasetError: The folder is not the dataset.
    """
    accepted = accepted_options(kind)
    for name in options:
        if name not in accepted:
            cure = did_you_mean(name, accepted) if accepted else "It has no options of its own."
            raise ConfigError(f"{kind.title} has no option {name!r}", cure=cure)
    return kind(root, **options)
