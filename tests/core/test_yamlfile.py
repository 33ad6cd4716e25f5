"""YAML with lines: the fast parser and the exact one agree on every shipped file, and faults keep their line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from labelforge.errors import TaxonomyError
from labelforge.taxonomy import Taxonomy, shipped_folder
from labelforge.yamlfile import YamlFile

SHIPPED = sorted(shipped_folder().rglob("*.yaml"))


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_libyaml_reads_what_the_python_parser_reads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = YamlFile.load(path)
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    exact = YamlFile.load(path)
    assert fast == exact
    assert fast.lines == exact.lines
    assert len(fast.lines) > 10


def test_names_are_text_and_only_true_and_false_are_booleans() -> None:
    read = YamlFile.parse("[no, on, true, 0x1, 010, 1e3, ~, 2001-01-01]").data
    assert read == ["no", "on", True, "0x1", 10, 1000.0, None, "2001-01-01"]


BROKEN = {
    "bracket never closed": ("a: [b, c\nd: e\n", 2, "expected ',' or ']', but got ':'"),
    "bracket never closed at the end": ("a: 1\nb: [", 2, "expected the node content"),
    "character": ("a: 1\nb: @x\n", 2, "character '@' that cannot start any token"),
    "unknown alias": ("a: 1\nb: *x\n", 2, "undefined alias 'x'"),
    "two documents": ("a: 1\n---\nb: 2\n", 2, "another document"),
    "two colons": ("a: 1\nb: c: d\n", 2, "mapping values are not allowed here"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_yaml_is_told_in_the_exact_parsers_words(fault: str) -> None:
    text, line, words = BROKEN[fault]
    with pytest.raises(TaxonomyError) as caught:
        YamlFile.parse(text, "x.yaml")
    assert str(caught.value).startswith(f"x.yaml:{line}: not valid YAML: ")
    assert words in str(caught.value)
    assert "Check indentation" in str(caught.value)


@pytest.mark.parametrize("text", ["a: " + "{a: " * 3000 + "x" + "}" * 3000, "[" * 5000])
def test_nesting_without_end_is_an_error_of_the_file(text: str) -> None:
    with pytest.raises(TaxonomyError, match=r"^x\.yaml: nested too deeply\. Make it flatter"):
        YamlFile.parse(text, "x.yaml")


def test_a_number_too_long_for_python_is_told_with_its_line() -> None:
    text = "name: t\ntree: {r: [a, b]}\nnodes:\n  a: {id: " + "9" * 5000 + "}\n"
    with pytest.raises(TaxonomyError, match=r"^<text>:4: id: must be a whole number \(got '9{60}\.\.\.'\)"):
        Taxonomy.parse(text)


def test_data_that_was_not_read_from_a_text_has_faults_without_a_line() -> None:
    definition = Taxonomy.parse("name: t\ntree: {r: [a, b]}\n").to_dict() | {"boxes": "all"}
    with pytest.raises(TaxonomyError, match=r"^<taxonomy definition>: boxes: must be 'own' or 'path'"):
        Taxonomy.from_dict(definition)
