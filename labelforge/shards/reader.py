"""Random access to the samples of a shard folder.

Opening reads the manifest and the indexes and compares file lengths, which is quick and finds a shard that was cut
short. Samples are slices of memory-mapped files; behind a URL, each is one request. `ShardReader.verify` reads every
byte and compares the digests.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import ShardError, TaxonomyError, counted, shortened
from labelforge.mapping import LabelMapping
from labelforge.shards.codec import IMAGE_SUFFIXES, LABEL_SUFFIX, decode_image, decode_label
from labelforge.shards.fast_jpeg import reduction
from labelforge.shards.folder import FETCH_AGAIN, Folder
from labelforge.shards.index import SampleRecord, ShardIndex
from labelforge.shards.manifest import MANIFEST_NAME, Manifest, ShardRecord
from labelforge.shards.records import COPY_AGAIN
from labelforge.shards.storage import open_folder
from labelforge.taxonomy import Taxonomy

_CHUNK = 1 << 24


@dataclass(frozen=True)
class Sample:
    """One image with its labels. The arrays are not writable: they may be views of the file.

    Attributes:
        key: Its key within the split, escaped.
        image: (H, W, 3) uint8 RGB.
        local_rows: (H, W) uint8 or uint16: rows of the reader's own label table (``ShardReader.mapping``); a table over
            several datasets numbers them otherwise (:meth:`labelforge.TargetTable.global_rows`).
        meta: What the converter noted: the source files, their size, and the dataset's own facts.
        reduced: How many times smaller than stored the image was decoded in each direction: 1, or where less was asked
            for (:meth:`ShardReader.sample`) 2, 4 or 8. It is then (ceil(H / reduced), ceil(W / reduced), 3).
    """

    key: str
    image: NDArray[np.uint8]
    local_rows: NDArray[np.uint8] | NDArray[np.uint16]
    meta: dict[str, Any]
    reduced: int = 1


class _Stored(NamedTuple):
    """Where a sample is: a `SampleRecord` as plain tuples, which a data loader pickles several times faster."""

    shard: int
    key: str
    height: int
    width: int
    members: tuple[tuple[str, int, int], ...]
    pixels: dict[int, int]


def _stored(shard: int, record: SampleRecord) -> _Stored:
    members = tuple((member.suffix, member.offset, member.size) for member in record.members)
    return _Stored(shard, record.key, record.height, record.width, members, record.pixels)


class ShardReader:
    """The samples of one converted split, by number.

        >>> import labelforge as lf
        >>> reader = lf.ShardReader("shards/cityscapes-train")
        >>> sample = reader[0]
        >>> sample.image.shape[:2] == sample.local_rows.shape, reader.mapping.dataset
        (True, 'cityscapes')

    A reader can be pickled: a data loader's worker opens the files again when it first needs them.

    Args:
        source: Folder or fsspec URL that ``labelforge convert`` wrote.
        manifest: Its manifest, if the caller has it; default: read ``manifest.json``.

    Attributes:
        manifest: What the folder holds and what its label maps mean.
        positions: (m, 4) int32: sample, row of the label table, y, x of up to four pixels of every label in every
            sample, ordered by sample and row. A conversion draws them at random, one from each quarter of the label's
            pixels in reading order, each pixel as likely as any other. Row 0 has none, and shards of format version 1
            have none at all. So a crop can be aimed at a label without reading an image:

            >>> wanted = reader.positions[reader.positions[:, 1] == 8]
            >>> sample, _, y, x = wanted[0].tolist()
            >>> int(reader[sample].local_rows[y, x])
            8

    Raises:
        ShardError: The manifest or an index is missing, damaged or of another version; a shard is missing or does not
            have the length that the manifest says.
    """

    def __init__(self, source: str | os.PathLike[str], manifest: Manifest | None = None) -> None:
        self._folder = open_folder(source)
        self.manifest = manifest or Manifest.load(self._folder)
        self._samples: list[_Stored] = []
        positions: list[NDArray[np.int32]] = []
        sizes = self._folder.sizes()
        for shard in self.manifest.shards:
            self._check_size(shard, sizes.get(shard.name))
        indexes = ShardIndex.load_all(self._folder, [shard.name for shard in self.manifest.shards])
        for number, (shard, index) in enumerate(zip(self.manifest.shards, indexes, strict=True)):
            samples = self._check_index(shard, index).samples
            positions.append(self._positions(shard, samples))
            self._samples += [_stored(number, record) for record in samples]
        self.positions = np.concatenate(positions) if positions else np.empty((0, 4), np.int32)

    def _check_size(self, shard: ShardRecord, size: int | None) -> None:
        place = self._folder.place(shard.name)
        if size is None:
            raise ShardError("the manifest lists this shard, but it is missing", where=place, cure=FETCH_AGAIN)
        if size != shard.size:
            fault = "cut short" if size < shard.size else "longer than it was written"
            raise ShardError(f"{fault}: {size} bytes instead of {shard.size}", where=place, cure=FETCH_AGAIN)

    def _check_index(self, shard: ShardRecord, index: ShardIndex | ShardError) -> ShardIndex:
        if isinstance(index, ShardError):
            raise index
        if (index.name, index.sha256, index.size, len(index.samples)) != (
            shard.name,
            shard.sha256,
            shard.size,
            shard.samples,
        ):
            place = self._folder.place(shard.name)
            raise ShardError("its index and the manifest describe different shards", where=place, cure=FETCH_AGAIN)
        return index

    def _positions(self, shard: ShardRecord, samples: Sequence[SampleRecord]) -> NDArray[np.int32]:
        """(m, 4) sample, row, y, x of the positions of one shard, whose first sample is the next to be listed."""
        named = [
            (number, row, sample.width, sample.height * sample.width, pixel)
            for number, sample in enumerate(samples, start=len(self._samples))
            for row, pixels in sample.positions.items()
            for pixel in pixels
        ]
        number, row, width, pixels, pixel = np.array(named, dtype=np.int64).reshape(-1, 5).T
        if (pixel >= pixels).any():
            place = self._folder.place(shard.name)
            raise ShardError("its index names pixels outside of an image", where=place, cure=COPY_AGAIN)
        return np.stack([number, row, pixel // width, pixel % width], axis=1).astype(np.int32)

    def __repr__(self) -> str:
        what = f"{counted(len(self), 'sample')} of {self.dataset} {self.split}, {self.manifest.taxonomy.name}"
        return f"<ShardReader {shortened(self.url)}: {what}>"

    @property
    def url(self) -> str:
        """The folder, as given."""
        return self._folder.url

    @property
    def dataset(self) -> str:
        """Name of the label space."""
        return self.manifest.dataset

    @property
    def split(self) -> str:
        """The dataset's own name of the split."""
        return self.manifest.split

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The tree that the manifest holds.

        Raises:
            ShardError: The tree's definition is broken, or its digest does not match.
        """
        record = self.manifest.taxonomy
        tree = stored_taxonomy(self.manifest, self._folder)
        if tree.digest != record.digest:
            raise ShardError(
                f"the digest of the manifest's taxonomy {record.name!r} does not match",
                where=self.url,
                cure="It was edited by hand or written by another version: convert again.",
            )
        return tree

    @cached_property
    def mapping(self) -> LabelMapping:
        """The label table: what the values of the label maps mean in the tree.

        Raises:
            ShardError: The table or the tree is broken.
        """
        return stored_mapping(self.manifest, self.taxonomy, self._folder)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of all samples, in order."""
        return tuple(sample.key for sample in self._samples)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """(n, 2) heights and widths of all samples."""
        sizes = [(sample.height, sample.width) for sample in self._samples]
        return np.array(sizes, dtype=np.int64).reshape(-1, 2)

    @cached_property
    def pixels_per_label(self) -> NDArray[np.int64]:
        """(rows,) pixels per row of the label table, over all samples."""
        return np.array([record.pixels for record in self.manifest.labels], dtype=np.int64)

    def pixels(self, number: int) -> dict[int, int]:
        """Pixels per row of the label table in one sample, without decoding it; rows without pixels are left out."""
        return dict(self._samples[number].pixels)

    def origin(self, number: int) -> tuple[str, str]:
        """What names the content of one sample, without reading it: the SHA-256 of its shard, and its key in it."""
        sample = self._samples[number]
        return self.manifest.shards[sample.shard].sha256, sample.key

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        return (self[number] for number in range(len(self)))

    def members(self, number: int) -> dict[str, memoryview]:
        """The stored files of one sample, undecoded, by suffix (``jpg``, ``label.png``, ``json``).

        Raises:
            ShardError: The shard ends before a member does, or cannot be read.
        """
        sample = self._samples[number]
        shard = self.manifest.shards[sample.shard].name
        first = min(offset for _, offset, _ in sample.members)
        end = max(offset + size for _, offset, size in sample.members)
        whole = self._folder.read(shard, first, end - first)  # they are side by side: one request will do
        found = {}
        for suffix, offset, size in sample.members:
            content = whole[offset - first : offset - first + size]
            if len(content) != size:
                raise ShardError(
                    f"ends inside {sample.key}.{suffix}",
                    where=self._folder.place(shard),
                    cure=FETCH_AGAIN,
                )
            found[suffix] = content
        return found

    def __getitem__(self, number: int) -> Sample:
        """Decode one sample.

        Raises:
            IndexError: There is no sample with that number.
            ShardError: Its files are broken.
        """
        return self.sample(number)

    def sample(self, number: int, at_least: tuple[int, int] | None = None) -> Sample:
        """Decode one sample, the image smaller where that will do and saves time.

            >>> import labelforge as lf
            >>> sample = lf.ShardReader("shards/cityscapes-train").sample(0, at_least=(16, 16))
            >>> sample.reduced  # its image is a png; a jpg would be decoded at a fraction of its size
            1

        Args:
            number: Which one.
            at_least: Height and width that the image must have; None: as stored. A jpg is decoded at 1/2, 1/4 or 1/8
                of its size where that is enough. The labels always are as stored.

        Raises:
            IndexError: There is no sample with that number.
            ShardError: Its files are broken.
        """
        sample = self._samples[number]
        members = self.members(number)
        size = sample.height, sample.width
        try:
            suffix = next(s for s in IMAGE_SUFFIXES if s in members)
            reduced = 1 if suffix != "jpg" or at_least is None else reduction(size, at_least)
            image = decode_image(members[suffix], suffix, reduced)
            label = decode_label(members[LABEL_SUFFIX])
            meta = json.loads(bytes(members["json"]))
            if image.shape[:2] != (-(-size[0] // reduced), -(-size[1] // reduced)) or label.shape != size:
                raise ValueError(f"image {image.shape[:2]}, label map {label.shape}, index {size}")
        except (OSError, SyntaxError, ValueError, LookupError, EOFError, StopIteration) as error:
            raise ShardError(
                f"sample {sample.key} is broken ({error})",
                where=self._folder.place(self.manifest.shards[sample.shard].name),
                cure="Copy the shard again, or run convert again with --overwrite.",
            ) from error
        return Sample(sample.key, image, label, meta, reduced)

    def verify(self) -> None:
        """Read all shards and compare them with the manifest's digests, and their members with the indexes.

        Raises:
            ShardError: The first shard that differs.
        """
        for shard in self.manifest.shards:
            sha256 = hashlib.sha256()
            for start in range(0, shard.size, _CHUNK):
                sha256.update(self._folder.read(shard.name, start, _CHUNK))
            if sha256.hexdigest() != shard.sha256:
                raise ShardError(
                    "its content has changed since it was written (SHA-256 differs)",
                    where=self._folder.place(shard.name),
                    cure=COPY_AGAIN,
                )
            self._verify_index(shard)

    def _verify_index(self, shard: ShardRecord) -> None:
        index = ShardIndex.load(self._folder, shard.name)
        indexed = [
            (f"{sample.key}.{member.suffix}", member.offset, member.size)
            for sample in index.samples
            for member in sample.members
        ]
        with tarfile.open(fileobj=io.BytesIO(self._folder.read(shard.name)), mode="r:") as tar:
            stored = [(info.name, info.offset_data, info.size) for info in tar]
        if indexed != stored:
            raise ShardError(
                "it does not hold the members that its index lists",
                where=self._folder.place(shard.name),
                cure="Remove both and run the same convert command again.",
            )


def stored_taxonomy(manifest: Manifest, folder: Folder) -> Taxonomy:
    """The tree that a folder's manifest holds.

    Raises:
        ShardError: Its definition is broken.
    """
    try:
        return Taxonomy.from_dict(manifest.taxonomy.definition)
    except TaxonomyError as fault:
        raise _garbled(folder, f"taxonomy: {fault.what}") from fault


def stored_mapping(manifest: Manifest, tree: Taxonomy, folder: Folder) -> LabelMapping:
    """The label table that a folder's manifest holds.

    Args:
        manifest: The manifest.
        tree: The tree that it holds.
        folder: Where it is, for messages.

    Raises:
        ShardError: A row is broken.
    """
    records = [record.model_dump(exclude={"pixels"}) for record in manifest.labels]
    try:
        return LabelMapping.from_records(tree, manifest.dataset, records)
    except TaxonomyError as fault:
        raise _garbled(folder, f"{fault.where}: {fault.what}") from fault


def _garbled(folder: Folder, what: str) -> ShardError:
    cure = f"It was damaged or edited by hand. {COPY_AGAIN}"
    return ShardError(what, where=folder.place(MANIFEST_NAME), cure=cure)
