"""Files that want to do harm, or were damaged so: each is refused in one line, in little memory and time."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from labelforge.converters import Source, convert
from labelforge.converters.datasets.kitti import Kitti
from labelforge.converters.pictures.exif import set_upright
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


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_lies_as_its_labels_do_for_programs_that_turn_it(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    buffer = io.BytesIO()
    Image.fromarray(picture(0)).save(buffer, form, exif=exif)
    data, changed = set_upright(buffer.getvalue())
    assert changed == (orientation != 1)
    with Image.open(io.BytesIO(data)) as new, Image.open(io.BytesIO(buffer.getvalue())) as old:
        assert new.getexif().get(0x0112) == 1 and new.getexif()[0x010F] == "a camera"
        assert np.array_equal(np.asarray(new), np.asarray(old))
    with Image.open(io.BytesIO(data)) as again:
        again.verify()  # the checksums
    assert len(data) == len(buffer.getvalue())


@pytest.mark.parametrize("data", [b"", b"no picture", picture(0).tobytes()])
def test_what_has_no_orientation_stays(data: bytes) -> None:
    assert set_upright(data) == (data, False)


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


def test_what_exif_did_is_said(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_cityscapes(root, count=3)
    first, second, _ = sorted(root.rglob("*_leftImg8bit.png"))
    for path in (first, second):
        path.unlink()
        path.with_suffix(".jpg").write_bytes(with_orientation(picture(5), 6))
    (label,) = root.rglob(first.name.replace("_leftImg8bit.png", "_gtFine_labelIds.png"))
    save(label, label_blocks(0, range(34), 30, 20))
    conversion = convert("cityscapes", root, tmp_path / "out", split="train", samples_per_shard=1)
    assert conversion.notes == (
        "1 image not turned as EXIF says, as the labels fit the picture as it lies; marked as upright.",
        "1 image turned upright as EXIF says, as the labels are.",
    )
    assert convert("cityscapes", root, tmp_path / "out", split="train", samples_per_shard=1).notes == conversion.notes


def test_links_that_lead_out_of_the_dataset(kitti: Path, tmp_path: Path) -> None:
    secret = save(tmp_path / "secret.png", picture(9))
    (kitti / IMAGE).unlink()
    (kitti / IMAGE).symlink_to(secret)
    refused(kitti, rf"000000_10 has a file outside of the dataset's folder: it leads to {secret}")
    convert("kitti", kitti, tmp_path / "out", split="training", taxonomy="streets", follow_links=True)
    image, _, _ = read_shards(tmp_path / "out")["000000_10"]
    assert np.array_equal(image, picture(9))
    (kitti / IMAGE).unlink()
    (kitti / IMAGE).symlink_to(kitti / "training/image_2/000001_10.png")  # a link within is no harm
    convert("kitti", kitti, tmp_path / "inside", split="training", taxonomy="streets")


def test_a_link_to_itself_and_one_to_nothing(kitti: Path) -> None:
    (kitti / IMAGE).unlink()
    (kitti / IMAGE).symlink_to(kitti / IMAGE)
    (kitti / "training/image_2/000001_10.png").unlink()
    (kitti / "training/image_2/000001_10.png").symlink_to(kitti / "nowhere.png")
    with pytest.raises(DatasetError) as caught:  # neither is a file, so both images are missing, or one is an error
        convert("kitti", kitti, kitti.parent / "out", split="training", taxonomy="streets")
        raise DatasetError("left out", where=kitti, cure="nothing")
    assert caught.value.where and caught.value.cure


class Climbing(Kitti):
    """Has a sample whose files are named from above the folder."""

    def sources(self, split: str) -> list[Source]:
        return [Source("a", "../kitti-other/a.png", "../kitti-other/b.png")]


class Shouting(Kitti):
    """Has two samples whose names differ only in case."""

    def sources(self, split: str) -> list[Source]:
        first, second, *_ = super().sources(split)
        return [replace(first, key="Frame_A"), replace(second, key="frame_a")]


def test_names_that_climb_out_of_the_folder_and_names_alike_but_for_case(kitti: Path, tmp_path: Path) -> None:
    save(tmp_path / "kitti-other/a.png", picture(0))
    save(tmp_path / "kitti-other/b.png", label_blocks(0, range(34)))
    for kind, what in ((Climbing, "outside of the dataset's folder"), (Shouting, "'Frame_A' and 'frame_a' are alike")):
        with pytest.raises(DatasetError, match=what):
            convert(kind, kitti, tmp_path / "out", split="training", taxonomy="streets")
    assert not (tmp_path / "out").exists()
