"""The bytes of a shard folder, against a tar file put together by hand and the rules of readers that others wrote."""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import tarfile
import zlib
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel

from labelforge import deflate
from labelforge.errors import ShardError
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.shards import EncodedSample, encode_label, escape_key, open_folder, write_shard
from labelforge.shards.codec import decode_label
from labelforge.shards.index import Member, SampleRecord, ShardIndex, SkippedSample
from labelforge.shards.manifest import LabelRecord, Manifest, ShardRecord, TaxonomyRecord, Totals
from tests.core import shard_folders

RECORDS: list[type[BaseModel]] = [
    LabelRecord,
    Member,
    SampleRecord,
    ShardRecord,
    SkippedSample,
    TaxonomyRecord,
    Totals,
    Manifest,
    ShardIndex,
]


def ustar(name: str, content: bytes) -> bytes:
    """One file of a tar archive after POSIX 1003.1-1988: a header of 512 bytes, the content, zeros up to 512."""
    header = bytearray(512)
    fields = [
        (0, name.encode()),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, f"{len(content):011o}\0".encode()),
        (136, b"00000000000\0"),
        (148, b" " * 8),
        (156, b"0"),
        (257, b"ustar\x0000"),
    ]
    for at, value in fields:
        header[at : at + len(value)] = value
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return bytes(header) + content + bytes(-len(content) % 512)


def sample(key: str, *contents: bytes) -> EncodedSample:
    members = tuple(zip(("jpg", "label.png", "json"), contents, strict=True))
    return EncodedSample(key, members, 2, 3, {4: 5, 0: 1}, {4: (1, 5)}, ("turned",))


def test_shard_and_index_are_the_bytes_that_the_format_says(tmp_path: Path) -> None:
    first, second = (b"x" * 512, b"", b"{}"), (b"y" * 513, b"z", b"[]")
    index = write_shard(
        open_folder(tmp_path),
        7,
        [sample("a", *first), SkippedSample(key="b", reason="broken"), sample("c", *second)],
        options={"short_side": None},
        inputs="digest",
    )
    parts = [ustar(f"a.{s}", c) for s, c in zip(("jpg", "label.png", "json"), first, strict=True)]
    parts += [ustar(f"c.{s}", c) for s, c in zip(("jpg", "label.png", "json"), second, strict=True)]
    expected = b"".join(parts) + bytes(1024)
    expected += bytes(-len(expected) % 10240)
    assert (tmp_path / "shard-00007.tar").read_bytes() == expected
    listed = {
        "version": 2,
        "name": "shard-00007.tar",
        "sha256": hashlib.sha256(expected).hexdigest(),
        "size": len(expected),
        "options": {"short_side": None},
        "inputs": "digest",
        "samples": [
            {
                "key": "a",
                "height": 2,
                "width": 3,
                "members": [
                    {"suffix": "jpg", "offset": 512, "size": 512},
                    {"suffix": "label.png", "offset": 1536, "size": 0},
                    {"suffix": "json", "offset": 2048, "size": 2},
                ],
                "pixels": {"0": 1, "4": 5},
                "positions": {"4": [1, 5]},
            },
            {
                "key": "c",
                "height": 2,
                "width": 3,
                "members": [
                    {"suffix": "jpg", "offset": 3072, "size": 513},
                    {"suffix": "label.png", "offset": 4608, "size": 1},
                    {"suffix": "json", "offset": 5632, "size": 2},
                ],
                "pixels": {"0": 1, "4": 5},
                "positions": {"4": [1, 5]},
            },
        ],
        "skipped": [{"key": "b", "reason": "broken"}],
        "remarks": {"turned": 2},
    }
    text = (tmp_path / "shard-00007.index.json").read_text()
    assert text == json.dumps(listed, separators=(",", ":")) + "\n"
    assert ShardIndex.model_validate_json(text) == index
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shard-00007.index.json", "shard-00007.tar"]


def test_names_too_long_for_the_header_keep_offsets_right(tmp_path: Path) -> None:
    key = "k" * 300
    index = write_shard(open_folder(tmp_path), 0, [sample(key, b"1", b"22", b"333")], options={}, inputs="")
    data = (tmp_path / "shard-00000.tar").read_bytes()
    found = [data[m.offset : m.offset + m.size] for m in index.samples[0].members]
    assert found == [b"1", b"22", b"333"]
    with tarfile.open(tmp_path / "shard-00000.tar") as tar:
        assert tar.getnames() == [f"{key}.jpg", f"{key}.label.png", f"{key}.json"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("aachen_000000_000019", "aachen_000000_000019"),
        ("grDzFDON_vntlJOAKJx7qA", "grDzFDON_vntlJOAKJx7qA"),
        ("v1.2/frame", "v1%2E2/frame"),
        ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"),
        ("/absolute", "%2Fabsolute"),
        ("a//b", "a%2F%2Fb"),
        ("a/", "a%2F"),
        ("a%2Eb", "a%252Eb"),
        ("Straße 7", "Stra%C3%9Fe%207"),
    ],
)
def test_keys_are_escaped(name: str, key: str) -> None:
    assert escape_key(name) == key


