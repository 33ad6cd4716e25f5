"""The one place where exceptions become a line on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labelforge.cli import main


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int | str | None:
    """Run the command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["labelforge", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        ("convert", "cityscapes", "x" * 5000, "out"),
        ("convert", "cityscapes", ".", "out", "--taxonomy", "x" * 5000),
        ("lint", "x" * 5000),
    ],
)
def test_a_path_that_the_system_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert call(monkeypatch, *arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("error: xxx") and "File name too long" in lines[-1]
    assert lines[-1].endswith("Check the path and your permissions.")


def test_a_folder_without_rights_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)  # tests may run as root, to whom nothing is forbidden
    assert call(monkeypatch, "convert", "cityscapes", tmp_path, tmp_path / "out") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == f"error: {tmp_path}: cannot be used (Permission denied). Check the path and your permissions."


def test_a_full_disk_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    target = tmp_path / "tree.svg"
    assert call(monkeypatch, "tree-viz", "iv2018", "--format", "svg", "-o", target) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert "No space left on device" in error
    assert not list(tmp_path.iterdir())


def test_an_error_that_is_not_the_systems_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("a bug")

    monkeypatch.setattr("labelforge.cli.cli", fail)
    with pytest.raises(OSError, match="a bug"):
        main()
