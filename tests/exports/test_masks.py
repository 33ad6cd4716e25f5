"""Exported label maps: every pixel, every count, the files beside them, and a stranger who trains on them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import id2label
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelforge.errors import ConfigError
from labelforge.exports import export_shards
from labelforge.label_space import LabelSpace
from labelforge.shards import (
    EncodedSample,
    Manifest,
    ShardReader,
    encode_image,
    encode_label,
    open_folder,
    write_shard,
)
from labelforge.taxonomy import Taxonomy
from tests.converters.layouts import read_shards
from tests.core.random_trees import meaning, worlds
from tests.exports.sets import TREE, antichains, expected_class, read_ids, street_shards, table, toy_rows, write_set


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return street_shards(tmp_path_factory.mktemp("streets"))


@settings(max_examples=25)
@given(st.data())
def test_every_pixel_and_every_count(data: st.DataObject) -> None:
    world = data.draw(worlds("pixel"))
    nodes = data.draw(antichains(world.tree))
    maps = {
        f"s{i}": data.draw(st.integers(0, 2**32 - 1).map(lambda seed: _noise(seed, len(world.mapping.rows))))
        for i in range(3)
    }
    want = [None, *(expected_class(world.tree, meaning(world.tree, e), nodes) for e in world.expressions)]
    lookup = np.array([255 if index is None else index for index in want])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples: Any = {key: (rows, "png") for key, rows in maps.items()}
        write_set(folder / "in", samples, world.mapping, world.tree)
        cut = ", ".join(node.name for node in nodes)
        shown = {int(row) for rows in maps.values() for row in np.unique(rows)}
        if all(lookup[row] == 255 for row in shown) and any(
            not world.mapping.rows[row].target.ignored for row in shown
        ):
            with pytest.raises(ConfigError, match="no pixel of these shards would be in a class"):
                export_shards([folder / "in"], folder / "out", to="masks", classes=cut)
            assert not (folder / "out").exists()
            return
        done = export_shards([folder / "in"], folder / "out", to="masks", classes=cut)
        for key, rows in maps.items():
            assert np.array_equal(read_ids(folder / "out" / "labels" / "train" / "random" / f"{key}.png"), lookup[rows])
        told = json.loads((folder / "out" / "classes.json").read_text())
    every = np.concatenate([rows.ravel() for rows in maps.values()])
    counts = np.bincount(lookup[every], minlength=256)
    assert [c["pixels"] for c in told["classes"]] == counts[: len(nodes)].tolist() == done.pixels_per_class
    assert told["ignored_pixels"] == counts[255] == done.ignored
    names = [c["name"] for c in told["classes"]]
    for row, line in enumerate(told["sources"][0]["labels"]):  # the table says what the pixels are
        assert line["pixels"] == np.count_nonzero(every == row)
        assert (255 if line["class"] is None else names.index(line["class"])) == lookup[row]
        assert bool(line["ignored_because"]) == (line["class"] is None)


def _noise(seed: int, rows: int) -> Any:
    return np.random.default_rng(seed).integers(0, rows, (5, 7)).astype(np.uint8)


def test_two_datasets_in_one_export(streets: list[Path], tmp_path: Path) -> None:
    done = export_shards(streets, tmp_path / "out", to="masks", classes="cityscapes:evaluated")
    assert [(s.dataset, s.exported_as) for s in done.sets] == [
        ("cityscapes", "train"),
        ("mapillary-vistas-2.0", "val"),
        ("gtsdb", "train"),
    ]
    train = (tmp_path / "out" / "train.txt").read_text().splitlines()
    val = (tmp_path / "out" / "val.txt").read_text().splitlines()
    assert (len(train), len(val)) == (7, 3)
    for line in train + val:
        image, label = (tmp_path / "out" / part for part in line.split("\t"))
        with Image.open(image) as shown, Image.open(label) as drawn:
            assert shown.size == drawn.size and drawn.mode == "P"
        relative = image.relative_to(tmp_path / "out" / "images").with_suffix("")
        assert label.relative_to(tmp_path / "out" / "labels").with_suffix("") == relative
    assert (tmp_path / "out/images/val/mapillary-vistas-2.0/A.dotted.key.jpg").exists()


def test_images_are_the_same_bytes_and_labels_the_official_train_ids(streets: list[Path], tmp_path: Path) -> None:
    export_shards(streets[:1], tmp_path / "out", to="masks", classes="cityscapes:evaluated")
    reader = ShardReader(streets[0])
    for number, (name, (_, native, _)) in enumerate(sorted(read_shards(streets[0]).items())):
        assert (tmp_path / f"out/images/train/cityscapes/{name}.png").read_bytes() == reader.members(number)["png"]
        official = np.vectorize(lambda native_id: id2label[native_id].trainId)(native)
        official = np.where((official < 0) | (official == 255), 255, official)
        assert np.array_equal(read_ids(tmp_path / f"out/labels/train/cityscapes/{name}.png"), official)


def test_npy_becomes_png_and_keys_become_paths(tmp_path: Path) -> None:
    samples: Any = {"run 1/a.b%c": (toy_rows(0), "npy"), "run 1/ü": (toy_rows(1), "png")}
    write_set(tmp_path / "in", samples, table())
    export_shards([tmp_path / "in"], tmp_path / "out", to="masks", classes="leaves", split_names={"train": "mine"})
    reader = ShardReader(tmp_path / "in")
    for key, sample in zip(reader.keys, reader, strict=True):
        name = {"run%201/a%2Eb%25c": "run 1/a.b%c", "run%201/%C3%BC": "run 1/ü"}[key]
        with Image.open(tmp_path / f"out/images/mine/toy-labels/{name}.png") as shown:
            assert np.array_equal(np.asarray(shown), sample.image)
    assert (tmp_path / "out/mine.txt").read_text(encoding="utf-8").count("\n") == 2


def test_a_label_space_keeps_its_ids(streets: list[Path], tmp_path: Path) -> None:
    export_shards(streets[:1], tmp_path / "out", to="masks", classes="cityscapes")
    told = json.loads((tmp_path / "out" / "classes.json").read_text())
    published = LabelSpace.load("cityscapes").by_name
    assert {c["name"]: c["id"] for c in told["classes"]}.items() <= {n: x.id for n, x in published.items()}.items()
    used = {c["id"] for c in told["classes"]}
    for name, (_, native, _) in read_shards(streets[0]).items():
        shown = read_ids(tmp_path / f"out/labels/train/cityscapes/{name}.png")
        assert np.array_equal(shown, np.where(np.isin(native, list(used)), native, 255))
    assert "gaps" in (tmp_path / "out" / "README.txt").read_text()


def test_many_classes_take_16_bits(tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(300)]
    tree = Taxonomy.parse(
        f"name: wide\ntree:\n  all:\n    a: [{', '.join(names[:150])}]\n    b: [{', '.join(names[150:])}]\n"
    )
    mapping = table({f"l{i}": name for i, name in enumerate(names)}, "wide", tree)
    rows = np.arange(301, dtype=np.uint16).reshape(7, 43)
    write_set(tmp_path / "in", {"a": (rows, "png")}, mapping, tree)
    done = export_shards([tmp_path / "in"], tmp_path / "out", to="masks", classes="leaves")
    assert done.cut.ignore == 65535
    shown = read_ids(tmp_path / "out/labels/train/wide/a.png")
    assert np.array_equal(shown, np.where(rows == 0, 65535, rows.astype(int) - 1))
    assert not list((tmp_path / "out").glob("*_dataset.py"))  # mmsegmentation reads 8 bits


def mmseg_dataset(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class in the file for mmsegmentation, with as much of that as the file uses."""

    class BaseSegDataset:
        def __init__(self, ann_file: str, data_root: str, ignore_index: int, classes: Any = None) -> None:
            self.data_root, self.ignore_index, self.reduce_zero_label = data_root, ignore_index, False
            self.ann_file = str(Path(data_root) / ann_file)
            own = type(self).METAINFO["classes"]  # type: ignore[attr-defined]
            self.label_map = classes and {i: classes.index(c) if c in classes else 255 for i, c in enumerate(own)}

    class Registry:
        def register_module(self) -> Callable[[Any], Any]:
            return lambda kind: kind

    modules = {name: types.ModuleType(name) for name in ("mmseg", "mmseg.datasets", "mmseg.registry")}
    modules["mmseg.datasets"].BaseSegDataset = BaseSegDataset  # type: ignore[attr-defined]
    modules["mmseg.registry"].DATASETS = Registry()  # type: ignore[attr-defined]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    (file,) = folder.glob("*_dataset.py")
    spec = importlib.util.spec_from_file_location("generated", file)
    assert spec is not None and spec.loader is not None
    generated = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generated)
    (kind,) = [v for v in vars(generated).values() if isinstance(v, type) and v is not BaseSegDataset]
    return kind


