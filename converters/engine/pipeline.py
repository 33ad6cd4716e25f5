"""From a dataset on disk to a folder of shards.

    sources of the split, sorted by key  ->  chunks of N  ->  one task per chunk  ->  shards and indexes  ->  manifest

Every task is independent and its bytes depend on its sources and the options alone; so any number of workers writes the
same files, and a conversion that was interrupted goes on where it stopped: shards whose index tells of the same inputs
stay. The manifest is written last, when all shards are there.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Literal, get_args

from labelforge.converters.base import Converter, Source
from labelforge.converters.engine.output import REPORT_NAME, discard, finished_shards, prepare
from labelforge.converters.engine.report import conversion_page
from labelforge.converters.engine.sample import RowTable, SampleEncoder
from labelforge.converters.engine.sets import add_sets
from labelforge.converters.engine.summary import Conversion, row_colors, row_node
from labelforge.converters.engine.tasks import ShardTask, run_tasks
from labelforge.converters.images import CODECS, ImageCodec
from labelforge.converters.registry import accepted_options, find_converter, make_converter
from labelforge.errors import ConfigError, DatasetError, ShardError, did_you_mean
from labelforge.files import json_digest
from labelforge.mapping import LabelMapping
from labelforge.shards import (
    MANIFEST_NAME,
    VERSION,
    Folder,
    LabelRecord,
    Manifest,
    ShardIndex,
    ShardReader,
    ShardRecord,
    TaxonomyRecord,
    Totals,
    escape_key,
    open_folder,
)
from labelforge.shards.manifest import shard_name
from labelforge.taxonomy import Taxonomy

__all__ = ["Conversion", "OnError", "convert"]

OnError = Literal["stop", "skip"]


def convert(
    dataset: str | type[Converter],
    root: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    split: str,
    taxonomy: str | os.PathLike[str] = "iv2018",
    short_side: int | None = None,
    image_codec: ImageCodec = "keep",
    samples_per_shard: int = 64,
    workers: int = 0,
    on_error: OnError = "stop",
    overwrite: bool = False,
    options: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Convert one split of a dataset to shards.

    A folder that holds part of the same conversion is completed; finished shards stay as they are.

    Args:
        dataset: Name of a converter, or a converter's class.
        root: Folder that the dataset was unpacked into.
        out: Folder or fsspec URL for the shards: new, empty, or of the same conversion.
        split: The dataset's own name of the split.
        taxonomy: Shipped tree, or a folder or ``tree.yaml``, with a mapping for the dataset.
        short_side: Scale images down so that the shorter side has this many pixels (never up; images antialiased,
            label maps by nearest neighbour, boxes before they are drawn); default: never scale.
        image_codec: ``keep``: the source's own bytes where it is JPEG or PNG and is not scaled, else the same format;
            or ``jpeg``, ``png``, ``npy``.
        samples_per_shard: Samples of one shard.
        workers: Processes; 0 or 1: this one.
        on_error: What to do about a broken sample: ``stop`` with an error, or ``skip`` it and list it in the manifest.
        overwrite: Replace an earlier conversion, whatever its options.
        options: The converter's own options (``{"release": "1.2"}``).
        executor: Runs one task per shard instead of ``workers``: any ``concurrent.futures.Executor``. Its workers must
            reach ``out``.
        progress: Called with (samples done, samples in all).

    Returns:
        The manifest as written, and what else there is to say.

    Raises:
        ConfigError: An option is wrong, or ``out`` was converted with other ones.
        DatasetError: The dataset, or with ``stop`` a sample of it, is broken. Finished shards are kept then.
        ShardError: ``out`` holds something else or cannot be written.
        TaxonomyError: The tree or its mapping is wrong.
    """
    _check(short_side=short_side, image_codec=image_codec, samples_per_shard=samples_per_shard, on_error=on_error)
    tree = Taxonomy.load(taxonomy)
    converter, native = _open(dataset, root, options or {}, tree)
    sources = _sorted_sources(converter, split)
    mapping, row_of_set = add_sets(native, tree, converter.sets(split))
    table = RowTable({**mapping.row_of, **row_of_set}, len(mapping.rows))
    asked = {
        "converter": converter.name,
        "converter_options": converter.options,
        "dataset": mapping.dataset,
        "split": split,
        "taxonomy": tree.name,
        "taxonomy_digest": tree.digest,
        "mapping_digest": mapping.digest,
        "short_side": short_side,
        "image_codec": image_codec,
        "samples_per_shard": samples_per_shard,
    }
    encoder = SampleEncoder(converter, split, table, row_colors(tree, mapping), short_side, image_codec)
    tasks = _tasks(encoder, sources, os.fspath(out), json.loads(json.dumps(asked)), on_error)
    folder = open_folder(out)
    prepare(folder, overwrite=overwrite)
    indexes, kept = _run(tasks, folder, workers, executor, progress)
    manifest = _manifest(tree, mapping, split, tasks[0].options, indexes)
    if not manifest.totals.samples:
        reason = manifest.totals.skipped[0].reason
        raise DatasetError(f"all {len(sources)} samples are broken; the first: {reason}", where=converter.root)
    conversion = Conversion(manifest, mapping, converter.title, kept, _notes(converter, split))
    page = conversion_page(conversion, ShardReader(out, manifest))
    folder.write(REPORT_NAME, page.html().encode())
    manifest.write(folder)
    return conversion


