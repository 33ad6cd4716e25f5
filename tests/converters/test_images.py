"""Reading pictures: bits, palettes, orientation, damage; and scaling."""

from __future__ import annotations

import io
import re
import struct
import tempfile
import warnings
import zlib
from pathlib import Path
from random import Random
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelforge import deflate
from labelforge.converters.labels.pixels import nearest
from labelforge.converters.pictures.images import Check, ImageCodec, SourceImage, Turn, fit_short_side
from labelforge.converters.pictures.label_maps import read_label_map
from labelforge.errors import DatasetError
from tests.converters.layouts import picture, save
from tests.converters.pictures import as_stored


def png(path: Path, ids: list[list[int]], bits: int, color_type: int, palette: bytes = b"") -> Path:
    """A PNG file put together by hand: grey (color type 0) or palette (3) of 1 to 16 bits."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b""
    for row in ids:
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    header = struct.pack(">IIBBBBB", len(ids[0]), len(ids), bits, color_type, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"PLTE", palette) if palette else b"", chunk(b"IDAT", zlib.compress(rows))]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize(
    ("bits", "color_type"), [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (1, 3), (2, 3), (4, 3), (8, 3)]
)
def test_values_are_as_stored_whatever_the_bits_and_the_palette(tmp_path: Path, bits: int, color_type: int) -> None:
    rng = np.random.default_rng(bits)
    ids = rng.integers(0, 2**bits, (5, 13)).tolist()
    palette = rng.integers(0, 256, 3 * 2**bits).astype(np.uint8).tobytes() if color_type == 3 else b""
    values = read_label_map(png(tmp_path / "label.png", ids, bits, color_type, palette))
    assert values.tolist() == ids


def test_colours_shared_by_labels_and_transparency_do_not_matter(tmp_path: Path) -> None:
    ids = np.array([[3, 1, 2], [0, 2, 1]], dtype=np.uint8)
    image = Image.fromarray(ids)
    image.putpalette([7, 7, 7] * 4)
    image.save(tmp_path / "label.png", transparency=2)
    assert np.array_equal(read_label_map(tmp_path / "label.png"), ids)


@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 5, 4)])
def test_a_colour_picture_is_no_label_map(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = save(tmp_path / "color.png", np.zeros(shape, dtype=np.uint8))
    with pytest.raises(
        DatasetError, match=r"color\.png: is a colour picture \(RGBA?\), not a map of label ids.*format: rgb"
    ):
        read_label_map(path)


@pytest.mark.parametrize("kept", [0, 7, 30, 60, -1])
def test_damaged_label_maps(tmp_path: Path, kept: int) -> None:
    path = save(tmp_path / "label.png", np.random.default_rng(0).integers(0, 34, (40, 40), dtype=np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[:kept] if kept >= 0 else data[:200] + bytes(100) + data[300:])
    with pytest.raises(
        DatasetError, match=r"label\.png: (is empty|is not an image|the image is cut short or broken)"
    ) as e:
        read_label_map(path)
    assert "--on-error skip" in str(e.value) and "0x" not in str(e.value)


def test_label_ids_do_not_come_from_a_jpeg_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "label.png"
    Image.fromarray(np.full((20, 30), 7, dtype=np.uint8)).save(path, "JPEG")
    with pytest.raises(DatasetError, match=r"label\.png: is a JPEG, which does not keep label ids\. Give label"):
        read_label_map(path)


@pytest.mark.parametrize("check", get_args(Check))
@pytest.mark.parametrize("suffix", ["jpg", "png", "ppm"])
def test_damaged_images_at_every_length(tmp_path: Path, suffix: str, check: Check) -> None:
    path = save(tmp_path / f"image.{suffix}", picture(0))
    data = path.read_bytes()
    # Decoders agree to do without the two bytes of a JPEG's end marker.
    whole = len(data) - 2 * (suffix == "jpg" and check == "decode")
    for kept in [*range(0, whole, 37), whole - 1]:
        with pytest.raises(DatasetError):
            SourceImage.open(data[:kept], path).store((20, 30), "keep", check=check)
    stored = SourceImage.open(data, path).store((20, 30), "keep", check=check)
    assert stored[0] == ("png" if suffix == "ppm" else suffix)


def refusal(data: bytes, check: Check) -> str | None:
    """Why a file is not stored as it is; None if it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of damaged headers
        try:
            image = SourceImage.open(data, "image")
            assert image.store(image.size, "keep", check=check) == ({"JPEG": "jpg"}.get(image.format, "png"), data)
        except DatasetError as error:
            return str(error)
    return None


def damaged(data: bytes, random: Random) -> bytes:
    """The file cut short, padded, overwritten, or with bits flipped, bytes missing or bytes too many somewhere."""
    start = random.randrange(len(data))
    end = min(len(data), start + random.randrange(1, 200))
    noise = random.randbytes(end - start)
    return random.choice(
        [
            data[:start],
            data[:start] + bytes(len(data) - start),
            data[:start] + bytes(end - start) + data[end:],
            data[:start] + noise + data[end:],
            data[:start] + bytes([data[start] ^ 1 << random.randrange(8)]) + data[start + 1 :],
            data[:start] + data[end:],
            data[:start] + noise + data[start:],
        ]
    )


FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("RGB", {}),
    "png, grey": ("L", {}),
    "png, palette": ("P", {}),
    "png, not deflated": ("RGBA", {"compress_level": 0}),
    "jpeg": ("RGB", {}),
    "jpeg, progressive": ("RGB", {"progressive": True, "quality": 95}),
    "jpeg, restart markers": ("L", {"restart_marker_rows": 1}),
    "jpeg, four colors": ("CMYK", {"quality": 100}),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("library", ["zlib", "zlib_ng"])
def test_what_decoding_refuses_the_fast_check_refuses_too(
    kind: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deflate, "library", zlib if library == "zlib" else pytest.importorskip("zlib_ng.zlib_ng"))
    mode, options = FILES[kind]
    buffer, random = io.BytesIO(), Random(kind)
    noise = np.random.default_rng(0).normal(0, 9, (48, 64, 3))
    shown = Image.fromarray(np.clip(picture(0, 48, 64) + noise, 0, 255).astype(np.uint8)).convert(mode)
    shown.save(buffer, kind.partition(",")[0], **options)
    data = buffer.getvalue()
    assert refusal(data, "fast") is refusal(data, "decode") is None
    refused = 0
    for _ in range(150):
        broken = damaged(data, random)
        if broken == data:
            continue
        fast, decoded = refusal(broken, "fast"), refusal(broken, "decode")
        assert fast is not None or decoded is None, f"only decoding finds: {decoded}"
        if fast is None:
            assert kind.startswith("jpeg")  # not even a flipped bit of a PNG is stored
        else:
            refused += 1
            assert re.match(
                r"image: (is empty|is not an image|is not a colour image|the image is cut short or broken \()", fast
            )
            assert "--on-error skip" in fast or "RGB images" in fast
    assert refused > 50


