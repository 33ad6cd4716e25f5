"""Fast decoding against Pillow: the same values from every kind of file, the same refusals, with and without extras."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from labelforge import deflate
from labelforge.shards import ShardReader, encode_label, fast_jpeg, fast_png
from labelforge.shards.codec import decode_image, decode_label
from tests.core import shard_folders

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "4:4:4": ("RGB", {"subsampling": 0}),
    "4:2:2": ("RGB", {"subsampling": 1}),
    "4:2:0": ("RGB", {"subsampling": 2}),
    "4:1:1": ("RGB", {"subsampling": "4:1:1"}),
    "progressive": ("RGB", {"progressive": True, "subsampling": 2}),
    "stored as RGB": ("RGB", {"keep_rgb": True}),
    "restart markers": ("RGB", {"restart_marker_blocks": 3}),
    "poor": ("RGB", {"quality": 5}),
    "grey": ("L", {}),
    "CMYK": ("CMYK", {}),
}


@pytest.fixture(params=["extra", "without"])
def extras(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With the optional packages, and as if they were not installed."""
    if request.param == "without":
        monkeypatch.setattr(fast_jpeg, "simplejpeg", None)
        monkeypatch.setattr(deflate, "library", zlib)
        monkeypatch.setattr(fast_png, "unfilter_kernel", lambda: None)
    else:
        pytest.importorskip("simplejpeg")
        pytest.importorskip("zlib_ng")
        pytest.importorskip("numba")
    yield


