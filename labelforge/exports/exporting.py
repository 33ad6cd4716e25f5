"""From shards to a folder that other training code reads.

    shards  ->  samples, with labels as classes of the cut  ->  one format's files  ->  report, classes.json

Samples are read and written one at a time. The folder gets its content when all of it is there
(`labelforge.exports.folder`).
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from labelforge.errors import ConfigError, ShardError, did_you_mean
from labelforge.exports.coco import CocoWriter
from labelforge.exports.cut import Cut
from labelforge.exports.cut_reader import Space, read_cut
from labelforge.exports.folder import MARKER, whole_export
from labelforge.exports.gaps import check_some_pixel, gap_notes
from labelforge.exports.masks import MasksWriter
from labelforge.exports.parquet import ParquetWriter
from labelforge.exports.report import Export, ExportedSet, export_page
from labelforge.exports.samples import ExportSample, ShardSet, open_sets, samples, split_notes
from labelforge.exports.writer import Plan, Writer
from labelforge.exports.yolo import YoloWriter
from labelforge.files import json_text
from labelforge.report import GalleryRow, Picture

FORMATS: Final[Mapping[str, type[Writer]]] = {
    "masks": MasksWriter,
    "coco": CocoWriter,
    "parquet": ParquetWriter,
    "yolo": YoloWriter,
}
"""Every format by its name."""
REPORT_NAME: Final = "report.html"
_PICTURES: Final = 4
_SIDE: Final = 640  # pixels of a picture's longer side


def export_shards(
    shards: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    to: str,
    classes: str,
    rest: str | None = None,
    split_names: Mapping[str, str] | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Export:
    """Write shards in a format for training elsewhere, with the classes of a cut.

        >>> import labelforge as lf
        >>> done = lf.export_shards(["shards/cityscapes-train"], "exported", to="masks", classes="driveable, car | bus")
        >>> [c.name for c in done.cut.classes], done.cut.ignore, done.samples
        (['driveable', 'car | bus'], 255, 5)

    Every label whose meaning lies inside one class becomes that class; all others are ignored, and the report says
    which and why. Image files are copied unchanged (but for an EXIF mark that would turn them); npy becomes png.

    Args:
        shards: Folders or fsspec URLs that ``labelforge convert`` wrote, all for the same tree.
        out: A new or empty folder.
        to: The format: ``masks``, ``coco``, ``parquet`` or ``yolo``.
        classes: The cut (`labelforge.exports.cut_reader`): nodes, ``leaves``, ``depth=2``, a file, or a label space.
        rest: Name of one more class, for what surely lies outside all of these; default: that is ignored.
        split_names: What a split is to be called, by the dataset's name of it. Default: training is train; validation
            and valid are val; testing is test; others stay.
        overwrite: Replace an export that is there.
        progress: Called with (samples done, samples in all).

    Returns:
        What was done: classes, labels and pixels.

    Raises:
        ConfigError: An option is wrong, no pixel would be in a class, ``out`` holds something else, or a package for
            the format is missing.
        ShardError: Shards are missing or damaged, their trees differ, or a sample has no name that can be a file's.
        TaxonomyError: A file of classes names an unknown node.
    """
    if to not in FORMATS:
        raise ConfigError(f"there is no format {to!r}", cure=did_you_mean(to, FORMATS))
    if not shards:
        raise ConfigError("there are no shards to export", cure="Name a folder that labelforge convert wrote.")
    sets = open_sets(shards, split_names)
    tree = sets[0].reader.taxonomy
    spaces = {s.reader.dataset: Space(s.reader.mapping, s.reader.manifest.protocol) for s in sets}
    cut = read_cut(classes, tree, spaces)
    if rest is not None:
        cut = cut.with_rest(rest)
    check_some_pixel(sets, cut)
    with whole_export(out, overwrite=overwrite) as folder:
        with closing(FORMATS[to](folder, Plan(cut, sets, Path(out).resolve().name))) as writer:
            gallery = _write_samples(writer, sets, cut, progress)
            notes = (*cut.notes, *gap_notes(sets, cut), *split_notes(sets), *writer.finish())
        export = Export(Path(out), to, cut, tuple(ExportedSet.of(s, cut) for s in sets), notes)
        export_page(export, gallery).write(folder / REPORT_NAME)
        contents = [*(path.name for path in folder.iterdir()), MARKER]
        (folder / MARKER).write_text(json_text(export.to_dict(contents)), encoding="utf-8")
    return export


def _write_samples(
    writer: Writer, sets: Sequence[ShardSet], cut: Cut, progress: Callable[[int, int], None] | None
) -> list[GalleryRow]:
    """Write all samples; returns pictures of a few, evenly spaced."""
    total = sum(len(s.reader) for s in sets)
    shown = {i * total // _PICTURES for i in range(_PICTURES)}
    gallery = []
    for done, sample in enumerate(samples(sets, cut)):
        if progress is not None and done == 0:
            progress(0, total)
        writer.add(sample)
        if done in shown:
            gallery.append(_pictures(sample, cut))
        if progress is not None:
            progress(done + 1, total)
    return gallery


def _pictures(sample: ExportSample, cut: Cut) -> GalleryRow:
    """A sample's image beside its label map in the classes' colours, both small."""
    try:
        with Image.open(io.BytesIO(sample.image)) as picture:
            picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=1.0)
            image = np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        cure = "Copy the shards again, or run convert again with --overwrite."
        raise ShardError(f"the image of sample {sample.place} is broken ({error})", cure=cure) from error
    step = -(-max(sample.values.shape) // _SIDE)
    colors = np.array(cut.palette, dtype=np.uint8)[sample.values[::step, ::step]]
    title = f"{sample.place} ({sample.split})"
    return GalleryRow(
        title,
        (
            Picture.encode(image, f"Image {sample.name}", max_side=_SIDE),
            Picture.encode(colors, f"Classes of {sample.name}", max_side=_SIDE),
        ),
    )
