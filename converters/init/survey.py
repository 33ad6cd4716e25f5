"""What kinds of files a folder holds: pictures, and files with labels by what is in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from labelforge.converters.annotations.json_files import breaks_off, fault_of_json
from labelforge.converters.init.bare_csv import looks_bare
from labelforge.converters.init.csv_content import file_head
from labelforge.converters.init.templates import spread
from labelforge.converters.own.csv_columns import boxes_by_name
from labelforge.converters.own.csv_table import fields_of
from labelforge.converters.own.folder import list_below
from labelforge.converters.own.kitti import WORDS as KITTI_WORDS
from labelforge.converters.own.pairing import CLASS_LISTS
from labelforge.converters.own.splits import PICTURES
from labelforge.converters.own.via import COLUMNS as VIA_COLUMNS
from labelforge.errors import LabelforgeError

BARE_CSV: Final = "csv (without a first line of names)"
_PEEKED: Final = 40  # files of a suffix that are opened to see what they are
_GROUPS: Final = 40  # of files
_HEAD: Final = 1 << 16  # bytes
_LONG: Final = 1 << 22  # bytes; a JSON file from here on is not one image's
_YOLO: Final = re.compile(r"\s*(?:\d{1,6}(?:\.0{1,30})?(?:\s+[-+.\deE]{1,30}){4,}\s*)?")
_KITTI: Final = re.compile(r"(?:[-+]?\d[-+.\deE]{0,30} ){13}[-+]?\d[-+.\deE]{0,30}")
_OURS: Final = re.compile(r"dataset.*\.yaml|mapping.*\.yaml|manifest\.json|.*\.index\.json")


@dataclass
class Survey:
    """The files of a folder, as relative paths.

    Attributes:
        root: The folder.
        pictures: Pictures of any kind.
        labels: Format -> files with labels of that format.
        texts: Files that may be lists of classes or of samples.
        outside: Links that lead out of the folder.
        broken: JSON files that break off, in sentences.
        unknown: End of names -> number of files of no known form.
    """

    root: Path
    pictures: list[str] = field(default_factory=list)
    labels: dict[str, list[str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)


def look_at(root: Path) -> Survey:
    """List a folder and say what its files are.

    Raises:
        DatasetError: A folder cannot be read.
    """
    found = Survey(root)
    by_suffix: dict[str, list[str]] = {}
    for file in list_below(root, [""], found.outside):
        suffix = PurePosixPath(file).suffix.lower()
        if suffix in PICTURES:
            found.pictures.append(file)
        elif PurePosixPath(file).name in CLASS_LISTS:
            found.texts.append(file)
        elif not _OURS.fullmatch(PurePosixPath(file).name):
            by_suffix.setdefault(suffix, []).append(file)
    kinds = {".json": _json, ".xml": _xml, ".csv": _csv, ".txt": _txt}
    for suffix, files in by_suffix.items():
        known = _sorted(root, files, kinds[suffix]) if suffix in kinds else {}
        for name, some in known.items():
            found.labels.setdefault(name, []).extend(some)
        others = {*files}.difference(*known.values())
        found.unknown[suffix] += len(others)
        if suffix == ".json":
            found.broken += _broken(root, sorted(others))
        if suffix in (".json", ".csv", ".txt", ".yaml", ".yml", ".names"):
            boxes = {*found.labels.get(BARE_CSV, ())}  # whose lines are no names of classes
            found.texts += [file for file in files if file not in boxes]
    return found


def _sorted(root: Path, files: Sequence[str], look: Callable[[Path], str | None]) -> dict[str, list[str]]:
    """Format -> files; where a folder has many, those that were not opened count as most of the others do."""
    found: dict[str, list[str]] = {}
    for some in _groups(files):
        kinds = {file: look(root / file) for file in spread(some, _PEEKED)}
        known = [kind for kind in kinds.values() if kind is not None]
        most = max({*known}, key=known.count, default=None)
        for file in some:
            unseen = file not in kinds or (kinds[file] is None and (root / file).stat().st_size == 0)
            if kind := most if unseen else kinds[file]:
                found.setdefault(kind, []).append(file)
    return found


def _broken(root: Path, files: Sequence[str]) -> list[str]:
    """What is wrong with JSON files that are of no known form because their end is missing."""
    faults = ((file, _cut(root / file)) for file in spread(files, _PEEKED))
    return [f"{file}: {fault}" for file, fault in faults if fault is not None and "breaks off" in fault]


def _cut(path: Path) -> str | None:
    """What is wrong with a JSON file; of a long one, only whether it ends as JSON does."""
    try:
        size = path.stat().st_size
        if size <= _LONG:
            return fault_of_json(path)
        with path.open("rb") as file:
            file.seek(size - _HEAD)
            return None if file.read().rstrip().endswith((b"}", b"]")) else breaks_off(size)
    except (OSError, LabelforgeError):
        return None


def _groups(files: Sequence[str]) -> Iterable[list[str]]:
    """Files that are likely to be alike: those of a folder; of very many folders, those of one name."""
    by_folder: dict[str, list[str]] = {}
    for level in (lambda path: str(path.parent), lambda path: path.parent.name, lambda _: ""):
        by_folder.clear()
        for file in files:
            by_folder.setdefault(level(PurePosixPath(file)), []).append(file)
        if len(by_folder) <= _GROUPS:
            break
    return by_folder.values()


def _json(path: Path) -> str | None:
    """What a JSON file is, by the names in it: a long one has them at its beginning or its end."""
    text = file_head(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= _LONG:
                text = file.read().decode("utf-8-sig", errors="replace")
            else:
                file.seek(size - _HEAD)
                text += file.read().decode("utf-8", errors="replace")
    except OSError:
        return None

    def has(*names: str) -> bool:
        return all(re.search(rf'"{name}"\s*:', text) for name in names)

    no_objects = re.search(r'"objects"\s*:\s*\[\s*\]', text) is not None
    signs = {
        "panoptic": has("segments_info"),
        "via": has("filename", "regions", "file_attributes"),
        "coco": has("categories") and (has("bbox") or has("annotations", "images")),
        "labelme": has("shapes", "imagePath"),
        "supervisely": has("objects", "size") and (has("classTitle") or no_objects),
    }
    return next((name for name, there in signs.items() if there), None)


def _xml(path: Path) -> str | None:
    match = re.search(r"<(annotations?)[\s>]", file_head(path))
    if match is None:
        return None
    return "voc" if match[1] == "annotation" else "cvat"


def _csv(path: Path) -> str | None:
    text = file_head(path)
    fields = fields_of(text.partition("\n")[0])
    if {*VIA_COLUMNS} <= {*fields}:
        return "via"
    if boxes_by_name(fields):
        return "csv"
    return BARE_CSV if looks_bare(text) else None


def _txt(path: Path) -> str | None:
    """YOLO, KITTI or CSV, by its lines; an empty file says nothing."""
    text = file_head(path)
    lines = text.splitlines()[:20]
    if lines and all(_YOLO.fullmatch(line) for line in lines):
        return "yolo"
    words = [line.split() for line in lines if line.strip()]
    if words and all(len(line) in KITTI_WORDS and _KITTI.fullmatch(" ".join(line[1:15])) for line in words):
        return "kitti"
    return _csv(path)
