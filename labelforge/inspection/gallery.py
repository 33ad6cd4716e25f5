"""The page of `labelforge inspect --html`: pick a label and see the frames that hold most of it, beside their labels.

The page is one file. `GalleryLabels` numbers the labels of all folders; the frames are chosen for all labels and nodes
together and each is stored once, as a small JPEG and, for its labels, the numbers of its pixels' labels, deflated.
``templates/gallery.js`` colours these in, so that the label that was picked stands out, and sorts the frames by it.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelforge.errors import ShardError, counted
from labelforge.inspection.choice import choose_different
from labelforge.inspection.counts import LabelCounts
from labelforge.inspection.gallery_labels import GalleryLabels
from labelforge.inspection.thumbnails import Rows, thumbnail
from labelforge.report import Picture, environment, page_script, script_json
from labelforge.retarget_command import one_tree_cure
from labelforge.shards import ShardReader
from labelforge.wording import printable

_SIDE: Final = 320  # pixels of a picture's longer side
_MOST_FRAMES: Final = 200  # in a page, however many labels there are
_FIRST: Final = 12  # frames shown before anything is picked, of each folder fewer
_SMALL: Final = 0.1  # of a frame's area: a label whose outline is smaller gets one drawn around it


def gallery_page(
    readers: Sequence[ShardReader], frames: int = 6, progress: Callable[[int, int], None] | None = None
) -> str:
    """The page for some folders of shards.

    Args:
        readers: The folders; all of one tree.
        frames: How many frames per label and per node of the tree, as far as the page's `_MOST_FRAMES` allow.
        progress: Called with (frames done, frames in all).

    Returns:
        The whole document.

    Raises:
        ShardError: The folders are of different trees, or a sample is broken.
    """
    _check_trees(readers)
    counts = [LabelCounts.of(reader) for reader in readers]
    labels = GalleryLabels.of(readers, counts)
    first, chosen, complete = _choose(readers, counts, labels, frames)
    order = sorted(chosen)
    stored = []
    for done, (folder, number) in enumerate(order):
        if progress is not None:
            progress(done, len(order))
        stored.append(_frame(readers[folder], number, counts[folder], labels.numbers[folder]) | {"folder": folder})
    if progress is not None:
        progress(len(order), len(order))
    places = {frame: position for position, frame in enumerate(order)}
    data = {
        "frames": stored,
        "first": [places[frame] for frame in first],
        "perLabel": frames,
        "labels": labels.data(),
        "nodes": labels.nodes(),
        "folders": [printable(f"{reader.dataset}, {reader.split}") for reader in readers],
        "bytesPerPixel": labels.numbers[0].itemsize,
    }
    script, digest = page_script("gallery.js")
    return (
        environment()
        .get_template("gallery.html")
        .render(
            title=_title(readers),
            tree=printable(readers[0].taxonomy.name),
            samples=f"{counted(sum(map(len, readers)), 'sample')} in {counted(len(readers), 'folder')}",
            folders=[_folder(reader) for reader in readers],
            labels=labels,
            note=_note(len(order), frames, complete),
            data=script_json(data),
            script=script,
            script_digest=digest,
        )
    )


def _check_trees(readers: Sequence[ShardReader]) -> None:
    first = readers[0].taxonomy
    for reader in readers[1:]:
        if reader.taxonomy.digest != first.digest:
            raise ShardError(
                f"these shards are of another tree (taxonomy {reader.taxonomy.name!r}) than the first ({first.name!r})",
                where=reader.url,
                cure=f"Make a page of each, or give them one tree. {one_tree_cure(readers)}",
            )


def _choose(
    readers: Sequence[ShardReader], counts: Sequence[LabelCounts], labels: GalleryLabels, frames: int
) -> tuple[list[tuple[int, int]], set[tuple[int, int]], int]:
    """The frames of the page.

    First come some that differ. Then every label and every node gets the frame that holds most of it, then each the
    one after that, and so on; frames are shared, and there is an end at `_MOST_FRAMES`.

    Returns:
        The ones that differ; all; and how many every label and node is sure to have.
    """
    first: list[tuple[int, int]] = []
    for folder, count in enumerate(counts):
        silent = [row.row for row in readers[folder].mapping.rows if row.target.ignored]
        picked = choose_different(count, max(_FIRST // len(readers), 1), silent)
        first += [(folder, number) for number in picked]
    chosen = set(first)
    lists = [_most(counts, rows, frames) for rows in labels.selections()]
    for rank in range(frames):
        for most in lists:
            if rank < len(most) and most[rank] not in chosen:
                if len(chosen) >= _MOST_FRAMES:
                    return first, chosen, rank
                chosen.add(most[rank])
    return first, chosen, frames


def _most(counts: Sequence[LabelCounts], rows: Sequence[Sequence[int]], number: int) -> list[tuple[int, int]]:
    """(folder, sample) of the samples of all folders that hold most of some rows, given per folder."""
    found = [
        (pixels, folder, sample)
        for folder, own in enumerate(rows)
        if own
        for sample, pixels in counts[folder].most(own, number)
    ]
    found.sort(key=lambda one: (-one[0], one[1:]))
    return [(folder, sample) for _, folder, sample in found[:number]]


def _frame(
    reader: ShardReader, number: int, counts: LabelCounts, numbers: NDArray[np.unsignedinteger[Any]]
) -> dict[str, Any]:
    """A frame as the page's script takes it; ``numbers`` are those of the rows' labels in the page."""
    small = thumbnail(reader, number, _SIDE)
    if int(small.whole.max()) >= len(numbers):
        raise ShardError(
            f"sample {small.key} has a label value above {len(numbers) - 1}, the last of the label table",
            where=reader.url,
            cure="Run: labelforge verify.",
        )
    height, width = small.rows.shape
    here = counts.samples == number
    pixels = dict(zip(counts.rows[here].tolist(), counts.pixels[here].tolist(), strict=True))
    stored_height, stored_width = small.whole.shape
    return {
        "key": printable(small.key),
        "size": [stored_width, stored_height],
        "shown": [width, height],
        "image": Picture.encode(small.image, "").uri,
        "rows": base64.b64encode(zlib.compress(numbers[small.rows].tobytes(), 9)).decode("ascii"),
        "labels": [
            [int(numbers[row]), count, *_outline(small.whole, row, count)]
            for row, count in sorted(pixels.items(), key=lambda item: -item[1])
        ],
    }


def _outline(whole: Rows, row: int, count: int) -> list[float]:
    """Left, top, right and bottom of all pixels of a row, as shares of the frame; nothing if that is not small."""
    height, width = whole.shape
    if count > _SMALL * whole.size:
        return []
    where = whole == row
    across, down = np.flatnonzero(where.any(axis=0)), np.flatnonzero(where.any(axis=1))
    if not across.size or (across[-1] - across[0] + 1) * (down[-1] - down[0] + 1) > _SMALL * whole.size:
        return []
    ends = (across[0] / width, down[0] / height, (across[-1] + 1) / width, (down[-1] + 1) / height)
    return [round(float(end), 4) for end in ends]


def _title(readers: Sequence[ShardReader]) -> str:
    names = dict.fromkeys(printable(f"{reader.dataset} {reader.split}") for reader in readers)
    return ", ".join(names)


def _folder(reader: ShardReader) -> str:
    totals = reader.manifest.totals
    whole = max(totals.pixels, 1)
    return printable(
        f"{reader.dataset}, {reader.split}: {counted(totals.samples, 'sample')}, {totals.pixels:,} pixels, "
        f"{totals.used / whole:.1%} used, {totals.ignored / whole:.1%} ignored, "
        f"{totals.unannotated / whole:.1%} not annotated ({reader.url})"
    )


def _note(number: int, frames: int, complete: int) -> str:
    """What the reader should know about the choice of frames."""
    held = f"The page holds {counted(number, 'frame')}"
    each = "for every label and node the"
    if complete == frames:
        return f"{held}: {each} {counted(frames, 'frame')} with most of it."
    if not complete:
        return f"{held}, as many as it may: there are labels and nodes whose best frames are missing."
    return f"{held}, as many as it may: {each} {counted(complete, 'frame')} with most of it, for some up to {frames}."
