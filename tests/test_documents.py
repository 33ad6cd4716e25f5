"""What the documents say is so: examples run, commands exist, and the README's Python does what it says."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from PIL import Image

from labelforge.cli import cli
from labelforge.converters import convert
from tests.converters.layouts import label_blocks, picture, save, write_cityscapes, write_gtsdb

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("labelforge", "labelforge.converters", "labelforge.trainer")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "examples/camvid/README.md")),
    *ROOT.glob("docs/*.md"),
]
NO_EXAMPLE = {
    "BACKBONES",  # data, not code
    "CONVERTERS",
    "NO_ANNOTATION",
    *("CheckpointError", "ConfigError", "DatasetError", "ShardError", "TaxonomyError"),  # see their base's
}
NEEDS = {"OnnxFile": "onnxruntime", "export_onnx": "onnxruntime"}
"""Optional packages without which an example cannot run."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: native datasets, shards made of them, and a photograph."""
    folder = tmp_path_factory.mktemp("desk")
    for name, write in (("cityscapes", write_cityscapes), ("gtsdb", write_gtsdb)):
        write(folder / "data" / name)
        convert(name, folder / "data" / name, folder / "shards" / f"{name}-train", split="train")
    for name in ("one", "two"):
        save(folder / "data" / "mine" / "photos" / f"{name}.png", picture(0))
        save(folder / "data" / "mine" / "labels" / f"{name}.png", label_blocks(0, range(34)))
    (folder / "photos").mkdir()
    Image.fromarray(picture(3, 48, 64)).save(folder / "photos" / "street.png")
    return folder


@pytest.fixture
def at_desk(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(desk)
    return desk


def public() -> list[tuple[str, str]]:
    """Package and name of everything public; what needs shards or a run comes after what makes them."""
    found = [(package, name) for package in PACKAGES for name in importlib.import_module(package).__all__]
    first = ("train", "convert")
    return sorted(found, key=lambda item: item[1] not in first)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_an_example(package: str) -> None:
    for name in importlib.import_module(package).__all__:
        if name not in NO_EXAMPLE:
            assert ">>> " in (getattr(importlib.import_module(package), name).__doc__ or ""), name


def test_the_examples_of_the_public_names_run(at_desk: Path) -> None:
    shutil.rmtree(at_desk / "runs", ignore_errors=True)
    finder = doctest.DocTestFinder(recurse=False)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL)
    for package, name in public():
        if name in NO_EXAMPLE or (name in NEEDS and find_spec(NEEDS[name]) is None):
            continue
        for test in finder.find(getattr(importlib.import_module(package), name), name, globs={}):
            runner.run(test)
    assert runner.tries > len(PACKAGES)
    assert runner.failures == 0


def code_blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.S | re.M)


def test_the_python_of_the_readme_runs_and_teaches_the_right_classes(at_desk: Path) -> None:
    scope: dict[str, object] = {}
    for block in code_blocks(ROOT / "README.md", "python"):
        exec(compile(block, "README.md", "exec"), scope)
    batches, batch, reader, rows, sample = (scope[name] for name in ("batches", "batch", "reader", "rows", "sample"))
    native = [row.native_name for mapping in batches.table.mappings for row in mapping.rows]  # type: ignore[attr-defined]
    own = [row.native_name for row in reader.mapping.rows]  # type: ignore[attr-defined]
    local = sample.local_rows.ravel()  # type: ignore[attr-defined]
    assert [native[row] for row in rows.tensor.flatten()] == [own[row] for row in local]  # type: ignore[attr-defined]
    assert scope["classes"].shape == batch.rows.shape  # type: ignore[attr-defined]


def commands(document: Path) -> Iterator[str]:
    """Every labelforge command line that a document names, in a block of shell or in the text."""
    text = document.read_text(encoding="utf-8")
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("labelforge "):
                yield line
    yield from re.findall(r"`(labelforge [^`\n]+)`", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_a_document_names_exist(document: Path) -> None:
    for line in commands(document):
        words = shlex.split(line.split(" | ")[0].split(" > ")[0], comments=True)[1:]
        command: click.Command = cli
        context = click.Context(cli, info_name="labelforge")
        while isinstance(command, click.Group) and words:
            found = command.get_command(context, words[0])
            assert found is not None, f"{document.name}: {line}"
            command, words = found, words[1:]
            context = click.Context(command, parent=context, info_name=command.name)
        if not words:
            continue  # a command named as a thing: "`labelforge train`"
        words = [word for word in words if word not in ("...", "…")]
        try:
            command.parse_args(context, words)
        except click.exceptions.Exit:
            continue  # --help
        except click.UsageError as fault:
            pytest.fail(f"{document.name}: {line}: {fault.format_message()}")


def test_the_dask_commands_of_the_cluster_document_exist() -> None:
    """Their options may change with Dask."""
    pytest.importorskip("distributed")
    text = (ROOT / "docs" / "CLUSTER.md").read_text(encoding="utf-8")
    lines = re.findall(r"^dask (scheduler|worker) (.*)$", text, re.M)
    assert len(lines) >= 4
    for name, line in lines:
        module = importlib.import_module(f"distributed.cli.dask_{name}")
        module.main.parse_args(click.Context(module.main), shlex.split(line, comments=True))


def test_the_readmes_commands_can_follow_each_other() -> None:
    """What is trained on was converted above for one tree, and no run goes into the folder of another."""
    trees: dict[str, str] = {}
    runs: set[Path] = set()
    for line in commands(ROOT / "README.md"):
        name, *words = shlex.split(line, comments=True)[1:]
        command = cli.get_command(click.Context(cli), name)
        if name not in ("convert", "train") or command is None or not words or "--help" in words:
            continue
        context = click.Context(command, info_name=name)
        command.parse_args(context, words)
        given = context.params
        if name == "convert":
            trees[str(given["folders"][-1])] = given["taxonomy"] or "iv2018"
            continue
        found = [[folder for folder in trees if fnmatch(folder, pattern)] for pattern in given["shards"]]
        assert all(found), line
        assert len({trees[folder] for folders in found for folder in folders}) == 1, line
        assert given["resume"] or given["out"] not in runs, line
        runs.add(given["out"])
    assert len(runs) > 3
