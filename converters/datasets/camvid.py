"""CamVid: drives through Cambridge, 701 frames with labels (Brostow et al., Pattern Recognition Letters 2009).

Two layouts. The copy that came with SegNet has 11 classes as ids (11 = not labelled) and three splits:

    ROOT/train/0001TP_006690.png     ROOT/trainannot/0001TP_006690.png     the same with val and test

The original has 32 classes as colours, twice the resolution, and no splits; ``train.txt``, ``val.txt`` and ``test.txt``
beside the folders, where there are any, say which frames are which (a line names a frame, by its name or a path):

    ROOT/701_StillsRaw_full/0001TP_006690.png     ROOT/LabeledApproved_full/0001TP_006690_L.png

Images may be png or jpg. Other tools put the 32 colours into SegNet's layout: that is read too. With ``classes=11`` the
32 classes are grouped as SegNet's are (`GROUPS`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final

from PIL import Image

from labelforge.converters.base import Converter, Source, check_choice
from labelforge.converters.files import list_files, read_file
from labelforge.converters.labels.pixels import PixelLabels
from labelforge.converters.pictures.color_table import ColorTable
from labelforge.converters.pictures.images import open_picture
from labelforge.converters.pictures.label_maps import read_color_map, read_label_map
from labelforge.errors import DatasetError, listed
from labelforge.label_space import LabelSpace

SPLITS: Final = ("train", "val", "test")
STILLS: Final = "701_StillsRaw_full"
APPROVED: Final = "LabeledApproved_full"
SUFFIXES: Final = (".png", ".jpg", ".jpeg")

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Sky": ("Sky",),
    "Building": ("Building", "Wall", "Bridge", "Tunnel", "Archway"),
    "Pole": ("Column_Pole", "TrafficCone"),
    "Road": ("Road", "LaneMkgsDriv", "LaneMkgsNonDriv"),
    "Pavement": ("Sidewalk", "ParkingBlock", "RoadShoulder"),
    "Tree": ("Tree", "VegetationMisc"),
    "SignSymbol": ("SignSymbol", "TrafficLight", "Misc_Text"),
    "Fence": ("Fence",),
    "Car": ("Car", "SUVPickupTruck", "Truck_Bus", "Train", "OtherMoving"),
    "Pedestrian": ("Pedestrian", "Child", "CartLuggagePram", "Animal"),
    "Bicyclist": ("Bicyclist", "MotorcycleScooter"),
    "void": ("Void",),
}
"""The 11 classes by the original labels that make them up: the usual grouping, as in MATLAB's example on CamVid."""


