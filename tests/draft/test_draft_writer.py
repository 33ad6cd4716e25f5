"""Drafted files load, lint, and keep every name as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelforge.draft import Proposal, Sureness, draft_mapping
from labelforge.draft.lists import MAX_NAME
from labelforge.draft.writer import label_space_text, mapping_text
from labelforge.label_space import LabelSpace, NativeLabel
from labelforge.lint import lint_taxonomy
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy, shipped_folder
from labelforge.yamlfile import YamlFile

ODD = [
    "no",
    "yes",
    "null",
    "~",
    "12",
    "1e3",
    "a: b",
    "a #b",
    "# c",
    "'q'",
    '"q"',
    "[x]",
    "{y}",
    "- z",
    "&a",
    "*b",
    "!t",
]
ODD += [
    "%d",
    "@h",
    "`g`",
    "|",
    ">",
    "ignore",
    "Straße",
    "道路",
    "🚗 car",
    "back\\slash",
    "tab? no",
    "road:",
    ":",
    ",",
    "y",
]
ODD += ["a, b", "true", "x" * MAX_NAME, "trailing -", "..."]


def load(space: LabelSpace, text: str) -> LabelMapping:
    tree = Taxonomy.load("streets")
    return LabelMapping.from_file(tree, YamlFile.parse(text), space)


def test_odd_names_come_back(tmp_path: Path) -> None:
    file = tmp_path / "odd.yaml"
    space = LabelSpace("odd", None, tuple(NativeLabel(i, name) for i, name in enumerate(ODD)))
    file.write_text(label_space_text(space), encoding="utf-8")
    assert LabelSpace.load(file) == space
    draft = draft_mapping(file, "streets")
    mapping = load(space, draft.mapping_text())
    assert [row.native_name for row in mapping.rows[1:]] == ODD
    assert [row.target.leaves for row in mapping.rows[1:]] == [proposal.leaves for proposal in draft.proposals]


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.isprintable), min_size=1, unique=True))
def test_any_printable_names_come_back(names: list[str]) -> None:
    space = LabelSpace("any", None, tuple(NativeLabel(i, name, (1, 2, 3)) for i, name in enumerate(names)))
    read = YamlFile.parse(label_space_text(space)).data["labels"]
    assert [entry["name"] for entry in read] == names
    proposals = [Proposal(n, frozenset(), {"ignore": n.strip() or "-"}, Sureness.CHECK, "why") for n in names]
    mapping = load(space, mapping_text(space, "streets", proposals))
    assert [row.native_name for row in mapping.rows[1:]] == names
    assert [row.target.reason for row in mapping.rows[1:]] == [n.strip() or "-" for n in names]


def test_the_file_says_what_is_left(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("road\nwhite traffic cone\npedestrain\nfrobnicator\n")
    text = draft_mapping(file, "streets").mapping_text("box")
    lines = text.splitlines()
    assert "4 labels of mine mean in the tree streets. 2 likely, 1 check, 1 TODO." in lines[0]
    assert [line for line in lines if not line.startswith(("#", " "))] == [
        *("dataset: mine", "taxonomy: streets", "supervision: box", "labels:")
    ]
    labels = [line for line in lines if line.startswith("  ")]
    assert [line.split(":")[0].strip() for line in labels] == [
        "road",
        "white traffic cone",
        "pedestrain",
        "frobnicator",
    ]
    assert '{ignore: "TODO: ' in labels[3]
    assert len({line.index("#") for line in labels[:3]}) == 1
    assert all(line.split("# ")[1].split(":")[0] in ("sure", "likely", "check", "TODO") for line in labels)


@pytest.mark.parametrize("taxonomy", ["streets", "iv2018"])
def test_a_drafted_folder_lints_without_errors_and_counts_what_is_left(tmp_path: Path, taxonomy: str) -> None:
    folder = tmp_path / "tree"
    shutil.copytree(shipped_folder() / taxonomy, folder)
    (folder / "label_spaces").mkdir()
    before = lint_taxonomy(folder)
    file = tmp_path / "mine.txt"
    file.write_text("Roads\nTrafficSign\nCar\nfrobnicator\nwobble\nvoid\n")
    draft = draft_mapping(file, folder)
    (folder / "label_spaces" / "mine.yaml").write_text(draft.label_space_text())
    (folder / "mine.yaml").write_text(draft.mapping_text())
    after = lint_taxonomy(folder)
    assert (before.count("error"), after.count("error")) == (0, 0)
    (left,) = [finding for finding in after.findings if finding.rule == "todo"]
    assert (left.severity, left.dataset, left.labels) == ("warning", "mine", ("frobnicator", "wobble"))
    assert left.where == f"{folder / 'mine.yaml'}:{_line(folder / 'mine.yaml', 'frobnicator')}"
    assert "2 labels of mine are left to decide: 'frobnicator', 'wobble'" in left.what


def test_a_list_is_drafted_again_as_if_for_the_first_time(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    shutil.copytree(shipped_folder() / "streets", folder)
    file = tmp_path / "mine.txt"
    file.write_text("road\nfrobnicator\n")
    first = draft_mapping(file, folder)
    for name in ("mine", "theirs"):
        (folder / "label_spaces").mkdir(exist_ok=True)
        space = first.label_space_text().replace("mine", name)
        (folder / "label_spaces" / f"{name}.yaml").write_text(space)
        (folder / f"{name}.yaml").write_text(first.mapping_text().replace("mine", name))
    again = draft_mapping(file, folder).proposals
    assert [proposal.leaves for proposal in again] == [proposal.leaves for proposal in first.proposals]
    assert again[1] == first.proposals[1]
    (folder / "mine.yaml").write_text("broken: [")
    assert draft_mapping(file, folder).proposals == again


def _line(file: Path, label: str) -> int:
    return next(i for i, line in enumerate(file.read_text().splitlines(), 1) if line.strip().startswith(label))


def test_every_shipped_label_space_can_be_drafted() -> None:
    for name, file in LabelSpace.available().items():
        draft = draft_mapping(file, "streets")
        mapping = load(draft.space, draft.mapping_text())
        assert mapping.dataset == name
        assert [row.target.leaves for row in mapping.rows[1:]] == [proposal.leaves for proposal in draft.proposals]
