"""Every format that a ``dataset.yaml`` can describe, as a tiny dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.converters.layouts import Written
from tests.converters.own_box_layouts import (
    write_cvat_boxes,
    write_kitti,
    write_labelme_boxes,
    write_supervisely_boxes,
)
from tests.converters.own_layouts import (
    write_bare_csv,
    write_coco_boxes,
    write_coco_polygons,
    write_colors,
    write_csv,
    write_cvat,
    write_ids,
    write_labelme,
    write_palette,
    write_segments,
    write_supervisely,
    write_via,
    write_via_boxes,
    write_voc,
    write_yolo,
    write_yolo_polygons,
)


class OwnLayout:
    """How to make a tiny dataset of one's own.

    Args:
        write: Makes it below a root and says what is in it.
        split: A split with labels.
    """

    def __init__(self, write: Callable[[Path], dict[str, Written]], split: str = "all") -> None:
        self.write, self.split = write, split


OWN = {
    "ids": OwnLayout(write_ids, "train"),
    "palette": OwnLayout(write_palette, "train"),
    "rgb": OwnLayout(write_colors),
    "yolo": OwnLayout(write_yolo),
    "yolo polygons": OwnLayout(write_yolo_polygons),
    "voc": OwnLayout(write_voc),
    "panoptic": OwnLayout(write_segments),
    "csv": OwnLayout(write_csv),
    "csv without names": OwnLayout(write_bare_csv),
    "coco boxes": OwnLayout(write_coco_boxes),
    "coco polygons": OwnLayout(write_coco_polygons),
    "labelme": OwnLayout(write_labelme),
    "supervisely": OwnLayout(write_supervisely),
    "cvat": OwnLayout(write_cvat),
    "via": OwnLayout(write_via),
    "via boxes": OwnLayout(write_via_boxes),
    "kitti": OwnLayout(write_kitti),
    "labelme boxes": OwnLayout(write_labelme_boxes),
    "supervisely boxes": OwnLayout(write_supervisely_boxes),
    "cvat boxes": OwnLayout(write_cvat_boxes),
}
