"""Line charts as plain SVG: no JavaScript, no plotting library, sharp at any width, readable in dark mode.

A chart is drawn inside an SVG *without* a view box, so text keeps its size on a phone: axis labels are placed by
percentages of the plot area, and the curves live in a nested SVG that stretches (``preserveAspectRatio="none"``) while
its strokes do not (``vector-effect="non-scaling-stroke"``). Colours and dashes come from CSS classes ``s1`` ... ``s8``
(``templates/report.css``), so light and dark mode each have their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

STYLES = 8
"""Number of distinct line styles (CSS classes ``s1`` ... ``s8``) before they repeat."""

_BUCKETS = 500  # a curve is thinned to the extremes within this many columns: about what a screen can show
_UNIT = 1000.0  # side of the nested, stretched drawing


@dataclass(frozen=True)
class Series:
    """One curve. A value that is not finite (or not positive on a log scale) leaves a gap.

    Attributes:
        name: Its name in the legend.
        x: x values, ascending, shape (N,).
        y: y values, shape (N,).
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    def __init__(self, name: str, x: Sequence[float], y: Sequence[float]) -> None:
        if len(x) != len(y):
            raise ValueError(f"series {name!r}: {len(x)} x values for {len(y)} y values")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "x", tuple(float(v) for v in x))
        object.__setattr__(self, "y", tuple(float(v) for v in y))


@dataclass(frozen=True)
class Chart:
    """A drawn chart.

    Attributes:
        svg: The drawing.
        legend: Per series its CSS class and name, in order.
        summary: One sentence per series for those who cannot see the drawing.
    """

    svg: str
    legend: tuple[tuple[str, str], ...]
    summary: tuple[str, ...]


def line_chart(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    log_y: bool = False,
    y_ends: tuple[float, float] | None = None,
) -> Chart:
    """Draw curves over common axes.

    Args:
        series: The curves; an empty list gives empty axes.
        x_label: What x is, with its unit.
        y_label: What y is, with its unit.
        log_y: Logarithmic y axis; values at or below zero are left out.
        y_ends: Lower and upper end of the y axis; default: those of the values.

    Returns:
        The chart; the SVG fills its parent's width and is 18 em high.
    """
    curves = [_usable(s, log_y) for s in series]
    across = _Axis.over([x for x, _ in curves], x_label, log=False)
    up = _Axis(*y_ends, y_label, log_y) if y_ends else _Axis.over([y for _, y in curves], y_label, log=log_y)
    lines = [
        f'<path class="{kind} {_style(i)}" d="{path}"><title>{escape(s.name)}</title></path>'
        for i, (s, (x, y)) in enumerate(zip(series, curves, strict=True))
        for kind, path in zip(("line", "line dot"), _paths(x, y, across, up), strict=True)
        if path or kind == "line"
    ]
    alternative = escape(f"{y_label} over {x_label}: {', '.join(s.name for s in series)}")
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-label="{alternative}" '
        f'width="100%" height="100%" style="overflow:visible">{_draw_axes(across, up)}'
        f'<svg viewBox="0 0 {_UNIT:.0f} {_UNIT:.0f}" width="100%" height="100%" preserveAspectRatio="none" '
        f'style="overflow:visible">{"".join(lines)}</svg></svg>'
    )
    legend = tuple((_style(i), s.name) for i, s in enumerate(series))
    return Chart(svg, legend, tuple(_summary(s, y) for s, (_, y) in zip(series, curves, strict=True)))


def ticks(low: float, high: float, count: int, *, log: bool = False) -> tuple[float, ...]:
    """Round numbers inside [low, high]: steps of 1, 2 or 5 times a power of ten; on a log scale decades or their 1-2-5.

    Args:
        low: Lower end of the axis.
        high: Upper end, above ``low``.
        count: About how many are wanted.
        log: Whether the axis is logarithmic (both ends positive).
    """
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        span = math.log10(high) - math.log10(low)
        factors = (1, 2, 5) if span <= 2.5 else (1,)
        thin = max(1, math.ceil(span / (2 * count)))
        found = [f * 10.0**d for d in decades if d % thin == 0 for f in factors]
        inside = tuple(t for t in found if low * (1 - 1e-9) <= t <= high * (1 + 1e-9))
        return inside if len(inside) > 1 else ticks(low, high, count)
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    round_numbers = tuple(float(f"{i * step:.12g}") for i in range(first, last + 1))
    return round_numbers or ticks(low, high, count + 1)  # the span lies between two multiples: finer steps


def _style(index: int) -> str:
    return f"s{index % STYLES + 1}"


_Vector = npt.NDArray[np.float64]


