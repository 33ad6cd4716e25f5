"""Lint where labels of two datasets can show the same thing and mean nothing in common: by a text, or by their name."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelforge.lint import Finding, LintReport, lint_taxonomy
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

TREE = """\
name: small
tree:
  scene:
    vehicle: [car, van, truck, trailer]
    road: [lane, parking]
    lamp:
"""
RULE = "no-shared-leaf"


def write(folder: Path, dataset: str, labels: dict[str, str], extra: str = "") -> None:
    """Write a label space and its mapping; the first label stands in line 4 of the mapping."""
    entries = "".join(f"  - {{id: {i}, name: {name}}}\n" for i, name in enumerate(labels))
    (folder / "label_spaces").mkdir(exist_ok=True)
    (folder / "label_spaces" / f"{dataset}.yaml").write_text(f"name: {dataset}\nsource: made up\nlabels:\n{entries}")
    rows = "".join(f"  {name}: {target}\n" for name, target in labels.items())
    (folder / f"{dataset}.yaml").write_text(f"dataset: {dataset}\nsupervision: pixel\nlabels:\n{rows}{extra}")


def overlap(label: str, dataset: str, other: str) -> str:
    return (
        f'overlaps:\n  - {{label: {label}, dataset: {dataset}, other: {other}, text: "A lorry. With its trailer."}}\n'
    )


def apart(report: LintReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule == RULE]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tree.yaml").write_text(TREE)
    write(tmp_path, "a", {"lorry": "truck", "auto": "car", "way": "lane"}, overlap("lorry", "b", "anhanger"))
    return tmp_path


def test_a_stated_overlap_without_a_common_leaf_is_found_where_it_is_stated(folder: Path) -> None:
    write(folder, "b", {"anhanger": "trailer", "wagen": "car", "strasse": "road"})
    (found,) = apart(lint_taxonomy(folder))
    assert (found.severity, found.dataset, found.labels) == ("warning", "a", ("lorry",))
    assert (found.file, found.line) == (str(folder / "a.yaml"), 8)
    assert found.what == (
        "'lorry' of a (truck) and 'anhanger' of b (trailer) have no leaf in common, though the text says: "
        "A lorry. With its trailer"
    )
    assert "'accepted: [{rule: no-shared-leaf, at: lorry, why: ...}]'" in found.cure


@pytest.mark.parametrize("target", ["vehicle", "{any: [truck, trailer]}", "ignore"])
def test_a_common_leaf_or_nothing_at_all_is_enough(folder: Path, target: str) -> None:
    write(folder, "b", {"anhanger": target, "wagen": "car"})
    assert apart(lint_taxonomy(folder)) == []


def test_an_overlap_with_a_dataset_that_is_not_there_says_nothing(folder: Path) -> None:
    report = lint_taxonomy(folder)
    assert apart(report) == []


def test_an_overlap_with_a_label_that_is_not_there_names_the_nearest(folder: Path) -> None:
    write(folder, "b", {"anhangar": "trailer"})
    (found,) = apart(lint_taxonomy(folder))
    assert found.what == "a compares 'lorry' with 'anhanger', but b has no such label"
    assert "Did you mean 'anhangar'" in found.cure
    assert found.line == 8


def test_an_overlap_is_accepted_with_a_reason_until_it_is_gone(folder: Path) -> None:
    accepted = overlap("lorry", "b", "anhanger") + 'accepted:\n  - {rule: no-shared-leaf, at: lorry, why: "so it is"}\n'
    write(folder, "a", {"lorry": "truck", "auto": "car"}, accepted)
    assert not [f for f in lint_taxonomy(folder).findings if f.rule == "stale-acceptance"], "b is not there to compare"
    write(folder, "b", {"anhanger": "trailer"})
    assert [f.accepted for f in apart(lint_taxonomy(folder))] == ["so it is"]
    write(folder, "b", {"anhanger": "vehicle"})
    (stale,) = [f for f in lint_taxonomy(folder).findings if f.rule == "stale-acceptance"]
    assert (stale.dataset, stale.line) == ("a", 9)


def test_labels_of_one_name_are_compared_and_the_fewer_are_found(folder: Path) -> None:
    write(folder, "a", {"street-light": "lamp"})
    write(folder, "b", {"object--StreetLight": "lamp"})
    assert apart(lint_taxonomy(folder)) == []
    write(folder, "c", {"street light": "lane"})
    write(folder, "d", {"Street Light": "{any: [lamp, car]}", "x--street-light": "van"})
    (found,) = apart(lint_taxonomy(folder))
    assert (found.dataset, found.labels, found.line) == ("c", ("street light",), 4)
    assert found.what == (
        "'street light' of c (lane) and 'street-light' of a (lamp) are named alike "
        "but have no leaf in common (nor b, d)"
    )


def test_a_dataset_that_gives_one_name_to_two_things_meets_the_others_with_either(folder: Path) -> None:
    write(folder, "a", {"back": "lamp"})
    write(folder, "b", {"sign--back": "car", "lamp--back": "lamp"})
    assert apart(lint_taxonomy(folder)) == []


@pytest.mark.parametrize("name", Taxonomy.shipped())
def test_what_is_found_in_the_shipped_trees_is_what_a_plain_comparison_finds(name: str) -> None:
    tree = Taxonomy.load(name)
    mappings = {dataset: LabelMapping.load(tree, dataset) for dataset in LabelMapping.available(tree)}
    meaning = {d: {r.native_name: r.target.leaves for r in m.rows[1:]} for d, m in mappings.items()}
    stated = {
        (dataset, entry.label)
        for dataset, mapping in mappings.items()
        for entry in mapping.overlaps
        if entry.dataset in meaning
        and not meaning[dataset][entry.label] & meaning[entry.dataset][entry.other]
        and meaning[dataset][entry.label]
        and meaning[entry.dataset][entry.other]
    }
    findings = apart(lint_taxonomy(name))
    assert all(f.accepted for f in findings)
    named_alike = {(f.dataset, f.labels[0]) for f in findings if "named alike" in f.what}
    assert {(f.dataset, f.labels[0]) for f in findings} - named_alike == stated
    homonyms = {"streets": 4, "iv2018": 1}  # signs that warn of snow, animals, road works and traffic lights
    assert len(named_alike) == homonyms[name]
