"""The formats of labels: who reads the file of an image, or the file of many images and what it says of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from labelforge.converters.own.coco import coco_boxes, coco_objects, read_coco
from labelforge.converters.own.csv_boxes import csv_marks, read_csv
from labelforge.converters.own.cvat import cvat_boxes, cvat_marks, read_cvat
from labelforge.converters.own.kitti import read_kitti
from labelforge.converters.own.labelme import read_labelme, read_labelme_boxes
from labelforge.converters.own.marks import BoxMarks, Classes, PaintMarks
from labelforge.converters.own.panoptic import SegmentMarks, read_segments, segment_marks
from labelforge.converters.own.supervisely import read_supervisely, read_supervisely_boxes
from labelforge.converters.own.via import read_via, via_boxes, via_marks
from labelforge.converters.own.voc import read_voc
from labelforge.converters.own.yolo import read_yolo_boxes, read_yolo_polygons
from labelforge.own_dataset import OwnDataset

Marks = BoxMarks | PaintMarks | SegmentMarks
Reader = Callable[[Path, Classes], Iterator[tuple[str, str]]]
"""Takes a file with the labels of many images apart: name of each, and what it says of it."""

PER_IMAGE: Final[Mapping[tuple[str, str], Callable[[Path, Classes], Marks]]] = {
    ("boxes", "yolo"): read_yolo_boxes,
    ("boxes", "voc"): read_voc,
    ("boxes", "kitti"): read_kitti,
    ("boxes", "labelme"): read_labelme_boxes,
    ("boxes", "supervisely"): read_supervisely_boxes,
    ("polygons", "yolo"): read_yolo_polygons,
    ("polygons", "labelme"): read_labelme,
    ("polygons", "supervisely"): read_supervisely,
}
"""Kind and format -> what reads the labels of an image from its own file."""

OF_MANY: Final[Mapping[str, Reader]] = {
    "csv": read_csv,
    "coco": read_coco,
    "cvat": read_cvat,
    "via": read_via,
    "panoptic": read_segments,
}
"""Format -> what takes a file apart; of CSV files, one whose first line names the columns."""

OF_ONE: Final[Mapping[tuple[str, str], Callable[[str, Path, Classes], Marks]]] = {
    ("boxes", "csv"): csv_marks,
    ("boxes", "coco"): coco_boxes,
    ("polygons", "coco"): coco_objects,
    ("polygons", "cvat"): cvat_marks,
    ("boxes", "cvat"): cvat_boxes,
    ("polygons", "via"): via_marks,
    ("boxes", "via"): via_boxes,
    ("masks", "panoptic"): segment_marks,
}
"""Kind and format -> what reads what such a file says of one image."""


def reader_of(own: OwnDataset) -> Reader:
    """What takes the files of many images of a dataset apart."""
    if own.format == "csv":
        return partial(read_csv, form=own.csv)
    if own.format == "via":
        return partial(read_via, attribute=own.attribute)
    return OF_MANY[own.format]
