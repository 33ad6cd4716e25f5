"""``labelforge init`` on masks: lists of classes of many tools, palettes, what is not labelled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labelforge.converters.init.describe import describe
from labelforge.errors import DatasetError
from tests.converters.init_checks import BLACK, LISTED, WHITE, converted, init, paint, text_of
from tests.converters.layouts import NOTHING, Array, label_blocks, palette_png, picture, save
from tests.converters.own_layouts import CLASSES, COLORS, put, write_segments


def test_masks_and_label_map_of_cvat(tmp_path: Path) -> None:
    """CVAT's "Segmentation mask 1.1": labelmap.txt, JPEGImages, SegmentationClass, SegmentationObject, ImageSets."""
    root = tmp_path / "root"
    for i in range(3):
        save(root / f"JPEGImages/{i}.png", picture(i))
        save(root / f"SegmentationClass/{i}.png", np.array([*COLORS, BLACK], np.uint8)[label_blocks(i, range(5))])
        save(root / f"SegmentationObject/{i}.png", np.array([*COLORS, WHITE], np.uint8)[label_blocks(i, range(5))])
    rows = "".join(f"{name}:{r},{g},{b}::\n" for name, (r, g, b) in zip(CLASSES, COLORS, strict=True))
    put(root / "labelmap.txt", f"# label:color_rgb:parts:actions\nbackground:0,0,0::\n{rows}")
    put(root / "ImageSets/Segmentation/default.txt", "0\n1\n2\n")
    found = init(root)
    assert found.dataset.labels == ("SegmentationClass/{key}.png",)
    assert found.dataset.space.names == ("background", *CLASSES) and "# guessed" not in found.text
    for key, ids in converted(root, "all", tmp_path / "out").items():
        blocks = label_blocks(int(key), range(5))
        assert np.array_equal(ids, np.where(blocks == 4, 0, blocks))


def test_masks_and_classes_of_roboflow(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for split in ("train", "valid"):
        for i in range(2):
            save(root / split / f"f{i}_jpg.rf.0a1b.jpg", picture(i), quality=95)
            save(root / split / f"f{i}_jpg.rf.0a1b_mask.png", label_blocks(i, [0, 1, 2, 3, 4]))
        rows = "".join(f"{i}, {name}\n" for i, name in enumerate(CLASSES, 1))
        put(root / split / "_classes.csv", f"Pixel Value, Class\n0, background\n{rows}")
    found = init(root)
    assert found.dataset.space.names == ("background", *CLASSES) and "guessed name" not in found.text
    assert found.dataset.splits == {"train": "train", "valid": "valid"}
    for key, ids in converted(root, "valid", tmp_path / "out").items():
        blocks = label_blocks(int(key[1]), range(5))
        assert np.array_equal(ids, np.array([0, 0, 1, 2, 3])[blocks])  # background is 0, road the first of CLASSES


@pytest.mark.parametrize(
    ("values", "void", "made_up"),
    [
        ([0, 1000, 1002, 2003], (0,), []),
        ([0, 1000, 1002, 2003, 65535], (0, 65535), []),
        ([1000, 1002, 2003, 2004], (), [2004]),
        ([0, 1000, 1002, 2003, 2004], (), [0, 2004]),
    ],
)
def test_a_list_with_ids_that_lacks_some_values(
    values: list[int], void: tuple[int, ...], made_up: list[int], tmp_path: Path
) -> None:
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"masks/{i}.png", np.array(values, np.uint16)[label_blocks(i, range(len(values)))])
    put(tmp_path / "classes.json", json.dumps({"1000": "road", "1002": "sky", "2003": "car"}))
    own = describe(tmp_path).dataset
    assert own.void.values == void
    named = {label.id: label.name for label in own.space.labels}
    assert named == {1000: "road", 1002: "sky", 2003: "car", **{value: f"value {value}" for value in made_up}}
    text = text_of(tmp_path)
    assert ("Values that classes.json does not list" in text) == bool(made_up)
    assert ("Guessed: that 0 (" in text) == (0 in void)


