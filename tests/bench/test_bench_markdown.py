"""What is shown of a report, as Markdown and on a terminal, read back by a parser of Markdown that is not ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from markdown_it import MarkdownIt
from rich.console import Console, RenderableType

from labelforge.bench import (
    BenchReport,
    compare_reports,
    comparison_markdown,
    render,
    render_comparison,
    report_markdown,
)
from labelforge.bench.results import Entry, PaperLine, Race, SuiteReport
from tests.bench import made_up

HOSTILE: Final = "a | b_c_ <i>*d* `e` [f](g) \\ #1"

SHOWN: Final = {
    "name": "name",
    "seconds": "turns",
    "quartiles": "time",
    "rate": "rate",
    "peak_memory": "memory",
    "ratio": "ratio",
    "bytes": "GB/s",
    "flops": "GFLOP/s",
}
"""Every field of an entry, and what shows it."""


def full_report() -> BenchReport:
    """With everything that a report can have: 2.5 ms and a quarter of the rival's time, half the copy's bandwidth."""
    rival = made_up.entry("rival", [0.01] * 5, [0.01] * 5)
    ours = made_up.entry(HOSTILE, [0.0025] * 5, [0.01] * 5)
    ours = ours.model_copy(update={"peak_memory": 3 * 2**20, "bytes": 50_000_000, "flops": 250_000_000})
    race = Race(
        title="first | race", unit="frames", amount=1, rival="rival", entries=(ours, rival), clock="CUDA events"
    )
    plain = made_up.race({"alone": [1.5, 2.0, 2.5]}, title="second race")
    line = PaperLine(height=1, width=2, classes=3, stated=17, entry=rival, text="The paper states 17 frames/s.")
    first = SuiteReport(suite="infer", work="work_a_b", shrunk="Small.", races=(race, plain), finding="So.", paper=line)
    machine = made_up.MACHINE.model_copy(update={"load": 3.5, "gpu": made_up.GPU})
    return made_up.report(first, made_up.suite(plain), machine=machine, ceilings=made_up.CEILINGS)


class Page:
    """Markdown as a reader sees it."""

    def __init__(self, text: str) -> None:
        self.tables: list[list[list[str]]] = []
        self.prose: list[str] = []
        self.html = False
        inside = False
        for token in MarkdownIt("commonmark").enable("table").parse(text):
            self.html |= token.type == "html_block"
            if token.type == "table_open":
                self.tables.append([])
                inside = True
            elif token.type == "table_close":
                inside = False
            elif token.type == "tr_open":
                self.tables[-1].append([])
            elif token.type == "inline":
                children = token.children or []
                plain = {"text", "text_special", "softbreak"}
                self.html |= any(child.type not in plain for child in children)  # markup that nobody meant
                seen = "".join(child.content or " " for child in children)
                (self.tables[-1][-1] if inside else self.prose).append(seen)

    @property
    def everything(self) -> str:
        return "\n".join(self.prose)


def races(report: BenchReport) -> Iterator[Race]:
    for suite in report.suites:
        yield from suite.races


def test_every_race_and_entry_is_in_the_markdown() -> None:
    report = full_report()
    page = Page(report_markdown(report))
    assert not page.html
    assert set(SHOWN) == set(Entry.model_json_schema(mode="serialization")["properties"])  # a new field must be shown
    for race, table in zip(races(report), page.tables, strict=True):
        assert any(text.startswith(f"{race.title} ({len(race.entries[0].seconds)} turns") for text in page.prose)
        assert [row[0] for row in table] == ["", *(entry.name for entry in race.entries)]
        assert len({len(row) for row in table}) == 1
    for suite in report.suites:
        for text in (
            f"{suite.suite}: {suite.work}",
            suite.finding,
            suite.shrunk or "",
            suite.paper.text if suite.paper else "",
        ):
            assert text in page.everything


def test_the_numbers_are_those_worked_out_by_hand() -> None:
    first, second, third = Page(report_markdown(full_report())).tables
    head = ["", "time", "frames/s", "memory", "ratio"]
    assert first == [
        [*head, "GB/s", "of copying", "GFLOP/s", "of a product"],
        [HOSTILE, "2.5 (2.5-2.5) ms", "400", "3 MiB", "0.25 (0.25-0.25)", "20", "50 %", "100", "25 %"],
        ["rival", "10 (10-10) ms", "100", "-", "1", "-", "-", "-", "-"],
    ]
    assert second == third == [head, ["alone", "2 (1.75-2.25) s", "0.5", "-", "1"]]


def test_the_header_says_what_it_ran_on() -> None:
    text = Page(report_markdown(full_report())).everything
    for fact in (
        "labelforge 0.2.0 on cuda, networks in float32",
        "CPU: A Processor, 4 cores, 2 used, 8 GiB RAM, load before 3.5",
        "GPU: A GPU, 80 GiB, driver 555.1, CUDA 13.0",
        "torch: 2.13.0, Python 3.12.0, Linux x86_64",
        "limits: 40 GB/s by copying, 400 GFLOP/s by a matrix product in float32",
        "Others use this machine (load 3.5 on 4 cores)",
        "(5 turns, CUDA events, ratio to rival)",
    ):
        assert fact in text
    bare = made_up.report(made_up.suite(made_up.race({"a": [1.0]})))
    assert "limits" not in report_markdown(bare)
    assert "Others" not in report_markdown(bare)


@pytest.mark.parametrize("second", [2.5e-6, 0.0999e-3, 0.0956, 0.4567, 12.345])
def test_a_table_on_a_terminal_of_80_columns_is_never_cut(second: float) -> None:
    """The widest cells that times give: three digits and quartiles in every unit."""
    seconds = [second, second, 1.07 * second]
    names = {"hierarchical network": seconds, "a rival with quite a name": [s / 12.34 for s in seconds]}
    race = made_up.race(names).model_copy(update={"unit": "Mpixels"})
    entries = tuple(entry.model_copy(update={"peak_memory": 1234 * 2**20, "flops": 10**9}) for entry in race.entries)
    report = made_up.report(made_up.suite(race.model_copy(update={"entries": entries})), ceilings=made_up.CEILINGS)
    (table,) = Page(report_markdown(report)).tables
    shown = drawn(render(report))
    assert max(map(len, shown.splitlines())) <= 80
    for cell in (cell for row in table[1:] for cell in row[1:]):
        assert cell in shown


def test_a_comparison_says_the_same_on_both() -> None:
    old = made_up.report(
        made_up.suite(made_up.race({HOSTILE: [0.002] * 12, "same": [0.5] * 12, "rival": [1.0] * 12})),
        made_up.suite(made_up.race({"x": [1.0]}), name="train"),
    )
    new = made_up.report(
        made_up.suite(made_up.race({HOSTILE: [0.003] * 12, "same": [0.51] * 12, "rival": [0.0009] * 12}))
    )
    comparison = compare_reports(old, new, "OLD_1_.json")
    page = Page(comparison_markdown(comparison))
    assert not page.html
    assert page.tables == [
        [
            ["", "old", "new", "time", "ratio", "verdict"],
            [HOSTILE, "2 ms", "3 ms", "1.50", "1666.67", "slower"],
            ["same", "500 ms", "510 ms", "1.02", "1133.33", "same"],
            ["rival", "1 s", "900 µs", "0.0009", "-", "faster"],
        ]
    ]
    lines = [
        "Compared with OLD_1_.json",
        "Judged by times: the same machine, and nobody else used it.",
        "loss: a race (rival: rival)",
        f"Of 3 contestants, 1 became slower and 1 faster. Slower: {HOSTILE} (loss: a race).",
        "train: a race: not in the new report",
    ]
    screen = " ".join(drawn(render_comparison(comparison)).split())
    for line in lines:
        assert line in page.everything
        assert line in screen
    for cell in (cell for row in page.tables[0] for cell in row if cell != HOSTILE):
        assert cell in screen


def drawn(what: RenderableType) -> str:
    console = Console(width=80, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(what)
    return capture.get()
