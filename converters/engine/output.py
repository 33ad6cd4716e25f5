"""Checks what the output folder holds: which shards can stay, and whether labelforge may write there at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from labelforge.errors import ConfigError, ShardError, listed
from labelforge.shards import MANIFEST_NAME, Folder, Manifest, ShardIndex, ShardSummary

REPORT_NAME: Final = "report.html"
_SHARD = re.compile(r"(shard-\d{5,})\.(tar|index\.json)")
_OTHER = "Give another folder, or add --overwrite to replace what is there."


def prepare(folder: Folder, *, overwrite: bool) -> None:
    """Clear an output folder of what must not stay.

    Files that an interrupted run left under temporary names are removed; with ``overwrite``, the whole conversion is.

    Raises:
        ShardError: It holds something else than a conversion; nothing is touched then.
    """
    ours = check_ours(folder)
    if overwrite:
        _discard(folder, ours)
    _discard(folder, [name for name in folder.names() if name.startswith(".") and name.endswith(".partial")])


def check_ours(folder: Folder) -> list[str]:
    """Check that an output folder is empty or holds an earlier conversion; the names of its files.

    Raises:
        ShardError: It holds something else.
    """
    names = folder.names()
    ours = [name for name in names if _SHARD.fullmatch(name) or name in (MANIFEST_NAME, REPORT_NAME)]
    if ours == [REPORT_NAME]:
        ours = []  # a conversion leaves its report beside shards: this one is of something else
    foreign = [name for name in names if name not in ours and not name.startswith(".")]
    if foreign:
        what = f"holds files that are not shards: {listed(foreign)}"
        raise ShardError(what, where=folder.url, cure="Give a new or empty folder.")
    return ours


def keep_finished(folder: Folder, inputs: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, ShardSummary]:
    """Find the shards of an earlier run that can stay; remove the others, and the files that described them.

    Args:
        folder: The output folder.
        inputs: File name of every shard to be made -> digest of everything that decides its bytes.
        options: Options of the conversion.

    Returns:
        File name -> what matters of the shards that stay.

    Raises:
        ConfigError: The earlier run had other options.
        ShardError: There is a manifest that cannot be read, or there are tar files but no manifest and no index.
    """
    kept = {
        index.name: index.summary()
        for index in _finished_shards(folder, options)
        # A shard that left samples out is made again: they may have been repaired, or skipping may no longer be wanted.
        if index.inputs == inputs.get(index.name) and not index.skipped
    }
    names = folder.names()
    stale = [name for name in names if (match := _SHARD.fullmatch(name)) and f"{match[1]}.tar" not in inputs]
    if stale or len(kept) < len(inputs):
        _discard(folder, [*(name for name in names if name in (MANIFEST_NAME, REPORT_NAME)), *stale])
    return kept


def _discard(folder: Folder, names: list[str]) -> None:
    """Remove files, the manifest first and indexes before their shards, so that no file describes a removed one."""
    for name in sorted(names, key=lambda name: (name != MANIFEST_NAME, not name.endswith(".json"), name)):
        folder.remove(name)


def _finished_shards(folder: Folder, options: Mapping[str, Any]) -> Iterator[ShardIndex]:
    """The shards that an earlier run completed; raises what `keep_finished` raises."""
    sizes = folder.sizes()
    shards = sorted(name for name in sizes if name.endswith(".tar"))
    if shards and not any(name.endswith(".json") for name in sizes):
        raise ShardError(
            "holds tar files without an index, perhaps from another program", where=folder.url, cure=_OTHER
        )
    if MANIFEST_NAME in sizes:
        try:
            _same_options(folder, Manifest.load(folder).options, options)
        except ShardError as error:
            raise ShardError(error.what, where=error.where, cure=_OTHER) from error
    for name, index in zip(shards, ShardIndex.load_all(folder, shards), strict=True):
        if isinstance(index, ShardError):
            continue  # no index, or one that is broken: the shard is made again
        _same_options(folder, index.options, options)
        if index.name == name and index.size == sizes[name]:
            yield index


def _same_options(folder: Folder, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    different = [text for key in wanted for text in _differences(key, there.get(key), wanted[key])]
    if different:
        shown = listed(different, 4)
        raise ConfigError(f"was converted with other options ({shown})", where=folder.url, cure=_OTHER)


def _differences(name: str, there: Any, wanted: Any) -> Iterator[str]:
    """What of an option differs: inside of mappings each key, inside of lists the first entry."""
    if there == wanted:
        return
    if isinstance(there, Mapping) and isinstance(wanted, Mapping):
        for key in sorted({*there, *wanted}):
            yield from _differences(f"{name}.{key}", there.get(key), wanted.get(key))
    elif isinstance(there, list) and isinstance(wanted, list) and len(there) == len(wanted):
        i = next(i for i, (one, other) in enumerate(zip(there, wanted, strict=True)) if one != other)
        yield from _differences(f"{name}[{i}]", there[i], wanted[i])
    elif isinstance(there, list) and isinstance(wanted, list):
        yield f"{name} had {len(there)} entries and has {len(wanted)} now"
    else:
        was, now = _short(there), _short(wanted)
        yield f"{name} was {was} and is {now} now" if was != now else f"{name} is another now"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 24 else f"{text[:20]}...{text[-1]}"
