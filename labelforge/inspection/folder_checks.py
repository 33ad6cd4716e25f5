"""Checks a folder of shards as a whole: its files, its manifest, and its indexes against that."""

from __future__ import annotations

from collections import Counter
from typing import Final
from urllib.parse import unquote

from labelforge.errors import LabelforgeError
from labelforge.inspection.problems import Findings
from labelforge.shards import (
    MANIFEST_NAME,
    Folder,
    Manifest,
    ShardIndex,
    ShardRecord,
    SkippedSample,
    escape_key,
    stored_mapping,
    stored_taxonomy,
)
from labelforge.shards.folder import FETCH_AGAIN
from labelforge.shards.index import index_name
from labelforge.shards.records import COPY_AGAIN

_REPORT: Final = "report.html"
_RESUME: Final = "Run the same convert command again."
_BOTH: Final = "Copy the whole folder again, or remove the index and run the same convert command again."


def check_folder(folder: Folder, manifest: Manifest) -> Findings:
    """All that can be said without opening a shard.

    Args:
        folder: The folder.
        manifest: Its manifest.
    """
    findings = Findings(folder.place(MANIFEST_NAME))
    _check_names(folder, manifest, findings)
    sums = _Sums()
    for shard in manifest.shards:
        _check_index(folder, shard, sums, findings)
    if sums.complete:
        _check_sums(manifest, sums, findings)
    _check_meaning(folder, manifest, findings)
    return findings


class _Sums:
    """What the indexes say together."""

    def __init__(self) -> None:
        self.complete = True
        self.samples = 0
        self.pixels: Counter[int] = Counter()
        self.skipped: list[SkippedSample] = []
        self.shard_of: dict[str, str] = {}


def _check_names(folder: Folder, manifest: Manifest, findings: Findings) -> None:
    """Whether the files in the folder are those that the manifest speaks of."""
    listed = [shard.name for shard in manifest.shards]
    for name, times in Counter(listed).items():
        if times > 1:
            findings.add(f"lists {name} {times} times", COPY_AGAIN)
    needed = {name for shard in listed for name in (shard, index_name(shard))}
    there = set(folder.names())
    for name in sorted(needed - there):
        findings.add("the manifest lists this file's shard, but it is missing", FETCH_AGAIN, where=folder.place(name))
    for name in sorted(there - needed - {MANIFEST_NAME, _REPORT}):
        if not name.startswith("."):
            cure = "Remove it, or copy the whole folder again."
            findings.add("the manifest does not list this file", cure, where=folder.place(name))
        elif name.endswith(".partial"):
            cure = f"{_RESUME} It removes what is left over."
            findings.add("a file that was not written to its end", cure, where=folder.place(name))


def _check_index(folder: Folder, shard: ShardRecord, sums: _Sums, findings: Findings) -> None:
    name = index_name(shard.name)
    if folder.size(name) is None:
        sums.complete = False
        return
    try:
        index = ShardIndex.load(folder, shard.name)
    except LabelforgeError as fault:
        sums.complete = False
        findings.add(fault.what, fault.cure or COPY_AGAIN, where=fault.where)
        return
    if index.name != shard.name:
        sums.complete = False
        findings.add(f"it is the index of another shard, {index.name}", _BOTH, where=folder.place(name))
        return
    for field in ("sha256", "size"):
        if getattr(index, field) != getattr(shard, field):
            what = f"its {field} is {getattr(index, field)}, and the manifest says {getattr(shard, field)}"
            findings.add(what, _BOTH, where=folder.place(name))
    if len(index.samples) != shard.samples:
        what = f"it lists {len(index.samples)} samples, and the manifest {shard.samples}"
        findings.add(what, _BOTH, where=folder.place(name))
    for sample in index.samples:
        if sample.key in sums.shard_of:
            what = f"{sums.shard_of[sample.key]} has a sample of the same key"
            findings.add(what, _BOTH, sample=sample.key, where=folder.place(name))
        sums.shard_of[sample.key] = shard.name
        if escape_key(unquote(sample.key)) != sample.key:
            what = "its key has signs that tar files or webdataset would misread"
            findings.add(what, "Convert the dataset again.", sample=sample.key, where=folder.place(name))
        pixels = sum(sample.pixels.values())
        if pixels != sample.height * sample.width:
            what = f"its labels have {pixels} pixels, and it has {sample.width}x{sample.height}"
            findings.add(what, _BOTH, sample=sample.key, where=folder.place(name))
        sums.pixels.update(sample.pixels)
    sums.samples += len(index.samples)
    sums.skipped += index.skipped


def _check_sums(manifest: Manifest, sums: _Sums, findings: Findings) -> None:
    """Whether the manifest's totals are the sums over the indexes."""
    cure = "Copy manifest.json again, or remove it and run the same convert command again."
    totals = manifest.totals
    for what, stated, found in (
        ("samples", totals.samples, sums.samples),
        ("pixels", totals.pixels, sum(sums.pixels.values())),
        ("samples left out", len(totals.skipped), len(sums.skipped)),
    ):
        if stated != found:
            findings.add(f"its totals say {stated} {what}, and the indexes together {found}", cure)
    if len(totals.skipped) == len(sums.skipped) and list(totals.skipped) != sums.skipped:
        findings.add("its list of samples left out is not that of the indexes", cure)
    for record in manifest.labels:
        found = sums.pixels.pop(record.row, 0)
        if record.pixels != found:
            what = f"says {record.pixels} pixels of row {record.row} ({record.native_name}), and the indexes {found}"
            findings.add(what, cure)
    for row, found in sorted(sums.pixels.items()):
        what = f"the indexes have {found} pixels of row {row}, which its label table of {len(manifest.labels)} has not"
        findings.add(what, cure)


def _check_meaning(folder: Folder, manifest: Manifest, findings: Findings) -> None:
    """Whether tree and label table can be read, are those of the digests, and give the totals."""
    edited = f"It was edited by hand or damaged. {COPY_AGAIN}"
    try:
        tree = stored_taxonomy(manifest, folder)
        mapping = stored_mapping(manifest, tree, folder)
    except LabelforgeError as fault:
        findings.add(fault.what, fault.cure or COPY_AGAIN)
        return
    if tree.digest != manifest.taxonomy.digest:
        findings.add(f"the digest of its taxonomy {manifest.taxonomy.name!r} does not match", edited)
    if mapping.digest != manifest.mapping_digest:
        findings.add("the digest of its label table does not match", edited)
    uses: Counter[str] = Counter()
    for row, record in zip(mapping.rows, manifest.labels, strict=True):
        kind = "unannotated" if row.row == 0 else "ignored" if row.target.ignored else "used"
        uses[kind] += record.pixels
    for kind in ("used", "ignored", "unannotated"):
        stated = getattr(manifest.totals, kind)
        if stated != uses[kind]:
            findings.add(f"its totals say {stated} pixels {kind}, and its label table {uses[kind]}", edited)
