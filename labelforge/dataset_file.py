"""Reads ``dataset.yaml``: from YAML to checked paths and splits; errors name the line.

This module knows the file and its placeholders; :mod:`labelforge.own_dataset` is the dataset that it describes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from labelforge.errors import did_you_mean
from labelforge.yamlfile import KeyPath, YamlFile

DatasetKind = Literal["masks", "boxes", "polygons"]
Format = Literal[
    "ids", "palette", "rgb", "panoptic", "csv", "yolo", "voc", "coco", "kitti", "labelme", "cvat", "supervisely", "via"
]

FORMATS: Final[Mapping[DatasetKind, tuple[Format, ...]]] = {
    "masks": ("ids", "palette", "rgb", "panoptic"),
    "boxes": ("csv", "yolo", "voc", "coco", "kitti", "labelme", "cvat", "supervisely", "via"),
    "polygons": ("labelme", "cvat", "supervisely", "coco", "yolo", "via"),
}
"""The formats of each kind. ``ids`` and ``palette``: the values of grey and of palette pictures, which are both read as
they are stored; ``rgb``: their colours; ``panoptic``: pictures of segments, and a file that says what each is."""
SHARED: Final[frozenset[Format]] = frozenset({"csv", "coco", "cvat", "via", "panoptic"})
"""Formats of which one file has the labels of many images."""
MARKED: Final[frozenset[Format]] = frozenset({"csv", "voc", "coco", "panoptic"})
"""Formats that mark objects as crowds, as difficult or to be ignored."""

_PLACES: Final = re.compile(r"\{(.*?)\}")
NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
_STARS = 2  # in a folder's or a file's name: each may have to try every length
_MOST_STARS = 8  # in a path


class DatasetFile(BaseModel):
    """The top level of ``dataset.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(
        description="Name of the dataset and of its label space: letters, digits, '.', '_' and '-'.",
        json_schema_extra={"pattern": NAME.pattern},
    )
    title: str | None = Field(None, min_length=1, description="Its name in reports; default: the name.")
    kind: DatasetKind = Field(description="What the labels are: masks, boxes or polygons.")
    format: Format = Field(
        description="How label files hold them. masks: ids, palette (values as stored), rgb (colours) or "
        "panoptic (COCO's); boxes: csv, yolo, voc, coco, kitti, labelme, cvat, supervisely or via; polygons: labelme, "
        "cvat, supervisely, coco, yolo or via."
    )
    images: Any = Field(
        description="Path of the images, with {key}, perhaps {split}, {group} and *; or a list of paths."
    )
    labels: Any = Field(
        description="Path of the labels of each image, with {key} as the images have it; of csv, coco, cvat, via "
        "and panoptic, of the files with the labels of all images, perhaps with {split} and *. Or a list of paths."
    )
    segments: Any = Field(
        None,
        description="Of panoptic: path of the pictures of segments that the files of labels name, with {key} for any "
        "text, perhaps {split} and *; or a list of paths.",
    )
    splits: Any = Field(
        None,
        description="Splits by name: the text that stands for {split} in the paths; or a file that lists its images; "
        "or its share of all images, such as 0.8. Default: one split, 'all'.",
    )
    classes: Any = Field(
        description="The labels: a list of names (numbered from 0) or of {id, name, color}; or the path of a file with "
        "them (.txt, .csv, .yaml, .json)."
    )
    void: Any = Field(
        None,
        description="Of masks: the value, or the colour, that means 'not labelled'; the name of a class that does; or "
        "'unlisted', for all that no class has. Or a list of them.",
    )
    columns: Any = Field(
        None,
        description="Of csv: the number of each column, from 1, or its name in the first line: {image: 1, xmin: 2, "
        "ymin: 3, xmax: 4, ymax: 5, class: 6}; or x, y, w, h; or xc, yc, w, h; or one of four numbers, 'x y w h'. "
        "Perhaps angle, ignore, and the image's width, height. Default: what the first line says.",
    )
    separator: Literal[",", ";", "\t", "|", " "] | None = Field(
        None,
        description="Of csv: what is between columns, ' ' for any white space; default: what the first line has most.",
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="Of csv: what is between the whole part of a number and the rest; default: a point."
    )
    units: Literal["pixels", "fractions"] | None = Field(
        None, description="Of csv: whether boxes are in pixels (the default) or fractions of the image's sides."
    )
    attribute: str | None = Field(
        None,
        min_length=1,
        description="Of via: the attribute of regions that says the class; default: one called class, label or so, or "
        "the only one.",
    )
    overlaps: Literal["smallest", "ignore", "set"] | None = Field(
        None,
        description="Of boxes: what a pixel in boxes of several classes becomes: the smallest one's (the default), not "
        "labelled, or a label that means any of them.",
    )
    crowds: Literal["ignore", "label"] | None = Field(
        None,
        description="Of csv, voc, coco and panoptic: what objects become that are marked as a crowd, as difficult or "
        "to be ignored: not labelled (ignore, the default), or what their class says (label).",
    )
    exif: Literal["stored", "turned"] | None = Field(
        None,
        description="What labels were made for where EXIF asks to turn a photograph, and its size does not tell: the "
        "picture as it is stored (the default for masks), or turned as viewers show it (for boxes and polygons).",
    )
    mapping: str | None = Field(
        None, min_length=1, description="Path of the mapping; default: mapping-<tree>.yaml or mapping.yaml."
    )


