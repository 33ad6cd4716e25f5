"""The suites: that rivals do the same work, that results hang together, that they can be read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from labelforge.bench import SUITES, BenchConfig, BenchReport, render, run_bench, runner
from labelforge.bench import convert as convert_suite
from labelforge.bench.cells import race_cells
from labelforge.bench.config import Scale, scale_of
from labelforge.bench.convert import copy_frames, write_synthetic_frames
from labelforge.bench.decide import best_class_upsampled
from labelforge.bench.infer import NetworkPair, further_work
from labelforge.bench.loader import crop_of, read_loose, read_sample, write_synthetic_shards
from labelforge.bench.loader_rivals import copy_as, copy_to_files, installed_rivals, one_crop
from labelforge.bench.loss import stored_losses
from labelforge.bench.meter import Meter, Plan
from labelforge.bench.workload import IGNORED, PaperProblem, random_images
from labelforge.converters import convert
from labelforge.errors import ConfigError, DatasetError, ShardError
from labelforge.shards import IMAGE_SUFFIXES, ShardReader
from labelforge.shards.codec import ImageSuffix
from labelforge.targets import SET
from labelforge.trainer.config import DataConfig, ModelConfig
from labelforge.trainer.data.augment import cut, draw_view
from tests.trainer import tiny

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


@pytest.fixture(scope="module")
def report() -> BenchReport:
    """All suites, as small as they get."""
    config = BenchConfig(device="cpu", size=(33, 48), batch=2, backbone="resnet18", repeats=2, threads=1)
    return run_bench(config)


def test_every_number_has_a_rival_of_the_same_turns(report: BenchReport) -> None:
    assert tuple(suite.suite for suite in report.suites) == SUITES
    for suite in report.suites:
        for race in suite.races:
            assert len(race.entries) >= 2
            assert race.rival in [entry.name for entry in race.entries]
            assert {len(entry.seconds) for entry in race.entries} == {2}


def test_what_is_derived_follows_from_the_samples(report: BenchReport) -> None:
    for race in (race for suite in report.suites for race in suite.races):
        rival = np.array(race.entry(race.rival).seconds)
        for entry in race.entries:
            seconds = np.array(entry.seconds)
            assert entry.quartiles == pytest.approx(tuple(np.percentile(seconds, [25, 50, 75])))
            assert entry.rate == pytest.approx(race.amount / np.median(seconds))
            assert entry.ratio.turns == pytest.approx(tuple(np.percentile(seconds / rival, [25, 50, 75])))
            assert entry.ratio.of_medians == pytest.approx(np.median(seconds) / np.median(rival))


def test_the_json_fits_its_schema_and_reads_back(report: BenchReport) -> None:
    text = report.model_dump_json()
    jsonschema.validate(json.loads(text), BenchReport.model_json_schema(mode="serialization"))
    assert BenchReport.model_validate_json(text) == report


def test_the_text_fits_80_columns_and_loses_nothing(report: BenchReport) -> None:
    text = drawn(report)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for suite in report.suites:
        for race in suite.races:
            for entry in race.entries:
                assert entry.name in text
                assert all(cell.strip() in text for cell in race_cells(race, entry))
    assert "as asked for" in text
    assert "17 frames/s" in " ".join(text.split())


@pytest.mark.parametrize(("load", "warned"), [(None, False), (0.9, False), (1.1, True)])
def test_a_busy_machine_is_named_as_such(report: BenchReport, load: float | None, warned: bool) -> None:
    machine = report.machine.model_copy(update={"load": load, "cores": 2})
    assert ("Others use this machine" in drawn(report.model_copy(update={"machine": machine}))) == warned


def test_the_paper_is_only_compared_with_its_own_network(report: BenchReport) -> None:
    line = next(suite.paper for suite in report.suites if suite.paper is not None)
    assert (line.height, line.width, line.classes, line.stated) == (520, 706, 108, 17)
    assert line.entry is None
    assert "not measured with resnet18" in line.text


def test_the_device_is_measured_where_a_suite_computes_on_it(report: BenchReport) -> None:
    assert report.ceilings is not None
    training = next(suite for suite in report.suites if suite.suite == "train").races[0]
    for entry in training.entries:
        assert entry.flops is not None  # the same backbone on the same images: all but the heads are alike
        assert entry.flops == pytest.approx(training.entry(training.rival).flops, rel=0.05)


def test_suites_of_the_host_need_no_ceilings() -> None:
    assert run_bench(BenchConfig(suites=("convert",), size=(8, 8), batch=1, repeats=1)).ceilings is None


@pytest.mark.parametrize("suite", ["loader", "convert"])
def test_suites_of_the_host_are_timed_on_the_host(suite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the other suites are measured on a GPU; and they have the size that suits the host."""
    seen: list[tuple[Scale, torch.device]] = []

    def stop(scale: Scale, meter: Meter) -> Any:
        seen.append((scale, meter.device))
        raise KeyboardInterrupt

    monkeypatch.setattr("labelforge.bench.runner.resolve_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr("labelforge.bench.runner.describe_machine", lambda _: None)
    monkeypatch.setitem(runner._SUITES, suite, stop)
    with pytest.raises(KeyboardInterrupt):
        run_bench(BenchConfig(suites=(suite,)))
    assert seen == [(scale_of(suite, BenchConfig(), CPU), CPU)]


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    said: list[int] = []
    config = BenchConfig(suites=("loss",), size=(8, 8), repeats=1, threads=before + 1, device="cpu")
    report = run_bench(config, say=lambda _: said.append(torch.get_num_threads()))
    assert {report.machine.threads, *said} == {before + 1}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("suite", SUITES)
def test_a_cpu_gets_a_small_size_and_is_told_so(suite: Any) -> None:
    full = scale_of(suite, BenchConfig(full=True), CPU)
    assert full.shrunk is None
    small = scale_of(suite, BenchConfig(), CPU)
    assert small.batch * small.size[0] * small.size[1] < full.batch * full.size[0] * full.size[1]
    assert small.shrunk is not None
    assert f"{full.batch} x {full.size[0]}x{full.size[1]}" in small.shrunk
    assert "--full" in small.shrunk


def test_a_gpu_gets_the_full_size_and_for_the_loss_twice_the_papers_batch() -> None:
    for suite in SUITES:
        on_gpu, on_cpu = (scale_of(suite, BenchConfig(full=True), device) for device in (CUDA, CPU))
        assert scale_of(suite, BenchConfig(), CUDA) == on_gpu
        assert (on_gpu.text, on_cpu.text) == ("8 x 512x706", "4 x 512x706") or (suite != "loss" and on_gpu == on_cpu)
    assert scale_of("loss", BenchConfig(), CUDA).shrunk is None
    shrunk = scale_of("loss", BenchConfig(batch=2), CUDA).shrunk
    assert shrunk == "2 x 512x706 images instead of 8 x 512x706, as asked for."


def test_on_a_gpu_networks_run_at_two_strides_one_image_and_many_at_a_time() -> None:
    assert further_work(8, 1) == [(8, 16), (16, 1), (16, 16)]
    assert further_work(8, 16) == [(16, 16)]
    assert further_work(16, 2) == [(16, 16)]


def test_networks_of_another_stride_and_batch_do_the_same_work() -> None:
    """As a GPU is asked to, in small: what is made ready answers as what is trained, and does as many operations."""
    problem, model = PaperProblem(CPU), ModelConfig(backbone="resnet18", output_stride=16)
    meter = Meter(CPU, "float32", Plan(2, 2), lambda _: None)
    torch.manual_seed(0)
    pair = NetworkPair(problem, model, meter)
    torch.manual_seed(0)
    network = problem.network(model, flat=False).eval()
    images = random_images(2, (33, 48))
    with torch.inference_mode():
        coarse = pair.race("coarse", 3, (33, 48), as_trained=True)
        fine = NetworkPair(problem, ModelConfig(backbone="resnet18"), meter).race("fine", 1, (33, 48))
        differ = pair.segment(images) != problem.decide(network(images), (33, 48))
    assert differ.float().mean() < 1e-3
    assert [entry.name for entry in fine.entries] == ["hierarchical network", "flat network"]
    assert [entry.name for entry in coarse.entries] == ["hierarchical network", "flat network", "network as trained"]
    assert (coarse.amount, fine.amount) == (3, 1)
    tree, flat, trained = (entry.flops for entry in coarse.entries)
    assert tree == trained
    assert tree == pytest.approx(flat, rel=0.05)
    assert fine.entries[0].flops is not None and tree is not None
    assert fine.entries[0].flops > tree / 3  # a finer map of features is more work


def test_the_workload_is_the_papers() -> None:
    problem = PaperProblem(CPU)
    table = problem.table
    assert (len(problem.sizes), sum(problem.sizes), problem.classes) == (5, 111, 108)
    rows = problem.label_rows(4, (120, 160))
    owner = np.searchsorted(table.offsets, rows.numpy(), side="right") - 1
    names = [{table.datasets[i] for i in np.unique(image)} for image in owner]
    assert names == [{"cityscapes"}, {"mapillary-vistas-1.2"}, {"mapillary-vistas-1.2"}, {"gtsdb"}]
    from_box = table.from_box[rows[3].numpy()] & table.meanings[rows[3].numpy()].any(axis=-1)
    assert 0 < from_box.mean() < 0.1


def test_the_flat_rival_counts_the_same_pixels() -> None:
    problem = PaperProblem(CPU)
    rows = problem.label_rows(4, (64, 96))
    classes = problem.class_maps(rows).numpy()
    assert np.array_equal(classes != IGNORED, problem.table.meanings[rows.numpy()].any(axis=-1))
    assert classes.max() < 108


def test_the_stored_rival_is_the_same_loss_where_no_union_or_box_is() -> None:
    problem = PaperProblem(CPU)
    rows = problem.label_rows(3, (96, 128))  # the fourth image of a batch would have boxes
    unions = torch.from_numpy((problem.table.target == SET).any(axis=1))
    rows[unions[rows.long()]] = 0
    logits = torch.randn(3, 111, 96, 128, generator=torch.Generator().manual_seed(0))
    expected = problem.loss(logits, rows).item()
    stored = stored_losses(problem, logits, problem.stored_targets(rows))
    assert stored.isnan().tolist() == [False] * 4 + [True]  # only boxes train the last classifier
    assert stored.nansum().item() == pytest.approx(expected, rel=1e-5)


def test_the_rival_of_the_decision_rule_finds_winners_with_the_same_reduction() -> None:
    """``torch.argmax`` is several times slower on a CPU: beating it would say nothing about the rule."""
    logits = torch.randn(1, 111, 5, 7, generator=torch.Generator().manual_seed(0))
    problem = PaperProblem(CPU)
    with torch.profiler.profile() as rule:
        problem.decide(logits)
    with torch.profiler.profile() as rival:
        found = best_class_upsampled(logits, (5, 7))
    assert torch.equal(found, logits.argmax(dim=1))
    reductions = {"aten::max", "aten::argmax", "aten::amax"}
    used = [{event.key for event in taken.key_averages()} & reductions for taken in (rule, rival)]
    assert used[0] == used[1] != set()


def test_trained_logits_lead_down_to_one_class() -> None:
    """In the middle of a patch the decision is clear at every classifier, and every class can be one."""
    problem = PaperProblem(CPU)
    logits = problem.trained_logits(2, (64, 88))
    ahead = logits.topk(2, dim=1).values
    assert (ahead[:, 0] - ahead[:, 1]).median() > 0
    for columns in problem.table.layout.slices[:1]:
        best = logits[:, columns].topk(2, dim=1).values
        assert ((best[:, 0] - best[:, 1]) > 2).float().mean() > 0.7
    assert len(np.unique(problem.decide(logits).numpy())) > 50


def test_loose_files_hold_what_the_shards_hold(tmp_path: Path) -> None:
    reader = ShardReader(tiny.make_shards(tmp_path / "shards", "dense", 3))
    for number in (2, 0, 1):
        loose = read_loose(copy_to_files(reader, number, tmp_path / f"{number:06d}"))
        for found in (read_sample(reader[number]), loose):
            assert all(map(np.array_equal, found, tiny.draw("dense", number, (64, 80))))


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_shards_of_another_codec_hold_the_same(tmp_path: Path, suffix: ImageSuffix) -> None:
    reader = ShardReader(tiny.make_shards(tmp_path / "shards", "dense", 3))
    copied = copy_as(reader, [2, 0], tmp_path / suffix, suffix)
    copied.verify()
    for number, sample in zip((2, 0), copied, strict=True):
        assert sample.key == reader.keys[number]
        assert np.array_equal(sample.local_rows, reader[number].local_rows)
        assert suffix == "jpg" or np.array_equal(sample.image, reader[number].image)
        assert set(copied.members(0)) == {suffix, "label.png", "json"}


def test_the_rival_makes_the_same_crops(tmp_path: Path) -> None:
    """To a grey level, and the same labels but where a rounding in the last bit decides between two source pixels."""
    reader = ShardReader(tiny.make_shards(tmp_path / "shards", "dense", 3))
    config = DataConfig(crop=crop_of((64, 80)), jitter=0)
    assert config.crop == (32, 28) and crop_of((1024, 2048)) == (512, 706)
    for number, sample in enumerate(reader):
        label = Image.fromarray(sample.local_rows)
        image, rows = one_crop(Image.fromarray(sample.image), label, config, np.random.default_rng(number))
        rng = np.random.default_rng(number)
        found = cut(rng, sample, draw_view(rng, (64, 80), config), config)
        assert np.abs(image.permute(1, 2, 0).numpy().astype(int) - found.pixels).max() <= 1
        assert (rows.numpy() != found.local_rows).mean() < 0.02


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("package", ["webdataset", "litdata"])
def test_installed_rivals_read_every_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    pytest.importorskip(package)
    write_synthetic_shards(tmp_path / "shards", 4, (48, 64))
    reader = ShardReader(tmp_path / "shards")
    seen: list[bytes] = []
    monkeypatch.setattr(
        "labelforge.bench.loader_rivals.one_crop", lambda image, label, *_: seen.append(np.asarray(image).tobytes())
    )
    contestants = installed_rivals(reader, tmp_path / "theirs", DataConfig(crop=(24, 32)))
    for _ in range(2):
        seen.clear()
        contestants[f"{package}, jpg"]()
        assert sorted(seen) == sorted(sample.image.tobytes() for sample in reader)


def test_synthetic_shards_are_whole(tmp_path: Path) -> None:
    write_synthetic_shards(tmp_path, 3, (48, 64))
    reader = ShardReader(tmp_path)
    reader.verify()
    assert reader.sizes.tolist() == [[48, 64]] * 3
    counted = sum(np.bincount(sample.local_rows.ravel(), minlength=len(reader.mapping.rows)) for sample in reader)
    assert np.array_equal(counted, reader.pixels_per_label)
    totals = reader.manifest.totals
    assert totals.pixels == 3 * 48 * 64 == totals.used + totals.ignored + totals.unannotated


def test_given_shards_are_read(tmp_path: Path) -> None:
    folder = tiny.make_shards(tmp_path / "shards", "dense", 3)
    (suite,) = run_bench(BenchConfig(suites=("loader",), shards=str(folder), batch=2, repeats=1, threads=1)).suites
    assert suite.work.startswith(f"2 images of {folder}, png and label png")
    assert suite.shrunk is None
    assert {race.amount for race in suite.races[:-1]} == {2}
    assert "beyond its decoding" in suite.finding


def test_synthetic_frames_are_cityscapes(tmp_path: Path) -> None:
    write_synthetic_frames(tmp_path / "all", 3, (40, 300))
    copy_frames(tmp_path / "all", tmp_path / "root", 5)
    convert("cityscapes", tmp_path / "root", tmp_path / "out", split="train")
    reader = ShardReader(tmp_path / "out")
    reader.verify()
    assert reader.sizes.tolist() == [[40, 300]] * 5
    for path in (tmp_path / "root").rglob("*_labelIds.png"):
        instances = np.asarray(Image.open(path.with_name(path.name.replace("labelIds", "instanceIds"))))
        ids = np.asarray(Image.open(path))
        assert np.array_equal(np.where(instances >= 1000, instances // 1000, instances), ids)
        assert set(np.unique(ids[instances >= 1000]).tolist()) <= set(range(24, 34))


def test_a_given_dataset_is_converted(tmp_path: Path) -> None:
    write_synthetic_frames(tmp_path, 3, (20, 30))
    config = BenchConfig(suites=("convert",), cityscapes=str(tmp_path), batch=4, repeats=1, threads=1)
    (suite,) = run_bench(config).suites
    assert suite.work.startswith(f"4 frames of {tmp_path}, png")
    assert suite.shrunk is None
    assert [entry.name for entry in suite.races[0].entries][:2] == ["fast check", "full decode"]
    assert suite.races[0].amount == 4


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"device": "cuda:99"}, ConfigError, "cuda:99 is not on this machine"),
        ({"backbone": "resnet51"}, ConfigError, "unknown backbone 'resnet51'. Did you mean 'resnet50'"),
        ({"shards": "no/such/folder"}, ShardError, "no/such/folder"),
        ({"cityscapes": "no/such/folder"}, DatasetError, "no/such/folder"),
        ({"suites": ("loss",), "shards": "x"}, ConfigError, "shards is not used by suite loss. Add loader."),
        ({"suites": ("loss", "loader"), "backbone": "resnet18"}, ConfigError, "Add infer or train."),
    ],
)
def test_what_cannot_be_measured_is_said_at_once(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    said: list[str] = []
    with pytest.raises(error, match=message):
        run_bench(BenchConfig(**settings), say=said.append)
    assert not said


def test_empty_shards_are_refused(tmp_path: Path) -> None:
    folder = tiny.write_shards(tmp_path / "shards", "dense", [])
    with pytest.raises(ShardError, match="holds no sample"):
        run_bench(BenchConfig(suites=("loader",), shards=str(folder), repeats=1))


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_the_committed_tables_show_the_committed_samples(file: Path) -> None:
    report = BenchReport.model_validate_json(file.read_text(encoding="utf-8"))
    shown = file.with_suffix(".txt").read_text(encoding="utf-8")
    assert [line.rstrip() for line in shown.splitlines()] == [line.rstrip() for line in drawn(report).splitlines()]


def drawn(report: BenchReport) -> str:
    """The report as it is printed where nobody watches."""
    console = Console(width=80, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(render(report))
    return capture.get()


def test_a_rival_that_fails_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(root: Path, out: Path) -> None:
        raise OverflowError("Python integer -1 out of bounds for uint8")

    (tmp_path / "a_gtFine_instanceIds.png").touch()
    monkeypatch.setattr(convert_suite, "find_spec", lambda name: object())
    monkeypatch.setattr(convert_suite, "_datumaro", fail)
    assert convert_suite._why_not_datumaro(tmp_path, tmp_path) == (
        "it fails: OverflowError: Python integer -1 out of bounds for uint8"
    )
