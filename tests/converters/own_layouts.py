"""Tiny datasets of one's own, each with its ``dataset.yaml`` and mapping, and what is in them."""

from __future__ import annotations

import json
import textwrap
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from labelforge.converters import Converter, Source
from labelforge.converters.own.converter import OwnData
from tests.converters.coco_layouts import segment_png
from tests.converters.layouts import NOTHING, Array, Written, label_blocks, palette_png, picture, save

CLASSES = ("road", "sky", "car", "person")
COLORS = ((128, 64, 128), (70, 130, 180), (0, 0, 142), (220, 20, 60))


def describe(root: Path, text: str, supervision: str = "pixel", classes: tuple[str, ...] = CLASSES) -> Path:
    """Write ``dataset.yaml`` and a mapping of its classes to the nodes of the same names."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.yaml").write_text("name: yard\n" + textwrap.dedent(text))
    labels = "".join(f"  {name}: {name}\n" for name in classes)
    (root / "mapping.yaml").write_text(
        f"dataset: yard\ntaxonomy: streets\nsupervision: {supervision}\nlabels:\n{labels}"
    )
    return root / "dataset.yaml"


def own(root: Path) -> OwnData:
    """The converter of a dataset that was described."""
    return OwnData(root / "dataset.yaml")


def first(converter: Converter, split: str) -> Source:
    """The first sample of a split."""
    return converter.sources(split)[0]


def write_ids(root: Path) -> dict[str, Written]:
    """Grey masks of 16 bits in folders of splits and cities; 999 is void."""
    describe(
        root,
        """\
        title: Our yard
        kind: masks
        format: ids
        images: images/{split}/{key}.jpg
        labels: labels/{split}/{key}_gt.png
        splits: {train: training, val: validation}
        void: 999
        classes: [{id: 300, name: road}, {id: 7, name: sky}, {id: 0, name: car}, {id: 65000, name: person}]
        """,
    )
    found = {}
    for i, key in enumerate(["ulm/a.b_1", "ulm/2", "zoo/2"]):
        image = save(root / "images/training" / f"{key}.jpg", picture(i), quality=95)
        ids = np.array([300, 7, 0, 65000, 999], np.uint16)[label_blocks(i, range(5))]
        save(root / "labels/training" / f"{key}_gt.png", ids)
        found[key] = Written(np.asarray(Image.open(image)), np.where(ids == 999, NOTHING, ids.astype(int)))
    return found


def write_palette(root: Path) -> dict[str, Written]:
    """Palette masks as VOC has them, with a list per split, and 255 for void."""
    describe(
        root,
        """\
        kind: masks
        format: palette
        images: JPEGImages/{key}.jpg
        labels: SegmentationClass/{key}.png
        splits: {train: ImageSets/train.txt, val: ImageSets/val.txt}
        void: 255
        classes: [road, sky, car, person]
        """,
    )
    found = {}
    for i in range(4):
        key = f"2007_{i:06d}"
        image = save(root / "JPEGImages" / f"{key}.jpg", picture(i), quality=95)
        ids = np.array([0, 1, 2, 3, 255], np.uint8)[label_blocks(i, range(5))]
        palette_png(
            root / "SegmentationClass" / f"{key}.png", ids, np.random.default_rng(i).integers(0, 256, 768).tolist()
        )
        if i != 2:
            found[key] = Written(np.asarray(Image.open(image)), np.where(ids == 255, NOTHING, ids.astype(int)))
    (root / "ImageSets").mkdir()
    (root / "ImageSets/train.txt").write_text("".join(f"{key}\n" for key in found))
    (root / "ImageSets/val.txt").write_text("JPEGImages/2007_000002.jpg SegmentationClass/2007_000002.png\n")
    return found


def write_colors(root: Path, mode: str = "RGBA") -> dict[str, Written]:
    """Masks in colours beside the images, black for void, all in one split."""
    listed = "".join(
        f"  - {{name: {n}, color: [{r}, {g}, {b}]}}\n" for n, (r, g, b) in zip(CLASSES, COLORS, strict=True)
    )
    describe(
        root,
        "kind: masks\nformat: rgb\nimages: '{key}.png'\nlabels: '{key}_mask.png'\nvoid: '#000000'\nclasses:\n" + listed,
    )
    found = {}
    for i, key in enumerate(["a", "b", "sub/a"]):
        save(root / f"{key}.png", picture(i))
        ids = label_blocks(i, range(5))
        mask = Image.fromarray(np.array([*COLORS, (0, 0, 0)], np.uint8)[ids]).convert(mode)
        mask.save(root / f"{key}_mask.png")
        found[key] = Written(picture(i), np.where(ids == 4, NOTHING, ids.astype(int)))
    return found


BOXES: dict[str, list[tuple[str, int, int, int, int]]] = {
    "one": [("car", 2, 3, 12, 9), ("person", 10, 5, 14, 17), ("car", 25, 15, 40, 30)],
    "sub/two": [("road", 0, 10, 30, 20), ("sky", 0, 0, 30, 4)],
    "three": [],
}
"""Boxes in pixel edges, right and bottom exclusive; one of them leaves the image."""


def box_map(key: str) -> Array:
    """(H, W) what the boxes of an image mean: by pixels, the smallest box on top; cars are filled as rectangles."""
    ids = np.full((20, 30), NOTHING)
    for name, left, top, right, bottom in sorted(BOXES[key], key=lambda b: -(b[3] - b[1]) * (b[4] - b[2])):
        ids[top:bottom, left:right] = CLASSES.index(name)
    return ids


def boxes_of(root: Path, text: str) -> dict[str, Written]:
    """Images with the boxes above, described so."""
    describe(root, text + "\nclasses: [road, sky, car, person]\n", "box")
    return {
        key: Written(np.asarray(Image.open(save(root / "images" / f"{key}.png", picture(i)))), box_map(key))
        for i, key in enumerate(BOXES)
    }


def put(path: Path, text: str) -> None:
    """Write a text into a folder that may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_yolo(root: Path) -> dict[str, Written]:
    """YOLO: fractions of 30 x 20 pixels."""
    for key, boxes in BOXES.items():
        lines = [
            f"{CLASSES.index(n)} {(x0 + x1) / 60!r} {(y0 + y1) / 40!r} {(x1 - x0) / 30!r} {(y1 - y0) / 20!r}"
            for n, x0, y0, x1, y1 in boxes
        ]
        put(root / "labels" / f"{key}.txt", "\n".join(lines))
    return boxes_of(root, "kind: boxes\nformat: yolo\nimages: images/{key}.png\nlabels: labels/{key}.txt")


