"""Names of predictions: unique stems, templates, and those that the benchmarks' tools look for."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path

import pytest

from labelforge.errors import ConfigError
from labelforge.label_space import LabelSpace
from labelforge.trainer.input_files import InputFile
from labelforge.trainer.naming import BENCHMARKS, label_space_of, output_names


def inputs(*files: str) -> list[InputFile]:
    return [InputFile(Path(file), Path(file).parent.as_posix()) for file in files]


def test_images_of_one_name_keep_apart() -> None:
    files = ["/d/x/a.png", "/d/y/a.png", "/d/y/a.jpg", "/d/b.png", "/d/x/B.png", "/d/c.png", "/e/x/a.png"]
    names = output_names(inputs(*files))
    assert names == ["d_x_a_png", "y_a_png", "a_jpg", "d_b_png", "x_B_png", "c", "e_x_a_png"]
    tricky = output_names(inputs("/a_b/c.png", "/a/b_c.png", "/a/b/c.png"))
    assert len({name.casefold() for name in tricky}) == 3


def test_output_names_are_free_of_folders(tmp_path: Path) -> None:
    names = output_names(inputs(f"{tmp_path}/a/x.png", f"{tmp_path}/b/x.png"))
    assert all(os.sep not in name for name in names)
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{stem}", "x"),
        ("{stem}_pred.png", "x_pred"),
        ("{folder}/{stem}", "val/berlin/x"),
        ("results/{folder}_{stem}", "results/val/berlin_x"),
    ],
)
def test_a_template(template: str, name: str) -> None:
    assert output_names(inputs("val/berlin/x.jpg"), template) == [name]


def test_a_folder_that_is_empty_leaves_no_slash() -> None:
    assert output_names([InputFile(Path("/d/x.png"))], "{folder}/{stem}") == ["x"]


@pytest.mark.parametrize(
    ("name_as", "what"),
    [
        ("{stm}", r"has a field 'stm'\. Did you mean 'stem'\?"),
        ("{stem", "cannot be read"),
        ("{stem.__class__}", "has a field"),
        ("../{stem}", r"gives '\.\./x'"),
        ("{folder}/", "gives ''"),
        ("citiscapes", r"no benchmark is called 'citiscapes'\. Did you mean 'cityscapes'\? Or give a template"),
        ("pred", "Known: ade20k-150, bdd100k, cityscapes"),
    ],
)
def test_a_mistake_in_a_template_says_what_to_write(name_as: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        output_names([InputFile(Path("x.png"))], name_as)


def test_two_inputs_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"b/X\.jpg: would be called 'X', as a/x\.png would"):
        output_names(inputs("a/x.png", "b/X.jpg"), "{stem}")


def test_cityscapes_finds_its_predictions() -> None:
    frames = ["aachen_000000_000019", "bad-honnef_000001_123456"]
    files = [f"leftImg8bit/val/{frame.split('_')[0]}/{frame}_leftImg8bit.png" for frame in frames]
    names = [f"{name}.png" for name in output_names(inputs(*files), "cityscapes")]
    for frame in frames:  # as getPrediction() of its evaluation does
        city, sequence, number = frame.split("_")
        assert len(fnmatch.filter(names, f"{city}_{sequence}_{number}*.png")) == 1
    with pytest.raises(
        ConfigError, match=r"photo\.jpg: is not named as an image of cityscapes\. Its images are called"
    ):
        output_names(inputs(*files, "photo.jpg"), "cityscapes")
    with pytest.raises(ConfigError, match="would be called"):
        output_names(inputs(files[0], files[0].replace("leftImg8bit", "rightImg8bit")), "cityscapes")


@pytest.mark.parametrize(
    ("benchmark", "image", "name"),
    [  # the ground truth's own name, which is the image's with another suffix
        ("mapillary-vistas-1.2", "validation/images/0035fkbjWljhaftpVM37-g.jpg", "0035fkbjWljhaftpVM37-g"),
        ("mapillary-vistas-2.0", "validation/images/0035fkbjWljhaftpVM37-g.jpg", "0035fkbjWljhaftpVM37-g"),
        ("ade20k-150", "images/validation/ADE_val_00000001.jpg", "ADE_val_00000001"),
        ("bdd100k", "images/10k/val/7d06fefd-f7be05a6.jpg", "7d06fefd-f7be05a6"),
    ],
)
def test_the_others_want_the_images_own_name(benchmark: str, image: str, name: str) -> None:
    assert output_names(inputs(image), benchmark) == [name]


def test_a_benchmark_brings_its_label_space() -> None:
    assert label_space_of(None, None) == "tree"
    assert label_space_of("{stem}", None) == "tree"
    assert label_space_of("{stem}", "kitti") == "kitti"
    assert label_space_of("cityscapes", None) == label_space_of("cityscapes", "cityscapes") == "cityscapes"
    for other in ("tree", "mapillary-vistas-1.2"):
        with pytest.raises(ConfigError, match=f"cityscapes read its own ids, not those of {other}"):
            label_space_of("cityscapes", other)


def test_the_tools_read_one_byte_per_pixel() -> None:
    for name in BENCHMARKS:
        space = LabelSpace.load(name)
        assert space.void is not None
        assert max(*space.ids, space.void) < 256


def test_the_help_names_every_benchmark() -> None:
    from labelforge.cli.predict import command

    text = next(option.help or "" for option in command.params if option.name == "name_as")
    named = re.search(r"\((.*?)\)", text)
    assert named is not None
    assert set(named[1].split(", ")) == set(BENCHMARKS)
