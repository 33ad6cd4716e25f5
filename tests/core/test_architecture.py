"""The architecture: which folder may know which, what a wheel holds, what the command line costs."""

from __future__ import annotations

import ast
import graphlib
import importlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "labelforge": ROOT / "labelforge",
    "labelforge.converters": ROOT / "converters",
    "labelforge.trainer": ROOT / "trainer",
}
APPLICATIONS = ("labelforge.cli", "labelforge.demo", "labelforge.bench")
"""The folders that may import everything."""


def modules() -> dict[str, Path]:
    """Every module of the product by its import name, each file once (the links inside labelforge are left out)."""
    found = {}
    for package, folder in FOLDERS.items():
        for file in folder.rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            if package == "labelforge" and parts[0] in ("converters", "trainer", "taxonomies"):
                continue
            found[".".join([package, *(p for p in parts if p != "__init__")])] = file
    return found


def imports(file: Path) -> set[str]:
    """All modules that a file imports anywhere, lazily or not."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("name", sorted(modules()))
def test_arrows_run_one_way(name: str) -> None:
    known = imports(modules()[name])
    forbidden: tuple[str, ...] = ()
    if name.startswith("labelforge.converters"):
        forbidden = ("labelforge.trainer", *APPLICATIONS, "torch")
    elif name.startswith("labelforge.trainer"):
        forbidden = ("labelforge.converters", *APPLICATIONS, "shapely", "pycocotools", "skimage")
    elif not name.startswith(APPLICATIONS) and name != "labelforge.__main__":
        forbidden = ("labelforge.converters", "labelforge.trainer", *APPLICATIONS, "torch")
    assert not [m for m in known if any(m == f or m.startswith(f + ".") for f in forbidden)]


def test_no_import_runs_in_a_circle() -> None:
    known = modules()
    arrows = {name: {m for m in imports(file) if m in known and m != name} for name, file in known.items()}
    order = list(graphlib.TopologicalSorter(arrows).static_order())
    assert len(order) == len(known)


@pytest.mark.parametrize("package", sorted(name for name, file in modules().items() if file.name == "__init__.py"))
def test_no_module_is_hidden_by_a_name_that_its_package_exports(package: str) -> None:
    inside = {name.removeprefix(f"{package}.") for name in modules() if name.startswith(f"{package}.")}
    init = modules()[package]
    exported = set(getattr(importlib.import_module(package), "__all__", ()))
    for node in ast.parse(init.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            exported |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            exported.add(node.name)
    assert not inside & exported


@pytest.mark.parametrize("package", ["labelforge", "labelforge.converters", "labelforge.trainer"])
def test_every_package_says_what_is_public(package: str) -> None:
    module = importlib.import_module(package)
    assert len(module.__all__) == len(set(module.__all__))  # their order is the linter's business
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_pyproject_lists_every_package() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    on_disk = {name for name, file in modules().items() if file.name == "__init__.py"} | {"labelforge.taxonomies"}
    assert listed == on_disk


def test_the_wheel_holds_every_module_and_tree_under_one_name(tmp_path: Path) -> None:
    copy = tmp_path / "source"
    copy.mkdir()
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in files:
        source, target = ROOT / name, copy / name
        if source.exists() or source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink():
                target.symlink_to(source.readlink())
            else:
                target.write_bytes(source.read_bytes())
    command = [sys.executable, "-c", "import setuptools.build_meta as b; b.build_wheel('out')"]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    (wheel,) = (copy / "out").glob("*.whl")
    held = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert {n.split("/")[0] for n in held} == {"labelforge"}
    want = {
        name.replace(".", "/") + "/__init__.py" if f.name == "__init__.py" else name.replace(".", "/") + ".py"
        for name, f in modules().items()
    }
    want |= {
        f"labelforge/taxonomies/{p.relative_to(ROOT / 'taxonomies')}"
        for suffix in ("yaml", "json")
        for p in (ROOT / "taxonomies").rglob(f"*.{suffix}")
    }
    want |= {f"{package.replace('.', '/')}/__init__.pyi" for package in FOLDERS} | {"labelforge/py.typed"}
    want |= {f"labelforge/report/templates/{p.name}" for p in (ROOT / "labelforge/report/templates").iterdir()}
    want.add("labelforge/draft/synonyms.yaml")
    assert want <= held


def test_help_needs_no_heavy_import() -> None:
    code = "import sys; from labelforge.cli import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "pandas", "pydantic", "rich", "yaml", "PIL"} & set(loaded)


def test_every_command_module_offers_its_command() -> None:
    from labelforge.cli import COMMANDS

    files = {p.stem.replace("_", "-") for p in (ROOT / "labelforge" / "cli").glob("*.py") if p.stem != "__init__"}
    assert set(COMMANDS) == {f for f in files if not f.startswith("-")}
    for name in COMMANDS:
        command = importlib.import_module(f"labelforge.cli.{name.replace('-', '_')}").command
        assert command.name == name
        assert command.help
