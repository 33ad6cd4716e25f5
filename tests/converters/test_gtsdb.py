"""GTSDB: reading gt.txt and finding images, every kind of broken line, and what becomes of the boxes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import NO_ANNOTATION, convert
from labelforge.converters.datasets.gtsdb import Gtsdb, Sign, read_signs
from labelforge.errors import ConfigError, DatasetError
from labelforge.shards import ShardReader
from tests.converters.layouts import Array

GT = """\
00003.ppm;10;4;20;14;2
00001.ppm;0;0;3;3;38
00003.ppm;12;12;25;29;11
00601.ppm;5;5;30;25;14
"""
SIZE = (30, 40)


def make(folder: Path, gt: str = GT, images: tuple[str, ...] = ("00000.ppm", "00003.ppm", "00601.ppm")) -> Path:
    """A small GTSDB: images of 40 x 30 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gt.txt").write_text(gt)
    for number, name in enumerate(images):
        Image.new("RGB", SIZE[::-1], (number, 10, 20)).save(folder / name)
    return folder


def draw(converter: Gtsdb, split: str, number: int, output_size: tuple[int, int] = SIZE) -> Array:
    """The class ids of one image of a split, drawn at a size."""
    source = converter.sources(split)[number]
    return converter.labels(source).draw(SIZE, output_size, np.asarray)


def test_lines_of_an_image_may_lie_anywhere(tmp_path: Path) -> None:
    signs = read_signs(make(tmp_path) / "gt.txt")
    assert signs == {
        1: (Sign(38, 0, 0, 3, 3, line=2),),
        3: (Sign(2, 10, 4, 20, 14, line=1), Sign(11, 12, 12, 25, 29, line=3)),
        601: (Sign(14, 5, 5, 30, 25, line=4),),
    }


@pytest.mark.parametrize(
    "text",
    [
        "00003.ppm;10;4;20;14;2",
        "\ufeff00003.ppm;10;4;20;14;2\r\n\r\n",
        "\n 00003.PPM ; 10; 4 ;20;+14;2 \n",
        "00003.jpg;10;4;20;14;2\n",
    ],
)
def test_line_ends_blanks_and_other_suffixes_do_not_matter(tmp_path: Path, text: str) -> None:
    (tmp_path / "gt.txt").write_text(text, encoding="utf-8", newline="")
    (signs,) = read_signs(tmp_path / "gt.txt").values()
    assert [(s.class_id, s.left, s.top, s.right, s.bottom) for s in signs] == [(2, 10, 4, 20, 14)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("00003.ppm;10;4;20;14", "5 fields separated by ';' instead of 6: '00003.ppm;10;4;20;14'"),
        ("00003.ppm;10;4;20;14;2;", "7 fields separated by ';' instead of 6"),
        ("00003.ppm,10,4,20,14,2", "1 fields separated by ';' instead of 6"),
        ("0000", "1 fields separated by ';' instead of 6: '0000'"),
        ("sign.ppm;10;4;20;14;2", "'sign.ppm' is not an image name"),
        ("3.ppm;10;4;20;14;2", "'3.ppm' is not an image name"),
        ("00003;10;4;20;14;2", "'00003' is not an image name"),
        ("00003.ppm;ten;4;20;14;2", "left is 'ten', not a whole number"),
        ("00003.ppm;10;4.5;20;14;2", "top is '4.5', not a whole number"),
        ("00003.ppm;10;4;;14;2", "right is '', not a whole number"),
        ("00003.ppm;10;4;20;1_4;2", "bottom is '1_4', not a whole number"),
        ("00003.ppm;10;4;20;14;stop", "class is 'stop', not a whole number"),
        ("00003.ppm;10;4;20;14;43", "class 43 is outside 0-42"),
        ("00003.ppm;10;4;20;14;-1", "class -1 is outside 0-42"),
        ("00003.ppm;20;4;10;14;2", "right 10 is less than left 20"),
        ("00003.ppm;10;14;20;4;2", "bottom 4 is less than top 14"),
        ("\udcff\udcfe;1", "2 fields separated by ';' instead of 6"),
        ("x" * 500, "1 fields separated by ';' instead of 6: '" + "x" * 57 + "...'"),
    ],
)
def test_a_malformed_line_is_named_with_its_number_and_the_cure(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "gt.txt"
    file.write_bytes(("00001.ppm;0;0;3;3;38\n\n" + line + "\n").encode(errors="surrogateescape"))
    with pytest.raises(DatasetError) as caught:
        Gtsdb(tmp_path)
    text = str(caught.value)
    assert text.startswith(f"{file}:3: {message}")
    assert "A line reads 00000.ppm;left;top;right;bottom;class, with whole numbers and class 0-42." in text
    assert text.endswith(" Correct it or delete it.")
    assert "\n" not in text


def test_a_box_of_one_pixel_is_well_formed(tmp_path: Path) -> None:
    (tmp_path / "gt.txt").write_text("00000.ppm;7;8;7;8;2\n")
    (signs,) = read_signs(tmp_path / "gt.txt").values()
    assert signs == (Sign(2, 7, 8, 7, 8, line=1),)


def test_an_empty_file_holds_no_box(tmp_path: Path) -> None:
    (tmp_path / "gt.txt").write_text("\n\n")
    with pytest.raises(DatasetError, match=r"gt\.txt: holds no box\. Unpack"):
        read_signs(tmp_path / "gt.txt")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gt\.txt: this file is missing\. Unpack"):
        read_signs(tmp_path / "gt.txt")


@pytest.mark.parametrize("inside", [".", "FullIJCNN2013", "TrainIJCNN2013"])
def test_the_folder_around_the_dataset_will_do(tmp_path: Path, inside: str) -> None:
    make(tmp_path / inside)
    converter = Gtsdb(tmp_path)
    (source,) = converter.sources("test")
    assert converter.files(source) == [tmp_path / inside / "00601.ppm", tmp_path / inside / "gt.txt"]


def test_another_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "leftImg8bit").mkdir()
    with pytest.raises(DatasetError, match=r"not the root of GTSDB: expected gt\.txt in it, found leftImg8bit/"):
        Gtsdb(tmp_path)


