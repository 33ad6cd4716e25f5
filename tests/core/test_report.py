"""Reports: what a page says, its accessibility, the pixels of its pictures, and how it is written."""

from __future__ import annotations

import base64
import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from labelforge.files import write_atomically
from labelforge.report import (
    Bar,
    Beside,
    Column,
    Facts,
    Figure,
    Fold,
    Gallery,
    GalleryRow,
    HeatMap,
    LineChart,
    Page,
    Picture,
    Series,
    Swatch,
    Table,
    Text,
)
from tests.core.html_reader import Reader

HOSTILE = "<script>alert(1)</script> & \" ' {{ 7 * 7 }} {% raw %} é道"
LABELS = np.array([[(0, 0, 0), (128, 64, 128)], [(1, 2, 3), (255, 255, 254)]], np.uint8)


def decoded(picture: Picture) -> tuple[str, NDArray[np.uint8]]:
    kind, data = re.fullmatch(r"data:image/(\w+);base64,(.+)", picture.uri).groups()  # type: ignore[union-attr]
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.size == (picture.width, picture.height)
    return kind, np.asarray(image.convert("RGB"))


def texts(page: Reader, tag: str) -> list[str]:
    """Text of the elements of a kind, with what is inside them."""
    found = []
    for i, element in enumerate(page.elements):
        if element["tag"] == tag:
            inside = {i}
            text = element["text"]
            for k, other in enumerate(page.elements):
                if other["parent"] in inside:
                    inside.add(k)
                    text += other["text"]
            found.append(" ".join(text.split()))
    return found


def whole_page() -> Page:
    rows = (
        ("road", 1234567, Bar(0.25), Swatch("driveable", (128, 64, 128)), 0.12345678),
        ("sky", None, Bar(None), (Swatch("sky", (1, 2, 3)), Swatch("air", (4, 5, 6))), float("nan")),
    )
    columns = (
        Column("label"),
        Column("pixels", numeric=True),
        Column("share", numeric=True, spec=".1%"),
        Column("became"),
        Column("score", numeric=True),
    )
    pictures = (Picture.encode(LABELS, "some labels"), Picture.encode(LABELS, "others", "their caption"))
    return (
        Page("A title", "and a subtitle")
        .add("First", Text("One paragraph.", "Another."), Facts((("images", 2975), ("tree", "iv2018"))))
        .add("Second", Table(columns, rows, "What became of the labels"))
        .add("Third", Gallery(("image", "truth", "guess"), (GalleryRow("aachen", pictures),), "Some pictures"))
        .add("Fourth", LineChart((Series("loss", [0, 1], [2, 1]),), "step", "loss", "The loss"))
        .add(
            "Fifth", Figure('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><g id="own"/></svg>', "Own")
        )
    )


def test_a_page_has_landmarks_headings_and_contents() -> None:
    page = Reader(whole_page().html())
    assert texts(page, "h1") == ["A title"] and texts(page, "title")[0] == "A title"
    titles = ["First", "Second", "Third", "Fourth", "Fifth"]
    assert texts(page, "h2") == titles
    (html,) = page.all("html")
    assert html["lang"] == "en"
    assert len(page.all("main")) == len(page.all("header")) == len(page.all("footer")) == 1
    links = [(a["href"], a["text"]) for a in page.all("a") if a.get("class") != "skip"]
    assert [text for _, text in links] == titles
    ids = [e["id"] for e in page.elements if "id" in e]
    assert len(ids) == len(set(ids))
    assert all(href[1:] in ids for href, _ in links)
    assert all(e["aria-labelledby"] in ids for e in page.elements if "aria-labelledby" in e)
    assert len(Reader(Page("Short").add("Only", Text("x")).html()).all("nav")) == 0


def test_tables_have_captions_headers_numbers_bars_and_swatches() -> None:
    page = Reader(Page("t").add("s", whole_page().sections[1].blocks[0]).html())
    assert texts(page, "caption") == ["What became of the labels"]
    assert [(th["scope"], th.get("class")) for th in page.all("th")] == [
        ("col", None),
        ("col", "num"),
        ("col", "num"),
        ("col", None),
        ("col", "num"),
        ("row", None),
        ("row", None),
    ]
    assert texts(page, "td") == ["1,234,567", "25.0%", "driveable", "0.1235", "–", "–", "skyair", "–"]
    assert [i["style"] for i in page.all("i")] == [
        "--p: 25.0%",
        "--c: #804080",
        "--p: 0.0%",
        "--c: #010203",
        "--c: #040506",
    ]
    (region,) = page.all("div", class_="scroll")
    assert region["tabindex"] == "0" and region["role"] == "region", "a keyboard can scroll it"


