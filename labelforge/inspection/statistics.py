"""The pixel counts of shards as one pandas table, from their indexes: for a notebook, or as CSV for anything else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelforge.errors import ConfigError, did_you_mean
from labelforge.inspection.counts import LabelCounts
from labelforge.shards import ShardReader

if TYPE_CHECKING:
    import pandas as pd

Per = Literal["label", "sample", "sample-label"]


def label_statistics(shards: Sequence[str | os.PathLike[str] | ShardReader], per: Per = "label") -> pd.DataFrame:
    """The labels of some shards in numbers, without reading a picture.

        >>> import labelforge as lf
        >>> table = lf.label_statistics(["shards/cityscapes-train", "shards/gtsdb-train"])
        >>> table[table.native_name == "road"][["dataset", "split", "node", "images"]].values.tolist()
        [['cityscapes', 'train', 'driveable', 5]]

    Every table begins with ``shards`` (the folder as given), ``dataset`` and ``split``. Names are as stored, keys as in
    the tar files. Reading a CSV of it back with pandas needs ``keep_default_na=False`` where a label may be called
    "none" or "NA".

    Args:
        shards: Folders or fsspec URLs that ``labelforge convert`` wrote, or readers of them.
        per: What a row stands for.

            * ``label``: a label of the label table, even without a pixel: ``row``, ``native_id`` (missing for "no
              annotation" and sets), ``native_name``, ``means`` (the label expression), ``node`` (path of the lowest
              node that holds it; empty if ignored), ``supervision``, ``pixels``, ``share`` (of all pixels of these
              shards), ``images`` (how many samples have a pixel of it).
            * ``sample``: ``key``, ``height``, ``width``, ``pixels``, the shares ``used``, ``ignored`` and
              ``unannotated`` of these, and ``labels`` (how many labels have a pixel, "no annotation" not counted).
            * ``sample-label``: a label with pixels in a sample, in long form: ``key``, the columns of a label,
              ``pixels`` and ``share`` in this sample.

    Returns:
        The table.

    Raises:
        ConfigError: ``per`` is none of the three.
        ShardError: A folder holds no shards, or they are damaged.
    """
    import pandas as pd

    makers = {"label": _per_label, "sample": _per_sample, "sample-label": _per_sample_label}
    if per not in makers:
        raise ConfigError(f"there is no table per {per!r}", cure=did_you_mean(per, makers))
    tables = []
    for source in shards:
        reader = source if isinstance(source, ShardReader) else ShardReader(source)
        table = makers[per](reader, LabelCounts.of(reader))
        for column, value in (("split", reader.split), ("dataset", reader.dataset), ("shards", reader.url)):
            table.insert(0, column, value)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _label_columns(reader: ShardReader) -> pd.DataFrame:
    """What the label table says, one row per label."""
    import pandas as pd

    rows = reader.mapping.rows
    nodes = [row.node(reader.taxonomy) for row in rows]
    columns: dict[str, Any] = {
        "row": [row.row for row in rows],
        "native_id": pd.array([row.native_id for row in rows], dtype="Int64"),
        "native_name": [row.native_name for row in rows],
        "means": [row.target.text for row in rows],
        "node": [node.path if node else "" for node in nodes],
        "supervision": [row.supervision for row in rows],
    }
    return pd.DataFrame(columns)


def _per_label(reader: ShardReader, counts: LabelCounts) -> pd.DataFrame:
    table = _label_columns(reader)
    pixels = reader.pixels_per_label
    table["pixels"] = pixels
    table["share"] = pixels / max(int(pixels.sum()), 1)
    table["images"] = counts.images()
    return table


def _per_sample(reader: ShardReader, counts: LabelCounts) -> pd.DataFrame:
    import pandas as pd

    rows = reader.mapping.rows
    ignored = [row.row for row in rows[1:] if row.target.ignored]
    used = [row.row for row in rows[1:] if not row.target.ignored]
    pixels = reader.sizes.prod(axis=1)
    columns: dict[str, Any] = {"key": list(reader.keys), "height": reader.sizes[:, 0], "width": reader.sizes[:, 1]}
    columns["pixels"] = pixels
    for name, kind in (("used", used), ("ignored", ignored), ("unannotated", [0])):
        columns[name] = counts.of_labels(kind) / pixels
    columns["labels"] = np.bincount(counts.samples[counts.rows > 0], minlength=counts.num_samples)
    return pd.DataFrame(columns)


def _per_sample_label(reader: ShardReader, counts: LabelCounts) -> pd.DataFrame:
    table = _label_columns(reader).iloc[counts.rows].reset_index(drop=True)
    table.insert(0, "key", np.array(reader.keys, dtype=object)[counts.samples])
    table["pixels"] = counts.pixels
    table["share"] = counts.pixels / reader.sizes.prod(axis=1)[counts.samples]
    return table
