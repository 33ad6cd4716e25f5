"""Rows that the loss takes: no local rows by mistake, none of another table, none outside the table."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from labelforge import LabelMapping, TargetTable, Taxonomy
from labelforge.errors import ConfigError
from labelforge.trainer import GlobalRows, TableTensors, hierarchical_loss
from tests.trainer.tiny import TREE, mapping

TABLE = TargetTable.compile(TREE, [mapping("boxes"), mapping("dense")])
TENSORS = TableTensors.of(TABLE)
LOGITS = torch.zeros(1, TABLE.layout.num_logits, 1, 3)


def rows(*values: int, dtype: torch.dtype = torch.int64) -> GlobalRows:
    return GlobalRows(torch.tensor([[values]], dtype=dtype), TABLE.numbering)


@pytest.mark.parametrize("labels", [torch.zeros(1, 1, 3, dtype=torch.int64), np.zeros((1, 1, 3), np.int64)])
def test_a_plain_tensor_is_refused(labels: object) -> None:
    with pytest.raises(TypeError, match=r"labels are a (Tensor|ndarray), whose numbers may be local rows .*GlobalRows"):
        hierarchical_loss(LOGITS, labels, TENSORS)  # type: ignore[arg-type]


def test_rows_of_another_table_are_refused() -> None:
    """The same datasets in another order give each label another number."""
    swapped = TargetTable.compile(TREE, [mapping("dense"), mapping("boxes")])
    alone = TargetTable.compile(TREE, [mapping("dense")])
    local = np.array([[[1, 2, 3]]])
    for table in (swapped, alone):
        with pytest.raises(ValueError, match="rows of another target table"):
            hierarchical_loss(LOGITS, GlobalRows.of(table, "dense", local), TENSORS)
    hierarchical_loss(LOGITS, GlobalRows.of(TABLE, "dense", local), TENSORS)


def test_equal_tables_share_their_numbers_whatever_the_head() -> None:
    again = TargetTable.compile(Taxonomy.from_dict(TREE.to_dict()), [mapping("boxes"), mapping("dense")])
    flat = TargetTable.compile(TREE, [mapping("boxes"), mapping("dense")], head="flat-union")
    assert again.numbering == flat.numbering == TABLE.numbering
    changed = [{**record, "native_name": f"{record['native_name']}!"} for record in mapping("dense").to_records()]
    other = TargetTable.compile(TREE, [mapping("boxes"), LabelMapping.from_records(TREE, "dense", changed)])
    assert other.numbering != TABLE.numbering


def test_local_rows_become_global_ones_by_brute_force() -> None:
    local = np.array([[0, 1, 3, 2]], np.uint8)
    got = GlobalRows.of(TABLE, "dense", local)
    every = [(m.dataset, row.row) for m in TABLE.mappings for row in m.rows]
    assert [every[row] for row in got.tensor[0].tolist()] == [("dense", row) for row in local[0].tolist()]
    assert torch.equal(GlobalRows.of(TABLE, "dense", torch.from_numpy(local)).tensor, got.tensor)
    with pytest.raises(ConfigError, match="boxes has 4 rows, and rows 4 to 4 were given"):
        GlobalRows.of(TABLE, "boxes", np.array([4]))
    with pytest.raises(ConfigError, match="no dataset 'dens'"):
        GlobalRows.of(TABLE, "dens", local)


@pytest.mark.parametrize("tensor", [torch.zeros(1, 1, 3), torch.zeros(1, 1, 3, dtype=torch.bool)])
def test_rows_are_whole_numbers(tensor: Tensor) -> None:
    with pytest.raises(TypeError, match="rows are whole numbers, not torch"):
        GlobalRows(tensor, TABLE.numbering)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int64])
def test_a_row_outside_the_table_raises_on_the_cpu_unless_told_not_to(dtype: torch.dtype) -> None:
    """A negative one would be looked up from the end of the table: the label of another row."""
    last = len(TABLE.target) - 1
    hierarchical_loss(LOGITS, rows(0, 1, last, dtype=dtype), TENSORS)
    for bad in (-1, -last, last + 1):
        low, high = min(bad, 0), max(bad, 1)
        with pytest.raises(IndexError, match=f"labels are rows {low} to {high}, and the .* has rows 0 to {last}$"):
            hierarchical_loss(LOGITS, rows(0, 1, bad, dtype=dtype), TENSORS)
        with pytest.raises(IndexError, match="has rows 0 to"):
            hierarchical_loss(LOGITS, rows(0, 1, bad, dtype=dtype), TENSORS, check=True)
    wrapped = hierarchical_loss(LOGITS, rows(0, 1, -1, dtype=dtype), TENSORS, check=False)
    assert torch.equal(wrapped.total, hierarchical_loss(LOGITS, rows(0, 1, last), TENSORS).total)


def test_a_batch_without_pixels_has_nothing_to_check() -> None:
    empty = GlobalRows(torch.zeros(1, 0, 3, dtype=torch.int64), TABLE.numbering)
    assert hierarchical_loss(LOGITS[:, :, :0], empty, TENSORS).total.item() == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("bad", [-1, len(TABLE.target)])
def test_a_checked_row_outside_the_table_raises_on_cuda(bad: int) -> None:
    labels = rows(0, 1, bad).to("cuda")
    with pytest.raises(IndexError, match="has rows 0 to"):
        hierarchical_loss(LOGITS.cuda(), labels, TENSORS.to("cuda"), check=True)


def test_stacked_rows_are_of_one_table() -> None:
    crop = GlobalRows.of(TABLE, "dense", np.ones((2, 3), np.uint8))
    assert GlobalRows.stack([crop, crop]).shape == (2, 2, 3)
    with pytest.raises(ValueError, match="of several"):
        GlobalRows.stack([crop, GlobalRows(crop.tensor, "another")])
