"""Mapillary Vistas: street scenes from all continents, releases 1.1 and 1.2 (66 labels) and 2.0 (124 labels).

    ROOT/<split>/images/<key>.jpg
    release 1.x   ROOT/config.json                          ROOT/<split>/labels/<key>.png
    release 2.0   ROOT/config_v1.2.json, config_v2.0.json   ROOT/<split>/v1.2/labels/<key>.png, v2.0/labels/<key>.png
    segments      beside labels: panoptic/<key>.png and panoptic/panoptic_2018.json (release 2.0: panoptic_2020.json)

A label is the position of its entry in the configuration file, and the palette *index* in a label map. The releases
number the same concept differently, so the file is compared with the label table before anything is read. Colours are
not used: several labels of release 2.0 share one. The testing split is published without labels.

The segments are in COCO's format (`labelforge.converters.annotations.panoptic_json`). Their categories are numbered
anew, from 1: what a label is called in the configuration file is their supercategory. Pixels without a segment have the
label ``void--unlabeled``. (Neuhold et al., ICCV 2017.)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

from labelforge.converters.annotations.coco_json import category_names, missing_images
from labelforge.converters.annotations.json_files import reading
from labelforge.converters.annotations.panoptic_json import panoptic_labels, panoptic_sources, read_panoptic
from labelforge.converters.base import Converter, Source, check_choice
from labelforge.converters.files import list_files
from labelforge.converters.labels.contract import NativeLabels
from labelforge.converters.labels.pixels import PixelLabels, Unannotated
from labelforge.converters.pictures.label_maps import read_label_map
from labelforge.errors import ConfigError, DatasetError, did_you_mean
from labelforge.label_space import LabelSpace

Labels = Literal["ids", "panoptic"]

_TESTING = "testing"
_UNLABELED: Final = "void--unlabeled"


@dataclass(frozen=True)
class _Release:
    label_space: str
    major: str  # first figure of the configuration file's version
    folders: tuple[str, ...]  # below the split, with a slash; the first with labels is taken


_RELEASES: Final = {  # newest first
    "2.0": _Release("mapillary-vistas-2.0", "2", ("v2.0/",)),
    "1.2": _Release("mapillary-vistas-1.2", "1", ("v1.2/", "")),
}
_FOLDERS: Final[Mapping[str, str]] = {"ids": "labels", "panoptic": "panoptic"}


class MapillaryVistas(Converter):
    """One release of Mapillary Vistas.

    Args:
        root: Folder that holds the configuration file and the splits.
        release: ``1.2`` (also for 1.1, which has the same labels) or ``2.0``; default: the newest found.
        labels: The label maps (``ids``), or the segments of the ``panoptic`` annotation.

    Raises:
        DatasetError: The folder is not the dataset, or its configuration file differs from the label table.
        ConfigError: There is no such release, or ``labels`` is neither.
    """

    name = "mapillary-vistas"
    title = "Mapillary Vistas"
    splits = ("training", "validation", _TESTING)
    markers = ("config*.json",)
    home = "https://www.mapillary.com/dataset/vistas"
    layout = """\
releases 1.1 and 1.2:
    config.json, <split>/images/<key>.jpg, <split>/labels/<key>.png
release 2.0:
    config_v2.0.json, <split>/images/<key>.jpg, <split>/v2.0/labels/<key>.png (also v1.2)
