"""GTSDB, the German Traffic Sign Detection Benchmark: boxes around signs of 43 classes.

Layout: one folder (``FullIJCNN2013``, or ``TrainIJCNN2013`` with the training part alone) with ``gt.txt`` and the
images ``00000.ppm`` ... ``00899.ppm``; png and jpg copies of them are read as well. A line of ``gt.txt`` is

    00000.ppm;774;411;815;446;11          image; left; top; right; bottom; class 0-42

with right and bottom inclusive. An image may have several lines, in any order; an image without a line has no box and
is a sample like any other. The benchmark splits by number: 00000-00599 for training, 00600-00899 for testing.

Each box is filled with the shape that the tree gives its class (`labelforge.converters.labels.boxes`), or if asked as a
whole; `SIDES` places the shape relative to the numbers of ``gt.txt``. Nothing outside the boxes is annotated.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.base import Converter, Source, check_choice
from labelforge.converters.files import is_root, list_files, read_file
from labelforge.converters.labels.boxes import Overlaps, overlapping
from labelforge.converters.labels.contract import Ids, RowLookup, Size
from labelforge.converters.labels.labeled_boxes import Box, LabeledBoxes
from labelforge.errors import DatasetError
from labelforge.label_space import LabelSpace

FOLDERS: Final = ("FullIJCNN2013", "TrainIJCNN2013")
SUFFIXES: Final = (".ppm", ".png", ".jpg", ".jpeg")
SPLITS: Final[Mapping[str, range]] = {"train": range(600), "test": range(600, 900), "all": range(100_000)}
Fill = Literal["shape", "rectangle"]
FIELDS: Final = ("image", "left", "top", "right", "bottom", "class")
_EARLY: Final = 20  # lines by which a file is recognised

SIDES: Final[Mapping[str, tuple[float, float, float, float]]] = {
    "rectangle": (0, 0, 1, 1),
    "circle": (-0.5, -0.5, 0.75, 0.75),
    "triangle up": (-0.25, -0.5, 1, 0.75),
    "triangle down": (-0.25, 0, 1, 1.5),
    "diamond": (-0.25, 0, 1, 0.75),
    "octagon": (0, 0, 0.75, 0.75),
}
"""Where the sides of a shape are: pixels from the left, top, right and bottom of ``gt.txt`` (pixel numbers, from 0) to
the pixel edges between which the shape is inscribed. (0, 0, 1, 1) is exactly the box, with all of its pixels.

