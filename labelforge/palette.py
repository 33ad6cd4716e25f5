"""Colours: how they are written, and defaults for nodes without one."""

from __future__ import annotations

import colorsys
from collections.abc import Collection

Color = tuple[int, int, int]
"""RGB, 0-255."""

_GOLDEN = 0.618033988749895


def hex_color(color: Color) -> str:
    """``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def distinct_color(number: int, taken: Collection[Color] = ()) -> Color:
    """The ``number``-th colour of an endless series, moved on until it is not among ``taken``.

    The series is the same on every machine. Hues advance by the golden ratio, so neighbours in the series look
    different; lightness and saturation cycle, so that similar hues further on differ in those.

    Args:
        number: Position in the series, from 0.
        taken: RGB colours that it must not be.
    """
    while True:
        hue = (0.11 + number * _GOLDEN) % 1.0
        value = (0.92, 0.72, 0.55)[number % 3]
        saturation = (0.75, 0.5, 0.9)[(number // 3) % 3]
        r, g, b = colorsys.hsv_to_rgb(hue, saturation, value)
        color = (round(r * 255), round(g * 255), round(b * 255))
        if color not in taken:
            return color
        number += 1