def test_splits_go_by_number_and_hold_the_images_that_are_there(tmp_path: Path) -> None:
    names = (
        "00000.ppm",
        "00003.png",
        "00599.jpg",
        "00600.JPG",
        "00601.ppm",
        "00899.jpeg",
        "sign.png",
        "cover-00001.jpg",
    )
    converter = Gtsdb(make(tmp_path, images=names))
    found = {split: [source.key for source in converter.sources(split)] for split in converter.splits}
    assert found == {
        "train": ["00000", "00003", "00599"],
        "test": ["00600", "00601", "00899"],
        "all": ["00000", "00003", "00599", "00600", "00601", "00899"],
    }
    assert converter.missing("train") == ["00001"]
    assert converter.missing("test") == []
    with pytest.raises(DatasetError, match=r"no split 'tset'.*Did you mean 'test'"):
        converter.sources("tset")


def test_a_split_without_images_is_an_error_that_says_what_is_there(tmp_path: Path) -> None:
    converter = Gtsdb(make(tmp_path, images=("00000.ppm", "00003.ppm")))
    with pytest.raises(DatasetError, match=r"holds no image of the split test \(00600-00899\), but 2 others\. Unpack"):
        converter.sources("test")


def test_an_image_in_two_formats_is_an_error(tmp_path: Path) -> None:
    converter = Gtsdb(make(tmp_path, images=("00003.png", "00003.ppm")))
    with pytest.raises(DatasetError, match=r"00003\.png and 00003\.ppm are the same image\. Keep one of them\."):
        converter.sources("train")


def test_boxes_are_kept_in_the_meta_data_as_the_file_has_them(tmp_path: Path) -> None:
    sources = {source.key: source for source in Gtsdb(make(tmp_path)).sources("train")}
    assert sources["00000"].meta == {"boxes": []}
    assert sources["00003"].meta == {
        "boxes": [
            {"class_id": 2, "name": "speed limit 50", "left": 10, "top": 4, "right": 20, "bottom": 14},
            {"class_id": 11, "name": "priority at next intersection", "left": 12, "top": 12, "right": 25, "bottom": 29},
        ]
    }


def test_rectangles_are_the_box_inclusive(tmp_path: Path) -> None:
    converter = Gtsdb(make(tmp_path))
    expected = np.full(SIZE, NO_ANNOTATION)
    expected[12:30, 12:26] = 11
    expected[4:15, 10:21] = 2  # the smaller one, on top
    assert np.array_equal(draw(converter, "train", 1), expected)


def test_an_image_without_a_box_is_not_annotated(tmp_path: Path) -> None:
    converter = Gtsdb(make(tmp_path))
    assert (draw(converter, "train", 0, (7, 9)) == np.full((7, 9), NO_ANNOTATION)).all()


