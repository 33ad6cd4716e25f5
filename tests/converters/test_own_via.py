"""VGG Image Annotator: its shapes pixel by pixel, its JSON and CSV files, where it says the class, what is refused."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelforge.converters import NO_ANNOTATION, convert
from labelforge.errors import DatasetError, TaxonomyError
from tests.converters.init_checks import check, converted, init
from tests.converters.layouts import Array, picture, save
from tests.converters.own_checks import read
from tests.converters.own_layouts import CLASSES, OUTLINES, describe, inside, own, put, via, via_polygon, write_via

TRIANGLE: list[tuple[float, float]] = [(3.25, 4), (14.75, 3.5), (12.5, 15.75)]


def ellipse(x: float, y: float, rx: float, ry: float, theta: float) -> Array:
    """(20, 30) bool, the pixels whose centre is in a turned ellipse, one by one: theta in radians, from x to y."""
    found = np.zeros((20, 30), bool)
    for row, column in np.ndindex(20, 30):
        a, b = column + 0.5 - x, row + 0.5 - y
        along, across = a * math.cos(theta) + b * math.sin(theta), b * math.cos(theta) - a * math.sin(theta)
        found[row, column] = (along / rx) ** 2 + (across / ry) ** 2 <= 1
    return found


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (via_polygon(TRIANGLE), inside(TRIANGLE)),
        ({"name": "rect", "x": 3, "y": 4, "width": 6, "height": 5}, inside([(3, 4), (9, 4), (9, 9), (3, 9)])),
        ({"name": "rect", "x": 24, "y": -3, "width": 60, "height": 5}, inside([(24, 0), (30, 0), (30, 2), (24, 2)])),
        ({"name": "circle", "cx": 11.3, "cy": 9.9, "r": 5}, ellipse(11.3, 9.9, 5, 5, 0)),
        ({"name": "ellipse", "cx": 14.3, "cy": 9.9, "rx": 9, "ry": 3}, ellipse(14.3, 9.9, 9, 3, 0)),
        ({"name": "ellipse", "cx": 14.3, "cy": 9.9, "rx": 9, "ry": 3, "theta": 0.6}, ellipse(14.3, 9.9, 9, 3, 0.6)),
    ],
)
def test_shapes(shape: dict[str, Any], expected: Array, tmp_path: Path) -> None:
    ids = read(tmp_path, "via", "via.json", via({"a": [(shape, {"class": "car"})]}))
    assert expected.any() and np.array_equal(ids, np.where(expected, 2, NO_ANNOTATION))


@pytest.mark.parametrize(
    "attributes",
    [
        {"class": "car", "occluded": "no"},
        {"Label": "car", "note": "sky"},
        {"whatever it is": " car "},
        {"kind": "car", "note": ""},
        {"type": {"car": True, "sky": False}},
        {"class": "2"},
        {"class": 2},
    ],
)
def test_where_it_says_the_class(attributes: dict[str, Any], tmp_path: Path) -> None:
    ids = read(tmp_path, "via", "via.json", via({"a": [(via_polygon(TRIANGLE), attributes)]}))
    assert np.array_equal(ids == 2, inside(TRIANGLE))


def as_csv(data: str) -> str:
    """The same as VIA's CSV."""
    out = io.StringIO()
    rows = csv.writer(out)
    head = ("filename", "file_size", "file_attributes", "region_count", "region_id")
    rows.writerow([*head, "region_shape_attributes", "region_attributes"])
    for image in json.loads(data).values():
        regions = image["regions"] or [{"shape_attributes": {}, "region_attributes": {}}]
        for i, region in enumerate(regions):
            cells = (json.dumps(region["shape_attributes"]), json.dumps(region["region_attributes"]))
            rows.writerow([image["filename"], 99, "{}", len(image["regions"]), i, *cells])
    return out.getvalue()


def as_first(data: str) -> str:
    """The same as VIA 1 has it: regions by their numbers."""
    images = json.loads(data)
    for image in images.values():
        image |= {"regions": {str(i): region for i, region in enumerate(image["regions"])}, "fileref": ""}
    return json.dumps(images)


