"""The gallery page without a browser: which frames are in it, what they hold, and that no name is markup."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelforge.errors import ShardError
from labelforge.inspection import gallery
from labelforge.inspection.gallery import gallery_page
from labelforge.shards import ShardReader
from tests.core import shard_folders
from tests.core.gallery_samples import FIRST, NASTY, frame, nasty, table, three, write
from tests.core.html_reader import Reader


def data_of(page: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def frames_of(data: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(data["folders"][frame["folder"]], frame["key"]): frame for frame in data["frames"]}


def test_every_label_and_node_has_its_frames(tmp_path: Path) -> None:
    """Brute force over the label maps says which those are."""
    readers = three(tmp_path)
    data = data_of(gallery_page(readers, 2))
    there = set(frames_of(data))
    for wanted in (["board"], ["vehicle"], ["junk"], ["(none)"], ["yield"], ["wide"], ["board", "yield"]):
        held = [
            (int(np.isin(sample.local_rows, rows).sum()), f"{reader.dataset}, {reader.split}", sample.key)
            for reader in readers
            for rows in [[row.row for row in reader.mapping.rows if row.native_name in wanted]]
            for sample in reader
        ]
        best = sorted(held, key=lambda one: -one[0])[:2]
        assert all((where, key) in there for pixels, where, key in best if pixels), wanted


def test_what_a_frame_holds(tmp_path: Path) -> None:
    readers = three(tmp_path)
    data = data_of(gallery_page(readers, 3))
    names = [(label["dataset"], label["name"]) for label in data["labels"]]
    assert len(names) == len(set(names)) == 6 + 4  # the two splits of the first dataset share theirs
    for (where, key), stored in frames_of(data).items():
        reader = next(r for r in readers if f"{r.dataset}, {r.split}" == where)
        sample = reader[reader.keys.index(key)]
        native = [(reader.dataset, row.native_name) for row in reader.mapping.rows]
        numbers = np.frombuffer(zlib.decompress(base64.b64decode(stored["rows"])), np.uint8).reshape(40, 40)
        assert [[names[n] for n in line] for line in numbers.tolist()] == [
            [native[row] for row in line] for line in sample.local_rows.tolist()
        ]
        rows, pixels = np.unique(sample.local_rows, return_counts=True)
        listed = {names[label]: count for label, count, *_ in stored["labels"]}
        assert listed == {native[row]: count for row, count in zip(rows.tolist(), pixels.tolist(), strict=True)}
        picture = Image.open(io.BytesIO(base64.b64decode(stored["image"].split(",")[1])))
        assert picture.size == (40, 40) == tuple(stored["size"])
        board = [entry for entry in stored["labels"] if names[entry[0]] == ("first", "board")]
        for _, count, *outline in board:  # from the top left, along the first line
            assert outline == [0.0, 0.0, count / 40, 1 / 40]


def test_facts_of_labels_and_nodes(tmp_path: Path) -> None:
    readers = three(tmp_path)
    data = data_of(gallery_page(readers, 1))
    labels = {label["name"]: label for label in data["labels"]}
    assert labels["board"] | {"color": "", "meaning": ""} == {
        **{"name": "board", "dataset": "first", "id": 1, "meaning": "", "used": True, "color": ""},
        **{"pixels": sum(range(13)), "images": 12, "of": 13},
    }
    assert labels["junk"]["meaning"] == "not used: of no use" and not labels["junk"]["used"]
    assert labels["wide"]["meaning"] == "stop | car" and labels["board"]["color"] == "#ff0000"
    below = {node["name"]: {data["labels"][n]["name"] for n in node["labels"]} for node in data["nodes"]}
    assert below == {
        "scene": {"street", "board", "vehicle", "ground", "yield", "wide"},
        "flat": {"street", "ground"},
        "road": {"street"},
        "sign": {"board", "yield"},
        "stop": {"board"},
        "give way": {"yield"},
        "car": {"vehicle"},
    }
    page = gallery_page(readers, 1)
    absent = [item["text"] for item in Reader(page).all("bdi")]
    assert "nowhere (first)" in absent


def test_the_page_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = [write(tmp_path, [frame(f"k{n:03d}", {2: n, 3: 200 - n}) for n in range(100)], table("first", FIRST))]
    assert len(data_of(gallery_page(readers, 4))["frames"]) <= 12 + 4 * 5
    monkeypatch.setattr(gallery, "_MOST_FRAMES", 15)
    page = gallery_page(readers, 50)
    assert len(data_of(page)["frames"]) == 15
    assert len(set(frames_of(data_of(page)))) == 15
    assert re.search(
        r"The page holds 15 frames, as many as it may: .* the \d+ frames? with most of it, for some up to 50", page
    )
    assert "for every label and node the 1 frame with most of it." in gallery_page(readers, 1)


def test_a_frame_is_stored_once_and_the_same_page_is_the_same_bytes(tmp_path: Path) -> None:
    readers = three(tmp_path)
    page = gallery_page(readers, 5)
    assert page.count("data:image/") == len(data_of(page)["frames"]) == len(frames_of(data_of(page)))
    assert gallery_page([ShardReader(reader.url) for reader in readers], 5) == page


def test_more_labels_than_a_byte_counts(tmp_path: Path) -> None:
    label = np.arange(301).repeat(2).reshape(14, 43)
    samples = [shard_folders.encoded("a", np.zeros((14, 43, 3), np.uint8), label, [(0, 0, 0)] * 301)]
    shard_folders.write(tmp_path, [samples], shard_folders.mapping(300))
    data = data_of(gallery_page([ShardReader(tmp_path)], 1))
    assert data["bytesPerPixel"] == 2
    numbers = np.frombuffer(zlib.decompress(base64.b64decode(data["frames"][0]["rows"])), "<u2").reshape(14, 43)
    names = ["(no annotation)", *(f"label {i}" for i in range(300))]
    assert [data["labels"][n]["name"] for n in numbers.ravel()] == [names[row] for row in label.ravel()]


def test_label_values_out_of_range_are_a_clear_error(tmp_path: Path) -> None:
    """Whether the index knows of them or only the label map has them."""
    reader = write(tmp_path / "known", [frame("a", {9: 10})], table("second", {"ground": "road"}))
    with pytest.raises(ShardError, match="sample a has pixels of row 9, and the label table ends at row 1"):
        gallery_page([reader], 1)
    hidden = frame("a", {9: 10})
    hidden = dataclasses.replace(hidden, pixels={1: 1600})
    reader = write(tmp_path / "hidden", [hidden], table("second", {"ground": "road"}))
    with pytest.raises(ShardError, match="sample a has a label value above 1, the last of the label table"):
        gallery_page([reader], 1)


def test_hostile_names_are_no_markup(tmp_path: Path) -> None:
    page = gallery_page(nasty(tmp_path), 2)
    elements = Reader(page)
    assert len(elements.all("script")) == 2 and not elements.all("b")
    assert not [e for e in elements.elements if any(name.startswith("on") for name in e)]
    assert len(re.findall("<script", page)) == len(re.findall("</script", page)) == 2
    data = data_of(page)
    assert not set("\x00\x1b\u202e\u2028\n\t") & set(str([label["name"] for label in data["labels"]]))
    names = {label["name"] for label in data["labels"]}
    assert {"two\\nlines\\ttab", "\\u202eright to left\\u202c", "\\x1b[31mred\\x00"} <= names
    assert {name for name in NASTY if name.isprintable()} <= names
    assert "http" not in page.replace("http-equiv", "")