def voc_xml(boxes: list[tuple[str, int, int, int, int]], extra: str = "") -> str:
    """A VOC file: pixels count from 1, the last ones are inside."""
    objects = "".join(
        f"<object><name>{n}</name><pose>Left</pose><difficult>0</difficult><bndbox><xmin>{x0 + 1}</xmin>"
        f"<ymin>{y0 + 1}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>\n"
        for n, x0, y0, x1, y1 in boxes
    )
    size = "<size><width>30</width><height>20</height><depth>3</depth></size>\n"
    return f"<annotation>\n<filename>x.png</filename>\n{size}{objects}{extra}</annotation>\n"


def write_voc(root: Path) -> dict[str, Written]:
    """Pascal VOC's XML."""
    for key, boxes in BOXES.items():
        put(root / "Annotations" / f"{key}.xml", voc_xml(boxes))
    return boxes_of(root, "kind: boxes\nformat: voc\nimages: images/{key}.png\nlabels: Annotations/{key}.xml")


def write_csv(root: Path) -> dict[str, Written]:
    """A CSV file for all, as TensorFlow's tutorials have it, with a line for the image without a box."""
    lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for key, boxes in BOXES.items():
        lines += [f"{key}.png,30,20,{n},{x0},{y0},{x1},{y1}" for n, x0, y0, x1, y1 in boxes]
        lines += [] if boxes else [f"{key}.png,30,20,,,,,"]
    put(root / "boxes.csv", "\n".join(lines) + "\n")
    return boxes_of(root, "kind: boxes\nformat: csv\nimages: images/{key}.png\nlabels: boxes.csv")


