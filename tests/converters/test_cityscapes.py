"""Cityscapes: what its folders and its label files may do to a user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labelforge.converters import convert
from labelforge.converters.datasets.cityscapes import Cityscapes
from labelforge.errors import DatasetError
from labelforge.shards import ShardReader
from tests.converters.layouts import picture, read_shards, save

KEY = "aachen_000001_000019"
LABEL = f"gtFine/train/aachen/{KEY}_gtFine_labelIds.png"


def test_the_test_split_is_void_everywhere(tmp_path: Path) -> None:
    save(tmp_path / f"root/leftImg8bit/test/berlin/{KEY}_leftImg8bit.png", picture(0))
    void = np.full((20, 30), 3, dtype=np.uint8)
    void[5:15, 5:25] = 0
    save(tmp_path / f"root/gtFine/test/berlin/{KEY}_gtFine_labelIds.png", void)
    conversion = convert("cityscapes", tmp_path / "root", tmp_path / "out", split="test")
    assert (conversion.manifest.totals.used, conversion.manifest.totals.ignored) == (0, 600)
    assert np.array_equal(read_shards(tmp_path / "out")[KEY][1], void)


def test_license_plates_have_a_row_that_nothing_fills(root: Path, tmp_path: Path) -> None:
    convert("cityscapes", root, tmp_path / "out", split="train")
    reader = ShardReader(tmp_path / "out")
    assert reader.pixels_per_label[reader.mapping.row_of[-1]] == 0
    assert (np.delete(reader.pixels_per_label, [0, reader.mapping.row_of[-1]]) > 0).all()


@pytest.mark.parametrize(
    ("value", "dtype", "cure"),
    [
        (
            255,
            np.uint8,
            r"It looks like a _labelTrainIds export \(0-18 and 255\): give the \*_gtFine_labelIds\.png files\.",
        ),
        (26003, np.uint16, r"It looks like an _instanceIds file .*: give the \*_gtFine_labelIds\.png files\."),
        (34, np.uint8, r"Give the \*_gtFine_labelIds\.png files as published\."),
    ],
)
@pytest.mark.parametrize("short_side", [None, 5])
def test_values_outside_the_table(
    root: Path, tmp_path: Path, value: int, dtype: type[np.uint8 | np.uint16], cure: str, short_side: int | None
) -> None:
    ids = np.full((20, 30), 7, dtype=dtype)
    ids[12, 17] = value  # a single pixel: found at any scale
    save(root / LABEL, ids)
    message = rf"{KEY}_gtFine_labelIds\.png: label value {value} not in the table of cityscapes: 1 pixel, the first at "
    with pytest.raises(DatasetError, match=rf"{message}column 17, row 12 \({value}\)\. {cure}"):
        convert("cityscapes", root, tmp_path / "out", split="train", short_side=short_side)
    assert not (tmp_path / "out").exists()


def test_images_as_jpeg(root: Path, tmp_path: Path) -> None:
    path = root / f"leftImg8bit/train/aachen/{KEY}_leftImg8bit.png"
    path.unlink()
    save(path.with_suffix(".jpg"), picture(1))
    convert("cityscapes", root, tmp_path / "out", split="train")
    assert read_shards(tmp_path / "out")[KEY][2]["image"].endswith("_leftImg8bit.jpg")


def test_folders_that_are_not_there(root: Path) -> None:
    converter = Cityscapes(root)
    with pytest.raises(
        DatasetError, match=r"leftImg8bit/val: no such folder, but images of the split val should be in it"
    ):
        converter.sources("val")
    (root / "leftImg8bit" / "val" / "ulm").mkdir(parents=True)
    with pytest.raises(
        DatasetError, match=r"leftImg8bit/val: holds no images of the split val \(looked for \*_leftImg8"
    ):
        converter.sources("val")


def test_labels_without_an_image_are_mentioned(root: Path, tmp_path: Path) -> None:
    for key in (KEY, "ulm_000004_000019"):
        (root / f"leftImg8bit/train/{key.split('_')[0]}/{key}_leftImg8bit.png").unlink()
    conversion = convert("cityscapes", root, tmp_path / "out", split="train")
    (note,) = conversion.notes
    assert note == ("Left out because their images are not on disk: aachen_000001_000019, ulm_000004_000019.")
    assert note in (tmp_path / "out" / "report.html").read_text()
