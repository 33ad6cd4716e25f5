"""What the ids of predictions mean: ``classes.json`` with all ids, and ``legend.html`` with the classes that occur."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labelforge.files import json_text, write_atomically
from labelforge.report import Beside, Column, Gallery, GalleryRow, Page, Picture, Swatch, Table, Text
from labelforge.trainer.description import Described
from labelforge.trainer.id_maps import TREE, IdLegend

_PICTURE_SIDE = 1280  # pixels


def write_classes(path: Path, legend: IdLegend, network: Described) -> None:
    """Write all ids as JSON.

    Raises:
        OSError: The file cannot be written.
    """
    content = {
        "label_space": legend.label_space,
        "taxonomy": {"name": network.taxonomy.name, "digest": network.taxonomy.digest},
        "checkpoint": str(network.place),
        "bits": legend.id_of.dtype.itemsize * 8,
        "void": legend.void,
        "classes": [asdict(entry) for entry in legend.entries],
    }
    write_atomically(path, json_text(content))


class LegendPage:
    """Collects what predictions show, and makes a page of it.

    Args:
        legend: What the predictions mean.
    """

    def __init__(self, legend: IdLegend) -> None:
        self._legend = legend
        self._pixels = np.zeros(len(legend.id_of), np.int64)
        self._pictures = 0
        self._shown = 0  # classes in the example
        self._example: tuple[str, Picture] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was added yet."""
        return not self._pictures

    def add(self, title: str, classes: npt.NDArray[np.int64], overlay: npt.NDArray[np.uint8]) -> None:
        """Count the classes of an image or frame; the first one that shows the most of them becomes the example.

        Args:
            title: What the picture is called.
            classes: (H, W) int64, as the network decided.
            overlay: (H, W, 3) uint8.
        """
        pixels = np.bincount(classes.ravel(), minlength=len(self._pixels))
        self._pixels += pixels
        self._pictures += 1
        shown = len(np.unique(self._legend.id_of[pixels > 0]))
        if shown > self._shown:
            picture = Picture.encode(overlay, f"{title}, under the colours of its classes", max_side=_PICTURE_SIDE)
            self._shown, self._example = shown, (title, picture)

    def write(self, path: Path) -> None:
        """Write the page.

        Raises:
            OSError: The file cannot be written.
        """
        space = self._legend.label_space
        whose = "the tree's own class ids" if space == TREE else f"the ids of {space}"
        number = f"{self._pictures:,} picture{'s' * (self._pictures != 1)}"
        page = Page("What was predicted", f"{number}; the values of the id maps are {whose}")
        table, others = self._table()
        if self._example is not None:
            title, picture = self._example
            gallery = Gallery(("overlay",), (GalleryRow(title, (picture,)),), "The picture that shows the most classes")
            page = page.add("Classes that occur", Beside((table, gallery)), *others)
        page.write(path)

    def _table(self) -> tuple[Table, list[Text]]:
        """The classes that occur, the most frequent first, then what fits no label; and how many do not occur."""
        legend, every = self._legend, max(1, int(self._pixels.sum()))
        pixels = {entry: int(self._pixels[legend.fits & (legend.id_of == entry.id)].sum()) for entry in legend.entries}
        occur = sorted((entry for entry in pixels if pixels[entry]), key=lambda entry: -pixels[entry])
        rows: list[tuple[Swatch | str, int, float]] = [
            (Swatch(entry.name, entry.color), entry.id, pixels[entry] / every) for entry in occur
        ]
        if unfit := int(self._pixels[~legend.fits].sum()):
            rows.append((f"not painted: no label of {legend.label_space} fits", legend.void, unfit / every))
        columns = (Column("class"), Column("id", numeric=True), Column("pixels", numeric=True, spec=".2%"))
        missing = len(pixels) - len(occur)
        others = [Text(f"{missing} more could occur; classes.json lists all.")] if missing else []
        return Table(columns, tuple(rows), "The most frequent first"), others
