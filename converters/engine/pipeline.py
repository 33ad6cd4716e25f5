"""From a dataset on disk to a folder of shards.

    sources of the split, sorted by key  ->  chunks of N  ->  one task per chunk  ->  shards and indexes  ->  manifest

Every task is independent, and its bytes depend only on its sources, the options and the packages installed (zlib-ng
deflates label maps otherwise than zlib does). So any number of workers writes the same files, and an interrupted
conversion can be resumed: shards whose index names the same inputs stay. The manifest is written last, when all shards
are there. Only one conversion at a time may write into a folder (`labelforge.shards.claim`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from labelforge.converters.base import DEFAULT_TREE, Converter, check_choice
from labelforge.converters.engine.crew import Follower, make_by, make_here, make_in_pool
from labelforge.converters.engine.output import REPORT_NAME, check_ours, finished_kept, keep_finished, prepare
from labelforge.converters.engine.report import conversion_page
from labelforge.converters.engine.result import Conversion
from labelforge.converters.engine.row_table import RowTable
from labelforge.converters.engine.sample import SampleEncoder
from labelforge.converters.engine.tasks import Plan, ShardTask, check_inside, make_tasks, sorted_sources
from labelforge.converters.pictures.images import CODECS, Check, ImageCodec
from labelforge.converters.registry import open_converter
from labelforge.errors import ConfigError, DatasetError, ShardError, counted, listed
from labelforge.mapping import LabelMapping
from labelforge.own_dataset import OwnDataset, is_dataset_file
from labelforge.retarget_command import retarget_command
from labelforge.shards import Folder, Manifest, ShardReader, ShardSummary, open_folder
from labelforge.shards.claim import Claim, check_unclaimed, only_writer
from labelforge.taxonomy import Taxonomy

OnError = Literal["stop", "skip"]
Progress = Callable[[int, int], None]
"""Told how many samples are done, and how many there are."""


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
    refine: bool = False,
    follow_links: bool = False,
    samples_per_shard: int = 64,
    workers: int = 0,
    on_error: OnError = "stop",
    overwrite: bool = False,
    options: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    dask: str | None = None,
    progress: Progress | None = None,
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
        taxonomy: Shipped tree, or a folder or ``tree.yaml``, with a mapping for the dataset; default: iv2018, or where
            that has none, the shipped tree that has; of a ``dataset.yaml``, the tree that its mapping names.
        short_side: Scale images down so that the shorter side has this many pixels (never up; images antialiased,
            label maps by nearest neighbour, boxes before they are drawn); default: never scale.
        image_codec: ``keep``: the source's own bytes if it is JPEG or PNG and is not scaled, else the same format;
            or ``jpeg``, ``png``, ``npy``.
        check: How images that are stored unchanged are proven whole: ``fast``, or ``decode`` all of them
            (`labelforge.converters.pictures.images.Check` says what each finds). The shards are the same.
        refine: Boxes whose class has no shape in the tree cover what the image shows to be the object, not all that
            they hold (`labelforge.converters.labels.refine`).
        follow_links: Also read files that symbolic links in the dataset have outside of its folder.
        samples_per_shard: Samples per shard.
        workers: Worker processes; 0 or 1: convert in this process.
        on_error: What to do with a broken sample: ``stop`` with an error, or ``skip`` it and list it in the manifest.
        overwrite: Replace an earlier conversion, whatever its options.
        options: The converter's own options (``{"release": "1.2"}``).
        executor: Runs one task per shard instead of ``workers``: any ``concurrent.futures.Executor``. Its workers must
            reach ``out``.
        dask: Address of a Dask scheduler, whose workers run the tasks instead; they must reach ``root`` and ``out``.
        progress: Called with (samples done, samples in all): for every sample, or with workers a few times a second.

    Returns:
        The manifest as written, and notes for the user.

    Raises:
        ConfigError: An option is wrong, ``out`` was converted with other options, or a Dask cluster cannot be used.
        DatasetError: The dataset, or with ``stop`` a sample of it, is broken. Finished shards are kept then; where
            there are none, nothing is left of what was made.
        ShardError: ``out`` holds something else, cannot be written, or another conversion is writing there.
        TaxonomyError: The tree or its mapping is wrong.
    """
    _check(short_side=short_side, image_codec=image_codec, samples_per_shard=samples_per_shard, on_error=on_error)
    check_choice("check", check, get_args(Check))
    if dask is not None:  # workers have a working folder of their own
        root, out = root and Path(root).absolute(), _absolute(out)
        dataset = str(Path(dataset).absolute()) if root is None and isinstance(dataset, str) else dataset
    given = None if taxonomy is None else Taxonomy.load(taxonomy)
    opened = _open(open_converter(dataset, root, options or {}), given, split, refine=refine)
    folder = open_folder(out)
    check_ours(folder)
    check_unclaimed(folder)
    converter, tree = opened.converter, opened.tree
    converter.follow_links = follow_links
    sources = sorted_sources(converter, split)
    if not follow_links:
        check_inside(converter, sources)
    mapping, table = _label_table(opened.native, tree, converter.sets(split))
    encoder = SampleEncoder(converter, split, table, mapping.colors(tree), short_side, image_codec, check, refine)
    asked = {**_asked(encoder, mapping, tree), "samples_per_shard": samples_per_shard}
    asked = json.loads(json.dumps(asked))  # as an index gives them back
    tasks = make_tasks(sources, encoder, asked, skip_broken=on_error == "skip")
    with only_writer(folder) as claim:
        prepare(folder, overwrite=overwrite)
        plan = Plan(folder.url, encoder, asked, on_error == "skip", claim.token, bool(dask or executor))
        run = _Run(plan, tasks, folder, claim, progress, _retarget(folder, opened, dataset, taxonomy, options or {}))
        with finished_kept(folder, claim, overwrite=overwrite):
            run.make(workers, executor, dask)
            protocol = converter.space(tree).protocol
            manifest = Manifest.build(tree, mapping, split, run.shards(), protocol=protocol, options=asked)
            if not manifest.totals.samples:
                prepare(folder, overwrite=True)  # shards without a sample are worth nothing
                reason = manifest.totals.skipped[0].reason
                raise DatasetError(f"all {len(sources)} samples are broken; the first: {reason}", where=converter.root)
            notes = (
                *_default_note(opened, taxonomy),
                *_notes(manifest, converter, split),
                *_undecided(manifest, mapping),
            )
            conversion = Conversion(manifest, mapping, converter.title, run.kept, notes)
            _publish(conversion, folder, claim)
    return conversion


