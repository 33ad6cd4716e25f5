"""``labelforge init``: the file that it writes for a folder loads, and converts to the labels in the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import convert
from labelforge.converters.init import mask_classes
from labelforge.converters.init.class_lists import _voc_color
from labelforge.converters.init.describe import describe
from labelforge.converters.init.masks import MaskLook, look_at_masks
from labelforge.converters.init.templates import suggested
from labelforge.errors import DatasetError
from tests.converters.init_checks import check, converted, init
from tests.converters.layouts import (
    NOTHING,
    label_blocks,
    palette_png,
    picture,
    read_shards,
    save,
    write_camvid,
    write_cityscapes,
)
from tests.converters.own_every import OWN
from tests.converters.own_layouts import CLASSES, COLORS, put, voc_xml, write_colors, write_ids, write_palette


@pytest.mark.parametrize("name", sorted({*OWN} - {"rgb", "ids"}))
def test_every_format_is_found(name: str, tmp_path: Path) -> None:
    """The layouts of the other tests, without their dataset.yaml; lists of splits and VOC's void are found too."""
    written = OWN[name].write(tmp_path / "root")
    own = init(tmp_path / "root").dataset
    assert own.format == name.partition(" ")[0]
    check(converted(tmp_path / "root", OWN[name].split, tmp_path / "out"), written)
    assert own.void.values == ((255,) if name == "palette" else ())


def test_values_become_names_that_are_marked_as_guessed(tmp_path: Path) -> None:
    written = write_ids(tmp_path / "root")
    found = init(tmp_path / "root")
    own = found.dataset
    assert (own.images, own.labels) == (("images/{split}/{key}.jpg",), ("labels/{split}/{key}_gt.png",))
    assert own.splits == {"training": "training"}
    assert own.space.names == tuple(f"value {i}" for i in (0, 7, 300, 999, 65000))
    lines = [line for line in found.text.splitlines() if "name: value" in line]
    assert len(lines) == 5 and all("# guessed name; " in line for line in lines)
    got = converted(tmp_path / "root", "training", tmp_path / "out")
    for key, sample in written.items():
        assert np.array_equal(got[key], np.where(sample.ids == NOTHING, 999, sample.ids))


def test_shares_are_those_of_the_pixels(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / f"images/{i}.png", picture(i, 10, 10))
        mask = np.zeros((10, 10), np.uint8)
        mask[: i + 1] = 3
        save(tmp_path / f"masks/{i}.png", mask)
    text = describe(tmp_path).text
    assert "- {id: 0, name: value 0}  # guessed name; 75.00% of the pixels, in 4 of 4 files" in text
    assert "- {id: 3, name: value 3}  # guessed name; 25.00% of the pixels, in 4 of 4 files" in text
    assert "sizes 10 x 10" in text and "all 4 were opened" in text


@pytest.mark.parametrize("listed", [True, False])
def test_a_flat_folder_of_colours(listed: bool, tmp_path: Path) -> None:
    root = tmp_path / "root"
    written = write_colors(root, "RGB")
    if listed:
        lines = (f"{r} {g} {b}\t{name}\n" for name, (r, g, b) in zip(CLASSES, COLORS, strict=True))
        (root / "label_colors.txt").write_text("".join(lines))
    found = init(root)
    own = found.dataset
    assert (own.format, own.images, own.labels) == ("rgb", ("{key}.png",), ("{key}_mask.png",))
    got = converted(root, "all", tmp_path / "out")
    if listed:
        assert own.void.values == ((0, 0, 0),) and "guessed name" not in found.text
        check(got, written)
        return
    colors = [label.color for label in own.space.labels]
    assert {*colors} == {*COLORS, (0, 0, 0)} and found.text.count("# guessed name") == 5
    for key, sample in written.items():
        expected = [colors.index(color) for color in (*COLORS, (0, 0, 0))]
        assert np.array_equal(got[key], np.take(expected, np.where(sample.ids == NOTHING, 4, sample.ids)))


def test_camvid_as_segnet_has_it_and_a_list_of_other_classes(tmp_path: Path) -> None:
    """A list of 32 colours does not name 12 values."""
    root = tmp_path / "root"
    written = write_camvid(root)
    write_camvid(root, "val", 2)
    (root / "label_colors.txt").write_text("".join(f"{i} {i} {i} name{i}\n" for i in range(32)))
    found = init(root)
    own = found.dataset
    assert (own.images, own.labels) == (("{split}/{key}.png",), ("{split}annot/{key}.png",))
    assert own.splits == {"train": "train", "val": "val"} and "train: train  # 4 images" in found.text
    assert own.space.names == tuple(f"value {i}" for i in range(12))
    assert "The list label_colors.txt" in found.text and "and was not used" in found.text
    assert found.known == "camvid" and "labelforge convert camvid" in found.text
    check(converted(root, "train", tmp_path / "out"), written)


