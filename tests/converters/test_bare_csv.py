"""CSV files of boxes without a first line of names: their columns by number, and how ``labelforge init`` finds them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from labelforge.converters import recognise
from labelforge.converters.init.describe import describe as look
from labelforge.errors import DatasetError, TaxonomyError
from tests.converters.init_checks import init
from tests.converters.layouts import NOTHING, picture, save
from tests.converters.own_checks import drawn
from tests.converters.own_layouts import CLASSES, describe, own, put

HEAD = "kind: boxes\nformat: csv\nimages: images/{key}.png\nlabels: boxes.csv\nclasses: [road, sky, car, person]\n"
COLUMNS = "columns: {image: 1, xmin: 2, ymin: 3, xmax: 4, ymax: 5, class: 6}\n"


def write(root: Path, text: str, more: str = COLUMNS) -> Path:
    describe(root, HEAD + more, "box")
    save(root / "images/a.png", picture(0))
    put(root / "boxes.csv", text)
    return root


def test_columns_in_another_order(tmp_path: Path) -> None:
    """Corner and size behind the class, with a mark and the image's size; lines that are empty say nothing."""
    more = "columns: {class: 1, ignore: 2, image: 4, x: 5, y: 6, w: 7, h: 8, width: 9, height: 10}\nseparator: '\t'\n"
    more = more.replace("'\t'", '"\\t"')
    lines = ["car\t0\tx, y; z\ta.png\t2\t3\t4\t5\t30\t20", "", "sky\t1\t\ta.png\t10\t10\t5\t5\t30\t20", ""]
    want = np.full((20, 30), NOTHING)
    want[3:8, 2:6] = 2
    found = drawn(write(tmp_path, "\n".join(lines), more))
    assert np.array_equal(np.where(found < 0, NOTHING, found), want)
    assert len(own(tmp_path).sources("all")) == 1 and own(tmp_path).missing("all") == []


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a.png,1,2,3,4\n", 1, "has 5 columns, but column 6 is to be 'class'. Correct 'columns' or 'separator'"),
        ("a.png,1,2,3,4,car\na.png,1,2,x,4,car\n", 2, "xmax is 'x', not a number"),
        ("a.png,1,2,3,4,cra\n", 1, "'cra' is no class of the dataset. Did you mean 'car'"),
        ("a.png,1,2,3,4,car\na.png,1,2,3,4,car,7\n", 2, "2: has 7 values, but the first line has 6. Correct the line"),
        ("", None, "is no CSV"),
        ("a.png,.1,.2,.3,.4,car\n", None, "they are fractions of the image"),
    ],
)
def test_lines_that_are_wrong(text: str, line: int | None, message: str, tmp_path: Path) -> None:
    write(tmp_path, text)
    with pytest.raises(DatasetError, match=message) as caught:
        own(tmp_path).sources("all")
    assert caught.value.where == str(tmp_path / "boxes.csv") and caught.value.line == line


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("columns: [image, class]\n", "must be a mapping from names to numbers"),
        ("columns: {image: 1, class: 2}\n", "four columns make a box"),
        ("columns: {image: 1, class: 2, x: 3, y: 4, w: 5}\n", "four columns make a box"),
        (COLUMNS.replace("}", ", x: 7, y: 8, w: 9, h: 10}"), "four columns make a box"),
        (COLUMNS.replace("class: 6", "klass: 6"), "'klass' is no column that is read. Did you mean 'class'"),
        (COLUMNS.replace("class: 6", "angle: 6"), "no column is 'class'"),
        (COLUMNS.replace("class: 6", "class: 5"), "column 5 is both '(ymax|class)' and"),
        (COLUMNS.replace("class: 6", "class: 0"), "0 is no number of a column. Columns are counted from 1"),
        ("separator: x\n", "must be ',', ';'"),
    ],
)
def test_what_a_dataset_yaml_says_of_columns(more: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, "", more)
    with pytest.raises(TaxonomyError, match=message) as caught:
        own(tmp_path)
    assert caught.value.line is not None


