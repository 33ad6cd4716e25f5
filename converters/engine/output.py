"""Checks what the output folder holds: which shards can stay, and whether labelforge may write there at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from labelforge.errors import ConfigError, LabelforgeError, ShardError, counted, listed
from labelforge.shards import MANIFEST_NAME, Folder, Manifest, ShardIndex, ShardSummary
from labelforge.shards.claim import Claim

REPORT_NAME: Final = "report.html"
_SHARD = re.compile(r"(shard-\d{5,})\.(tar|index\.json)")
_MEANING: Final = frozenset({"taxonomy", "taxonomy_digest", "mapping_digest"})
"""Options that only say what labels mean; of finished shards that can be changed without converting again."""
_UNFINISHED: Final = (
    "It was not finished: give it the tree and the mapping of then, and retarget it when it is; or begin again with "
    "--overwrite."
)
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
    _discard_partial(folder)


@contextmanager
def finished_kept(folder: Folder, claim: Claim, *, overwrite: bool) -> Iterator[None]:
    """For the length of a block that makes shards: if it fails, only finished ones stay, and the error says so.

    Args:
        folder: The output folder.
        claim: The right to write there; without it, nothing is touched and nothing said.
        overwrite: Whether the command began anew, and would again.
    """
    try:
        yield
    except BaseException as fault:
        with suppress(LabelforgeError):  # of two errors, the first matters
            claim.check()
            _discard_partial(folder)
            finished = finished_shards(folder)
            if finished and isinstance(fault, LabelforgeError):
                are = "is" if finished == 1 else "are"
                goes_on = "the same command" if not overwrite else "without --overwrite, the same command"
                fault.advise(f"{counted(finished, 'finished shard')} {are} kept: {goes_on} goes on from there.")
        raise


def finished_shards(folder: Folder) -> int:
    """How many shards of a folder have an index, and so are whole.

    Raises:
        ShardError: The folder cannot be read.
    """
    return sum(1 for name in folder.names() if _SHARD.fullmatch(name) and name.endswith(".json"))


def _discard_partial(folder: Folder) -> None:
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


def keep_finished(
    folder: Folder, inputs: Mapping[str, str], options: Mapping[str, Any], retarget: str
) -> dict[str, ShardSummary]:
    """Find the shards of an earlier run that can stay; remove the others, and the files that described them.

    Args:
        folder: The output folder.
        inputs: File name of every shard to be made -> digest of everything that decides its bytes.
        options: Options of the conversion.
        retarget: The command that gives finished shards the meaning that these options ask for.

    Returns:
        File name -> what matters of the shards that stay.

    Raises:
        ConfigError: The earlier run had other options.
        ShardError: There is a manifest that cannot be read, or there are tar files but no manifest and no index.
    """
    kept = {
        index.name: index.summary()
        for index in _finished_shards(folder, options, retarget)
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


def _finished_shards(folder: Folder, options: Mapping[str, Any], retarget: str) -> Iterator[ShardIndex]:
    """The shards that an earlier run completed; raises what `keep_finished` raises."""
    sizes = folder.sizes()
    shards = sorted(name for name in sizes if name.endswith(".tar"))
    if shards and not any(name.endswith(".json") for name in sizes):
        raise ShardError(
            "holds tar files without an index, perhaps from another program", where=folder.url, cure=_OTHER
        )
    if MANIFEST_NAME in sizes:
        try:
            manifest = Manifest.load(folder)
            _same_options(folder, manifest.options, options, _meaning_cure(manifest, options, retarget))
        except ShardError as error:
            raise ShardError(error.what, where=error.where, cure=_OTHER) from error
    for name, index in zip(shards, ShardIndex.load_all(folder, shards), strict=True):
        if isinstance(index, ShardError):
            continue  # no index, or one that is broken: the shard is made again
        _same_options(folder, index.options, options, _UNFINISHED)
        if index.name == name and index.size == sizes[name]:
            yield index


def _same_options(folder: Folder, there: Mapping[str, Any], wanted: Mapping[str, Any], meaning_cure: str) -> None:
    """Raise a `ConfigError` unless an earlier run had the same options.

    Args:
        folder: The output folder.
        there: The options of the earlier run.
        wanted: Those of this one.
        meaning_cure: What to do if they differ only in what labels mean.
    """
    different = [key for key in wanted if there.get(key) != wanted[key]]
    if not different:
        return
    if {"dataset", "split"} & set(different):
        held, this = (f"{options.get('dataset')}, {options.get('split')}" for options in (there, wanted))
        raise ConfigError(f"holds {held}; this is {this}", where=folder.url, cure=_OTHER)
    if set(different) <= _MEANING:
        raise ConfigError("was converted when labels meant something else", where=folder.url, cure=meaning_cure)
    options = [key for key in different if not key.endswith("_digest")]  # digests say nothing to people
    shown = listed((text for key in options for text in _differences(key, there.get(key), wanted[key])), 4)
    raise ConfigError(f"was converted with other options ({shown})", where=folder.url, cure=_OTHER)


def _meaning_cure(manifest: Manifest, wanted: Mapping[str, Any], retarget: str) -> str:
    """What to do about whole shards that were converted when labels meant something else."""
    now = (manifest.taxonomy.digest, manifest.mapping_digest)
    if now == (wanted["taxonomy_digest"], wanted["mapping_digest"]):
        return (
            "They were retargeted since and mean what they should: nothing is left to do. --overwrite converts again."
        )
    return f"Convert again with --overwrite, or without reading a pixel: {retarget}"


def _differences(name: str, there: Any, wanted: Any) -> Iterator[str]:
    """What of an option differs: inside of mappings each key, inside of lists the first entry."""
    if there == wanted:
        return
    if isinstance(there, Mapping) and isinstance(wanted, Mapping):
        prefix = "" if name == "converter_options" else f"{name}."  # to the user, they are options like others
        for key in sorted({*there, *wanted}):
            yield from _differences(f"{prefix}{key}", there.get(key), wanted.get(key))
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
