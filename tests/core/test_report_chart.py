"""Line charts: ticks, the place of every point, gaps, and what thinning must keep."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from labelforge.report.chart import STYLES, Chart, Series, line_chart, ticks

SVG = "{http://www.w3.org/2000/svg}"


def chart(*series: Series, log_y: bool = False) -> Chart:
    return line_chart(series, x_label="step", y_label="loss", log_y=log_y)


def strokes(drawn: Chart, number: int = 0) -> list[list[tuple[float, float]]]:
    """The unbroken pieces of a curve, as shares of the axes: (0, 0) at the lower left, (1, 1) at the upper right."""
    paths = [
        p
        for p in ET.fromstring(drawn.svg).iter(f"{SVG}path")
        if f"s{number % STYLES + 1}" in p.get("class", "").split()
    ]
    pieces = []
    for piece in filter(None, "".join(p.get("d", "") for p in paths).split("M")):
        points = [tuple(map(float, point.split(","))) for point in piece.replace("l0,0", "").split("L")]
        pieces.append([(x / 1000, 1 - y / 1000) for x, y in points])
    return pieces


def labels(drawn: Chart) -> tuple[dict[str, float], dict[str, float]]:
    """Tick labels and their places along the two axes, in percent."""
    across, up = {}, {}
    for text in ET.fromstring(drawn.svg).iter(f"{SVG}text"):
        if text.get("class") == "tick" and text.text:
            if text.get("text-anchor") == "middle":
                across[text.text] = float(text.get("x", "").rstrip("%"))
            else:
                up[text.text] = 100 - float(text.get("y", "").rstrip("%"))
    return across, up


def test_points_stand_where_their_values_are() -> None:
    drawn = chart(Series("a", [0, 5, 20], [1, 3, 2]))
    (points,) = strokes(drawn)
    assert points == [(0, 0), (0.25, 1), (1, 0.5)]
    across, up = labels(drawn)
    assert across == {"0": 0, "5": 25, "10": 50, "15": 75, "20": 100}
    assert up == {"1": 0, "1.5": 25, "2": 50, "2.5": 75, "3": 100}


def test_log_scale() -> None:
    drawn = chart(Series("a", [0, 1, 2, 3], [1, 0.001, 0.1, 0]), log_y=True)
    (points,) = strokes(drawn)
    np.testing.assert_allclose(points, [(0, 1), (1 / 3, 0), (2 / 3, 2 / 3)], atol=1e-3)
    assert labels(drawn)[1] == {"0.001": 0, "0.01": pytest.approx(33.33), "0.1": pytest.approx(66.67), "1": 100}
    assert "log scale" in drawn.svg
    assert drawn.summary == ("a: from 1 to 0.1, lowest 0.001, highest 1.",)


def test_values_that_are_none_leave_gaps_and_lone_points_stay() -> None:
    nan = math.nan
    drawn = chart(Series("a", [0, 1, 2, 3, 4], [0, 1, nan, 1, math.inf]), Series("b", [0, 4], [nan, nan]))
    assert [len(piece) for piece in strokes(drawn)] == [2, 1]
    assert strokes(drawn, 1) == []
    kinds = [p.get("class") for p in ET.fromstring(drawn.svg).iter(f"{SVG}path")]
    assert kinds == ["line s1", "line dot s1", "line s2"], "a point alone is drawn as a dot that can be seen"
    assert drawn.summary == ("a: from 0 to 1, lowest 0, highest 1.", "b: no values.")


@pytest.mark.parametrize(
    "series", [(), (Series("a", [], []),), (Series("a", [3], [7]),), (Series("a", [1, 2], [0, 0]),)]
)
@pytest.mark.parametrize("log", [False, True])
def test_little_data_still_makes_a_chart(series: tuple[Series, ...], log: bool) -> None:
    drawn = chart(*series, log_y=log)
    numbers = [float(n) for n in re.findall(r'(?:x|y)\d?="([-\d.]+)%"', drawn.svg)]
    assert numbers and all(0 <= n <= 100 for n in numbers)
    assert "nan" not in drawn.svg and "inf" not in drawn.svg


def test_a_long_curve_is_thinned_and_keeps_its_extremes_and_gaps() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=100_000)
    y[12_345], y[77_777] = 50, -50
    y[40_000:41_000] = np.nan
    drawn = chart(Series("a", range(100_000), y.tolist()))
    pieces = strokes(drawn)
    points = [point for piece in pieces for point in piece]
    assert len(points) < 2100 and len(pieces) >= 2
    np.testing.assert_allclose(max(points, key=lambda p: p[1]), (0.12345, 1), atol=1e-4)
    np.testing.assert_allclose(min(points, key=lambda p: p[1]), (0.77778, 0), atol=1e-4)
    assert not [x for x, _ in points if 0.4005 < x < 0.4095]
    assert points[0][0] == 0 and points[-1][0] == 1
    xs = [x for x, _ in points]
    assert xs == sorted(xs)


def test_styles_repeat_after_the_last() -> None:
    drawn = chart(*(Series(f"s{i}", [0, 1], [i, i]) for i in range(STYLES + 1)))
    assert [style for style, _ in drawn.legend] == [*(f"s{i + 1}" for i in range(STYLES)), "s1"]
    assert [name for _, name in drawn.legend] == [f"s{i}" for i in range(STYLES + 1)]


def test_series_of_unequal_lengths_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="'a': 2 x values for 1 y values"):
        Series("a", [1, 2], [1])


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 10))
@example(1.0, 400000001.0, 2)
def test_ticks_are_round_inside_and_about_as_many_as_wanted(low: float, span: float, count: int) -> None:
    assume(span > abs(low) * 1e-6)
    found = ticks(low, low + span, count)
    assert 1 <= len(found) <= count + 1
    assert all(low - span * 1e-6 <= t <= low + span * (1 + 1e-6) for t in found)
    steps = {float(f"{b - a:.6g}") for a, b in itertools.pairwise(found)}
    for step in steps:
        mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
        assert min(abs(mantissa - m) for m in (1, 2, 5, 10)) < 1e-3


@given(st.floats(1e-9, 1e6), st.floats(1.001, 1e12))
def test_log_ticks_lie_inside(low: float, factor: float) -> None:
    found = ticks(low, low * factor, 5, log=True)
    assert 1 <= len(found) <= 13
    assert all(low * (1 - 1e-6) <= t <= low * factor * (1 + 1e-6) for t in found)
    assert list(found) == sorted(set(found))


def test_large_numbers_are_short() -> None:
    across, up = labels(chart(Series("a", [0, 20_000], [0, 3_000_000])))
    assert list(across) == ["0", "5k", "10k", "15k", "20k"]
    assert list(up) == ["0", "1M", "2M", "3M"]


def test_the_ends_of_an_axis_can_be_given() -> None:
    drawn = line_chart([Series("a", [0, 1], [1, 1])], x_label="step", y_label="share", y_ends=(0, 1))
    assert strokes(drawn) == [[(0, 1), (1, 1)]]
    assert list(labels(drawn)[1]) == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