def test_only_csv_has_columns(tmp_path: Path) -> None:
    write(tmp_path, "")
    text = (tmp_path / "dataset.yaml").read_text().replace("format: csv", "format: coco")
    put(tmp_path / "dataset.yaml", text)
    with pytest.raises(TaxonomyError, match="only csv can have 'columns'"):
        own(tmp_path)


Line = Callable[[str, int, int, int, int, int, int], tuple[object, ...]]
EDGES = {"xmin": 0, "ymin": 1, "xmax": 2, "ymax": 3}
CORNER = {"x": 0, "y": 1, "w": 2, "h": 3}
LINES: dict[str, tuple[str, Line, dict[str, int], int]] = {
    "signs": (";", lambda f, x, y, r, b, c, _: (f, x, y, r, b, c), {"image": 1, "class": 6, **EDGES}, 2),
    "paths": (",", lambda f, x, y, r, b, c, _: (f"/a/images/{f}", x, y, r, b, CLASSES[c]), {"image": 1, "class": 6}, 2),
    "class first": (",", lambda f, x, y, r, b, c, _: (c, f, x, y, r, b), {"image": 2, "class": 1}, 3),
    "stems": ("\t", lambda f, x, y, r, b, c, _: (f[:-4], c, x, y, r, b), {"image": 1, "class": 2}, 3),
    "sizes of images": (
        ";",
        lambda f, x, y, r, b, c, _: (f, 300, 200, x, y, r, b, c),
        {"image": 1, "class": 8, "width": 2, "height": 3},
        4,
    ),
    "numbered, and how sure": (
        ",",
        lambda f, x, y, r, b, c, i: (i, f, c, x, y, r, b, i / 100),
        {"image": 2, "class": 3},
        4,
    ),
    "quoted": (
        ",",
        lambda f, x, y, r, b, c, i: (f'"{f}"', x, y, r, b, CLASSES[c] if c else f'"{CLASSES[c]}"', f'"{i}, {i}"'),
        {"image": 1, "class": 6},
        2,
    ),
    "names and numbers": (",", lambda f, x, y, r, b, c, _: (f, c, CLASSES[c], x, y, r, b), {"image": 1, "class": 3}, 4),
}
"""What is between columns, a line, its columns, and the first one of the box."""


def boxes(number: int, least: int = 20) -> list[tuple[str, int, int, int, int, int, int]]:
    """File, edges, class and number of some boxes in images of 300 x 200 pixels, all larger than a quarter."""
    made = random.Random(7)
    found = []
    for i in range(number):
        left, top = made.randint(0, 140), made.randint(0, 90)
        right, bottom = made.randint(left + least, 300), made.randint(top + least, 200)
        found.append((f"im{i % 5}.png", left, top, right, bottom, i * i % 4, i))
    return found


@pytest.mark.parametrize("form", ["edges", "corner and size"])
@pytest.mark.parametrize("name", LINES)
def test_init_finds_the_columns(name: str, form: str, tmp_path: Path) -> None:
    separator, line, columns, start = LINES[name]
    for i in range(5):
        save(tmp_path / f"images/im{i}.png", picture(i, 200, 300))
    made = boxes(40)
    texts = []
    for file, x, y, r, b, c, i in made:
        ends = (r, b) if form == "edges" else (r - x, b - y)
        texts.append(separator.join(map(str, line(file, x, y, *ends, c, i))))
    put(tmp_path / "gt.txt", "\n".join(texts) + "\n")
    found = init(tmp_path)
    of_box = EDGES if form == "edges" else CORNER
    want = {**{k: v for k, v in columns.items() if k not in EDGES}, **{k: start + v for k, v in of_box.items()}}
    assert found.dataset.csv.columns == want and found.dataset.csv.separator == separator
    assert f"are a box's {form} (" in " ".join(found.text.replace("\n# ", " ").split())
    (columns_line,) = [text for text in found.text.splitlines() if text.startswith("columns: ")]
    assert columns_line.endswith("  # guessed: no first line names them")
    names = found.dataset.space.names
    converter = own(tmp_path)
    for source in converter.sources("all"):
        got = converter.labels(source).boxes_in((200, 300), (200, 300))  # type: ignore[attr-defined]
        mine = [(x, y, r, b) for file, x, y, r, b, _, _ in made if file == f"{source.key}.png"]
        assert [tuple(box[1:5]) for box in got] == mine
        kinds = [c for file, *_, c, _ in made if file == f"{source.key}.png"]
        called = [names[converter.own.space.ids.index(int(box[0]))] for box in got]
        assert called == [CLASSES[c] if CLASSES[c] in names else f"class {c}" for c in kinds]