def test_cityscapes_and_its_converter(tmp_path: Path) -> None:
    """Of several label files of an image, those of ids are taken; cities are part of the key."""
    root = tmp_path / "root"
    written = write_cityscapes(root)
    for key in written:
        for other in ("instanceIds", "labelTrainIds", "color"):
            save(root / f"gtFine/train/{key.split('_')[0]}/{key}_gtFine_{other}.png", label_blocks(0, range(3)))
    found = init(root)
    assert found.known == "cityscapes"
    assert found.dataset.images == ("leftImg8bit/{split}/{key}_leftImg8bit.png",)
    assert found.dataset.labels == ("gtFine/{split}/{key}_gtFine_labelIds.png",)
    got = converted(root, "train", tmp_path / "out")
    check({key.split("/")[1]: ids for key, ids in got.items()}, written)


def test_voc_with_masks_and_boxes(tmp_path: Path) -> None:
    top = "VOCdevkit/VOC2012"
    root = tmp_path / "root" / top
    written = write_palette(root)
    for name in ("dataset.yaml", "mapping.yaml", "ImageSets/train.txt", "ImageSets/val.txt"):
        (root / name).unlink()
    for key in [*written, "2007_000002"]:
        put(root / f"Annotations/{key}.xml", voc_xml([("car", 0, 0, 5, 5)]))
        palette_png(root / f"SegmentationObject/{key}.png", label_blocks(1, range(3)), [0] * 768)
    put(root / "ImageSets/Main/train.txt", next(iter(written)))
    put(root / "ImageSets/Segmentation/train.txt", "\n".join(written))
    found = init(tmp_path / "root")
    assert found.dataset.labels == (f"{top}/SegmentationClass/{{key}}.png",)
    assert found.dataset.splits == {"train": f"{top}/ImageSets/Segmentation/train.txt"}
    assert (
        found.dataset.void.values == (255,)
        and 'void: 255  # guessed: the value that means "not labelled"' in found.text
    )
    comments = " ".join(line.removeprefix("# ") for line in found.text.splitlines())
    assert f"boxes (voc) of 4 images: images: {top}/JPEGImages/{{key}}.jpg, labels: {top}/Annotations/" in comments
    check(converted(tmp_path / "root", "train", tmp_path / "out"), written)


MASK_LAYOUTS: dict[str, tuple[Callable[[int], str], Callable[[int], str]]] = {
    "two folders": (lambda i: f"rgb/{i}.jpg", lambda i: f"semantic/{i}.png"),
    "endings": (lambda i: f"x/{i}_image.jpg", lambda i: f"x/{i}_label.png"),
    "starts": (lambda i: f"images/img_{i}.jpg", lambda i: f"masks/mask_{i}.png"),
    "scenes": (lambda i: f"scene{i % 3}/rgb/{i // 3}.jpg", lambda i: f"scene{i % 3}/label/{i // 3}.png"),
    "no words": (lambda i: f"A/{i}.jpg", lambda i: f"B/{i}.png"),
    "splits below": (lambda i: f"data/images/train/{i}.jpg", lambda i: f"data/annotations/train/{i}.png"),
    "split in a word": (lambda i: f"images_train/{i}.jpg", lambda i: f"masks_train/{i}.png"),
    "one folder": (lambda i: f"{i}.jpg", lambda i: f"{i}.png"),
    "masks below": (lambda i: f"photos/IMG_{i}.jpg", lambda i: f"photos/masks/IMG_{i}.png"),
    "words above all": (lambda i: f"segmentation labels/a/{i}.jpg", lambda i: f"segmentation labels/b/{i}.png"),
    "capitals": (lambda i: f"Train/Images/{i}.JPG", lambda i: f"Train/Labels/{i}.PNG"),
}


