"""``labelforge datasets``: the list, and one dataset at a time."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from click.testing import CliRunner

from labelforge.cli import cli
from labelforge.converters import find_converter
from labelforge.converters.registry import CONVERTERS, option_names
from labelforge.errors import ConfigError


def run(*args: str) -> str:
    result = CliRunner().invoke(cli, ["datasets", *args], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_list_names_every_dataset_and_its_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = EntryPoint("gone", "nowhere.at_all:Gone", "labelforge.converters")
    monkeypatch.setattr("labelforge.converters.registry.entry_points", lambda group: [gone])
    lines = run().splitlines()
    for name in CONVERTERS:
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert find_converter(name).title in line
    assert any(line.startswith("gone ") and "cannot be" in line for line in lines)


@pytest.mark.parametrize("name", CONVERTERS)
def test_one_dataset_says_layout_options_and_where_to_get_it(name: str) -> None:
    kind, text = find_converter(name), run(name)
    assert kind.layout and all(line.strip() in text for line in kind.layout.splitlines() if len(line) < 90)
    assert f"from: {kind.home}" in text and kind.home.startswith("http")
    for option in option_names(kind):
        assert f"--option {option}=" in text and option in kind.option_help


def test_a_name_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"no converter is called 'city'\. Did you mean 'cityscapes'\?"):
        CliRunner().invoke(cli, ["datasets", "city"], catch_exceptions=False)
