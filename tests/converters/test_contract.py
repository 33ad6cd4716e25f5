"""What every converter has to do, whatever its dataset."""

from __future__ import annotations

import pickle
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelforge.converters import NO_ANNOTATION, Source, available, convert, find_converter, recognise
from labelforge.converters.datasets.cityscapes import Cityscapes
from labelforge.converters.registry import CONVERTERS
from labelforge.errors import ConfigError, DatasetError
from labelforge.mapping import LabelMapping
from labelforge.shards import ShardReader
from labelforge.taxonomy import Taxonomy
from tests.converters.layouts import ANYTHING, LAYOUTS, NOTHING, Layout, contents, read_shards


def test_every_converter_has_a_layout_to_be_tested_with() -> None:
    assert set(LAYOUTS) == set(CONVERTERS)


@pytest.fixture(params=sorted(CONVERTERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def layout(name: str) -> Layout:
    return LAYOUTS[name]


def test_it_says_what_it_is(name: str, layout: Layout, tmp_path: Path) -> None:
    kind = find_converter(name)
    assert kind.name == name
    assert kind.title and kind.__doc__
    assert layout.split in kind.splits
    layout.write(tmp_path)
    mapping = LabelMapping.load(Taxonomy.load(layout.tree), kind(tmp_path).label_space)
    assert len(mapping.rows) > 1


def test_its_root_is_recognised_and_no_other(name: str, layout: Layout, tmp_path: Path) -> None:
    layout.write(tmp_path / "around" / "root")
    assert recognise(tmp_path / "around" / "root") == name
    with pytest.raises(DatasetError, match=f"root looks like {name}: give that"):
        recognise(tmp_path / "around")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="has the layout of no dataset that labelforge knows"):
        recognise(tmp_path / "empty")


def test_sources_are_sorted_and_need_no_image_to_be_opened(name: str, layout: Layout, tmp_path: Path) -> None:
    written = layout.write(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".png", ".jpg", ".ppm"):
            path.write_bytes(b"not a picture")
    sources = find_converter(name)(tmp_path).sources(layout.split)
    assert [source.key for source in sources] == sorted(written)
    for source in sources:
        assert (tmp_path / source.image).is_file()
        assert source.labels is None or (tmp_path / source.labels).is_file()


def test_labels_can_be_drawn_at_any_size(name: str, layout: Layout, tmp_path: Path) -> None:
    written = layout.write(tmp_path)
    converter = pickle.loads(pickle.dumps(find_converter(name)(tmp_path)))
    known = {*(row.native_id for row in LabelMapping.load(Taxonomy.load(layout.tree), converter.label_space).rows)}
    for source in converter.sources(layout.split):
        labels = converter.labels(source)
        size = written[source.key].ids.shape
        assert labels.size in (None, size)
        for output in (size, (7, 11), (40, 60)):
            drawn = labels.draw(size, output, np.asarray)
            assert drawn.shape == output
            assert np.issubdtype(drawn.dtype, np.integer)
            assert set(np.unique(drawn).tolist()) <= known | {NO_ANNOTATION}


def test_every_native_id_comes_back_from_the_shards(name: str, layout: Layout, tmp_path: Path) -> None:
    written = layout.write(tmp_path / "root")
    conversion = convert(
        name, tmp_path / "root", tmp_path / "out", split=layout.split, taxonomy=layout.tree, samples_per_shard=2
    )
    found = read_shards(tmp_path / "out")
    assert sorted(found) == sorted(written)
    for key, sample in written.items():
        image, ids, meta = found[key]
        assert np.array_equal(image, sample.image)  # nothing was scaled, so nothing was encoded anew
        sure = sample.ids != ANYTHING
        assert np.array_equal(ids[sure], sample.ids[sure])
        assert (tmp_path / "root" / meta["image"]).is_file() and (tmp_path / "root" / meta["labels"]).is_file()
        assert meta["source_size"] == meta["size"] == list(sample.ids.shape)
    totals = conversion.manifest.totals
    everything = np.concatenate([ids.ravel() for _, ids, _ in found.values()])
    assert totals.pixels == everything.size == totals.used + totals.ignored + totals.unannotated
    assert totals.unannotated == (everything == NOTHING).sum()
    for record in conversion.manifest.labels[1:]:
        assert record.pixels == (everything == record.native_id).sum(), record.native_name
    reader = ShardReader(tmp_path / "out")
    reader.verify()
    assert [sample.meta["key"] for sample in reader] == sorted(written)


def test_a_split_that_is_not_on_disk_names_those_that_are(name: str, layout: Layout, tmp_path: Path) -> None:
    layout.write(tmp_path / "root")
    for split in find_converter(name)(tmp_path / "root").splits:
        try:
            find_converter(name)(tmp_path / "root").sources(split)
        except DatasetError:
            with pytest.raises(DatasetError, match=rf"(Of the other splits|choose).* {layout.split}\b"):
                convert(name, tmp_path / "root", tmp_path / "out", split=split)
            assert not (tmp_path / "out").exists()


def test_without_a_tree_it_is_converted_for_one_that_maps_it(name: str, layout: Layout, tmp_path: Path) -> None:
    layout.write(tmp_path / "root")
    conversion = convert(name, tmp_path / "root", tmp_path / "out", split=layout.split)
    assert conversion.manifest.taxonomy.name == layout.tree
    said = [note for note in conversion.notes if note.startswith("Converted for the tree")]
    if layout.tree == "iv2018":
        assert not said
    else:
        space = conversion.manifest.dataset
        why = f"as iv2018 has no mapping for {space}; --taxonomy names another."
        assert said == [f"Converted for the tree streets, {why}"]


@pytest.mark.parametrize("codec", ["keep", "jpeg", "png", "npy"])
def test_scaled_images_and_labels_stay_together(name: str, layout: Layout, codec: str, tmp_path: Path) -> None:
    written = layout.write(tmp_path / "root")
    options: dict[str, Any] = {"split": layout.split, "taxonomy": layout.tree, "image_codec": codec}
    convert(name, tmp_path / "root", tmp_path / "out", short_side=10, **options)
    for key, (image, ids, meta) in read_shards(tmp_path / "out").items():
        assert image.shape == (10, 15, 3) and ids.shape == (10, 15) and meta["size"] == [10, 15]
        halves = written[key].image.reshape(10, 2, 15, 2, 3).mean(axis=(1, 3))
        assert np.abs(image - halves).mean() < 6  # a smooth image: the mean of 2x2 pixels is near any good filter
        if written[key].ids.min() >= 0:  # pixel labels in blocks of 2x2
            assert np.array_equal(ids, written[key].ids[::2, ::2])


def test_two_conversions_are_the_same_bytes(name: str, layout: Layout, tmp_path: Path) -> None:
    layout.write(tmp_path / "root")
    for out in ("one", "two"):
        convert(name, tmp_path / "root", tmp_path / out, split=layout.split, taxonomy=layout.tree, short_side=13)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_wrong_roots_are_named_with_the_right_one(name: str, layout: Layout, tmp_path: Path) -> None:
    kind = find_converter(name)
    root = tmp_path / "above" / "dataset"
    layout.write(root)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError, match=r"missing: no such folder\. Give the folder that"):
        kind(tmp_path / "missing")
    with pytest.raises(DatasetError, match="file: is a file, not a folder"):
        kind(tmp_path / "file")
    with pytest.raises(
        DatasetError, match=f"empty: not the root of .*: expected {layout.expected} in it, found nothing"
    ):
        kind(tmp_path / "empty")
    with pytest.raises(DatasetError, match=rf"found dataset/\. Give {root} instead\."):
        kind(root.parent)
    (root / "inside").mkdir()
    with pytest.raises(DatasetError, match=rf"Give {root} instead\."):
        kind(root / "inside")


