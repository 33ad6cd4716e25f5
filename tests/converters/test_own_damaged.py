"""Files that are damaged anywhere, as disks and editors do it: one clear error or labels, never anything else."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from labelforge.converters.init.describe import describe as look
from labelforge.errors import LabelforgeError
from tests.converters.layouts import label_blocks, picture, save
from tests.converters.own_every import OWN
from tests.converters.own_layouts import CLASSES, COLORS, own, put

PARTS = (
    b"",
    b"\0",
    b"\xff",
    b'"',
    b"{",
    b"]",
    b",",
    b"|",
    b"\n",
    b"nan",
    b"1e999",
    b"-1",
    b"9" * 30,
    b"null",
    b"{}",
    b"1_0",
)
"""What is put in the place of some bytes."""


def damaged(data: bytes, made: random.Random) -> bytes:
    """The data, with a few bytes cut out or replaced, or cut short."""
    start = made.randrange(len(data))
    end = made.choice([start, start + 1, start + made.randrange(1, 30), len(data)])
    return data[:start] + made.choice(PARTS) + data[end:]


def try_all(root: Path, path: Path, number: int, *, described: bool) -> None:
    """Damage a file again and again, and read the dataset, or have it described."""
    made, whole = random.Random(path.name), path.read_bytes()
    for _ in range(number):
        path.write_bytes(damaged(whole, made))
        try:
            if not described:
                assert look(root).text
                continue
            converter = own(root)
            for source in converter.sources(next(iter(converter.own.splits))):
                converter.labels(source).draw((20, 30), (20, 30), np.asarray)
        except LabelforgeError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
    path.write_bytes(whole)


@pytest.mark.parametrize("name", ["csv", "csv without names", "via", "via boxes"])
def test_label_files(name: str, tmp_path: Path) -> None:
    OWN[name].write(tmp_path)
    (path,) = [path for path in tmp_path.iterdir() if path.suffix in (".csv", ".json", ".txt")]
    try_all(tmp_path, path, 25, described=True)
    for other in ("dataset.yaml", "mapping.yaml"):
        (tmp_path / other).unlink()
    try_all(tmp_path, path, 10, described=False)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labelmap.txt", "".join(f"{n}:{r},{g},{b}::\n" for n, (r, g, b) in zip(CLASSES, COLORS, strict=True))),
        ("_classes.csv", "Pixel Value, Class\n0, road\n1, sky\n2, car\n3, person\n"),
        ("classes.json", '{"road": [1, 2, 3], "sky": "#040506", "car": {"id": 3}}'),
    ],
)
def test_lists_of_classes(name: str, text: str, tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture(0))
    save(tmp_path / "masks/a.png", label_blocks(0, range(4)))
    put(tmp_path / name, text)
    try_all(tmp_path, tmp_path / name, 10, described=False)
    head = "name: yard\nkind: masks\nformat: ids\nimages: images/{key}.png\nlabels: masks/{key}.png\n"
    put(tmp_path / "dataset.yaml", f"{head}void: [7, unlisted]\nclasses: {name}\n")
    try_all(tmp_path, tmp_path / name, 25, described=True)
    try_all(tmp_path, tmp_path / "dataset.yaml", 25, described=True)
