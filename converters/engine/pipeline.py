"""From a dataset on disk to a folder of shards.

    sources of the split, sorted by key  ->  chunks of N  ->  one task per chunk  ->  shards and indexes  ->  manifest

Every task is independent, and its bytes depend only on its sources, the options and the packages installed (zlib-ng
deflates label maps otherwise than zlib does). So any number of workers writes the same files, and an interrupted
conversion can be resumed: shards whose index names the same inputs stay. The manifest is written last, when all shards
are there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Literal, get_args

from labelforge.converters.base import Converter, check_choice
from labelforge.converters.engine.output import REPORT_NAME, keep_finished, prepare
from labelforge.converters.engine.report import conversion_page
from labelforge.converters.engine.result import Conversion
from labelforge.converters.engine.row_table import RowTable
from labelforge.converters.engine.sample import SampleEncoder
from labelforge.converters.engine.tasks import ShardTask, make_tasks, run_tasks, sorted_sources
from labelforge.converters.images import CODECS, Check, ImageCodec
from labelforge.converters.registry import open_converter
from labelforge.errors import ConfigError, DatasetError, ShardError, listed
from labelforge.mapping import LabelMapping
from labelforge.shards import Folder, Manifest, ShardIndex, ShardReader, open_folder
from labelforge.taxonomy import Taxonomy

OnError = Literal["stop", "skip"]


def convert(
    dataset: str | os.PathLike[str] | type[Converter],
    root: str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    *,
    split: str,
    taxonomy: str | os.PathLike[str] | None = None,
    short_side: int | None = None,
    image_codec: ImageCodec = "keep",
    check: Check = "fast",
    samples_per_shard: int = 64,
    workers: int = 0,
    on_error: OnError = "stop",
    overwrite: bool = False,
    options: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Convert one split of a dataset to shards.

        >>> from labelforge.converters import convert
        >>> conversion = convert("cityscapes", "data/cityscapes", "converted", split="train", short_side=512)
        >>> conversion.manifest.totals.samples
        5

    A folder that holds part of the same conversion is completed; finished shards stay as they are.

    Args:
        dataset: Name of a converter, a converter's class, or the path of a ``dataset.yaml``.
        root: Folder that the dataset was unpacked into; None: that of the ``dataset.yaml``.
        out: Folder or fsspec URL for the shards: new, empty, or of the same conversion.
        split: The dataset's own name of the split.
        taxonomy: Shipped tree, or a folder or ``tree.yaml``, with a mapping for the dataset; default: iv2018, or the
            tree that the mapping of a ``dataset.yaml`` names.
        short_side: Scale images down so that the shorter side has this many pixels (never up; images antialiased,
            label maps by nearest neighbour, boxes before they are drawn); default: never scale.
        image_codec: ``keep``: the source's own bytes if it is JPEG or PNG and is not scaled, else the same format;
            or ``jpeg``, ``png``, ``npy``.
        check: How images that are stored unchanged are proven whole: ``fast`` (`labelforge.converters.images.Check`
            says what it finds), or ``decode`` all of them. The shards are the same.
        samples_per_shard: Samples per shard.
        workers: Worker processes; 0 or 1: convert in this process.
        on_error: What to do with a broken sample: ``stop`` with an error, or ``skip`` it and list it in the manifest.
        overwrite: Replace an earlier conversion, whatever its options.
        options: The converter's own options (``{"release": "1.2"}``).
        executor: Runs one task per shard instead of ``workers``: any ``concurrent.futures.Executor``. Its workers must
            reach ``out``.
        progress: Called with (samples done, samples in all).

    Returns:
        The manifest as written, and notes for the user.

    Raises:
        ConfigError: An option is wrong, or ``out`` was converted with other options.
        DatasetError: The dataset, or with ``stop`` a sample of it, is broken. Finished shards are kept then.
        ShardError: ``out`` holds something else or cannot be written.
        TaxonomyError: The tree or its mapping is wrong.
    """
    _check(short_side=short_side, image_codec=image_codec, samples_per_shard=samples_per_shard, on_error=on_error)
    check_choice("check", check, get_args(Check))
    given = None if taxonomy is None else Taxonomy.load(taxonomy)
    converter = open_converter(dataset, root, options or {})
    tree = given or Taxonomy.load(converter.tree_name())
    native = converter.mapping(tree)
    converter.shapes = _shapes(native, tree)
    converter.check_split(split)
    sources = sorted_sources(converter, split)
    mapping, table = _label_table(native, tree, converter.sets(split))
    encoder = SampleEncoder(converter, split, table, mapping.colors(tree), short_side, image_codec, check)
    asked = {**_asked(encoder, mapping, tree), "samples_per_shard": samples_per_shard}
    folder = open_folder(out)
    tasks = make_tasks(folder.url, sources, encoder, asked, skip_broken=on_error == "skip")
    prepare(folder, overwrite=overwrite)
    indexes, kept = _run(tasks, folder, workers, executor, progress)
    protocol = converter.space(tree).protocol
    manifest = Manifest.build(tree, mapping, split, indexes, protocol=protocol, options=tasks[0].options)
    conversion = Conversion(manifest, mapping, converter.title, kept, _notes(converter, split))
    if not manifest.totals.samples:
        reason = manifest.totals.skipped[0].reason
        raise DatasetError(f"all {len(sources)} samples are broken; the first: {reason}", where=converter.root)
    page = conversion_page(conversion, ShardReader(out, manifest))
    folder.write(REPORT_NAME, page.html().encode())
    manifest.write(folder)
    return conversion