def test_a_jpeg_that_a_download_left_half_empty() -> None:
    """Decoders show such a picture, grey from there on, where the end of the zeros looks like the end of a picture."""
    buffer = io.BytesIO()
    Image.fromarray(picture(0, 480, 640)).save(buffer, "JPEG", quality=95)
    data = buffer.getvalue()
    half = data[: len(data) // 2] + bytes(4 * len(data))
    assert refusal(half, "decode") is None
    assert "(the end marker is missing)" in str(refusal(half, "fast"))


def test_a_damaged_picture_that_decodes_can_be_taken_on_demand() -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(0)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[data.index(b"IEND") - 5] ^= 1  # the last byte of the pixel data's checksum
    message = refusal(bytes(data), "fast")
    assert message is not None
    assert message.startswith(
        "image: the image is cut short or broken (the checksum of the chunk at byte 33 is wrong)."
    )
    assert message.endswith("A decoder may still read it: --check decode tries.")
    assert refusal(bytes(data), "decode") is None


def test_interlaced_pictures_are_decoded() -> None:
    """Adam7 (PNG, 8.1) of a picture of one pixel is one row."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1))
    for rows, whole in ((b"\0abc", True), (b"\0ab", False), (b"\7abc", False)):
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        assert (refusal(data, "fast") is None) is whole


def test_label_maps_whose_bits_have_flipped(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 3, (30, 40), dtype=np.uint8)
    data = save(tmp_path / "label.png", ids).read_bytes()
    for at in range(8, len(data)):
        (tmp_path / "label.png").write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        with pytest.raises(DatasetError, match=r"label\.png: (is not an image|the image is cut short or broken)"):
            read_label_map(tmp_path / "label.png")


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([np.uint8, np.uint16]), st.booleans())
def test_label_maps_are_read_as_pillow_reads_them(height: int, width: int, dtype: Any, filtered: bool) -> None:
    ids = np.random.default_rng(0).integers(0, 300, (height, width)).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "label.png")
        picture = Image.fromarray(ids)
        if not filtered and dtype == np.uint8:
            picture.putpalette(bytes(768))  # Pillow filters the rows of grey pictures only
        picture.save(path)
        with Image.open(path) as shown:
            expected = np.asarray(shown)
        values = read_label_map(path)
    assert values.dtype == expected.dtype == dtype
    assert np.array_equal(values, expected)


def test_an_image_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"x\.jpg: is not an image\. Make, unpack or download it again"):
        SourceImage.open(b"<html>not found</html>", "x.jpg")
    path = save(tmp_path / "depth.png", np.zeros((4, 4), dtype=np.uint16))
    with pytest.raises(DatasetError, match=r"depth\.png: is not a colour image of 8 bits \(mode I;16\)"):
        SourceImage.open(path.read_bytes(), path)


def test_what_is_kept_untouched(tmp_path: Path) -> None:
    image = picture(1)
    cases: list[tuple[str, ImageCodec, bool]] = [
        ("jpg", "keep", True),
        ("jpg", "jpeg", True),
        ("jpg", "png", False),
        ("png", "keep", True),
        ("png", "jpeg", False),
        ("png", "npy", False),
        ("ppm", "keep", False),
    ]
    for suffix, codec, untouched in cases:
        path = save(tmp_path / f"image.{suffix}", image, quality=95)
        data = path.read_bytes()
        member, content = SourceImage.open(data, path).store((20, 30), codec)
        assert (content == data) is untouched
        kept = "jpg" if suffix == "jpg" else "png"
        assert member == {"keep": kept, "jpeg": "jpg", "png": "png", "npy": "npy"}[codec]
        file = io.BytesIO(content)
        decoded = np.load(file) if codec == "npy" else np.asarray(Image.open(file))
        assert np.abs(decoded.astype(int) - image).mean() < 3
        if "jpg" not in (suffix, member):
            assert np.array_equal(decoded, image)


def test_grey_palette_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    grey = picture(2)[..., 0]
    path = save(tmp_path / "grey.png", grey)
    assert np.load(io.BytesIO(SourceImage.open(path.read_bytes(), path).store((20, 30), "npy")[1])).shape == (20, 30, 3)
    Image.fromarray(picture(2)).quantize(8).save(tmp_path / "palette.png")
    data = (tmp_path / "palette.png").read_bytes()
    shown = np.load(io.BytesIO(SourceImage.open(data, "palette.png").store((20, 30), "npy")[1]))
    assert np.array_equal(shown, np.asarray(Image.open(tmp_path / "palette.png").convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_where_only_then_the_sizes_agree(tmp_path: Path, orientation: int) -> None:
    upright = picture(3, 40, 24)
    turned = as_stored(upright, orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "turned.jpg", turned, exif=exif, quality=95, subsampling=0)
    image = SourceImage.open(path.read_bytes(), path)
    sideways = orientation >= 5
    for prefer in ("stored", "turned"):
        # Labels of the upright picture, of the stored one, and of nobody knows which.
        turn = image.turn_for((40, 24), "label.png", prefer)
        is_sure = sideways or orientation == 1
        assert turn == Turn(orientation if sideways or prefer == "turned" else 1, is_sure=is_sure)
        assert image.turn_for(turned.shape[:2], "label.png", prefer).orientation == (
            1 if sideways or prefer == "stored" else orientation
        )
        unsized = image.turn_for(None, "gt.txt", prefer)
        assert unsized == Turn(orientation if prefer == "turned" else 1, is_sure=orientation == 1)
    for size in [(40, 24), (20, 12)]:
        shown = np.load(io.BytesIO(image.store(size, "npy", orientation)[1]))
        expected = upright
        if size != (40, 24):
            expected = expected.reshape(20, 2, 12, 2, 3).mean(axis=(1, 3))
        assert np.abs(shown - expected.astype(float)).mean() < 5


def test_sizes_that_no_orientation_brings_together(tmp_path: Path) -> None:
    path = save(tmp_path / "image.jpg", picture(0, 20, 30))
    image = SourceImage.open(path.read_bytes(), path)
    message = r"image\.jpg: the image is 30x20 pixels, but its label map label\.png is 20x30\. They must belong"
    with pytest.raises(DatasetError, match=message):
        image.turn_for((30, 20), "label.png", "stored")


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 9000))
def test_fitting_the_short_side(height: int, width: int, short_side: int) -> None:
    fitted = fit_short_side((height, width), short_side)
    if min(height, width) <= short_side:
        assert fitted == (height, width)  # never up
    else:
        assert min(fitted) == short_side
        ratio = short_side / min(height, width)
        assert max(abs(fitted[0] - height * ratio), abs(fitted[1] - width * ratio)) <= 0.5
    assert fit_short_side((height, width), None) == (height, width)


def test_sizes_of_the_method() -> None:
    assert fit_short_side((1024, 2048), 512) == (512, 1024)
    assert fit_short_side((800, 1360), 512) == (512, 870)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_nearest_takes_the_pixel_under_the_centre(height: int, width: int, rows: int, columns: int) -> None:
    values = np.arange(height * width).reshape(height, width)
    taken = nearest(values, (rows, columns))
    for i in range(rows):
        for j in range(columns):  # (i + 0.5) * height / rows in whole numbers, so that ties are exact
            assert taken[i, j] == values[(2 * i + 1) * height // (2 * rows), (2 * j + 1) * width // (2 * columns)]
    assert nearest(values, (height, width)) is values


def test_scaling_does_not_alias() -> None:
    stripes = np.zeros((80, 80, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    buffer = io.BytesIO()
    Image.fromarray(stripes).save(buffer, "PNG")
    shown = np.load(io.BytesIO(SourceImage.open(buffer.getvalue(), "x").store((16, 16), "npy")[1]))
    assert abs(shown.astype(int) - 127).max() < 40  # a filter that takes single pixels gives 0 or 255
