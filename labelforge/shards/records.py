"""What the JSON files of a shard folder have in common: the version of the format, and how they are read."""

from __future__ import annotations

import json
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from labelforge.errors import ShardError

VERSION: Final = 2
"""Version of the shard format that this code writes. Version 1 had no pixel positions in its indexes."""
READABLE: Final = frozenset({1, VERSION})
"""Versions that it reads."""
COPY_AGAIN: Final = "Copy it again, or run convert again with --overwrite."
"""What to do about a damaged file in a folder of shards."""


class Record(BaseModel):
    """Part of such a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=Record)


def parse(model: type[Model], data: memoryview, place: str) -> Model:
    """The content of a file as validated data.

    Args:
        model: What it is.
        data: Its content.
        place: Its path or URL, for messages.

    Raises:
        ShardError: It is damaged, or of another version.
    """
    try:
        content = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise ShardError(f"is not JSON ({error}): damaged or cut short", where=place, cure=COPY_AGAIN) from error
    version = content.get("version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise ShardError("is not a labelforge file: it states no version", where=place, cure=COPY_AGAIN)
    if version not in READABLE:
        cure = "Update labelforge." if version > VERSION else "Convert the dataset again."
        reads = " and ".join(map(str, sorted(READABLE)))
        raise ShardError(f"has format version {version}; this labelforge reads {reads}", where=place, cure=cure)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise ShardError(f"{at}: {first['msg']}", where=place, cure=COPY_AGAIN) from error
