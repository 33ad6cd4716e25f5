"""Labels in COCO's panoptic format: a JSON file that lists the segments of many images, and a picture of each image's.

The format is that of `labelforge.converters.annotations.panoptic_json`. Categories are taken by their names, whatever
their ids. What no segment holds is not labelled; nor is what is marked as a crowd, unless the dataset.yaml says
``crowds: label``. The pictures are found among those that ``segments`` of the dataset.yaml fits, as images are: by
their path, by the end of it, or by file name. Of pictures of one name, those below a folder that is called as the JSON
file, or beside it, are meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from labelforge.converters.annotations.coco_json import category_names
from labelforge.converters.annotations.panoptic_json import read_panoptic, segment_numbers
from labelforge.converters.base import Source
from labelforge.converters.labels.contract import NO_ANNOTATION
from labelforge.converters.labels.panoptic import NOTHING, PanopticSegments
from labelforge.converters.own.marks import LARGEST_SHARED, Classes, LeftOut, check_length
from labelforge.converters.own.shared import Entries
from labelforge.converters.own.splits import Names
from labelforge.converters.pictures.label_maps import read_color_map
from labelforge.errors import DatasetError, counted, listed

_CURE = "Compare 'segments' in dataset.yaml, and the names in the file, with what is on disk."


@dataclass(frozen=True)
class SegmentMarks:
    """The segments of one image.

    Attributes:
        labels: They draw themselves.
    """

    labels: PanopticSegments

    @property
    def left_out(self) -> LeftOut:
        """The segments that label nothing: crowds, and those that the picture has no pixel of."""
        found = LeftOut()
        here = {*np.unique(self.labels.segments).tolist()} - {NOTHING}
        for number, value in self.labels.labels.items():
            if number not in here:
                found.empty["segment"] += 1
            elif value == NO_ANNOTATION:
                found.marked["segment"] += 1
        return found


def read_segments(path: Path, classes: Classes) -> Iterator[tuple[str, str]]:
    """The annotated images of a panoptic file: name, and its picture and segments as `picture_sources` reads them.

    Raises:
        DatasetError: The file is missing or broken, or a category is no class.
    """
    check_length(path, LARGEST_SHARED)

    def native_ids(categories: Iterable[Any], place: Path) -> Mapping[int, int]:
        return {number: classes.named(name, place) for number, name in category_names(categories, place)}

    crowd = classes.unless(True, 0)  # 0 where a crowd is labelled
    for entry in read_panoptic(path, native_ids, crowd or None):
        if entry.picture is not None:
            yield entry.image, json.dumps([entry.picture, entry.segments])


def picture_sources(
    root: Path, entries: Entries, images: Mapping[str, str], pictures: Sequence[str]
) -> tuple[list[Source], list[str]]:
    """The images whose picture of segments is on disk, and what to say of the others.

    Args:
        root: The dataset's folder.
        entries: What the files say of the images.
        images: Key -> image.
        pictures: The pictures that there are.

    Raises:
        DatasetError: A name may mean several pictures, or none is on disk.
    """
    names = Names({picture: picture for picture in pictures})
    sources, lost = [], []
    for key in sorted(entries.texts):
        name, segments = json.loads(entries.texts[key])
        picture = picture_of(name, names, root / entries.files[key], entries.files[key])
        if picture is None:
            lost.append(name)
        else:
            sources.append(Source(key, images[key], picture, annotations=segments))
    if not sources:
        what = f"names none of {counted(len(pictures), 'picture')} of segments, such as {pictures[0]}; it names"
        raise DatasetError(f"{what} {lost[0][:80]!r}", where=root / min(entries.files.values()), cure=_CURE)
    if not lost:
        return sources, []
    what = f"{counted(len(lost), 'picture')} of segments {'is' if len(lost) == 1 else 'are'} not on disk"
    return sources, [f"{what}, and the images are left out: {listed(lost, 2)}."]


def picture_of(name: str, names: Names[str], place: Path, file: str) -> str | None:
    """The picture of segments that a file means by a name; None if it is not there.

    Args:
        name: The name.
        names: The pictures.
        place: The file, for messages.
        file: The file, relative to the dataset's folder.

    Raises:
        DatasetError: It may be several.
    """
    own = PurePosixPath(file)
    for near in (str(own.with_suffix("")), str(own.parent)):
        found = names.find(name, near)
        if len(found) < 2:
            return found[0] if found else None
    cure = "Make 'segments' in dataset.yaml more exact, so that one picture has each name."
    raise DatasetError(f"the picture {name[:80]!r} may be {listed(found, 3)}", where=place, cure=cure)


def segment_marks(text: str, picture: Path, _: Classes) -> SegmentMarks:
    """The segments of one image, from what `picture_sources` gave.

    Raises:
        DatasetError: The picture is missing or broken.
    """
    numbers = segment_numbers(read_color_map(picture))
    return SegmentMarks(PanopticSegments(numbers, dict(json.loads(text)), picture))