def path_inside(file: YamlFile, at: KeyPath, value: Any) -> str:
    """A path that cannot leave the dataset's folder, as far as its text says."""
    if not isinstance(value, str) or not value.strip():
        file.fail(at, "must be a path", "Write one relative to this file, such as images/{key}.jpg.")
    parts = value.split("/")
    if "\\" in value or "\0" in value or value.startswith(("/", "~")) or re.match(r"[A-Za-z]:", value) or ".." in parts:
        cure = "Write a path below the folder of this file, with '/' between folders and without '..'."
        file.fail(at, f"the path {value!r} leaves the folder of this file", cure)
    return "/".join(part for part in parts if part not in ("", "."))


def read_paths(file: YamlFile, key: str, value: Any) -> tuple[str, ...]:
    """One path or a list of paths, with placeholders that are known."""
    several = value if isinstance(value, list) else [value]
    if not several:
        file.fail((key,), "the list of paths is empty", "Write at least one.")
    found = []
    for i, each in enumerate(several):
        at: KeyPath = (key, i) if isinstance(value, list) else (key,)
        path = path_inside(file, at, each)
        names = _PLACES.findall(path)
        if "{" in _PLACES.sub("", path) or "}" in _PLACES.sub("", path):
            file.fail(at, f"the brackets of {path!r} do not match", "Write {key}, {split} or {group}.")
        for name in names:
            if name not in ("key", "split", "group"):
                file.fail(at, f"unknown placeholder {{{name}}}", did_you_mean(name, ("key", "split", "group")))
        if path.count("*") > _MOST_STARS or any(part.count("*") > _STARS for part in path.split("/")):
            file.fail(
                at, f"more than {_STARS} stars in a name of {path!r}", "Name the folders, or write several paths."
            )
        found.append(path)
    return tuple(found)


def check_places(file: YamlFile, content: DatasetFile, images: tuple[str, ...], labels: tuple[str, ...]) -> None:
    """Check that images and labels can be paired: the same placeholders in both, where each image has a label file."""
    for key, paths in (("images", images), ("labels", labels)):
        each = key == "images" or content.format not in SHARED
        for i, path in enumerate(paths):
            at: KeyPath = (key, i) if isinstance(getattr(content, key), list) else (key,)
            names = {*_PLACES.findall(path)}
            if each and "key" not in names:
                file.fail(at, f"{path!r} has no {{key}}", "Write {key} for what an image and its labels share.")
            if not each and names & {"key", "group"}:
                cure = f"Of {content.format}, one file has the labels of many images; leave {{key}} and {{group}} out."
                file.fail(at, f"{path!r} has a placeholder that stands for one image", cure)
            wanted = {*_PLACES.findall(images[0])}
            if each and (names - {"split"} != wanted - {"split"} or "split" in names - wanted):
                cure = "{key} and {group} must be in all paths or none; {split} only where that of the images has it."
                file.fail(at, f"{path!r} has other placeholders than {images[0]!r}", cure)
            if ("split" in names) != ("{split}" in paths[0]):
                file.fail(at, "{split} is in some of the paths only", "Write it in all of them or in none.")


def read_segments(file: YamlFile, content: DatasetFile, *, by_folder: bool) -> tuple[str, ...]:
    """Paths of the pictures of segments, of ``panoptic`` alone; with ``by_folder`` they may have ``{split}``."""
    if content.format != "panoptic":
        if content.segments is not None:
            file.fail(("segments",), f"{content.format} has no pictures of segments", "Delete the line.")
        return ()
    if content.segments is None:
        cure = "Write segments: annotations/panoptic_{split}/{key}.png, the path of the pictures that the files name."
        file.fail((), "labels in the format panoptic need 'segments'", cure)
    if content.void is not None:
        cure = "Delete the line: what no segment holds is not labelled."
        file.fail(("void",), "labels in the format panoptic have no 'void'", cure)
    paths = read_paths(file, "segments", content.segments)
    for i, path in enumerate(paths):
        at: KeyPath = ("segments", i) if isinstance(content.segments, list) else ("segments",)
        if "{key}" not in path or "{group}" in path:
            file.fail(at, f"{path!r} is no path of many pictures", "Write {key} for any text, and no {group}.")
        if "{split}" in path and not by_folder:
            file.fail(at, "{split} is in the path of the segments alone", "Write it in that of the images or labels.")
    return paths


def read_splits(file: YamlFile, content: DatasetFile, *, by_folder: bool) -> Mapping[str, str | float]:
    """What stands for each split: text in paths (``by_folder``), the path of a list, or a share of all images."""
    value = content.splits
    if value is None:
        if by_folder:
            cure = "Say what it stands for: splits: {train: train, val: val}."
            file.fail(("images",), "the path has {split}, but there are no splits", cure)
        return {"all": 1.0}
    if not isinstance(value, dict) or not value:
        file.fail(("splits",), "must be a mapping from names to texts or shares", "Write {train: train, val: val}.")
    for name, what in value.items():
        if not NAME.fullmatch(name):
            file.fail(("splits", name), f"{name!r} is no name of a split", "Use letters, digits, '.', '_' and '-'.")
        if by_folder:
            if path_inside(file, ("splits", name), what) != what or "*" in what:
                file.fail(("splits", name), f"{what!r} cannot stand for {{split}}", "Write a folder's name.")
        elif isinstance(what, str):
            path_inside(file, ("splits", name), what)
    if by_folder or all(isinstance(what, str) for what in value.values()):
        return dict(value)
    for name, what in value.items():
        if type(what) not in (int, float) or not 0 < what <= 1:
            cure = "Give all splits a share, such as 0.8; or all a list; or write {split} in the path of the images."
            file.fail(("splits", name), f"{what!r} is no share from 0 to 1", cure)
    if not 0 < sum(value.values()) <= 1 + 1e-9:
        file.fail(("splits",), f"the shares make {sum(value.values()):g}", "Together they make 1, or less.")
    return {name: float(what) for name, what in value.items()}