@pytest.mark.parametrize(
    ("value", "maximum", "percent"), [(3, 4, 75), (5, 4, 100), (-1, 4, 0), (1, 0, 0), (None, 4, 0)]
)
def test_a_bar_stays_in_its_cell(value: float | None, maximum: float, percent: float) -> None:
    assert Bar(value, maximum).percent == percent


def test_a_row_of_the_wrong_length_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Table((Column("a"), Column("b")), (("x",),), "c")
    with pytest.raises(ValueError, match="2 pictures for 1 columns"):
        Gallery(("a",), (GalleryRow("r", (Picture.encode(LABELS, "x"),) * 2),), "c")


def test_a_heat_map_is_a_table_that_can_be_read_without_colours() -> None:
    shares = ((0.25, 0.745, 0.005), (0.0, 1.0, 0.0))
    block = HeatMap(("road", HOSTILE), ("road", HOSTILE, "others"), shares, "true", "called", "What is called what")
    page = Reader(Page("t").add("s", block).html())
    assert texts(page, "caption") == ["What is called what"]
    assert texts(page, "th") == ["true \\ called", "road", HOSTILE, "others", "road", HOSTILE]
    cells = page.all("td")
    assert [cell["text"] for cell in cells] == ["25", "74", "", "", "100", ""]
    assert [cell.get("style") for cell in cells] == ["--v: 50%", "--v: 86%", "--v: 7%", None, "--v: 100%", None]
    assert [cell.get("class") for cell in cells] == ["same", None, None, None, "same", None]
    assert cells[1]["title"] == f"road / {HOSTILE}: 74.50%"
    with pytest.raises(ValueError, match="not 1 x 2 shares"):
        HeatMap(("a",), ("a", "b"), ((1.0,),), "r", "c", "h")


def test_legends_of_galleries_are_swatches() -> None:
    picture = Picture.encode(LABELS, "labels")
    row = GalleryRow("aachen", (picture,), (Swatch("road", (128, 64, 128)),))
    page = Reader(Page("t").add("s", Gallery(("image",), (row,), "Some", (Swatch("wrong", (255, 0, 0)),))).html())
    assert texts(page, "span") == ["wrong", "road"]
    (cell,) = page.all("td", class_="legend-row")
    assert cell["colspan"] == "1" and texts(page, "caption") == ["Somewrong"]


def test_galleries_name_every_picture() -> None:
    page = Reader(whole_page().html())
    images = page.all("img")
    assert [image["alt"] for image in images] == ["some labels", "others"]
    assert all(int(image["width"]) == int(image["height"]) == 2 for image in images)
    cells = [page.elements[image["parent"]] for image in images]
    assert [cell["data-heading"] for cell in cells] == ["image", "truth"]
    assert texts(page, "small") == ["their caption"]


def test_a_gallery_can_have_fewer_pictures_across_than_columns() -> None:
    row = GalleryRow("aachen", (Picture.encode(LABELS, "x"),) * 3)
    for across, style in ((None, None), (2, "--across: 2")):
        page = Reader(Page("t").add("s", Gallery(("a", "b", "c"), (row,), "Some", across=across)).html())
        (table,) = [element for element in page.all("table") if "gallery" in element["class"].split()]
        assert (table.get("style"), "wrapped" in table["class"].split()) == (style, across is not None)
        assert [cell["data-heading"] for cell in page.all("td")] == ["a", "b", "c"]


def test_two_blocks_stand_beside_each_other() -> None:
    table, gallery = whole_page().sections[1].blocks[0], whole_page().sections[2].blocks[0]
    assert isinstance(table, Table) and isinstance(gallery, Gallery)
    page = Reader(Page("t").add("s", Text("before"), Beside((table, gallery)), Text("after")).html())
    (pair,) = page.all("div", class_="beside")
    inside = [i for i, element in enumerate(page.elements) if element["parent"] == page.elements.index(pair)]
    assert len(inside) == 2
    assert texts(page, "caption") == ["What became of the labels", "Some pictures"]
    ids = [e["id"] for e in page.elements if "id" in e]
    assert len(ids) == len(set(ids))
    assert all(e["aria-labelledby"] in ids for e in page.elements if "aria-labelledby" in e)


def test_label_maps_keep_every_pixel() -> None:
    kind, pixels = decoded(Picture.encode(LABELS, "x"))
    assert kind == "png"
    np.testing.assert_array_equal(pixels, LABELS)
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, (256, 3), np.uint8)
    palette[:, 0] = np.arange(256)  # all different
    full = palette[np.r_[np.arange(256), rng.integers(0, 256, 1792)].reshape(32, 64)]
    picture = Picture.encode(full, "x")
    assert picture.crisp
    np.testing.assert_array_equal(decoded(picture)[1], full)


