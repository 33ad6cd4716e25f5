"""Reads reports that ``labelforge bench --json`` has written."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import ValidationError

from labelforge.bench.results import BenchReport
from labelforge.errors import ConfigError, listed

_VERSIONS = (1, 2)
_CURE = "Name a file that labelforge bench --json has written."


def read_report(path: str | os.PathLike[str]) -> BenchReport:
    """Read a report, of this version or an earlier one.

    Raises:
        ConfigError: The file cannot be read, is no report, or is one of a version that is not known here.
    """
    try:
        data = json.loads(Path(path).read_bytes())
    except OSError as fault:
        raise ConfigError(f"cannot be read ({fault.strerror})", where=path, cure=_CURE) from None
    except (ValueError, RecursionError):  # neither JSON nor text
        raise ConfigError("is not JSON", where=path, cure=_CURE) from None
    if not isinstance(data, dict) or not {"version", "machine", "suites"} <= data.keys():
        raise ConfigError("is no report of a benchmark", where=path, cure=_CURE)
    if data["version"] not in _VERSIONS:
        raise ConfigError(
            f"is a report of version {data['version']!r}; this labelforge reads {listed(_VERSIONS)}",
            where=path,
            cure=f"Use the labelforge that wrote it ({data.get('labelforge', 'unknown')}), or measure again.",
        )
    try:
        return BenchReport.model_validate(data)
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"is a broken report: {place}: {first['msg']}", where=path, cure=_CURE) from None
