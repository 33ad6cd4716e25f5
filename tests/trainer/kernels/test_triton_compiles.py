"""Every Triton kernel compiled for a Hopper GPU, launched as on one, where there is none.

The interpreter takes what a compiler refuses: types that differ between branches, constants that change, arguments that
become constants because they are 1. Nothing is computed here, so results are not looked at.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

import labelforge as lf
from labelforge.trainer import GlobalRows, TableTensors, hierarchical_loss
from labelforge.trainer.kernels import choice

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed"),
    pytest.mark.skipif(torch.cuda.is_available(), reason="the kernels run on a GPU"),
    pytest.mark.skipif(choice.interprets(), reason="the interpreter compiles nothing"),
]


class _Hopper:
    """As much of a driver as compiling needs."""

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, _: int) -> int:
        return 0


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of kernels as they are compiled; none is run."""
    from triton.runtime import driver
    from triton.runtime.jit import JITFunction

    run = JITFunction.run
    names: list[str] = []

    def compile_only(self: Any, *args: Any, warmup: bool, **options: Any) -> Any:
        names.append(self.fn.__name__)
        return run(self, *args, warmup=True, **options)

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(JITFunction, "run", compile_only)
    monkeypatch.setattr(choice, "interprets", lambda: True)  # which lets kernels have tensors of the CPU
    monkeypatch.setattr(driver, "_active", _Hopper())
    return names


@pytest.fixture(scope="module")
def streets() -> TableTensors:
    tree = lf.Taxonomy.load("streets")
    names = ("cityscapes", "mapillary-vistas-1.2", "gtsdb")
    table = lf.TargetTable.compile(tree, [lf.LabelMapping.load(tree, name) for name in names])
    return TableTensors.of(table)


def test_loss(compiled: list[str], streets: TableTensors) -> None:
    rows = GlobalRows(torch.ones(2, 16, 20, dtype=torch.int16), streets.numbering)
    logits = torch.randn(2, streets.layout.num_logits, 3, 3, requires_grad=True)
    hierarchical_loss(logits, rows, streets, kernel="triton")
    assert compiled == ["count_labels", "pass_gates"] + ["spread_strips"] * 4
    with torch.no_grad():
        last = logits.contiguous(memory_format=torch.channels_last)[..., :1]
        weights = torch.ones(streets.target.shape)
        hierarchical_loss(last, rows, streets, gate="none", class_weights=weights, kernel="triton")
    assert compiled[6:] == ["count_labels", "spread_strips"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_decisions(compiled: list[str], streets: TableTensors, dtype: torch.dtype) -> None:
    logits = torch.randn(1, streets.layout.num_logits, 2, 3).to(dtype)
    backend = choice.choose_decision("triton", logits, (16, 20))
    assert backend is not None
    backend.decide(logits, streets.layout, (16, 20))
    backend.descend(logits, streets.layout, (16, 20), 0.5)
    backend.descend(logits, streets.layout, (16, 20), steps=True)
    backend.add_up(logits, streets.layout, (16, 20), torch.ones(30, len(streets.layout.classes)))
    assert compiled == ["descend_tiles"] * 3 + ["add_up_tiles"]