@pytest.mark.parametrize(
    ("values", "names", "void", "expected"),
    [
        ([0, 255], "bg\nfg\n", (), {0: "bg", 255: "fg"}),
        ([0, 65535], "bg\nfg\n", (), {0: "bg", 65535: "fg"}),
        ([0, 255], "fg\n", (0,), {255: "fg"}),
        ([0, 1], "fg\n", (0,), {1: "fg"}),
        ([0, 1], "bg\nfg\n", (), {0: "bg", 1: "fg"}),
        ([0, 1, 255], "bg\nfg\n", (255,), {0: "bg", 1: "fg"}),
        ([0, 255], "bg\nroad\nsky\n", (255,), {0: "bg", 1: "road", 2: "sky"}),
    ],
)
def test_masks_of_two_values_are_of_what_a_short_list_names(
    values: list[int], names: str, void: tuple[int, ...], expected: dict[int, str], tmp_path: Path
) -> None:
    """The greater is the object, not what is not labelled: a half of all pixels would be lost."""
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"masks/{i}.png", np.array(values, np.uint16)[label_blocks(i, range(len(values)))])
    put(tmp_path / "classes.txt", names)
    found = describe(tmp_path)
    assert {label.id: label.name for label in found.dataset.space.labels} == expected
    assert found.dataset.void.values == void
    assert "Guessed: " in text_of(tmp_path)


@pytest.mark.parametrize("void", [False, True])
def test_the_palette_says_which_class_of_a_list_a_value_is(void: bool, tmp_path: Path) -> None:
    """CVAT's list is in another order than the values that its palette gives these colours."""
    root = tmp_path / "root"
    order = [2, 0, 3, 1]
    palette = [number for i in order for number in COLORS[i]] + [7] * 3 * 251 + [224, 224, 192]
    values = [0, 1, 3, *([255] if void else [])]
    for i in range(3):
        save(root / f"JPEGImages/{i}.png", picture(i))
        palette_png(root / f"SegmentationClass/{i}.png", label_blocks(i, values), palette)
    rows = "".join(f"{name}:{r},{g},{b}::\n" for name, (r, g, b) in zip(CLASSES, COLORS, strict=True))
    put(root / "labelmap.txt", f"# label:color_rgb:parts:actions\nghost:9,9,9::\n{rows}")
    found = init(root)
    assert "said by the colours of the palette" in text_of(root) and "guessed name" not in found.text
    assert [(x.id, x.name) for x in found.dataset.space.labels] == [(i, CLASSES[order[i]]) for i in range(4)]
    assert found.dataset.void.values == ((255,) if void else ())
    for key, ids in converted(root, "all", tmp_path / "out").items():
        blocks = label_blocks(int(key), values).astype(int)
        assert np.array_equal(ids, np.where(blocks == 255, NOTHING, np.array(order)[blocks % 255]))


def palettes(root: Path, orders: list[list[int]]) -> list[Array]:
    """Palette pictures that give values the colours of `COLORS` in other orders; (20, 30) which colour a pixel has."""
    found = []
    for i, order in enumerate(orders):
        save(root / f"images/{i}.png", picture(i))
        blocks = label_blocks(i, range(4))
        palette_png(root / f"masks/{i}.png", blocks, [number for j in order for number in COLORS[j]])
        found.append(np.array(order)[blocks])
    return found


@pytest.mark.parametrize("listed", [True, False])
def test_palettes_in_other_orders_are_read_by_colour(listed: bool, tmp_path: Path) -> None:
    root = tmp_path / "root"
    written = palettes(root, [[0, 1, 2, 3], [0, 1, 2, 3], [3, 1, 0, 2]])
    if listed:
        put(root / "classes.txt", LISTED)
    found = init(root)
    assert found.dataset.format == "rgb"
    first, other = ("#{:02x}{:02x}{:02x}".format(*COLORS[i]) for i in (0, 3))
    assert f"palettes of label files differ: 0 is {first} in masks/0.png, but {other} in masks/2.png." in text_of(root)
    numbers = {label.id: COLORS.index(label.color) for label in found.dataset.space.labels if label.color is not None}
    for key, ids in converted(root, "all", tmp_path / "out").items():
        got = ids if listed else np.vectorize(numbers.__getitem__)(ids)
        assert np.array_equal(got, written[int(key)])


