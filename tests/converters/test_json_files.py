"""Annotations in JSON: long lists entry by entry, in little memory; and what is wrong with a file."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelforge.converters.annotations import json_stream
from labelforge.converters.annotations.json_files import corners, read_json, records
from labelforge.errors import DatasetError

leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(
    content=st.dictionaries(st.sampled_from(["images", "annotations", "info", "x"]), st.lists(values) | values),
    indent=st.sampled_from([None, 1, 4]),
    piece=st.integers(1, 9),
    ascii_only=st.booleans(),
)
def test_entries_are_those_of_the_whole_file_however_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any], indent: int | None, piece: int, ascii_only: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "content.json"
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=ascii_only), "utf-8", "surrogatepass")
    wanted = {"images": False, "annotations": False}
    try:
        json.loads(path.read_bytes())
    except UnicodeDecodeError:
        with pytest.raises(DatasetError, match="is not UTF-8 text"):
            list(records(path, wanted))
        return
    before, json_stream._STEP = json_stream._STEP, piece  # type: ignore[misc]
    try:
        found = list(records(path, wanted))
    finally:
        json_stream._STEP = before  # type: ignore[misc]
    lists = [(name, value) for name, value in content.items() if name in wanted and isinstance(value, list)]
    assert [(name, entry) for name, entry, _ in found] == [(name, entry) for name, value in lists for entry in value]
    assert [json.loads(own) for _, _, own in found] == [entry for _, entry, _ in found]


def test_a_list_at_the_top_has_no_name(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(' [ {"name": "a"} , 12 ] ')
    assert list(records(path, {"frames": False})) == [("", {"name": "a"}, '{"name": "a"}'), ("", 12, "12")]


def test_a_long_file_needs_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    entry = {"id": 1, "segmentation": [[float(i) for i in range(200)]]}
    with path.open("w") as file:
        file.write('{"skipped": [' + ",".join([json.dumps(entry)] * 5000) + '], "annotations": [')
        file.write(",".join([json.dumps(entry)] * 20_000) + "]}")
    tracemalloc.start()
    count = sum(1 for _ in records(path, {"annotations": True}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 20e6 < path.stat().st_size


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it breaks off at byte 0"),
        (b'{"images": [1, 2', "it breaks off at byte 16"),
        (b'{"images": [1 2]}', "',' is wanted where '2' is"),
        (b'{"images" [1]}', "':' is wanted where"),
        (b'{"images": [{"a": 1,}]}', "is not JSON"),
        (b"12", "'{' is wanted where '1' is"),
        (b'{"images": [NaN]}', "holds the number NaN"),
        (b'{"images": [' + b"[" * 100_000, "is nested too deeply"),
        (b'{"images": ["\xff\xfe"]}', "is not UTF-8 text"),
        (b'{"annotations": []}', "holds no list 'images'"),
    ],
)
def test_broken_files(content: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=what) as caught:
        list(records(path, {"images": True}))
    assert caught.value.where == str(path) and caught.value.cure
    if b"images" in content[:10]:
        with pytest.raises(DatasetError):
            read_json(path)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    for read in (read_json, lambda path: list(records(path, {"images": True}))):
        with pytest.raises(DatasetError, match="this file is missing"):
            read(tmp_path / "none.json")


def test_corners_in_both_forms() -> None:
    assert corners([[1, 2], [3, 4.5]]) == corners([1, 2, 3, 4.5]) == [(1.0, 2.0), (3.0, 4.5)]
    for wrong in ([1, 2, 3], [[1, 2], [3]], [float("nan"), 2], [1, -1e8], ["a", "b"], 5, [None, 1]):
        with pytest.raises((ValueError, TypeError)):
            corners(wrong)