def _check(*, short_side: int | None, image_codec: str, samples_per_shard: int, on_error: str) -> None:
    for name, value in (("short_side", short_side), ("samples_per_shard", samples_per_shard)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}", cure="Give a whole number from 1.")
    for name, choice, choices in (("image_codec", image_codec, CODECS), ("on_error", on_error, get_args(OnError))):
        if choice not in choices:
            raise ConfigError(f"{name} cannot be {choice!r}", cure=did_you_mean(choice, choices))


def _open(
    dataset: str | type[Converter], root: str | os.PathLike[str], options: Mapping[str, Any], tree: Taxonomy
) -> tuple[Converter, LabelMapping]:
    """The converter and its label table; one that takes ``shapes`` gets those that the tree gives its labels."""
    kind = find_converter(dataset) if isinstance(dataset, str) else dataset
    converter = make_converter(kind, root, options)
    mapping = LabelMapping.load(tree, converter.label_space)
    if "shapes" in accepted_options(kind) and "shapes" not in options:
        nodes = {row.native_id: row_node(tree, row) for row in mapping.rows if row.native_id is not None}
        shapes = {native_id: node.shape for native_id, node in nodes.items() if node and node.shape}
        converter = make_converter(kind, root, {**options, "shapes": shapes})
    return converter, mapping


def _sorted_sources(converter: Converter, split: str) -> list[Source]:
    """The samples in the order of their escaped keys, all different."""
    sources = converter.sources(split)
    if not sources:
        raise DatasetError(f"the split {split} holds no sample", where=converter.root, cure="Unpack it again.")
    twice = [
        key for key, count in Counter(escape_key(source.key) for source in sources).items() if count > 1 or not key
    ]
    if twice:
        images = ", ".join(source.image for source in sources if escape_key(source.key) == twice[0])
        raise DatasetError(
            f"{len(twice)} key{'s' * (len(twice) > 1)} taken twice or empty, such as {twice[0]!r} ({images})",
            where=converter.root,
            cure="Keep one image of each name.",
        )
    return sorted(sources, key=lambda source: escape_key(source.key))


def _tasks(
    encoder: SampleEncoder, sources: Sequence[Source], url: str, options: dict[str, Any], on_error: OnError
) -> list[ShardTask]:
    """One task per shard; a missing file is an error right now, unless broken samples are skipped."""
    size = options["samples_per_shard"]
    tasks: list[ShardTask] = []
    for start in range(0, len(sources), size):
        chunk = tuple(sources[start : start + size])
        files = [_file_sizes(encoder.converter, source, must_exist=on_error == "stop") for source in chunk]
        inputs = json_digest({"options": options, "palette": encoder.palette, "files": files, "version": VERSION})
        tasks.append(ShardTask(url, len(tasks), chunk, encoder, options, inputs, on_error == "skip"))
    return tasks