with labels=panoptic, panoptic/<key>.png and panoptic/panoptic_<year>.json beside labels"""
    option_help: ClassVar[Mapping[str, str]] = {
        "release": "1.2 or 2.0 (default: the newest found)",
        "labels": "ids (the default) or panoptic",
    }

    def __init__(self, root: str | os.PathLike[str], *, release: str | None = None, labels: Labels = "ids") -> None:
        super().__init__(root)
        check_choice("labels", labels, get_args(Labels))
        self.kind = labels
        if release is not None and release not in _RELEASES:
            raise ConfigError(f"{self.title} has no release {release!r}", cure=did_you_mean(release, _RELEASES))
        configs = _configurations(self.root)
        candidates = (
            [release] if release else [r for r in _RELEASES if r in configs and self._folders(r)] or list(configs)
        )
        self.release = candidates[0]
        if self.release not in configs:
            raise DatasetError(
                f"holds no configuration file of release {self.release}; found those of {', '.join(configs)}",
                where=self.root,
                cure=f"Use release={next(iter(configs))}, or unpack config_v{self.release}.json too.",
            )
        self.label_space = _RELEASES[self.release].label_space
        _compare(*configs[self.release], LabelSpace.load(self.label_space))

    @property
    def options(self) -> dict[str, Any]:
        """The release that is read, and the segments if these are."""
        return {"release": self.release, **({"labels": self.kind} if self.kind != "ids" else {})}

    def _folders(self, release: str) -> list[str]:
        """The label folders of a release that exist, relative to the root, by split."""
        end = _FOLDERS[self.kind]
        names = [f"{split}/{folder}{end}" for split in self.splits for folder in _RELEASES[release].folders]
        return [name for name in names if (self.root / name).is_dir()]

    def sources(self, split: str) -> list[Source]:
        """The images of a split, each with its labels of the release."""
        self.check_split(split)
        images = list_files(self.root / split / "images", (".jpg", ".jpeg"), what=f"images of the split {split}")
        folder = self._label_folder(split)
        if folder and self.kind == "panoptic":
            entries = read_panoptic(self._segments(folder), self._native_ids)
            meta = {"release": self.release}
            return panoptic_sources(self.root, entries, f"{split}/images", folder, meta)
        return sorted(
            (
                Source(
                    path.stem,
                    path.relative_to(self.root).as_posix(),
                    f"{folder}/{path.stem}.png" if folder else None,
                    {"release": self.release},
                )
                for path in images
            ),
            key=lambda source: source.key,
        )

    def _label_folder(self, split: str) -> str | None:
        folders = [name for name in self._folders(self.release) if name.startswith(f"{split}/")]
        if folders:
            return folders[0]
        if split == _TESTING:
            return None
        expected = " or ".join(f"{folder}{_FOLDERS[self.kind]}" for folder in _RELEASES[self.release].folders)
        others = [r for r in _RELEASES if any(name.startswith(f"{split}/") for name in self._folders(r))]
        cure = f"Use release={others[0]}, which is there." if others else "Unpack the labels too."
        raise DatasetError(
            f"holds no labels of release {self.release} ({expected})", where=self.root / split, cure=cure
        )

    def missing(self, split: str) -> list[str]:
        """Keys of the labels that have no image."""
        folder = self._label_folder(split)
        if folder and self.kind == "panoptic":
            return missing_images(self._segments(folder), self.root / split / "images")
        here = {source.key for source in self.sources(split)}
        return sorted({path.stem for path in (self.root / folder).glob("*.png")} - here) if folder else []

    def labels(self, source: Source) -> NativeLabels:
        """The labels of an image; none in the testing split."""
        if source.labels is None:
            return Unannotated()
        if self.kind == "panoptic":
            unlabeled = LabelSpace.load(self.label_space).by_name[_UNLABELED].id
            return panoptic_labels(source, self.label_path(source), unlabeled)
        return PixelLabels(read_label_map(self.label_path(source)))

    def _segments(self, folder: str) -> Path:
        """The file that lists the segments of a split."""
        found = sorted((self.root / folder).glob("panoptic_*.json"))
        if not found:
            what = "no panoptic_<year>.json, which lists the segments, is in it"
            raise DatasetError(what, where=self.root / folder, cure="Unpack the panoptic annotation again.")
        return found[0]

    def _native_ids(self, categories: Iterable[Any], place: Path) -> dict[int, int]:
        """The labels by the categories of a panoptic annotation, whose numbers are its own."""
        labels = LabelSpace.load(self.label_space).by_name
        entries, found = list(categories), {}
        for entry, (category, name) in zip(entries, category_names(entries, place), strict=True):
            with reading(place, f"category {category}"):
                label = str(entry.get("supercategory", name))
            if label not in labels:
                cure = "Use the dataset's own file, of the same release as the configuration file."
                what = f"category {category}, {name!r} of {label!r}, is no label of {self.label_space}"
                raise DatasetError(what, where=place, cure=cure)
            found[category] = labels[label].id
        return found


def _configurations(root: Path) -> dict[str, tuple[Path, list[str]]]:
    """Release -> configuration file and its label names, newest release first."""
    found: dict[str, tuple[Path, list[str]]] = {}
    for path in sorted(root.glob("config*.json"), reverse=True):
        try:
            content = json.loads(path.read_bytes())
            version, names = str(content["version"]), [str(label["name"]) for label in content["labels"]]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise DatasetError(
                f"is not a configuration file of Mapillary Vistas ({type(error).__name__}: {error})",
                where=path,
                cure="It needs 'version' and 'labels' with a 'name' each: unpack the dataset's own file again.",
            ) from error
        release = next((name for name, r in _RELEASES.items() if version.startswith(r.major)), None)
        if release is None:
            raise DatasetError(
                f"has version {version}, which labelforge does not know",
                where=path,
                cure=did_you_mean(version, _RELEASES),
            )
        found.setdefault(release, (path, names))
    return {release: found[release] for release in _RELEASES if release in found}


def _compare(path: Path, names: list[str], space: LabelSpace) -> None:
    """Check that a configuration file numbers the labels as the label table does."""
    cure = "Use the dataset's own configuration file; a dataset with other labels needs a label space of its own."
    for position, (here, there) in enumerate(zip(names, space.names, strict=False)):
        if here != there:
            raise DatasetError(f"label {position} is {here!r}; in {space.name} it is {there!r}", where=path, cure=cure)
    if len(names) != len(space.names):
        raise DatasetError(f"has {len(names)} labels; {space.name} has {len(space.names)}", where=path, cure=cure)
