"""The samples of several shard sets, one at a time, with their labels as the classes of a cut.

A shard set is one split of one dataset. All of an export have the same tree. Every sample gets a place of its own:
the split that the export puts it in, its dataset, and its key as a file name.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import ConfigError, ShardError, did_you_mean, listed
from labelforge.exports.cut import Cut, Decision
from labelforge.shards import IMAGE_SUFFIXES, LABEL_SUFFIX, ShardReader, encode_image
from labelforge.shards.codec import decode_image, decode_label
from labelforge.turned_box import upright_around

Values = NDArray[np.uint8] | NDArray[np.uint16]
SPLITS: Final[Mapping[str, str]] = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}
"""What datasets call the splits that exports call train, val and test; other names stay."""

REBUILT: Final = (
    "{} of a dataset of boxes keep only pixels: objects of a class that touch became one. Convert them again to have "
    "the boxes."
)
"""What is said of shards of boxes that do not keep them: those of earlier versions."""

_LONGEST: Final = 200  # bytes of one part of a name; file systems take 255, with the suffix


@dataclass(frozen=True)
class Box:
    """A box that a dataset has drawn around an object.

    Attributes:
        index: Position of the class in the cut.
        left: First pixel column that is inside, in pixel edges of the exported image.
        top: First pixel row, likewise.
        right: Pixel edge behind the last column.
        bottom: Pixel edge behind the last row.
    """

    index: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class ExportSample:
    """One sample, ready for a format.

    Attributes:
        dataset: Name of its label space.
        split: The split that it goes to.
        name: Its key as a relative path without suffix.
        suffix: What the image is: ``jpg`` or ``png``.
        image: The image file.
        values: (H, W) ids of the cut's classes, and the cut's ignore value; not writable.
        boxes: The boxes that the dataset has in this image; None if it is not a dataset of boxes.
    """

    dataset: str
    split: str
    name: str
    suffix: str
    image: bytes
    values: Values
    boxes: tuple[Box, ...] | None

    @property
    def place(self) -> str:
        """Where its files are below those of its split, without suffix."""
        return f"{self.dataset}/{self.name}"


@dataclass
class ShardSet:
    """One shard set of an export.

    Attributes:
        reader: Its shards.
        split: The split that its samples go to.
        names: Its keys as file names, in order.
        pixels: (rows,) pixels per row of its label table, over all samples that were read so far.
    """

    reader: ShardReader
    split: str
    names: list[str]
    pixels: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.pixels = np.zeros(len(self.reader.mapping.rows), dtype=np.int64)

    @cached_property
    def has_boxes(self) -> bool:
        """Whether its labels come from boxes."""
        return self.reader.mapping.supervision == "box"

    def decisions(self, cut: Cut) -> list[Decision]:
        """What becomes of each row of its label table."""
        return [cut.decide(row, self.reader.dataset) for row in self.reader.mapping.rows]


def open_sets(
    shards: Sequence[str | os.PathLike[str]], split_names: Mapping[str, str] | None = None
) -> tuple[ShardSet, ...]:
    """Open shard sets that go into one export.

    Args:
        shards: Folders or fsspec URLs that ``labelforge convert`` wrote.
        split_names: What a split is to be called, by the dataset's name of it; others are called as `SPLITS` says.

    Raises:
        ConfigError: A split is named that no shard set has.
        ShardError: A manifest, index or shard is missing or damaged; the trees differ; two samples have the same name,
            or one has a name that is no file name.
    """
    readers = [ShardReader(url) for url in shards]
    renamed = dict(split_names or {})
    there = {reader.split for reader in readers}
    for name in renamed:
        if name not in there:
            raise ConfigError(f"no shards are of a split {name!r}", where="split names", cure=did_you_mean(name, there))
    _check_one_tree(readers)
    sets = []
    owner: dict[tuple[str, str, str], str] = {}
    for reader in readers:
        split = renamed.get(reader.split, SPLITS.get(reader.split, reader.split))
        for what, part in (("dataset", reader.dataset), ("split", split)):
            if "/" in part or _fault(part):
                raise ShardError(f"the {what} {part!r} is no name of a folder", where=reader.url, cure="Rename it.")
        names = [file_name(key, reader.url) for key in reader.keys]
        for name in names:
            place = (split, reader.dataset, name)
            if place in owner:
                what = f"{owner[place]} has a sample {name!r} of {reader.dataset} in {split} too"
                cure = "Name each folder once; --split-names gives two splits different names."
                raise ShardError(what, where=reader.url, cure=cure)
            owner[place] = reader.url
        sets.append(ShardSet(reader, split, names))
    return tuple(sets)


def split_notes(sets: Sequence[ShardSet]) -> tuple[str, ...]:
    """What to say of splits in which training code would not look for samples; nothing of those that a user named."""
    odd: dict[str, list[str]] = {}
    for shard_set in sets:
        if shard_set.split == shard_set.reader.split and shard_set.split not in SPLITS.values():
            odd.setdefault(shard_set.split, []).append(shard_set.reader.dataset)
    return tuple(
        f"All of {listed(dict.fromkeys(datasets))} is in the split {split!r}, and not in train or val, where "
        f"training code looks: --split-names {shlex.quote(f'{split}=train')} puts it into train."
        for split, datasets in odd.items()
    )


def _check_one_tree(readers: Sequence[ShardReader]) -> None:
    first = readers[0]
    for reader in readers[1:]:
        if reader.taxonomy.digest != first.taxonomy.digest:
            raise ShardError(
                f"its tree is {reader.taxonomy.tag}, but that of {first.url} is {first.taxonomy.tag}",
                where=reader.url,
                cure="Give all the same with 'labelforge retarget SHARDS... --taxonomy TREE'.",
            )


def file_name(key: str, url: str) -> str:
    """A sample's own name, as a relative path that is safe below any folder.

    Args:
        key: Its key in the shards, escaped.
        url: The shards, for the message.

    Raises:
        ShardError: It is absolute, leads out of its folder, or holds what no file name may.
    """
    try:
        name = unquote(key, errors="strict")
    except UnicodeDecodeError:
        name = key
        fault = "it is not UTF-8"
    else:
        fault = next((fault for part in name.split("/") if (fault := _fault(part))), "")
    if fault:
        what = f"sample {name!r} cannot become a file: {fault}"
        raise ShardError(what, where=url, cure="Rename the image, and convert the dataset again.")
    return name


def _fault(part: str) -> str:
    """What is wrong with one part of a path; nothing if it can be a file's name."""
    if part in ("", ".", ".."):
        return f"{part!r} leads to another folder"
    if "\\" in part or not part.isprintable():
        return "it holds a backslash or a character that cannot be printed"
    return f"more than {_LONGEST} bytes long" if len(part.encode()) > _LONGEST else ""