def _file_sizes(converter: Converter, source: Source, *, must_exist: bool) -> list[Any]:
    """What tells that a source has changed: its key, what was noted of it (boxes), its files with their lengths."""
    sizes: list[Any] = [source.key, dict(source.meta)]
    for path in converter.files(source):
        try:
            sizes.append([path.name, path.stat().st_size])
        except OSError as error:
            if must_exist:
                raise DatasetError(
                    f"sample {source.key} needs this file, and it is missing",
                    where=path,
                    cure=f"Unpack {converter.title} again, or leave such samples out with --on-error skip.",
                ) from error
            sizes.append([path.name, None])
    return sizes


def _run(
    tasks: Sequence[ShardTask],
    folder: Folder,
    workers: int,
    executor: Executor | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[ShardIndex], int]:
    """Make the shards that are not there yet.

    Returns:
        The indexes of all shards in order, and how many of them an earlier run had made.
    """
    finished = finished_shards(folder, tasks[0].options)
    kept = {
        task.number: finished[shard_name(task.number)]
        for task in tasks
        # A shard that left samples out is made again: they may have been repaired, or skipping may not be wanted now.
        if shard_name(task.number) in finished
        and finished[shard_name(task.number)].inputs == task.inputs
        and not finished[shard_name(task.number)].skipped
    }
    todo = [task for task in tasks if task.number not in kept]
    names = {shard_name(task.number) for task in tasks}
    stale = [name for name in folder.names() if name.startswith("shard-") and f"{name.split('.')[0]}.tar" not in names]
    if todo or stale:
        discard(folder, [*(name for name in folder.names() if name in (MANIFEST_NAME, REPORT_NAME)), *stale])
    total = sum(len(task.sources) for task in tasks)
    done = total - sum(len(task.sources) for task in todo)

    def advance(samples: int) -> None:
        nonlocal done
        done += samples
        if progress is not None:
            progress(done, total)

    advance(0)
    made = run_tasks(todo, workers=workers, executor=executor, advance=advance)
    for index in made.values():
        if folder.size(index.name) != index.size:
            raise ShardError(
                "a worker wrote this shard, but it is not to be seen from here",
                where=folder.place(index.name),
                cure="All workers must reach the same output folder; memory:// needs workers=0.",
            )
    indexes = {**kept, **made}
    return [indexes[task.number] for task in tasks], len(kept)


def _manifest(
    tree: Taxonomy, mapping: LabelMapping, split: str, options: Mapping[str, Any], indexes: Sequence[ShardIndex]
) -> Manifest:
    samples = [sample for index in indexes for sample in index.samples]
    pixels: Counter[int] = Counter()
    for sample in samples:
        pixels.update(sample.pixels)
    ignored = sum(pixels[row.row] for row in mapping.rows[1:] if row.target.ignored)
    return Manifest(
        version=VERSION,
        dataset=mapping.dataset,
        split=split,
        taxonomy=TaxonomyRecord(name=tree.name, digest=tree.digest, definition=tree.to_dict()),
        mapping_digest=mapping.digest,
        labels=tuple(LabelRecord(**record, pixels=pixels[record["row"]]) for record in mapping.to_records()),
        options=dict(options),
        shards=tuple(ShardRecord(name=i.name, sha256=i.sha256, size=i.size, samples=len(i.samples)) for i in indexes),
        totals=Totals(
            samples=len(samples),
            pixels=pixels.total(),
            used=pixels.total() - pixels[0] - ignored,
            ignored=ignored,
            unannotated=pixels[0],
            skipped=tuple(skipped for index in indexes for skipped in index.skipped),
        ),
    )


def _notes(converter: Converter, split: str) -> tuple[str, ...]:
    missing = converter.missing(split)
    if not missing:
        return ()
    shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    return (f"{len(missing)} annotated samples of this split have no image on disk and were left out ({shown}).",)