def photo(height: int, width: int, seed: int = 0) -> Image.Image:
    """Smooth colours with some noise: all frequencies, as in a photograph."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(small).astype(int) + rng.integers(-20, 21, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, kind: str) -> bytes:
    mode, options = KINDS[kind]
    buffer = io.BytesIO()
    picture.convert(mode).save(buffer, "JPEG", **({"quality": 90} | options))
    return buffer.getvalue()


def pillow(data: bytes, reduced: int = 1) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as picture:
        if reduced > 1:
            picture.draft(None, (picture.width // reduced, picture.height // reduced))
        return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reduced", [1, 2, 4, 8])
@pytest.mark.usefixtures("extras")
def test_a_jpeg_is_what_pillow_makes_of_it(kind: str, reduced: int) -> None:
    for height, width in ((64, 96), (67, 91), (8, 8), (17, 130)):
        data = jpeg(photo(height, width), kind)
        got = decode_image(memoryview(data), "jpg", reduced)
        assert got.shape == (-(-height // reduced), -(-width // reduced), 3)
        assert not got.flags.writeable
        np.testing.assert_array_equal(got, pillow(data, reduced))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"CMYK"}))
def test_simplejpeg_is_used_where_it_can_be(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("simplejpeg")
    data = jpeg(photo(40, 56), kind)
    expected = pillow(data)
    monkeypatch.setattr(Image, "open", None)
    np.testing.assert_array_equal(decode_image(data, "jpg"), expected)


@pytest.mark.parametrize("dataset", ["camvid", "coco_panoptic", "mapillary_vistas_v1", "ade20k"])
@pytest.mark.usefixtures("extras")
def test_a_real_photograph_is_what_pillow_makes_of_it(shared_data: Path, dataset: str) -> None:
    for file in sorted((shared_data / dataset).glob("**/*.jpg"))[:4]:
        data = file.read_bytes()
        for reduced in (1, 2, 4, 8):
            np.testing.assert_array_equal(decode_image(data, "jpg", reduced), pillow(data, reduced))


def outcome(data: bytes) -> Any:
    try:
        return decode_image(data, "jpg").tobytes()
    except Exception as error:
        return type(error)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["4:2:0", "progressive", "grey"]), st.booleans())
def test_a_damaged_jpeg_is_refused_or_read_as_pillow_does(place: int, value: int, kind: str, cut: bool) -> None:
    pytest.importorskip("simplejpeg")
    data = bytearray(jpeg(photo(48, 64), kind))
    place %= len(data)
    data[place:] = b"" if cut else bytes([value]) + data[place + 1 :]
    found = outcome(bytes(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_jpeg, "simplejpeg", None)
        assert found == outcome(bytes(data))


@pytest.mark.parametrize(
    ("size", "at_least", "factor"),
    [
        ((1024, 2048), (1024, 2048), 1),
        ((1024, 2048), (513, 1024), 1),
        ((1024, 2048), (512, 1024), 2),
        ((1023, 2048), (512, 1024), 1),
        ((1024, 2048), (256, 100), 4),
        ((1024, 2048), (1, 1), 8),
        ((5, 9), (1, 3), 2),
        ((5, 9), (0, 0), 4),
    ],
)
def test_the_reduction_leaves_what_is_needed(size: tuple[int, int], at_least: tuple[int, int], factor: int) -> None:
    assert fast_jpeg.reduction(size, at_least) == factor


@pytest.mark.usefixtures("extras")
def test_only_the_image_of_a_jpg_sample_gets_smaller(tmp_path: Path) -> None:
    picture = np.asarray(photo(37, 61))
    label = np.random.default_rng(0).integers(0, 6, (37, 61))
    for suffix in ("jpg", "png", "npy"):
        folder = tmp_path / suffix
        sample = shard_folders.encoded("a", picture, label, [(i, 0, 0) for i in range(6)], suffix)
        shard_folders.write(folder, [[sample]], shard_folders.mapping(5))
        reader = ShardReader(folder)
        small, whole = reader.sample(0, at_least=(9, 15)), reader[0]
        assert (whole.reduced, whole.image.shape) == (1, (37, 61, 3))
        assert (small.reduced, small.image.shape) == ((4, (10, 16, 3)) if suffix == "jpg" else (1, (37, 61, 3)))
        np.testing.assert_array_equal(small.local_rows, label)
        np.testing.assert_array_equal(reader.sample(0, at_least=(37, 61)).image, whole.image)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def plain_png(values: NDArray[Any], parts: int = 1, level: int = 6) -> bytes:
    """A PNG with filter 0 in all rows, from the specification."""
    deep = values.dtype == np.uint16
    rows = b"".join(b"\0" + row.astype(">u2" if deep else "u1").tobytes() for row in values)
    packed = zlib.compress(rows, level)
    cuts = np.linspace(0, len(packed), parts + 1).astype(int)
    kind = (16, 0) if deep else (8, 3)
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", values.shape[1], values.shape[0], *kind, 0, 0, 0))]
    chunks += [] if deep else [chunk(b"PLTE", bytes(768))]
    chunks += [chunk(b"IDAT", packed[a:b]) for a, b in itertools.pairwise(cuts)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


@settings(max_examples=60)
@given(
    st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(1, 4), st.integers(0, 9), st.integers(0, 2**32)
)
def test_plain_pngs_hold_what_was_written(
    height: int, width: int, deep: bool, parts: int, level: int, seed: int
) -> None:
    values = np.random.default_rng(seed).integers(0, 65536 if deep else 256, (height, width))
    values = values.astype(np.uint16 if deep else np.uint8)
    data = plain_png(values, parts, level)
    got = fast_png.read_plain_png(memoryview(data))
    assert got is not None and got.dtype == values.dtype and not got.flags.writeable
    np.testing.assert_array_equal(got, values)
    with Image.open(io.BytesIO(data)) as picture:
        np.testing.assert_array_equal(got, np.asarray(picture))


@pytest.mark.usefixtures("extras")
def test_label_maps_come_back_whatever_their_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    smooth = np.add.outer(np.arange(50) * 7, np.arange(70) * 3)  # for which 16 bit grey gets filters
    for rows, palette in ((smooth % 256, 256), (rng.integers(0, 9, (50, 70)), 9), (smooth, 700)):
        data = encode_label(rows, [(i % 256, 0, 0) for i in range(palette)])
        np.testing.assert_array_equal(decode_label(memoryview(data)), rows)
    interlaced = io.BytesIO()
    monkeypatch.setattr(fast_png, "read_plain_png", lambda _: None)
    Image.fromarray(smooth.astype(np.uint16)).save(interlaced, "PNG")
    np.testing.assert_array_equal(decode_label(interlaced.getvalue()), smooth)


def test_other_pngs_are_left_to_pillow() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    data = plain_png(values)
    header = struct.pack(">IIBBBBB", 4, 3, 8, 3, 0, 0, 0)

    def with_header(*fields: int) -> bytes:
        other = struct.pack(">IIBBBBB", *fields)
        return data.replace(chunk(b"IHDR", header), chunk(b"IHDR", other))

    rows = zlib.compress(b"".join(b"\1" + row.tobytes() for row in values))
    filtered = data.replace(data[data.index(b"IDAT") - 4 : data.index(b"IEND") - 4], chunk(b"IDAT", rows))
    for other in (
        with_header(4, 3, 8, 0, 0, 0, 0),  # grey of 8 bit
        with_header(4, 3, 8, 3, 0, 0, 1),  # interlaced
        with_header(5, 3, 8, 3, 0, 0, 0),  # another width than the pixels have
        with_header(0, 3, 8, 3, 0, 0, 0),
        filtered,
        data[:-12],  # no end
        data[:-40],
        b"\xff" + data[1:],
        b"",
    ):
        assert fast_png.read_plain_png(other) is None
    assert fast_png.read_plain_png(data) is not None
    with Image.open(io.BytesIO(filtered)) as picture:
        np.testing.assert_array_equal(decode_label(filtered), np.asarray(picture))


@pytest.mark.usefixtures("extras")
def test_no_damaged_byte_of_a_plain_png_changes_a_label() -> None:
    rows = np.random.default_rng(0).integers(0, 9, (6, 8), np.uint8)
    data = plain_png(rows)
    refused = 0
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 0x55
        try:
            np.testing.assert_array_equal(decode_label(bytes(broken)), rows)  # a wrong end chunk does no harm
        except (OSError, SyntaxError, ValueError):
            refused += 1
    assert refused >= len(data) - 12
    packed = zlib.compress(bytes(54))
    whole = data.replace(data[data.index(b"IDAT") - 4 : data.index(b"IEND") - 4], chunk(b"IDAT", packed[:-1] + b"?"))
    with pytest.raises(ValueError, match="the pixels cannot be inflated"):
        decode_label(whole)


def color_png(filters: list[int], raw: bytes, width: int, kind: tuple[int, ...] = (8, 2, 0, 0, 0)) -> bytes:
    """A PNG with these filters, whatever the rows behind them say: every row of bytes is a valid one."""
    size = 3 * width
    rows = b"".join(bytes([name]) + raw[y * size : (y + 1) * size] for y, name in enumerate(filters))
    header = struct.pack(">IIBBBBB", width, len(filters), *kind)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@settings(max_examples=100)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 40), st.integers(0, 2**32))
def test_all_filters_of_photographs_are_undone_as_pillow_does(filters: list[int], width: int, seed: int) -> None:
    pytest.importorskip("numba")
    raw = np.random.default_rng(seed).integers(0, 256, 3 * width * len(filters), np.uint8).tobytes()
    data = color_png(filters, raw, width)
    got = fast_png.read_color_png(memoryview(data))
    assert got is not None and not got.flags.writeable
    np.testing.assert_array_equal(got, pillow(data))


@pytest.mark.usefixtures("extras")
def test_photographs_of_every_kind_are_read_as_pillow_does() -> None:
    picture = photo(37, 61)
    for mode in ("RGB", "RGBA", "L", "P", "LA", "1"):
        for level in (0, 1, 9):
            buffer = io.BytesIO()
            picture.convert(mode).save(buffer, "PNG", compress_level=level, icc_profile=b"profile")
            np.testing.assert_array_equal(decode_image(buffer.getvalue(), "png"), pillow(buffer.getvalue()))
    transparent = io.BytesIO()
    picture.save(transparent, "PNG", transparency=(1, 2, 3))
    np.testing.assert_array_equal(decode_image(transparent.getvalue(), "png"), pillow(transparent.getvalue()))


def test_other_photographs_are_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    raw = bytes(range(180))
    sound = color_png([0, 4, 1], raw, 20)
    wrong_sum = bytearray(sound)
    wrong_sum[sound.index(b"IDAT") + 8] ^= 1
    huge = sound.replace(sound[12:33], chunk(b"IHDR", struct.pack(">IIBBBBB", 2**30, 2**30, 8, 2, 0, 0, 0))[4:])
    for other in (
        color_png([0, 5, 1], raw, 20),  # no such filter
        color_png([0, 4, 1], raw, 20, (8, 2, 0, 0, 1)),
        color_png([0, 4, 1], raw[:-1], 20),
        color_png([0, 4, 1], raw, 20).replace(chunk(b"IEND", b""), b""),
        sound.replace(chunk(b"IEND", b""), chunk(b"acTL", bytes(8)) + chunk(b"IEND", b"")),
        bytes(wrong_sum),
        huge,
    ):
        assert other != sound
        assert fast_png.read_color_png(other) is None
    assert fast_png.read_color_png(sound) is not None
    monkeypatch.setattr(fast_png, "unfilter_kernel", lambda: None)
    assert fast_png.read_color_png(sound) is None


@pytest.mark.usefixtures("extras")
def test_real_photographs_in_png_are_read_as_pillow_does(shared_data: Path) -> None:
    for file in sorted((shared_data / "cityscapes" / "leftImg8bit").glob("**/*.png"))[:3]:
        np.testing.assert_array_equal(decode_image(file.read_bytes(), "png"), pillow(file.read_bytes()))


@pytest.mark.usefixtures("extras")
def test_real_label_maps_are_read_as_pillow_does(shared_data: Path) -> None:
    for file in sorted((shared_data / "cityscapes" / "gtFine").glob("**/*Ids.png"))[:4]:
        with Image.open(file) as picture:
            values = np.asarray(picture).astype(np.uint16)
        for table in (256, 40_000):
            data = encode_label(values % table, [(i % 256, 0, 0) for i in range(table)])
            np.testing.assert_array_equal(decode_label(data), values % table)
