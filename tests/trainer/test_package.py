"""The package's public names."""

from __future__ import annotations

import subprocess
import sys

import labelforge.trainer


def test_public_names_are_sorted_and_there() -> None:
    names = labelforge.trainer.__all__
    assert names == sorted(names)
    for name in names:
        found = getattr(labelforge.trainer, name)
        assert name.isupper() or found.__module__.startswith("labelforge.trainer.")
    assert dir(labelforge.trainer) == names


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, labelforge.trainer; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
