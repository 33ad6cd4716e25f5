"""Conversions on a Dask cluster: a real scheduler and two worker processes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from labelforge.cli import cli
from labelforge.converters import convert
from labelforge.converters.engine import dask_cluster
from labelforge.errors import ConfigError, DatasetError, LabelforgeError
from tests.converters.layouts import DyingCityscapes, SlowCityscapes, contents
from tests.converters.running import interrupted
from tests.servers import dask_cluster as cluster

HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster() as found:
        yield found


def run(root: Path, out: Path | str, **options: Any) -> Any:
    return convert("cityscapes", root, out, **{"split": "train", "samples_per_shard": 2, **options})


def test_the_same_bytes_as_in_one_process(
    root: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(root, tmp_path / "serial")
    monkeypatch.chdir(tmp_path)  # workers are elsewhere
    seen: list[tuple[int, int]] = []
    run("root", "out", dask=address, progress=lambda done, total: seen.append((done, total)))  # type: ignore[arg-type]
    assert contents(tmp_path / "out") == contents(tmp_path / "serial")
    assert seen[0] == (0, 5) and seen[-1] == (5, 5) and seen == sorted(seen)
    assert run("root", "out", dask=address).kept == 3  # type: ignore[arg-type]


def test_the_command(root: Path, tmp_path: Path, address: str) -> None:
    arguments = ["convert", "cityscapes", str(root), str(tmp_path / "out"), "--dask", address]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "5 samples in 1 shard" in result.stdout
    with pytest.raises(ConfigError, match="--workers is of no use with --dask"):
        CliRunner().invoke(cli, [*arguments, "--workers", "2"], catch_exceptions=False)


def test_progress_moves_by_sample(root: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    options: dict[str, Any] = {"split": "train", "samples_per_shard": 5, "dask": address}
    convert(SlowCityscapes, root, tmp_path / "out", **options, progress=lambda done, _: seen.append(done))
    assert seen[0] == 0 and seen[-1] == 5 and len(seen) > 2


def test_a_broken_sample_is_named(root: Path, tmp_path: Path, address: str) -> None:
    path = root / "gtFine/train/ulm/ulm_000002_000019_gtFine_labelIds.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DatasetError, match="cut short or broken") as caught:
        run(root, tmp_path / "out", dask=address)
    assert caught.value.where == str(path)
    assert not list(tmp_path.glob("out/manifest.json"))
    with pytest.raises(DatasetError, match="cut short or broken"):
        run(root, tmp_path / "new" / "out", dask=address, samples_per_shard=5)
    assert not (tmp_path / "new").exists()


def test_workers_that_do_not_see_the_output(root: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "_SEEN_AFTER", (0.0, 0.1))
    with pytest.raises(ConfigError, match=r"memory://nowhere: 2 workers of 2 cannot see this output folder: tcp://.*"):
        run(root, "memory://nowhere", dask=address)


def test_workers_that_do_not_see_the_dataset(
    root: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = dask_cluster._look
    monkeypatch.setattr(dask_cluster, "_look", lambda url, _, token: look(url, "/not/here", token))
    with pytest.raises(ConfigError, match=r"root: 2 workers of 2 cannot see this dataset: tcp://.* same path"):
        run(root, tmp_path / "out", dask=address)


def test_workers_with_other_packages(root: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "_packages", lambda: "labelforge 0.1 with zlib")
    with pytest.raises(ConfigError, match=r"tcp://.*: this worker has labelforge .*, and here is labelforge 0\.1 with"):
        run(root, tmp_path / "out", dask=address)


def test_a_worker_that_dies_is_a_clear_error(root: Path, tmp_path: Path, address: str) -> None:
    with pytest.raises(LabelforgeError, match=r"tcp://.*: a shard ended several workers in turn"):
        convert(DyingCityscapes, root, tmp_path / "out", split="train", samples_per_shard=3, dask=address)
    assert not list(tmp_path.glob("out/*.json"))


def test_an_interrupt_keeps_finished_shards(root: Path, tmp_path: Path, address: str) -> None:
    out = tmp_path / "out"
    paths = f"{str(root)!r}, {str(out)!r}"
    code = (
        "from labelforge.converters import convert; from tests.converters.layouts import SlowCityscapes\n"
        f"try: convert(SlowCityscapes, {paths}, split='train', samples_per_shard=1, dask={address!r})\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    assert interrupted(code, lambda: [*out.glob("shard*.json")]) == ("interrupted", "", 0)
    assert not (out / "manifest.json").exists() and not (out / ".writing").exists()
    conversion = convert("cityscapes", root, out, split="train", samples_per_shard=1, dask=address)
    assert conversion.kept >= 1
    convert("cityscapes", root, tmp_path / "fresh", split="train", samples_per_shard=1)
    assert contents(out) == contents(tmp_path / "fresh")


def test_no_scheduler(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_cluster, "ANSWERED_WITHIN", 0.5)
    with pytest.raises(ConfigError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers here \(Timed out"):
        run(root, tmp_path / "out", dask="tcp://127.0.0.1:9")
    with pytest.raises(ConfigError, match="no Dask scheduler answers here"):
        run(root, tmp_path / "out", dask="nonsense://x")
    assert not (tmp_path / "out").exists()


def test_no_workers(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "WORKERS_WITHIN", 0.3)
    with cluster(workers=0) as empty, pytest.raises(ConfigError, match=r"tcp://.*: has no workers\. Start some: dask"):
        run(root, tmp_path / "out", dask=empty)


def test_all_workers_are_gone_for_long() -> None:
    class Cluster:
        threads: ClassVar[dict[str, int]] = {"tcp://a": 2, "tcp://b": 1}

        def nthreads(self) -> dict[str, int]:
            return self.threads

    times = iter([0.0, 1.0, 3.0, 30.0, 59.0, 62.0, 65.0])
    at_once = dask_cluster._Threads(Cluster(), "tcp://scheduler", clock=lambda: next(times))
    assert at_once() == 6
    Cluster.threads = {}
    assert [at_once() for _ in range(3)] == [1, 1, 1]  # others may come
    with pytest.raises(LabelforgeError, match="tcp://scheduler: all workers are gone, for 60 seconds now"):
        at_once()
    Cluster.threads = {"tcp://c": 4}
    assert at_once() == 8


def test_dask_is_not_installed(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"--dask needs the package distributed\. Install labelforge\[dask\]\."):
        run(root, tmp_path / "out", dask="tcp://127.0.0.1:9")


def test_what_closing_breaks_off_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tornado.application")
    with dask_cluster._without_what_closing_breaks_off():
        log.error("Exception in callback %r", "<Future exception=CommClosedError('Stream is closed')>")
        log.error("Exception in callback of another kind")
    log.error("CommClosedError later")
    assert [record.getMessage() for record in caplog.records] == [
        "Exception in callback of another kind",
        "CommClosedError later",
    ]
