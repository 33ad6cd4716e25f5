"""The figures of docs/DRAFT.md are what the code computes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from labelforge.draft import WORDS, Measured, leave_one_out, markdown_table
from labelforge.draft.measure import OUTCOMES
from labelforge.draft.table import shares, total
from labelforge.taxonomy import Taxonomy
from tests.draft.known_lists import HELD_OUT, measure

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "DRAFT.md"
NOT_STREETS = ("ade20k-150", "coco-panoptic-133")


@pytest.fixture(scope="module")
def tree() -> Taxonomy:
    return Taxonomy.load("streets")


@pytest.fixture(scope="module")
def alone(tree: Taxonomy) -> tuple[Measured, ...]:
    return leave_one_out(tree)


@pytest.fixture(scope="module")
def twins(tree: Taxonomy) -> tuple[Measured, ...]:
    return leave_one_out(tree, twins=True)


def table(name: str) -> str:
    """A table of the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.search(rf"<!-- table: {name} -->\n(.*?)<!-- end -->", text, re.S)
    assert found is not None
    return found[1].strip()


def streets(measured: tuple[Measured, ...]) -> list[Measured]:
    return [one for one in measured if one.dataset not in NOT_STREETS]


def test_the_table_of_mappings(alone: tuple[Measured, ...], twins: tuple[Measured, ...]) -> None:
    assert table("measured") == markdown_table(alone, twins).strip()


def test_the_sentence_about_street_datasets(alone: tuple[Measured, ...], twins: tuple[Measured, ...]) -> None:
    text = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    labels = sum(total(streets(alone)).values())
    exact, right, unknown, wrong = shares(streets(alone))
    with_twins = shares(streets(twins))
    said = f"have {labels} labels: {exact} exact, {right} exact or coarser, {unknown} unknown, {wrong} wrong; "
    assert said + f"with twins {with_twins[0]}, {with_twins[1]}, {with_twins[2]} and {with_twins[3]}." in text


def test_the_table_of_sureness(alone: tuple[Measured, ...]) -> None:
    lines = [f"| sureness | labels | {' | '.join(OUTCOMES)} |", "|---|---:|" + "---:|" * len(OUTCOMES)]
    for sureness, word in WORDS.items():
        labels = [label for one in streets(alone) for label in one.labels if label.proposal.sureness == sureness]
        found = Counter(label.outcome for label in labels)
        lines.append(f"| {word} | {len(labels)} | {' | '.join(str(found[outcome]) for outcome in OUTCOMES)} |")
    assert table("sureness") == "\n".join(lines)


def test_the_table_of_other_lists(tree: Taxonomy) -> None:
    lines = ["| list | labels | exact | or coarser | unknown | wrong |", "|---|---:|---:|---:|---:|---:|"]
    for one in sorted(measure(tree), key=lambda one: one.dataset in HELD_OUT):
        name = one.dataset + " *" * (one.dataset in HELD_OUT)
        lines.append(f"| {name} | {len(one.labels)} | {' | '.join(shares([one]))} |")
    assert table("lists") == "\n".join(lines)