def write_bare_csv(root: Path) -> dict[str, Written]:
    """Lines as the German signs have them: no first line of names, and semicolons."""
    lines = [
        f"{key}.png;{x0};{y0};{min(x1, 30)};{min(y1, 20)};{n}"
        for key, boxes in BOXES.items()
        for n, x0, y0, x1, y1 in boxes
    ]
    put(root / "gt.txt", "\n".join([*lines, "three.png;;;;;"]) + "\n")
    columns = "columns: {image: 1, xmin: 2, ymin: 3, xmax: 4, ymax: 5, class: 6}\nseparator: ';'"
    head = "kind: boxes\nformat: csv\nimages: images/{key}.png\nlabels: gt.txt\n"
    return boxes_of(root, head + columns)


def write_segments(root: Path) -> dict[str, Written]:
    """COCO's panoptic format: two segments of each class, one of a person marked as a crowd; 0 is no segment."""
    entries: dict[str, list[Any]] = {"images": [], "annotations": []}
    found = {}
    for i, key in enumerate(["one", "sub/two", "three"]):
        path = save(root / "images" / f"{key}.png", picture(i))
        ids = label_blocks(i, range(5)).astype(int)  # 4: no segment
        half = np.where(np.arange(30) < 14, 0, 5)
        numbers = np.where(ids == 4, 0, 70_001 * (ids + 1) + half)
        crowd = 70_001 * (CLASSES.index("person") + 1) + 5
        segment_png(root / "panoptic" / f"{key}.png", numbers)
        segments = [
            {"id": n, "category_id": 1000 - (n // 70_001 - 1), "iscrowd": int(n == crowd)}
            for n in np.unique(numbers[numbers > 0]).tolist()
        ]
        entries["images"].append({"id": i, "file_name": f"{key}.png"})
        entries["annotations"].append({"image_id": i, "file_name": f"{key}.png", "segments_info": segments})
        found[key] = Written(np.asarray(Image.open(path)), np.where((ids == 4) | (numbers == crowd), NOTHING, ids))
    categories = [{"id": 1000 - i, "name": name, "isthing": int(i > 1)} for i, name in enumerate(CLASSES)]
    put(root / "panoptic.json", json.dumps({**entries, "categories": categories}))
    head = "kind: masks\nformat: panoptic\nimages: images/{key}.png\nlabels: panoptic.json\n"
    describe(root, head + "segments: panoptic/{key}.png\nclasses: [road, sky, car, person]\n")
    return found


def coco(annotations: list[dict[str, Any]], names: Iterable[str] = BOXES) -> str:
    """A COCO file of images of 30 x 20 pixels; annotations name their image and class."""
    numbers = {name: 100 + i for i, name in enumerate(names)}
    categories = {name: 1000 - i for i, name in enumerate(CLASSES)}  # ids that are not those of the dataset.yaml
    entries = [
        {"id": i, "image_id": numbers[a["image"]], "category_id": categories[a["name"]], **a}
        for i, a in enumerate(annotations)
    ]
    content = {
        "info": {},
        "images": [{"id": i, "file_name": f"{n}.png", "height": 20, "width": 30} for n, i in numbers.items()],
        "annotations": [{k: v for k, v in e.items() if k not in ("image", "name")} for e in entries],
        "categories": [{"id": i, "name": n} for n, i in categories.items()],
    }
    return json.dumps(content)


def write_coco_boxes(root: Path) -> dict[str, Written]:
    """COCO's JSON."""
    entries = [
        {"image": key, "name": n, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": 1, "iscrowd": 0}
        for key, boxes in BOXES.items()
        for n, x0, y0, x1, y1 in boxes
    ]
    put(root / "annotations/instances.json", coco(entries))
    return boxes_of(root, "kind: boxes\nformat: coco\nimages: images/{key}.png\nlabels: annotations/*.json")


OUTLINES: dict[str, list[tuple[str, list[tuple[float, float]]]]] = {
    "one": [
        ("road", [(0, 10), (30, 8.5), (30, 20), (0, 20)]),
        ("car", [(3.2, 4.1), (14.7, 3.3), (12.4, 15.8), (8.5, 6.6), (2.5, 14.2)]),
        ("sky", [(-5, -3), (40, -3), (22.3, 6.4), (9.1, 2.2)]),  # leaves the image
    ],
    "sub/two": [("person", [(5, 5), (25, 15), (25, 5), (5, 15)])],  # crosses itself
    "three": [],
}
"""Polygons, painted in this order."""


def outline_map(key: str) -> Array:
    """(H, W) what the polygons of an image mean."""
    ids = np.full((20, 30), NOTHING)
    for name, points in OUTLINES[key]:
        ids[inside(points)] = CLASSES.index(name)
    return ids


def write_coco_polygons(root: Path) -> dict[str, Written]:
    """COCO's JSON with polygons and a mask in run lengths, which COCO's own code draws, the smallest on top."""
    entries: list[dict[str, Any]] = []
    found = {}
    for i, (key, outlines) in enumerate(OUTLINES.items()):
        drawn = []
        for name, points in outlines:
            polygon = [number for point in points for number in point]
            runs = coco_mask.frPyObjects([polygon], 20, 30)[0]
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # up to 2.0.11
                mask = coco_mask.decode(runs).astype(bool)
            segmentation: Any = [polygon]
            if name == "road":
                segmentation = {"size": [20, 30], "counts": runs["counts"].decode()}
            entries.append({"image": key, "name": name, "segmentation": segmentation, "iscrowd": 0})
            x, y = np.array(points).T
            area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2 if name != "road" else mask.sum()
            drawn.append((-area, name, mask))
        ids = np.full((20, 30), NOTHING)
        for _, name, mask in sorted(drawn, key=lambda each: each[0]):
            ids[mask] = CLASSES.index(name)
        image = save(root / "images" / f"{key}.png", picture(i))
        found[key] = Written(np.asarray(Image.open(image)), ids)
    put(root / "labels.json", coco(entries))
    head = "kind: polygons\nformat: coco\nimages: images/{key}.png\nlabels: labels.json\n"
    describe(root, head + "classes: [road, sky, car, person]\n")
    return found


def outlines_of(root: Path, text: str) -> dict[str, Written]:
    """Images with the polygons above, described so."""
    describe(root, text + "\nclasses: [road, sky, car, person]\n")
    return {
        key: Written(np.asarray(Image.open(save(root / "images" / f"{key}.png", picture(i)))), outline_map(key))
        for i, key in enumerate(OUTLINES)
    }


def labelme(shapes: list[dict[str, Any]]) -> str:
    """A labelme file of an image of 30 x 20 pixels."""
    head: dict[str, Any] = {"version": "5.4.1", "flags": {}, "imagePath": "x.png", "imageData": None}
    return json.dumps({**head, "shapes": shapes, "imageHeight": 20, "imageWidth": 30})


def write_labelme(root: Path) -> dict[str, Written]:
    """labelme's JSON beside the images."""
    for key, outlines in OUTLINES.items():
        shapes: list[dict[str, Any]] = [
            {"label": n, "points": p, "shape_type": "polygon", "group_id": None, "flags": {}} for n, p in outlines
        ]
        put(root / "images" / f"{key}.json", labelme(shapes))
    return outlines_of(root, "kind: polygons\nformat: labelme\nimages: images/{key}.png\nlabels: images/{key}.json")


def write_yolo_polygons(root: Path) -> dict[str, Written]:
    """YOLO's polygons: fractions of 30 x 20 pixels."""
    for key, outlines in OUTLINES.items():
        lines = [
            " ".join([str(CLASSES.index(name)), *(f"{x / 30!r} {y / 20!r}" for x, y in points)])
            for name, points in outlines
        ]
        put(root / "labels" / f"{key}.txt", "\n".join(lines))
    return outlines_of(root, "kind: polygons\nformat: yolo\nimages: images/{key}.png\nlabels: labels/{key}.txt")


def write_supervisely(root: Path) -> dict[str, Written]:
    """Supervisely's JSON."""
    for key, outlines in OUTLINES.items():
        objects = [
            {"id": 1, "classTitle": n, "geometryType": "polygon", "points": {"exterior": p, "interior": []}}
            for n, p in outlines
        ]
        put(root / "ann" / f"{key}.png.json", json.dumps({"size": {"height": 20, "width": 30}, "objects": objects}))
    return outlines_of(
        root, "kind: polygons\nformat: supervisely\nimages: images/{key}.png\nlabels: ann/{key}.png.json"
    )


def cvat(images: dict[str, str]) -> str:
    """A file as "CVAT for images 1.1" has it, of images of 30 x 20 pixels: name -> its shapes."""
    parts = [
        f'<image id="{i}" name="{n}.png" width="30" height="20">\n{s}</image>\n'
        for i, (n, s) in enumerate(images.items())
    ]
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
    return head + "".join(parts) + "</annotations>\n"


def cvat_polygon(label: str, points: list[tuple[float, float]], order: int = 0) -> str:
    """A polygon of such a file."""
    text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return f'<polygon label="{label}" source="manual" occluded="0" points="{text}" z_order="{order}">\n</polygon>\n'


def write_cvat(root: Path) -> dict[str, Written]:
    """CVAT's XML; the order in the file is turned round, and z_order says the right one."""
    images = {
        key: "".join(cvat_polygon(n, p, i - 3) for i, (n, p) in reversed([*enumerate(outlines)]))
        for key, outlines in OUTLINES.items()
    }
    put(root / "annotations.xml", cvat(images))
    return outlines_of(root, "kind: polygons\nformat: cvat\nimages: images/{key}.png\nlabels: annotations.xml")


def via(images: Mapping[str, Sequence[tuple[object, object]]]) -> str:
    """A file as VIA 2 exports it: name of an image -> its shapes and their attributes."""
    found = {}
    for name, regions in images.items():
        each = [{"shape_attributes": shape, "region_attributes": attributes} for shape, attributes in regions]
        found[f"{name}.png99"] = {"filename": f"{name}.png", "size": 99, "regions": each, "file_attributes": {}}
    return json.dumps(found)


def via_polygon(points: list[tuple[float, float]]) -> dict[str, Any]:
    """A polygon of such a file."""
    return {"name": "polygon", "all_points_x": [x for x, _ in points], "all_points_y": [y for _, y in points]}


def write_via(root: Path) -> dict[str, Written]:
    """VIA's JSON."""
    images = {key: [(via_polygon(p), {"class": n}) for n, p in outlines] for key, outlines in OUTLINES.items()}
    put(root / "via_region_data.json", via(images))
    return outlines_of(root, "kind: polygons\nformat: via\nimages: images/{key}.png\nlabels: via_region_data.json")


def write_via_boxes(root: Path) -> dict[str, Written]:
    """VIA's JSON of rectangles."""
    images = {
        key: [
            ({"name": "rect", "x": x, "y": y, "width": r - x, "height": b - y}, {"label": n}) for n, x, y, r, b in boxes
        ]
        for key, boxes in BOXES.items()
    }
    put(root / "via.json", via(images))
    return boxes_of(root, "kind: boxes\nformat: via\nimages: images/{key}.png\nlabels: via.json")


def inside(points: list[tuple[float, float]], height: int = 20, width: int = 30) -> Array:
    """(H, W) bool: the pixels whose centre is inside a polygon, by the even-odd rule, one by one."""
    found = np.zeros((height, width), dtype=bool)
    for row in range(height):
        for column in range(width):
            x, y = column + 0.5, row + 0.5
            for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
                if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                    found[row, column] ^= True
    return found