def _check(*, short_side: int | None, image_codec: str, samples_per_shard: int, on_error: str) -> None:
    for name, value in (("short_side", short_side), ("samples_per_shard", samples_per_shard)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}", cure="Give a whole number, at least 1.")
    check_choice("image_codec", image_codec, CODECS)
    check_choice("on_error", on_error, get_args(OnError))


def _shapes(mapping: LabelMapping, tree: Taxonomy) -> dict[int, str]:
    """Native id -> the shape that the tree gives its boxes, where it gives one."""
    shapes = {row.native_id: row.shape(tree) for row in mapping.rows}
    return {native_id: shape for native_id, shape in shapes.items() if native_id is not None and shape}


def _label_table(
    native: LabelMapping, tree: Taxonomy, sets: Mapping[int, frozenset[int]]
) -> tuple[LabelMapping, RowTable]:
    """The label table with a row for every set of labels, and the row of every value that is drawn."""
    drawn = sorted(sets, key=lambda value: sorted(sets[value]))
    mapping = native.with_sets(tree, [sorted(sets[value]) for value in drawn])
    row_of_set = {value: row for row, value in enumerate(drawn, start=len(native.rows))}
    return mapping, RowTable({**native.row_of, **row_of_set}, len(mapping.rows))


def _asked(encoder: SampleEncoder, mapping: LabelMapping, tree: Taxonomy) -> dict[str, Any]:
    """The options that decide how samples are converted, as kept in the manifest and the indexes."""
    return {
        "converter": encoder.converter.name,
        "converter_options": encoder.converter.options,
        "dataset": mapping.dataset,
        "split": encoder.split,
        "taxonomy": tree.name,
        "taxonomy_digest": tree.digest,
        "mapping_digest": mapping.digest,
        "short_side": encoder.short_side,
        "image_codec": encoder.codec,
    }


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
    kept = keep_finished(folder, {task.name: task.inputs for task in tasks}, tasks[0].options)
    todo = [task for task in tasks if task.name not in kept]
    total = sum(len(task.sources) for task in tasks)
    done = total - sum(len(task.sources) for task in todo)

    def advance(samples: int) -> None:
        nonlocal done
        done += samples
        if progress is not None:
            progress(done, total)

    advance(0)
    made = {index.name: index for index in run_tasks(todo, workers=workers, executor=executor, advance=advance)}
    for name, index in made.items():
        if folder.size(name) != index.size:
            raise ShardError(
                "a worker wrote this shard, but it is not here",
                where=folder.place(name),
                cure="All workers must reach the same output folder; memory:// needs workers=0.",
            )
    indexes = {**kept, **made}
    return [indexes[task.name] for task in tasks], len(kept)


def _notes(converter: Converter, split: str) -> tuple[str, ...]:
    missing = converter.missing(split)
    left_out = [f"Left out because their images are not on disk: {listed(missing, 3)}."] if missing else []
    return (*left_out, *converter.notes(split))
