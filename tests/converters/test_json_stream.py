"""Lists of JSON files, entry by entry: the same as reading the file whole, with little memory, whatever is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labelforge.converters.annotations import json_stream
from labelforge.converters.annotations.json_files import entries_at, located, records
from labelforge.errors import DatasetError

CONTENT: dict[str, Any] = {
    "info": {"year": 2017, "text": 'quotes " and ] and \\ and Überführung 🚲'},
    "numbers": [1, -2.5, 1e3, 1234567890],
    "images": [{"id": 1, "file_name": "schön.jpg"}, {}, [], "text", None, True],
    "version": 12345,
    "annotations": [{"id": i, "segmentation": [[i + 0.5] * 9], "name": "🚲" * (i % 3)} for i in range(40)],
    "empty": [],
}
WANTED = {"images": True, "annotations": True, "numbers": False, "absent": False}


def write(path: Path, content: Any, **options: Any) -> Path:
    path.write_text(json.dumps(content, **options), encoding="utf-8")
    return path


@pytest.mark.parametrize("step", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("options", [{}, {"indent": 3}, {"ensure_ascii": False}])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_entries_are_those_of_the_whole_file_and_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, options: dict[str, Any], mark: bytes
) -> None:
    monkeypatch.setattr(json_stream, "_STEP", step)
    path = write(tmp_path / "a.json", CONTENT, **options)
    path.write_bytes(mark + path.read_bytes())
    found = list(located(path, WANTED))
    expected = [(name, entry) for name, entries in CONTENT.items() if name in WANTED for entry in entries]
    assert [(record.name, record.entry) for record in found] == expected
    data = path.read_bytes()
    for record in found:
        assert json.loads(data[record.place.start :][: record.place.length]) == record.entry
        assert json.loads(record.text) == record.entry
    places = [record.place for record in reversed(found)]
    assert list(entries_at(path, places)) == [entry for _, entry in reversed(expected)]


def test_a_file_that_is_a_list(tmp_path: Path) -> None:
    assert [entry for _, entry, _ in records(write(tmp_path / "a.json", [1, {"a": 2}, 345]), {})] == [1, {"a": 2}, 345]


def test_a_file_that_is_cut_short_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_STEP", 16)
    whole = write(tmp_path / "a.json", CONTENT, ensure_ascii=False).read_bytes()
    path = tmp_path / "cut.json"
    for length in range(0, len(whole) - 1, 5):
        path.write_bytes(whole[:length])
        with pytest.raises(
            DatasetError,
            match=r"cut\.json: (is no whole JSON: it breaks off at byte|is not JSON of the form|is not UTF-8)",
        ):
            list(records(path, WANTED))
    path.write_bytes(whole[: whole.index(b"segmentation") + 30])
    with pytest.raises(DatasetError, match=r"it breaks off at byte [\d,]+\. Make or unpack the annotations again"):
        list(records(path, WANTED))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [{"id": 1} {"id": 2}]}', r"',' is wanted where '{' is, at byte 22"),
        ('{"images": [{"ü": 1}, {"id" 2}]}', r"Expecting ':' delimiter at byte 29"),
        ('{"images": [{"id": NaN}]}', r"holds the number NaN"),
        ('{"images": [{"id": 1e999, "x": Infinity}]}', r"holds the number Infinity"),
        ('{"images" [1]}', r"':' is wanted where '\[' is, at byte 10"),
        ("{5: 6}", r"a name is missing before byte 2"),
        ('{"images": {}}', r"holds no list 'images'"),
        ('"images"', r"'{' is wanted where '\"' is, at byte 0"),
        ('{"images": [' + "[" * 100_000, r"is nested too deeply"),
        ('{"images": ["', r"it breaks off at byte 13"),
        ("", r"it breaks off at byte 0"),
        ("  \n ", r"it breaks off at byte 4"),
    ],
)
@pytest.mark.parametrize("step", [3, 1 << 20])
def test_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str, step: int
) -> None:
    monkeypatch.setattr(json_stream, "_STEP", step)
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=message) as caught:
        list(records(path, {"images": True}))
    assert caught.value.where == str(path)


def test_other_text_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('{"images": ["ü"]}'.encode("latin-1"))
    with pytest.raises(DatasetError, match=r"a\.json: is not UTF-8 text"):
        list(records(path, {"images": True}))
    with pytest.raises(DatasetError, match=r"b\.json: this file is missing"):
        list(records(tmp_path / "b.json", {"images": True}))


def test_an_entry_that_has_changed_is_not_taken_for_the_one_that_was_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", {"images": [{"id": 1}, {"id": 2}]})
    places = [record.place for record in located(path, {"images": True})]
    path.write_text(path.read_text().replace('{"id": 2}', '{"id": 3}'))
    with pytest.raises(DatasetError, match=r"a\.json: it has changed since its annotations were listed"):
        list(entries_at(path, places))


def test_a_list_at_the_top_has_no_lists_of_other_names(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"id": 1}]')
    with pytest.raises(DatasetError, match="holds no list 'images'"):
        list(records(path, {"images": True}))
    assert [entry for _, entry, _ in records(path, {"frames": False})] == [{"id": 1}]