def test_a_split_that_is_not_one(name: str, layout: Layout, tmp_path: Path) -> None:
    layout.write(tmp_path)
    converter = find_converter(name)(tmp_path)
    with pytest.raises(DatasetError, match=rf"has no split 'x{layout.split}'\. Did you mean '{layout.split}'"):
        converter.sources(f"x{layout.split}")
    for absent in set(converter.splits) - {layout.split, "all"}:
        with pytest.raises(DatasetError) as caught:
            converter.sources(absent)
        assert caught.value.where and caught.value.cure


def test_an_option_that_is_not_one(name: str, layout: Layout, tmp_path: Path) -> None:
    layout.write(tmp_path / "root")
    with pytest.raises(ConfigError, match=r"has no option 'colour'\. \S"):
        convert(name, tmp_path / "root", tmp_path / "out", split=layout.split, options={"colour": "red"})
    assert not (tmp_path / "out").exists()


def test_the_image_of_a_sample_that_is_cut_short(name: str, layout: Layout, tmp_path: Path) -> None:
    layout.write(tmp_path / "root")
    source = find_converter(name)(tmp_path / "root").sources(layout.split)[0]
    path = tmp_path / "root" / source.image
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DatasetError, match="cut short or broken") as caught:
        convert(name, tmp_path / "root", tmp_path / "out", split=layout.split, taxonomy=layout.tree)
    assert caught.value.where == str(path) and caught.value.cure
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_labels_that_cannot_draw_themselves_are_the_converters_fault(workers: int, tmp_path: Path) -> None:
    """Skipping broken samples skips no broken converter."""
    LAYOUTS["cityscapes"].write(tmp_path / "root")
    with pytest.raises(ConfigError) as caught:
        convert(BareArrays, tmp_path / "root", tmp_path / "out", split="train", on_error="skip", workers=workers)
    assert str(caught.value) == (
        "converter cityscapes: labels() returned ndarray, not labels that can draw themselves. "
        "Wrap a label map: return PixelLabels(ids)."
    )


class BareArrays(Cityscapes):
    """Forgets to wrap its label maps."""

    def labels(self, source: Source) -> Any:
        return np.zeros((20, 30), np.uint8)


def test_converters_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    other = [
        EntryPoint("stuck", "tests.converters.layouts:StuckCityscapes", "labelforge.converters"),
        EntryPoint("gtsdb", "nowhere:Nothing", "labelforge.converters"),
    ]
    monkeypatch.setattr(
        "labelforge.converters.registry.entry_points", lambda group: other if group == "labelforge.converters" else []
    )
    assert list(available()) == [*CONVERTERS, "stuck"]
    assert find_converter("stuck").__name__ == "StuckCityscapes"
    assert find_converter("gtsdb").__name__ == "Gtsdb"  # nobody takes over a name of ours
    with pytest.raises(ConfigError, match=r"no converter is called 'citiscapes'\. Did you mean 'cityscapes'"):
        find_converter("citiscapes")