class CamVid(Converter):
    """CamVid, as distributed with SegNet or as first published.

    Args:
        root: Folder that holds ``trainannot`` (or ``valannot``, ``testannot``) or ``LabeledApproved_full``.
        classes: 11 or 32; default: as stored.

    Raises:
        ConfigError: ``classes`` is neither.
        DatasetError: The folder holds neither layout, or 32 classes are wanted of a copy that has 11 as ids.
    """

    name = "camvid"
    title = "CamVid"
    option_help: ClassVar[Mapping[str, str]] = {"classes": "11 or 32 (default: as stored)"}
    splits = (*SPLITS, "all")
    markers = (f"*annot or {APPROVED}",)
    home = "http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/"
    layout = """\
as distributed with SegNet (11 classes, as ids):
    <split>/<frame>.png, <split>annot/<frame>.png (or the 32 as colours)
as first published (32 classes, as colours):
    701_StillsRaw_full/<frame>.png, LabeledApproved_full/<frame>_L.png, <split>.txt"""

    def __init__(self, root: str | os.PathLike[str], *, classes: int | str | None = None) -> None:
        super().__init__(root)
        if classes is not None:
            check_choice("classes", str(classes), ("11", "32"))
        self.original = (self.root / APPROVED).is_dir()
        self.colored = self.original or _is_colored(self.root)
        if not self.colored and str(classes) == "32":
            cure = f"Leave classes out, or give the original, which has a folder {APPROVED}."
            raise DatasetError("this copy of CamVid has 11 classes, not 32", where=self.root, cure=cure)
        self.label_space = "camvid-32" if self.colored and str(classes) != "11" else "camvid-11"
        self._table = _color_table(self.label_space)

    @property
    def options(self) -> dict[str, Any]:
        """The label space says how many classes; nothing else changes what is written."""
        return {}

    def sources(self, split: str) -> list[Source]:
        """The frames of a split that are on disk, each with the name of its video; of ``all``, every frame."""
        self.check_split(split)
        found = self._original(split) if self.original else self._segnet(split)
        return sorted(found, key=lambda source: source.key)

    def missing(self, split: str) -> list[str]:
        """Names of the frames that have labels, or a line in the split's list, but no image."""
        here = {source.key for source in self.sources(split)}
        if not self.original:
            labels = {path.stem for part in self._parts(split) for path in (self.root / f"{part}annot").glob("*.png")}
        elif split == "all":
            labels = {path.stem.removesuffix("_L") for path in (self.root / APPROVED).glob("*_L.png")}
        else:
            labels = set(_read_list(self.root / f"{split}.txt"))
        return sorted(labels - here)

    def labels(self, source: Source) -> PixelLabels:
        """The class ids of a frame."""
        path = self.label_path(source)
        if not self.colored:
            return PixelLabels(read_label_map(path))
        return PixelLabels(self._table.ids(read_color_map(path), path))

    def cure_for_unknown(self, ids: Iterable[int]) -> str:
        """Recognises train ids of other copies by their values."""
        if set(ids) <= {255}:
            return "255 is not labelled in other copies: write 11 for it, as SegNet's copy does."
        return "Give the label maps of SegNet's copy as published: 0 to 10, and 11 for not labelled."

    def _parts(self, split: str) -> list[str]:
        """The splits that there are labels of, or the one that is asked for."""
        if split != "all":
            return [split]
        return [part for part in SPLITS if (self.root / f"{part}annot").is_dir()]

    def _segnet(self, split: str) -> Iterator[Source]:
        for part in self._parts(split):
            for path in list_files(self.root / part, SUFFIXES, what=f"images of the split {part}"):
                label = f"{part}annot/{path.stem}.png"
                yield Source(path.stem, f"{part}/{path.name}", label, {"video": _video(path.stem)})

    def _original(self, split: str) -> Iterator[Source]:
        images = {path.stem: path for path in list_files(self.root / STILLS, SUFFIXES, what="images")}
        wanted = sorted(images) if split == "all" else _read_list(self.root / f"{split}.txt")
        here = [key for key in wanted if key in images]
        if not here:
            what = f"none of its {len(wanted)} frames is in {STILLS}: {listed(wanted, 3)}"
            raise DatasetError(what, where=self.root / f"{split}.txt", cure="Name frames, such as 0001TP_006690.")
        for key in here:
            image = f"{STILLS}/{images[key].name}"
            yield Source(key, image, f"{APPROVED}/{key}_L.png", {"video": _video(key)})


def _is_colored(root: Path) -> bool:
    """Whether the first label map in SegNet's layout is a colour picture; what is wrong with it is said later."""
    first = next((path for part in SPLITS for path in sorted((root / f"{part}annot").glob("*.png"))), None)
    if first is None:
        return False
    with suppress(OSError, DatasetError, Image.DecompressionBombError), open_picture(first.read_bytes()) as picture:
        return picture.mode in ("RGB", "RGBA")
    return False


def _color_table(space: str) -> ColorTable:
    """The colours of the original labels, with their ids in a label space."""
    group = {member: name for name, members in GROUPS.items() for member in members}
    by_name = LabelSpace.load(space).by_name
    labels = [
        (label, label.name if space == "camvid-32" else group[label.name])
        for label in LabelSpace.load("camvid-32").labels
    ]
    return ColorTable((label.name, by_name[name].id, label.color) for label, name in labels if label.color)


def _video(key: str) -> str:
    """The video that a frame is of: what its name begins with."""
    return key.partition("_")[0]


def _read_list(path: Path) -> list[str]:
    """The frames that a list names: of each line, the first word's file name without folder and suffix.

    Raises:
        DatasetError: There is no such list.
    """
    cure = "The original has no splits: use the split all, or write the list, a frame a line (0001TP_006690)."
    lines = read_file(path, cure).decode("utf-8-sig", errors="replace").splitlines()
    names = (PurePosixPath(line.split()[0].replace("\\", "/")).name for line in lines if line.strip())
    return sorted({name[: -len(end)] if (end := _end(name)) else name for name in names})


def _end(name: str) -> str:
    return next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
