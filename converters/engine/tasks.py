"""One shard is one task, which any process that reaches the dataset and the output folder can do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelforge.converters.base import Converter, Source
from labelforge.converters.engine.sample import SampleEncoder
from labelforge.converters.files import OR_SKIP
from labelforge.errors import DatasetError, LabelforgeError, listed
from labelforge.files import json_digest
from labelforge.shards import (
    VERSION,
    EncodedSample,
    ShardSummary,
    SkippedSample,
    escape_key,
    open_folder,
    write_shard,
)
from labelforge.shards.claim import check_token
from labelforge.shards.index import shard_name

_SEEN_WITHIN = 30.0  # seconds


@dataclass(frozen=True)
class Plan:
    """What all tasks of a conversion have in common. Picklable.

    Attributes:
        url: Output folder.
        encoder: What a sample becomes.
        options: What the conversion was asked for; kept in the indexes.
        skip_broken: Leave broken samples out instead of raising.
        token: What names the conversion that may write into the folder.
        far: Whether tasks run on other machines, which may see the folder a little later than this one.
    """

    url: str
    encoder: SampleEncoder
    options: Mapping[str, Any]
    skip_broken: bool
    token: str
    far: bool = False


@dataclass(frozen=True)
class ShardTask:
    """What is to be in one shard. Picklable.

    Attributes:
        number: The shard's number.
        sources: Its samples, in order.
        inputs: Digest of all that decides the shard's bytes; kept in the index.
    """

    number: int
    sources: tuple[Source, ...]
    inputs: str

    @property
    def name(self) -> str:
        """The shard's file name."""
        return shard_name(self.number)


def sorted_sources(converter: Converter, split: str) -> list[Source]:
    """The samples of a split in the order of their escaped keys.

    Raises:
        DatasetError: There is none, or two have the same key.
    """
    try:
        sources = converter.sources(split)
        if not sources:
            raise DatasetError(f"the split {split} has no samples", where=converter.root, cure="Make or unpack it.")
    except DatasetError as error:
        raise _naming_others(error, converter, split) from error
    counts = Counter(escape_key(source.key) for source in sources)
    bad = [key for key, count in counts.items() if count > 1 or not key]
    if bad:
        images = ", ".join(source.image for source in sources if escape_key(source.key) == bad[0])
        raise DatasetError(
            f"{len(bad)} key{'s' * (len(bad) > 1)} used twice or empty, such as {bad[0]!r} ({images})",
            where=converter.root,
            cure="Keep one image per name.",
        )
    _check_case(converter, sources)
    return sorted(sources, key=lambda source: escape_key(source.key))


def _naming_others(error: DatasetError, converter: Converter, split: str) -> DatasetError:
    """The same error about a split whose samples cannot be listed, with the splits that are there."""
    cure = error.cure or ""
    others = [name for name in converter.splits if name != split and _is_there(converter, name)]
    if not others or any(name in cure.replace(".", " ").split() for name in others):
        return error
    there = f"{listed(others)} {'are' if len(others) > 1 else 'is'} there."
    return DatasetError(error.what, where=error.where, line=error.line, cure=f"{cure} Of the other splits, {there}")


def _is_there(converter: Converter, split: str) -> bool:
    try:
        return bool(converter.sources(split))
    except LabelforgeError:
        return False


def _check_case(converter: Converter, sources: Sequence[Source]) -> None:
    """Raise a `DatasetError` where two keys differ only in upper and lower case."""
    seen: dict[str, Source] = {}
    for source in sources:
        other = seen.setdefault(source.key.casefold(), source)
        if other is not source:
            raise DatasetError(
                f"the keys {other.key!r} and {source.key!r} are alike but for case ({other.image}, {source.image})",
                where=converter.root,
                cure="Rename one of them: where file names have no case, one would replace the other.",
            )


def make_tasks(
    sources: Sequence[Source],
    encoder: SampleEncoder,
    options: Mapping[str, Any],
    *,
    skip_broken: bool,
) -> list[ShardTask]:
    """One task per shard; a missing file is an error at once, unless broken samples are skipped.

    Args:
        sources: All samples, sorted (`sorted_sources`).
        encoder: What a sample becomes.
        options: What the conversion was asked for, as JSON gives it back, ``samples_per_shard`` among it.
        skip_broken: Leave broken samples out instead of raising.

    Raises:
        DatasetError: A file is missing.
    """
    size = options["samples_per_shard"]
    tasks: list[ShardTask] = []
    for start in range(0, len(sources), size):
        chunk = tuple(sources[start : start + size])
        files = [_file_sizes(encoder.converter, source, must_exist=not skip_broken) for source in chunk]
        inputs = json_digest({"options": options, "palette": encoder.palette, "files": files, "version": VERSION})
        tasks.append(ShardTask(len(tasks), chunk, inputs))
    return tasks


def check_inside(converter: Converter, sources: Sequence[Source]) -> None:
    """Raise a `DatasetError` where a file is outside of the dataset's folder, by a link in it or by '..' in a name."""
    top = converter.root.resolve()
    for source in sources:
        for path in converter.files(source):
            if not (place := path.resolve()).is_relative_to(top):
                raise DatasetError(
                    f"sample {source.key} has a file outside of the dataset's folder: it leads to {place}",
                    where=path,
                    cure="Use --follow-links if that is intended.",
                )


def _file_sizes(converter: Converter, source: Source, *, must_exist: bool) -> list[Any]:
    """What shows that a source has changed: its key, meta data and annotations, its files with their lengths."""
    sizes: list[Any] = [source.key, dict(source.meta), source.annotations]
    for path in converter.files(source):
        try:
            sizes.append([path.name, path.stat().st_size])
        except OSError as error:
            if must_exist:
                raise DatasetError(
                    f"sample {source.key} needs this file, and it is missing",
                    where=path,
                    cure=f"Make or unpack it again{OR_SKIP}",
                ) from error
            sizes.append([path.name, None])
    return sizes


def run_task(plan: Plan, task: ShardTask, advance: Callable[[], None] | None = None) -> ShardSummary:
    """Write one shard and its index, if the folder is still this conversion's.

    Args:
        plan: What all tasks have in common.
        task: What is to be in the shard.
        advance: Told that one more sample is done.

    Raises:
        DatasetError: A sample is broken and not skipped; nothing of the shard is left then.
        ShardError: The output cannot be written, or another conversion is writing there now.
    """
    folder = open_folder(plan.url)
    check_token(folder, plan.token, _SEEN_WITHIN if plan.far else 0.0)

    def samples() -> Iterator[EncodedSample | SkippedSample]:
        for source in task.sources:
            sample: EncodedSample | SkippedSample
            try:
                sample = plan.encoder.encode(source)
            except DatasetError as error:
                if not plan.skip_broken:
                    raise
                sample = SkippedSample(key=source.key, reason=str(error).replace(OR_SKIP, "."))
            yield sample
            if advance is not None:
                advance()
        check_token(folder, plan.token, 0.0)  # it was seen: if it is gone now, then for good

    return write_shard(folder, task.number, samples(), options=plan.options, inputs=task.inputs).summary()
