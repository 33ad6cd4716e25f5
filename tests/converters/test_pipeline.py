"""From sources to shards: the same bytes for any workers, resumable, and nothing half-done under a final name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from labelforge.converters import Converter, convert
from labelforge.converters.datasets.cityscapes import Cityscapes
from labelforge.errors import ConfigError, DatasetError, LabelforgeError, ShardError, TaxonomyError
from labelforge.shards import Folder, ShardReader, open_folder
from tests.converters.layouts import (
    DyingCityscapes,
    SlowCityscapes,
    contents,
    label_blocks,
    picture,
    read_shards,
    save,
    write_cityscapes,
)

SECOND = "leftImg8bit/train/aachen/aachen_000003_000019_leftImg8bit.png"  # the second of five in the order of keys
LABEL = "gtFine/train/ulm/ulm_000002_000019_gtFine_labelIds.png"  # the fourth


def run(root: Path, out: Path | str, **options: Any) -> Any:
    options = {"split": "train", "samples_per_shard": 2, **options}
    return convert("cityscapes", root, out, **options)


SHARDS = ["shard-00000", "shard-00001", "shard-00002"]
FILES = sorted(["manifest.json", "report.html", *(f"{s}.{e}" for s in SHARDS for e in ("tar", "index.json"))])


def test_any_number_of_workers_writes_the_same_bytes(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "serial")
    expected = contents(tmp_path / "serial")
    assert list(expected) == FILES
    run(root, tmp_path / "two", workers=2)
    assert contents(tmp_path / "two") == expected
    with ThreadPoolExecutor(3) as pool:
        run(root, tmp_path / "threads", executor=pool)
        assert pool.submit(int).result() == 0  # the caller's executor stays open
    assert contents(tmp_path / "threads") == expected


def test_seven_workers_write_the_same_bytes(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "root", count=9)
    for workers in (1, 7):
        run(tmp_path / "root", tmp_path / f"workers-{workers}", samples_per_shard=1, workers=workers)
    assert contents(tmp_path / "workers-7") == contents(tmp_path / "workers-1")
    assert len(contents(tmp_path / "workers-7")) == 2 * 9 + 2


def test_the_way_of_checking_changes_nothing(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "fast")
    run(root, tmp_path / "decode", check="decode")
    assert contents(tmp_path / "fast") == contents(tmp_path / "decode")
    assert run(root, tmp_path / "fast", check="decode").kept == 3
    with pytest.raises(ConfigError, match=r"check cannot be 'fats'. Did you mean 'fast'"):
        run(root, tmp_path / "fast", check="fats")


def test_progress_counts_samples(root: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    run(root, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 5) for n in range(6)]
    seen.clear()
    (tmp_path / "out" / "shard-00002.index.json").unlink()
    run(root, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 5), (5, 5)]


@pytest.mark.parametrize("workers", [2, 3])
def test_progress_moves_by_sample_with_workers_too(root: Path, tmp_path: Path, workers: int) -> None:
    seen: list[int] = []
    options: dict[str, Any] = {"split": "train", "samples_per_shard": 3, "workers": workers}
    convert(SlowCityscapes, root, tmp_path / "out", **options, progress=lambda done, _: seen.append(done))
    assert seen[0] == 0 and seen[-1] == 5 and seen == sorted(seen)
    assert len(seen) > 3  # two shards alone would be 0, 2 or 3, and 5


def test_finished_shards_stay_and_the_rest_is_made_again(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(root, out).kept == 0
    expected = contents(out)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("shard*")}
    for name in ("manifest.json", "report.html", "shard-00001.index.json"):
        (out / name).unlink()
    os.truncate(out / "shard-00002.tar", 5000)
    (out / ".shard-00001.tar.partial").write_bytes(b"left over")
    assert run(root, out).kept == 1
    assert contents(out) == expected
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("shard*")}
    assert {name for name in after if after[name] == before[name]} == {"shard-00000.tar", "shard-00000.index.json"}
    assert run(root, out).kept == 3


def test_a_conversion_that_was_killed_goes_on(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "from labelforge.converters import convert; from tests.converters.layouts import StuckCityscapes;"
        f"convert(StuckCityscapes, {str(root)!r}, {str(out)!r}, split='train', samples_per_shard=1)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as process:
        deadline = time.monotonic() + 30
        while not list(out.glob(".shard-00002.tar.*.partial")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    finished = ["shard-00000.index.json", "shard-00000.tar", "shard-00001.index.json", "shard-00001.tar"]
    assert [name for name in contents(out) if not name.startswith(".")] == finished
    assert len(list(out.glob(".*.partial"))) == 1
    with pytest.raises(
        ShardError, match=r"holds no manifest\.json: it has no shards, or their conversion did not finish"
    ):
        ShardReader(out)
    assert run(root, out, samples_per_shard=1).kept == 2
    run(root, tmp_path / "fresh", samples_per_shard=1)
    assert contents(out) == contents(tmp_path / "fresh")


def test_a_worker_that_dies_is_a_clear_error(root: Path, tmp_path: Path) -> None:
    with pytest.raises(LabelforgeError, match="a worker process died"):
        convert(DyingCityscapes, root, tmp_path / "out", split="train", samples_per_shard=3, workers=2)
    assert not list(tmp_path.glob("out/*.json"))


def test_sources_that_changed_are_converted_again(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(root, out)
    save(root / SECOND, picture(99))
    assert run(root, out).kept == 2
    assert np.array_equal(read_shards(out)["aachen_000003_000019"][0], picture(99))
    for name in ("leftImg8bit", "gtFine"):
        for path in (root / name).rglob("ulm_000004*"):
            path.unlink()
    assert run(root, out).kept == 2
    assert list(contents(out)) == [name for name in FILES if not name.startswith("shard-00002")]
    run(root, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.parametrize("change", [{"short_side": 8}, {"image_codec": "npy"}, {"samples_per_shard": 3}])
def test_other_options_need_another_folder(root: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    out = tmp_path / "out"
    run(root, out)
    before = contents(out)
    (name, value) = next(iter(change.items()))
    with pytest.raises(
        ConfigError, match=rf"was converted with other options \({name} was .* and is {value!r} now\)"
    ) as caught:
        run(root, out, **change)
    assert caught.value.cure == "Give another folder, or add --overwrite to replace what is there."
    assert contents(out) == before
    (out / "manifest.json").unlink()  # an unfinished conversion is as much in the way
    with pytest.raises(ConfigError, match="was converted with other options"):
        run(root, out, **change)
    run(root, out, **change, overwrite=True)
    run(root, tmp_path / "fresh", **change)
    assert contents(out) == contents(tmp_path / "fresh")


def test_files_of_others_are_not_touched(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(root, out)
    (out / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(
            ShardError, match=r"out: holds files that are not shards: thesis\.tex\. Give a new or empty"
        ):
            run(root, out, overwrite=overwrite)
    assert list(contents(out)) == [*FILES, "thesis.tex"]


def test_a_report_of_something_else_is_not_replaced(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("the quarter's figures")
    for overwrite in (False, True):
        with pytest.raises(
            ShardError, match=r"out: holds files that are not shards: report\.html\. Give a new or empty"
        ):
            run(root, out, overwrite=overwrite)
    assert contents(out) == {"report.html": b"the quarter's figures"}


def test_an_empty_output_name_is_not_the_current_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ShardError, match=r"the name of the shard folder is empty\. Give a name"):
        run(root, "")
    assert not list((tmp_path / "here").iterdir())


def test_tar_files_of_others_are_not_replaced(root: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shard-00000.tar").write_bytes(b"another tool's")
    with pytest.raises(
        ShardError, match=r"holds tar files without an index, perhaps from another program.* --overwrite"
    ):
        run(root, tmp_path / "out")
    assert contents(tmp_path / "out") == {"shard-00000.tar": b"another tool's"}


def test_a_garbled_manifest_needs_overwrite(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(root, out)
    expected = contents(out)
    (out / "manifest.json").write_text("{")
    with pytest.raises(ShardError, match=r"manifest\.json: is not JSON .* --overwrite"):
        run(root, out)
    run(root, out, overwrite=True)
    assert contents(out) == expected


def test_stopping_at_a_broken_sample(root: Path, tmp_path: Path) -> None:
    path = root / LABEL
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DatasetError, match="cut short or broken") as caught:
        run(root, tmp_path / "out")
    assert caught.value.where == str(path)
    assert list(contents(tmp_path / "out")) == ["shard-00000.index.json", "shard-00000.tar"]
    with pytest.raises(DatasetError, match="cut short or broken"):
        run(root, tmp_path / "pool", workers=2)
    assert "manifest.json" not in contents(tmp_path / "pool")
    assert not [name for name in contents(tmp_path / "pool") if name.startswith(".") or "00001" in name]


def test_skipping_broken_samples(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (root / LABEL).unlink()
    save(root / SECOND, picture(3, 10, 30))
    with pytest.raises(DatasetError, match=rf"{LABEL}: sample ulm_000002_000019 needs this file, and it is missing"):
        run(root, out)
    assert not out.exists()  # a missing file is noticed before anything is written
    conversion = run(root, out, on_error="skip")
    skipped = conversion.manifest.totals.skipped
    assert [s.key for s in skipped] == ["aachen_000003_000019", "ulm_000002_000019"]
    assert f"{root / SECOND}: the image is 30x10 pixels, but its label map" in skipped[0].reason
    assert f"{root / LABEL}: this file is missing" in skipped[1].reason
    assert [s.samples for s in conversion.manifest.shards] == [1, 1, 1]
    assert sorted(read_shards(out)) == ["aachen_000001_000019", "ulm_000000_000019", "ulm_000004_000019"]
    report = (out / "report.html").read_text()
    assert "ulm_000002_000019" in report and "this file is missing" in report
    assert conversion.manifest.totals.samples == 3 and conversion.manifest.totals.pixels == 3 * 20 * 30

    # Repaired, the same command takes them in; and what has been skipped is an error again where that is wanted.
    with pytest.raises(DatasetError):
        run(root, out)
    save(root / SECOND, picture(3))
    save(root / LABEL, label_blocks(2, range(34)))
    assert run(root, out).manifest.totals.samples == 5
    run(root, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")


def test_when_every_sample_is_broken(root: Path, tmp_path: Path) -> None:
    for path in (root / "gtFine").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"all 5 samples are broken; the first: .*labelIds\.png: is empty"):
        run(root, tmp_path / "out", on_error="skip")
    assert not (tmp_path / "out").exists()


def test_the_manifest_comes_last(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    create = Folder.create

    @contextmanager
    def spy(self: Folder, name: str) -> Iterator[Any]:
        with create(self, name) as file:
            yield file
        order.append(name)

    monkeypatch.setattr(Folder, "create", spy)
    run(root, tmp_path / "out")
    shards = [name for shard in SHARDS for name in (f"{shard}.tar", f"{shard}.index.json")]
    assert order == [".writing", *shards, "report.html", "manifest.json"]


@pytest.fixture
def memory() -> Iterator[str]:
    yield "memory://converted/train"
    fsspec.filesystem("memory").rm("/converted", recursive=True)


def test_shards_behind_a_url(root: Path, tmp_path: Path, memory: str) -> None:
    run(root, tmp_path / "out")
    run(root, memory)
    folder = open_folder(memory)
    assert {name: bytes(folder.read(name)) for name in folder.names()} == contents(tmp_path / "out")
    folder.remove("shard-00001.index.json")
    assert run(root, memory).kept == 2
    assert len(ShardReader(memory)) == 5


def test_workers_that_write_somewhere_else(root: Path, memory: str) -> None:
    open_folder(memory).write(".keep", b"")
    with pytest.raises(ShardError, match=r"memory://.*: \.writing of this conversion is not here: .* another folder"):
        run(root, memory, workers=2)


def twice(self: Cityscapes, split: str) -> Any:
    return [*ORIGINAL(self, split), ORIGINAL(self, split)[2]]


ORIGINAL: Callable[[Cityscapes, str], Any] = Cityscapes.sources


def test_keys_that_collide(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cityscapes, "sources", twice)
    with pytest.raises(DatasetError, match=r"1 key used twice or empty, such as 'ulm_000000_000019' \(leftImg8bit/.*,"):
        run(root, tmp_path / "out")
    monkeypatch.setattr(Cityscapes, "sources", lambda self, split: [])
    with pytest.raises(DatasetError, match="the split train has no samples"):
        run(root, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short_side": 0}, "short_side is 0"),
        ({"samples_per_shard": 0}, "samples_per_shard is 0"),
        ({"image_codec": "jpg"}, r"image_codec cannot be 'jpg'\. Did you mean 'jpeg'"),
        ({"on_error": "raise"}, r"on_error cannot be 'raise'"),
    ],
)
def test_options_out_of_range(root: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(root, tmp_path / "out", **options)


def test_a_tree_without_a_mapping_for_the_dataset(root: Path, tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_text("name: mine\ntree:\n  scene: [road, sky]\n")
    with pytest.raises(TaxonomyError, match="no mapping for dataset 'cityscapes'"):
        run(root, tmp_path / "out", taxonomy=tmp_path)


class Sets(Cityscapes):
    """Draws id 100 where the label is 7 or 8, as if they overlapped there."""

    def sets(self, split: str) -> dict[int, frozenset[int]]:
        return {100: frozenset({7, 8})}


def test_sets_of_labels_get_rows_of_their_own(tmp_path: Path) -> None:
    name = "aachen_000000_000019"
    save(tmp_path / f"root/leftImg8bit/val/aachen/{name}_leftImg8bit.png", picture(0))
    ids = np.full((20, 30), 7, dtype=np.uint8)
    ids[:5] = 100
    save(tmp_path / f"root/gtFine/val/aachen/{name}_gtFine_labelIds.png", ids)
    convert(Sets, tmp_path / "root", tmp_path / "out", split="val")
    reader = ShardReader(tmp_path / "out")
    last = reader.mapping.rows[-1]
    road, sidewalk = (reader.mapping.rows[reader.mapping.row_of[i]].target.leaves for i in (7, 8))
    assert (last.native_id, last.target.leaves) == (None, road | sidewalk)
    assert (reader[0].local_rows == np.where(ids == 100, last.row, reader.mapping.row_of[7])).all()
    assert reader.manifest.labels[-1].pixels == 150


def test_the_report_needs_no_network(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "out")
    report = (tmp_path / "out" / "report.html").read_text()
    assert "http" not in report.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert report.count("data:image/") == 8  # four samples, image and labels each
    assert "driveable except parking" in report and "no part of the scene" in report
    assert json.dumps(str(root))[1:-1] not in report  # the same bytes wherever the dataset lies


def test_a_converter_class_will_do_for_its_name(root: Path, tmp_path: Path) -> None:
    kind: type[Converter] = Cityscapes
    convert(kind, root, tmp_path / "class", split="train", samples_per_shard=2)
    run(root, tmp_path / "name")
    assert contents(tmp_path / "class") == contents(tmp_path / "name")