def _publish(conversion: Conversion, folder: Folder, claim: Claim) -> None:
    """Write the report, and the manifest last: from then on the folder is whole."""
    page = conversion_page(conversion, ShardReader(folder.url, conversion.manifest))
    claim.check()
    folder.write(REPORT_NAME, page.html().encode())
    conversion.manifest.write(folder)


@dataclass(frozen=True)
class _Opened:
    """A dataset, the tree, and what its native labels mean in it."""

    converter: Converter
    tree: Taxonomy
    native: LabelMapping


def _open(converter: Converter, given: Taxonomy | None, split: str, *, refine: bool) -> _Opened:
    """Make a converter ready for a tree; what is wrong with the tree, the mapping or the split is said now."""
    tree = given or Taxonomy.load(converter.tree_name())
    native = converter.mapping(tree)
    if refine and native.supervision != "box":
        raise ConfigError(f"{converter.title} has no boxes to refine", cure="Leave refine out.")
    converter.shapes = _shapes(native, tree)
    converter.check_split(split)
    return _Opened(converter, tree, native)


def _default_note(opened: _Opened, asked: str | os.PathLike[str] | None) -> Iterator[str]:
    """That another tree was taken than is usual, where none was asked for and the usual one could not be."""
    trees = LabelMapping.trees_with(opened.converter.label_space)  # none of a dataset of one's own
    if asked is None and trees and DEFAULT_TREE not in trees:
        why = f"{DEFAULT_TREE} has no mapping for {opened.converter.label_space}"
        yield f"Converted for the tree {opened.tree.name}, as {why}; --taxonomy names another."


