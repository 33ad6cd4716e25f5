"""Says what the colours of label maps mean, and tells colours that are mixed at borders from those of classes.

A label map that was resized as a photograph, or drawn with smooth edges, has pixels between two regions whose colour is
a mixture of both: it lies on the line between them. Such colours are many and rare, and are no classes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelforge.converters.init.class_lists import ClassList, fits_colors, say_unfit, take_list
from labelforge.converters.init.masks import MOST_VALUES, MaskLook
from labelforge.converters.init.proposal import Proposal, ProposedClass
from labelforge.errors import DatasetError, counted, listed
from labelforge.palette import Color, hex_color
from labelforge.void_values import UNLISTED

PLAIN: Final = ((0, 0, 0), (255, 255, 255))
"""Colours that a list of classes may lack because they mean "not labelled"."""
_NEAR: Final = 6.0  # levels between a mixture and the line that it is on, by rounding, and by the ends of the range
_BEYOND: Final = np.linspace(0.02, 0.2, 10)  # of the line; how far cubic filters go beyond its ends
_RARE: Final = 0.1  # of the pixels of the rarer of two colours; a mixture of both has fewer
_FEWEST: Final = 4  # mixtures; fewer may be classes
_MOST: Final = 40  # colours that may be mixed with each other
_TRIED: Final = 1000  # colours, the most frequent; where most of them are mixtures, the others are, too


def classes_of_colors(look: MaskLook, lists: Sequence[ClassList], proposal: Proposal, root: Path) -> None:
    """Add the classes of label maps in colours to a proposal, and what of them is not labelled.

    Raises:
        DatasetError: They have more colours than any classes, and no list says which of them are classes.
    """
    pixels = {unpacked(value): count for value, count in look.pixels.items()}
    for each in lists:
        if not fits_colors(each.classes, pixels, PLAIN):
            continue
        colored = [(label.id, label.color) for label in each.classes if label.color is not None]
        take_list(each, proposal, {value: look.share(_packed(color)) for value, color in colored}, guessed=False)
        known = {color for _, color in colored}
        unknown = [color for color in pixels if color not in known]
        proposal.void = [color for color in PLAIN if color in unknown]
        pure, mixed = _without_mixtures(pixels, {*known, *PLAIN})
        if mixed:
            _leave_out(mixed, look, proposal)
        rest = [color for color in pure if color not in known and color not in PLAIN]
        if len(rest) > MOST_VALUES:
            _leave_out(rest, look, proposal)
        elif rest:
            proposal.remarks.append(f"Colours that {each.file} does not list: {listed(map(hex_color, rest), 6)}.")
            start = max(value for value, _ in colored) + 1
            proposal.classes += [_of_color(i, color, look) for i, color in enumerate(rest, start)]
        return
    colorless = lists and not any(label.color for label in lists[0].classes)
    say_unfit(lists, proposal, "has no colours" if colorless else "lacks colours that occur")
    proposal.classes_from = (
        "The names are made up: no list of classes with these colours was found. Write the right ones."
    )
    pure, mixed = _without_mixtures(pixels, ())
    if len(pure) > MOST_VALUES:
        raise DatasetError(
            f"the label files looked at hold {counted(len(pure), 'colour')}, such as "
            f"{listed(map(hex_color, pure), 3)}: more than any classes have, so most are probably mixtures of two",
            where=root,
            cure="Give label maps that were never resized, smoothed or JPEG; or write the classes and their colours "
            f"into class_dict.csv (first line: name,r,g,b), and init proposes 'void: {UNLISTED}' for the others.",
        )
    if mixed:
        _leave_out(mixed, look, proposal)
    proposal.classes = [_of_color(i, color, look) for i, color in enumerate(pure)]


def _without_mixtures(pixels: dict[Color, int], known: Collection[Color]) -> tuple[list[Color], list[Color]]:
    """The colours that occur, the most frequent first: those that may be classes, and mixtures of two of these.

    Args:
        pixels: Colour -> pixels.
        known: Colours that are none, however rare.
    """
    ordered = sorted(pixels, key=lambda color: (color not in known, -pixels[color], color))
    pure: list[Color] = []
    mixed: list[Color] = []
    for color in ordered[:_TRIED]:
        is_mixed = color not in known and _between(color, [c for c in pure[:_MOST] if c in pixels], pixels)
        (mixed if is_mixed else pure).append(color)
    if len(mixed) < max(_FEWEST, len(pure)):
        pure, mixed = ordered, []
    else:
        mixed += ordered[_TRIED:]
    return sorted(pure, key=lambda color: (-pixels[color], color)), mixed


def _between(color: Color, others: Sequence[Color], pixels: dict[Color, int]) -> bool:
    """Whether a colour is on the line between two others, and much rarer than both."""
    common = [other for other in others if pixels[color] < _RARE * pixels[other]]
    if len(common) < 2:
        return False
    ends: NDArray[np.float64] = np.array([*combinations(common, 2)], dtype=np.float64)  # (N, 2, 3)
    start, along = ends[:, 0], ends[:, 1] - ends[:, 0]
    nearest = np.clip(((color - start) * along).sum(axis=1) / (along**2).sum(axis=1), 0, 1)
    beyond = np.broadcast_to([*-_BEYOND, *1 + _BEYOND], (len(ends), 2 * len(_BEYOND)))
    places = np.concatenate([nearest[:, None], beyond], axis=1)
    mixtures = np.clip(start[:, None] + places[..., None] * along[:, None], 0, 255)  # (N, places, 3)
    return bool((np.linalg.norm(mixtures - color, axis=2) <= _NEAR).any())


def _leave_out(mixed: Sequence[Color], look: MaskLook, proposal: Proposal) -> None:
    proposal.void.append(UNLISTED)
    share = sum(look.pixels[_packed(color)] for color in mixed) / look.pixels.total()
    proposal.classes_from += (
        f" Guessed: that {counted(len(mixed), 'colour')} ({share:.2%} of the pixels), such as "
        f"{listed(map(hex_color, mixed), 3)}, are no classes but mixtures of two, as resizing and smooth edges make "
        f"them. With 'void: {UNLISTED}', what no class has is not labelled; label maps that were never resized are "
        "better."
    )


def _of_color(number: int, color: Color, look: MaskLook) -> ProposedClass:
    return ProposedClass(number, f"color {hex_color(color)[1:]}", color, look.share(_packed(color)), guessed=True)


def _packed(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def unpacked(value: int) -> Color:
    """The colour that `labelforge.converters.pictures.label_maps.read_color_map` has packed into a number."""
    return value >> 16, value >> 8 & 255, value & 255
