"""Looks into files of boxes and polygons: which classes they name, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from labelforge.converters.annotations.json_files import records
from labelforge.converters.init.templates import spread
from labelforge.converters.labels.objects import ObjectMasks
from labelforge.converters.own.formats import OF_MANY, OF_ONE, PER_IMAGE, Marks, Reader
from labelforge.converters.own.layers import Ellipse, Layers
from labelforge.converters.own.marks import BoxMarks, Classes, LeftOut
from labelforge.dataset_file import FORMATS, SHARED, DatasetKind
from labelforge.errors import DatasetError, LabelforgeError
from labelforge.label_space import LabelSpace

LOOKED_AT: Final = 500
"""Files, or images of a file of many, that are looked at, evenly spread."""
UNNAMED: Final = "object"
"""What the only class is called where files name none."""
_LINES: Final = 1000  # of a file of YOLO, looked at for polygons
_KINDS: Final[tuple[DatasetKind, ...]] = ("polygons", "boxes")
_Read = Callable[[DatasetKind], Marks]


@dataclass
class MarkLook:
    """What some label files hold.

    Attributes:
        kind: Boxes or polygons.
        opened: How many images' labels were read.
        ids: Class as the files call it -> its id, where the files give one.
        objects: Class -> number of objects.
        images: File of many -> names of the images in it.
        faults: What is wrong with those that could not be read, a sentence each.
        all_names: Whether every class that the files name was seen, not only those of some images.
        unnamed: Whether they leave out the class of objects, which is called `UNNAMED` then.
        left_out: What of them would not be labelled.
        boxes: How many of the objects are boxes among polygons, where that is known.
    """

    kind: DatasetKind
    opened: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    objects: Counter[str] = field(default_factory=Counter)
    images: dict[str, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    all_names: bool = True
    unnamed: bool = False
    left_out: LeftOut = field(default_factory=LeftOut)
    boxes: int = 0


class AnyClass(Classes):
    """Takes every class for known, and remembers it.

    Attributes:
        numbers: Class -> its number, in the order in which they came.
        unnamed: Whether an object had none, and `UNNAMED` was made up.
    """

    def __init__(self) -> None:
        super().__init__(LabelSpace("any", None, ()), "")
        self.numbers: dict[str, int] = {}
        self.unnamed = False

    def named(self, name: object, place: Path, line: int | None = None) -> int:
        """The number of a class, a new one if it is new; raises a `DatasetError` if it is no name."""
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise DatasetError(f"{str(name)[:60]!r} is no name of a class", where=place, line=line, cure="Correct it.")
        return self.numbers.setdefault(name, len(self.numbers))

    def numbered(self, number: int, place: Path, line: int | None = None) -> int:
        """The number of a class that files number."""
        return self.named(str(number), place, line)

    @property
    def one(self) -> bool:
        """That files need not say the class."""
        return True

    def only(self) -> int:
        """The number of the class where files say none."""
        self.unnamed = True
        return self.named(UNNAMED, Path())

    def either(self, text: str, place: Path, line: int | None = None) -> int:
        """The number of a class, by its name or its id."""
        return self.named(text, place, line)


def look_at_marks(root: Path, form: str, files: Sequence[str], read: Reader | None = None) -> MarkLook:
    """Read the labels of some images.

    Args:
        root: The folder.
        form: Their format, as a ``dataset.yaml`` calls it.
        files: The files, as relative paths.
        read: What takes files of many images apart; default: what the format alone says.
    """
    found = MarkLook("polygons")
    classes = AnyClass()
    if form in SHARED:
        texts = _of_many(root, form, files, found, classes, read or OF_MANY[form])
        reads = [partial(_read_text, form, text, root / file, classes) for file, text in texts]
    else:
        some = spread(files, LOOKED_AT)
        found.all_names = len(some) == len(files)
        reads = [partial(_read_file, form, root / file, classes) for file in some]
    _decide_kind(found, form, [root / file for file in files], reads)
    for read_one in reads:
        _count(found, classes, partial(read_one, found.kind))
    for name in classes.numbers:
        found.objects.setdefault(name, 0)
    found.unnamed = classes.unnamed
    return found


def _read_text(form: str, text: str, place: Path, classes: Classes, kind: DatasetKind) -> Marks:
    return OF_ONE[kind, form](text, place, classes)


def _read_file(form: str, path: Path, classes: Classes, kind: DatasetKind) -> Marks:
    return PER_IMAGE[kind, form](path, classes)


def _decide_kind(found: MarkLook, form: str, paths: Sequence[Path], reads: Sequence[_Read]) -> None:
    """Whether labels are boxes: what a tool for annotations writes is, if no shape is any other.

    COCO's annotations are polygons if most have some; each has a box, too.
    """
    kinds = [kind for kind in _KINDS if form in FORMATS[kind]]
    if len(kinds) == 1:
        found.kind = kinds[0]
    elif form == "yolo":
        found.kind = "polygons" if _outlined(paths) else "boxes"
    elif form == "coco":
        outlined, boxed = _objects(reads[:50])
        found.kind = "polygons" if outlined and 2 * outlined >= boxed else "boxes"
    else:
        outlined, boxed = _objects(reads)  # among the outlines are the boxes
        found.kind = "polygons" if outlined > boxed else "boxes"
        found.boxes = boxed if outlined > boxed else 0


def _outlined(paths: Sequence[Path]) -> bool:
    """Whether files of YOLO have polygons: a line with more numbers than a box has, and a confidence."""
    for path in spread(paths, LOOKED_AT):
        with path.open(encoding="utf-8", errors="replace") as lines:
            if any(len(line.split()) > 6 for line in islice(lines, _LINES)):
                return True
    return False


def _of_many(
    root: Path, form: str, files: Sequence[str], found: MarkLook, classes: AnyClass, read: Reader
) -> list[tuple[str, str]]:
    """The texts of some images of files of many, with the file each."""
    texts: list[tuple[str, str]] = []
    for file in files:
        try:
            entries = list(read(root / file, classes))
            if form == "coco":
                found.ids |= _category_ids(root / file)
        except LabelforgeError as error:
            found.faults.append(f"{file}: {error.what}. {error.cure or ''}".rstrip(". "))
            continue
        found.images[file] = [name for name, _ in entries]
        texts += [(file, text) for _, text in entries]
    some = spread(texts, LOOKED_AT)
    found.all_names = len(some) == len(texts) or form not in (
        "cvat",
        "via",
    )  # the others name their classes in the file itself
    return some


def _category_ids(path: Path) -> dict[str, int]:
    entries = (entry for _, entry, _ in records(path, {"categories": True}))
    return {str(entry["name"]): entry["id"] for entry in entries if isinstance(entry.get("id"), int)}


def _objects(reads: Sequence[_Read]) -> tuple[int, int]:
    """How many objects images have as polygons, and how many as boxes."""
    found = {"polygons": 0, "boxes": 0}
    for read in reads:
        for kind in _KINDS:
            with suppress(LabelforgeError):
                found[kind] += sum(1 for _ in _values(read(kind)))
    return found["polygons"], found["boxes"]


def _count(found: MarkLook, classes: AnyClass, read: Callable[[], Marks]) -> None:
    """Count the objects of one image."""
    try:
        marks = read()
    except LabelforgeError as error:
        found.faults.append(str(error))
        return
    names = {number: name for name, number in classes.numbers.items()}
    found.opened += 1
    found.left_out.add(marks.left_out)
    found.objects.update(names[value] for value in _values(marks) if value in names)


def _values(marks: Marks) -> Iterator[int]:
    """The class of each object of an image."""
    if isinstance(marks, BoxMarks):
        yield from (box.value for box in marks.boxes)
    elif isinstance(marks.labels, ObjectMasks):
        yield from (thing.value for thing in marks.labels.objects)
    elif isinstance(marks.labels, Layers):
        yield from (layer.box.value if isinstance(layer, Ellipse) else layer.value for layer in marks.labels.layers)