@pytest.mark.parametrize("name", MASK_LAYOUTS)
def test_images_find_their_masks(name: str, tmp_path: Path) -> None:
    image, mask = MASK_LAYOUTS[name]
    root = tmp_path / "root"
    for i in range(9):
        save(root / image(i), picture(i), quality=95)
        save(root / mask(i), np.full((20, 30), i, np.uint8))
    for clutter in ("__MACOSX/._a.png", ".hidden/a.png", "Thumbs.db", "notes.txt"):
        put(root / clutter, "x")
    split = next(iter(init(root).dataset.splits))
    assert split == ("all" if "rain" not in image(0) else "Train" if name == "capitals" else "train")
    convert(root / "dataset.yaml", None, tmp_path / "out", split=split)
    found = read_shards(tmp_path / "out")
    assert len(found) == 9
    for _, ids, meta in found.values():
        (i,) = (i for i in range(9) if image(i) == meta["image"])
        assert meta["labels"] == mask(i) and (ids == i).all()


def test_what_cannot_be_paired_or_read_is_said(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for i in range(5):
        save(root / f"images/{i}.png", picture(i))
        save(root / f"masks/{i + 1}.png", np.full((20, 30), i, np.uint8))
    (root / "masks/2.png").write_bytes(b"no picture")
    (root / "away.png").symlink_to(tmp_path)
    text = describe(root).text
    assert "# Not paired: 1 x image without labels, such as images/0.png." in text
    assert "# Not paired: 1 x labels without an image, such as masks/5.png." in text
    assert "# Label file masks/2.png: " in text
    assert "# Links that lead out of the folder are not followed: away.png." in text


def test_more_kinds_of_pictures(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for i, suffix in enumerate([".jpg", ".jpg", ".png", ".jpeg"]):
        save(root / f"images/{i}{suffix}", picture(i))
        save(root / f"masks/{i}.png", np.full((20, 30), i, np.uint8))
    assert sorted(init(root).dataset.images) == ["images/{key}.jpeg", "images/{key}.jpg", "images/{key}.png"]
    assert len(converted(root, "all", tmp_path / "out")) == 4


VOC_COLORS = {1: (128, 0, 0), 2: (0, 128, 0), 7: (128, 128, 128), 15: (192, 128, 128), 20: (0, 64, 128)}
"""Of VOC's own legend: aeroplane, bicycle, car, person, tvmonitor."""


@pytest.mark.parametrize(("folder", "whole"), [("x", True), ("x", False), ("VOC2012", False)])
def test_masks_of_voc_without_a_list_of_classes(folder: str, whole: bool, tmp_path: Path) -> None:
    """All of its values in its colours, or a folder of its name; of fewer elsewhere, the names are made up."""
    root, known = tmp_path / folder, whole or folder == "VOC2012"
    ids = np.arange(600, dtype=np.uint8).reshape(20, 30) % (22 if whole else 6)
    ids[ids == 21] = 255
    colors = [number for i in range(256) for number in _voc_color(i)]
    assert {i: tuple(colors[3 * i : 3 * i + 3]) for i in VOC_COLORS} == VOC_COLORS
    save(root / "JPEGImages/a.jpg", picture(0))
    palette_png(root / "SegmentationClass/a.png", ids, colors)
    found = describe(root)
    names = {label.id: label.name for label in found.dataset.space.labels}
    assert (names.get(15) == "person") == known and names[1] == ("aeroplane" if known else "value 1")
    assert found.text.count("# guessed name") == len(names) == (21 if known else 6)
    assert found.dataset.void.values == ((255,) if known else ())
    palette_png(root / "SegmentationClass/a.png", ids, [*colors[3:], 0, 0, 0])
    assert "value 1" in describe(root).text


def test_two_values_are_no_void(tmp_path: Path) -> None:
    for i in range(2):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"masks/{i}.png", 255 * label_blocks(i, range(2)))
    own = init(tmp_path).dataset
    assert not own.void and own.space.ids == (0, 255)


def test_a_list_of_names_is_a_guess_for_values(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"masks/{i}.png", np.full((20, 30), i, np.uint8))
    put(tmp_path / "classes.txt", "road\nsky\ncar\nperson\n")
    text = describe(tmp_path).text
    assert "# The names are those of classes.txt. Guessed: that their order is that of the values." in text
    assert "- {id: 3, name: person}  # guessed name; not seen" in text


def test_folders_that_hold_nothing_to_pair(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="missing: no such folder"):
        describe(tmp_path / "missing")
    with pytest.raises(DatasetError, match="holds no pictures"):
        describe(tmp_path)
    save(tmp_path / "a.png", picture(0))
    message = r"holds 1 picture \(such as a\.png\), but no labels that belong to images were found"
    with pytest.raises(DatasetError, match=message):
        describe(tmp_path)
    put(tmp_path / "a.npy", "")
    put(tmp_path / "b.txt", "Car 0.00 0 -1.57 3.00 4.00 20.00 30.00")
    with pytest.raises(DatasetError, match=r"a\.png\), and 1 \.npy file, 1 \.txt file of no form that is known, but"):
        describe(tmp_path)
    put(tmp_path / "signs/gt.txt", "00000.ppm;91;91;3;3;1\n")
    save(tmp_path / "signs/00000.ppm", picture(0))
    with pytest.raises(DatasetError, match="It has the layout of gtsdb: labelforge convert gtsdb"):
        describe(tmp_path / "signs")


def test_only_some_label_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(30):
        save(tmp_path / f"images/{i:02d}.png", picture(0, 4, 4))
        save(tmp_path / f"masks/{i:02d}.png", np.zeros((4, 4), np.uint8))
    opened: set[str] = set()
    real = Image.open

    def counting(path: str, *rest: str, **options: str) -> object:
        opened.add(str(path))
        return real(path, *rest, **options)  # type: ignore[arg-type]

    def few(root: Path, files: list[str]) -> MaskLook:
        return look_at_masks(root, files, 7)

    monkeypatch.setattr(mask_classes, "look_at_masks", few)
    monkeypatch.setattr(Image, "open", counting)
    assert "Label files: 7 of 30, evenly spread, were opened." in describe(tmp_path).text
    assert len([path for path in opened if "masks/" in path]) == 7


def test_templates_of_a_path() -> None:
    texts = {template.text for template in suggested("data/train/s1/a_rgb.png")}
    assert {
        "{key}.png",
        "data/{key}_rgb.png",
        "data/train/{key}.png",
        "data/{split}/s1/{key}_rgb.png",
        "data/{split}/{key}.png",
        "{group}/{split}/{key}.png",
    } <= texts


@pytest.mark.parametrize(
    ("values", "void", "first"),
    [
        ([0, 1, 2, 3], (3,), 0),  # the value behind the last name
        ([0, 1, 2, 200], (200,), 0),
        ([1, 2, 3], (), 1),  # names that count from 1
        ([2, 3], (), 1),
        ([1, 2, 3, 255], (255,), 1),
        ([0, 1, 2, 3, 255], (0, 255), 1),
    ],
)
def test_a_list_of_names_that_lacks_one_value(
    values: list[int], void: tuple[int, ...], first: int, tmp_path: Path
) -> None:
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"masks/{i}.png", label_blocks(i, values))
    put(tmp_path / "classes.txt", "road\ncar\nsky\n")
    found = init(tmp_path)
    classes = [(label.id, label.name) for label in found.dataset.space.labels]
    assert classes == [(first, "road"), (first + 1, "car"), (first + 2, "sky")]
    assert (
        found.dataset.void.values == void and "Guessed" in found.text and "value" not in [name for _, name in classes]
    )


