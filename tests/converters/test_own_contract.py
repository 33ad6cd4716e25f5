"""The contract of converters, over data that a ``dataset.yaml`` describes, in every format."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from labelforge.converters import NO_ANNOTATION, convert
from labelforge.errors import DatasetError
from labelforge.shards import ShardReader
from tests.converters.layouts import ANYTHING, NOTHING, contents, read_shards
from tests.converters.own_every import OWN, OwnLayout
from tests.converters.own_layouts import own


@pytest.fixture(params=sorted(OWN))
def layout(request: pytest.FixtureRequest) -> OwnLayout:
    return OWN[request.param]


def test_sources_are_sorted_and_need_no_image_to_be_opened(layout: OwnLayout, tmp_path: Path) -> None:
    written = layout.write(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".png", ".jpg"):
            path.write_bytes(b"not a picture")
    sources = own(tmp_path).sources(layout.split)
    assert [source.key for source in sources] == sorted(written)
    for source in sources:
        assert (tmp_path / source.image).is_file()
        assert source.labels is not None and (tmp_path / source.labels).is_file()


def test_labels_can_be_drawn_at_any_size(layout: OwnLayout, tmp_path: Path) -> None:
    written = layout.write(tmp_path)
    converter = pickle.loads(pickle.dumps(own(tmp_path)))
    known = {NO_ANNOTATION, *converter.own.space.ids}
    for source in converter.sources(layout.split):
        labels = converter.labels(source)
        size = written[source.key].ids.shape
        assert labels.size in (None, size)
        for output in (size, (7, 11), (40, 60)):
            drawn = labels.draw(size, output, np.asarray)
            assert drawn.shape == output and {*np.unique(drawn).tolist()} <= known


def test_every_native_id_comes_back_from_the_shards(layout: OwnLayout, tmp_path: Path) -> None:
    written = layout.write(tmp_path / "root")
    conversion = convert(
        tmp_path / "root" / "dataset.yaml", None, tmp_path / "out", split=layout.split, samples_per_shard=2
    )
    found = read_shards(tmp_path / "out")
    assert sorted(found) == sorted(written)
    for key, sample in written.items():
        image, ids, meta = found[key]
        assert np.array_equal(image, sample.image)
        sure = sample.ids != ANYTHING
        assert np.array_equal(ids[sure], sample.ids[sure]), key
        assert meta["dataset"] == "yard" and meta["source_size"] == meta["size"] == list(sample.ids.shape)
    assert conversion.manifest.taxonomy.name == "streets" and conversion.manifest.dataset == "yard"
    everything = np.concatenate([ids.ravel() for _, ids, _ in found.values()])
    assert conversion.manifest.totals.unannotated == (everything == NOTHING).sum()
    reader = ShardReader(tmp_path / "out")
    reader.verify()


def test_two_conversions_are_the_same_bytes(layout: OwnLayout, tmp_path: Path) -> None:
    layout.write(tmp_path / "root")
    for out in ("one", "two"):
        convert(tmp_path / "root" / "dataset.yaml", None, tmp_path / out, split=layout.split, short_side=13)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_processes_make_the_same_bytes(tmp_path: Path) -> None:
    OWN["ids"].write(tmp_path / "root")
    for workers in (0, 2):
        out = tmp_path / f"out{workers}"
        convert(tmp_path / "root" / "dataset.yaml", None, out, split="train", samples_per_shard=1, workers=workers)
    assert contents(tmp_path / "out0") == contents(tmp_path / "out2")


def test_scaled_images_and_labels_stay_together(layout: OwnLayout, tmp_path: Path) -> None:
    written = layout.write(tmp_path / "root")
    convert(tmp_path / "root" / "dataset.yaml", None, tmp_path / "out", split=layout.split, short_side=10)
    for key, (image, ids, _) in read_shards(tmp_path / "out").items():
        assert image.shape == (10, 15, 3) and ids.shape == (10, 15)
        if own(tmp_path / "root").own.kind == "masks":
            assert np.array_equal(ids, written[key].ids[::2, ::2])  # blocks of 2x2


def test_a_split_that_is_not_one(layout: OwnLayout, tmp_path: Path) -> None:
    layout.write(tmp_path)
    with pytest.raises(DatasetError, match=rf"has no split 'x{layout.split}'\. "):
        own(tmp_path).sources(f"x{layout.split}")


def test_the_image_of_a_sample_that_is_cut_short(layout: OwnLayout, tmp_path: Path) -> None:
    layout.write(tmp_path / "root")
    path = tmp_path / "root" / own(tmp_path / "root").sources(layout.split)[0].image
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DatasetError, match="cut short or broken") as caught:
        convert(tmp_path / "root" / "dataset.yaml", None, tmp_path / "out", split=layout.split)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    "name", sorted({*OWN} - {"csv", "csv without names", "yolo", "yolo polygons"})
)  # of these, no line says that it is the last
def test_a_label_file_that_is_cut_short(name: str, tmp_path: Path) -> None:
    layout = OWN[name]
    layout.write(tmp_path / "root")
    source = own(tmp_path / "root").sources(layout.split)[0]
    assert source.labels is not None
    path = tmp_path / "root" / source.labels
    data = path.read_bytes().rstrip()
    path.write_bytes(data[:-2])
    with pytest.raises(DatasetError) as caught:
        convert(tmp_path / "root" / "dataset.yaml", None, tmp_path / "out", split=layout.split)
    assert str(path) == caught.value.where and "\n" not in str(caught.value)