def _usable(series: Series, log: bool) -> tuple[_Vector, _Vector]:
    """X and y values, (N,) each; y is NaN where nothing can be drawn."""
    x, y = np.asarray(series.x, np.float64), np.asarray(series.y, np.float64)
    good = np.isfinite(x) & np.isfinite(y) & ((y > 0) | (not log))
    return x, np.where(good, y, np.nan)


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    label: str
    log: bool

    @classmethod
    def over(cls, values: list[_Vector], label: str, *, log: bool) -> _Axis:
        """An axis that shows all finite values, with room around a single value."""
        flat = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.empty(0)
        if flat.size == 0:
            low, high = (0.1, 1.0) if log else (0.0, 1.0)
        else:
            low, high = float(flat.min()), float(flat.max())
            if low == high:
                low, high = (low / 2, high * 2) if log else (low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2)
        return cls(low, high, label, log)

    def place(self, value: float) -> float:
        """Position of a value, 0 at the low end to 1 at the high end."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> tuple[float, ...]:
        return ticks(self.low, self.high, count=5, log=self.log)


def _paths(x: _Vector, y: _Vector, across: _Axis, up: _Axis) -> tuple[str, str]:
    """SVG paths of one curve in the nested drawing's coordinates: its lines, and its points that have no neighbour."""
    runs: list[list[str]] = [[]]
    for i in _thin(x, y, across):
        if not math.isfinite(y[i]):
            runs.append([])
            continue
        runs[-1].append(f"{_UNIT * across.place(float(x[i])):.1f},{_UNIT * (1 - up.place(float(y[i]))):.1f}")
    lines = "".join(f"M{'L'.join(run)}" for run in runs if len(run) > 1)
    dots = "".join(f"M{run[0]}l0,0" for run in runs if len(run) == 1)  # round caps make a dot of it
    return lines, dots


def _thin(x: _Vector, y: _Vector, across: _Axis) -> list[int]:
    """Indices to draw: all, or for a long curve, per screen column, the first, last, lowest and highest, and a gap."""
    if len(x) <= 4 * _BUCKETS:
        return list(range(len(x)))
    column = np.nan_to_num((x - across.low) / (across.high - across.low) * _BUCKETS).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(column) != 0])
    keep: set[int] = set()
    for start, stop in zip(starts, np.r_[starts[1:], len(x)], strict=True):
        part = y[start:stop]
        keep |= {int(start), int(stop) - 1}
        if np.isfinite(part).any():
            keep |= {int(start) + int(np.nanargmin(part)), int(start) + int(np.nanargmax(part))}
        if np.isnan(part).any():
            keep.add(int(start) + int(np.argmax(np.isnan(part))))
    return sorted(keep)


def _draw_axes(across: _Axis, up: _Axis) -> str:
    """Grid lines, tick labels and axis titles, placed by percentages; the labels hang out into the parent's margin."""
    out: list[str] = []
    largest = max(map(abs, up.ticks()))
    for value in up.ticks():
        at = f"{100 * (1 - up.place(value)):.2f}%"
        out.append(f'<line class="grid" x1="0" x2="100%" y1="{at}" y2="{at}"/>')
        out.append(f'<text class="tick" x="-8" y="{at}" dy="0.35em" text-anchor="end">{_number(value, largest)}</text>')
    largest = max(map(abs, across.ticks()))
    for value in across.ticks():
        at = f"{100 * across.place(value):.2f}%"
        out.append(f'<line class="grid" x1="{at}" x2="{at}" y1="0" y2="100%"/>')
        out.append(
            f'<text class="tick" x="{at}" y="100%" dy="1.4em" text-anchor="middle">{_number(value, largest)}</text>'
        )
    out.append('<line class="axis" x1="0" x2="100%" y1="100%" y2="100%"/>')
    out.append('<line class="axis" x1="0" x2="0" y1="0" y2="100%"/>')
    scale = " (log scale)" if up.log else ""
    out.append(f'<text class="label" x="100%" y="100%" dy="2.9em" text-anchor="end">{escape(across.label)}</text>')
    out.append(f'<text class="label" x="-3.4em" y="0" dy="-0.9em">{escape(up.label + scale)}</text>')
    return "".join(out)


def _number(value: float, largest: float) -> str:
    """A tick label in the unit of the axis' largest one: 20k, 1.5M, 0.02, 1e-05."""
    for limit, unit, suffix in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if largest >= limit and value:
            return f"{value / unit:g}{suffix}"
    return f"{value:g}"


def _summary(series: Series, y: _Vector) -> str:
    good = y[np.isfinite(y)]
    if good.size == 0:
        return f"{series.name}: no values."
    return f"{series.name}: from {good[0]:.4g} to {good[-1]:.4g}, lowest {good.min():.4g}, highest {good.max():.4g}."
