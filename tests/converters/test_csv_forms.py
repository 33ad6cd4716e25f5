"""CSV files of boxes in the forms that people have: what is between columns, their names, one column, units, commas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labelforge.converters import NO_ANNOTATION
from labelforge.converters.own.csv_columns import boxes_by_name, named_columns
from labelforge.converters.own.csv_table import fields_of
from labelforge.errors import DatasetError, TaxonomyError
from tests.converters.layouts import Array, picture, save
from tests.converters.own_checks import drawn
from tests.converters.own_layouts import describe, own, put


def write(root: Path, text: str, more: str = "", classes: str = "[road, sky, car, person]") -> Path:
    """An image "a" of 30 x 20 pixels and a CSV file."""
    head = "kind: boxes\nformat: csv\nimages: images/{key}.png\nlabels: boxes.csv\n"
    names = tuple(name.strip() for name in classes.strip("[]").split(","))
    describe(root, f"{head}{more}classes: {classes}\n", "box", names)
    save(root / "images/a.png", picture(0))
    put(root / "boxes.csv", text)
    return root


def block(value: int, left: int, top: int, right: int, bottom: int) -> Array:
    ids = np.full((20, 30), NO_ANNOTATION)
    ids[top:bottom, left:right] = value
    return ids


FORMS: dict[str, tuple[str, str]] = {
    "pipe": ("image|xmin|ymin|xmax|ymax|class\na.png|2|3|12|9|car\n", ""),
    "white space": ("image  xmin ymin xmax ymax  class\na.png  2 3\t12 9  car \n", ""),
    "edges by turns": ("Frame,xmin,xmax,ymin,ymax,class_id\na.png,2,12,3,9,2\n", ""),
    "middle": ("filename,label,xc,yc,w,h\na.png,car,7,6,10,6\n", ""),
    "middle in words": ("Image Name,Class Name,X Center,Y Center,Width,Height\na,car,7,6,10,6\n", ""),
    "British": ("image_id,label,x_centre,y_centre,width,height\na,car,7,6,10,6\n", ""),
    "prefix": (
        "image_name,bbox_x,bbox_y,bbox_width,bbox_height,image_width,image_height,label\na,2,3,10,6,30,20,car\n",
        "",
    ),
    "prefix and sizes": (
        "filename,width,height,bbox_x,bbox_y,bbox_width,bbox_height,label\na,30,20,2,3,10,6,car\n",
        "",
    ),
    "signs": ("Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId;Path\n30;20;2;3;12;9;2;images/a.png\n", ""),
    "fractions": ("ImageID,LabelName,XMin,XMax,YMin,YMax\na,car,0.0667,0.4,0.15,0.45\n", "units: fractions\n"),
    "middles in fractions": ("image,class,cx,cy,w,h\na,car,0.2333,0.3,0.3333,0.3\n", "units: fractions\n"),
    "decimal commas": ("image;xmin;ymin;xmax;ymax;class\na.png;2,0;3,00;12;9,0;car\n", "decimal: ','\n"),
    "list": (
        'image_id,width,height,bbox,label\na,30,20,"[2.0, 3.0, 10.0, 6.0]",car\n',
        "columns: {image: image_id, x y w h: bbox, class: label}\n",
    ),
    "list of edges": (
        "image,class,box\na,car,2 3 12 9\n",
        "columns: {image: image, class: class, xmin ymin xmax ymax: box}\n",
    ),
    "list of middles": ("a|(7;6;10;6)|car\n", "separator: '|'\ncolumns: {image: 1, xc yc w h: 2, class: 3}\n"),
    "list with decimal commas": (
        "a|2,0 3,0 10,0 6,0|car\n",
        "separator: '|'\ndecimal: ','\ncolumns: {image: 1, x y w h: 2, class: 3}\n",
    ),
    "names of one's own": (
        "Foto,von,oben,bis,unten,Art\na.png,2,3,12,9,car\n",
        "columns: {image: Foto, xmin: von, ymin: oben, xmax: bis, ymax: unten, class: Art}\n",
    ),
    "middles by number": ("a.png,7,6,10,6,car\n", "columns: {image: 1, xc: 2, yc: 3, w: 4, h: 5, class: 6}\n"),
}


@pytest.mark.parametrize("name", FORMS)
def test_one_box_in_many_forms(name: str, tmp_path: Path) -> None:
    text, more = FORMS[name]
    assert np.array_equal(drawn(write(tmp_path, text, more)), block(2, 2, 3, 12, 9))


def test_with_one_class_no_column_says_it(tmp_path: Path) -> None:
    text = "image,xmin,ymin,xmax,ymax\na.png,2,3,12,9\n"
    assert np.array_equal(drawn(write(tmp_path, text, classes="[car]")), block(0, 2, 3, 12, 9))
    with pytest.raises(DatasetError, match="has no column for the class"):
        own(write(tmp_path, text, classes="[car, sky]")).sources("all")
    more = "columns: {image: 1, xmin: 2, ymin: 3, xmax: 4, ymax: 5}\n"
    assert np.array_equal(drawn(write(tmp_path, "a,2,3,12,9\n", more, "[car]")), block(0, 2, 3, 12, 9))


@pytest.mark.parametrize("nothing", ["", "[]", "nan", "[ ]"])
def test_an_image_without_a_box_in_a_list(nothing: str, tmp_path: Path) -> None:
    text = f"image,bbox\na.png,{nothing}\n"
    root = write(tmp_path, text, "columns: {image: image, x y w h: bbox}\n", "[car]")
    assert (drawn(root) == NO_ANNOTATION).all() and len(own(root).sources("all")) == 1


@pytest.mark.parametrize(
    ("text", "more", "line", "message"),
    [
        ('image,bbox,class\na,"[1,2,3,4]",car\n', "", 1, r"the column 'bbox' may be edges, or corner.*x y w h: bbox"),
        (
            "image;xmin;ymin;xmax;ymax;class\na;2,5;3;12;9;car\n",
            "",
            2,
            r"xmin is '2,5', not a number. Write decimal: ','",
        ),
        ("image;xmin;ymin;xmax;ymax;class\na;2.5;3;12;9;car\n", "decimal: ','\n", 2, r"xmin is '2.5', not a number"),
        (
            "image,xmin,ymin,xmax,ymax,class\na,.1,.1,.5,.5,car\n",
            "",
            None,
            "fractions of the image. Write 'units: fract",
        ),
        (
            "image,xmin,ymin,xmax,ymax,class\na,1,1,3,5,car\n",
            "units: fractions\n",
            2,
            "3 is not in fractions of the image",
        ),
        (
            "image,xmin,ymin,xmax,ymax,class\na,nan,.1,.5,.5,car\n",
            "units: fractions\n",
            2,
            "xmin is 'nan', not a number",
        ),
        (
            "image,xmin,ymin,xmax,ymax,class,angle\na,.1,.1,.5,.5,car,9\n",
            "units: fractions\n",
            2,
            "in fractions is turned",
        ),
        (
            "image,box,class\na,1 2 3,car\n",
            "columns: {image: image, x y w h: box, class: class}\n",
            2,
            "'1 2 3', not four",
        ),
        (
            "image,box,class\na,1 2 3 4 5 6 7 8,car\n",
            "columns: {image: image, x y w h: box, class: class}\n",
            2,
            "one box a line",
        ),
        (
            "image,box,class\na,1 2 3 inf,car\n",
            "columns: {image: image, x y w h: box, class: class}\n",
            2,
            "is no place in an",
        ),
        ("image,xmin,ymin,xmax,ymax,class\na,1_0,1,30,5,car\n", "", 2, "xmin is '1_0', not a number"),
        (
            "Foto,x,y,w,h,Art\na,1,1,3,5,car\n",
            "columns: {image: Photo, x: x, y: y, w: w, h: h, class: Art}\n",
            1,
            "no column 'Photo'",
        ),
        ("a b c\n", "separator: ' '\n", 1, "has no column for the image, among 'a', 'b', 'c'"),
        (
            "image xmin ymin xmax ymax class\na 1 2 3 4 car\n\na 1 2 3 4 car  7 \n",
            "",
            4,
            "4: has 7 values, but the first line has 6. Correct the line; a value with white space in it needs quotes",
        ),
        (
            "image,xmin,ymin,xmax,ymax,class\r\na,1,2,3,4,car\r\n\r\na,1,2,3,4,'car, red'\r\n",
            "",
            4,
            "4: has 7 values, but the first line has 6. Correct the line; a value with ',' in it needs quotes",
        ),
        (
            'image,xmin,ymin,xmax,ymax,class\na,1,2,3,4,"c\nar"\na,1,2,3,4,car\na,1,2,3,4,car,7\na,1,2,3,4,car\n',
            "",
            5,
            "5: has 7 values, but the first line has 6",
        ),
        ("image xmin ymin xmax ymax class\na 1 2 3\n", "", 2, "ymax is '', not a number"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, more: str, line: int | None, message: str, tmp_path: Path) -> None:
    root = write(tmp_path, text, more)
    with pytest.raises(DatasetError, match=message) as caught:
        own(root).sources("all")
    assert caught.value.where == str(root / "boxes.csv") and caught.value.line == line and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("columns: {image: 1, x y w h: 2, x: 3, class: 4}\n", "four columns make a box"),
        ("columns: {image: 1, x y w h: 2, xmin ymin xmax ymax: 3, class: 4}\n", "four columns make a box"),
        ("columns: {image: 1, xc: 2, yc: 3, xmax: 4, ymax: 5, class: 6}\n", "four columns make a box"),
        ("columns: {image: a, x y w h: 2, class: c}\n", "'a' is no number of a column"),
        ("columns: {image: a, x y w h: b, class: ''}\n", "'' is no column. Write its number"),
        ("columns: {image: a, x y w h: b, class: [c]}\n", r"\['c'\] is no column"),
        ("columns: {image: a, x y w h: b, class: b}\n", "column b is both"),
        ("decimal: ','\nseparator: ','\n", "the comma is between columns"),
        ("decimal: ;\n", "must be '.' or ','"),
        ("units: metres\n", "must be 'pixels' or 'fractions'"),
    ],
)
def test_what_a_dataset_yaml_cannot_say(more: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, "", more)
    with pytest.raises(TaxonomyError, match=message) as caught:
        own(tmp_path)
    assert caught.value.line is not None


def test_columns_by_their_names() -> None:
    assert named_columns(["ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax", "IsGroupOf", "Confidence"]) == {
        **{"image": "ImageID", "class": "LabelName", "xmin": "XMin", "ymin": "YMin", "xmax": "XMax", "ymax": "YMax"},
        "ignore": "IsGroupOf",
    }
    assert named_columns(["x", "y", "width", "height", "image", "image_width", "image_height"]) == {
        **{"image": "image", "x": "x", "y": "y", "w": "width", "h": "height"},
        **{"width": "image_width", "height": "image_height"},
    }
    for line in (
        "box",
        "box,1",
        "box 0 0 255",
        "id,name,age",
        "0 0.5 0.5 0.1 0.1",
        "a.png;1;2;3;4;5",
        "",
        '"',
        "filename,class",
    ):
        assert not boxes_by_name(fields_of(line))
    assert fields_of('"file name"; "x" ') == ["file name", "x"] and fields_of("a  b") == ["a", "b"]