def as_project(data: str) -> str:
    """The same as a project that VIA 2 saves."""
    return json.dumps({"_via_settings": {"ui": {}}, "_via_img_metadata": json.loads(data), "_via_attributes": {}})


@pytest.mark.parametrize(("change", "name"), [(as_csv, "x.csv"), (as_first, "x.json"), (as_project, "project.json")])
def test_files_of_every_kind_are_found_and_read(change: Any, name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    written = write_via(root)
    path = root / "via_region_data.json"
    put(root / name, change(path.read_text()))
    path.unlink()
    found = init(root).dataset
    assert (found.kind, found.format, found.labels) == ("polygons", "via", (name,))
    assert {*found.space.names} == {name for outlines in OUTLINES.values() for name, _ in outlines}
    check(converted(root, "all", tmp_path / "out"), written)


def test_regions_of_one_class_need_no_attribute(tmp_path: Path) -> None:
    """Such as those of the balloons of Mask R-CNN; an image in each split has the same name."""
    for split in ("train", "val"):
        save(tmp_path / split / "a.png", picture(0))
        put(tmp_path / split / "via_region_data.json", via({"a": [(via_polygon(TRIANGLE), {})]}))
    found = init(tmp_path)
    assert found.dataset.space.names == ("object",)
    assert (found.dataset.images, found.dataset.labels) == (("{split}/{key}.png",), ("{split}/via_region_data.json",))
    text = (tmp_path / "dataset.yaml").read_text()
    (tmp_path / "dataset.yaml").write_text(text.replace("name: object}", "name: balloon}"))
    converter = own(tmp_path)
    (source,) = converter.sources("val")
    assert np.array_equal(converter.labels(source).draw((20, 30), (20, 30), np.asarray) == 0, inside(TRIANGLE))


def test_the_attribute_that_a_dataset_yaml_names(tmp_path: Path) -> None:
    """VIA's own examples have a name and a type."""
    attributes = {"name": "sky", "type": {"car": True}, "image_quality": {"good": True, "frontal": True}}
    text = via({"a": [(via_polygon(TRIANGLE), attributes)]})
    for attribute, value in (("", 1), ("attribute: type\n", 2), ("attribute: name\n", 1)):
        head = f"kind: polygons\nformat: via\nimages: images/{{key}}.png\nlabels: via.json\n{attribute}"
        describe(tmp_path, f"{head}classes: [road, sky, car, person]\n")
        save(tmp_path / "images/a.png", picture(0))
        put(tmp_path / "via.json", text)
        converter = own(tmp_path)
        (source,) = converter.sources("all")
        ids = np.asarray(converter.labels(source).draw((20, 30), (20, 30), np.asarray))
        assert np.array_equal(ids, np.where(inside(TRIANGLE), value, NO_ANNOTATION))
    (tmp_path / "dataset.yaml").write_text(
        (tmp_path / "dataset.yaml").read_text().replace("attribute: name", "attribute: nam")
    )
    converter = own(tmp_path)
    with pytest.raises(
        DatasetError,
        match=r"image 'a.png', region 0: it does not say its class, .*'nam' .* has 'name'",
    ):
        converter.labels(converter.sources("all")[0])
    with pytest.raises(TaxonomyError, match=r"yaml:\d: only via can have 'attribute'"):
        read(tmp_path, "coco\nattribute: x", "via.json", text)


@pytest.mark.parametrize(
    ("attributes", "name", "said"),
    [
        (
            [{"class": "car", "note": "x"}, {"class": "sky"}],
            None,
            "'class' of regions is the class; for another of 'note' (1",
        ),
        (
            [{"vehicle": "car", "note": "x"}, {"vehicle": "sky", "note": "y"}, {"vehicle": "car", "note": "z"}],
            "vehicle",
            "'note' (3 values), too",
        ),
        ([{"vehicle": "car"}, {"vehicle": "sky"}], None, ""),
        ([{"b c": "car", "seen": "yes"}, {"b c": "sky", "seen": "yes"}], "b c", "attribute: b c  # guessed"),
    ],
)
def test_init_finds_the_attribute(
    attributes: list[dict[str, str]], name: str | None, said: str, tmp_path: Path
) -> None:
    images = {f"{i}": [(RECT, each)] for i, each in enumerate(attributes)}
    put(tmp_path / "via.json", via(images | {"0": [*images["0"], ({"name": "point", "cx": 1, "cy": 1}, {})]}))
    for i in range(len(attributes)):
        save(tmp_path / f"{i}.png", picture(i))
    found = init(tmp_path)
    assert found.dataset.attribute == name and found.dataset.space.names == ("car", "sky")
    assert "None" not in found.text
    assert said in " ".join(found.text.replace("\n# ", " ").split()).replace("attribute: b c #", "attribute: b c  #")
    assert len(converted(tmp_path, "all", tmp_path / "out")) == len(attributes)


MIXED: dict[str, tuple[list[dict[str, Any]], str, str | None]] = {
    "none is the only one": ([{"occluded": "no"}, {"species": "elm"}], "occluded", "species"),
    "the surest is the class": ([{"class": "vehicle", "label": "car"}, {"label": "bus"}], "class", "label"),
    "empty": ([{"class": "elm"}, {"class": ""}], "class", None),
    "only blanks": ([{"class": "elm"}, {"class": " "}], "class", None),
    "none ticked": ([{"class": {"elm": True}}, {"class": {"elm": False}}], "class", None),
    "none at all": ([{"class": "elm"}, {}], "class", None),
}


@pytest.mark.parametrize("kind", ["boxes", "polygons"])
@pytest.mark.parametrize("name", MIXED)
def test_one_attribute_says_the_class_of_all_regions(name: str, kind: str, tmp_path: Path) -> None:
    """No class is taken from another attribute, nor made up, where a region lacks the one of the others."""
    attributes, chosen, other = MIXED[name]
    shape = RECT if kind == "boxes" else via_polygon(TRIANGLE)
    whole = [(shape, attributes[0])]
    put(tmp_path / "via.json", via({"a": whole, "b": [*whole, (shape, attributes[1])]}))
    for i, key in enumerate("ab"):
        save(tmp_path / f"{key}.png", picture(i))
    found = init(tmp_path)
    text = " ".join(found.text.replace("\n# ", " ").split())
    value = attributes[0][chosen]
    said = next(iter(value)) if isinstance(value, dict) else value
    assert found.dataset.kind == kind and found.dataset.space.names == (said,)
    assert "1 of 3 regions lacks it, which convert refuses" in text and f"attribute {chosen!r}" in text
    assert "image 'b.png', region 1: it does not say its class" in text
    has = "" if other is None else f", but has {other!r}"
    message = rf"via\.json: image 'b\.png', region 1: .*{chosen!r} is missing or empty{has} \(as in 1 of 3 regions"
    with pytest.raises(DatasetError, match=message):
        converted(tmp_path, "all", tmp_path / "out")


def test_the_attribute_is_that_of_the_file_not_of_the_region(tmp_path: Path) -> None:
    """Without one of a usual name, two that no region has together are two all the same; points have no say."""
    shapes = [(RECT, {"occluded": "no"}), (RECT, {"species": "car"})]
    with pytest.raises(DatasetError, match=r"'a\.png', region 0: which of 'occluded', 'species' is the class is not"):
        read(tmp_path / "two", "via", "via.json", via({"a": shapes}))
    point = {"name": "point", "cx": 1, "cy": 1}
    ids = read(tmp_path / "one", "via", "via.json", via({"a": [(point, {"occluded": "no"}), *shapes[1:]]}))
    assert np.count_nonzero(ids == 2) == 30


def test_a_file_without_classes_beside_one_with_some(tmp_path: Path) -> None:
    for split, attributes in (("train", {"species": "elm"}), ("val", {})):
        save(tmp_path / split / "a.png", picture(0))
        put(tmp_path / split / "via.json", via({"a": [(RECT, attributes)]}))
    found = init(tmp_path)
    assert found.dataset.space.names == ("elm",) and found.dataset.attribute == "species"
    assert "1 of 2 regions lacks it" in " ".join(found.text.replace("\n# ", " ").split())
    with pytest.raises(DatasetError, match=r"val/via\.json: image 'a\.png', region 0: it does not say its class"):
        converted(tmp_path, "val", tmp_path / "out")


def test_what_is_no_area_or_no_box_is_counted(tmp_path: Path) -> None:
    shapes = [
        {"name": "point", "cx": 3, "cy": 4},
        {"name": "polyline", "all_points_x": [1, 2], "all_points_y": [1, 2]},
        {"name": "rect", "x": 3, "y": 4, "width": 0, "height": 5},
        {"name": "rect", "x": 3, "y": 4, "width": 5, "height": 5},
        via_polygon(TRIANGLE),
    ]
    read(tmp_path / "p", "via", "via.json", via({"a": [(shape, {"class": "car"}) for shape in shapes]}))
    assert convert(tmp_path / "p/dataset.yaml", None, tmp_path / "out", split="all").notes == (
        "Left out, since it covers no pixels: 1 x point, 1 x polyline, 1 x rect.",
    )
    text = (tmp_path / "p/dataset.yaml").read_text().replace("kind: polygons", "kind: boxes")
    (tmp_path / "p/dataset.yaml").write_text(text)
    mapping = (tmp_path / "p/mapping.yaml").read_text().replace("supervision: pixel", "supervision: box")
    (tmp_path / "p/mapping.yaml").write_text(mapping)
    assert convert(tmp_path / "p/dataset.yaml", None, tmp_path / "boxes", split="all").notes == (
        "Left out, since it covers no pixels: 1 x box.",
        "Left out, since shapes of this kind are not read: 1 x point, which is no box, 1 x polygon, which is no box, "
        "1 x polyline, which is no box.",
    )


CAR = {"class": "car"}
RECT = {"name": "rect", "x": 3, "y": 4, "width": 6, "height": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (via({"a": [(RECT, {})]}), "image 'a.png', region 0: it does not say its class"),
        (
            via({"a": [(RECT, {"a": "car", "b": "sky"})]}),
            "which of 'a', 'b' is the class is not clear. Write 'attribute: NAME' in",
        ),
        (via({"a": [(RECT, {"class": "kar"})]}), "image 'a.png', region 0: 'kar' is no class of the dataset. Did you"),
        (
            via({"a": [(RECT, {"class": {"car": True, "sky": True}})]}),
            r"region 0: it is of 2 classes \('car', 'sky'\)",
        ),
        (via({"a": [(RECT, {"class": ["car"]})]}), "is no class of the dataset"),
        (via({"a": [(RECT, "car")]}), "image 'a.png', region 0: its attributes are 'car', which have no names"),
        (via({"a": [({"name": "rect", "x": 3}, CAR)]}), "image 'a.png', region 0: its shape has no 'y'"),
        (via({"a": [({"x": 3}, CAR)]}), "image 'a.png', region 0: its shape is {'x': 3}, which has no 'name'"),
        (via({"a": [({**RECT, "x": 1e30}, CAR)]}), "image 'a.png', region 0: the box .* is no place in an image"),
        (
            via({"a": [({"name": "circle", "cx": 1, "cy": 1, "r": "x"}, CAR)]}),
            "region 0: its 'r' has 'x', which is no num",
        ),
        (
            via({"a": [({**via_polygon(TRIANGLE), "all_points_y": [1]}, CAR)]}),
            "region 0: its polygon has 3 x and 1 y",
        ),
        (via({"q": []}), r"names none of 1 image, such as images/a\.png; it names 'q\.png'"),
        ("[1]", "is no file of VIA"),
        ('{"a": 3}', "image 'a': it is 3, no object in braces"),
        ('{"a": {"filename": "a.png"}}', "image 'a': it has no 'regions'"),
        ('{"a": {"filename": "a.png", "regions": [3]}}', "image 'a.png', region 0: it is 3, no object in braces"),
        ('{"a": {"filename": "a.png", "regions": [{}]}}', "image 'a.png', region 0: it has no 'shape_attributes'"),
        ('{"a": {"filename": "a.png", "regions": 3}}', "image 'a': its 'regions' are 3, no list"),
        (via({"a": [([1], CAR)]}), r"image 'a.png', region 0: its shape is \[1\], which has no 'name'"),
        (via({"a": [({"name": "polygon", "all_points_x": 3}, CAR)]}), "region 0: its shape has no list 'all_points_x'"),
        (via({"a": [({**RECT, "x": 10**400}, CAR)]}), "region 0: its 'x' has 10+, which is no number"),
        (via({"a": [(RECT, CAR)]})[:-9], "is no whole JSON: it breaks off at byte"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_what_via_does_not_write(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        read(tmp_path, "via", "via.json", text)
    assert caught.value.where == str(tmp_path / "via.json") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("region_attributes", "attributes", "has no column 'region_attributes'"),
        ('"{""name""', '"{""name', "via.csv:2: a cell is not JSON"),
        ("a.png", "q.png", "names none of 1 image"),
        ("filename,", "\0,", "has no column 'filename'"),
        ('"{""class"": ""car""}"', "", "via.csv:2: a cell is no whole JSON"),
    ],
)
def test_csv_that_via_does_not_write(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = as_csv(via({"a": [(RECT, CAR)]}))
    assert old in text
    with pytest.raises(DatasetError, match=message) as caught:
        read(tmp_path, "via", "via.csv", text.replace(old, new))
    assert caught.value.where == str(tmp_path / "via.csv") and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["via.csv", "via.json"])
def test_images_of_one_name_are_not_merged(name: str, tmp_path: Path) -> None:
    """VIA tells images apart by their name and their size in bytes, in both of its forms."""
    text = via({"a": [(RECT, CAR), (RECT, CAR)]})
    if name == "via.csv":
        first, second, third = as_csv(text).splitlines()
        assert np.count_nonzero(read(tmp_path / "one", "via", name, as_csv(text)) == 2) == 6 * 5
        text = "\n".join((first, second, third.replace(",99,", ",100,")))
    else:
        (image,) = json.loads(text).values()
        text = json.dumps({"a.png99": image, "a.png100": image | {"size": 100}})
    with pytest.raises(DatasetError, match=r"'a\.png' and 'a\.png' both mean the image images/a\.png"):
        read(tmp_path / "two", "via", name, text)


@pytest.mark.parametrize("kind", ["boxes", "polygons"])
@pytest.mark.parametrize("name", ["via.csv", "via.json"])
def test_errors_name_the_image_and_the_region(name: str, kind: str, tmp_path: Path) -> None:
    """The second of the second image, which no other is named for."""
    for bad, message in (
        ((RECT, {"class": "trukc"}), r"'trukc' is no class of the dataset"),
        (({**RECT, "x": 1e30}, CAR), r"the box \(1e\+30, .*\) is no place in an image"),
        (({**RECT, "width": None}, CAR), r"its 'width' has None, which is no number"),
    ):
        text = via({"a": [(RECT, CAR)], "b": [(RECT, CAR), bad]})
        head = f"kind: {kind}\nformat: via\nimages: '{{key}}.png'\nlabels: {name}\nclasses: [road, sky, car, person]\n"
        describe(tmp_path, head)
        for i, key in enumerate("ab"):
            save(tmp_path / f"{key}.png", picture(i))
        put(tmp_path / name, as_csv(text) if name == "via.csv" else text)
        converter = own(tmp_path)
        first, second = converter.sources("all")
        converter.labels(first)
        with pytest.raises(DatasetError, match=rf"/{name}: image 'b\.png', region 1: {message}"):
            converter.labels(second)


def test_a_csv_file_in_another_encoding(tmp_path: Path) -> None:
    describe(
        tmp_path,
        "kind: polygons\nformat: via\nimages: '{key}.png'\nlabels: via.csv\nclasses: [road]\n",
        classes=CLASSES[:1],
    )
    save(tmp_path / "a.png", picture(0))
    (tmp_path / "via.csv").write_bytes(as_csv(via({"a": []})).encode("utf-16"))
    with pytest.raises(DatasetError, match="is no CSV"):
        own(tmp_path).sources("all")