The others are fitted, to quarters of a pixel, to the masks of images 00000-00599 that the method's authors published:
they drew outlines through pixel centres, with corners rounded down to whole numbers. That makes slanted sides a little
fatter and moves the whole shape a little up and left (mean IoU over the 852 boxes: 0.970 with these offsets, 0.960 with
the exact box, 0.703 with rectangles).
"""


@dataclass(frozen=True, slots=True)
class Sign:
    """One line of ``gt.txt``: a sign in an image.

    Attributes:
        class_id: 0-42.
        left: First pixel column, from 0.
        top: First pixel row, from 0.
        right: Last pixel column (inclusive).
        bottom: Last pixel row (inclusive).
        line: Line number in ``gt.txt``, from 1.
    """

    class_id: int
    left: int
    top: int
    right: int
    bottom: int
    line: int


@dataclass(frozen=True)
class SignBoxes:
    """The native labels of one image.

    Attributes:
        signs: Its boxes, in the order of ``gt.txt``.
        shapes: Shape by class id; a missing class is a rectangle.
        overlaps: What a pixel in boxes of several classes becomes.
        sets: Value of each set of classes, where ``overlaps`` is ``set``.
        image: File name of the image, for messages.
        file: ``gt.txt``, for messages.
        picture: (H, W, 3) uint8, where boxes without a shape are to be refined by what it shows.
    """

    signs: tuple[Sign, ...]
    shapes: Mapping[int, str]
    overlaps: Overlaps
    sets: Mapping[frozenset[int], int]
    image: str
    file: Path
    picture: NDArray[np.uint8] | None = None

    @property
    def size(self) -> None:
        """None: boxes fit any image size."""
        return None

    def refined(self, image: NDArray[np.uint8]) -> SignBoxes:
        """The same boxes, those without a shape refined by what the image shows."""
        return replace(self, picture=image)

    def boxes_in(self, image_size: Size, output_size: Size) -> list[list[float]]:
        """The boxes of ``gt.txt`` in pixel edges of a sample, for its json member."""
        boxes = [Box(s.class_id, s.left, s.top, s.right + 1, s.bottom + 1) for s in self.signs]
        return LabeledBoxes(boxes).boxes_in(image_size, output_size)

    def draw(self, image_size: Size, output_size: Size, rows_of: RowLookup) -> Ids:
        """The rows of the signs' classes; outside the signs, the row of "no annotation".

        The boxes are scaled, then drawn: a small label map is as exact as a large one.

        Raises:
            DatasetError: A box extends beyond the image.
        """
        height, width = image_size
        for sign in self.signs:
            if sign.left < 0 or sign.top < 0 or sign.right >= width or sign.bottom >= height:
                box = f"columns {sign.left} to {sign.right}, rows {sign.top} to {sign.bottom}"
                raise DatasetError(
                    f"the box ({box}) extends beyond {self.image}, which has columns 0 to {width - 1} and rows 0 to "
                    f"{height - 1}",
                    where=self.file,
                    line=sign.line,
                    cure="Correct the line, or use the images that this gt.txt was made for, unresized.",
                )
        edges = _edges(self.signs, self.shapes).tolist()
        boxes = [Box(sign.class_id, *sides) for sign, sides in zip(self.signs, edges, strict=True)]
        labels = LabeledBoxes(boxes, self.shapes, self.overlaps, self.sets, image=self.picture)
        return labels.draw(image_size, output_size, rows_of)


class Gtsdb(Converter):
    """GTSDB as unpacked: the folder that holds ``gt.txt``, or the folder around it.

    Args:
        root: The folder.
        overlaps: What a pixel in boxes of several classes becomes.
        fill: What is filled in a box: the ``shape`` that the tree gives its class, or the whole ``rectangle`` (the
            "coarse" truth that the method's authors trained with; their "fine" one is of shapes).

    Raises:
        ConfigError: The policy or the filling is unknown.
        DatasetError: There is no ``gt.txt``, or a line of it is malformed.
    """

    name: ClassVar[str] = "gtsdb"
    title: ClassVar[str] = "GTSDB"
    option_help: ClassVar[Mapping[str, str]] = {
        "overlaps": "smallest (the default), ignore or set",
        "fill": "shape (the default) or rectangle",
    }
    splits = tuple(SPLITS)
    label_space = "gtsdb"
    markers = ("gt.txt",)
    home = "https://benchmark.ini.rub.de/gtsdb_dataset.html"
    layout = """\
gt.txt
00000.ppm ... 00899.ppm"""

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """A folder with a ``gt.txt`` that begins as the published one does, or the folder around it."""
        folders = [root] if is_root(root, cls.markers) else _inside(root)
        return any(_begins_as_published(folder / "gt.txt") for folder in folders)

    def __init__(self, root: str | os.PathLike[str], *, overlaps: Overlaps = "smallest", fill: Fill = "shape") -> None:
        check_choice("overlaps", overlaps, get_args(Overlaps))
        check_choice("fill", fill, get_args(Fill))
        super().__init__(next(_inside(Path(root)), root))
        self.overlaps = overlaps
        self.fill = fill
        self.names = [label.name for label in LabelSpace.load(self.label_space).labels]
        self.signs = read_signs(self.root / "gt.txt", len(self.names))

    @property
    def options(self) -> dict[str, Any]:
        """The shape of each class and the overlap policy: both change what is drawn."""
        return {"overlaps": self.overlaps, "shapes": {str(k): self._drawn[k] for k in sorted(self._drawn)}}

    @property
    def _drawn(self) -> Mapping[int, str]:
        """Shape by class id; a missing class is a rectangle."""
        return {} if self.fill == "rectangle" else self.shapes

    def sources(self, split: str) -> list[Source]:
        """The images of a split that are on disk, with the boxes of ``gt.txt`` in their meta data.

        A partial copy is fine; `missing` names the annotated images that are not there.

        Raises:
            DatasetError: The split is unknown, none of its images is there, or there are two files of the same image.
        """
        self.check_split(split)
        found: dict[int, Path] = {}
        for path in list_files(self.root, SUFFIXES, what="images"):
            number = _number(path.name)
            if number in found:
                what = f"{found[number].name} and {path.name} are the same image"
                raise DatasetError(what, where=self.root, cure="Keep one of them.")
            if number is not None:
                found[number] = path
        wanted = [(number, path) for number, path in sorted(found.items()) if number in SPLITS[split]]
        if not wanted:
            what = f"holds no image of the split {split} ({_span(split)}), but {len(found)} others"
            others = [
                f"--split {name}" for name, numbers in SPLITS.items() if any(number in numbers for number in found)
            ]
            cure = f"Unpack FullIJCNN2013.zip there, or choose {' or '.join(others) or 'another split'}."
            raise DatasetError(what, where=self.root, cure=cure)
        return [
            Source(path.stem, path.name, "gt.txt", {"boxes": [self._box(sign) for sign in self.signs.get(number, ())]})
            for number, path in wanted
        ]

    def missing(self, split: str) -> list[str]:
        """Names of the images of a split that have boxes in ``gt.txt`` but are not on disk."""
        here = {int(source.key) for source in self.sources(split)}
        return [f"{number:05d}" for number in sorted(self.signs.keys() - here) if number in SPLITS[split]]

    def labels(self, source: Source) -> SignBoxes:
        """The boxes of one image; none at all if ``gt.txt`` does not name it."""
        signs = self.signs.get(int(source.key), ())
        return SignBoxes(signs, self._drawn, self.overlaps, self._set_values, source.image, self.root / "gt.txt")

    def sets(self, split: str) -> dict[int, frozenset[int]]:
        """With ``overlaps="set"``, the sets of classes that overlapping boxes of a split make, by their values."""
        if self.overlaps != "set":
            return {}
        signs = [signs for number, signs in self.signs.items() if number in SPLITS[split]]
        here = {members for found in signs for members in self._overlapping(found)}
        return {value: members for members, value in self._set_values.items() if members in here}

    @cached_property
    def _set_values(self) -> dict[frozenset[int], int]:
        """The value that is drawn for each set of classes whose boxes overlap in some image; none without sets."""
        if self.overlaps != "set":
            return {}
        found = {members for signs in self.signs.values() for members in self._overlapping(signs)}
        ordered = sorted(found, key=lambda members: (len(members), sorted(members)))
        return {members: -1 - i for i, members in enumerate(ordered)}

    def _overlapping(self, signs: Sequence[Sign]) -> set[frozenset[int]]:
        return overlapping(_edges(signs, self._drawn), [sign.class_id for sign in signs])

    def _box(self, sign: Sign) -> dict[str, Any]:
        """A box as the sample's json member holds it: the numbers of ``gt.txt``, right and bottom inclusive."""
        return {"name": self.names[sign.class_id], **{k: v for k, v in asdict(sign).items() if k != "line"}}


def _inside(root: Path) -> Iterator[Path]:
    """The folders of the dataset in a folder that is not one itself."""
    if not (root / "gt.txt").is_file():
        yield from (root / name for name in FOLDERS if (root / name / "gt.txt").is_file())


def _edges(signs: Sequence[Sign], shapes: Mapping[int, str]) -> NDArray[np.float64]:
    """(N, 4) left, top, right, bottom pixel edges between which the shape of each sign is inscribed."""
    sides = [SIDES[shapes.get(sign.class_id, "rectangle")] for sign in signs]
    numbers = np.array([(sign.left, sign.top, sign.right, sign.bottom) for sign in signs], dtype=np.float64)
    edges: NDArray[np.float64] = numbers.reshape(-1, 4) + np.array(sides).reshape(-1, 4)
    return edges


def read_signs(path: Path, classes: int = 43) -> dict[int, tuple[Sign, ...]]:
    """Read ``gt.txt``.

    Args:
        path: The file.
        classes: Number of classes; ids run from 0.

    Returns:
        Image number -> its signs, in the order of the lines.

    Raises:
        DatasetError: The file cannot be read, has no line, or has a malformed one (named by its number).
    """
    lines = read_file(path, "Unpack FullIJCNN2013.zip again.").decode("utf-8-sig", errors="replace").splitlines()
    signs: dict[int, list[Sign]] = {}
    for line, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            image, sign = _parse(text, line, classes)
        except ValueError as error:
            form = f"A line reads 00000.ppm;left;top;right;bottom;class, with whole numbers and class 0-{classes - 1}."
            raise DatasetError(str(error), where=path, line=line, cure=f"{form} Correct it or delete it.") from None
        signs.setdefault(image, []).append(sign)
    if not signs:
        raise DatasetError("holds no box", where=path, cure="Unpack FullIJCNN2013.zip again.")
    return {image: tuple(found) for image, found in signs.items()}


def _parse(text: str, line: int, classes: int) -> tuple[int, Sign]:
    """One line of ``gt.txt`` as (image number, sign); a ValueError says what is wrong."""
    fields = [field.strip() for field in text.split(";")]
    if len(fields) != len(FIELDS):
        raise ValueError(f"{len(fields)} fields separated by ';' instead of {len(FIELDS)}: {_shown(text)}")
    image = _number(fields[0])
    if image is None:
        raise ValueError(f"{_shown(fields[0])} is not an image name")
    for name, field in zip(FIELDS[1:], fields[1:], strict=True):
        if not re.fullmatch(r"[+-]?[0-9]{1,9}", field):
            raise ValueError(f"{name} is {_shown(field)}, not a whole number")
    left, top, right, bottom, class_id = map(int, fields[1:])
    if not 0 <= class_id < classes:
        raise ValueError(f"class {class_id} is outside 0-{classes - 1}")
    if right < left:
        raise ValueError(f"right {right} is less than left {left}")
    if bottom < top:
        raise ValueError(f"bottom {bottom} is less than top {top}")
    return image, Sign(class_id, left, top, right, bottom, line)


def _begins_as_published(file: Path) -> bool:
    """Whether an early line names an image as GTSDB does: others call their boxes ``gt.txt``, too."""
    with suppress(OSError), file.open(encoding="utf-8", errors="replace") as stream:
        return any(_number(line.partition(";")[0].strip()) is not None for line in itertools.islice(stream, _EARLY))
    return False


def _number(name: str) -> int | None:
    """The number of an image from its file name (``00715.ppm``); None if the name has another form."""
    match = re.fullmatch(r"([0-9]{5})\.(ppm|png|jpe?g)", name.lower())
    return int(match[1]) if match else None


def _span(split: str) -> str:
    numbers = SPLITS[split]
    return f"{numbers[0]:05d}-{numbers[-1]:05d}"


def _shown(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")