@given(st.text(min_size=1))
def test_escaped_keys_are_what_webdataset_splits_at_the_dot(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return  # a lone surrogate: no file system gives such a name as text
    key = escape_key(name)
    assert unquote(key) == name  # so different names have different keys
    match = re.match(r"^((?:.*/|)[^.]+)[.]([^/]*)$", f"{key}.label.png")  # webdataset.tariterators.base_plus_ext
    assert match is not None and match.groups() == (key, "label.png")
    assert not key.startswith("/") and "//" not in key and not key.endswith("/")


def test_label_maps_show_their_colours_and_keep_their_values() -> None:
    palette = [(0, 0, 0), (128, 64, 128), (70, 70, 70)]
    rows = np.array([[0, 1, 2], [2, 1, 0]], dtype=np.uint8)
    with Image.open(io.BytesIO(encode_label(rows, palette))) as picture:
        assert picture.mode == "P"
        assert np.asarray(picture.convert("RGB")).tolist() == [[list(palette[i]) for i in row] for row in rows]
        assert np.asarray(picture).tolist() == rows.tolist()


@pytest.mark.parametrize("library", ["zlib", "zlib_ng"])
@given(height=st.integers(1, 40), width=st.integers(1, 40), rows=st.sampled_from([2, 5, 16, 17, 256, 257, 4000]))
def test_label_maps_are_unfiltered_rows(library: str, height: int, width: int, rows: int) -> None:
    """Put together by hand, but for the deflated data, which may differ from one library to the next."""
    module = zlib if library == "zlib" else pytest.importorskip("zlib_ng.zlib_ng")
    values = np.random.default_rng(rows).integers(0, rows, (height, width))
    palette = [(i % 256, i // 256, 7) for i in range(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deflate, "library", module)
        encoded = encode_label(values, palette)
    with Image.open(io.BytesIO(encoded)) as picture:
        assert np.array_equal(np.asarray(picture), values)
    if rows <= 256:
        kind, colors = (8, 3), b"".join(map(bytes, palette))
        stored = b"".join(b"\0" + bytes(line) for line in values.tolist())
    else:
        kind, colors = (16, 0), b""
        stored = b"".join(b"\0" + struct.pack(f">{width}H", *line) for line in values.tolist())

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *kind, 0, 0, 0))
    head += chunk(b"PLTE", colors) if colors else b""
    assert encoded.startswith(head)
    deflated = encoded[len(head) + 8 : -16]
    assert encoded == head + chunk(b"IDAT", deflated) + chunk(b"IEND", b"")
    assert zlib.decompress(deflated) == stored
    if library == "zlib":
        assert deflated == zlib.compress(stored, 6)


def test_256_rows_fit_a_palette_and_257_do_not() -> None:
    rows = np.array([[0, 255]])
    with Image.open(io.BytesIO(encode_label(rows, [(i, 0, 0) for i in range(256)]))) as picture:
        assert (picture.mode, np.asarray(picture).tolist()) == ("P", [[0, 255]])
    rows = np.array([[0, 256, 65535]])
    with Image.open(io.BytesIO(encode_label(rows, [(0, 0, 0)] * 257))) as picture:
        assert (picture.mode, np.asarray(picture).tolist()) == ("I;16", [[0, 256, 65535]])
    with pytest.raises(ValueError, match="palette mode or 16 bit grey"):
        buffer = io.BytesIO()
        Image.new("RGB", (2, 2)).save(buffer, "PNG")
        decode_label(buffer.getvalue())


def test_manifest_fields_are_described_and_unknown_ones_refused(tmp_path: Path) -> None:
    for model in RECORDS:
        assert model.model_config["frozen"] and model.model_config["extra"] == "forbid"
        assert all(field.description for field in model.model_fields.values()), model
    table = shard_folders.mapping(3)
    shard_folders.write(tmp_path, [], table)
    content = json.loads((tmp_path / "manifest.json").read_text())
    assert content["labels"][1] == {
        "row": 1,
        "native_id": 0,
        "native_name": "label 0",
        "target": "road",
        "supervision": "pixel",
        "pixels": 0,
    }
    (tmp_path / "manifest.json").write_text(json.dumps({**content, "surprise": 1}))
    with pytest.raises(ShardError, match=r"manifest\.json: surprise: Extra inputs are not permitted\."):
        Manifest.load(open_folder(tmp_path))


def test_a_manifest_counts_what_its_indexes_list(tmp_path: Path) -> None:
    folder, tree = open_folder(tmp_path), shard_folders.TREE
    records = shard_folders.mapping(4).to_records()
    table = LabelMapping.from_records(tree, "toy-labels", [*records[:4], records[4] | {"target": "ignore"}])
    broken = SkippedSample(key="b", reason="broken")
    indexes = [
        write_shard(folder, 0, [sample("a", b"", b"", b""), broken], options={}, inputs=""),
        write_shard(folder, 1, [EncodedSample("c", (), 5, 5, {1: 7, 3: 10, 4: 8})], options={}, inputs=""),
    ]
    manifest = Manifest.build(tree, table, "train", indexes, options={"codec": "png"})
    assert [(record.native_name, record.pixels) for record in manifest.labels] == [
        ("(no annotation)", 1),
        ("label 0", 7),
        ("label 1", 0),
        ("label 2", 10),
        ("label 3", 13),
    ]
    assert manifest.totals == Totals(
        samples=2, pixels=31, used=17, ignored=13, unannotated=1, skipped=(broken,), remarks={"turned": 1}
    )
    assert [(shard.name, shard.samples) for shard in manifest.shards] == [
        ("shard-00000.tar", 1),
        ("shard-00001.tar", 1),
    ]
    assert (manifest.split, manifest.options, manifest.taxonomy.digest) == ("train", {"codec": "png"}, tree.digest)


def test_a_manifest_keeps_the_protocol_and_old_ones_have_none(tmp_path: Path) -> None:
    folder, table = open_folder(tmp_path), shard_folders.mapping(2)
    protocol = LabelSpace.load("cityscapes").protocol
    manifest = Manifest.build(shard_folders.TREE, table, "train", [], protocol=protocol)
    manifest.write(folder)
    assert Manifest.load(folder) == manifest
    assert Manifest.load(folder).protocol == protocol
    content = json.loads((tmp_path / "manifest.json").read_text())
    del content["protocol"]
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    assert Manifest.load(open_folder(tmp_path)).protocol is None
