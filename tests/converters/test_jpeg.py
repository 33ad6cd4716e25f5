"""The markers of JPEG files as Pillow writes them, and with what other programs put between."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from labelforge.converters.pictures.jpeg import check_markers
from labelforge.png import DamageError
from tests.converters.layouts import picture

KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_rows": 1},
    "full color": {"subsampling": 0, "quality": 100},
    "grey": {"mode": "L"},
    "cmyk": {"mode": "CMYK"},
}


def jpeg(mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(1, 40, 60)).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files(kind: str) -> None:
    data = jpeg(**KINDS[kind])
    check_markers(data)
    check_markers(data + b"\xff\xd8 and more")  # cameras append previews


@pytest.mark.parametrize("kind", KINDS)
def test_files_cut_short_or_padded_at_any_place(kind: str) -> None:
    data = jpeg(**KINDS[kind])
    for kept in range(len(data)):
        with pytest.raises(DamageError, match=r"marker is missing|is cut short"):
            check_markers(data[:kept])
        with pytest.raises(DamageError):
            check_markers(data[:kept] + bytes(len(data) - kept))


def test_a_preview_inside_is_not_the_end() -> None:
    thumbnail = b"Exif\0\0" + jpeg()
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    data = jpeg()
    whole = data[:2] + segment + data[2:]
    check_markers(whole)
    with pytest.raises(DamageError, match="the end marker is missing"):
        check_markers(whole[:-2])


def test_fill_bytes_and_strays_before_a_marker() -> None:
    data = jpeg()
    check_markers(data[:2] + b"\xff\xff\xff" + data[2:-2] + b"\xff\xff" + data[-2:])
    check_markers(data[:2] + b"\0stray\xff\0" + data[2:])


def test_a_segment_that_claims_too_much() -> None:
    with pytest.raises(DamageError, match="the segment at byte 2 is cut short"):
        check_markers(b"\xff\xd8\xff\xe0\xff\xff" + bytes(20) + b"\xff\xd9")
    with pytest.raises(DamageError, match="the segment at byte 2 is cut short"):
        check_markers(b"\xff\xd8\xff\xe0\x00\x01\xff\xd9")
