"""How ``labelforge init`` finds out the form of CSV files of boxes, with a first line of names and without."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from labelforge.converters.init.describe import describe as look
from labelforge.errors import DatasetError
from tests.converters.init_checks import init
from tests.converters.layouts import picture, save
from tests.converters.own_layouts import own, put

Line = Callable[[int, int, int, int], Sequence[object]]
LOOKS: dict[str, tuple[str, str, Line, str]] = {
    "wheat": (
        "image_id,width,height,bbox,source",
        ",",
        lambda x, y, r, b: ("{0}", 300, 200, f'"[{x}.0, {y}.0, {r - x}.0, {b - y}.0]"', "s{0}"),
        "x y w h: bbox",
    ),
    "a list of edges": (
        "image,label,coords,box",
        ",",
        lambda x, y, r, b: ("{0}.png", "car", "-", f"{x} {y} {r} {b}"),
        "xmin ymin xmax ymax: box",
    ),
    "x and y are the middle": (
        "image|x|y|w|h|label",
        "|",
        lambda x, y, r, b: ("{0}.png", (x + r) / 2, (y + b) / 2, r - x, b - y, "car"),
        "xc: x, yc: y",
    ),
    "fractions": (
        "image,xmin,xmax,ymin,ymax,label",
        ",",
        lambda x, y, r, b: ("{0}.png", x / 300, r / 300, y / 200, b / 200, "car"),
        "units: fractions",
    ),
    "decimal commas": (
        "image;xmin;ymin;xmax;ymax;label",
        ";",
        lambda x, y, r, b: ("{0}.png", *(f"{n},0" for n in (x, y, r, b)), "car"),
        'decimal: ","',
    ),
    "white space": ("image xmin ymin xmax ymax label", " ", lambda x, y, r, b: ("{0}.png", x, y, r, b, "car"), ""),
    "an image by another name": (
        "Foto,xmin,ymin,xmax,ymax,label",
        ",",
        lambda x, y, r, b: ("{0}.png", x, y, r, b, "car"),
        "image: Foto",
    ),
    "none, white space": ("", " ", lambda x, y, r, b: ("{0}.png", x, y, r, b, "car"), 'separator: " "'),
    "none, fractions": (
        "",
        ",",
        lambda x, y, r, b: ("{0}.png", "car", (x + r) / 600, (y + b) / 400, (r - x) / 300, (b - y) / 200),
        "xc: 3, yc: 4, w: 5, h: 6",
    ),
    "none, by turns": (
        "",
        "|",
        lambda x, y, r, b: ("{0}.png", x, r, y, b, "car"),
        "xmin: 2, xmax: 3, ymin: 4, ymax: 5",
    ),
    "none, a list": (
        "",
        "\t",
        lambda x, y, r, b: ("{0}.png", f"[{x}, {y}, {r}, {b}]", "car"),
        "xmin ymin xmax ymax: 2",
    ),
    "none, decimal commas": (
        "",
        ";",
        lambda x, y, r, b: ("{0}", *(f"{n},0" for n in (x, y, r, b)), "car"),
        'decimal: ","',
    ),
}  # first line, what is between columns, a line, and what init says


@pytest.mark.parametrize("name", LOOKS)
def test_init_finds_the_form(name: str, tmp_path: Path) -> None:
    """Boxes of many sizes and places, so that only one form lies inside of all pictures."""
    first, separator, line, said = LOOKS[name]
    made, want, lines = random.Random(3), {}, [first] if first else []
    for i in range(40):
        left, top = made.randint(0, 250), made.randint(0, 150)
        right, bottom = made.randint(left + 20, 300), made.randint(top + 20, 200)
        if i < 8:  # the corners of the picture, in which other forms lie outside
            left, top, right, bottom = ((0, 0, 40 + i, 30), (250, 160 - i, 300, 200))[i % 2]
        save(tmp_path / f"images/p{i}.png", picture(i, 200, 300))
        lines.append(separator.join(map(str, line(left, top, right, bottom))).format(f"p{i}"))
        want[f"p{i}"] = (left, top, right, bottom)
    put(tmp_path / ("boxes.txt" if separator == " " else "boxes.csv"), "\n".join(lines) + "\n")
    found = init(tmp_path)
    assert said in found.text and "as well" not in found.text
    for form in ("decimal", "units"):
        assert (f"\n{form}: " in found.text) == (said.startswith(form) or (form == "units" and "fractions" in name))
    assert found.dataset.space.names == (("object",) if name == "wheat" else ("car",))
    converter = own(tmp_path)
    sources = converter.sources("all")
    assert len(sources) == 40
    for source in sources:
        (box,) = converter.labels(source).boxes_in((200, 300), (200, 300))  # type: ignore[attr-defined]
        assert box[1:5] == pytest.approx(want[source.key], abs=1e-6)


def said(root: Path, header: str, lines: Sequence[str]) -> str:
    """What init says of boxes in twenty images of 64 x 48 pixels, in one line."""
    for i in range(20):
        save(root / f"p{i}.png", picture(i, 48, 64))
    put(root / "boxes.csv", "\n".join([header, *(line.format(f"p{i % 20}.png") for i, line in enumerate(lines))]))
    return " ".join(init(root).text.replace("\n# ", " ").split())


FITS_BOTH = [f"{{}}|car|{20 + i % 9}|{15 + i % 7}|10|8" for i in range(57)]
"""Boxes far from the border of the image, which fit with x and y as a corner and as the middle."""


@pytest.mark.parametrize(
    ("header", "columns"), [("image|class|x|y|w|h", {}), ("image|class|left|top|w|h", None), ("image|class|bbox", {})]
)
def test_a_few_boxes_over_the_border_by_a_pixel_say_nothing(
    header: str, columns: dict[str, str] | None, tmp_path: Path
) -> None:
    """Names are taken at their word; that others fit as well is said where they are not plain."""
    lines = [*FITS_BOTH, *["{}|car|54|30|11|10"] * 3]
    if "bbox" in header:
        lines = [
            "|".join((*fields[:2], f"[{', '.join(fields[2:])}]")) for fields in (text.split("|") for text in lines)
        ]
    text = said(tmp_path, header, lines)
    (box, *_) = own(tmp_path).labels(own(tmp_path).sources("all")[0]).boxes_in((48, 64), (48, 64))  # type: ignore[attr-defined]
    assert box[1:5] == [20, 15, 30, 23]
    if "bbox" in header:
        assert "x y w h: bbox" in text and "fit as middle and size (x, y, width, height) as well" in text
    elif columns is None:
        assert "middle" not in text and "columns:" not in text
    else:
        assert "x and y are taken for a box's corner, as their names say: 0 of 60 boxes leave" in text
        assert "fit as its middle as well, with which 0 do: look at a picture" in text
        assert "# columns: {image: image, class: class, xc: x, yc: y, w: w, h: h}\n" in own_text(tmp_path)


def own_text(root: Path) -> str:
    return (root / "dataset.yaml").read_text()


@pytest.mark.parametrize(("far", "middle"), [(3, False), (20, True)])
def test_x_and_y_are_the_middle_only_where_many_boxes_say_so(far: int, middle: bool, tmp_path: Path) -> None:
    text = said(tmp_path, "image|class|x|y|w|h", [*FITS_BOTH[far:], *["{}|car|58|40|11|10"] * far])
    if middle:
        assert (
            "with a corner there, 20 of 57 boxes leave their image by more than two pixels; with the middle, 0." in text
        )
        assert "xc: x, yc: y" in own_text(tmp_path).replace("# columns", "")
    else:
        assert "3 of 57 boxes leave their image by more than two pixels. They fit as its middle as well, with" in text
        assert "\ncolumns: " not in own_text(tmp_path)


COMMAS: dict[str, tuple[str, str, str]] = {
    "four columns": ("image;class;xmin;ymin;xmax;ymax;score", "{};car;2.0;3.0;12.5;9.0;%d,5", "."),
    "a list": ("image;class;bbox;score", "{};car;[2,3,12,9];%d,75", "."),
    "a list with gaps": ("image;class;bbox;score", "{};car;2 3 12 9;%d,75", "."),
    "a list with commas": ("image;class;bbox;score", "{};car;2,5 3,0 12,5 9,0;0.7%d", ","),
    "commas in one column": ("image;class;xmin;ymin;xmax;ymax;score", "{};car;2;3;12;9,%d;0.75", ","),
    "no first line": ("", "{};car;2.0;3.0;12.5;9.0;%d,5", "."),
    "no first line, commas": ("", "{};car;2,0;3;12,5;9;0.%d5", ","),
}


@pytest.mark.parametrize("name", COMMAS)
def test_commas_in_other_columns_than_the_boxes_say_nothing(name: str, tmp_path: Path) -> None:
    header, line, decimal = COMMAS[name]
    save(tmp_path / "0.png", picture(0))
    put(tmp_path / "boxes.csv", "\n".join([header] * bool(header) + [(line % i).format("0.png") for i in range(9)]))
    found = init(tmp_path)
    assert found.dataset.csv.decimal == decimal and found.dataset.space.names == ("car",)
    converter = own(tmp_path)
    (source,) = converter.sources("all")
    assert len(converter.labels(source).boxes_in((20, 30), (20, 30))) == 9  # type: ignore[attr-defined]


def test_init_says_where_a_list_can_be_read_in_two_ways(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", picture(i, 200, 300))
    put(tmp_path / "boxes.csv", "image,bbox\n" + "".join(f'{i}.png,"[10, 20, {60 + i}, 70]"\n' for i in range(3)))
    text = " ".join(look(tmp_path).text.replace("\n# ", " ").split())
    assert "Guessed: that 'bbox' holds a box's corner and size (x, y, width, height)." in text
    assert (
        "They fit as edges (x1, y1, x2, y2) as well: look at a picture, and if so, write xmin ymin xmax ymax:" in text
    )
    assert "all boxes are of one, called 'object'; give it its name" in text


def test_init_says_how_to_name_the_class_where_no_column_does(tmp_path: Path) -> None:
    """The line can be taken over as it is; the name of the only class is marked as made up."""
    save(tmp_path / "a.png", picture(0))
    put(tmp_path / "boxes.csv", "image,xmin,ymin,xmax,ymax,what it is\na.png,2,3,12,9,car\na.png,3,4,9,9,sky\n")
    text = init(tmp_path).text
    assert "{id: 0, name: object}  # guessed name; 2 of 2 objects" in text
    assert "# The name is made up: the label files name no class. Write the right one." in text
    line = 'columns: {image: image, xmin: xmin, ymin: ymin, xmax: xmax, ymax: ymax, class: "what it is"}'
    assert f"\n# {line}\n" in text and "with 2 values (car, sky), is the class" in text.replace("\n# ", " ")
    head, _, _ = text.replace(f"# {line}", line).partition("classes:\n")
    put(tmp_path / "dataset.yaml", head + "classes: [car, sky]\n")
    converter = own(tmp_path)
    (source,) = converter.sources("all")
    assert [box[0] for box in converter.labels(source).boxes_in((20, 30), (20, 30))] == [0, 1]  # type: ignore[attr-defined]


def test_init_says_why_a_file_is_not_read(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(0))
    for text, message in (
        ("image,bbox,label\na.png,here,car\n", "the numbers in 'bbox' are no boxes within the image"),
        ("image,bbox,label\na.png,[1 2 300 400],car\n", "the numbers in 'bbox' are no boxes within the image"),
        ("Foto,xmin,ymin,xmax,ymax\nq.png,1,2,3,4\n", "no column has names of pictures that are here"),
        ("image,xmin,ymin,xmax,ymax,label\n", "no line has a box"),
        ("image,xmin,ymin,xmax,ymax,label\na.png,x,y,z,w,car\n", "no box has numbers"),
    ):
        put(tmp_path / "boxes.csv", text)
        with pytest.raises(DatasetError, match=f"boxes.csv names columns of boxes, but {message}"):
            look(tmp_path)
    put(tmp_path / "boxes.csv", "image,xmin,ymin,xmax,ymax,label\na.png,1,2,3,4,car\na.png,1,2,3,4,car,7\n")
    with pytest.raises(DatasetError, match=r"boxes\.csv:3: has 7 values, but the first line has 6"):
        look(tmp_path)


def test_a_list_of_classes_that_begins_with_box_is_no_csv_file(tmp_path: Path) -> None:
    for i in range(2):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"labels/{i}.png", np.arange(600, dtype=np.uint8).reshape(20, 30) % 3)
    put(tmp_path / "labels.txt", "box\nroad\nsky\n")
    found = init(tmp_path)
    assert found.dataset.space.names == ("box", "road", "sky") and "Not used" not in found.text
