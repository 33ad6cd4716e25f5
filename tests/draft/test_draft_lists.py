"""Label lists are read in the forms that people have, and refused in one clear line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labelforge.draft.lists import MAX_NAME, read_labels
from labelforge.errors import TaxonomyError
from labelforge.label_space import LabelSpace, NativeLabel

FORMS = {
    "a name a line": "# mine\nroad\n\nparking lot  # with a comment\n",
    "a name a line, quoted": "- 'road',\n- \"parking lot\",\n",
    "id and name": "7 road\n3 parking lot\n",
    "id and name, commas": "id,name\n7,road\n3,parking lot\n",
    "id and name, colons": "7: road\n3: parking lot\n",
    "name and id": "road: 7\nparking lot:3\n",
    "colour and name": "128 64 128\troad\n0 0 1 parking lot\n",
    "name and colour": "# label:color_rgb:parts:actions\nroad:128,64,128::\nparking lot:0,0,1::\n",
    "id, name and colour": "7,road,128,64,128\n3,parking lot,0,0,1\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_text_is_read(tmp_path: Path, form: str) -> None:
    file = tmp_path / "mine.txt"
    file.write_bytes(FORMS[form].replace("\n", "\r\n").encode("utf-8-sig"))
    found = read_labels(file)
    assert found.form.startswith(re.split(", [cq]", form)[0])
    assert (found.space.name, found.is_file) == ("mine", False)
    assert found.space.names == ("road", "parking lot")
    assert found.space.ids == ((7, 3) if "id" in form else (0, 1))
    colors = [label.color for label in found.space.labels]
    assert colors == ([(128, 64, 128), (0, 0, 1)] if "colour" in form else [None, None])


def test_numbers_that_belong_to_names_stay_there(tmp_path: Path) -> None:
    file = tmp_path / "cars.txt"
    file.write_text("Car 1\nCar 2\nspeed limit 20\n")
    assert read_labels(file).space.labels[1:] == (NativeLabel(1, "Car 2"), NativeLabel(2, "speed limit 20"))


def test_a_label_space_and_a_yolo_file_are_read(tmp_path: Path) -> None:
    file = tmp_path / "data.yaml"
    file.write_text("path: here\nnames:\n  0: road\n  5: car\n")
    assert read_labels(file).space.labels == (NativeLabel(0, "road"), NativeLabel(5, "car"))
    file.write_text("names: [road, 'no']\nnc: 2\n")
    assert read_labels(file).space.names == ("road", "no")
    file.write_text("name: town\nlabels: [{id: 4, name: road}]\n")
    assert read_labels(file).space == LabelSpace("town", None, (NativeLabel(4, "road"),))


WRONG = {
    "empty": ("", "no labels in it"),
    "only comments": ("# a\n\n", "no labels in it"),
    "repeated": ("road\ncar\nroad\n", ":3: the label 'road' is repeated (first on line 1)"),
    "control character": ("road\nca\x07r\n", ":2: a label name has the control character U+0007"),
    "bidirectional mark": ("ro\u202ead\n", "control character U+202E"),
    "too long": ("x" * (MAX_NAME + 1), "a label name of 201 characters"),
    "no list": ("y" * 5000, "a line of 5,000 characters holds no label"),
    "too many": ("\n".join(f"a{i}x" for i in range(65_536)), "65,536 labels are more than the 65,535"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_list_is_refused(tmp_path: Path, case: str) -> None:
    text, message = WRONG[case]
    file = tmp_path / "labels.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TaxonomyError) as caught:
        read_labels(file)
    assert message in str(caught.value)
    assert "labels.txt" in str(caught.value)


@pytest.mark.parametrize(
    "content", ["names: []", "names: [1, 2]", "names: {a: b}", "names: [a, a]", "labels: 3", "- a"]
)
def test_broken_yaml_is_refused_with_its_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "labels.yaml"
    file.write_text(content)
    with pytest.raises(TaxonomyError, match=r"labels\.yaml:1"):
        read_labels(file)


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("Stra\xdfe".encode("latin-1"))
    for name, message in (("gone.txt", "no such file"), ("latin.txt", "not UTF-8"), (".", "cannot be read")):
        with pytest.raises(TaxonomyError, match=message):
            read_labels(tmp_path / name)