def test_boxes_are_drawn_at_the_size_of_the_output(tmp_path: Path) -> None:
    converter = Gtsdb(make(tmp_path))
    halved = draw(converter, "test", 0, (15, 20))
    # Columns 5 to 30 and rows 5 to 25 cover [5, 31) x [5, 26): halved [2.5, 15.5) x [2.5, 13), by pixel centres.
    expected = np.full((15, 20), NO_ANNOTATION)
    expected[2:13, 2:15] = 14
    assert np.array_equal(halved, expected)


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("00003.ppm;30;4;40;14;2", "columns 30 to 40, rows 4 to 14"),
        ("00003.ppm;30;4;39;30;2", "columns 30 to 39, rows 4 to 30"),
        ("00003.ppm;-1;4;39;14;2", "columns -1 to 39, rows 4 to 14"),
        ("00003.ppm;0;-2;39;14;2", "columns 0 to 39, rows -2 to 14"),
        ("00003.ppm;500;400;600;500;2", "columns 500 to 600, rows 400 to 500"),
    ],
)
def test_a_box_outside_the_image_is_named_with_both_sizes(tmp_path: Path, line: str, box: str) -> None:
    converter = Gtsdb(make(tmp_path, GT + line + "\n"))
    with pytest.raises(DatasetError) as caught:
        draw(converter, "train", 1, (15, 20))
    assert str(caught.value) == (
        f"{tmp_path / 'gt.txt'}:5: the box ({box}) extends beyond 00003.ppm, which has columns 0 to 39 and rows "
        "0 to 29. Correct the line, or use the images that this gt.txt was made for, unresized."
    )


def test_a_box_that_fills_the_image_is_inside(tmp_path: Path) -> None:
    converter = Gtsdb(make(tmp_path, "00003.ppm;0;0;39;29;2\n"))
    assert (draw(converter, "train", 1) == 2).all()


def test_an_unknown_policy_names_the_known_ones(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(ConfigError, match=r"overlaps cannot be 'smalest'\. Did you mean 'smallest'"):
        Gtsdb(tmp_path, overlaps="smalest")  # type: ignore[arg-type]


def test_a_converter_and_its_labels_go_to_worker_processes(tmp_path: Path) -> None:
    converter = Gtsdb(make(tmp_path), overlaps="set")
    converter.shapes = {2: "circle"}
    again = pickle.loads(pickle.dumps(converter))
    assert again.options == converter.options == {"overlaps": "set", "shapes": {"2": "circle"}}
    assert np.array_equal(draw(again, "train", 1), draw(converter, "train", 1))


def test_whole_boxes_are_filled_if_asked_for(tmp_path: Path) -> None:
    root = make(tmp_path)
    done = convert("gtsdb", root, tmp_path / "out", split="train", options={"fill": "rectangle"})
    assert done.manifest.options["converter_options"] == {"overlaps": "smallest", "shapes": {}}
    reader = ShardReader(tmp_path / "out")
    for sample in reader:
        wanted = np.zeros(sample.local_rows.shape, np.int64)
        boxes = sorted(
            sample.meta["native"]["boxes"], key=lambda b: -(b["right"] - b["left"] + 1) * (b["bottom"] - b["top"] + 1)
        )
        for box in boxes:  # right and bottom are inclusive, and the smaller box is on top
            row = reader.mapping.row_of[box["class_id"]]
            wanted[box["top"] : box["bottom"] + 1, box["left"] : box["right"] + 1] = row
        assert np.array_equal(sample.local_rows, wanted)
    with pytest.raises(ConfigError, match=r"fill cannot be 'rectangel'\. Did you mean 'rectangle'"):
        Gtsdb(root, fill="rectangel")  # type: ignore[arg-type]


def test_overlaps_become_sets_of_the_split_that_they_are_in(tmp_path: Path) -> None:
    line = "00700.ppm;0;0;9;9;5\n00700.ppm;5;5;14;14;14\n00700.ppm;9;9;9;9;0\n"
    converter = Gtsdb(make(tmp_path, GT + line), overlaps="set")
    values = {members: value for value, members in converter.sets("all").items()}
    assert set(values) == {frozenset(m) for m in ({2, 11}, {5, 14}, {0, 5}, {0, 14}, {0, 5, 14})}
    assert all(value < 0 for value in values.values())
    assert set(converter.sets("train").values()) == {frozenset({2, 11})}
    assert converter.sets("train").items() <= converter.sets("all").items()

    drawn = draw(converter, "train", 1)
    expected = np.full(SIZE, NO_ANNOTATION)
    expected[12:30, 12:26] = 11
    expected[4:15, 10:21] = 2
    expected[12:15, 12:21] = values[frozenset({2, 11})]
    assert np.array_equal(drawn, expected)
    assert Gtsdb(tmp_path).sets("all") == {}


def test_ignored_overlaps_are_not_annotated(tmp_path: Path) -> None:
    converter = Gtsdb(make(tmp_path), overlaps="ignore")
    drawn = draw(converter, "train", 1)
    assert (drawn[12:15, 12:21] == NO_ANNOTATION).all()
    assert (drawn == 2).sum() == 11 * 11 - 3 * 9
    assert (drawn == 11).sum() == 18 * 14 - 3 * 9


@pytest.mark.parametrize("overlaps", ["smallest", "ignore", "set"])
def test_converted_boxes_come_back_as_drawn(tmp_path: Path, overlaps: str) -> None:
    root = make(tmp_path / "root")
    done = convert("gtsdb", root, tmp_path / "out", split="train", options={"overlaps": overlaps})
    reader = ShardReader(tmp_path / "out")
    assert [reader[i].key for i in range(len(reader))] == ["00000", "00003"]
    assert (reader[0].local_rows == 0).all()
    rows = reader.manifest.labels
    native = np.array([NO_ANNOTATION if row.native_id is None else row.native_id for row in rows])
    converter = Gtsdb(root, overlaps=overlaps)  # type: ignore[arg-type]
    converter.shapes = {2: "circle", 11: "triangle up"}
    drawn = draw(converter, "train", 1)
    label = reader[1].local_rows
    if overlaps == "set":
        assert [(row.native_id, row.native_name) for row in rows[44:]] == [
            (None, "speed limit 50 | priority at next intersection")
        ]
        assert rows[44].target == {"any": ["speed limit 50", "priority at next intersection"]}
        assert rows[44].pixels == (label == 44).sum() > 0
        assert np.array_equal(label == 44, drawn == -1)
        drawn = np.where(drawn == -1, NO_ANNOTATION, drawn)
    else:
        assert len(rows) == 44
    assert np.array_equal(native[label], drawn)
    assert reader[1].meta["native"]["boxes"] == converter.sources("train")[1].meta["boxes"]
    assert done.notes == ("Left out because their images are not on disk: 00001.",)


def test_a_box_outside_its_image_stops_the_conversion_and_leaves_nothing(tmp_path: Path) -> None:
    root = make(tmp_path / "root", GT + "00003.ppm;30;4;40;14;2\n")
    with pytest.raises(DatasetError, match=r"gt\.txt:5: the box .* extends beyond 00003\.ppm"):
        convert("gtsdb", root, tmp_path / "out", split="train")
    assert not (tmp_path / "out").exists()


def test_a_ppm_that_is_cut_short_is_named(tmp_path: Path) -> None:
    root = make(tmp_path / "root")
    content = (root / "00003.ppm").read_bytes()
    (root / "00003.ppm").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"00003\.ppm"):
        convert("gtsdb", root, tmp_path / "out", split="train")