@pytest.mark.parametrize(
    ("values", "void", "first", "said"),
    [
        ([0, 1, 2, 3], (3,), 0, "of the pixels, in 3 of 3 files) is not labelled instead, write void: 0, and ids that"),
        (
            [0, 1, 2, 3, 255],
            (0, 255),
            1,
            "where they count from 0 instead, write void: 255, ids one less, and a name for 3",
        ),
        (
            [0, 2],
            (),
            0,
            "Not all occur (1), so they may count from 1: look at a mask, and where 0 is not labelled, write void: 0,",
        ),
        ([0, 1, 255], (255,), 0, "where 0 is not labelled either, add it to void, and write ids one more."),
    ],
)
def test_names_that_may_count_from_0_or_from_1(
    values: list[int], void: tuple[int, ...], first: int, said: str, tmp_path: Path
) -> None:
    """Both readings are said, and the one that is taken is marked as guessed."""
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"masks/{i}.png", label_blocks(i, values))
    put(tmp_path / "classes.txt", "road\ncar\nsky\n")
    found = init(tmp_path)
    text = " ".join(found.text.replace("\n# ", " ").split())
    assert said in text and found.dataset.void.values == void
    named = {label.name: label.id for label in found.dataset.space.labels}
    assert named == {"road": first, "car": first + 1, "sky": first + 2}
    assert found.text.count("# guessed name; ") == len(named)


def test_a_list_that_lacks_more_says_what(tmp_path: Path) -> None:
    save(tmp_path / "images/0.png", picture(0))
    save(tmp_path / "masks/0.png", label_blocks(0, [0, 1, 7, 9]))
    put(tmp_path / "classes.txt", "road\ncar\nsky\n")
    assert "The list classes.txt names 0 to 2, but 7, 9 occur too, and was not used." in init(tmp_path).text
