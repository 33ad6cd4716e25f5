"""Masks of one's own: how files are paired, which split they are in, what is refused."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import convert
from labelforge.converters.own.patterns import Named, Pattern
from labelforge.converters.own.splits import Names, split_of
from labelforge.errors import ConfigError, DatasetError, TaxonomyError
from tests.converters.layouts import NOTHING, label_blocks, picture, read_shards, save
from tests.converters.own_layouts import describe, own, write_colors, write_csv, write_ids, write_palette


def flat(root: Path, more: str = "", images: str = "images/{key}.png") -> None:
    describe(
        root,
        f"kind: masks\nformat: ids\nimages: '{images}'\nlabels: 'labels/{{key}}.png'\n"
        f"classes: [road, sky, car, person]\n{more}",
    )


def add(root: Path, *keys: str, labels: bool = True) -> None:
    for key in keys:
        save(root / "images" / f"{key}.png", picture(0, 4, 6))
        if labels:
            save(root / "labels" / f"{key}.png", np.ones((4, 6), np.uint8))


@pytest.mark.parametrize(
    ("pattern", "path", "named"),
    [
        ("images/{key}.png", "images/a.png", Named("a", "")),
        ("images/{key}.png", "images/ulm/a.b.png", Named("ulm/a.b", "")),
        ("images/{key}.png", "images/a.jpg", None),
        ("images/{key}.png", "other/images/a.png", None),
        ("{split}/{key}.png", "train/a.png", Named("a", "")),
        ("{split}/{key}.png", "val/a.png", None),
        ("{group}/rgb/{key}.png", "s1/rgb/7.png", Named("s1/7", "s1")),
        ("{group}/rgb/{key}.png", "s1/x/rgb/7.png", None),
        ("i/{group}_{key}.png", "i/ulm_1_2.png", Named("ulm/1_2", "ulm")),
        ("*/{key}_*.png", "a/b_left.png", Named("b", "")),
        ("*/{key}_*.png", "a/b/c_left.png", Named("b/c", "")),
        ("l/{key}/{key}_gt.png", "l/a/a_gt.png", Named("a", "")),
        ("l/{key}/{key}_gt.png", "l/a/b_gt.png", None),
        ("i(1)/{key}+.png", "i(1)/a+.png", Named("a", "")),
    ],
)
def test_paths_with_placeholders(pattern: str, path: str, named: Named | None) -> None:
    assert Pattern(pattern, "train").match(path) == named


def test_a_folder_for_each_image_named_as_it(tmp_path: Path) -> None:
    describe(
        tmp_path,
        "kind: masks\nformat: ids\nimages: '{key}/images/{key}.png'\nlabels: '{key}/masks/{key}.png'\n"
        "classes: [road, sky, car, person]\n",
    )
    for key in ("a", "b"):
        save(tmp_path / key / "images" / f"{key}.png", picture(0))
        save(tmp_path / key / "masks" / f"{key}.png", np.ones((20, 30), np.uint8))
    assert [source.labels for source in own(tmp_path).sources("all")] == ["a/masks/a.png", "b/masks/b.png"]


def test_shares_are_kept_when_files_come_and_go() -> None:
    shares = {"train": 0.7, "val": 0.2, "test": 0.1}
    many = {f"frame_{i}": split_of(f"frame_{i}", shares) for i in range(3000)}
    counts = Counter(many.values())
    for name, share in shares.items():
        assert abs(counts[name] / 3000 - share) < 0.03  # three standard deviations of a fair draw
    assert split_of("frame_17", shares) == many["frame_17"]
    assert {split_of(key, {"train": 0.5}) for key in many} == {"train", None}
    assert {split_of(key, {"all": 1.0}) for key in many} == {"all"}
    # Stable for good: a later version that drew otherwise would mix training and validation of what was converted.
    for key, split in many.items():
        place = int(hashlib.sha256(key.encode()).hexdigest()[:16], 16) / 2**64
        assert split == ("train" if place < 0.7 else "val" if place < 0.9 else "test")


def test_groups_stay_together(tmp_path: Path) -> None:
    describe(
        tmp_path,
        """\
        kind: masks
        format: ids
        images: images/{group}_{key}.png
        labels: labels/{group}_{key}.png
        splits: {train: 0.5, val: 0.5}
        classes: [road, sky, car, person]
        """,
    )
    add(tmp_path, *(f"video{i}_{j}" for i in range(12) for j in range(3)))
    converter = own(tmp_path)
    found = {name: [source.key for source in converter.sources(name)] for name in ("train", "val")}
    groups = {name: Counter(key.split("/")[0] for key in keys) for name, keys in found.items()}
    assert {*groups["train"]} | {*groups["val"]} == {f"video{i}" for i in range(12)}
    assert {*groups["train"].values(), *groups["val"].values()} == {3}
    assert not {*groups["train"]} & {*groups["val"]}


def test_names_are_found_by_what_their_paths_have_in_common() -> None:
    names = Names({"x/a.png": 1, "y/a.png": 2, "y/b.jpg": 3, "c.png": 4, "c.jpg": 5})
    assert names.find("y/a.png") == names.find("/data/y/a.png") == names.find("C:\\data\\y\\a.png") == [2]
    assert names.find("a.png") == [1, 2]
    assert names.find("b") == names.find("b.png") == [3]
    assert names.find("c.jpg") == [5]
    assert names.find("z") == []


def test_folders_that_disagree_are_never_the_same_image() -> None:
    names = Names({"rear/0000.png": 1, "data/left/1.png": 2, "3.png": 3})
    assert names.find("front/0000.png") == names.find("front/0000") == names.find("/home/me/front/0000.png") == []
    assert names.elsewhere("front/0000.png") == [1] and names.elsewhere("rear/0000.png") == []
    assert names.find("0000.png") == names.find("../rear/0000.png") == names.find("old/rear/0000.jpg") == [1]
    assert names.find("left/1.png") == names.find("/x/data/left/1.png") == [2] and names.find("other/left/1.png") == []
    assert names.find("any/3.png") == [3]  # beside the dataset.yaml: the folder may be its own


def test_a_name_without_its_last_part_is_another() -> None:
    names = Names({"img.png": 1, "a.b.jpg": 2})
    assert names.find("img.1") == names.find("img.txt") == names.find("a") == []
    assert names.find("img.JPG") == names.find("img") == [1] and names.find("a.b") == names.find("a.b.png") == [2]


LISTS = {
    "images/a 1.png": "a 1",
    "images/b.png,labels/b_mask.png": "b",
    "./images/b.png labels/b_mask.png": "b",
    "images/a 1.png\tlabels/a 1.png": "a 1",
    "a 1": "a 1",
    "b -1": "b",
    "b , 3": "b",
    "b;x": "b",
    "/content/data/images/b.jpeg": "b",
}


@pytest.mark.parametrize("line", LISTS)
def test_lines_of_lists(line: str, tmp_path: Path) -> None:
    flat(tmp_path, "splits: {train: train.txt}")
    add(tmp_path, "a 1", "a", "b")
    (tmp_path / "train.txt").write_text(f"# a list\n{line}\n\n")
    assert [source.key for source in own(tmp_path).sources("train")] == [LISTS[line]]


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    """Only the suffix may differ in case."""
    flat(tmp_path)
    add(tmp_path, "a", "b", "c")
    (tmp_path / "images/b.png").rename(tmp_path / "images/b.PNG")
    (tmp_path / "labels/c.png").rename(tmp_path / "labels/c.Png")
    assert [source.image for source in own(tmp_path).sources("all")] == ["images/a.png", "images/b.PNG", "images/c.png"]
    (tmp_path / "images/b.PNG").rename(tmp_path / "Images.png")
    assert len(own(tmp_path).sources("all")) == 2


def test_what_cannot_be_paired_is_said(tmp_path: Path) -> None:
    flat(tmp_path)
    add(tmp_path, "a", "b")
    add(tmp_path, "c", "d", "e", labels=False)
    save(tmp_path / "labels" / "f.png", np.ones((4, 6), np.uint8))
    save(tmp_path / "images" / ".hidden.png", picture(0))
    (tmp_path / "images" / "Thumbs.db").write_bytes(b"")
    converter = own(tmp_path)
    assert [source.key for source in converter.sources("all")] == ["a", "b"]
    assert converter.missing("all") == ["f"]
    assert converter.notes("all") == [
        "3 images have no label file and are left out, such as images/c.png, images/d.png, images/e.png."
    ]


def test_nothing_that_can_be_paired(tmp_path: Path) -> None:
    flat(tmp_path)
    with pytest.raises(DatasetError, match=r"no file fits the path of the images, images/\{key\}\.png"):
        own(tmp_path).sources("all")
    add(tmp_path, "a", labels=False)
    with pytest.raises(DatasetError, match=r"no file fits the path of the labels, labels/\{key\}\.png"):
        own(tmp_path).sources("all")
    save(tmp_path / "labels" / "f.png", np.ones((4, 6), np.uint8))
    with pytest.raises(DatasetError, match=r"none of 1 image has a label file, such as images/a\.png\. Compare"):
        own(tmp_path).sources("all")


def test_two_images_with_one_key(tmp_path: Path) -> None:
    flat(tmp_path, images="images/{key}.*")
    add(tmp_path, "a")
    save(tmp_path / "images" / "a.jpg", picture(0))
    with pytest.raises(DatasetError, match=r"images with the same key: images/a\.jpg, images/a\.png\. Make the paths"):
        own(tmp_path).sources("all")


def test_links_stay_inside(tmp_path: Path) -> None:
    flat(tmp_path / "root")
    add(tmp_path / "root", "a")
    add(tmp_path / "elsewhere", "b")
    inside = tmp_path / "root" / "labels" / "again"
    inside.symlink_to(tmp_path / "root" / "labels")  # a circle
    assert [source.key for source in own(tmp_path / "root").sources("all")] == ["a"]
    for link, label in (("images/b.png", "labels/b.png"), ("images/more", "labels/more"), ("labels/b.png", "")):
        path = tmp_path / "root" / link
        path.symlink_to(tmp_path / "elsewhere" / link.replace("/more", ""))
        if label:
            (tmp_path / "root" / label).symlink_to(tmp_path / "elsewhere" / label.replace("/more", ""))
        else:
            save(tmp_path / "root/images/b.png", picture(0, 4, 6))
        dataset, out = tmp_path / "root/dataset.yaml", tmp_path / "out"
        with pytest.raises(DatasetError, match=r"out(side)? of the dataset's folder.* Use --follow-links if") as caught:
            convert(dataset, None, out, split="all", overwrite=True)
        assert caught.value.where == str(path)
        convert(dataset, None, out, split="all", follow_links=True, overwrite=True)
        assert len(read_shards(out)) == 2
        path.unlink()
        (tmp_path / "root" / (label or "images/b.png")).unlink()


def test_what_is_read_to_list_samples_stays_inside(tmp_path: Path) -> None:
    """A file with the labels of many images, and a list: nothing of what links outside lead to is told."""
    write_csv(tmp_path / "csv")
    flat(tmp_path / "list", "splits: {train: train.txt}")
    add(tmp_path / "list", "a")
    (tmp_path / "secret").write_text("a\n")
    for root, name, split in ((tmp_path / "csv", "boxes.csv", "all"), (tmp_path / "list", "train.txt", "train")):
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(tmp_path / "secret")
        with pytest.raises(DatasetError, match=r"is a link that leads out of .* Use --follow-links if"):
            own(root).sources(split)
    convert(tmp_path / "list/dataset.yaml", None, tmp_path / "out", split="train", follow_links=True)
    assert len(read_shards(tmp_path / "out")) == 1


def test_lists_of_a_split(tmp_path: Path) -> None:
    flat(tmp_path, "splits: {train: train.txt}")
    add(tmp_path, "a", "b", "x/c", "y/c")
    (tmp_path / "train.txt").write_text("a\r\n./images/b.png\tlabels/b.png\nx/c.png\nlost\n\n")
    converter = own(tmp_path)
    assert [source.key for source in converter.sources("train")] == ["a", "b", "x/c"]
    assert converter.notes("train") == ["1 of 4 samples of train.txt have no image, such as lost."]
    (tmp_path / "train.txt").write_text("c.png\n")
    with pytest.raises(DatasetError, match=r"'c.png' may be images/x/c\.png, images/y/c\.png"):
        own(tmp_path).sources("train")
    (tmp_path / "train.txt").write_text("q\n")
    with pytest.raises(DatasetError, match="none of 1 sample that it lists is an image here"):
        own(tmp_path).sources("train")
    (tmp_path / "train.txt").unlink()
    with pytest.raises(DatasetError, match=r"train\.txt: this file is missing"):
        own(tmp_path).sources("train")


def test_what_differs_in_a_dataset_yaml_is_named(tmp_path: Path) -> None:
    """Two long values that begin alike say nothing."""
    write_palette(tmp_path / "root")
    path = tmp_path / "root/dataset.yaml"
    text = path.read_text()
    convert(path, None, tmp_path / "out", split="train")
    for change, what in (
        (("sky, car", "{id: 9, name: sky}, car"), r"classes\[1\]\[0\] was 1 and is 9 now"),
        (("void: 255", "void: 9"), r"void\[0\] was 255 and is 9 now"),
        (("[road, ", "[road, {id: 8, name: stop}, "), r"classes had 4 entries and has 5 now"),
    ):
        path.write_text(text.replace(*change))
        if "stop" in change[1]:
            mapping = tmp_path / "root/mapping.yaml"
            mapping.write_text(mapping.read_text() + "  stop: ignore\n")
        with pytest.raises(ConfigError, match=what):
            convert(path, None, tmp_path / "out", split="train")


def test_the_root_can_be_elsewhere(tmp_path: Path) -> None:
    written = write_ids(tmp_path / "root")
    for name in ("dataset.yaml", "mapping.yaml"):
        (tmp_path / "root" / name).rename(tmp_path / name)
    convert(tmp_path / "dataset.yaml", tmp_path / "root", tmp_path / "out", split="train")
    assert sorted(read_shards(tmp_path / "out")) == sorted(written)


def test_the_tree_is_that_of_the_mapping(tmp_path: Path) -> None:
    write_palette(tmp_path)
    text = (tmp_path / "mapping.yaml").read_text()
    with pytest.raises(TaxonomyError, match="this mapping is for tree 'streets', not 'iv2018'"):
        convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="train", taxonomy="iv2018")
    (tmp_path / "other.yaml").write_text(text.replace("sky: sky", "sky: ignore"))
    conversion = convert(
        str(tmp_path / "dataset.yaml"),
        None,
        tmp_path / "out",
        split="train",
        options={"mapping": tmp_path / "other.yaml"},
    )
    assert [row.target.ignored for row in conversion.mapping.rows[1:]] == [False, True, False, False]
    with pytest.raises(ConfigError, match="Cityscapes needs the folder that it was unpacked into"):
        convert("cityscapes", None, tmp_path / "out2", split="train")


def test_values_and_colours_that_no_class_has(tmp_path: Path) -> None:
    write_ids(tmp_path / "ids")
    path = tmp_path / "ids" / "labels/training/ulm/2_gt.png"
    ids = np.array(Image.open(path))
    ids[3, 4] = 8
    save(path, ids)
    with pytest.raises(DatasetError) as caught:
        convert(tmp_path / "ids" / "dataset.yaml", None, tmp_path / "out", split="train")
    assert str(caught.value) == (
        f"{path}: label value 8 not in the table of yard: 1 pixel, the first at column 4, row 3 (8). "
        "Add 8 to 'classes' in dataset.yaml, or write it as 'void' if it means no label."
    )
    write_colors(tmp_path / "rgb", "RGB")
    path = tmp_path / "rgb" / "b_mask.png"
    colors = np.array(Image.open(path))
    colors[5, 2] = (129, 64, 128)
    save(path, colors)
    with pytest.raises(
        DatasetError, match=r"\(129, 64, 128\) is no label's: 1 pixel, the first at column 2, row 5; .*'road'"
    ):
        convert(tmp_path / "rgb" / "dataset.yaml", None, tmp_path / "out", split="all")


@pytest.mark.parametrize(
    ("void", "bare", "kept"),
    [("[0, 255]", {0, 255}, {1, 2}), ("[255, car]", {255, 2}, {0, 1}), ("unlisted", {255, 7, 9}, {0, 1, 2})],
)
def test_several_values_are_not_labelled(void: str, bare: set[int], kept: set[int], tmp_path: Path) -> None:
    names = [name for i, name in enumerate(["road", "sky", "car"]) if i in kept]
    classes = "[road, sky, car]" if 0 in kept else "[{id: 1, name: sky}, {id: 2, name: car}]"
    text = "kind: masks\nformat: ids\nimages: '{key}.jpg'\nlabels: '{key}.png'\n"
    describe(tmp_path, f"{text}void: {void}\nclasses: {classes}\n", classes=tuple(names))
    save(tmp_path / "a.jpg", picture(0))
    ids = label_blocks(0, sorted(bare | kept))
    save(tmp_path / "a.png", ids)
    convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all")
    ((_, found, _),) = read_shards(tmp_path / "out").values()
    assert np.array_equal(found, np.where(np.isin(ids, [*bare]), NOTHING, ids.astype(int)))


@pytest.mark.parametrize("void", ["['#000000', [255, 255, 255]]", "unlisted", "['#000000', unlisted]"])
def test_several_colours_are_not_labelled(void: str, tmp_path: Path) -> None:
    written = write_colors(tmp_path / "root", "RGB")
    text = (tmp_path / "root/dataset.yaml").read_text()
    for key in written:
        colors = np.array(Image.open(tmp_path / "root" / f"{key}_mask.png"))
        colors[5:8, 2:9] = (255, 255, 255)
        save(tmp_path / "root" / f"{key}_mask.png", colors)
    with pytest.raises(DatasetError, match=r"Or write 'void: unlisted' in dataset\.yaml: such pixels are not labelled"):
        convert(tmp_path / "root/dataset.yaml", None, tmp_path / "out", split="all")
    (tmp_path / "root/dataset.yaml").write_text(text.replace("'#000000'", void, 1))
    convert(tmp_path / "root/dataset.yaml", None, tmp_path / "out2", split="all")
    for key, (_, found, _) in read_shards(tmp_path / "out2").items():
        expected = written[key].ids.copy()
        expected[5:8, 2:9] = NOTHING
        assert np.array_equal(found, expected), key


def test_masks_of_32_bits(tmp_path: Path) -> None:
    describe(
        tmp_path,
        "kind: masks\nformat: ids\nimages: '{key}.jpg'\nlabels: '{key}.tif'\nvoid: -1\n"
        "classes: [{id: 70000, name: road}, {id: -7, name: sky}, {id: 3, name: car}, {id: 4, name: person}]\n",
    )
    save(tmp_path / "a.jpg", picture(0, 2, 2))
    Image.fromarray(np.array([[70000, -7], [-1, 3]], np.int32)).save(tmp_path / "a.tif")
    convert(tmp_path / "dataset.yaml", None, tmp_path / "out", split="all")
    ((_, ids, _),) = read_shards(tmp_path / "out").values()
    assert ids.tolist() == [[70000, -7], [-9999, 3]]
