"""Lines about the demo's stages where there is no terminal, and work in processes."""

from __future__ import annotations

import time
from functools import partial

import pytest
from rich.console import Console

from labelforge.demo.processes import Tell, side_by_side
from labelforge.demo.progress import Lines, follow
from labelforge.errors import LabelforgeError


def lines(console: Console) -> list[str]:
    return [line.strip() for line in console.export_text().splitlines()]


def test_a_line_now_and_then_and_one_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    console = Console(width=80, record=True, quiet=False)
    bars = Lines(console, every=10)
    task = bars.add_task("work", total=50)
    for step in range(1, 51):
        now += 0.9
        bars.update(task, completed=step, note=f"loss {step}")
    bars.update(task, completed=50)
    found = lines(console)
    assert [line.split("  ")[1] for line in found] == ["12/50", "24/50", "36/50", "48/50", "50/50"]
    assert [line.split("  ")[2] for line in found] == [f"loss {n}" for n in (12, 24, 36, 48, 50)]


def test_bars_only_on_a_terminal() -> None:
    assert isinstance(follow(Console(force_terminal=False)), Lines)
    assert not isinstance(follow(Console(force_terminal=True)), Lines)


def count_to(number: int, tell: Tell) -> int:
    for done in range(1, number + 1):
        tell(f"to {number}", done, number, "")
    return number * number


def fail(_: Tell) -> int:
    raise LabelforgeError("no", cure="Try again.")


def test_jobs_return_by_name_and_tell() -> None:
    console = Console(width=80, record=True)
    assert side_by_side({"a": partial(count_to, 3), "b": partial(count_to, 5)}, console) == {"a": 9, "b": 25}
    assert sorted(line.split("  ")[:2] for line in lines(console)) == [["to 3", "3/3"], ["to 5", "5/5"]]
    with pytest.raises(LabelforgeError, match="no"):
        side_by_side({"a": fail}, console)
