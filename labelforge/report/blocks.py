"""The blocks of a page: `Text`, `Facts`, `Table`, `Gallery`, `LineChart`, `HeatMap`, `Figure`, `Fold`, `Beside`.

Blocks are immutable data without markup: ``templates/blocks.html`` has a macro for each ``kind``.
"""

from __future__ import annotations

import base64
import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from labelforge.palette import Color
from labelforge.report.chart import Chart, Series, line_chart

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage


@dataclass(frozen=True)
class Swatch:
    """A table cell: a coloured square and a text.

    Attributes:
        text: The text next to the square.
        color: The square's colour, sRGB 0-255.
    """

    text: str
    color: Color
    kind: ClassVar[str] = "swatch"


@dataclass(frozen=True)
class Bar:
    """A table cell: a number and a bar as long as its share of a maximum.

    Attributes:
        value: The number, or None for "not measured".
        maximum: What a full bar stands for; 1.0 for a ratio.
    """

    value: float | None
    maximum: float = 1.0
    kind: ClassVar[str] = "bar"

    @property
    def percent(self) -> float:
        """Length of the bar in percent of the cell, 0 to 100."""
        if self.value is None or not self.maximum > 0:
            return 0.0
        return round(100 * min(max(self.value / self.maximum, 0.0), 1.0), 2)


Cell = str | int | float | None | Swatch | Bar | tuple[Swatch, ...]
"""What a table may hold; None is shown as a dash."""


@dataclass(frozen=True)
class Column:
    """A table column.

    Attributes:
        name: Its heading.
        numeric: Right-aligned, with figures of equal width.
        spec: Python format spec of its numbers (".1%", ".3f"); default: integers with thousands separators, floats with
            four significant digits.
    """

    name: str
    numeric: bool = False
    spec: str | None = None


@dataclass(frozen=True)
class Text:
    """Paragraphs of plain text.

    Attributes:
        paragraphs: One string each.
    """

    paragraphs: tuple[str, ...]
    kind: ClassVar[str] = "text"

    def __init__(self, *paragraphs: str) -> None:
        object.__setattr__(self, "paragraphs", paragraphs)


@dataclass(frozen=True)
class Facts:
    """Key facts: names and values, side by side if there is room.

    Attributes:
        items: (name, value) in the order shown; integers get thousands separators.
    """

    items: tuple[tuple[str, str | int | float], ...]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Table:
    """A table; on a narrow screen it scrolls sideways under a first column that stays.

    Attributes:
        columns: Headings and alignment.
        rows: Cells, as many per row as there are columns. The first cell names the row.
        caption: What the table shows.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str
    kind: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.caption!r}: {len(row)} cells for {len(self.columns)} columns: {row!r}")


@dataclass(frozen=True)
class Picture:
    """A picture, already encoded; make one with `Picture.encode`.

    Attributes:
        uri: ``data:`` URI.
        width: In pixels, as encoded.
        height: In pixels, as encoded.
        alt: What it shows, for those who cannot see it.
        caption: Text under it, in addition to its column's heading.
        crisp: A label map: enlarged without smoothing.
    """

    uri: str
    width: int
    height: int
    alt: str
    caption: str = ""
    crisp: bool = False

    @classmethod
    def encode(cls, image: npt.NDArray[np.uint8], alt: str, caption: str = "", *, max_side: int = 640) -> Picture:
        """Encode an image: label maps (at most 256 colours) exactly as PNG, photographs as JPEG of quality 85.

        Args:
            image: (H, W, 3) uint8, sRGB.
            alt: What it shows, for those who cannot see it.
            caption: Text under it.
            max_side: A longer side is scaled down to this many pixels; label maps keep their exact colours.

        Raises:
            ValueError: The array is not (H, W, 3) uint8 or is empty.
        """
        from PIL import Image  # loaded only by pages that show pictures

        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ValueError(f"a picture is (H, W, 3) uint8, not {image.shape} {image.dtype}")
        picture = Image.fromarray(np.ascontiguousarray(image), "RGB")
        colors = picture.getcolors(256)
        scale = max_side / max(picture.size)
        if scale < 1:
            size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            picture = picture.resize(size, Image.Resampling.NEAREST if colors else Image.Resampling.BOX)
        buffer = io.BytesIO()
        if colors:
            _exact_palette(picture).save(buffer, "PNG", optimize=True)
        else:
            picture.save(buffer, "JPEG", quality=85, optimize=True)
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        uri = f"data:image/{'png' if colors else 'jpeg'};base64,{data}"
        return cls(uri, picture.width, picture.height, alt, caption, crisp=bool(colors))


@dataclass(frozen=True)
class GalleryRow:
    """One row of pictures that belong together.

    Attributes:
        title: What they share (a file name, say).
        pictures: As many as the gallery has columns, or fewer.
        legend: What the colours of these pictures mean.
    """

    title: str
    pictures: tuple[Picture, ...]
    legend: tuple[Swatch, ...] = ()


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures under column headings ("image", "ground truth", "prediction"); stacked on a phone.

    Many columns make small pictures: with ``across``, each picture carries its heading and a row goes on below.

    Attributes:
        columns: Column headings.
        rows: The rows, none with more pictures than columns.
        caption: What the gallery shows.
        legend: What the colours mean that all rows share.
        across: Most pictures side by side; None: all of a row.
    """

    columns: tuple[str, ...]
    rows: tuple[GalleryRow, ...]
    caption: str
    legend: tuple[Swatch, ...] = ()
    across: int | None = None
    kind: ClassVar[str] = "gallery"

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.pictures) > len(self.columns):
                raise ValueError(
                    f"gallery row {row.title!r}: {len(row.pictures)} pictures for {len(self.columns)} columns"
                )


