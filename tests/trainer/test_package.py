"""The package's public names."""

from __future__ import annotations

import importlib
import subprocess
import sys


def test_public_names_are_sorted_and_there() -> None:
    package = importlib.import_module("labelforge.trainer")
    names = package.__all__
    assert names == sorted(names)
    for name in names:
        found = getattr(package, name)
        assert name.isupper() or found.__module__.startswith("labelforge.trainer.")
    assert dir(package) == names


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, labelforge.trainer; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_trained_network_is_used_without_what_trains_it() -> None:
    code = "import sys, labelforge.trainer.segmenter; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "labelforge.trainer.models.network" in loaded
    trains = ("training", "loss", "optim", "data", "log", "progress", "run_folder", "report", "distributed")
    assert not {f"labelforge.trainer.{name}" for name in trains} & loaded


def test_every_module_imports_on_a_bare_gpu_machine() -> None:
    """Where the packages that only converters need are missing, and for all that the trainer's imports import."""
    code = """
import importlib, pkgutil, sys
for name in ("shapely", "pycocotools", "skimage"):
    sys.modules[name] = None  # importing it is now an ImportError
import labelforge.trainer
for module in pkgutil.walk_packages(labelforge.trainer.__path__, "labelforge.trainer."):
    importlib.import_module(module.name)
for name in ("train", "evaluate", "predict", "bench"):
    importlib.import_module(f"labelforge.cli.{name}")
print(sum(name.startswith("labelforge.trainer.") for name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 25
