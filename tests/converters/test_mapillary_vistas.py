"""Mapillary Vistas: two releases that number labels differently, and palettes that must not matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelforge.converters import convert
from labelforge.converters.datasets.mapillary_vistas import MapillaryVistas
from labelforge.errors import ConfigError, DatasetError
from tests.converters.layouts import (
    NOTHING,
    palette_png,
    picture,
    read_shards,
    save,
    vistas_config,
    write_vistas,
)


def label_space(root: Path, **options: Any) -> str:
    return MapillaryVistas(root, **options).label_space


def test_the_release_follows_from_files_and_folders(tmp_path: Path) -> None:
    write_vistas(tmp_path / "old", releases=["1.2"])
    write_vistas(tmp_path / "new", releases=["2.0"])
    write_vistas(tmp_path / "both", releases=["1.2", "2.0"])
    assert label_space(tmp_path / "old") == "mapillary-vistas-1.2"
    assert label_space(tmp_path / "new") == "mapillary-vistas-2.0"
    assert label_space(tmp_path / "both") == "mapillary-vistas-2.0"
    assert label_space(tmp_path / "both", release="1.2") == "mapillary-vistas-1.2"


def test_a_configuration_without_its_labels_does_not_decide(tmp_path: Path) -> None:
    write_vistas(tmp_path, releases=["1.2", "2.0"])
    for path in tmp_path.rglob("v2.0/labels/*"):
        path.unlink()
    (tmp_path / "validation" / "v2.0" / "labels").rmdir()
    assert label_space(tmp_path) == "mapillary-vistas-1.2"


@pytest.mark.parametrize("release", ["1.2", "2.0"])
def test_both_releases_come_back_by_their_own_numbers(tmp_path: Path, release: str) -> None:
    root = tmp_path / "root"
    written = write_vistas(root, releases=["1.2", "2.0"] if release == "2.0" else ["2.0", "1.2"])
    options = {"release": release}
    conversion = convert("mapillary-vistas", root, tmp_path / "out", split="validation", options=options)
    assert conversion.manifest.dataset == f"mapillary-vistas-{release}"
    assert conversion.manifest.options["converter_options"] == options
    for key, (_, ids, meta) in read_shards(tmp_path / "out").items():
        assert np.array_equal(ids, written[key].ids)
        assert meta["labels"] == f"validation/v{release}/labels/{key}.png" and meta["native"] == options


def test_the_old_layout(tmp_path: Path) -> None:
    written = write_vistas(tmp_path / "root", releases=["1.2"])
    convert("mapillary-vistas", tmp_path / "root", tmp_path / "out", split="validation")
    for key, (_, ids, meta) in read_shards(tmp_path / "out").items():
        assert np.array_equal(ids, written[key].ids)
        assert meta["labels"] == f"validation/labels/{key}.png"


def test_labels_saved_again_as_grey_with_another_palette_or_few_bits(tmp_path: Path) -> None:
    written = write_vistas(tmp_path / "root")
    folder = tmp_path / "root" / "validation" / "v2.0" / "labels"
    first, second, third = sorted(written)
    save(folder / f"{first}.png", written[first].ids.astype(np.uint8))
    palette_png(folder / f"{second}.png", written[second].ids.astype(np.uint8), [5, 5, 5] * 124)
    few = (written[third].ids % 4).astype(np.uint8)
    palette_png(folder / f"{third}.png", few, [9, 8, 7] * 4)  # Pillow stores four colours in two bits
    convert("mapillary-vistas", tmp_path / "root", tmp_path / "out", split="validation")
    found = read_shards(tmp_path / "out")
    assert np.array_equal(found[first][1], written[first].ids)
    assert np.array_equal(found[second][1], written[second].ids)
    assert np.array_equal(found[third][1], few)


def test_the_testing_split_has_no_annotation(tmp_path: Path) -> None:
    write_vistas(tmp_path / "root")
    save(tmp_path / "root" / "testing" / "images" / "t.jpg", picture(0))
    conversion = convert("mapillary-vistas", tmp_path / "root", tmp_path / "out", split="testing", short_side=10)
    assert conversion.manifest.totals.unannotated == conversion.manifest.totals.pixels == 150
    _, ids, meta = read_shards(tmp_path / "out")["t"]
    assert (ids == NOTHING).all() and meta["labels"] is None


def test_an_image_that_lies_on_its_side(tmp_path: Path) -> None:
    write_vistas(tmp_path / "root")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = picture(7, 30, 20)
    stored = np.ascontiguousarray(upright.transpose(1, 0, 2)[::-1])
    save(tmp_path / "root/validation/images/zz7.jpg", stored, exif=exif, quality=95)
    palette_png(tmp_path / "root/validation/v2.0/labels/zz7.png", np.full((30, 20), 21, np.uint8), [0] * 768)
    convert("mapillary-vistas", tmp_path / "root", tmp_path / "out", split="validation")
    image, ids, meta = read_shards(tmp_path / "out")["zz7"]
    assert image.shape == (30, 20, 3) and ids.shape == (30, 20)
    assert np.abs(image.astype(int) - upright).mean() < 6
    assert (meta["orientation"], meta["source_size"], meta["size"]) == (6, [20, 30], [30, 20])


def rename(config: dict[str, Any]) -> None:
    config["labels"][17]["name"] = "construction--flat--driveway"


def shorten(config: dict[str, Any]) -> None:
    config["labels"].pop()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            rename,
            "label 17 is 'construction--flat--driveway'; in mapillary-vistas-2.0 it is 'construction--flat--parking'",
        ),
        (shorten, "has 123 labels; mapillary-vistas-2.0 has 124"),
        (lambda c: c.update(version="3.1"), "has version 3.1, which labelforge does not know"),
        (lambda c: c.pop("labels"), r"is not a configuration file of Mapillary Vistas \(KeyError: 'labels'\)"),
    ],
)
def test_a_configuration_that_is_another(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    write_vistas(tmp_path)
    config = vistas_config("2.0")
    change(config)
    (tmp_path / "config_v2.0.json").write_text(json.dumps(config))
    with pytest.raises(DatasetError, match=message) as caught:
        MapillaryVistas(tmp_path)
    assert caught.value.where == str(tmp_path / "config_v2.0.json") and caught.value.cure


def test_a_configuration_that_is_cut_short(tmp_path: Path) -> None:
    write_vistas(tmp_path)
    path = tmp_path / "config_v2.0.json"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DatasetError, match=r"config_v2\.0\.json: is not a configuration file .*JSONDecodeError"):
        MapillaryVistas(tmp_path)


def test_releases_that_are_not_there(tmp_path: Path) -> None:
    write_vistas(tmp_path, releases=["1.2"])
    with pytest.raises(ConfigError, match=r"has no release '3\.0'"):
        MapillaryVistas(tmp_path, release="3.0")
    with pytest.raises(
        DatasetError, match=r"no configuration file of release 2\.0; found those of 1\.2\. Use release=1"
    ):
        MapillaryVistas(tmp_path, release="2.0")
    (tmp_path / "config_v2.0.json").write_text(json.dumps(vistas_config("2.0")))
    save(tmp_path / "training" / "images" / "a.jpg", picture(0))
    with pytest.raises(
        DatasetError, match=r"training: holds no labels of release 1\.2 \(v1\.2/labels or labels\)\. Unpack"
    ):
        MapillaryVistas(tmp_path).sources("training")
    with pytest.raises(
        DatasetError, match=r"validation: holds no labels of release 2\.0 \(v2\.0/labels\)\. Use release=1"
    ):
        MapillaryVistas(tmp_path, release="2.0").sources("validation")


def test_ids_of_the_other_release(tmp_path: Path) -> None:
    write_vistas(tmp_path / "root", releases=["1.2"])
    palette_png(tmp_path / "root/validation/labels/zz7.png", np.full((20, 30), 100, np.uint8), [0] * 768)
    with pytest.raises(
        DatasetError, match=r"zz7\.png: label value 100 not in the table of mapillary-vistas-1\.2: 600 pix.*"
    ):
        convert("mapillary-vistas", tmp_path / "root", tmp_path / "out", split="validation")
