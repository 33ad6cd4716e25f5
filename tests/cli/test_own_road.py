"""The main road for data of one's own: init, taxonomy draft, lint, convert, on a folder that a reader has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from labelforge.cli import cli
from labelforge.shards import ShardReader
from tests.converters.layouts import Array, label_blocks, picture, read_shards, save
from tests.converters.test_refine import scene


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(cli, [*map(str, arguments)], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    return result


def yard(folder: Path) -> dict[str, Array]:
    """Masks of four classes, named in a text, with a value that nobody named."""
    written = {}
    for split in ("train", "val"):
        for i in range(3):
            ids = label_blocks(i, [0, 1, 2, 3, 255])
            save(folder / "images" / split / f"frame{i}.jpg", picture(i), quality=95)
            save(folder / "masks" / split / f"frame{i}.png", ids)
            written[f"{split}/frame{i}"] = ids.astype(int)
    (folder / "classes.txt").write_text("road\npedestrian\nvegitation\nfrobnicator\n")
    return written


def test_a_folder_of_masks_becomes_shards_without_python(tmp_path: Path) -> None:
    folder = tmp_path / "yard"
    written = yard(folder)
    dataset, mapping = folder / "dataset.yaml", folder / "mapping.yaml"
    assert "taxonomy draft" in run("init", folder).stdout
    said = run("taxonomy", "draft", dataset, "--taxonomy", "streets", "-o", mapping).stdout
    assert "a dataset.yaml, 4 labels" in said and f"labelforge lint streets --dataset {dataset}" in said
    text = mapping.read_text()
    assert "supervision: pixel" in text and "vegitation: vegetation" in text and '{ignore: "TODO' in text
    assert "todo" in run("lint", "streets", "--dataset", dataset).stdout
    for split in ("train", "val"):
        run("convert", dataset, tmp_path / split, "--split", split)
        shards = read_shards(tmp_path / split)
        assert len(shards) == 3
        for key, (_, ids, _) in shards.items():
            want = next(ids for name, ids in written.items() if name.startswith(split) and name.endswith(key))
            assert np.array_equal(np.where(ids < 0, 255, ids), want)
    reader = ShardReader(tmp_path / "train")
    assert (reader.dataset, reader.taxonomy.name) == ("yard", "streets")


def test_a_draft_for_boxes_says_so_and_where_it_belongs(tmp_path: Path) -> None:
    save(tmp_path / "images/a.jpg", picture(0))
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 20, "width": 30}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [3, 3, 8, 8], "iscrowd": 0, "area": 64}],
        "categories": [{"id": 5, "name": "Traffic_Light"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    (tmp_path / "dataset.yaml").write_text(
        "name: lights\nkind: boxes\nformat: coco\nimages: images/{key}.jpg\nlabels: boxes.json\n"
        "splits: {all: 1.0}\nclasses: [{id: 5, name: Traffic_Light}]\n"
    )
    said = run("taxonomy", "draft", tmp_path / "dataset.yaml", "-o", tmp_path / "elsewhere.yaml").stdout
    assert f"looksfor{tmp_path / 'mapping.yaml'}:movethemappingthere" in "".join(said.split())
    text = (tmp_path / "elsewhere.yaml").read_text()
    assert "supervision: box" in text and "Traffic_Light: traffic light" in text
    (tmp_path / "elsewhere.yaml").rename(tmp_path / "mapping.yaml")
    run("convert", tmp_path / "dataset.yaml", tmp_path / "out", "--split", "all")
    assert ShardReader(tmp_path / "out").manifest.labels[1].pixels == 64


def test_auto_takes_a_folder_that_says_itself_what_it_holds(tmp_path: Path) -> None:
    yard(tmp_path / "yard")
    run("init", tmp_path / "yard")
    run("taxonomy", "draft", tmp_path / "yard/dataset.yaml", "-o", tmp_path / "yard/mapping.yaml")
    run("convert", "auto", tmp_path / "yard", tmp_path / "out", "--split", "val")
    assert ShardReader(tmp_path / "out").dataset == "yard"


def test_boxes_in_fractions_are_refined_too(tmp_path: Path) -> None:
    image, thing, _ = scene(0)
    save(tmp_path / "images/a.png", image)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "dataset.yaml").write_text(
        "name: things\nkind: boxes\nformat: yolo\nimages: images/{key}.png\nlabels: labels/{key}.txt\n"
        "splits: {all: 1.0}\nclasses: [car]\n"
    )
    (tmp_path / "mapping.yaml").write_text("dataset: things\ntaxonomy: streets\nsupervision: box\nlabels: {car: car}\n")
    for refine in ([], ["--refine"]):
        run("convert", tmp_path / "dataset.yaml", tmp_path / f"out{len(refine)}", "--split", "all", *refine)
    whole, refined = (read_shards(tmp_path / f"out{n}")["a"][1] == 0 for n in range(2))
    assert whole.sum() == 80 * 60 and (refined != thing).sum() < (whole != thing).sum()


def test_labels_that_are_left_to_decide_are_said_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "yard"
    yard(folder)
    run("init", folder)
    run("taxonomy", "draft", folder, "-o", folder / "mapping.yaml")
    said = " ".join(run("convert", folder, tmp_path / "out", "--split", "val").stdout.split())
    assert re.search(r"1 label with \d+\.\d% of the pixels is TODO in the mapping, and teaches nothing: 'frobnic", said)