@pytest.mark.parametrize("cut", ["cityscapes:evaluated", "cityscapes"])
def test_the_file_for_mmsegmentation(
    streets: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    out = tmp_path / "9 street's classes"
    export_shards(streets, out, to="masks", classes=cut)
    kind = mmseg_dataset(out, monkeypatch)
    told = json.loads((out / "classes.json").read_text())["classes"]
    assert list(kind.METAINFO["classes"]) == [c["name"] for c in told]
    assert kind.METAINFO["palette"] == [c["color"] for c in told]
    for classes in (None, ["car", "road"]):
        loaded = kind(classes=classes).load_data_list()
        assert len(loaded) == 7
        wanted = classes or [c["name"] for c in told]
        for item in loaded:
            raw = read_ids(Path(item["seg_map_path"]))
            assert Path(item["img_path"]).exists()
            seen = raw.copy()
            for old, new in (item["label_map"] or {}).items():
                seen[raw == old] = new
            want = np.full(raw.shape, 255)
            for c in told:
                if c["name"] in wanted:
                    want[raw == c["id"]] = wanted.index(c["name"])
            assert np.array_equal(seen, want)


def test_names_cannot_become_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = "'), __import__('os').abort(), ('\n\"\"\""
    classes = tmp_path / "c.yaml"
    classes.write_text(json.dumps({bad: "road", "{kind}": "car"}))
    write_set(tmp_path / "in", {"a": (toy_rows(), "png")}, table())
    export_shards([tmp_path / "in"], tmp_path / "out", to="masks", classes=str(classes))
    assert mmseg_dataset(tmp_path / "out", monkeypatch).METAINFO["classes"] == (bad, "{kind}")
    assert "<script" not in (tmp_path / "out" / "report.html").read_text().split("</style>")[-1].lower()


STRANGER = """
import json, sys
from pathlib import Path
import numpy as np
import torch
from PIL import Image

root = Path(sys.argv[1])
facts = json.loads((root / "classes.json").read_text())
ignore, ids = facts["ignore"], [c["id"] for c in facts["classes"]]
assert ids == list(range(len(ids)))

def load(split):
    for line in (root / f"{split}.txt").read_text(encoding="utf-8").splitlines():
        image, label = line.split("\\t")
        pixels = np.asarray(Image.open(root / image).convert("RGB"), dtype=np.float32) / 255
        labels = np.asarray(Image.open(root / label)).astype(np.int64)
        assert pixels.shape[:2] == labels.shape
        yield torch.from_numpy(pixels).reshape(-1, 3), torch.from_numpy(labels).reshape(-1)

torch.manual_seed(0)
x, y = (torch.cat(parts) for parts in zip(*load("train")))
model = torch.nn.Linear(3, len(ids))
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
losses = []
for _ in range(40):
    loss = torch.nn.functional.cross_entropy(model(x), y, ignore_index=ignore)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(float(loss))
x, y = (torch.cat(parts) for parts in zip(*load("val")))
right = (model(x).argmax(1) == y)[y != ignore].float().mean()
print(json.dumps({"first": losses[0], "last": losses[-1], "right": float(right), "seen": sorted(set(y.tolist()))}))
"""


def test_a_stranger_trains_on_two_datasets(tmp_path: Path) -> None:
    """Images whose colours show the class: who aligned images and labels wrongly could not learn them."""
    for number, (dataset, labels) in enumerate({"one": ["road", "car", "sky"], "two": ["vehicle", "road"]}.items()):
        mapping = table({f"{dataset} {name}": name for name in labels}, dataset)
        for split in ("training", "validation"):
            _colored_set(tmp_path / f"{dataset}-{split}", mapping, split, number)
    shards = [tmp_path / f"{dataset}-{split}" for dataset in ("one", "two") for split in ("training", "validation")]
    done = export_shards(shards, tmp_path / "out", to="masks", classes="flat, vehicle, sky")
    assert done.samples == 8
    script = tmp_path / "stranger.py"
    script.write_text(STRANGER)
    run = subprocess.run(
        [sys.executable, script, tmp_path / "out"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=_bare(),
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["last"] < told["first"] / 2 and told["right"] > 0.95
    assert told["seen"] == [0, 1, 2, 255]


def _bare() -> dict[str, str]:
    """An environment in which nothing of labelforge is found by path."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


COLORS = {"road": (200, 20, 20), "car": (20, 200, 20), "vehicle": (20, 200, 20), "sky": (20, 20, 200)}


def _colored_set(folder: Path, mapping: Any, split: str, seed: int) -> None:
    names = ["", *(row.native_name.split()[1] for row in mapping.rows[1:])]
    colors = np.array([COLORS.get(name, (0, 0, 0)) for name in names])
    samples = []
    for number in range(2):
        rng = np.random.default_rng([seed, number, len(split)])
        rows = rng.integers(0, len(names), (12, 16)).astype(np.uint8)
        image = (colors[rows] + rng.integers(0, 40, (12, 16, 3))).astype(np.uint8)
        members = (
            ("png", encode_image(image, "png")),
            ("label.png", encode_label(rows, [(0, 0, 0)] * len(names))),
            ("json", b"{}"),
        )
        pixels = {int(row): int(count) for row, count in Counter(rows.ravel().tolist()).items()}
        samples.append(EncodedSample(f"s{number}", members, 12, 16, pixels))
    index = write_shard(open_folder(folder), 0, samples, options={}, inputs="")
    Manifest.build(TREE, mapping, split, [index]).write(open_folder(folder))
