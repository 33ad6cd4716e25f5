"""The process that compiles the numba kernels computes what those compute that find them on disk."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import hashlib, torch, labelforge as lf
from labelforge.trainer import GlobalRows, TableTensors, hierarchical_loss
torch.set_num_threads(1)
tree = lf.Taxonomy.load("iv2018")
names = ("cityscapes", "mapillary-vistas-1.2", "gtsdb")
table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, name) for name in names])
tensors, generator = TableTensors.of(table), torch.Generator().manual_seed(0)
logits = (3 * torch.randn(2, table.layout.num_logits, 9, 12, generator=generator)).requires_grad_()
labels = torch.randint(0, len(table.target), (2, 8, 12), generator=generator)
labels = labels.repeat_interleave(9, 1).repeat_interleave(8, 2)[:, :70, :90].contiguous()
hierarchical_loss(logits, GlobalRows(labels, table.numbering), tensors, kernel="numba").total.backward()
print(hashlib.sha256(logits.grad.numpy().tobytes()).hexdigest())
"""


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
def test_compiled_and_loaded(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    digests = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        digests.append(done.stdout)
        assert list(tmp_path.rglob("*.nbi"))
    assert digests[0] == digests[1]
