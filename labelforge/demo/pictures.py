"""Validation images of every dataset as the page shows them: large, with what the colours mean.

Datasets of pixels are shown whole. Of GTSDB, which is about signs, a window is shown: the one whose boxes are the most
pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelforge.demo.settings import HEADS, OVER, Demo
from labelforge.palette import Color
from labelforge.report import Gallery, GalleryRow, Picture, Swatch
from labelforge.shards import Sample, ShardReader

_SHOWN = 2  # images of each dataset
_ZOOM = 2  # of a whole image; of a window twice as much
_NAMED = 28  # colours in a legend
_BLACK: Color = (0, 0, 0)

Colored = NDArray[np.uint8]  # (H, W, 3)


def gallery(demo: Demo) -> Gallery:
    """Image, ground truth, and what each network decides."""
    from labelforge.trainer.id_maps import IdLegend
    from labelforge.trainer.segmenter import Segmenter

    segmenters = {head: Segmenter.load(demo.runs[head].out, "cpu", over=OVER.get(head, "nodes")) for head in HEADS}
    legends = {head: IdLegend.of_tree(segmenters[head].layout) for head in HEADS}
    names = {entry.color: entry.name for head in reversed(HEADS) for entry in legends[head].entries}
    rows = []
    for reader in map(ShardReader, demo.shards("val")):
        colors = np.asarray(reader.mapping.colors(reader.taxonomy), np.uint8)
        native = dict(zip(map(_color, colors), (row.native_name for row in reader.mapping.rows), strict=True))
        for sample in (reader[index] for index in range(min(_SHOWN, len(reader)))):
            maps = {"ground truth": colors[sample.local_rows]}
            for head in HEADS:
                maps[head] = legends[head].color_of[segmenters[head].decide(sample.image).numpy()]
            rows.append(_row(sample, reader, maps, native | names))
    caption = "Validation images, in the tree's colours; black: nothing is known, or no label fits"
    return Gallery(("image", "ground truth", *HEADS), tuple(rows), caption, across=3)


def _row(sample: Sample, reader: ShardReader, maps: Mapping[str, Colored], names: Mapping[Color, str]) -> GalleryRow:
    title = f"{reader.dataset}, {sample.key}"
    window, zoom = (slice(None), slice(None)), _ZOOM
    if reader.mapping.supervision == "box":
        title += ": where most signs are"
        window, zoom = busiest_window(sample.local_rows > 0), 2 * _ZOOM
    image = Image.fromarray(np.ascontiguousarray(sample.image[window]))
    size = (image.width * zoom, image.height * zoom)
    large = {"image": np.asarray(image.resize(size, Image.Resampling.BICUBIC))}
    shown = {name: pixels[window] for name, pixels in maps.items()}
    large |= {name: pixels.repeat(zoom, 0).repeat(zoom, 1) for name, pixels in shown.items()}
    pictures = tuple(Picture.encode(p, f"{sample.key}: {name}", max_side=max(size)) for name, p in large.items())
    return GalleryRow(title, pictures, _legend(shown.values(), names))


def busiest_window(marked: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the window, half as high and wide as the image, that holds most of the marked pixels.

    Args:
        marked: (H, W).
    """
    height, width = (max(1, length // 2) for length in marked.shape)
    total = np.pad(marked.astype(np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def _legend(maps: Iterable[Colored], names: Mapping[Color, str]) -> tuple[Swatch, ...]:
    """The colours that occur, those of most pixels first."""
    pixels: Counter[Color] = Counter()
    for picture in maps:
        colors, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
        pixels.update(dict(zip(map(_color, colors), counts.tolist(), strict=True)))
    del pixels[_BLACK]
    return tuple(Swatch(names.get(color, "?"), color) for color, _ in pixels.most_common(_NAMED))


def _color(values: NDArray[np.uint8]) -> Color:
    red, green, blue = values.tolist()
    return red, green, blue
