"""Parquet files as Hugging Face `datasets` reads and writes them: image and label map as image features.

    data/<split>-00000-of-00002.parquet     image, label: {bytes, path}; key, dataset, split: text
    README.md                               a dataset card: which files are which split, and the classes

The features are in the files' schema (key ``huggingface``), in the form that `datasets` writes, so ``load_dataset``
gives decoded pictures. Needs pyarrow (the extra ``hf``).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

from labelforge.errors import ConfigError
from labelforge.exports.cut import with_parents
from labelforge.exports.samples import ExportSample
from labelforge.exports.writer import Plan, Writer
from labelforge.shards import encode_label

FEATURES: Final = {
    "image": {"_type": "Image"},
    "label": {"_type": "Image"},
    **{name: {"dtype": "string", "_type": "Value"} for name in ("key", "dataset", "split")},
}
"""The columns, as `datasets` describes them."""
_GROUP: Final = 32 << 20  # bytes of images that a row group holds before it is written: what a reader loads at once
_FILE: Final = 500_000_000  # bytes of images in a file
_CARD: Final = """\
# {name}

Made by labelforge from the tree `{tree}`. `label` is a picture whose values are class ids; {ignore} = ignore.

```python
from datasets import load_dataset
import numpy as np

sample = load_dataset("{name}", split="{split}")[0]     # the path of this folder
labels = np.asarray(sample["label"])                    # (H, W) ids
```

| id | class | nodes of the tree |
| ---: | --- | --- |
{rows}
`classes.json` says how many pixels each class has and what became of every label of the datasets.
"""


class ParquetWriter(Writer):
    """Writes Parquet files, a row group at a time.

    Raises:
        ConfigError: pyarrow is not installed.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        super().__init__(folder, plan)
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            cure = "Install it with pip install 'labelforge[hf]'."
            raise ConfigError("the format parquet needs pyarrow, which is not installed", cure=cure) from None
        self._arrow: Any = pyarrow
        picture = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
        fields = [(name, picture if f["_type"] == "Image" else pyarrow.string()) for name, f in FEATURES.items()]
        names = [{"id": c.id, "name": c.name} for c in plan.cut.classes]
        metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}}), "classes": json.dumps(names)}
        self._schema = pyarrow.schema(fields, metadata=metadata)
        self._splits = {split: _Split(self, split_name(split)) for split in plan.splits}
        if len({part.name for part in self._splits.values()}) < len(self._splits):
            what = f"the splits {', '.join(self._splits)} are alike where only letters, digits and _ count"
            raise ConfigError(what, cure="Give one of them another name with --split-names.")

    def add(self, sample: ExportSample) -> None:
        """Add a row to the file of its split."""
        label = encode_label(sample.values, self.plan.cut.palette)
        row = {
            "image": {"bytes": sample.image, "path": f"{sample.place}.{sample.suffix}"},
            "label": {"bytes": label, "path": f"{sample.place}.png"},
            "key": sample.name,
            "dataset": sample.dataset,
            "split": sample.split,
        }
        self._splits[sample.split].add(row, len(sample.image) + len(label))

    def finish(self) -> tuple[str, ...]:
        """Name the files, and write the dataset card."""
        for split in self._splits.values():
            split.finish()
        cut = self.plan.cut
        names = [split.name for split in self._splits.values()]
        files = [{"split": name, "path": f"data/{name}-*.parquet"} for name in names]
        head = {"task_categories": ["image-segmentation"], "configs": [{"config_name": "default", "data_files": files}]}
        rows = "".join(
            f"| {c.id} | {_cell(c.name)} | {_cell(with_parents(cut.tree, c.nodes))} |\n" for c in cut.classes
        )
        card = _CARD.format(name=self.plan.name, tree=cut.tree.name, ignore=cut.ignore, split=names[0], rows=rows)
        self.describe("README.md", f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{card}")
        return ()

    def close(self) -> None:
        """Close all files, also after a fault."""
        for split in self._splits.values():
            split.close()
        super().close()


class _Split:
    """The files of one split: rows are collected to a group, groups to a file."""

    def __init__(self, owner: ParquetWriter, name: str) -> None:
        self.name = name
        self._owner = owner
        self._rows: list[dict[str, Any]] = []
        self._waiting = 0  # bytes of the rows
        self._written = 0  # bytes in the open file
        self._files: list[Path] = []
        self._open: Any = None

    def add(self, row: dict[str, Any], size: int) -> None:
        self._rows.append(row)
        self._waiting += size
        if self._waiting >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        arrow, schema = self._owner._arrow, self._owner._schema
        if self._open is None:
            folder = self._owner.folder / "data"
            folder.mkdir(exist_ok=True)
            self._files.append(folder / f"{self.name}.{len(self._files)}")
            self._open = arrow.parquet.ParquetWriter(self._files[-1], schema, compression="snappy")
        table = arrow.Table.from_pylist(self._rows, schema=schema)
        self._open.write_table(table, row_group_size=len(self._rows))
        self._written += self._waiting
        self._rows, self._waiting = [], 0
        if self._written >= _FILE:
            self.close()

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open, self._written = None, 0

    def finish(self) -> None:
        self._flush()
        self.close()
        for number, file in enumerate(self._files):
            file.rename(file.with_name(f"{self.name}-{number:05d}-of-{len(self._files):05d}.parquet"))


def split_name(split: str) -> str:
    """A split as `datasets` can name it: letters, digits and underscores."""
    return re.sub(r"\W", "_", split, flags=re.ASCII)


def _cell(text: str) -> str:
    """Text in a cell of a Markdown table."""
    return re.sub(r"([|\\`*_<>\[\]])", r"\\\1", " ".join(text.split()))
