"""A dataset of your own, described by a ``dataset.yaml`` beside its files: no Python needed to convert it.

    name: yard
    kind: masks                               # masks, boxes or polygons
    format: ids                               # how the label files hold them; FORMATS has all
    images: images/{split}/{key}.jpg          # paths are relative to the folder of this file
    labels: labels/{split}/{key}.png          # of boxes and polygons in one file: annotations/{split}.json
    splits: {train: train, val: val}          # what stands for {split}; or lists of names; or shares
    void: 255                                 # what means "not labelled": a value, or a list of them
    classes: [road, {id: 7, name: sky}]       # or a file with them

In a path, ``{key}`` is the part that an image and its labels have in common: any text, folders too. ``{group}``, one
folder or a part of a name, belongs to the key as well, and images of one group (the frames of a video) stay together
where splits are shares. ``*`` is any text without a slash.

``mapping.yaml`` beside it (or ``mapping-<tree>.yaml``, or the file that ``mapping`` names) says what the classes mean
in a tree. This module knows the YAML alone; `labelforge.converters.own` reads the files.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from labelforge.class_files import SUFFIXES, checked, color_of, read_classes
from labelforge.csv_form import CsvForm, read_form
from labelforge.dataset_file import (
    FORMATS,
    MARKED,
    NAME,
    DatasetFile,
    DatasetKind,
    Format,
    check_places,
    path_inside,
    read_paths,
    read_segments,
    read_splits,
)
from labelforge.errors import TaxonomyError, did_you_mean, listed
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping, MappingFile
from labelforge.palette import Color
from labelforge.taxonomy import Taxonomy
from labelforge.void_values import Void, read_void
from labelforge.yamlfile import KeyPath, YamlFile

FILE_NAME: Final = "dataset.yaml"
"""What ``labelforge init`` calls the file."""


@dataclass(frozen=True)
class OwnDataset:
    """What a ``dataset.yaml`` says.

    Attributes:
        path: The file.
        name: Name of the dataset, and of its label space.
        title: Its name in reports.
        kind: What the labels are.
        format: How files hold them.
        images: Paths of the images, relative to the dataset's folder, with placeholders.
        labels: Paths of the labels, alike.
        splits: Name -> the text that stands for ``{split}``, the path of a list, or a share of the images.
        space: The labels.
        void: What of masks means "not labelled".
        overlaps: What a pixel in boxes of several classes becomes.
        exif: What labels were made for where EXIF asks to turn a photograph and its size does not tell.
        mapping_name: Path of the mapping, where the file names it.
        crowds: What objects become that are marked as a crowd, as difficult or to be ignored.
        segments: Of panoptic, paths of the pictures of segments.
        csv: How CSV files are to be read.
        attribute: Of VIA, the attribute of regions that says the class.
    """

    path: Path
    name: str
    title: str
    kind: DatasetKind
    format: Format
    images: tuple[str, ...]
    labels: tuple[str, ...]
    splits: Mapping[str, str | float]
    space: LabelSpace
    void: Void
    overlaps: Literal["smallest", "ignore", "set"]
    exif: Literal["stored", "turned"]
    mapping_name: str | None
    crowds: Literal["ignore", "label"] = "ignore"
    segments: tuple[str, ...] = ()
    csv: CsvForm = field(default_factory=CsvForm)
    attribute: str | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> OwnDataset:
        """Read a ``dataset.yaml``.

        Raises:
            TaxonomyError: It is missing or wrong (with the line), or the file of its classes is.
        """
        return cls.from_file(YamlFile.load(path))

    @classmethod
    def from_file(cls, file: YamlFile) -> OwnDataset:
        """Read it from a YAML file that is already parsed; raises what `load` raises."""
        content = file.validate(DatasetFile)
        if not NAME.fullmatch(content.name):
            cure = "Use letters, digits, '.', '_' and '-', and begin with a letter or a digit."
            file.fail(("name",), f"{content.name!r} is no name for a dataset", cure)
        if content.format not in FORMATS[content.kind]:
            cure = f"{content.kind} are read from {', '.join(FORMATS[content.kind])}."
            file.fail(("format",), f"{content.format} is no format of {content.kind}", cure)
        images = read_paths(file, "images", content.images)
        labels = read_paths(file, "labels", content.labels)
        check_places(file, content, images, labels)
        for key, what in (("void", "masks"), ("overlaps", "boxes")):
            if getattr(content, key) is not None and content.kind != what:
                file.fail((key,), f"only {what} can have {key!r}", "Delete the line.")
        if content.crowds is not None and content.format not in MARKED:
            file.fail(("crowds",), f"{content.format} marks no objects as crowds", "Delete the line.")
        if content.attribute is not None and content.format != "via":
            file.fail(("attribute",), "only via can have 'attribute'", "Delete the line.")
        by_folder = "{split}" in images[0] or "{split}" in labels[0]
        segments = read_segments(file, content, by_folder=by_folder)
        space, void = _space(file, content)
        return cls(
            path=Path(file.path),
            name=content.name,
            title=content.title or content.name,
            kind=content.kind,
            format=content.format,
            images=images,
            labels=labels,
            splits=read_splits(file, content, by_folder=by_folder),
            space=space,
            void=void,
            overlaps=content.overlaps or "smallest",
            exif=content.exif or ("stored" if content.kind == "masks" else "turned"),
            mapping_name=None if content.mapping is None else path_inside(file, ("mapping",), content.mapping),
            crowds=content.crowds or "ignore",
            segments=segments,
            csv=read_form(file, content, len(space.labels)),
            attribute=content.attribute,
        )

    @property
    def folder(self) -> Path:
        """The folder of the file, in which all that it names is."""
        return self.path.parent

    def mapping_places(self, tree: str) -> tuple[Path, ...]:
        """Where a mapping to a tree is looked for, in this order: the file named, else two names beside the file."""
        if self.mapping_name is not None:
            return (self.folder / self.mapping_name,)
        return self.folder / f"mapping-{tree}.yaml", self.folder / "mapping.yaml"

    def mapping_file(self, tree: str | None = None) -> Path:
        """The mapping to a tree: the file named, else ``mapping-<tree>.yaml``, else ``mapping.yaml``.

        Args:
            tree: Name of the tree; None: whichever there is.

        Raises:
            TaxonomyError: There is none; or, without a tree, there are several.
        """
        if self.mapping_name is not None:
            return self.folder / self.mapping_name
        by_tree = sorted(self.folder.glob("mapping-*.yaml"))
        plain = self.folder / "mapping.yaml"
        if tree is None:
            found = [plain] if plain.is_file() else by_tree
        else:
            found = [path for path in self.mapping_places(tree) if path.is_file()][:1]
        if len(found) == 1:
            return found[0]
        if found:
            names = listed(path.name for path in found)
            raise TaxonomyError(f"there are several mappings ({names})", where=self.folder, cure="Give --taxonomy.")
        words = ("taxonomy", "draft", str(self.path), "--taxonomy", tree or "streets", "-o", str(plain))
        cure = f"Make one: labelforge {shlex.join(words)}"
        raise TaxonomyError("no mapping says what the classes mean in a tree", where=self.path, cure=cure)

    def mapping(self, tree: Taxonomy, path: str | os.PathLike[str] | None = None) -> LabelMapping:
        """What the classes mean in a tree.

        Args:
            tree: The tree.
            path: The mapping; default: the dataset's own.

        Raises:
            TaxonomyError: There is no mapping, or it is wrong or for another tree or dataset.
        """
        file = YamlFile.load(self.mapping_file(tree.name) if path is None else path)
        content = file.validate(MappingFile)
        if content.dataset != self.name:
            what = f"this mapping is for the dataset {content.dataset!r}, not {self.name!r}"
            file.fail(("dataset",), what, f"Write 'dataset: {self.name}', or name another mapping in {self.path.name}.")
        for name in self.void.names:
            if name in content.labels:
                what = f"{name!r} is no label of {self.name}, since 'void' in {self.path.name} names it"
                cure = f"Delete it here; or to map it, delete it from 'void' in {self.path.name}."
                file.fail(("labels", name), what, cure)
        if self.kind == "boxes" and content.supervision != "box":
            cure = "Write 'supervision: box': pixels in a box that are not of its object are then not learnt."
            file.fail(("supervision",), "the labels are boxes", cure)
        return LabelMapping.from_file(tree, file, self.space)

    def tree_name(self, path: str | os.PathLike[str] | None = None) -> str:
        """The tree that the mapping (default: the dataset's own) says it is for.

        Raises:
            TaxonomyError: There is no mapping, it names no tree, or one that does not come with labelforge.
        """
        file = YamlFile.load(self.mapping_file() if path is None else path)
        name = file.validate(MappingFile).taxonomy
        if name is None:
            file.fail(
                (), "the mapping does not say which tree it is for", "Write 'taxonomy: NAME', or give --taxonomy."
            )
        if name not in Taxonomy.shipped():
            file.fail(("taxonomy",), f"no tree {name!r} comes with labelforge", "Give --taxonomy and its folder.")
        return name


def is_dataset_file(name: str | os.PathLike[str]) -> bool:
    """Whether what stands for a dataset is the path of a ``dataset.yaml``, not a name."""
    return os.fspath(name).endswith((".yaml", ".yml"))


def file_in_folder(name: str) -> str:
    """The ``dataset.yaml`` of a folder that stands where a dataset is asked for; anything else as it is."""
    inside = Path(name) / FILE_NAME
    return str(inside) if inside.is_file() else name


def _space(file: YamlFile, content: DatasetFile) -> tuple[LabelSpace, Void]:
    """The classes, and what of masks is none of them."""
    if content.name in LabelSpace.available():
        cure = "Choose another name: datasets that train together need different ones."
        file.fail(("name",), f"a label space called {content.name!r} comes with labelforge", cure)
    if isinstance(content.classes, str):
        name = path_inside(file, ("classes",), content.classes)
        path = Path(file.path).parent / name
        if path.suffix.lower() not in SUFFIXES:
            file.fail(("classes",), f"{name!r} is no list of classes", f"Such a file ends in {', '.join(SUFFIXES)}.")
        if not path.resolve().is_relative_to(Path(file.path).parent.resolve()):
            file.fail(("classes",), f"{name!r} leads out of the folder of this file", "Copy it here.")
        labels = read_classes(path)
    else:
        labels = _inline(file, content)
    bare = [label.name for label in labels if label.color is None]
    if content.format == "rgb" and bare:
        cure = "Write {name: road, color: [128, 64, 128]}: the label files hold colours."
        file.fail(("classes",), f"the class {bare[0]!r} has no colour", cure)
    void, labels = read_void(file, content.void, labels, colors=content.format == "rgb")
    return LabelSpace(content.name, None, labels, void=None if content.format == "rgb" else void.id), void


def _inline(file: YamlFile, content: DatasetFile) -> tuple[Any, ...]:
    """The classes that are written into the file."""
    if not isinstance(content.classes, list) or not content.classes:
        file.fail(("classes",), "must be a list of classes, or the path of a file", "Write [road, sky].")
    found: list[tuple[int | None, str, Color | None]] = []
    for i, entry in enumerate(content.classes):
        at: KeyPath = ("classes", i)
        facts = entry if isinstance(entry, dict) else {"name": entry}
        for key in facts:
            if key not in ("id", "name", "color"):
                file.fail((*at, key), f"unknown key {key!r}", did_you_mean(key, ("id", "name", "color")))
        name, number = facts.get("name"), facts.get("id")
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            file.fail(at, f"{name!r} is no name of a class", "Write a name, in quotes if it is a number: '7'.")
        if number is not None and not (type(number) is int and -(2**31) <= number < 2**31):
            file.fail((*at, "id"), f"the id {number!r} is no whole number of 32 bits", "Correct it.")
        if "color" in facts and color_of(facts["color"]) is None:
            file.fail((*at, "color"), f"{facts['color']!r} is no colour", "Write [r, g, b] or '#rrggbb'.")
        number = i if number is None else number
        for earlier, (other_id, other, _) in enumerate(found):
            if name == other or number == other_id:
                what = f"the name {name!r}" if name == other else f"the id {number}"
                file.fail(at, f"class {i} has {what}, as class {earlier} has", "Both must be unique.")
        found.append((number, name, color_of(facts.get("color"))))
    return checked(found, Path(file.path))
