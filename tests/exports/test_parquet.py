"""Exports as Parquet: pyarrow reads them, and their features are in the form that Hugging Face `datasets` writes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from labelforge.errors import ConfigError
from labelforge.exports import export_shards, parquet
from labelforge.shards import ShardReader
from tests.exports.sets import read_ids, street_shards, table, toy_rows, write_set

FEATURES = (
    '{"info": {"features": {"image": {"_type": "Image"}, "label": {"_type": "Image"}, "key": {"dtype": "string", '
    '"_type": "Value"}, "dataset": {"dtype": "string", "_type": "Value"}, "split": {"dtype": "string", "_type": '
    '"Value"}}}}'
)
"""What `datasets` 5.2 itself writes for these features: `Features(...).arrow_schema.metadata[b"huggingface"]`."""


def rows_of(files: list[Path]) -> list[dict[str, Any]]:
    pq = pytest.importorskip("pyarrow.parquet")
    return [row for file in sorted(files) for row in pq.read_table(file).to_pylist()]


def test_pictures_and_features(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    shards = street_shards(tmp_path / "streets")
    for form in ("parquet", "masks"):
        export_shards(shards, tmp_path / form, to=form, classes="cityscapes:evaluated")
    files = sorted((tmp_path / "parquet" / "data").iterdir())
    assert [file.name for file in files] == ["train-00000-of-00001.parquet", "val-00000-of-00001.parquet"]
    schema = pq.read_schema(files[0])
    assert schema.metadata[b"huggingface"].decode() == FEATURES
    assert json.loads(schema.metadata[b"classes"])[13] == {"id": 13, "name": "car"}
    assert [str(schema.field(name).type) for name in ("image", "label", "key")] == [
        "struct<bytes: binary, path: string>",
        "struct<bytes: binary, path: string>",
        "string",
    ]
    rows = rows_of(files)
    assert len(rows) == 10
    for row in rows:
        place = f"{row['split']}/{row['dataset']}/{row['key']}"
        suffix = Path(row["image"]["path"]).suffix
        assert row["image"]["bytes"] == (tmp_path / f"masks/images/{place}{suffix}").read_bytes()
        with Image.open(io.BytesIO(row["label"]["bytes"])) as label:
            assert np.array_equal(np.asarray(label), read_ids(tmp_path / f"masks/labels/{place}.png"))
    head = (tmp_path / "parquet" / "README.md").read_text().split("---")[1]
    (config,) = yaml.safe_load(head)["configs"]
    for entry in config["data_files"]:
        assert list((tmp_path / "parquet").glob(entry["path"]))
    assert "traffic sign/front" in (tmp_path / "parquet" / "README.md").read_text()  # "front" alone would say little


def test_groups_and_files_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    samples: Any = {f"s{i:02d}": (toy_rows(i), "png") for i in range(10)}
    write_set(tmp_path / "in", samples, table())
    size = max(sum(map(len, ShardReader(tmp_path / "in").members(i).values())) for i in range(10))
    monkeypatch.setattr(parquet, "_GROUP", size + 1)  # reached by two or three samples
    monkeypatch.setattr(parquet, "_FILE", 3 * size)
    export_shards([tmp_path / "in"], tmp_path / "out", to="parquet", classes="leaves")
    files = sorted((tmp_path / "out" / "data").iterdir())
    assert [file.name for file in files] == [f"train-{i:05d}-of-{len(files):05d}.parquet" for i in range(len(files))]
    assert len(files) > 1
    assert all(pq.ParquetFile(file).metadata.num_row_groups > 0 for file in files)
    assert [row["key"] for row in rows_of(files)] == list(samples)


def test_without_pyarrow_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path / "in", {"a": (toy_rows(), "png")}, table())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"needs pyarrow, .*pip install 'labelforge\[hf\]'"):
        export_shards([tmp_path / "in"], tmp_path / "out", to="parquet", classes="leaves")
    assert not (tmp_path / "out").exists()


def test_splits_that_look_alike_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for i, split in enumerate(("a-b", "a.b")):
        write_set(tmp_path / str(i), {"a": (toy_rows(), "png")}, table(), split=split)
    with pytest.raises(ConfigError, match=r"the splits a-b, a\.b are alike"):
        export_shards([tmp_path / "0", tmp_path / "1"], tmp_path / "out", to="parquet", classes="leaves")


def test_datasets_itself_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    for name in ("HF_HOME", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    write_set(tmp_path / "in", {"a": (toy_rows(0), "png"), "b": (toy_rows(1), "npy")}, table(), split="validation")
    for form in ("parquet", "masks"):
        export_shards([tmp_path / "in"], tmp_path / form, to=form, classes="leaves")
    loaded = datasets.load_dataset(str(tmp_path / "parquet"), cache_dir=str(tmp_path / "cache"))["val"]
    assert len(loaded) == 2
    for row in loaded:
        ids = read_ids(tmp_path / f"masks/labels/val/toy-labels/{row['key']}.png")
        assert np.array_equal(np.asarray(row["label"]), ids) and row["image"].mode == "RGB"
