"""Reading and resizing of images, and the size at which a network sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from labelforge.errors import DatasetError
from labelforge.trainer.config import DataConfig
from labelforge.trainer.images import fit_scale, network_size, read_image, resize

IMAGE = np.random.default_rng(5).integers(0, 256, (37, 61, 3), np.uint8)


def test_only_eight_bit_images_are_read(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 5), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DatasetError, match="Save it with 8 bits per channel"):
        read_image(tmp_path / "deep.png")
    Image.new("L", (5, 4), 77).save(tmp_path / "grey.png")
    assert (read_image(tmp_path / "grey.png") == np.full((4, 5, 3), 77)).all()
    Image.new("RGBA", (5, 4), (1, 2, 3, 4)).save(tmp_path / "alpha.png")
    assert (read_image(tmp_path / "alpha.png") == np.array([1, 2, 3])).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_read_upright(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("photo.jpg", "photo.png"):
        Image.fromarray(IMAGE).save(tmp_path / name, exif=exif, quality=100)
        with Image.open(tmp_path / name) as picture:
            expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        assert (read_image(tmp_path / name) == expected).all()
    if orientation == 6:  # the camera was turned: the image's left side is at the top
        assert (read_image(tmp_path / "photo.png") == np.rot90(IMAGE, -1)).all()


@pytest.mark.parametrize("exif", [b"Exif\x00\x00rubbish", b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff"])
def test_a_broken_exif_block_is_no_fault(exif: bytes, tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "photo.jpg", exif=exif)
    assert read_image(tmp_path / "photo.jpg").shape == IMAGE.shape


@pytest.mark.parametrize(("size", "scale"), [((1024, 2048), 0.5), ((600, 706), 1.0), ((256, 353), 2.0)])
def test_fit_scale(size: tuple[int, int], scale: float) -> None:
    assert fit_scale(size, (512, 706)) == pytest.approx(scale)


@pytest.mark.parametrize(
    ("resize", "short_side", "expected"),
    [("fit", None, (512, 1024)), ("none", None, (1024, 2048)), ("fit", 256, (256, 512)), ("none", 2048, (2048, 4096))],
)
def test_the_size_that_the_network_sees(resize: str, short_side: int | None, expected: tuple[int, int]) -> None:
    config = DataConfig.model_validate({"crop": (512, 706), "resize": resize})
    assert network_size((1024, 2048), config, short_side) == expected


def test_a_part_of_a_resize_is_that_part_of_the_whole() -> None:
    whole = resize(IMAGE, (90, 77))
    assert whole.shape == (90, 77, 3)
    part = resize(IMAGE, (90, 77), (13, 20, 61, 77))
    assert np.abs(part.astype(int) - whole[13:61, 20:77]).max() <= 1


def test_shrinking_averages_over_the_covered_area() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize(stripes, (16, 16))
    assert np.abs(small[2:-2, 2:-2].astype(int) - 127).max() <= 4  # point sampling would give 0 or 255
