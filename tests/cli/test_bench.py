"""``labelforge bench``: its options reach the suites, its results reach the terminal and the file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from labelforge.bench import BenchReport
from labelforge.cli.bench import command
from labelforge.errors import ConfigError, LabelforgeError, ShardError

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
