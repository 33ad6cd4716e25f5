"""``labelforge init`` on masks whose colours were mixed at borders: what is a class, and what a mixture of two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelforge.converters.init.describe import describe
from labelforge.errors import DatasetError
from tests.converters.init_checks import BLACK, BLANK, LISTED, WHITE, converted, init, text_of
from tests.converters.layouts import NOTHING, Array, label_blocks, picture, save
from tests.converters.own_layouts import CLASSES, COLORS, put


def smooth(root: Path, width: int, number: int, by: Image.Resampling) -> dict[str, Array]:
    """Masks of stripes in colours, resized as photographs are; key -> (H, W) the stripes, -1 where they are mixed."""
    found = {}
    for i in range(number):
        order = np.random.default_rng(i).permutation(len(COLORS))
        stripes = np.repeat(order, width)[None].repeat(60, 0)
        exact = np.array(COLORS, np.uint8)[stripes]
        mixed = np.asarray(Image.fromarray(exact[::2, 1::2]).resize((stripes.shape[1], 60), by))
        save(root / f"images/{i}.png", picture(i, *stripes.shape))
        save(root / f"masks/{i}.png", mixed)
        found[str(i)] = np.where((mixed == exact).all(axis=2), stripes, -1)
    return found


@pytest.mark.parametrize("by", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("listed", [True, False])
def test_colours_mixed_at_borders_are_no_classes(listed: bool, by: Image.Resampling, tmp_path: Path) -> None:
    root = tmp_path / "root"
    written = smooth(root, 100, 4, by)
    if listed:
        rows = "".join(f"{name},{r},{g},{b}\n" for name, (r, g, b) in zip(CLASSES, COLORS, strict=True))
        put(root / "class_dict.csv", f"name,r,g,b\n{rows}")
    found = init(root)
    own = found.dataset
    assert own.void.unlisted and not own.void.values
    assert {label.color for label in own.space.labels} == {*COLORS} and len(own.space.labels) == 4
    assert (own.space.names == CLASSES) == listed
    assert "are no classes but mixtures of two" in text_of(root)
    numbers = {COLORS.index(label.color): label.id for label in own.space.labels if label.color is not None}
    got = converted(root, "all", tmp_path / "out")
    for key, stripes in written.items():
        assert (stripes < 0).any()
        expected = np.vectorize({**numbers, -1: NOTHING}.__getitem__)(stripes)
        assert np.array_equal(got[key], expected)


def test_a_rare_class_is_no_mixture(tmp_path: Path) -> None:
    """A grey between black and white, in few pixels."""
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        mask = np.zeros((20, 30, 3), np.uint8)
        mask[:, 15:] = 255
        mask[0, 14] = 128
        save(tmp_path / f"masks/{i}.png", mask)
    own = describe(tmp_path).dataset
    assert not own.void and {label.color for label in own.space.labels} == {BLACK, WHITE, (128, 128, 128)}


def test_frequent_classes_between_two_others_are_no_mixtures(tmp_path: Path) -> None:
    """Six greys in rows, each half as frequent as black and white, and mixed with neither."""
    greys = [0, 0, 255, 255, 40, 80, 120, 160, 200, 230]
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i))
        save(
            tmp_path / f"masks/{i}.png",
            np.array(greys, np.uint8)[np.arange(600).reshape(20, 30) % 10][..., None] + BLANK,
        )
    own = describe(tmp_path).dataset
    assert not own.void and {label.color for label in own.space.labels} == {(grey,) * 3 for grey in greys}


@pytest.mark.parametrize("rgb", [False, True])
def test_a_void_beside_all_that_no_class_has(rgb: bool, tmp_path: Path) -> None:
    """Both halves of 'void: [value, unlisted]' count."""
    root, form = tmp_path / "root", "rgb" if rgb else "ids"
    for i in range(2):
        save(root / f"images/{i}.png", picture(i))
        blocks = label_blocks(i, [0, 1, 2, 3, 9])
        save(root / f"masks/{i}.png", blocks[..., None] + BLANK if rgb else blocks)
    classes = "[{name: road, color: [0, 0, 0]}, {name: sky, color: [1, 1, 1]}]"
    void = "[[9, 9, 9], unlisted]" if rgb else "[9, unlisted]"
    head = f"name: yard\nkind: masks\nformat: {form}\nimages: images/{{key}}.png\nlabels: masks/{{key}}.png\n"
    put(root / "dataset.yaml", f"{head}void: {void}\nclasses: {classes}\n")
    put(root / "mapping.yaml", "dataset: yard\ntaxonomy: streets\nsupervision: pixel\nlabels: {road: road, sky: sky}\n")
    for key, ids in converted(root, "all", tmp_path / "out").items():
        blocks = label_blocks(int(key), [0, 1, 2, 3, 9]).astype(int)
        assert np.array_equal(ids, np.where(blocks > 1, NOTHING, blocks))


def test_a_mask_of_more_mixtures_than_anyone_lists(tmp_path: Path) -> None:
    """A gradient of hundreds of colours, few pixels each, is no photograph."""
    rng = np.random.default_rng(0)
    for i in range(2):
        save(tmp_path / f"images/{i}.png", picture(i, 200, 300))
        mask = np.array(COLORS, np.uint8)[np.arange(300) // 75][None].repeat(200, 0)
        share = rng.random((40, 50, 1))
        mask[80:120, 50:100] = np.round(share * COLORS[0] + (1 - share) * COLORS[3])
        save(tmp_path / f"masks/{i}.png", mask)
        assert len(np.unique(mask.reshape(-1, 3), axis=0)) > 100
    own = describe(tmp_path).dataset
    assert {label.color for label in own.space.labels} == {*COLORS} and own.void.unlisted


@pytest.mark.parametrize("listed", [True, False])
def test_very_many_mixtures(listed: bool, tmp_path: Path) -> None:
    """Masks of twelve classes that were turned with smooth edges hold thousands of colours."""
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 255, (12, 3), dtype=np.uint8)
    seen = np.zeros(0, np.int64)
    for i in range(30):
        mask = np.zeros((160, 160, 3), np.uint8)
        for _ in range(40):
            x, y, width, height = (*rng.integers(0, 150, 2), *rng.integers(10, 60, 2))
            mask[y : y + height, x : x + width] = colors[rng.integers(12)]
        turned = np.array(Image.fromarray(mask).rotate(7 * i + 3, Image.Resampling.BICUBIC))
        seen = np.union1d(seen, np.unique(turned.reshape(-1, 3) @ np.array([65536, 256, 1])))
        save(tmp_path / f"images/{i}.png", picture(i, 160, 160))
        save(tmp_path / f"masks/{i}.png", turned)
    assert len(seen) > 8000
    if listed:
        rows = "".join(f"c{i},{r},{g},{b}\n" for i, (r, g, b) in enumerate(colors.tolist()))
        put(tmp_path / "class_dict.csv", f"name,r,g,b\n{rows}")
    own = describe(tmp_path).dataset
    assert own.void.unlisted and "are no classes but mixtures of two" in text_of(tmp_path)
    found = {label.color for label in own.space.labels}
    assert found >= {(r, g, b) for r, g, b in colors.tolist()} and len(found) < 40
    assert not listed or own.space.names[:12] == tuple(f"c{i}" for i in range(12))


@pytest.mark.parametrize("listed", [True, False])
def test_more_colours_than_any_classes(listed: bool, tmp_path: Path) -> None:
    """Colours at random are on no line between others."""
    rng = np.random.default_rng(0)
    for i in range(3):
        save(tmp_path / f"images/{i}.png", picture(i, 60, 90))
        mask = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
        mask[:, :80] = np.array(COLORS, np.uint8)[np.arange(80) // 20]
        save(tmp_path / f"masks/{i}.png", mask)
    if listed:
        put(tmp_path / "label_colors.txt", LISTED)
        own = describe(tmp_path).dataset
        assert own.space.names == CLASSES and own.void.unlisted
        return
    with pytest.raises(DatasetError, match=r"hold 1,\d{3} colours, such as #.* probably mixtures") as caught:
        describe(tmp_path)
    assert "class_dict.csv" in str(caught.value) and "void: unlisted" in str(caught.value)
