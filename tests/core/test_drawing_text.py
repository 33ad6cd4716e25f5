"""The tree for a terminal: what it says, line by line, and that it fits."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from labelforge.drawing import Survey, draw_text
from labelforge.drawing.style import ink_on, short_count
from labelforge.mapping import LabelMapping
from labelforge.supervision import Signal
from labelforge.taxonomy import Taxonomy
from tests.core.drawing_samples import HOSTILE, TOY, hostile, shipped, table, toy

TOY_TEXT = """\
toy
5 classes, 3 classifiers, 7 logits

 a  dense (pixels, 1.23k px used)
 b  boxed (boxes)
 c  coarse (pixels, 70.0k px used)
● pixels   □ boxes   ◐ only within a set   · nothing

node (children)               id    px  a b c
■ scene (3)                      71.2k
├─■ flat (2)                     1.20k  ● · ●
│ ├─■ road                     7 1.00k  ● · ·
│ └─■ path                     3   200  ● · ·
├─■ sign (2)                         4  ● · ·
│ ├─■ stop                     1        · □ ·
│ └─■ give way                 0        · □ ·
└─■ car                       12    30  ● · ◐
                                        a b c"""


def test_every_character_of_a_small_tree() -> None:
    assert draw_text(toy(), 45).plain == TOY_TEXT


def test_plain_ascii_says_the_same() -> None:
    text = draw_text(toy(), 45, ascii_only=True).plain
    assert text.isascii()
    assert "|-* flat (2)                     1.20k  P . P" in text.split("\n")
    assert "| `-* give way                 0        . B ." in text.split("\n")
    assert [len(line) for line in text.split("\n")] == [len(line) for line in TOY_TEXT.split("\n")]


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("name", ["iv2018", "streets"])
def test_a_shipped_tree_fits_80_columns_and_is_complete(name: str, counted: bool) -> None:
    drawn = shipped(name, counted=counted)
    lines = draw_text(drawn, 80).plain.split("\n")
    assert max(map(cell_len, lines)) == 80
    rows = [line for line in lines if "■" in line]
    assert len(rows) == len(drawn.tree.nodes)
    marks = {"●": Signal.FROM_PIXELS, "□": Signal.FROM_BOX, "◐": Signal.PARTIAL, "·": Signal.NOTHING}
    for node, row in zip(drawn.tree.nodes, rows, strict=True):
        guide, rest = row.split("■")
        assert len(guide) == 2 * node.depth
        assert rest.startswith(f" {node.name} ({len(node.children)})" if node.children else f" {node.name} ")
        if node.parent is not None:
            shown = re.findall(r"[●□◐·]", rest)
            assert tuple(marks[mark] for mark in shown) == drawn.nodes[node.index].signals
            number = re.search(r" {2,}(\d+)", rest) if node.class_id is not None else None
            assert node.class_id is None or (number and int(number[1]) == node.class_id)


def test_long_and_wide_names_are_cut_not_wrapped() -> None:
    long = "x" * 200
    tree = Taxonomy.parse(f"name: {long}\ntree:\n  root:\n    {'道' * 100}: [{long}]\n    b:\n")
    drawn = Survey.of(tree, [table(tree, long, {"l": "b"})])
    lines = draw_text(drawn, 60).plain.split("\n")
    assert all(cell_len(line) <= 60 for line in lines)
    assert sum("…" in line for line in lines) == 4
    assert [line[-1] for line in lines[-4:-1]] == ["·", "·", "●"]


def test_many_datasets_stay_within_the_width() -> None:
    for count, widest in ((26, 80), (40, 110)):  # from 27 on, codes have two letters
        drawn = Survey.of(TOY, [table(TOY, f"dataset {i}", {"x": "road"}) for i in range(count)])
        lines = draw_text(drawn, 80).plain.split("\n")
        assert max(map(len, lines)) <= widest
        (road,) = [line for line in lines if "road" in line]
        assert road.count("●") == count


def test_colours_reach_a_terminal_and_stay_out_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def printed(drawn: Survey, **options: bool | str) -> str:
        console = Console(file=io.StringIO(), width=80, **options)  # type: ignore[arg-type]
        console.print(draw_text(drawn, 80))
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    assert "\x1b" not in printed(toy())
    assert "\x1b[38;2;128;64;128m■" in printed(toy(), force_terminal=True, color_system="truecolor")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "38;2" not in printed(toy(), force_terminal=True)


def test_markup_in_names_is_text() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(draw_text(hostile(), 200))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert all(name in shown for name in HOSTILE)


def test_without_datasets_it_says_so() -> None:
    text = draw_text(Survey.of(TOY, [])).plain
    assert "No dataset is mapped to this tree." in text
    assert not re.search("[●□◐·]", text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00k"),
        (9994, "9.99k"),
        (9996, "10.0k"),
        (99_949, "99.9k"),
        (99_951, "100k"),
        (999_499, "999k"),
        (999_501, "1.00M"),
        (1_234_567_890, "1.23G"),
        (5 * 10**15, "5000T"),
    ],
)
def test_short_counts(value: int, text: str) -> None:
    assert short_count(value) == text


def test_ink_has_the_better_contrast_of_the_two() -> None:
    assert ink_on((255, 255, 0)) == "#000000"
    assert ink_on((0, 0, 142)) == "#ffffff"
    # The grey at which both have a contrast of about 4.58 lies between 117 and 118 (WCAG 2.2 relative luminance).
    assert (ink_on((117, 117, 117)), ink_on((118, 118, 118))) == ("#ffffff", "#000000")


def test_a_mapping_alone_is_enough() -> None:
    tree = Taxonomy.load("iv2018")
    drawn = Survey.of(tree, [LabelMapping.load(tree, "gtsdb")])
    lines = draw_text(drawn).plain.split("\n")
    assert sum(line.endswith("□") for line in lines) == 43
