"""What a person sees of a run, in a terminal and in a log file."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from labelforge.trainer.log import LogLine
from labelforge.trainer.progress import ConsoleProgress, clock

LINE = LogLine(
    step=40,
    loss=1.5,
    losses={"scene": 1.25, "traffic sign/front": 2.5},
    gate={},
    lr=0.01,
    images_per_s=12.34,
    data_wait=0.25,
    seconds=80.0,
)


class Paper(Console):
    """A console that keeps what it is told."""

    def __init__(self, terminal: bool) -> None:
        self.page = io.StringIO()
        super().__init__(file=self.page, force_terminal=terminal, width=110, color_system=None, legacy_windows=False)


def shown(terminal: bool, first: int = 0) -> str:
    console = Paper(terminal)
    progress = ConsoleProgress("demo", console)
    with progress.following(first, 1000):
        progress.advance(40)
        progress.log(LINE)
    return console.page.getvalue()


def test_a_log_file_gets_one_plain_line_per_log_line() -> None:
    assert shown(terminal=False) == (
        "demo 40/1000  loss 1.500: scene 1.250, traffic sign/front 2.500  lr 0.01  12.3 images/s  data wait 25%  "
        "left 0:32:00\n"
    )


@pytest.mark.parametrize("terminal", [False, True])
def test_a_resumed_run_says_where_it_goes_on(terminal: bool) -> None:
    assert "demo: continuing from step 30" in shown(terminal, first=30)
    assert "going on" not in shown(terminal)


def test_brackets_in_names_are_shown() -> None:
    console = Paper(terminal=False)
    ConsoleProgress("demo", console).log(replace(LINE, losses={"scene": 1.25, "[/void]": 2.5}))
    assert "scene 1.250, [/void] 2.500" in console.page.getvalue()


def test_a_terminal_gets_a_bar_with_the_losses_under_it() -> None:
    text = shown(terminal=True)
    last = text[text.rindex("demo ") :]
    assert "40/1000" in last
    assert "12.3 images/s, 25% waiting for data" in last
    assert "loss 1.500: scene 1.250, traffic sign/front 2.500" in last


def test_of_many_classifiers_a_line_names_the_worst_and_folds_the_rest() -> None:
    losses = {f"part {j}": float(j) for j in range(44)}
    console = Paper(terminal=False)
    ConsoleProgress("demo", console).log(replace(LINE, losses=losses))
    mean = sum(range(39)) / 39
    assert (
        "loss 1.500: part 43 43.000, part 42 42.000, part 41 41.000, part 40 40.000, part 39 39.000, "
        f"and 39 more, mean {mean:.3f}  lr"
    ) in console.page.getvalue()


def test_six_classifiers_are_all_named_in_the_order_of_the_tree() -> None:
    console = Paper(terminal=False)
    ConsoleProgress("demo", console).log(replace(LINE, losses={name: i / 10 for i, name in enumerate("fbdace")}))
    assert "f 0.000, b 0.100, d 0.200, a 0.300, c 0.400, e 0.500  lr" in console.page.getvalue()


def test_gates_are_named_the_most_shut_first() -> None:
    for gate, text in (
        ({"front": 0.256, "car": 0.1}, "  of box pixels count: car 10%, front 26%  lr"),
        ({name: i / 10 for i, name in enumerate("hgfed")}, "count: h 0%, g 10%, f 20% and 2 more  lr"),
    ):
        console = Paper(terminal=False)
        ConsoleProgress("demo", console).log(replace(LINE, gate=gate))
        assert text in console.page.getvalue()
    console = Paper(terminal=True)
    progress = ConsoleProgress("demo", console)
    with progress.following(0, 1000):
        progress.log(replace(LINE, gate={"front": 0.256}))
    assert "of box pixels count: front 26%" in console.page.getvalue()


def test_the_block_under_the_bar_stays_small() -> None:
    """At 80 columns 44 classifiers took twenty lines."""
    console = Paper(terminal=True)
    console.width = 80
    progress = ConsoleProgress("demo", console)
    with progress.following(0, 1000):
        progress.log(replace(LINE, losses={f"construction/structure number {j}": 1.0 for j in range(44)}))
    last = console.page.getvalue()
    last = last[last.rindex("demo ") :]
    assert "and 39 more" in " ".join(last.split())
    assert last.count("\n") <= 5


def test_a_terminal_stays_blank_until_the_run_begins() -> None:
    console = Paper(terminal=True)
    ConsoleProgress("demo", console)
    assert console.page.getvalue() == ""


def test_a_run_that_breaks_off_gives_the_terminal_back() -> None:
    console = Paper(terminal=True)
    with pytest.raises(KeyboardInterrupt), ConsoleProgress("demo", console).following(0, 10):
        raise KeyboardInterrupt
    hide, show = "\x1b[?25l", "\x1b[?25h"  # the cursor
    assert -1 < console.page.getvalue().rfind(hide) < console.page.getvalue().rfind(show)


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.4, 61, 3600 * 27 + 5)] == ["0:00:00", "0:00:59", "0:01:01", "27:00:05"]
