"""What a person sees of a run, in a terminal and in a log file."""

from __future__ import annotations

import io
from dataclasses import replace

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


def shown(terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=110, color_system=None, legacy_windows=False)
    progress = ConsoleProgress("demo", console)
    progress.begin(0, 1000)
    progress.say("going on")
    progress.advance(40)
    progress.log(LINE)
    progress.end()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_file_gets_one_plain_line_per_log_line() -> None:
    assert shown(terminal=False) == (
        "demo: going on\n"
        "demo 40/1000  loss 1.500: scene 1.250, traffic sign/front 2.500  lr 0.01  12.3 images/s  data wait 25%  "
        "left 0:32:00\n"
    )


def test_brackets_in_names_are_shown() -> None:
    console = Console(file=io.StringIO(), width=110, color_system=None)
    ConsoleProgress("demo", console).log(replace(LINE, losses={"scene": 1.25, "[/void]": 2.5}))
    assert isinstance(console.file, io.StringIO)
    assert "scene 1.250, [/void] 2.500" in console.file.getvalue()


def test_a_terminal_gets_a_bar_with_the_loss_of_every_classifier() -> None:
    text = shown(terminal=True)
    last = text[text.rindex("demo ") :]
    assert "40/1000" in last
    assert "12.3 images/s, 25% waiting for data" in last
    assert "loss 1.500: scene 1.250, traffic sign/front 2.500" in last
    assert "going on" in text


def test_a_run_that_never_began_ends_quietly() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    ConsoleProgress("demo", console).end()
    assert isinstance(console.file, io.StringIO)
    assert "demo" not in console.file.getvalue()


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.4, 61, 3600 * 27 + 5)] == ["0:00:00", "0:00:59", "0:01:01", "27:00:05"]