def test_palettes_that_differ_where_no_value_occurs_are_one(tmp_path: Path) -> None:
    """A palette may end after the last value, or go on with anything."""
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        palette = [number for color in COLORS for number in color] + [i] * 3 * (i + 3)
        palette_png(tmp_path / f"masks/{i}.png", label_blocks(i, range(4)), palette)
    put(tmp_path / "classes.txt", LISTED)
    found = describe(tmp_path)
    assert found.dataset.format == "palette" and "# guessed" not in found.text
    assert "palettes of label files differ" not in text_of(tmp_path) and "said by the colours" in text_of(tmp_path)


@pytest.mark.parametrize("names", ["", "a\nb\nc\nd\n"])
def test_palettes_of_any_colours_leave_the_values(names: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        palette_png(tmp_path / f"masks/{i}.png", label_blocks(i, range(4)), rng.integers(0, 256, 12).tolist())
    if names:
        put(tmp_path / "classes.txt", names)
    own, text = describe(tmp_path).dataset, text_of(tmp_path)
    assert own.format == "palette" and own.space.ids == (0, 1, 2, 3)
    assert "The palettes of label files differ: 0 is #" in text and "look whether a value means the same" in text


def test_palettes_that_differ_beside_grey_pictures_are_guessed(tmp_path: Path) -> None:
    palettes(tmp_path, [[0, 1, 2, 3], [0, 1, 2, 3], [3, 1, 0, 2]])
    save(tmp_path / "images/3.png", picture(3))
    save(tmp_path / "masks/3.png", label_blocks(3, range(4)))
    put(tmp_path / "classes.txt", LISTED)
    found, text = describe(tmp_path), text_of(tmp_path)
    assert found.dataset.format == "palette" and found.dataset.space.names == CLASSES
    assert "is said by the colours" not in text and "guessed by the colours of the first palette" in text
    assert found.text.count("# guessed name") == 4


@pytest.mark.parametrize(
    ("name", "text", "taken"),
    [
        ("class_dict_seg.csv", "name, r, g, b\nroad, 1, 2, 3\nsky, 4, 5, 6\ncar, 7, 8, 9\n", False),  # of colours
        ("my_label_map.csv", "id;name\n0;road\n3;sky\n5;car\n", True),
        ("semantic_classes_v2.txt", "0 road\n3 sky\n5 car\n", True),
        ("category_list.json", '[{"id": 0, "name": "road"}, {"id": 3, "name": "sky"}, {"id": 5, "name": "car"}]', True),
        ("labels_of_train.txt", "a\nb\nc\nd\ne\nf\n", False),  # may be a list of files
        ("notes.csv", "id,name\n0,road\n3,sky\n5,car\n", False),
    ],
)
def test_lists_of_classes_by_a_part_of_their_name(name: str, text: str, taken: bool, tmp_path: Path) -> None:
    """Only such as say an id or a colour of each class: any list of names would do else."""
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"masks/{i}.png", label_blocks(i, [0, 3, 5]))
    put(tmp_path / name, text)
    names = describe(tmp_path).dataset.space.names
    assert names == (("road", "sky", "car") if taken else ("value 0", "value 3", "value 5"))


@pytest.mark.parametrize(
    ("text", "values", "names"),
    [
        ("2 wheeler\n3 wheeler\n4 wheeler\n", [0, 1, 2], ("2 wheeler", "3 wheeler", "4 wheeler")),
        ("30 limit\n50 limit zone\n70 limit end\n", [0, 1, 2], ("30 limit", "50 limit zone", "70 limit end")),
        ("30 limit\n50 limit zone\n70 limit end\n", [30, 50, 70], ("limit", "limit zone", "limit end")),
    ],
)
def test_numbers_before_names(text: str, values: list[int], names: tuple[str, ...], tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"masks/{i}.png", label_blocks(i, values))
    put(tmp_path / "classes.txt", text)
    own = describe(tmp_path).dataset
    assert own.space.names == names and own.space.ids == (*values,)


