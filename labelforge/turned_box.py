"""The upright box around one that is turned about its middle."""

from __future__ import annotations

import math

Edges = tuple[float, float, float, float]
"""Left, top, right and bottom of a box, in pixel edges."""


def upright_around(box: Edges, angle: float) -> Edges:
    """The smallest upright box that holds a turned one.

        >>> from labelforge.turned_box import upright_around
        >>> upright_around((0, 4, 10, 6), 90)
        (4.0, 0.0, 6.0, 10.0)

    Args:
        box: The box before it is turned.
        angle: By how many degrees it is turned; 0 and 90 are exact.
    """
    if not angle:
        return box
    left, top, right, bottom = box
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    if angle % 90 == 0:
        cos, sin = round(cos), round(sin)
    across = ((right - left) * cos + (bottom - top) * sin) / 2
    down = ((right - left) * sin + (bottom - top) * cos) / 2
    return middle_x - across, middle_y - down, middle_x + across, middle_y + down