def test_the_real_file_and_its_two_images(shared_data: Path) -> None:
    converter = Gtsdb(shared_data / "gtsdb")
    assert sum(len(signs) for signs in converter.signs.values()) == 1213
    assert len(converter.signs) == 741
    assert len(converter.signs[340]) == 3
    assert len(converter.missing("all")) == 741 - 2
    sources = converter.sources("test")
    assert [source.key for source in sources] == ["00715", "00813"]
    for source in sources:
        with Image.open(converter.root / source.image) as image:
            size = (image.height, image.width)
        drawn = converter.labels(source).draw(size, size, np.asarray)
        boxes = source.meta["boxes"]
        assert {int(v) for v in np.unique(drawn)} == {NO_ANNOTATION, *(box["class_id"] for box in boxes)}
        assert json.loads(json.dumps(source.meta)) == source.meta


def test_every_real_box_is_inside_an_image_of_the_real_size(shared_data: Path) -> None:
    # 1360 x 800: the two images at hand and all 600 published masks have that size.
    converter = Gtsdb(shared_data / "gtsdb")
    for signs in converter.signs.values():
        for sign in signs:
            assert 0 <= sign.left <= sign.right < 1360
            assert 0 <= sign.top <= sign.bottom < 800


def test_a_line_corrected_in_place_is_converted_again(tmp_path: Path) -> None:
    root, out = make(tmp_path / "root"), tmp_path / "out"
    convert("gtsdb", root, out, split="train")
    path = root / "gt.txt"
    path.write_text(GT.replace("00003.ppm;10;4;20;14;2\n", "00003.ppm;10;4;20;14;3\n"))  # no byte longer
    assert convert("gtsdb", root, out, split="train").kept == 0
    reader = ShardReader(out)
    labels = reader[reader.keys.index("00003")].local_rows
    names = {reader.mapping.rows[row].native_id for row in np.unique(labels).tolist()}
    assert names == {None, 3, 11}
    assert convert("gtsdb", root, out, split="train").kept == 1