def test_a_file_called_like_a_list_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"masks/{i}.png", label_blocks(i, [0, 1, 2]))
    put(tmp_path / "classes.txt", "road\nroad\nsky\n")
    put(tmp_path / "config.json", "3")  # may be anything's
    text = text_of(tmp_path)
    assert "The list classes.txt was not used: two classes have the name 'road'." in text
    assert "config.json" not in text


def test_black_and_white_that_a_list_lacks(tmp_path: Path) -> None:
    root = tmp_path / "root"
    blocks = paint(root, [*COLORS, BLACK, WHITE])
    put(root / "label_colors.txt", "".join(f"{r} {g} {b} {n}\n" for n, (r, g, b) in zip(CLASSES, COLORS, strict=True)))
    found = init(root)
    assert found.dataset.void.values == (BLACK, WHITE) and "delete what is a class" in found.text
    for key, ids in converted(root, "all", tmp_path / "out").items():
        assert np.array_equal(ids, np.where(blocks[int(key)] > 3, NOTHING, blocks[int(key)].astype(int)))


def test_of_two_label_files_those_of_segments_ai_that_are_classes(tmp_path: Path) -> None:
    """Numbers of instances, and beside them classes, both named after the image."""
    for i in range(3):
        save(tmp_path / f"f{i}.png", picture(i))
        save(tmp_path / f"f{i}_label_ground-truth.png", label_blocks(i, range(9)))
        save(tmp_path / f"f{i}_label_ground-truth_semantic.png", label_blocks(i, range(3)))
    own = describe(tmp_path).dataset
    assert (own.images, own.labels) == (("{key}.png",), ("{key}_label_ground-truth_semantic.png",))


@pytest.mark.parametrize("part", [0.3, 0.8, 0.99])
def test_pictures_of_segments_without_their_file_are_no_colours(part: float, tmp_path: Path) -> None:
    """A panoptic file that breaks off before, or after the first that says what it is."""
    root = tmp_path / "root"
    write_segments(root)
    for path in (root / "dataset.yaml", root / "mapping.yaml"):
        path.unlink()
    (path,) = root.rglob("*.json")
    text = path.read_text()
    path.write_text(text[: int(part * len(text))])
    size = path.stat().st_size
    with pytest.raises(
        DatasetError, match=rf"{path.name}: is no whole JSON: it breaks off at byte {size:,}, and may say what"
    ):
        describe(root)


def test_a_json_file_that_breaks_off_is_said_beside_what_is_found(tmp_path: Path) -> None:
    for i in range(2):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(tmp_path / f"masks/{i}.png", label_blocks(i, range(3)))
    put(tmp_path / "long.json", '{"a": [' + "1, " * (1 << 21))
    put(tmp_path / "short.json", '{"a": ["')
    put(tmp_path / "other.json", '{"a": 3}')
    text = text_of(tmp_path)
    assert "Not used: short.json: is no whole JSON: it breaks off at byte 8." in text
    assert f"Not used: long.json: is no whole JSON: it breaks off at byte {7 + 3 * (1 << 21):,}." in text
    assert "other.json" not in text


def test_a_list_of_which_few_occur_is_said_to_be_so(tmp_path: Path) -> None:
    """CamVid's 32 colours beside SegNet's 11 values."""
    for i in range(3):
        save(tmp_path / "images" / f"{i}.png", picture(i))
        save(tmp_path / "masks" / f"{i}.png", label_blocks(i, range(5)))
    put(tmp_path / "classes.txt", "\n".join(f"{9 * i} 0 0 name {chr(97 + i)}" for i in range(26)))
    text = describe(tmp_path).text.replace("\n# ", " ")
    assert "The list classes.txt names 0 to 25, of which only 5 occur, and was not used." in text
