"""Two reports beside each other: what is judged, by what, and when it counts as slower."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelforge.bench import BenchReport, Comparison, compare_reports, read_report
from labelforge.bench.comparison import Change, judge
from labelforge.bench.results import Machine, PaperLine
from labelforge.errors import ConfigError
from tests.bench import made_up
from tests.bench.made_up import MACHINE

RIVAL = [1.0] * 12


def compared(old: BenchReport, new: BenchReport) -> Comparison:
    return compare_reports(old, new, "old.json")


def change(old: list[float], new: list[float], rival: tuple[list[float], list[float]], **machine: object) -> Change:
    """What became of one contestant; the machine of the new run differs in some facts."""
    reports = [
        made_up.report(made_up.suite(made_up.race({"ours": own, "rival": other})))
        for own, other in zip((old, new), rival, strict=True)
    ]
    altered = reports[1].model_copy(update={"machine": MACHINE.model_copy(update=machine)})
    return compared(reports[0], altered).races[0].changes[0]


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        # Quartiles of 10 to 21 are 12.75 and 18.25; of 20 to 31, 22.75 and 28.25: 22.75 > 18.25.
        (range(10, 22), range(20, 32), "slower"),
        (range(20, 32), range(10, 22), "faster"),
        (range(10, 22), range(15, 27), "same"),  # 17.75 < 18.25: the spreads overlap
        (range(10, 22), range(16, 28), "slower"),  # 18.75 > 18.25
        ([100.0] * 12, [105.0] * 12, "same"),  # apart, but by no more than 5 %
        ([100.0] * 12, [105.1] * 12, "slower"),
        ([105.1] * 12, [100.0] * 12, "faster"),
        # Of few turns all must be beyond all: quartiles would be 2 and 4, and 5 and 7.
        ([1, 2, 3, 4, 5.5], [5, 6, 6, 7, 8], "same"),
        ([1, 2, 3, 4, 4.5], [5, 6, 6, 7, 8], "slower"),
        ([1, 1, 1], [9, 9, 9], "not judged"),
        ([1] * 25, [9] * 3, "not judged"),
    ],
)
def test_slower_is_beyond_the_spread_and_by_more_than_5_percent(old: Any, new: Any, verdict: str) -> None:
    assert judge(list(old), list(new)) == verdict


@pytest.mark.parametrize("turns", [4, 5, 9, 10, 25])
def test_chance_makes_no_more_than_two_in_a_hundred_slower(turns: int) -> None:
    """Whatever the distribution: here one with a long tail, as times have, wide enough for the 5 % to mean nothing."""
    rng = np.random.default_rng(0)
    verdicts = [judge(*rng.pareto(1.0, (2, turns)).tolist()) for _ in range(4000)]
    assert verdicts.count("slower") / len(verdicts) < 0.023
    assert verdicts.count("faster") / len(verdicts) < 0.023


def test_times_count_on_one_idle_machine() -> None:
    """Everything takes twice as long, the rival too."""
    found = change([2.0] * 12, [4.0] * 12, (RIVAL, [2.0] * 12))
    assert (found.old, found.new, found.time, found.ratio, found.verdict) == (2, 4, 2, 1, "slower")


@pytest.mark.parametrize(
    "machine",
    [{"load": 3.0}, {"cpu": "Another"}, {"threads": 1}, {"cores": 8}, {"system": "Linux aarch64"}],
)
def test_ratios_count_on_other_machines_and_busy_ones(machine: dict[str, object]) -> None:
    assert change([2.0] * 12, [4.0] * 12, (RIVAL, [2.0] * 12), **machine).verdict == "same"
    found = change([2.0] * 12, [2.0] * 12, (RIVAL, [0.5] * 12), **machine)
    assert (found.time, found.ratio, found.verdict) == (1, 2, "slower")


def test_a_ratio_is_of_turns_in_which_the_machine_was_the_same() -> None:
    """A machine that slows down within a run leaves the times no verdict, but the ratios."""
    slowing = np.arange(1.0, 13.0)
    found = change([*slowing], [*(3 * slowing)], ([*slowing], [*(2 * slowing)]), load=9.0)
    assert (found.ratio, found.verdict) == (1.5, "slower")


def test_a_rival_is_not_judged_by_its_ratio_to_itself() -> None:
    old = made_up.report(made_up.suite(made_up.race({"ours": [2.0] * 12, "rival": RIVAL})))
    new = made_up.report(made_up.suite(made_up.race({"ours": [2.0] * 12, "rival": [9.0] * 12})))
    by_times = compared(old, new).races[0].changes[1]
    assert (by_times.name, by_times.ratio, by_times.verdict) == ("rival", None, "slower")
    busy = new.model_copy(update={"machine": MACHINE.model_copy(update={"load": 9.0})})
    assert compared(old, busy).races[0].changes[1].verdict == "not judged"


def test_another_rival_leaves_no_ratio() -> None:
    old = made_up.report(made_up.suite(made_up.race({"ours": [2.0] * 12, "rival": RIVAL})))
    new = made_up.report(made_up.suite(made_up.race({"rival": RIVAL, "ours": [2.0] * 12})))
    (race,) = compared(old, new).races
    assert race.rival is None
    assert [(change.ratio, change.verdict) for change in race.changes] == [(None, "same")] * 2


def test_another_clock_leaves_no_verdict() -> None:
    old = made_up.report(made_up.suite(made_up.race({"ours": [2.0] * 12, "rival": RIVAL})))
    new = made_up.report(made_up.suite(made_up.race({"ours": [9.0] * 12, "rival": RIVAL}, clock="CUDA events")))
    comparison = compared(old, new)
    assert [change.verdict for change in comparison.races[0].changes] == ["not judged"] * 2
    assert "clock: CUDA events, was host" in comparison.differences


def test_between_a_cpu_and_a_gpu_nothing_is_judged() -> None:
    found = change([2.0] * 12, [9.0] * 12, (RIVAL, RIVAL), gpu=made_up.GPU)
    assert (found.time, found.verdict) == (4.5, "not judged")


def test_what_differs_is_said() -> None:
    one = made_up.report(made_up.suite(made_up.race({"ours": RIVAL, "rival": RIVAL})))
    machine: Machine = MACHINE.model_copy(update={"cpu": "B", "threads": 4, "torch": "2.14.0", "gpu": made_up.GPU})
    other = one.model_copy(update={"machine": machine, "labelforge": "0.3.0"})
    assert compared(one, one).differences == ()
    assert compared(one, other).differences == (
        "CPU: B, was A Processor",
        "threads: 4, was 2",
        "GPU: A GPU, was none",
        "labelforge: 0.3.0, was 0.2.0",
        "torch: 2.14.0, was 2.13.0",
        "driver: 555.1, was none",
        "CUDA: 13.0, was none",
    )


def test_only_the_same_work_is_compared() -> None:
    seconds = {"ours": RIVAL, "rival": RIVAL}
    kept, gone, new = (made_up.race(seconds, title=title) for title in ("kept", "gone", "new"))
    changed = made_up.race({"ours": RIVAL, "theirs": RIVAL, "rival": RIVAL}, title="kept")
    small = made_up.suite(kept, name="infer", work="1 x 33x48 images")
    large = made_up.suite(kept, name="infer", work="1 x 520x706 images")
    old = made_up.report(made_up.suite(kept, gone), large)
    now = made_up.report(made_up.suite(changed, new, work="some work, 27.0 MiB"), small)  # bytes alone may differ
    comparison = compared(old, now)
    assert [race.title for race in comparison.races] == ["loss: kept"]
    assert [change.name for change in comparison.races[0].changes] == ["ours", "rival"]
    assert comparison.skipped == (
        "loss: kept: theirs is only in one report",
        "loss: new: not in the old report",
        "infer: kept: the old report's work is another one "
        "(1 x 520x706 images, 1 frames; now 1 x 33x48 images, 1 frames)",
        "loss: gone: not in the new report",
    )


def test_the_papers_figure_is_compared_too() -> None:
    def report(seconds: float) -> BenchReport:
        entry = made_up.entry("ours", [seconds] * 5, [seconds] * 5)
        line = PaperLine(height=520, width=706, classes=108, stated=17, entry=entry, text="The paper.")
        return made_up.report(made_up.suite(made_up.race({"ours": RIVAL}), name="infer", paper=line))

    _, paper = compared(report(0.2), report(0.4)).races
    assert paper.title == "infer: 520x706 with 108 classes"
    assert [(change.name, change.time, change.verdict) for change in paper.changes] == [("ours", 2, "slower")]


@pytest.mark.parametrize(
    "other",
    [
        made_up.suite(made_up.race({"ours": RIVAL}), name="infer"),
        made_up.suite(made_up.race({"ours": RIVAL}), work="other work"),
        made_up.suite(made_up.race({"theirs": RIVAL})),
    ],
)
def test_reports_without_a_common_contestant_cannot_be_compared(other: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"^old.json: has no contestant in common with the new results\. loss: a race: "
    ):
        compared(made_up.report(other), made_up.report(made_up.suite(made_up.race({"ours": RIVAL}))))


def written(folder: Path, **changes: object) -> Path:
    report = made_up.report(made_up.suite(made_up.race({"ours": RIVAL, "rival": RIVAL})), ceilings=made_up.CEILINGS)
    file = folder / "report.json"
    file.write_text(json.dumps(report.model_dump(mode="json") | changes))
    return file


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = read_report(written(tmp_path))
    assert report.ceilings == made_up.CEILINGS
    assert report.version == 2


def test_a_report_of_the_first_version_is_read(tmp_path: Path) -> None:
    file = written(tmp_path, version=1)
    data = json.loads(file.read_text())
    del data["ceilings"], data["suites"][0]["races"][0]["clock"]
    for entry in data["suites"][0]["races"][0]["entries"]:
        del entry["bytes"], entry["flops"]
    file.write_text(json.dumps(data))
    report = read_report(file)
    assert (report.version, report.ceilings, report.suites[0].races[0].clock) == (1, None, "host")


BROKEN: list[tuple[bytes, str]] = [
    (b"{", "is not JSON"),
    (b"\xff\xfe", "is not JSON"),
    (b"[" * 100_000, "is not JSON"),
    (b"[]", "is no report of a benchmark"),
    (b'{"version": 1}', "is no report of a benchmark"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN)
def test_other_files_are_no_reports(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "other.json"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"other.json: {message}.*--json has written"):
        read_report(file)


def test_a_missing_file_and_a_folder_are_no_reports(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(ConfigError, match=f"{path.name}: cannot be read"):
            read_report(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"version": 3},
            r"is a report of version 3; this labelforge reads 1, 2\. Use the labelforge that wrote it \(0\.2",
        ),
        ({"suites": [{}]}, r"is a broken report: suites\.0\.suite: Field required"),
        ({"ceilings": {"bytes_per_second": 0, "flops_per_second": 1}}, r"ceilings\.bytes_per_second"),
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
    ],
)
def test_reports_of_other_versions_and_broken_ones_are_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_report(written(tmp_path, **changes))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("seconds", [0.0] * 12, "greater than 0"),
        ("seconds", [float("nan")] * 12, "greater than 0|finite"),
        ("seconds", [1.0] * 11, "same number of turns"),
        ("name", "rival", "a name of its own"),
        ("name", "x", None),
    ],
)
def test_races_hang_together(tmp_path: Path, place: str, value: object, message: str | None) -> None:
    file = written(tmp_path)
    data = json.loads(file.read_text())
    data["suites"][0]["races"][0]["entries"][0][place] = value
    file.write_text(json.dumps(data))
    if message is None:
        read_report(file)
    else:
        with pytest.raises(ConfigError, match=message):
            read_report(file)
