"""CamVid: both layouts, the colours of the original, and what the files may do to a user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import convert
from labelforge.converters.datasets.camvid import GROUPS, CamVid
from labelforge.errors import ConfigError, DatasetError
from labelforge.label_space import LabelSpace
from tests.converters.layouts import Written, picture, read_shards, save, write_camvid, write_original_camvid


@pytest.fixture
def original(tmp_path: Path) -> dict[str, Written]:
    """The original layout in ``tmp_path / "root"``."""
    return write_original_camvid(tmp_path / "root")


def test_colours_come_back_as_ids(original: dict[str, Written], tmp_path: Path) -> None:
    convert("camvid", tmp_path / "root", tmp_path / "out", split="all", taxonomy="streets")
    found = read_shards(tmp_path / "out")
    assert sorted(found) == sorted(original)
    for key, sample in original.items():
        image, ids, meta = found[key]
        assert np.array_equal(image, sample.image) and np.array_equal(ids, sample.ids)
        assert meta["dataset"] == "camvid-32" and meta["native"] == {"video": key.split("_")[0]}


@pytest.mark.parametrize("classes", [None, "11"])
def test_colours_in_segnets_layout(tmp_path: Path, classes: str | None) -> None:
    """As Datumaro writes CamVid: with what the original gives."""
    written = write_original_camvid(tmp_path / "original")
    for key in written:
        for folder, here in (("701_StillsRaw_full", f"val/{key}.png"), ("LabeledApproved_full", f"valannot/{key}.png")):
            file = tmp_path / "original" / folder / f"{key}{'_L' if folder.startswith('Label') else ''}.png"
            save(tmp_path / "root" / here, np.array(Image.open(file)))
    options = {} if classes is None else {"classes": classes}
    for root, split in (("original", "all"), ("root", "val")):
        convert("camvid", tmp_path / root, tmp_path / f"{root}-out", split=split, taxonomy="streets", options=options)
    wanted = read_shards(tmp_path / "original-out")
    for key, (image, ids, meta) in read_shards(tmp_path / "root-out").items():
        assert np.array_equal(ids, wanted[key][1]) and np.array_equal(image, wanted[key][0])
        assert meta["dataset"] == ("camvid-32" if classes is None else "camvid-11")


def test_the_original_with_11_classes(original: dict[str, Written], tmp_path: Path) -> None:
    options = {"classes": "11"}
    convert("camvid", tmp_path / "root", tmp_path / "out", split="all", taxonomy="streets", options=options)
    small, large = LabelSpace.load("camvid-11"), LabelSpace.load("camvid-32")
    new_of = {old: new for new, olds in GROUPS.items() for old in olds}
    names = np.array([small.by_name[new_of[label.name]].id for label in large.labels])
    for key, (_, ids, meta) in read_shards(tmp_path / "out").items():
        assert np.array_equal(ids, names[original[key].ids]) and meta["dataset"] == "camvid-11"


def test_every_original_label_is_in_one_group() -> None:
    members = [name for group in GROUPS.values() for name in group]
    assert sorted(members) == sorted(LabelSpace.load("camvid-32").names)
    assert tuple(sorted(GROUPS)) == tuple(sorted(LabelSpace.load("camvid-11").names))


def test_lists_say_which_frames_are_in_a_split(original: dict[str, Written], tmp_path: Path) -> None:
    keys = sorted(original)
    lines = f"/SegNet/train/{keys[2]}.png /SegNet/trainannot/{keys[2]}.png\n\n{keys[0]}\ntrain\\Seq05VD_f99999.JPG\n"
    (tmp_path / "root" / "train.txt").write_text(lines)
    converter = CamVid(tmp_path / "root")
    assert [source.key for source in converter.sources("train")] == [keys[0], keys[2]]
    assert converter.missing("train") == ["Seq05VD_f99999"]
    assert [source.key for source in converter.sources("all")] == keys
    with pytest.raises(DatasetError, match=r"test\.txt: this file is missing\. The original has no splits: use the sp"):
        converter.sources("test")
    (tmp_path / "root" / "test.txt").write_text("one\ntwo\n")
    with pytest.raises(DatasetError, match=r"test\.txt: none of its 2 frames is in 701_StillsRaw_full: one, two"):
        converter.sources("test")


@pytest.mark.parametrize("short_side", [None, 5])
def test_a_colour_outside_the_table(original: dict[str, Written], tmp_path: Path, short_side: int | None) -> None:
    path = tmp_path / "root" / "LabeledApproved_full" / f"{sorted(original)[1]}_L.png"
    colors = np.array(Image.open(path))
    colors[12, 17] = (1, 2, 3)
    save(path, colors)
    message = (
        rf"{path.name}: the colour \(1, 2, 3\) is no label's: 1 pixel, the first at column 17, row 12; the label "
        r"nearest to \(1, 2, 3\) is 'Void', \(0, 0, 0\)\. Give the"
    )
    with pytest.raises(DatasetError, match=message):
        convert("camvid", tmp_path / "root", tmp_path / "out", split="all", taxonomy="streets", short_side=short_side)


@pytest.mark.parametrize(
    ("name", "mode", "what"),
    [("one_L.png", "L", r"is not a colour picture \(mode L\)"), ("one_L.jpg", "RGB", "is a JPEG, which does not keep")],
)
def test_labels_that_are_no_colours(tmp_path: Path, name: str, mode: str, what: str) -> None:
    from labelforge.converters.pictures.label_maps import read_color_map

    Image.new(mode, (4, 3)).save(tmp_path / name)
    with pytest.raises(DatasetError, match=what):
        read_color_map(tmp_path / name)


def test_images_as_jpeg_and_labels_without_an_image(tmp_path: Path) -> None:
    keys = sorted(write_camvid(tmp_path / "root"))
    (tmp_path / "root" / "train" / f"{keys[0]}.png").unlink()
    (tmp_path / "root" / "train" / f"{keys[1]}.png").unlink()
    save(tmp_path / "root" / "train" / f"{keys[1]}.jpg", picture(1))
    conversion = convert("camvid", tmp_path / "root", tmp_path / "out", split="train", taxonomy="streets")
    assert conversion.notes == (f"Left out because their images are not on disk: {keys[0]}.",)
    assert read_shards(tmp_path / "out")[keys[1]][2]["image"] == f"train/{keys[1]}.jpg"


def test_all_is_every_split_that_is_there(tmp_path: Path) -> None:
    keys = [*write_camvid(tmp_path, "train"), *write_camvid(tmp_path, "test", count=2)]
    for key in keys[4:]:
        for part in ("test", "testannot"):
            (tmp_path / part / f"{key}.png").rename(tmp_path / part / f"x{key}.png")
    assert [s.key for s in CamVid(tmp_path).sources("all")] == sorted([*keys[:4], *(f"x{key}" for key in keys[4:])])


@pytest.mark.parametrize(("value", "cure"), [(255, "write 11 for it"), (12, "0 to 10, and 11 for not labelled")])
def test_values_outside_the_table(tmp_path: Path, value: int, cure: str) -> None:
    key = sorted(write_camvid(tmp_path / "root"))[0]
    ids = np.zeros((20, 30), np.uint8)
    ids[3, 4] = value
    save(tmp_path / "root" / "trainannot" / f"{key}.png", ids)
    with pytest.raises(DatasetError, match=rf"label value {value} not in the table of camvid-11: 1 pixel.*{cure}"):
        convert("camvid", tmp_path / "root", tmp_path / "out", split="train", taxonomy="streets")


def test_classes_that_a_copy_does_not_have(tmp_path: Path) -> None:
    write_camvid(tmp_path)
    with pytest.raises(DatasetError, match="this copy of CamVid has 11 classes, not 32"):
        CamVid(tmp_path, classes=32)
    with pytest.raises(ConfigError, match="classes cannot be '12'"):
        CamVid(tmp_path, classes="12")


def test_real_frames(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "camvid"
    conversion = convert("camvid", root, tmp_path, split="val", taxonomy="streets")
    assert conversion.manifest.totals.samples == 101
    found = read_shards(tmp_path)
    for key in list(found)[::25]:
        _, ids, meta = found[key]
        assert np.array_equal(ids, np.asarray(Image.open(root / "valannot" / f"{key}.png")))
        assert meta["image"] == f"val/{key}.jpg" and meta["native"] == {"video": "0016E5"}
