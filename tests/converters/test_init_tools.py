"""``labelforge init`` on what annotation tools write: boxes are boxes, beside other shapes too; CVAT's projects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.converters.init_checks import converted, init
from tests.converters.layouts import NOTHING, picture, save
from tests.converters.own_box_layouts import write_cvat_boxes, write_labelme_boxes, write_supervisely_boxes
from tests.converters.own_layouts import (
    BOXES,
    cvat,
    cvat_polygon,
    put,
    write_cvat,
    write_labelme,
    write_supervisely,
    write_via,
    write_via_boxes,
)

TOOLS = {
    "labelme": (write_labelme_boxes, write_labelme),
    "supervisely": (write_supervisely_boxes, write_supervisely),
    "cvat": (write_cvat_boxes, write_cvat),
    "via": (write_via_boxes, write_via),
}


@pytest.mark.parametrize("name", TOOLS)
def test_boxes_alone_are_boxes_and_outlines_polygons(name: str, tmp_path: Path) -> None:
    for kind, write in zip(("boxes", "polygons"), TOOLS[name], strict=True):
        write(tmp_path / kind)
        own = init(tmp_path / kind).dataset
        assert (own.kind, own.format) == (kind, name)


def test_boxes_among_polygons_are_said(tmp_path: Path) -> None:
    box = '<box label="car" xtl="2" ytl="3" xbr="12" ybr="9"></box>'
    outline = cvat_polygon("person", [(14, 3), (20, 3), (20, 12), (14, 12)])
    put(tmp_path / "root" / "a.xml", cvat({"one": box + outline, "two": box}))
    for i, key in enumerate(("one", "two")):
        save(tmp_path / "root" / "images" / f"{key}.png", picture(i))
    found = init(tmp_path / "root")
    assert found.dataset.kind == "polygons"
    text = " ".join(found.text.replace("\n# ", " ").split())
    assert "2 of these objects are boxes: all pixels in them get their class, also of what is behind. 'kind: bo" in text


def test_images_of_one_name_in_the_subsets_of_a_cvat_project(tmp_path: Path) -> None:
    """As CVAT exports a project: images/SUBSET/NAME, and each image says its subset."""
    shapes = {"Test": (2, 3, 12, 9), "Train": (10, 5, 14, 17), "Validation": (0, 10, 30, 20)}
    parts = []
    for i, (subset, (x0, y0, x1, y1)) in enumerate(shapes.items()):
        box = f'<box label="car" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}"></box>'
        parts.append(cvat({"frame_000000": box}).replace('<image id="0"', f'<image id="0" subset="{subset}"'))
        save(tmp_path / "root" / "images" / subset / "frame_000000.png", picture(i))
    whole = parts[0].removesuffix("</annotations>\n")
    for part in parts[1:]:
        whole += part[part.index("<image") :].removesuffix("</annotations>\n")
    put(tmp_path / "root" / "annotations.xml", whole + "</annotations>\n")
    own = init(tmp_path / "root").dataset
    assert {*own.splits} == {*shapes}
    for split, (x0, y0, x1, y1) in shapes.items():
        (ids,) = converted(tmp_path / "root", split, tmp_path / split).values()
        expected = np.full((20, 30), NOTHING)
        expected[y0:y1, x0:x1] = 2
        assert np.array_equal(ids, expected), split


def test_an_image_of_one_subset_is_never_that_of_another(tmp_path: Path) -> None:
    """Its picture is missing; one of its name is in another subset."""
    box = '<box label="car" xtl="2" ytl="3" xbr="12" ybr="9"></box>'
    text = (
        cvat({"1": box, "2": box}).replace('id="0"', 'id="0" subset="Train"').replace('id="1"', 'id="1" subset="Val"')
    )
    put(tmp_path / "root" / "a.xml", text.replace('name="2.png"', 'name="3.png"'))
    for i, key in enumerate(("Val/1", "Val/3")):
        save(tmp_path / "root" / "images" / f"{key}.png", picture(i))
    found = init(tmp_path / "root")
    assert "1 x labels without an image, such as 1.png" in found.text
    got = converted(tmp_path / "root", next(iter(found.dataset.splits)), tmp_path / "out")
    assert [key for key, ids in got.items() if (ids == 2).any()] == [key for key in got if key.endswith("3")]


def test_a_subset_without_a_folder_of_its_own(tmp_path: Path) -> None:
    box = '<box label="car" xtl="2" ytl="3" xbr="12" ybr="9"></box>'
    put(tmp_path / "root" / "a.xml", cvat({"one": box}).replace('<image id="0"', '<image id="0" subset="default"'))
    save(tmp_path / "root" / "images" / "one.png", picture(0))
    init(tmp_path / "root")
    assert (converted(tmp_path / "root", "all", tmp_path / "out")["one"] == 2).sum() == 60


def test_kitti_is_not_taken_for_yolo_or_csv(tmp_path: Path) -> None:
    """As KITTI is unpacked; a class may be "DontCare"."""
    for key, boxes in BOXES.items():
        name = key.replace("/", "-")
        save(tmp_path / "root" / "training" / "image_2" / f"{name}.png", picture(0))
        lines = [f"{n} 0.00 0 -1.57 {x0} {y0} {x1 - 1} {y1 - 1} 1 2 3 1 1 9 -1.5" for n, x0, y0, x1, y1 in boxes]
        lines.append("DontCare -1 -1 -10 20 2 22 3 -1 -1 -1 -1000 -1000 -1000 -10")
        put(tmp_path / "root" / "training" / "label_2" / f"{name}.txt", "\n".join(lines) + "\n")
    own = init(tmp_path / "root").dataset
    assert (own.kind, own.format, [*own.splits]) == ("boxes", "kitti", ["training"])
    assert [*own.space.names] == sorted({name for boxes in BOXES.values() for name, *_ in boxes})


@pytest.mark.parametrize("tested", [False, True])
def test_labels_are_of_the_camera_and_the_split_that_their_folder_says(tested: bool, tmp_path: Path) -> None:
    """KITTI's folders: two cameras, and pictures of the same names without labels in another split."""
    for i in range(3):
        for camera in ("image_2", "image_3"):
            save(tmp_path / "training" / camera / f"{i:06d}.png", picture(i))
            if tested:
                save(tmp_path / "testing" / camera / f"{i:06d}.png", picture(i + 3))
        put(tmp_path / "training" / "label_2" / f"{i:06d}.txt", f"car 0.0 0 -1.5 1 2 {i + 8} 9{' 1' * 7}\n")
    found = init(tmp_path)
    split = "training" if tested else "{split}"
    assert found.dataset.images == (f"{split}/image_2/{{key}}.png",)
    assert found.dataset.labels == (f"{split}/label_2/{{key}}.txt",)
    assert f"The labels fit the images {split}/image_3/{{key}}.png as well: which of" in found.text


def test_a_split_may_be_called_by_two_words(tmp_path: Path) -> None:
    for i in range(2):
        for split in ("val", "test"):
            save(tmp_path / split / "images" / f"{i}.png", picture(i))
        put(tmp_path / "validation" / "labels" / f"{i}.txt", f"car 0.0 0 -1.5 1 2 {i + 8} 9{' 1' * 7}\n")
    assert init(tmp_path).dataset.images == ("val/images/{key}.png",)
