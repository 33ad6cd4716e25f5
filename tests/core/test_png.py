"""The container format of PNG: against files put together by hand, and what its two readers make of the same damage."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelforge import deflate, png
from labelforge.converters.pictures.png import Png
from labelforge.shards.fast_png import read_plain_png

HEADER = struct.pack(">IIBBBBB", 5, 3, 8, 3, 0, 0, 0)
ROWS = b"".join(bytes([0, *range(line, line + 5)]) for line in range(3))
PARTS = [(b"IHDR", HEADER), (b"PLTE", bytes(30)), (b"IDAT", zlib.compress(ROWS)), (b"IEND", b"")]


def libraries() -> list[ModuleType]:
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return [zlib]
    return [zlib, zlib_ng]


@pytest.fixture(params=libraries(), ids=lambda library: library.__name__, autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything below holds with zlib and with zlib-ng."""
    monkeypatch.setattr(deflate, "library", request.param)


def build(parts: list[tuple[bytes, bytes]], wrong: bytes = b"") -> bytes:
    """A file of chunks by the specification; those of one kind with a wrong checksum."""
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in parts:
        checksum = zlib.crc32(kind + content) ^ (kind == wrong)
        data += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    return data


@given(st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.binary(max_size=40)), max_size=6), st.integers(0, 6))
def test_chunks_are_those_that_were_put_together(parts: list[tuple[bytes, bytes]], wrong: int) -> None:
    parts = [part for part in parts if part[0] != b"IEND"]
    parts = [*parts, (b"IEND", b"")]
    bad = parts[wrong % len(parts)][0]
    data = build(parts, bad)
    for form in (data + b"behind", memoryview(data)):
        found = list(png.chunks(form))
        assert [(chunk.kind, bytes(chunk.content)) for chunk in found] == parts
        assert [chunk.intact for chunk in found] == [kind != bad for kind, _ in parts]
        assert [bytes(form[chunk.start : chunk.end]) for chunk in found] == [build([part], bad)[8:] for part in parts]
    assert b"".join([png.SIGNATURE, *(png.chunk(*part) for part in parts)]) == build(parts)
    for cut in range(len(data)):
        with pytest.raises(
            png.DamageError, match=r"^(the signature is missing|the end chunk is missing|it ends inside)"
        ):
            list(png.chunks(data[:cut]))


def test_the_last_chunk() -> None:
    assert build([(b"IEND", b"")])[8:] == png.END


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize(("color_type", "channels"), [(0, 1), (2, 3), (3, 1), (4, 2), (6, 4)])
def test_rows_fill_whole_bytes(bits: int, color_type: int, channels: int) -> None:
    for width in range(1, 20):
        header = png.Header.parse(struct.pack(">IIBBBBB", width, 7, bits, color_type, 0, 0, 0))
        assert header == (width, 7, bits, color_type, 0, 0, 0)
        assert header.to_bytes() == struct.pack(">IIBBBBB", width, 7, bits, color_type, 0, 0, 0)
        numbers = "".join("x" * bits for _ in range(width * channels))
        assert header.size == 7 * (1 + len([numbers[i : i + 8] for i in range(0, len(numbers), 8)]))


@pytest.mark.parametrize("length", [1, 1000, (1 << 22) - 1, 1 << 22, (1 << 22) + 1, 9_000_000])
def test_inflated_at_once_or_in_pieces(length: int) -> None:
    stored = (bytes(range(256)) * (length // 256 + 1))[:length]
    deflated = zlib.compress(stored, 1)
    assert png.inflate(deflated, length) == stored == b"".join(png.inflate_pieces(deflated, length))
    assert png.inflate(deflated, length, b"\0") == stored
    assert png.inflate(deflated, length, b"\1") is None
    assert png.inflate(deflated, length - 1) is None
    assert sum(map(len, png.inflate_pieces(deflated, length - 1))) > length - 1  # the caller sees that there are more
    assert png.inflate(deflated, length + 1) is None
    with pytest.raises(png.DamageError, match="the pixel data end too early"):
        list(png.inflate_pieces(deflated, length + 1))
    for broken in (deflated[:-1], deflated[:-4] + bytes(4)):
        with pytest.raises(deflate.ERRORS):
            png.inflate(broken, length)
        with pytest.raises(png.DamageError, match=r"the pixel data (are broken|end too early)"):
            list(png.inflate_pieces(broken, length))


def test_no_memory_is_set_aside_for_more_than_the_data_can_be() -> None:
    assert png.inflate(zlib.compress(bytes(1 << 20), 9), 1 << 62) is None


def test_numbers_of_rows_without_filters() -> None:
    rows = np.array([[0, 1, 2, 3, 4], [0, 5, 6, 7, 8]], dtype=np.uint8)
    small, deep = png.unfiltered(rows, 8), png.unfiltered(rows, 16)
    assert small is not None and small.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert deep is not None and deep.tolist() == [[0x102, 0x304], [0x506, 0x708]] and deep.dtype == np.uint16
    rows[1, 0] = 1
    assert png.unfiltered(rows, 8) is None is png.unfiltered(rows, 16)


def verdicts(data: bytes) -> tuple[str, str]:
    """What who wants the pixels and who proves the file say of it."""

    def prove(data: bytes) -> bool:
        parsed = Png.parse(data)
        return parsed is not None and parsed.prove()

    def verdict(taken: Callable[[bytes], bool]) -> str:
        try:
            return "taken" if taken(data) else "left to a decoder"
        except ValueError as error:
            return str(error)

    return verdict(lambda data: read_plain_png(data) is not None), verdict(prove)


def test_each_reader_judges_for_itself() -> None:
    left = "left to a decoder"
    sound = build(PARTS)
    assert verdicts(sound) == ("taken", "taken")
    assert verdicts(sound + b"behind") == ("taken", left)
    assert verdicts(build([*PARTS[:3], (b"zTXt", b"date\0\0"), PARTS[3]])) == ("taken", left)
    assert verdicts(build([*PARTS[:2], (b"acTL", bytes(8)), *PARTS[2:]])) == (left, "taken")
    assert verdicts(sound[:-1]) == (left, f"it ends inside a chunk, at byte {len(sound) - 1} of at least {len(sound)}")
    assert verdicts(sound[:-12]) == (left, "the end chunk is missing")
    assert verdicts(sound[1:]) == (left, "the signature is missing")
    assert verdicts(build(PARTS[1:])) == (left, "the header is missing")
    checksum = "the checksum of chunk b'PLTE' does not match"
    assert verdicts(build(PARTS, b"PLTE")) == (checksum, "the checksum of the chunk at byte 33 is wrong")
    assert verdicts(build(PARTS[1:], b"PLTE")) == (checksum, "the header is missing")
    few = [*PARTS[:2], (b"IDAT", zlib.compress(ROWS[:-1])), PARTS[3]]
    assert verdicts(build(few)) == (left, "the pixel data end too early")
    many = [*PARTS[:2], (b"IDAT", zlib.compress(ROWS + b"\0")), PARTS[3]]
    assert verdicts(build(many)) == (left, left)
    broken = [*PARTS[:2], (b"IDAT", zlib.compress(ROWS)[:-4] + bytes(4)), PARTS[3]]
    reason = "Error -3 while decompressing data: incorrect data check"
    assert verdicts(build(broken)) == (
        f"the pixels cannot be inflated ({reason})",
        f"the pixel data are broken: {reason}",
    )