def _retarget(
    folder: Folder,
    opened: _Opened,
    dataset: str | os.PathLike[str] | type[Converter],
    taxonomy: str | os.PathLike[str] | None,
    options: Mapping[str, Any],
) -> str:
    """The command that gives shards which are there already the meaning that this conversion asks for."""
    mapping = options.get("mapping")
    if mapping is None and not isinstance(dataset, type) and is_dataset_file(dataset):
        mapping = OwnDataset.load(dataset).mapping_file(opened.tree.name)
    return retarget_command([folder.url], taxonomy or opened.tree.name, mapping)


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
        "refine": encoder.refine,
    }


class _Run:
    """The shards of one conversion: those that an earlier run has made, and those to be made.

    Attributes:
        kept: How many an earlier run had made.
    """

    def __init__(
        self,
        plan: Plan,
        tasks: Sequence[ShardTask],
        folder: Folder,
        claim: Claim,
        progress: Progress | None,
        retarget: str,
    ) -> None:
        self._plan, self._tasks, self._folder, self._claim, self._progress = plan, tasks, folder, claim, progress
        self._there = keep_finished(folder, {task.name: task.inputs for task in tasks}, plan.options, retarget)
        self.kept = len(self._there)
        self._total = sum(len(task.sources) for task in tasks)

    def make(self, workers: int, executor: Executor | None, dask: str | None) -> None:
        """Make the shards that are not there yet; raises what `convert` raises."""
        todo = [task for task in self._tasks if task.name not in self._there]
        before = self._total - sum(len(task.sources) for task in todo)
        follower = Follower(self._arrived, lambda done: self._tell(before + done))
        self._tell(before)
        if not todo:
            return
        if dask is not None:
            from labelforge.converters.engine.dask_cluster import make_on_dask

            make_on_dask(dask, self._plan, todo, follower)
        elif executor is not None:
            make_by(executor, self._plan, todo, follower)
        elif min(workers, len(todo)) > 1:
            make_in_pool(self._plan, todo, min(workers, len(todo)), follower)
        else:
            make_here(self._plan, todo, follower)

    def shards(self) -> list[ShardSummary]:
        """All of them, in order."""
        return [self._there[task.name] for task in self._tasks]

    def _arrived(self, shard: ShardSummary) -> None:
        if self._folder.size(shard.name) != shard.size:
            raise ShardError(
                "a worker wrote this shard, but it is not here",
                where=self._folder.place(shard.name),
                cure="All workers must reach the same output folder.",
            )
        self._there[shard.name] = shard

    def _tell(self, done: int) -> None:
        self._claim.check()
        if self._progress is not None:
            self._progress(done, self._total)


def _absolute(out: str | os.PathLike[str]) -> str | os.PathLike[str]:
    return out if "://" in os.fspath(out) or not os.fspath(out) else Path(out).absolute()


def _undecided(manifest: Manifest, mapping: LabelMapping) -> Iterator[str]:
    """That labels with pixels have no meaning yet."""
    open_rows = [row for row in mapping.rows if row.undecided and manifest.labels[row.row].pixels]
    if open_rows:
        pixels = sum(manifest.labels[row.row].pixels for row in open_rows)
        names = listed(repr(row.native_name) for row in open_rows)
        yield (
            f"{counted(len(open_rows), 'label')} with {pixels / manifest.totals.pixels:.1%} of the pixels "
            f"{'are' if len(open_rows) > 1 else 'is'} TODO in the mapping, and teach{'es' * (len(open_rows) == 1)} "
            f"nothing: {names}. Decide in the mapping; 'labelforge retarget' then needs no new conversion."
        )


def _notes(manifest: Manifest, converter: Converter, split: str) -> tuple[str, ...]:
    missing = converter.missing(split)
    left_out = [f"Left out because their images are not on disk: {listed(missing, 3)}."] if missing else []
    remarks = [f"{counted(number, 'image')} {remark}." for remark, number in manifest.totals.remarks.items()]
    return (*left_out, *remarks, *converter.notes(split))
