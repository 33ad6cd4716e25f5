"""Boxes of one's own: columns, flags, turned boxes, overlaps, names of images, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import NO_ANNOTATION, convert
from labelforge.converters.labels.boxes import draw_boxes
from labelforge.converters.own.marks import check_length
from labelforge.errors import ConfigError, DatasetError
from tests.converters.layouts import NOTHING, Array, picture, read_shards, save
from tests.converters.own_checks import drawn
from tests.converters.own_layouts import (
    CLASSES,
    coco,
    describe,
    own,
    put,
    voc_xml,
    write_voc,
    write_yolo,
)
from tests.converters.pictures import as_stored


def one_csv(root: Path, text: str, more: str = "") -> Path:
    """An image and a CSV file."""
    describe(
        root,
        f"kind: boxes\nformat: csv\nimages: images/{{key}}.png\nlabels: boxes.csv\n{more}"
        "classes: [road, sky, car, {id: 30, name: person}]\n",
        "box",
    )
    save(root / "images" / "a.png", picture(0))
    put(root / "boxes.csv", text)
    return root / "boxes.csv"


def block(*boxes: tuple[int, int, int, int, int]) -> Array:
    ids = np.full((20, 30), NO_ANNOTATION)
    for value, left, top, right, bottom in boxes:
        ids[top:bottom, left:right] = value
    return ids


@pytest.mark.parametrize(
    "text",
    [
        "image,xmin,ymin,xmax,ymax,class\na.png,2,3,12,9,car\n",
        "filename;left;top;right;bottom;label\nimages/a.png;2;3;12;9;car\n",
        "\ufeffPath\tX1\tY1\tX2\tY2\tName\n/data/x/images/a.png\t2.0\t3\t12\t9\tcar\n",
        'file_name, x, y, w, h, category\n"a", 2, 3, 10, 6, car\n',
        "class_id,image_id,x0,y0,x1,y1\n2,a,2,3,12,9\n",
        "label,x,y,width,height,image_name\ncar,2,3,10,6,a.png",
    ],
)
def test_columns_by_many_names(text: str, tmp_path: Path) -> None:
    one_csv(tmp_path, text)
    assert np.array_equal(drawn(tmp_path), block((2, 2, 3, 12, 9)))


@pytest.mark.parametrize(
    ("line", "message", "number"),
    [
        ("a.png,2,3,x,9,car", "xmax is 'x', not a number", 3),
        ("a.png,2,3,,9,car", "xmax is '', not a number", 3),
        ("a.png,2,3,nan,9,car", "xmax is 'nan', not a number", 3),
        ("a.png,2,3,inf,9,car", "is no place in an image", 3),
        ("a.png,2,3,1e12,9,car", "is no place in an image", 3),
        ("a.png,2,3,12,9,kar", "'kar' is no class of the dataset. Did you mean 'car'", 3),
        ("a.png,2,3,12,9,17", "no class of the dataset has the id 17", 3),
        ("a.png,2,3", "xmax is '', not a number", 3),
        ("a.png,2,3,12,9,car,1,2,3", "has 9 values, but the first line has 6", 3),
        ('a.png,"2,3,12,9,car', "a quote is not closed", 3),
        ("a.png,2,3,12,9,car,", "has 7 values, but the first line has 6", 3),
    ],
)
def test_lines_that_are_no_box(line: str, message: str, number: int | None, tmp_path: Path) -> None:
    path = one_csv(tmp_path, f"image,xmin,ymin,xmax,ymax,class\na.png,2,3,12,9,car\n{line}\n")
    with pytest.raises(DatasetError, match=message) as caught:
        own(tmp_path).sources("all")
    assert caught.value.where == str(path) and caught.value.line == number and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no CSV"),
        ("a.png,2,3,12,9,car\n", "has no column for the image, among"),
        ("image,xmin,ymin,xmax,ymax\n", "has no column for the class"),
        ("image,class,x,y\n", "has no columns for boxes"),
        ("image,class,x,y,w,h\na.png,car,0.1,0.2,0.5,0.5\n", "they are fractions of the image"),
        (
            "image,class,x,y,w,h\nb.png,car,1,2,5,5\n",
            r"names none of 1 image, such as images/a\.png; it names 'b\.png'",
        ),
    ],
)
def test_files_that_hold_no_boxes(text: str, message: str, tmp_path: Path) -> None:
    one_csv(tmp_path, text)
    with pytest.raises(DatasetError, match=message):
        own(tmp_path).sources("all")
    (tmp_path / "boxes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="is no CSV"):
        own(tmp_path).sources("all")


def test_boxes_without_area_are_counted_and_those_over_the_border_cut(tmp_path: Path) -> None:
    rows = [
        "a.png,-5,-4,3,2,car",
        "a.png,25,15,99,99,road",
        "a.png,7,7,7,9,sky",
        "a.png,9,9,8,12,sky",
        "a.png,50,50,60,60,sky",
    ]
    one_csv(tmp_path, "image,xmin,ymin,xmax,ymax,class\n" + "\n".join(rows))
    assert np.array_equal(drawn(tmp_path), block((2, 0, 0, 3, 2), (0, 25, 15, 30, 20)))
    notes = convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all").notes
    assert notes == ("Left out, since it covers no pixels: 2 x box.",)


def test_what_is_to_be_ignored_is_not_labelled(tmp_path: Path) -> None:
    rows = ["a.png,0,0,20,20,road,0", "a.png,5,5,10,10,car,1", "a.png,6,6,8,8,person,"]
    one_csv(tmp_path, "image,xmin,ymin,xmax,ymax,class,iscrowd\n" + "\n".join(rows))
    assert np.array_equal(drawn(tmp_path), block((0, 0, 0, 20, 20), (NO_ANNOTATION, 5, 5, 10, 10), (30, 6, 6, 8, 8)))
    (tmp_path / "boxes.csv").write_text("image,x,y,w,h,class,ignore\na,1,1,9,9,car,perhaps\n")
    with pytest.raises(DatasetError, match="'perhaps' is neither 0 nor 1"):
        own(tmp_path).sources("all")


@pytest.mark.parametrize(("overlaps", "value"), [("smallest", 1), ("ignore", NO_ANNOTATION), ("set", -1)])
def test_overlaps(overlaps: str, value: int, tmp_path: Path) -> None:
    text = "image,xmin,ymin,xmax,ymax,class\na.png,0,0,20,20,road\na.png,5,5,25,10,sky\n"
    one_csv(tmp_path, text, f"overlaps: {overlaps}\n")
    assert np.array_equal(drawn(tmp_path), block((0, 0, 0, 20, 20), (1, 5, 5, 25, 10), (value, 5, 5, 20, 10)))
    conversion = convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all", workers=2)
    names = {
        row.native_name: record.pixels
        for row, record in zip(conversion.mapping.rows, conversion.manifest.labels, strict=True)
    }
    assert names.get("road | sky", 0) == (15 * 5 if overlaps == "set" else 0)


def test_turned_boxes(tmp_path: Path) -> None:
    one_csv(tmp_path, "image,x,y,w,h,class,angle\na.png,8,6,10,4,car,30\n")
    turned = draw_boxes([[8, 6, 18, 10]], ["rectangle"], [2], (20, 30), angles=[30])  # tested by itself
    assert np.array_equal(drawn(tmp_path), turned)
    put(
        tmp_path / "x.json",
        coco([{"image": "a", "name": "car", "bbox": [8, 6, 10, 4], "attributes": {"rotation": 30.0}}], "a"),
    )
    describe(
        tmp_path,
        "kind: boxes\nformat: coco\nimages: images/{key}.png\nlabels: x.json\nclasses: [road, sky, car, person]\n",
        "box",
    )
    assert np.array_equal(drawn(tmp_path), turned)


def test_the_tree_says_the_shapes(tmp_path: Path) -> None:
    text = "image,xmin,ymin,xmax,ymax,class\na.png,2,2,18,18,stop\n"
    one_csv(tmp_path, text)
    describe(
        tmp_path,
        "kind: boxes\nformat: csv\nimages: images/{key}.png\nlabels: boxes.csv\nclasses: [stop]\n",
        "box",
        ("stop",),
    )
    convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all")
    ((_, ids, _),) = read_shards(tmp_path / "out").values()
    assert np.array_equal(ids == 0, draw_boxes([[2, 2, 18, 18]], ["octagon"], [0], (20, 30)) == 0)
    assert (ids[2, 2], ids[10, 10]) == (NOTHING, 0)


def test_one_file_for_all_splits(tmp_path: Path) -> None:
    """Images of one name in two splits are told apart by their folders; those of other splits are not missing."""
    describe(
        tmp_path,
        "kind: boxes\nformat: csv\nimages: '{split}/{key}.png'\nlabels: boxes.csv\nsplits: {train: train, val: val}\n"
        "classes: [road, sky, car, person]\n",
        "box",
    )
    for split in ("train", "val"):
        save(tmp_path / split / "a.png", picture(0))
    save(tmp_path / "val" / "b.png", picture(0))
    head = "path,xmin,ymin,xmax,ymax,class\n"
    put(tmp_path / "boxes.csv", head + "train/a.png,0,0,9,9,car\nval/a.png,0,0,9,9,sky\nval/c.png,0,0,9,9,sky\n")
    assert drawn_split(tmp_path, "train") == 2 and drawn_split(tmp_path, "val") == 1
    assert own(tmp_path).missing("train") == ["val/c.png"]
    assert own(tmp_path).notes("val") == ["1 image is in no label file and is left out, such as val/b.png."]
    put(tmp_path / "boxes.csv", head + "a.png,0,0,9,9,car\n")
    with pytest.raises(DatasetError, match=r"the image 'a\.png' may be .*Name images by their path"):
        own(tmp_path).sources("train")
    put(tmp_path / "boxes.csv", head + "train/a.png,0,0,9,9,car\nother/train/a.png,0,0,9,9,sky\n")
    with pytest.raises(DatasetError, match=r"both mean the image train/a\.png"):
        own(tmp_path).sources("train")


def test_labels_of_another_folder_are_not_taken(tmp_path: Path) -> None:
    path = one_csv(tmp_path, "path,xmin,ymin,xmax,ymax,class\nfront/a.png,0,0,9,9,car\n")
    with pytest.raises(DatasetError, match=r"names none of 1 image, .*'front/a\.png'\. Compare .* folders too"):
        own(tmp_path).sources("all")
    path.write_text(path.read_text() + "images/a.png,0,0,9,9,sky\n")
    converter = own(tmp_path)
    assert drawn(tmp_path)[0, 0] == 1 and converter.missing("all") == ["front/a.png"]
    assert converter.notes("all") == [
        "1 name is that of an image in another folder, and is not taken for it: 'front/a.png' is not images/a.png."
    ]


def drawn_split(root: Path, split: str) -> int:
    converter = own(root)
    (source,) = converter.sources(split)
    return int(np.asarray(converter.labels(source).draw((20, 30), (20, 30), np.asarray))[0, 0])


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("2 0.5 0.5 0.2", "4 words are no box", 1),
        ("\n2 0.5 0.5 0.2 0.2 0.1 0.3", "7 words are no box, but perhaps a polygon", 2),
        ("2 0.5 0.5 0.2 0.2 0.9", "6 words are no box, but perhaps one with a confidence", 1),
        ("2 0 0 0.2 0 0.2 0.1 0 0.1", "9 words are no box, but perhaps one that is turned.*'kind: polygons'", 1),
        ("1.5 0.5 0.5 0.2 0.2", "is no object", 1),
        ("car 0.5 0.5 0.2 0.2", "'car 0.5 0.5 0.2 0.2' is no object", 1),
        ("9 0.5 0.5 0.2 0.2", "no class of the dataset has the id 9", 1),
        ("2 15 10 6 4", "is not in fractions of the image", 1),
        ("2 nan 0.5 0.2 0.2", "is not in fractions of the image", 1),
    ],
)
def test_lines_that_yolo_does_not_write(text: str, message: str, line: int, tmp_path: Path) -> None:
    write_yolo(tmp_path)
    put(tmp_path / "labels/three.txt", text)
    with pytest.raises(DatasetError, match=message) as caught:
        drawn(tmp_path, "three")
    assert caught.value.line == line and caught.value.where == str(tmp_path / "labels/three.txt")


def test_the_list_of_classes_among_the_labels_is_no_label(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    put(tmp_path / "labels/classes.txt", "\n".join(CLASSES))
    converter = own(tmp_path)
    assert len(converter.sources("all")) == 3 and converter.missing("all") == []


def test_yolo_at_another_size(tmp_path: Path) -> None:
    """Fractions are of the image, whatever its size; its label map may be smaller."""
    write_yolo(tmp_path)
    put(tmp_path / "labels/three.txt", "2 0.25 0.25 0.5 0.5\n1 0.9 0.9 0 0.1\n")
    converter = own(tmp_path)
    (source,) = [s for s in converter.sources("all") if s.key == "three"]
    ids = converter.labels(source).draw((400, 800), (4, 8), np.asarray)
    expected = np.full((4, 8), NO_ANNOTATION)
    expected[:2, :4] = 2
    assert np.array_equal(ids, expected)
    assert converter.notes("all") == ["Left out, since it covers no pixels: 1 x box."]


def test_classes_of_yolo_as_arrays_of_floats_have_them(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    put(tmp_path / "labels/three.txt", "2.000000e+00 0.5 0.5 1.0 1.0\n")
    assert (drawn(tmp_path, "three") == 2).all()


def test_a_csv_file_that_says_the_size_of_images(tmp_path: Path) -> None:
    """Boxes for a picture of another size are refused; 0 is a size that a tool did not know."""
    head = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    path = one_csv(tmp_path, f"{head}a.png,30,20,car,2,3,12,9\na.png,0,0,sky,20,3,22,9\n")
    assert np.array_equal(drawn(tmp_path), block((2, 2, 3, 12, 9), (1, 20, 3, 22, 9)))
    convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all")
    path.write_text(f"{head}a.png,60,40,car,2,3,12,9\n")
    with pytest.raises(DatasetError, match=r"is 30x20 pixels, but its label map boxes\.csv is 60x40"):
        convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all", overwrite=True)
    path.write_text(f"{head}a.png,30,20,car,2,3,12,9\na.png,60,40,car,2,3,12,9\n")
    with pytest.raises(DatasetError, match=r"3: the image 'a\.png' is 60 x 40 here and 30 x 20 before"):
        own(tmp_path).sources("all")
    path.write_text(f"{head}a.png,wide,20,car,2,3,12,9\n")
    with pytest.raises(DatasetError, match="2: the image's width 'wide' and height '20' are no numbers"):
        own(tmp_path).sources("all")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("units: fractions\n", "units was None and is 'fractions' now"),
        ("separator: ';'\n", "separator was None and is ';' now"),
        ("separator: ';'\ndecimal: ','\n", "decimal was None and is ',' now"),
        ("columns: {image: image, class: class, xc: x, yc: y, w: w, h: h}\n", "columns was None and is"),
    ],
)
@pytest.mark.parametrize("begun", [False, True])  # whether a second shard and the manifest are missing
def test_a_conversion_is_not_continued_when_csv_is_read_otherwise(
    more: str, said: str, begun: bool, tmp_path: Path
) -> None:
    """Shards of boxes that lie elsewhere would be mixed."""
    text = "image;class;x;y;w;h\na.png;car;2;1;1;1\nb.png;car;1;2;1;1\n"
    one_csv(tmp_path, text)
    save(tmp_path / "images" / "b.png", picture(1))
    out = tmp_path / "out"
    convert(tmp_path / "dataset.yaml", None, out, split="all", samples_per_shard=1)
    if begun:
        for name in ("manifest.json", "shard-00001.tar", "shard-00001.index.json"):
            (out / name).unlink()
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    one_csv(tmp_path, text, more)
    with pytest.raises(ConfigError, match=f"was converted with other options .*{said}"):
        convert(tmp_path / "dataset.yaml", None, out, split="all", samples_per_shard=1)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    convert(tmp_path / "dataset.yaml", None, out, split="all", samples_per_shard=1, overwrite=True)
    assert len(read_shards(out)) == 2


DIFFICULT = (
    "<object><name>sky</name><difficult>1</difficult><bndbox><xmin>1.0</xmin><ymin>1.0</ymin><xmax>5.0</xmax>"
    "<ymax>5.0</ymax></bndbox><part><name>hand</name><bndbox><xmin>1</xmin></bndbox></part></object>"
)


def test_voc(tmp_path: Path) -> None:
    write_voc(tmp_path)
    put(tmp_path / "Annotations/three.xml", voc_xml([("car", 0, 0, 10, 10)], DIFFICULT))
    ids = drawn(tmp_path, "three")
    assert (ids[:5, :5] == NO_ANNOTATION).all() and ids[5, 5] == ids[0, 9] == 2 and ids[10, 10] == NO_ANNOTATION


BOMB = """<!DOCTYPE a [<!ENTITY x "lol"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;">]><annotation><a>&y;</a></annotation>"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not XML"),
        ("{}", "is not XML"),
        ('<?xml version="1.0" encoding="unf-8"?><annotation/>', "is not XML that can be read .unknown encoding: unf-8"),
        ('<?xml version="1.0" encoding="utf-7"?><annotation/>', "is not XML"),
        ("<annotations/>", "its root is <annotations>, but <annotation> was expected"),
        (BOMB, "declares entities, which annotations have no use for"),
        ("<annotation>" + "<a>" * 100_000, "is nested too deeply"),
        ("<annotation><object><name>car</name></object></annotation>", "an object is no box .it has no <bndbox>"),
        (voc_xml([("car", 0, 0, 1, 1)]).replace("<name>car</name>", ""), "an object has no <name>"),
        (voc_xml([("car", 0, 0, 1, 1)]).replace("t>0", "t>-1"), "<difficult> is wrong .'-1' is neither 0 nor 1"),
        (voc_xml([("kar", 0, 0, 1, 1)]), "'kar' is no class of the dataset. Did you mean 'car'"),
        (voc_xml([("car", 0, 0, 1, 1)]).replace("<xmin>1", "<xmin>one"), "an object is no box"),
        (voc_xml([("car", 0, 0, 1, 1)]).replace("<xmin>1", "<xmin>nan"), "is no place in an image"),
        (
            voc_xml([("car", 0, 0, 1, 1)]).replace("<width>30", "<width>31"),
            "the image is 30x20 pixels, but its label map three.xml is 31x20",
        ),
    ],
)
def test_xml_that_voc_does_not_write(text: str, message: str, tmp_path: Path) -> None:
    write_voc(tmp_path)
    put(tmp_path / "Annotations/three.xml", text)
    with pytest.raises(DatasetError, match=message) as caught:
        convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_million_boxes_on_an_image(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    put(tmp_path / "labels/three.txt", "2 0.5 0.5 0.2 0.2\n" * 30_000)
    with pytest.raises(DatasetError, match="30,000 objects in one image, more than 20,000"):
        drawn(tmp_path, "three")


def test_files_too_long_for_labels_are_not_read(tmp_path: Path) -> None:
    put(tmp_path / "a.txt", "x" * 11)
    with pytest.raises(DatasetError, match="has 11 bytes, too many for a file of labels"):
        check_length(tmp_path / "a.txt", 10)
    check_length(tmp_path / "a.txt", 11)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("exif", [None, "stored", "turned"])
@pytest.mark.parametrize("side", [30, 20])  # a picture of 30 x 20 pixels, and a square one
def test_boxes_lie_on_what_viewers_show(orientation: int, exif: str | None, side: int, tmp_path: Path) -> None:
    """A bright corner, and a box around it as somebody drew it who saw the picture turned, or as it is stored."""
    upright = np.zeros((20, side, 3), np.uint8)
    upright[:8, :10] = 250
    stored = as_stored(upright, orientation)
    tag = Image.Exif()
    tag[0x0112] = orientation
    save(tmp_path / "images/a.png", stored, exif=tag)
    drawn_on = stored if exif == "stored" else upright
    rows, columns = np.nonzero(drawn_on[..., 0])
    height, width = drawn_on.shape[:2]
    x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    line = f"0 {(x0 + x1) / 2 / width} {(y0 + y1) / 2 / height} {(x1 - x0) / width} {(y1 - y0) / height}"
    put(tmp_path / "labels/a.txt", line)
    extra = f"exif: {exif}\n" if exif else ""
    describe(
        tmp_path,
        f"kind: boxes\nformat: yolo\nimages: images/{{key}}.png\nlabels: labels/{{key}}.txt\nclasses: [car]\n{extra}",
        "box",
        ("car",),
    )
    conversion = convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all")
    image, ids, meta = read_shards(tmp_path / "out")["a"]
    assert np.array_equal(ids == 0, image[..., 0] > 0)
    assert image.shape[:2] == (stored if exif == "stored" else upright).shape[:2]
    assert meta["boxes"] == [[0, *np.array([x0, y0, x1, y1], float).tolist()]]
    said = [note for note in conversion.notes if "EXIF" in note]
    assert len(said) == (orientation != 1) and all("cannot be told" in note for note in said)
