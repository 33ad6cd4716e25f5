"""PNG without a picture library: against files put together by hand, Pillow, and damage at every place."""

from __future__ import annotations

import io
import struct
import zlib
from itertools import pairwise, product
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelforge import deflate
from labelforge.converters.pictures.png import Png
from labelforge.png import DamageError

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by color type: PNG, table 8
KINDS = [(color_type, bits) for color_type, depths in DEPTHS.items() for bits in depths]
END = b"\0\0\0\0IEND\xaeB`\x82"


def libraries() -> list[ModuleType]:
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return [zlib]
    return [zlib, zlib_ng]


@pytest.fixture(params=libraries(), ids=lambda library: library.__name__, autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Everything below holds with zlib and with zlib-ng."""
    monkeypatch.setattr(deflate, "library", request.param)
    found: ModuleType = request.param
    return found


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def stride(width: int, color_type: int, bits: int) -> int:
    return 1 + -(-width * CHANNELS[color_type] * bits // 8)


def build(
    rows: bytes,
    size: tuple[int, int],
    *,
    color_type: int = 0,
    bits: int = 8,
    interlace: int = 0,
    parts: int = 1,
    between: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A PNG of filtered rows: the pixel data in so many chunks, other chunks between and after these."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", size[1], size[0], bits, color_type, 0, 0, interlace))
    palette = chunk(b"PLTE", bytes(range(3)) * 2**bits) if color_type == 3 else b""
    stored = zlib.compress(rows)
    ends = [len(stored) * part // parts for part in range(parts + 1)]
    data = [chunk(b"IDAT", stored[start:end]) for start, end in pairwise(ends)]
    return b"\x89PNG\r\n\x1a\n" + header + palette + between.join(data) + after + END


def draw(
    color_type: int, bits: int, size: tuple[int, int] = (7, 13), filters: tuple[int, ...] = (0, 1, 2, 3, 4)
) -> bytes:
    rng = np.random.default_rng(bits)
    rows = rng.integers(0, 256, (size[0], stride(size[1], color_type, bits)), dtype=np.uint8)
    rows[:, 0] = np.resize(np.array(filters), size[0])
    return rows.tobytes()


def whole(data: bytes) -> Png:
    png = Png.parse(data)
    assert png is not None
    assert png.prove()
    return png


@pytest.mark.parametrize(("color_type", "bits"), KINDS)
@pytest.mark.parametrize("parts", [1, 5])
def test_whole_files_of_every_kind(color_type: int, bits: int, parts: int) -> None:
    rows = draw(color_type, bits)
    data = build(rows, (7, 13), color_type=color_type, bits=bits, parts=parts)
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()  # Pillow agrees
    png = whole(data)
    found = png.rows()
    assert found is not None and found.tobytes() == rows
    again = png.with_rows(found)
    assert whole(again).deflated != png.deflated
    with Image.open(io.BytesIO(data)) as picture, Image.open(io.BytesIO(again)) as other:
        assert picture.mode == other.mode
        assert picture.tobytes() == other.tobytes()
        assert picture.getpalette() == other.getpalette()


@pytest.mark.parametrize(("color_type", "bits"), KINDS)
def test_values_are_pillows_where_no_row_is_filtered(color_type: int, bits: int) -> None:
    for filters in ((0,), (0, 0, 0, 0, 0, 0, 4)):
        data = build(draw(color_type, bits, filters=filters), (7, 13), color_type=color_type, bits=bits)
        png = whole(data)
        rows = png.rows()
        assert rows is not None
        values = png.values(rows)
        simple = color_type in (0, 3) and bits in (8, 16) and filters == (0,)
        assert (values is not None) is simple
        if values is not None:
            with Image.open(io.BytesIO(data)) as picture:
                expected = np.asarray(picture)
            assert values.dtype == expected.dtype
            assert np.array_equal(values, expected)


def test_more_pixels_than_are_inflated_at_once() -> None:
    size = (900, 1700)
    rows = np.random.default_rng(0).integers(0, 3, (size[0], 1 + 3 * size[1]), dtype=np.uint8)
    data = build(rows.tobytes(), size, color_type=2, parts=9)
    found = whole(data).rows()
    assert found is not None and np.array_equal(found, rows)
    rows[777, 0] = 5
    png = Png.parse(build(rows.tobytes(), size, color_type=2, parts=9))
    with pytest.raises(DamageError, match="row 777 has an unknown filter"):
        assert png is not None and png.prove()


def test_no_flipped_bit_and_no_cut_goes_unnoticed() -> None:
    data = build(draw(2, 8), (7, 13), color_type=2, parts=3)
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        for damaged in (bytes(flipped), data[:at], data[:at] + bytes(len(data) - at)):
            if damaged == data:
                continue
            with pytest.raises(DamageError):
                png = Png.parse(damaged)
                assert png is not None  # a decoder is never asked about these
                png.prove()


@pytest.mark.parametrize(
    ("lines", "filters", "message"),
    [
        (6, (0,), "the pixel data end too early"),
        (7, (0, 0, 0, 9), "row 3 has an unknown filter"),
    ],
)
def test_data_that_do_not_make_the_picture(lines: int, filters: tuple[int, ...], message: str) -> None:
    png = Png.parse(build(draw(2, 8, (lines, 13), filters), (7, 13), color_type=2))
    assert png is not None
    with pytest.raises(DamageError, match=message):
        png.prove()


def test_pixel_data_whose_checksums_are_right_and_yet_do_not_inflate() -> None:
    rows = draw(0, 8)
    for stored in (zlib.compress(rows)[:-1], zlib.compress(rows)[:-4] + bytes(4), b"\x78\x9c\xff\xff\xff", b""):
        data = build(rows, (7, 13)).replace(chunk(b"IDAT", zlib.compress(rows)), chunk(b"IDAT", stored))
        png = Png.parse(data)
        assert png is not None
        for read in (png.prove, png.rows):
            with pytest.raises(DamageError, match=r"the pixel data (are broken|end too early)"):
                read()


def test_what_only_a_decoder_can_judge() -> None:
    rows = draw(0, 8)
    text, other = chunk(b"tEXt", b"date\x002026"), chunk(b"zTXt", b"date\x00\x00")
    plain = build(rows, (7, 13), after=text)
    assert whole(plain).stride == 14
    assert Png.parse(plain + b"\n") is None
    assert Png.parse(build(rows, (7, 13), after=other)) is None
    assert Png.parse(build(rows, (7, 13), parts=2, between=text)) is None
    assert Png.parse(build(rows, (7, 13), interlace=1)) is None
    assert Png.parse(plain.replace(chunk(b"IDAT", zlib.compress(rows)), b"")) is None
    too_many = Png.parse(build(draw(0, 8, (8, 13)), (7, 13)))
    assert too_many is not None
    assert (too_many.prove(), too_many.rows()) == (False, None)


def test_a_bomb_is_not_inflated() -> None:
    """A few bytes that stand for many: only what the header asks for is read, and a little more."""
    png = Png.parse(build(bytes(1 << 27), (7, 13)))
    assert png is not None
    assert sum(map(len, png.inflate())) <= 1 << 22
    assert not png.prove()


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(KINDS), st.integers(1, 4), st.data())
def test_any_size(height: int, width: int, kind: tuple[int, int], parts: int, data: st.DataObject) -> None:
    color_type, bits = kind
    filters = tuple(data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=5)))
    rows = draw(color_type, bits, (height, width), filters)
    found = whole(build(rows, (height, width), color_type=color_type, bits=bits, parts=parts)).rows()
    assert found is not None and found.tobytes() == rows


def test_both_libraries_agree_on_checksums() -> None:
    for library, length in product(libraries(), (0, 1, 100, 100_000)):
        content = bytes(range(256)) * (length // 256 + 1)
        assert library.crc32(content[:length]) == zlib.crc32(content[:length])