@dataclass(frozen=True)
class LineChart:
    """Curves over common axes.

    Attributes:
        series: The curves (`Series`: name, x, y).
        x_label: Name and unit of x.
        y_label: Name and unit of y.
        caption: What the chart shows.
        log_y: Logarithmic y axis.
        y_ends: Lower and upper end of the y axis; default: those of the values.
    """

    series: tuple[Series, ...]
    x_label: str
    y_label: str
    caption: str
    log_y: bool = False
    y_ends: tuple[float, float] | None = None
    kind: ClassVar[str] = "chart"

    def draw(self) -> Chart:
        """The chart's SVG, legend and summary."""
        return line_chart(self.series, x_label=self.x_label, y_label=self.y_label, log_y=self.log_y, y_ends=self.y_ends)


@dataclass(frozen=True)
class HeatMap:
    """A table of shares as a picture: the higher, the stronger the colour; the diagonal has a colour of its own.

    Attributes:
        rows: Names of the rows.
        columns: Names of the columns; those that are also rows come first, in the same order.
        shares: Per row one share per column, in [0, 1].
        row_label: What a row is ("true").
        column_label: What a column is ("called").
        caption: What the map shows.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    row_label: str
    column_label: str
    caption: str
    kind: ClassVar[str] = "heatmap"

    def __post_init__(self) -> None:
        if len(self.shares) != len(self.rows) or any(len(row) != len(self.columns) for row in self.shares):
            raise ValueError(f"heat map {self.caption!r}: not {len(self.rows)} x {len(self.columns)} shares")

    @staticmethod
    def strength(share: float) -> int:
        """How strong a share's colour is, in percent: the root of the share, so that small ones can be seen."""
        return round(100 * math.sqrt(min(max(share, 0.0), 1.0)))

    @staticmethod
    def number(share: float) -> str:
        """The share in whole percent; nothing where that is 0."""
        text = f"{100 * share:.0f}"
        return "" if text == "0" else text


@dataclass(frozen=True)
class Figure:
    """A finished drawing.

    Attributes:
        svg: A complete ``<svg>`` element from a trusted source; it goes into the page as it is.
        caption: What it shows.
    """

    svg: str
    caption: str
    kind: ClassVar[str] = "figure"

    @property
    def markup(self) -> str:
        """The SVG element without XML declaration and document type."""
        return re.sub(r"^(\s*(<\?xml[^>]*\?>|<!DOCTYPE[^>]*>))*\s*", "", self.svg.removeprefix("\ufeff"))


@dataclass(frozen=True)
class Beside:
    """Two blocks side by side, below each other on a narrow screen; the second stays in view beside a long first one.

    Attributes:
        parts: The two.
    """

    parts: tuple[Table | Text, Gallery | Figure]
    kind: ClassVar[str] = "beside"


@dataclass(frozen=True)
class Fold:
    """Blocks that are hidden until the reader opens them.

    Attributes:
        title: What is inside; always shown.
        blocks: The blocks, in order.
    """

    title: str
    blocks: tuple[Block, ...]
    kind: ClassVar[str] = "fold"


Block = Text | Facts | Table | Gallery | LineChart | HeatMap | Figure | Beside | Fold
"""What a section may hold."""


def _exact_palette(picture: PILImage) -> PILImage:
    """An RGB picture of at most 256 colours as a palette picture with exactly those colours."""
    from PIL import Image

    rgb = np.asarray(picture).reshape(-1, 3).astype(np.uint32)
    colors, index = np.unique(rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2], return_inverse=True)
    out = Image.fromarray(index.reshape(picture.height, picture.width).astype(np.uint8), "L")
    out.putpalette([int(c >> shift & 255) for c in colors for shift in (16, 8, 0)])
    return out
