"""The report page of a conversion: pictures that differ, and a table that a reader gets to the end of."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from labelforge.converters import Conversion, convert, terminal_summary
from labelforge.converters.engine.report import conversion_page
from labelforge.converters.labels.pixels import nearest
from labelforge.errors import ShardError
from labelforge.inspection.thumbnails import overlay, thumbnail
from labelforge.shards import IMAGE_SUFFIXES, ShardReader
from labelforge.shards.codec import ImageSuffix
from tests.converters.layouts import picture, save, write_cityscapes
from tests.core import shard_folders
from tests.core.gallery_samples import NASTY, nasty
from tests.core.html_reader import Reader


def drive(root: Path) -> None:
    """Twelve frames of one road and its sky, but a tunnel (15) in the fifth and a train (31) in the ninth."""
    for i in range(12):
        ids = np.full((20, 30), 7, np.uint8)
        ids[: 5 + i % 2] = 23
        if i == 4:
            ids[:] = 16
        if i == 8:
            ids[10:12, :10] = 31
        name = f"ulm_{i:06d}_000019"
        save(root / f"leftImg8bit/train/ulm/{name}_leftImg8bit.png", picture(i))
        save(root / f"gtFine/train/ulm/{name}_gtFine_labelIds.png", ids)


def titles(page: str) -> list[str]:
    return [e["text"] for e in Reader(page).all("th", scope="rowgroup")]


def test_the_pictures_differ(tmp_path: Path) -> None:
    drive(tmp_path / "root")
    convert("cityscapes", tmp_path / "root", tmp_path / "out", split="train", samples_per_shard=5)
    shown = titles((tmp_path / "out" / "report.html").read_text())
    assert len(shown) == 4 and shown == sorted(shown)
    assert {"ulm_000004_000019", "ulm_000008_000019"} <= set(shown)


def test_the_colours_of_each_picture_are_named_beside_it(tmp_path: Path) -> None:
    drive(tmp_path / "root")
    convert("cityscapes", tmp_path / "root", tmp_path / "out", split="train")
    page = (tmp_path / "out" / "report.html").read_text()
    legends = re.findall(r'class="legend-row".*?</td>', page, re.S)
    named = [re.findall(r"</i>([^<]+)</span>", legend) for legend in legends]
    assert len(named) == 4 and ["tunnel"] in named and ["road", "sky", "train"] in named
    assert "Left out" not in page and "Broken samples" in page


def test_labels_without_a_pixel_are_folded_away(tmp_path: Path) -> None:
    drive(tmp_path / "root")
    convert("cityscapes", tmp_path / "root", tmp_path / "out", split="train")
    page = (tmp_path / "out" / "report.html").read_text()
    table, fold = re.findall(r'<table class="data">.*?</table>', page, re.S)[:2]
    assert "31 labels have no pixel here" in re.findall(r"<details.*?</summary>", page, re.S)[0]
    names = [[e["text"] for e in Reader(part).all("th", scope="row")] for part in (table, fold)]
    assert names[0] == ["road", "sky", "tunnel", "train", "(no annotation)"]
    assert len(names[1]) == 31 and "sidewalk" in names[1] and "road" not in names[1]
    write_cityscapes(tmp_path / "full")
    convert("cityscapes", tmp_path / "full", tmp_path / "all", split="train")
    assert "1 label has no pixel here" in (tmp_path / "all" / "report.html").read_text()


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_a_thumbnail(tmp_path: Path, suffix: ImageSuffix) -> None:
    rng = np.random.default_rng(2)
    image, label = picture(1, 60, 90), rng.integers(0, 4, (60, 90))
    samples = [shard_folders.encoded("a", image, label, [(0, 0, 0)] * 4, suffix)]
    shard_folders.write(tmp_path, [samples], shard_folders.mapping(3))
    reader = ShardReader(tmp_path)
    for side, size in ((200, (60, 90)), (30, (20, 30)), (7, (5, 7))):
        small = thumbnail(reader, 0, side)
        assert small.image.shape == (*size, 3) and small.key == "a"
        assert np.array_equal(small.rows, nearest(label, size))
        assert np.array_equal(small.whole, label)
        expected = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BOX))
        assert np.abs(small.image.astype(int) - expected).mean() < 12  # another picture differs by 60


def test_a_broken_sample_is_named(tmp_path: Path) -> None:
    samples = [shard_folders.encoded("a", picture(1), np.zeros((20, 30), int), [(0, 0, 0)] * 2)]
    shard_folders.write(tmp_path, [samples], shard_folders.mapping(1))
    file = tmp_path / "shard-00000.tar"
    data = bytearray(file.read_bytes())
    data[512:520] = bytes(8)
    file.write_bytes(data)
    with pytest.raises(ShardError, match=r"sample a is broken .*Copy it again"):
        thumbnail(ShardReader(tmp_path), 0, 100)


def test_labels_over_an_image() -> None:
    image = np.full((24, 24, 3), 100, np.uint8)
    rows = np.zeros((24, 24), np.uint8)
    rows[12:] = 1
    colors = np.array([[0, 0, 0], [200, 0, 100]], np.float64)
    drawn = overlay(image, rows, colors, np.array([True, False]))
    assert np.array_equal(drawn[12:], np.broadcast_to(np.rint([165, 35, 100]), (12, 24, 3)))  # 0.65 of the colour
    lines = np.add.outer(np.arange(12), np.arange(24)) % 12 < 2
    assert np.array_equal(drawn[:12, :, 0], np.where(lines, 144, 100))


def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path) -> None:
    (reader,) = nasty(tmp_path)
    conversion = Conversion(reader.manifest, reader.mapping, "Hostile", 0, ("a note\x1b[2J",))
    page = conversion_page(conversion, reader).html()
    assert not Reader(page).all("script")
    names = {e["text"] for e in Reader(page).all("th", scope="row")}
    assert {name for name in NASTY if name.isprintable()} | {"two\\nlines\\ttab"} <= names
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    with console.capture() as capture:
        console.print(terminal_summary(conversion))
    for text in (page, capture.get()):
        assert not set("\x00\x1b\u202e") & set(text)
    assert "a note\\x1b[2J" in capture.get()