def test_init_says_where_both_readings_fit(tmp_path: Path) -> None:
    save(tmp_path / "images/im0.png", picture(0, 200, 300))
    put(tmp_path / "gt.csv", "".join(f"im0,{10 + i},{5 + i},{40 + i},{50 + i},car\n" for i in range(9)))
    found = init(tmp_path)
    assert found.dataset.csv.columns == {"image": 1, "class": 6, **{k: 2 + v for k, v in EDGES.items()}}
    text = " ".join(found.text.replace("\n# ", " ").split())
    assert "They fit as corner and size (x, y, width, height) as well: look at a picture" in text
    assert "write x: 2, y: 3, w: 4, h: 5." in text


def test_init_where_no_columns_are_boxes(tmp_path: Path) -> None:
    save(tmp_path / "images/im0.png", picture(0, 20, 30))
    put(tmp_path / "gt.csv", "im0.png,10,10,400,400,car\nim0.png,10,10,300,300,car\n")
    with pytest.raises(DatasetError, match="but no four columns side by side are boxes within the image in all lines"):
        look(tmp_path)
    put(tmp_path / "gt.csv", "x0.png,10,10,400,400,car\n")
    with pytest.raises(DatasetError, match="but no column has names of pictures that are here"):
        look(tmp_path)
    (tmp_path / "gt.csv").write_bytes(b"im0.png,1,2,9,9,caf\xe9\n" * 3)
    with pytest.raises(DatasetError, match=r"\(gt\.csv: is no CSV \('utf-8' codec .*Save it as UTF-8"):
        look(tmp_path)
    put(tmp_path / "gt.csv", "im0.png,15,10,20,19,0.5\n")
    with pytest.raises(DatasetError, match="but no column can be the class"):
        look(tmp_path)


def test_real_signs(shared_data: Path, tmp_path: Path) -> None:
    """The real lines, of which two images are here."""
    folder = shared_data / "gtsdb/FullIJCNN2013"
    for name in ("00715.ppm", "00813.ppm", "gt.txt"):
        shutil.copy(folder / name, tmp_path)
    found = init(tmp_path)
    assert found.dataset.csv.columns == {"image": 1, "class": 6, **{k: 2 + v for k, v in EDGES.items()}}
    converter = own(tmp_path)
    lines = [line.split(";") for line in (tmp_path / "gt.txt").read_text().split()]
    sources = converter.sources("all")
    assert [source.image for source in sources] == ["00715.ppm", "00813.ppm"]
    assert len(converter.missing("all")) == len({line[0] for line in lines}) - 2
    for source in sources:
        got = converter.labels(source).boxes_in((800, 1360), (800, 1360))  # type: ignore[attr-defined]
        want = [[int(c), *map(int, edges)] for name, *edges, c in lines if name == source.image]
        assert want and got == want


def test_another_gt_txt_is_not_taken_for_gtsdb(tmp_path: Path) -> None:
    save(tmp_path / "frame_1.png", picture(0))
    put(tmp_path / "gt.txt", "frame_1.png;1;2;3;4;car\n")
    with pytest.raises(DatasetError, match="has the layout of no dataset"):
        recognise(tmp_path)
    put(tmp_path / "gt.txt", "# sorted\n00042.ppm;1;2;3;4;11\n")
    assert recognise(tmp_path) == "gtsdb"
