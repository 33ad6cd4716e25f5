"""Files that want to do harm, or were damaged so: each is refused in one line, in little memory and time."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from labelforge.converters import convert
from labelforge.converters.jpeg import upright
from labelforge.errors import DatasetError, TaxonomyError
from labelforge.label_space import LabelSpace
from labelforge.png import chunk
from labelforge.shards import ShardReader
from tests.converters.layouts import Array, label_blocks, picture, read_shards, save, write_cityscapes, write_kitti

IMAGE, LABEL = "training/image_2/000000_10.png", "training/semantic/000000_10.png"


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    write_kitti(tmp_path / "kitti")
    return tmp_path / "kitti"


def refused(root: Path, what: str, dataset: str = "kitti", split: str = "training") -> None:
    with pytest.raises(DatasetError, match=what) as caught:
        convert(dataset, root, root.parent / "out", split=split, taxonomy="streets")
    assert caught.value.where and caught.value.cure and "\n" not in str(caught.value)


def bomb(width: int, height: int, color: int) -> bytes:
    """A PNG of a few kilobytes that states many pixels, and has few."""
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("place", [IMAGE, LABEL])
@pytest.mark.parametrize("side", [12_000, 40_000])
def test_pictures_that_would_fill_the_memory(kitti: Path, place: str, side: int) -> None:
    (kitti / place).write_bytes(bomb(side, side, 2 if place == IMAGE else 0))
    refused(kitti, r"pixels large, more than 89,478,485|could be decompression bomb")


@pytest.mark.parametrize("place", [IMAGE, LABEL])
def test_a_png_whose_header_lies(kitti: Path, place: str) -> None:
    """It states twice as many rows as it has: for the image and the label map alike, so that their sizes agree."""
    for name in (IMAGE, LABEL):
        data = (kitti / name).read_bytes()
        header = bytearray(data[16:29])
        header[4:8] = struct.pack(">I", 40)
        if name == place:
            (kitti / name).write_bytes(data[:8] + chunk(b"IHDR", bytes(header)) + data[33:])
        else:
            save(kitti / name, picture(0, 40, 30) if name == IMAGE else label_blocks(0, range(34), 40, 30))
    refused(kitti, "cut short or broken")


def test_a_name_that_is_no_text(kitti: Path) -> None:
    name = os.fsencode(kitti / "training/image_2") + b"/\xff\xfe.png"
    try:
        Path(os.fsdecode(name)).write_bytes((kitti / IMAGE).read_bytes())
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    refused(kitti, r"a file whose name is no UTF-8 text: b'\\xff\\xfe\.png'")


@pytest.mark.parametrize("name", ["road\\x1b[31m", "road\\u202e", "road\\n", "road\\0"])
def test_label_names_with_control_characters(name: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(f'name: own\nlabels:\n  - {{id: 0, name: sky}}\n  - {{id: 1, name: "{name}"}}\n')
    with pytest.raises(TaxonomyError, match=r"own\.yaml:4: the name 'road.*' holds characters that cannot be printed"):
        LabelSpace.load(path)


def with_orientation(image: Array, orientation: int, big_endian: bool = False) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif[0x0112] = orientation
    exif.endian = ">" if big_endian else "<"
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=95, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("big_endian", [False, True])
def test_an_upright_jpeg_is_the_same_but_for_its_orientation(orientation: int, big_endian: bool) -> None:
    data = with_orientation(picture(3), orientation, big_endian)
    found = upright(data)
    assert sum(a != b for a, b in zip(data, found, strict=True)) == (orientation != 1)
    with Image.open(io.BytesIO(found)) as picture_, Image.open(io.BytesIO(data)) as before:
        assert picture_.getexif()[0x0112] == 1 and picture_.getexif()[0x010F] == "A camera"
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(picture_)), np.asarray(before))


def test_jpegs_without_an_orientation_stay_as_they_are() -> None:
    plain = with_orientation(picture(3), 1)
    file = io.BytesIO()
    Image.fromarray(picture(3)).save(file, "jpeg")
    cut = with_orientation(picture(3), 6)
    for data in (file.getvalue(), plain, b"", b"\xff\xd8", *(cut[:n] for n in range(2, 60))):
        found = upright(data)
        assert len(found) == len(data)


@pytest.mark.parametrize("turned", [False, True])
def test_photographs_that_exif_turns_stay_aligned_with_their_labels(turned: bool, tmp_path: Path) -> None:
    """Labels as the camera stored the picture, or as viewers show it: whoever reads the shard sees them aligned."""
    root = tmp_path / "root"
    write_cityscapes(root, count=1)
    (path,) = root.rglob("*_leftImg8bit.png")
    upright_image = picture(5, 30, 20) if turned else picture(5)
    path.unlink()
    path = path.with_suffix(".jpg")
    path.write_bytes(with_orientation(picture(5), 6))
    if turned:
        (label,) = root.rglob("*_labelIds.png")
        save(label, label_blocks(0, range(34), 30, 20))
    convert("cityscapes", root, tmp_path / "out", split="train")
    ((image, ids, meta),) = read_shards(tmp_path / "out").values()
    assert image.shape[:2] == ids.shape == upright_image.shape[:2] and meta["orientation"] == (6 if turned else 1)
    reader = ShardReader(tmp_path / "out")
    with Image.open(io.BytesIO(bytes(reader.members(0)["jpg"]))) as stored:
        assert ImageOps.exif_transpose(stored).size == stored.size  # no reader turns it once more
    want = picture(5).transpose(1, 0, 2)[:, ::-1] if turned else picture(5)
    assert np.abs(image.astype(int) - want).mean() < 8
