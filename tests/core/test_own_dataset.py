"""``dataset.yaml``: what it says, and one line with file, line and cure for every mistake in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from labelforge.class_files import read_class_list, read_classes
from labelforge.dataset_file import FORMATS
from labelforge.errors import TaxonomyError
from labelforge.lint import lint_taxonomy
from labelforge.own_dataset import OwnDataset
from labelforge.taxonomy import Taxonomy
from labelforge.yamlfile import YamlFile

DATASET = """\
name: yard
kind: masks
format: ids
images: images/{split}/{key}.jpg
labels: labels/{split}/{key}.png
splits: {train: train, val: valid}
void: 255
classes:
  - road
  - {id: 7, name: sky, color: [1, 2, 3]}
"""

FAULTS = {
    "unknown key": ("void:", "viod:", 7, "unknown key 'viod'. Did you mean 'void'?"),
    "unknown kind": ("kind: masks", "kind: mask", 2, "must be 'masks', 'boxes' or 'polygons'"),
    "format of another kind": ("format: ids", "format: yolo", 3, "yolo is no format of masks. masks are read from ids"),
    "no images": ("images:", "#", None, "the key 'images' is missing"),
    "path out": ("images/{split}", "../images/{split}", 4, "leaves the folder of this file"),
    "absolute path": ("labels/{split}", "/labels/{split}", 5, "leaves the folder of this file"),
    "drive": ("labels/{split}", "C:/labels/{split}", 5, "leaves the folder of this file"),
    "backslash": ("labels/{split}", "labels\\\\{split}", 5, "leaves the folder of this file"),
    "path is a number": ("images/{split}/{key}.jpg", "3", 4, "must be a path"),
    "no path": ("images/{split}/{key}.jpg", "[]", 4, "the list of paths is empty"),
    "placeholder": ("labels/{split}/{key}", "labels/{split}/{kay}", 5, "{kay}. Did you mean 'key'"),
    "brackets": ("labels/{split}/{key}", "labels/{split}/{key", 5, "do not match"),
    "no key": ("{split}/{key}.png", "{split}.png", 5, "has no {key}"),
    "split in one": ("splits: {train: train, val: valid}\n", "", 4, "has {split}, but there are no splits"),
    "split of labels alone": ("images/{split}", "images", 5, "has other placeholders than"),
    "stars": ("{split}/{key}.jpg", "a*b*c*/{split}/{key}.jpg", 4, "more than 2 stars in a name"),
    "split leaves": ("val: valid", "val: ../x", 6, "leaves the folder"),
    "split is a number": ("val: valid", "val: 3", 6, "must be a path"),
    "name of a split": ("val: valid", "va/l: valid", 6, "'va/l' is no name of a split"),
    "splits are a list": ("{train: train, val: valid}", "[train, val]", 6, "must be a mapping"),
    "void is text": ("void: 255", "void: white", 7, "'white' is no value of a mask"),
    "void is a class": ("void: 255", "void: 7", 7, "the class 'sky' has this value. Write 'sky' instead"),
    "void twice": ("void: 255", "void: [255, 255]", 7, "255 is given twice"),
    "void twice by name": ("void: 255", "void: [sky, sky]", 7, "'sky' is given twice"),
    "no void": ("void: 255", "void: []", 7, "the list is empty"),
    "one void is a class": ("void: 255", "void:\n  - 255\n  - 0", 9, "the class 'road' has this value"),
    "one void is no class": ("void: 255", "void: [255, sty]", 7, "Did you mean 'sky'"),
    "one void is a truth": ("void: 255", "void: [255, true]", 7, "True is no value of a mask"),
    "one void is a colour": ("void: 255", "void: '#ffffff'", 7, "'#ffffff' is no value of a mask"),
    "all is void": ("void: 255", "void: [sky, road]", 7, "no class is left"),
    "void is long": ("void: 255", "void: 4294967296", 7, "4294967296 is no value of a mask"),
    "classes are a number": (
        "classes:\n  - road\n  - {id: 7, name: sky, color: [1, 2, 3]}",
        "classes: 3",
        8,
        "must be",
    ),
    "classes file": ("classes:\n  - road\n  - {id: 7, name: sky, color: [1, 2, 3]}", "classes: a.doc", 8, "is no list"),
    "name is a number": ("  - road", "  - 3", 9, "3 is no name of a class"),
    "name twice": ("name: sky", "name: road", 10, "class 1 has the name 'road', as class 0 has"),
    "id twice": ("id: 7", "id: 0", 10, "class 1 has the id 0, as class 0 has"),
    "id is text": ("id: 7", "id: x", 10, "the id 'x' is no whole number"),
    "colour": ("[1, 2, 3]", "[1, 2, 333]", 10, "is no colour"),
    "key of a class": ("color: [1", "colour: [1", 10, "unknown key 'colour'. Did you mean 'color'"),
    "overlaps of masks": ("void: 255", "overlaps: set", 7, "only boxes can have 'overlaps'"),
    "shipped name": ("name: yard", "name: cityscapes", 1, "a label space called 'cityscapes' comes with labelforge"),
    "odd name": ("name: yard", "name: my yard", 1, "is no name for a dataset"),
    "no colours": ("format: ids", "format: rgb", 8, "the class 'road' has no colour"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_one_line_with_its_place(fault: str, tmp_path: Path) -> None:
    old, new, line, message = FAULTS[fault]
    assert old in DATASET
    path = tmp_path / "dataset.yaml"
    path.write_text(DATASET.replace(old, new, 1))
    with pytest.raises(TaxonomyError, match=re.escape(message)) as caught:
        OwnDataset.load(path)
    assert "\n" not in str(caught.value) and caught.value.where == str(path)
    assert line is None or caught.value.line == line


def parsed(text: str, path: str = "dataset.yaml") -> OwnDataset:
    return OwnDataset.from_file(YamlFile.parse(text, path))


def test_what_it_says() -> None:
    own = parsed(DATASET)
    assert (own.name, own.title, own.kind, own.format, own.void.values) == ("yard", "yard", "masks", "ids", (255,))
    assert [(label.id, label.name, label.color) for label in own.space.labels] == [
        (0, "road", None),
        (7, "sky", (1, 2, 3)),
    ]
    assert own.space.void == 255
    assert own.splits == {"train": "train", "val": "valid"}


def test_several_voids_by_value_by_name_and_by_colour() -> None:
    def void(text: str, form: str = "ids") -> tuple[tuple[object, ...], bool, tuple[str, ...]]:
        colors = "classes:\n  - {name: road, color: '#010101'}\n"
        parts = DATASET.replace("void: 255", f"void: {text}").replace("format: ids", f"format: {form}")
        own = parsed(parts.replace("classes:\n  - road\n", colors) if form == "rgb" else parts)
        assert not {*own.void.values} & {*own.space.ids}
        return own.void.values, own.void.unlisted, own.space.names

    assert void("[255, -1, 9]") == ((255, -1, 9), False, ("road", "sky"))
    assert void("sky") == ((7,), False, ("road",))
    assert void("[255, road]") == ((255, 0), False, ("sky",))
    assert void("unlisted") == ((), True, ("road", "sky"))
    assert void("[3, unlisted]") == ((3,), True, ("road", "sky"))
    assert void("[1, 2, 4]", "rgb") == (((1, 2, 4),), False, ("road", "sky"))
    assert void("[[0, 0, 0], '#ffffff']", "rgb") == (((0, 0, 0), (255, 255, 255)), False, ("road", "sky"))
    assert void("[sky, '#ffffff']", "rgb") == (((1, 2, 3), (255, 255, 255)), False, ("road",))
    with pytest.raises(TaxonomyError, match="the class 'sky' has this value"):
        void("['#ffffff', [1, 2, 3]]", "rgb")
    with pytest.raises(TaxonomyError, match=r"7: 255 is no colour"):
        void("[255, 0]", "rgb")
    assert parsed(DATASET.replace("255", "[70000, 254, 255]")).space.void == 254


def test_the_file_in_the_documentation(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "OWN_DATA.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    own = parsed(example)
    assert own.space.names == ("road", "sky") and own.mapping_name == "mapping.yaml"
    for kind, formats in FORMATS.items():
        rows = text[text.index(f"| {kind} |") :].partition("\n- ")[0]
        assert all(f"`{form}`" in rows for form in formats)


def test_shares_lists_and_no_splits() -> None:
    flat = DATASET.replace("{split}/", "")
    line = "splits: {train: train, val: valid}"
    assert parsed(flat.replace(line, "")).splits == {"all": 1.0}
    assert parsed(flat.replace(line, "splits: {train: 0.75, val: 0.25}")).splits == {"train": 0.75, "val": 0.25}
    assert parsed(flat.replace(line, "splits: {train: a.txt}")).splits == {"train": "a.txt"}
    for wrong, message in (("{a: 0.8, b: 0.3}", "make 1.1"), ("{a: 0.5, b: x}", "'x' is no share"), ("{a: 0}", "0 is")):
        with pytest.raises(TaxonomyError, match=message):
            parsed(flat.replace(line, f"splits: {wrong}"))


CLASS_FILES: dict[str, tuple[str, list[tuple[int, str, tuple[int, int, int] | None]]]] = {
    "classes.txt": ("# names\nroad\ntraffic light\n\n", [(0, "road", None), (1, "traffic light", None)]),
    "label_colors.txt": (
        "64 128 64\tAnimal\n192 0 8\t\tArchway\n",
        [(0, "Animal", (64, 128, 64)), (1, "Archway", (192, 0, 8))],
    ),
    "last.txt": ("road 128 64 128\nroute 66, 1, 2, 3\n", [(0, "road", (128, 64, 128)), (1, "route 66", (1, 2, 3))]),
    "class_dict.csv": ("name, r, g, b\nAnimal, 64,128, 64\n", [(0, "Animal", (64, 128, 64))]),
    "ids.csv": ("id,name\n7,road\n", [(7, "road", None)]),
    "_classes.csv": ("Pixel Value, Class\n0, background\n3, road\n", [(0, "background", None), (3, "road", None)]),
    "long names.csv": (
        "label_value;label_name;red;green;blue\n5;road;128;64;128\n",
        [(5, "road", (128, 64, 128))],
    ),
    "label and name.csv": ("label,name\ndriveable,road\n", [(0, "road", None)]),
    "labelmap.txt": (
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad sign:128,64,128:head,foot:\nsky:::\n",
        [(0, "background", (0, 0, 0)), (1, "road sign", (128, 64, 128)), (2, "sky", None)],
    ),
    "numbers.txt": (
        "7 road\n-1: license plate\n8,sky\n",
        [(7, "road", None), (-1, "license plate", None), (8, "sky", None)],
    ),
    "numbers and colours.txt": ("7 road 1 2 3\n8 sky 4 5 6\n", [(7, "road", (1, 2, 3)), (8, "sky", (4, 5, 6))]),
    "not all numbers.txt": ("4 wheeler\ntruck\n", [(0, "4 wheeler", None), (1, "truck", None)]),
    "wheels.txt": ("2 wheeler\n3 wheeler\n", [(0, "2 wheeler", None), (1, "3 wheeler", None)]),
    "limits.txt": (
        "30 limit\n50 limit zone\n70 limit end\n",
        [(0, "30 limit", None), (1, "50 limit zone", None), (2, "70 limit end", None)],
    ),
    "from one.txt": ("1 person\n2 group\n", [(1, "person", None), (2, "group", None)]),
    "same numbers.txt": ("1 person\n1 group\n", [(0, "1 person", None), (1, "1 group", None)]),
    "parted.txt": ("7\troad\n9\tsky\n", [(7, "road", None), (9, "sky", None)]),
    "shares.csv": (
        "name,r,g,b,value\nroad,1,2,3,0.1\nsky,4,5,6,\n",
        [(0, "road", (1, 2, 3)), (1, "sky", (4, 5, 6))],
    ),
    "two columns.csv": ("id,name,index\nx,road,7\ny,sky,9\n", [(7, "road", None), (9, "sky", None)]),
    "as floats.csv": ("id,name\n7.0,road\n9.0,sky\n", [(7, "road", None), (9, "sky", None)]),
    "two spaces.txt": ("128  64  128  road\n1  2  3  sky\n", [(0, "road", (128, 64, 128)), (1, "sky", (1, 2, 3))]),
    "data.yaml": ("nc: 2\nnames: [car, dog]\n", [(0, "car", None), (1, "dog", None)]),
    "numbered.yaml": ("names:\n  0: car\n  3: dog\n", [(0, "car", None), (3, "dog", None)]),
    "space.yaml": ("name: x\nlabels:\n  - {id: 4, name: car}\n", [(4, "car", None)]),
    "coco.json": (
        '{"images": [], "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}]}',
        [(18, "dog", None)],
    ),
    "meta.json": (
        '{"classes": [{"title": "dog", "id": 99, "shape": "polygon", "color": "#ff0010"}]}',
        [(0, "dog", (255, 0, 16))],
    ),
    "config.json": ('{"labels": [{"name": "a--b", "color": [1, 2, 3]}]}', [(0, "a--b", (1, 2, 3))]),
    "names.json": ('{"0": "car", "1": "dog"}', [(0, "car", None), (1, "dog", None)]),
    "ids.json": ('{"car": 5}', [(5, "car", None)]),
    "colours.json": ('{"road": [1, 2, 3], "sky": "#040506"}', [(0, "road", (1, 2, 3)), (1, "sky", (4, 5, 6))]),
    "by colour.json": ('{"#010203": "road", "(4, 5, 6)": "sky"}', [(0, "road", (1, 2, 3)), (1, "sky", (4, 5, 6))]),
    "facts.json": ('{"7": {"name": "road", "color": [1, 2, 3]}}', [(7, "road", (1, 2, 3))]),
    "facts by name.json": ('{"road": {"id": 7, "color": [1, 2, 3]}}', [(7, "road", (1, 2, 3))]),
    "list.json": ('["car", "dog"]', [(0, "car", None), (1, "dog", None)]),
}


@pytest.mark.parametrize("name", CLASS_FILES)
def test_lists_of_classes_of_many_tools(name: str, tmp_path: Path) -> None:
    text, expected = CLASS_FILES[name]
    (tmp_path / name).write_text(text)
    assert [(x.id, x.name, x.color) for x in read_classes(tmp_path / name)] == expected
    (tmp_path / "dataset.yaml").write_text(DATASET[: DATASET.index("classes")] + f"classes: {name}\n")
    assert list(OwnDataset.load(tmp_path / "dataset.yaml").space.names) == [entry[1] for entry in expected]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "holds no class"),
        ("a.txt", "road\nroad\n", "two classes have the name 'road'"),
        ("a.csv", "r,g,b\n1,2,3\n", "has no column 'name'"),
        ("a.csv", "id,name\n0,sky\nx,road\n", "line 3 is not readable"),
        ("a.csv", "id,name\n0,sky\n0.5,road\n", "line 3 is not readable .'0.5' is no whole number"),
        ("a.csv", "name,r,g,b\nroad,1,2,x\n", "line 2 is not readable"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.json", '[{"id": "x", "name": "y"}]', "is no class"),
        ("a.json", "3", "holds no list of classes"),
        ("a.json", '["a\\u0007b"]', "is no name of a class"),
        ("a.yaml", "a: 1\n", "unknown key"),
    ],
)
def test_broken_lists_of_classes(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TaxonomyError, match=message) as caught:
        read_classes(tmp_path / name)
    assert caught.value.where == str(tmp_path / name) and caught.value.cure and "\n" not in str(caught.value)


def test_values_of_label_maps_show_whether_numbers_are_ids(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("30 limit\n50 limit zone\n70 limit end\n")
    assert [label.id for label in read_class_list(path, [0, 30, 50, 255])[0]] == [30, 50, 70]
    for values in ([], [0, 255], [0, 1, 2, 255], [30, 1, 2]):
        labels, with_ids = read_class_list(path, values)
        assert (labels[0].id, labels[0].name, with_ids) == (0, "30 limit", False)


def test_a_list_of_classes_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("road\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "classes.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "data" / "dataset.yaml").write_text(DATASET[: DATASET.index("classes")] + "classes: classes.txt\n")
    with pytest.raises(TaxonomyError, match="leads out of the folder of this file"):
        OwnDataset.load(tmp_path / "data" / "dataset.yaml")


MAPPING = """\
dataset: yard
taxonomy: streets
supervision: pixel
labels: {road: road, sky: sky}
"""


@pytest.fixture
def own(tmp_path: Path) -> OwnDataset:
    (tmp_path / "dataset.yaml").write_text(DATASET)
    return OwnDataset.load(tmp_path / "dataset.yaml")


def test_its_mapping_is_beside_it(own: OwnDataset) -> None:
    with pytest.raises(
        TaxonomyError, match=r"no mapping says.*labelforge taxonomy draft .*dataset\.yaml --taxonomy str"
    ):
        own.tree_name()
    (own.folder / "mapping.yaml").write_text(MAPPING)
    tree = Taxonomy.load("streets")
    assert own.tree_name() == "streets"
    assert [row.native_name for row in own.mapping(tree).rows[1:]] == ["road", "sky"]
    (own.folder / "mapping-iv2018.yaml").write_text(MAPPING.replace("streets", "iv2018"))
    assert own.mapping_file("iv2018").name == "mapping-iv2018.yaml"
    assert own.mapping_file("streets").name == "mapping.yaml"
    (own.folder / "mapping.yaml").rename(own.folder / "mapping-streets.yaml")
    assert own.mapping_file("streets").name == "mapping-streets.yaml"
    with pytest.raises(TaxonomyError, match=r"several mappings.*Give --taxonomy"):
        own.mapping_file()


def test_mappings_that_do_not_fit(own: OwnDataset) -> None:
    path, tree = own.folder / "mapping.yaml", Taxonomy.load("streets")
    for old, new, message in (
        ("yard", "yart", r"mapping.yaml:1: this mapping is for the dataset 'yart', not 'yard'"),
        ("streets", "iv2018", r"mapping.yaml:2: this mapping is for tree 'iv2018', not 'streets'"),
        ("sky: sky", "sky: skye", r"mapping.yaml:4: unknown node 'skye'"),
        (", sky: sky", "", r"1 native label of yard not mapped: 'sky'"),
    ):
        path.write_text(MAPPING.replace(old, new))
        with pytest.raises(TaxonomyError, match=message):
            own.mapping(tree)
    path.write_text(MAPPING.replace("taxonomy: streets\n", ""))
    with pytest.raises(TaxonomyError, match="does not say which tree it is for"):
        own.tree_name()
    path.write_text(MAPPING.replace("streets", "mine"))
    with pytest.raises(TaxonomyError, match=r"no tree 'mine' comes with labelforge\. Give --taxonomy and its folder"):
        own.tree_name()


@pytest.mark.parametrize("void", ["sky", "[255, sky]"])
def test_a_class_that_is_void_cannot_be_mapped(void: str, tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text(DATASET.replace("void: 255", f"void: {void}"))
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    own, tree = OwnDataset.load(tmp_path / "dataset.yaml"), Taxonomy.load("streets")
    message = r"mapping.yaml:4: 'sky' is no label of yard, since 'void' in dataset.yaml names it\. Delete it here; or"
    with pytest.raises(TaxonomyError, match=message):
        own.mapping(tree)
    (tmp_path / "mapping.yaml").write_text(MAPPING.replace(", sky: sky", ""))
    assert own.void.names == ("sky",) and [row.native_name for row in own.mapping(tree).rows[1:]] == ["road"]


def test_boxes_need_a_mapping_of_boxes(tmp_path: Path) -> None:
    text = DATASET.replace("masks", "boxes").replace("ids", "yolo").replace(".png", ".txt").replace("void: 255\n", "")
    (tmp_path / "dataset.yaml").write_text(text)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    own, tree = OwnDataset.load(tmp_path / "dataset.yaml"), Taxonomy.load("streets")
    with pytest.raises(TaxonomyError, match=r"mapping.yaml:3: the labels are boxes. Write 'supervision: box'"):
        own.mapping(tree)
    (tmp_path / "mapping.yaml").write_text(MAPPING.replace("pixel", "box"))
    assert own.mapping(tree).supervision == "box"


def test_lint_reads_it(own: OwnDataset) -> None:
    (own.folder / "mapping.yaml").write_text(MAPPING.replace("sky: sky", 'sky: {ignore: "TODO"}'))
    report = lint_taxonomy("streets", datasets=[str(own.path)])
    assert [mapping.dataset for mapping in report.mappings] == ["yard"]
    unused = [f for f in report.findings if f.rule == "unused-label"]
    both = lint_taxonomy("streets", datasets=[str(own.path), "cityscapes"])
    assert [mapping.dataset for mapping in both.mappings] == ["yard", "cityscapes"]
    assert all(f.file is None or Path(f.file).exists() for f in [*report.findings, *unused])
    json.dumps(report.to_dict())
