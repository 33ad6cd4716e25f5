"""WildDash 2: street scenes from all over the world that are hard to understand, 4,256 of them published with labels.

    ROOT/images/wd0001.jpg      ROOT/panoptic/wd0001.png      ROOT/panoptic.json

The format is COCO's (`labelforge.converters.annotations.panoptic_json`). The final release has 80 labels; a file that
the authors' tool (wilddash_scripts, remap_coco.py) has reduced to those of the benchmark names only these. Pixels
without a segment are ``unlabeled``. The benchmark's own frames (``wd_both_02``) are published without labels. (Zendel
et al., CVPR 2022.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from labelforge.converters.annotations.coco_json import category_names, missing_images, same_categories
from labelforge.converters.annotations.json_files import records
from labelforge.converters.annotations.panoptic_json import panoptic_labels, panoptic_sources, read_panoptic
from labelforge.converters.base import Converter, Source
from labelforge.converters.labels.contract import NativeLabels
from labelforge.converters.labels.pixels import Unannotated
from labelforge.label_space import LabelSpace

_JSON: Final = "panoptic.json"
_FINAL: Final = "wilddash-2-80"
_BENCHMARK: Final = "wilddash-2"


class WildDash2(Converter):
    """The public part of WildDash 2.

    Args:
        root: Folder that holds ``panoptic.json``, its pictures and the images.

    Raises:
        DatasetError: The folder does not hold them, or the file has other labels.
    """

    name = "wilddash2"
    title = "WildDash 2"
    splits = ("public",)
    markers = (_JSON, "panoptic", "images")
    home = "https://wilddash.cc"
    layout = """\
panoptic.json, panoptic/<frame>.png
images/<frame>.jpg"""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        path = self.root / _JSON
        categories = [entry for _, entry, _ in records(path, {"categories": True})]
        benchmark = {(label.id, _spelled(label.name)) for label in LabelSpace.load(_BENCHMARK).labels}
        reduced = all((number, _spelled(name)) in benchmark for number, name in category_names(categories, path))
        self.label_space = _BENCHMARK if reduced else _FINAL
        self._native_ids(categories, path)

    def sources(self, split: str) -> list[Source]:
        """The frames that are on disk."""
        self.check_split(split)
        entries = read_panoptic(self.root / _JSON, self._native_ids)
        return panoptic_sources(self.root, entries, "images", "panoptic")

    def missing(self, split: str) -> list[str]:
        """Names of the frames that are annotated but not on disk."""
        return missing_images(self.root / _JSON, self.root / "images")

    def labels(self, source: Source) -> NativeLabels:
        """The segments of a frame."""
        background = LabelSpace.load(self.label_space).by_name["unlabeled"].id
        if source.labels is None:
            return Unannotated()
        return panoptic_labels(source, self.label_path(source), background)

    def _native_ids(self, categories: Iterable[Any], place: Path) -> dict[int, int]:
        return same_categories(categories, LabelSpace.load(self.label_space), place, _spelled)


def _spelled(name: str) -> str:
    """A label's name without what the releases write in different ways: "ego-vehicle", "egovehicle"."""
    return re.sub(r"\(.*\)|[^a-z0-9]", "", name.lower())
