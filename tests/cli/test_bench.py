"""``labelforge bench``: its options reach the suites, its results reach the terminal and the file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from labelforge.bench import BenchReport, compare_reports, comparison_markdown, read_report, report_markdown
from labelforge.cli.bench import command
from labelforge.errors import ConfigError, LabelforgeError, ShardError
from tests.bench import made_up

SMALL = ["--device", "cpu", "--repeats", "2", "--threads", "1", "--size", "33x48", "--batch", "1"]


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def test_one_suite_is_measured_printed_and_written(tmp_path: Path) -> None:
    file = tmp_path / "loss.json"
    result = bench("loss", *SMALL, "--json", str(file))
    assert result.exit_code == 0, result.output
    (suite,) = BenchReport.model_validate_json(file.read_text()).suites
    assert suite.suite == "loss"
    assert suite.races[0].amount == pytest.approx(33 * 48 / 1e6)
    assert "hierarchical loss" in result.stdout
    assert " ".join(suite.finding.split()) in " ".join(result.stdout.split())


def test_json_on_the_terminal_is_alone() -> None:
    result = bench("loss", *SMALL, "--json", "-")
    assert result.exit_code == 0, result.output
    assert BenchReport.model_validate_json(result.stdout).device == "cpu"


def test_suites_run_once_each_in_their_own_order() -> None:
    result = bench("infer", "loss", "infer", *SMALL, "--backbone", "resnet18", "--precision", "bfloat16")
    assert result.exit_code == 0, result.output
    heads = [line.split(":")[0] for line in result.stdout.splitlines() if line.startswith(("loss:", "infer:"))]
    assert heads == ["loss", "infer"]
    assert "1 x 33x48 images, resnet18 at stride 8, bfloat16" in result.stdout


def stored(file: Path, ours: float, **machine: object) -> str:
    """A report whose one contestant besides the rival takes so many seconds."""
    suite = made_up.suite(made_up.race({"ours": [ours] * 12, "rival": [1.0] * 12}))
    report = made_up.report(suite, machine=made_up.MACHINE.model_copy(update=machine))
    file.write_text(report.model_dump_json())
    return str(file)


def test_stored_reports_are_compared_and_slower_is_exit_code_1(tmp_path: Path) -> None:
    fast, slow = stored(tmp_path / "fast.json", 2.0), stored(tmp_path / "slow.json", 3.0)
    for old, new, code, verdict in ((fast, slow, 1, "slower"), (slow, fast, 0, "faster"), (fast, fast, 0, "same")):
        result = bench("--compare", old, "--from", new)
        assert result.exit_code == code, result.output
        (line,) = [line.split() for line in result.stdout.splitlines() if line.startswith("ours") and "(" not in line]
        assert line[-1] == verdict


def test_stored_reports_are_shown_as_markdown_and_written_again(tmp_path: Path) -> None:
    file = stored(tmp_path / "one.json", 2.0)
    result = bench("--from", file, "--markdown", "--compare", file, "--json", str(tmp_path / "two.json"))
    report = read_report(file)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(report_markdown(report))
    assert comparison_markdown(compare_reports(report, report, file)) in result.stdout
    assert read_report(tmp_path / "two.json") == report


def test_json_on_the_terminal_is_alone_beside_a_comparison(tmp_path: Path) -> None:
    old, new = stored(tmp_path / "old.json", 2.0), stored(tmp_path / "new.json", 3.0)
    for style in ([], ["--markdown"]):
        result = bench("--compare", old, "--from", new, "--json", "-", *style)
        assert result.exit_code == 1
        assert BenchReport.model_validate_json(result.stdout) == read_report(new)
        assert "slower" in result.stderr


def test_a_run_is_compared_with_a_stored_one_and_its_results_are_kept(tmp_path: Path) -> None:
    """Also where nothing can be compared: what was measured is written first."""
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    assert bench("loss", *SMALL, "--json", str(first)).exit_code == 0
    result = bench("loss", *SMALL, "--markdown", "--compare", str(first))
    assert result.exit_code == 0, result.output  # two turns are too few for a verdict
    assert "| hierarchical loss |" in result.stdout
    assert "Nothing could be judged" in result.stdout
    result = bench("loss", *SMALL[:-2], "--batch", "2", "--compare", str(first), "--json", str(second))
    assert isinstance(result.exception, ConfigError)
    assert "first.json: has no contestant in common with the new results" in str(result.exception)
    assert read_report(second).suites[0].races[0].amount == pytest.approx(2 * 33 * 48 / 1e6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["loss", "--from", "FILE"], "SUITE is of no use with --from"),
        (["--from", "FILE", "--device", "auto"], "--device is of no use with --from"),
        (["--full", "--from", "FILE"], "--full is of no use with --from"),
        (["--compare", "missing.json"], "missing.json: cannot be read"),
        (["--from", "missing.json"], "missing.json: cannot be read"),
    ],
)
def test_faults_of_stored_reports_are_found_before_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr("labelforge.bench.run_bench", None)
    file = stored(tmp_path / "report.json", 1.0)
    result = bench(*(file if argument == "FILE" else argument for argument in arguments))
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["infr"], ConfigError, "unknown suite 'infr'. Did you mean 'infer'?"),
        (["loss", "--size", "520,706"], ConfigError, "--size '520,706' is not of the form HxW. Write 520x706"),
        (["loss", "--size", "0x706"], ConfigError, "--size '0x706'"),
        (["loader", "--shards", "no/such/folder"], ShardError, "no/such/folder"),
        (["loss", "--device", "gpu"], ConfigError, "unknown device 'gpu'"),
    ],
)
def test_faults_are_one_clear_error(arguments: list[str], error: type[LabelforgeError], message: str) -> None:
    result = bench(*arguments)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    result = bench("--device", "cuda", "--json", str(file))
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception) == "device: cuda is not on this machine (0 CUDA devices found). Use auto or cpu."
    assert not file.exists()