def samples(sets: Sequence[ShardSet], cut: Cut) -> Iterator[ExportSample]:
    """All samples of some shard sets in order, read one at a time; pixels are counted in the sets.

    Raises:
        ShardError: A sample is broken, or its label map holds a value that the label table does not have.
    """
    for shard_set in sets:
        decisions = shard_set.decisions(cut)
        values = [cut.ignore if d.index is None else cut.classes[d.index].id for d in decisions]
        lookup = np.array(values, dtype=np.uint8 if cut.bits == 8 else np.uint16)
        for number in range(len(shard_set.reader)):
            yield _sample(shard_set, number, lookup, decisions)


def _sample(shard_set: ShardSet, number: int, lookup: NDArray[Any], decisions: Sequence[Decision]) -> ExportSample:
    reader = shard_set.reader
    members = reader.members(number)
    size = tuple(reader.sizes[number])
    try:
        suffix = next(s for s in IMAGE_SUFFIXES if s in members)
        image = bytes(members[suffix])
        if suffix == "npy":
            suffix, image = "png", encode_image(decode_image(image, suffix), "png")
        rows = decode_label(members[LABEL_SUFFIX])
        meta = json.loads(bytes(members["json"]))
        if rows.shape != size:
            raise ValueError(f"label map {rows.shape}, index {size}")
        if int(rows.max()) >= len(lookup):
            raise ValueError(f"its label map holds {int(rows.max())}, and the label table ends at {len(lookup) - 1}")
    except (OSError, SyntaxError, ValueError, LookupError, EOFError, StopIteration) as error:
        raise ShardError(
            f"sample {reader.keys[number]} is broken ({error})",
            where=reader.url,
            cure="Copy the shards again, or run convert again with --overwrite.",
        ) from error
    shard_set.pixels += np.bincount(rows.ravel(), minlength=len(lookup))
    mapped = lookup[rows]
    mapped.flags.writeable = False
    boxes = _boxes(shard_set, meta, size, decisions) if shard_set.has_boxes else None
    return ExportSample(reader.dataset, shard_set.split, shard_set.names[number], suffix, image, mapped, boxes)


def _boxes(
    shard_set: ShardSet, meta: Mapping[str, Any], size: tuple[int, ...], decisions: Sequence[Decision]
) -> tuple[Box, ...] | None:
    """The boxes that the conversion has kept, upright and cut off at the border; None if it has kept none.

    Boxes of labels that become no class are left out.
    """
    if "boxes" not in meta:
        return None
    row_of = shard_set.reader.mapping.row_of
    found = []
    for native_id, left, top, right, bottom, *angle in meta["boxes"]:
        index = decisions[row_of[int(native_id)]].index
        if index is not None:
            box = upright_around((left, top, right, bottom), angle[0] if angle else 0.0)
            low, high = np.clip(box[:2], 0, size[::-1]), np.clip(box[2:], 0, size[::-1])
            if (low < high).all():
                found.append(Box(index, *low.tolist(), *high.tolist()))
    return tuple(found)
