"""``labelforge init`` on masks: lists of classes of many tools, what is not labelled, colours that are mixtures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.converters.init.describe import describe
from labelforge.errors import DatasetError
from tests.converters.init_checks import converted, init
from tests.converters.layouts import NOTHING, Array, label_blocks, palette_png, picture, save
from tests.converters.own_layouts import CLASSES, COLORS, put, write_segments

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
BLANK = np.zeros(3, np.uint8)


def paint(root: Path, colors: list[tuple[int, int, int]], number: int = 3, place: str = "masks/{}.png") -> list[Array]:
    """Images, and masks of blocks in colours; (20, 30) which colour each pixel has."""
    found = []
    for i in range(number):
        save(root / f"images/{i}.png", picture(i))
        blocks = label_blocks(i, range(len(colors)))
        save(root / place.format(i), np.array(colors, np.uint8)[blocks])
        found.append(blocks)
    return found


def text_of(root: Path) -> str:
    return " ".join(describe(root).text.replace("\n# ", " ").split())


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


LISTED = "".join(f"{r} {g} {b} {name}\n" for name, (r, g, b) in zip(CLASSES, COLORS, strict=True))


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


def smooth(root: Path, width: int, number: int, by: Image.Resampling) -> dict[str, Array]:
    """Masks of stripes in colours, resized as photographs are; key -> (H, W) the stripes, -1 where they are mixed."""
    found = {}
    for i in range(number):
        order = np.random.default_rng(i).permutation(len(COLORS))
        stripes = np.repeat(order, width)[None].repeat(60, 0)
        exact = np.array(COLORS, np.uint8)[stripes]
        mixed = np.asarray(Image.fromarray(exact[::2, 1::2]).resize((stripes.shape[1], 60), by))
        save(root / f"images/{i}.png", picture(i, *stripes.shape))
        save(root / f"masks/{i}.png", mixed)
        found[str(i)] = np.where((mixed == exact).all(axis=2), stripes, -1)
    return found


@pytest.mark.parametrize("by", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("listed", [True, False])
def test_colours_mixed_at_borders_are_no_classes(listed: bool, by: Image.Resampling, tmp_path: Path) -> None:
    root = tmp_path / "root"
    written = smooth(root, 100, 4, by)
    if listed:
        rows = "".join(f"{name},{r},{g},{b}\n" for name, (r, g, b) in zip(CLASSES, COLORS, strict=True))
        put(root / "class_dict.csv", f"name,r,g,b\n{rows}")
    found = init(root)
    own = found.dataset
    assert own.void.unlisted and not own.void.values
    assert {label.color for label in own.space.labels} == {*COLORS} and len(own.space.labels) == 4
    assert (own.space.names == CLASSES) == listed
    assert "are no classes but mixtures of two" in text_of(root)
    numbers = {COLORS.index(label.color): label.id for label in own.space.labels if label.color is not None}
    got = converted(root, "all", tmp_path / "out")
    for key, stripes in written.items():
        assert (stripes < 0).any()
        expected = np.vectorize({**numbers, -1: NOTHING}.__getitem__)(stripes)
        assert np.array_equal(got[key], expected)


def test_a_rare_class_is_no_mixture(tmp_path: Path) -> None:
    """A grey between black and white, in few pixels."""
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        mask = np.zeros((20, 30, 3), np.uint8)
        mask[:, 15:] = 255
        mask[0, 14] = 128
        save(tmp_path / f"masks/{i}.png", mask)
    own = describe(tmp_path).dataset
    assert not own.void and {label.color for label in own.space.labels} == {BLACK, WHITE, (128, 128, 128)}


def test_frequent_classes_between_two_others_are_no_mixtures(tmp_path: Path) -> None:
    """Six greys in rows, each half as frequent as black and white, and mixed with neither."""
    greys = [0, 0, 255, 255, 40, 80, 120, 160, 200, 230]
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(
            tmp_path / f"masks/{i}.png",
            np.array(greys, np.uint8)[np.arange(600).reshape(20, 30) % 10][..., None] + BLANK,
        )
    own = describe(tmp_path).dataset
    assert not own.void and {label.color for label in own.space.labels} == {(grey,) * 3 for grey in greys}


@pytest.mark.parametrize("rgb", [False, True])
def test_a_void_beside_all_that_no_class_has(rgb: bool, tmp_path: Path) -> None:
    """Both halves of 'void: [value, unlisted]' count."""
    root, form = tmp_path / "root", "rgb" if rgb else "ids"
    for i in range(2):
        save(root / f"images/{i}.png", picture(i))
        blocks = label_blocks(i, [0, 1, 2, 3, 9])
        save(root / f"masks/{i}.png", blocks[..., None] + BLANK if rgb else blocks)
    classes = "[{name: road, color: [0, 0, 0]}, {name: sky, color: [1, 1, 1]}]"
    void = "[[9, 9, 9], unlisted]" if rgb else "[9, unlisted]"
    head = f"name: yard\nkind: masks\nformat: {form}\nimages: images/{{key}}.png\nlabels: masks/{{key}}.png\n"
    put(root / "dataset.yaml", f"{head}void: {void}\nclasses: {classes}\n")
    put(root / "mapping.yaml", "dataset: yard\ntaxonomy: streets\nsupervision: pixel\nlabels: {road: road, sky: sky}\n")
    for key, ids in converted(root, "all", tmp_path / "out").items():
        blocks = label_blocks(int(key), [0, 1, 2, 3, 9]).astype(int)
        assert np.array_equal(ids, np.where(blocks > 1, NOTHING, blocks))


def test_a_mask_of_more_mixtures_than_anyone_lists(tmp_path: Path) -> None:
    """A gradient of hundreds of colours, few pixels each, is no photograph."""
    rng = np.random.default_rng(0)
    for i in range(2):
        save(tmp_path / f"images/{i}.png", picture(i, 200, 300))
        mask = np.array(COLORS, np.uint8)[np.arange(300) // 75][None].repeat(200, 0)
        share = rng.random((40, 50, 1))
        mask[80:120, 50:100] = np.round(share * COLORS[0] + (1 - share) * COLORS[3])
        save(tmp_path / f"masks/{i}.png", mask)
        assert len(np.unique(mask.reshape(-1, 3), axis=0)) > 100
    own = describe(tmp_path).dataset
    assert {label.color for label in own.space.labels} == {*COLORS} and own.void.unlisted


@pytest.mark.parametrize("listed", [True, False])
def test_very_many_mixtures(listed: bool, tmp_path: Path) -> None:
    """Masks of twelve classes that were turned with smooth edges hold thousands of colours."""
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 255, (12, 3), dtype=np.uint8)
    seen = np.zeros(0, np.int64)
    for i in range(30):
        mask = np.zeros((160, 160, 3), np.uint8)
        for _ in range(40):
            x, y, width, height = (*rng.integers(0, 150, 2), *rng.integers(10, 60, 2))
            mask[y : y + height, x : x + width] = colors[rng.integers(12)]
        turned = np.array(Image.fromarray(mask).rotate(7 * i + 3, Image.Resampling.BICUBIC))
        seen = np.union1d(seen, np.unique(turned.reshape(-1, 3) @ np.array([65536, 256, 1])))
        save(tmp_path / f"images/{i}.png", picture(i, 160, 160))
        save(tmp_path / f"masks/{i}.png", turned)
    assert len(seen) > 8000
    if listed:
        rows = "".join(f"c{i},{r},{g},{b}\n" for i, (r, g, b) in enumerate(colors.tolist()))
        put(tmp_path / "class_dict.csv", f"name,r,g,b\n{rows}")
    own = describe(tmp_path).dataset
    assert own.void.unlisted and "are no classes but mixtures of two" in text_of(tmp_path)
    found = {label.color for label in own.space.labels}
    assert found >= {(r, g, b) for r, g, b in colors.tolist()} and len(found) < 40
    assert not listed or own.space.names[:12] == tuple(f"c{i}" for i in range(12))


@pytest.mark.parametrize("listed", [True, False])
def test_more_colours_than_any_classes(listed: bool, tmp_path: Path) -> None:
    """Colours at random are on no line between others."""
    rng = np.random.default_rng(0)
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i, 60, 90))
        mask = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
        mask[:, :80] = np.array(COLORS, np.uint8)[np.arange(80) // 20]
        save(tmp_path / f"masks/{i}.png", mask)
    if listed:
        put(tmp_path / "label_colors.txt", LISTED)
        own = describe(tmp_path).dataset
        assert own.space.names == CLASSES and own.void.unlisted
        return
    with pytest.raises(DatasetError, match=r"hold 1,\d{3} colours, such as #.* probably mixtures") as caught:
        describe(tmp_path)
    assert "class_dict.csv" in str(caught.value) and "void: unlisted" in str(caught.value)


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