def test_photographs_become_jpeg_and_stay_close() -> None:
    y, x = np.mgrid[:200, :300]
    photo = np.stack([x * 255 // 299, y * 255 // 199, (x + y) * 255 // 498], axis=-1).astype(np.uint8)
    picture = Picture.encode(photo, "x")
    kind, pixels = decoded(picture)
    assert kind == "jpeg" and not picture.crisp
    assert np.abs(pixels.astype(int) - photo).mean() < 2.5
    assert len(picture.uri) < photo.nbytes / 8


def test_large_pictures_are_scaled_down() -> None:
    large = np.kron(LABELS, np.ones((300, 600, 1), np.uint8))
    picture = Picture.encode(large, "x", max_side=334)
    assert (picture.width, picture.height) == (334, 167)
    colours = {tuple(c) for c in decoded(picture)[1].reshape(-1, 3)}
    assert colours == {tuple(c) for c in LABELS.reshape(-1, 3)}, "no mixed colours in a label map"
    thin = Picture.encode(np.zeros((1, 5000, 3), np.uint8), "x", max_side=100)
    assert (thin.width, thin.height) == (100, 1)


@pytest.mark.parametrize(
    "image",
    [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.uint8)],
)
def test_what_is_no_picture_is_refused(image: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="a picture is"):
        Picture.encode(image, "x")


def test_a_fold_hides_its_blocks_until_it_is_opened() -> None:
    inner = (Text("Inside."), *whole_page().sections[1].blocks)
    page = Reader(Page("t").add("s", Text("Before."), Fold("More <of> it", inner)).html())
    (fold,) = page.all("details")
    assert "open" not in fold
    assert texts(page, "summary") == ["More <of> it"]
    (inside,) = texts(page, "details")
    assert inside.startswith("More <of> it Inside. What became of the labels")
    ids = [e["id"] for e in page.elements if "id" in e]
    assert len(ids) == len(set(ids))
    assert all(e["aria-labelledby"] in ids for e in page.elements if "aria-labelledby" in e)


def test_hostile_text_stays_text_everywhere() -> None:
    page = (
        Page(HOSTILE, HOSTILE)
        .add(HOSTILE, Text(HOSTILE), Facts(((HOSTILE, HOSTILE),)))
        .add("t", Table((Column(HOSTILE),), ((HOSTILE,), (Swatch(HOSTILE, (0, 0, 0)),)), HOSTILE))
        .add("g", Gallery((HOSTILE,), (GalleryRow(HOSTILE, (Picture.encode(LABELS, HOSTILE, HOSTILE),)),), HOSTILE))
        .add("c", LineChart((Series(HOSTILE, [0, 1], [0, 1]),), HOSTILE, HOSTILE, HOSTILE))
    )
    read = Reader(page.html())
    assert read.all("script") == []
    assert texts(read, "h1") == [HOSTILE]
    assert [e["alt"] for e in read.all("img")] == [HOSTILE]
    shown = sum(HOSTILE in e["text"] for e in read.elements)
    assert shown >= 18
    assert any(HOSTILE in (e.get("aria-label") or "") for e in read.elements)


def test_a_page_may_reach_nothing_and_runs_nothing() -> None:
    text = whole_page().html()
    page = Reader(text)
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    for element in page.elements:
        assert (element.get("src") or element.get("href") or "#").startswith(("#", "data:"))
    assert set(re.findall(r"https?://[^\"'<> ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in text and "@import" not in text


def test_a_figure_goes_in_as_it_is_less_its_prologue() -> None:
    text = whole_page().html()
    assert '<svg xmlns="http://www.w3.org/2000/svg"><g id="own"/></svg>' in text
    assert "<?xml" not in text
    prologue = '\ufeff<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "a" "b">\n<svg/>'
    assert Figure(prologue, "x").markup == "<svg/>"


def test_the_same_blocks_give_the_same_bytes() -> None:
    assert whole_page().html() == whole_page().html()


def test_adding_leaves_the_page_as_it_was() -> None:
    page = Page("t")
    assert page.add("s", Text("x")) != page and page.sections == ()


def test_writing_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    assert Page("é道").write(target) == target
    assert "<h1>é道</h1>" in target.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [target]
    plain = tmp_path / "plain"
    plain.touch()
    assert target.stat().st_mode == plain.stat().st_mode, "readable like any other new file"


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "x", b"")
