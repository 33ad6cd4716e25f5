"""Looks into label maps: which values or colours they hold, and how much of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import numpy as np
from PIL import Image

from labelforge.converters.init.templates import spread
from labelforge.converters.pictures.images import BROKEN
from labelforge.converters.pictures.label_maps import read_color_map, read_label_map
from labelforge.errors import DatasetError
from labelforge.palette import Color, hex_color

LOOKED_AT: Final = 200
"""Label files that are opened, evenly spread."""
_MOST_PIXELS: Final = 1 << 25
MOST_VALUES: Final = 1000
"""Different values or colours that a list of classes is made of, the most frequent of a file."""
_FEW: Final = 64
_MOSTLY: Final = 0.8
"""Share of a file's pixels that so few colours have if the rest are mixtures at borders, and it is no photograph."""


@dataclass
class MaskLook:
    """What some label maps hold.

    Attributes:
        format: As a ``dataset.yaml`` calls it.
        opened: How many were read.
        pixels: Value or packed colour -> pixels.
        files: Value or packed colour -> number of files that hold it.
        sizes: (width, height) -> number of files.
        faults: What is wrong with those that could not be read, a sentence each.
        palette: r, g, b, r, g, b, ... of the first palette picture.
        colors: Of palette pictures, value -> its colour and the first file that shows it.
        differs: How the palettes of two files differ in a value that both hold, in a few words; or "".
        only_palettes: Whether all files have a palette.
    """

    format: Literal["ids", "palette", "rgb"]
    opened: int = 0
    pixels: Counter[int] = field(default_factory=Counter)
    files: Counter[int] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    palette: Sequence[int] = ()
    colors: dict[int, tuple[Color, str]] = field(default_factory=dict)
    differs: str = ""
    only_palettes: bool = False

    def share(self, value: int) -> str:
        """How much of the pixels has a value, or a packed colour, in a few words."""
        if value not in self.pixels:
            return "not seen"
        share = f"{self.pixels[value] / self.pixels.total():.2%}"
        small = "under 0.01%" if share == "0.00%" else share
        return f"{small} of the pixels, in {self.files[value]} of {self.opened} files"


def look_at_masks(root: Path, files: Sequence[str], number: int = LOOKED_AT, *, by_color: bool = False) -> MaskLook:
    """Read some label maps; those that have a palette by its colours, if asked."""
    some = spread(files, number)
    modes = Counter(filter(None, (_mode(root / file) for file in some)))
    mode = modes.most_common(1)[0][0] if modes else "L"
    rgb = by_color or mode in ("RGB", "RGBA")
    found = MaskLook("rgb" if rgb else "palette" if mode == "P" else "ids", only_palettes={*modes} == {"P"})
    read = read_color_map if found.format == "rgb" else read_label_map
    for file in some:
        try:
            with Image.open(root / file) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    raise DatasetError("is too large to be looked at", where=file)
                palette = (picture.getpalette("RGB") or ()) if found.format == "palette" else ()
            values, counts = np.unique(read(root / file), return_counts=True)
        except DatasetError as error:
            found.faults.append(f"{file}: {error.what}")
            continue
        except BROKEN as error:
            found.faults.append(f"{file}: cannot be read ({error})")
            continue
        found.palette = found.palette or palette
        _compare(found, values.tolist(), palette, file)
        found.opened += 1
        found.sizes[picture.size] += 1
        if len(values) > MOST_VALUES:
            order = np.argsort(-counts, kind="stable")
            if counts[order[:_FEW]].sum() < _MOSTLY * counts.sum():
                found.faults.append(f"{file}: holds {len(values)} different values, as a photograph does")
                continue
            values, counts = values[order[:MOST_VALUES]], counts[order[:MOST_VALUES]]
        found.pixels.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        found.files.update(values.tolist())
    return found


def _compare(found: MaskLook, values: Sequence[int], palette: Sequence[int], file: str) -> None:
    """Add the colours that a file's palette gives its values, and see whether those of earlier files differ."""
    for value in values if palette else ():
        red, green, blue = (*palette[3 * value : 3 * value + 3], 0, 0, 0)[:3]  # a short palette ends in black
        color, first = found.colors.setdefault(value, ((red, green, blue), file))
        if color != (red, green, blue) and not found.differs:
            found.differs = f"{value} is {hex_color(color)} in {first}, but {hex_color((red, green, blue))} in {file}"


def _mode(path: Path) -> str | None:
    try:
        with Image.open(path) as picture:
            return picture.mode
    except BROKEN:
        return None


def label_like(root: Path, files: Sequence[str]) -> list[str]:
    """Those of some pictures that look like label maps, by two of each folder and suffix: few values, and no JPEG."""
    groups: dict[tuple[str, str], list[str]] = {}
    for file in files:
        path = PurePosixPath(file)
        groups.setdefault((str(path.parent), path.suffix), []).append(file)
    found: list[str] = []
    for some in list(groups.values())[:LOOKED_AT]:
        look = look_at_masks(root, some, 2)
        if look.opened and not look.faults and len(look.pixels) < 64:
            found += some
    return found


def picture_sizes(root: Path, files: Sequence[str]) -> Counter[tuple[int, int]]:
    """(width, height) -> how many of some pictures have it, by their headers."""
    found: Counter[tuple[int, int]] = Counter()
    for file in spread(files, LOOKED_AT):
        try:
            with Image.open(root / file) as picture:
                found[picture.size] += 1
        except BROKEN:
            continue
    return found
