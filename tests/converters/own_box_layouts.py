"""The boxes of `own_layouts` as tools for annotations write them, who also write polygons; and as KITTI does."""

from __future__ import annotations

import json
from pathlib import Path

from tests.converters.layouts import Written
from tests.converters.own_layouts import BOXES, boxes_of, cvat, labelme, put


def write_kitti(root: Path) -> dict[str, Written]:
    """KITTI's texts: pixels count from 0, the last ones are inside."""
    for key, boxes in BOXES.items():
        lines = [f"{n} 0.00 0 -1.57 {x0}.00 {y0}.00 {x1 - 1}.00 {y1 - 1}.00{' -1' * 7}" for n, x0, y0, x1, y1 in boxes]
        put(root / "label_2" / f"{key}.txt", "\n".join(lines))
    return boxes_of(root, "kind: boxes\nformat: kitti\nimages: images/{key}.png\nlabels: label_2/{key}.txt")


def write_labelme_boxes(root: Path) -> dict[str, Written]:
    """labelme's rectangles, by two corners."""
    for key, boxes in BOXES.items():
        shapes = [
            {"label": n, "points": [[x0, y1], [x1, y0]], "shape_type": "rectangle"} for n, x0, y0, x1, y1 in boxes
        ]
        put(root / "images" / f"{key}.json", labelme(shapes))
    return boxes_of(root, "kind: boxes\nformat: labelme\nimages: images/{key}.png\nlabels: images/{key}.json")


def write_supervisely_boxes(root: Path) -> dict[str, Written]:
    """Supervisely's rectangles, whose last pixels are inside."""
    for key, boxes in BOXES.items():
        objects = [
            {"classTitle": n, "geometryType": "rectangle", "points": {"exterior": [[x0, y0], [x1 - 1, y1 - 1]]}}
            for n, x0, y0, x1, y1 in boxes
        ]
        put(root / "ann" / f"{key}.png.json", json.dumps({"size": {"height": 20, "width": 30}, "objects": objects}))
    return boxes_of(root, "kind: boxes\nformat: supervisely\nimages: images/{key}.png\nlabels: ann/{key}.png.json")


def write_cvat_boxes(root: Path) -> dict[str, Written]:
    """CVAT's boxes."""
    images = {
        key: "".join(
            f'<box label="{n}" xtl="{x0}.00" ytl="{y0}.00" xbr="{x1}.00" ybr="{y1}.00" z_order="0">\n</box>'
            for n, x0, y0, x1, y1 in boxes
        )
        for key, boxes in BOXES.items()
    }
    put(root / "annotations.xml", cvat(images))
    return boxes_of(root, "kind: boxes\nformat: cvat\nimages: images/{key}.png\nlabels: annotations.xml")
