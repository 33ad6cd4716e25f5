"""German traffic signs: all 43 classes of GTSDB, one row of a table each.

A sign is a plate, rings inside of it, and a symbol. Symbols are drawings (see :mod:`labelforge.demo.shapes`) on a plate
of width 1, y downwards, simplified to what is legible at 16 pixels; those of danger signs fill the inner triangle.

Source of shapes, colors and symbols: the German road traffic regulations (StVO, annexes 1-3), as seen in GTSDB.
"""

from __future__ import annotations

from labelforge.demo.canvas import HERE, Canvas, Point, shade
from labelforge.demo.shapes import Placing, arc, draw
from labelforge.palette import Color

_INKS: dict[str, Color] = {
    "red": (200, 22, 30), "blue": (8, 82, 166), "yellow": (250, 192, 0), "green": (16, 146, 74),
    "white": (247, 247, 245), "black": (20, 20, 22), "grey": (132, 134, 136),
}  # fmt: skip
_TALL = 3**0.5 / 2  # height of a triangle of width 1
_CUT = 0.5**0.5 / (1 + 2**0.5)  # what is cut off of a side at an octagon's corner
_OUTLINES: dict[str, tuple[list[Point], float, float]] = {  # corners, row of the center, distance of the sides from it
    "circle": (arc(0.5, 0.5, 0.5, 0, 350), 0.5, 0.5),
    "triangle up": ([(0.5, 0), (1, _TALL), (0, _TALL)], _TALL * 2 / 3, _TALL / 3),
    "triangle down": ([(0.5, _TALL), (1, 0), (0, 0)], _TALL / 3, _TALL / 3),
    "diamond": ([(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)], 0.5, 0.5**1.5),
    "octagon": (
        [(_CUT, 0), (1 - _CUT, 0), (1, _CUT), (1, 1 - _CUT), (1 - _CUT, 1), (_CUT, 1), (0, 1 - _CUT), (0, _CUT)],
        0.5, 0.5,
    ),
}  # fmt: skip
_PLATES: dict[str, tuple[str, tuple[tuple[float, str], ...]]] = {  # outline; rings from the outside: inset, ink
    "prohibition": ("circle", ((0, "red"), (0.115, "white"))),
    "end": ("circle", ((0, "white"), (0.02, "black"), (0.045, "white"))),
    "danger": ("triangle up", ((0, "red"), (0.078, "white"))),
    "mandatory": ("circle", ((0, "white"), (0.022, "blue"))),
    "priority": ("diamond", ((0, "black"), (0.02, "white"), (0.125, "yellow"))),
    "yield": ("triangle down", ((0, "red"), (0.085, "white"))),
    "stop": ("octagon", ((0, "white"), (0.03, "red"))),
    "no entry": ("circle", ((0, "white"), (0.02, "red"))),
}


def _placed(drawing: str, x: float = 0, y: float = 0, size: float = 1, way: int = 1, ink: str = "black") -> str:
    """A drawing without arcs, moved to (x, y), resized, and looking the other way if ``way`` is -1."""
    words = drawing.replace("INK", ink).split()
    for i, word in enumerate(words):
        if "," in word:
            right, down = map(float, word.split(","))
            words[i] = f"{x + way * size * right},{y + size * down}"
        elif not word.isalpha():
            words[i] = str(size * float(word))
    return " ".join(words)


def _speed(number: int, ink: str = "black") -> str:
    return f"text {ink} .088 .2,.33 .8,.67 {number}" if number < 100 else f"text {ink} .072 .16,.35 .84,.65 {number}"


_CAR = """poly INK -.14,.59 -.14,.5 -.09,.4 .09,.4 .14,.5 .14,.59 box INK -.135,.58 -.065,.64 box INK .065,.58 .135,.64
    poly white -.09,.49 -.06,.43 .06,.43 .09,.49"""
_LORRY = """box INK -.14,.3 .14,.58 box white -.1,.335 -.012,.52 box white .012,.335 .1,.52
    box INK -.135,.57 -.065,.65 box INK .065,.57 .135,.65"""
_WALKER = """limb INK .19 .02,-.7 -.02,-.44 limb INK .11 0,-.42 .17,-.24 .17,-.04
    limb INK .11 -.02,-.42 -.08,-.22 -.24,-.05 limb INK .08 .04,-.74 .17,-.56 .29,-.56
    limb INK .08 0,-.74 -.16,-.58 -.2,-.46 limb INK .19 .04,-.9 .045,-.91"""
_STRIPES = "limb black .024 .2,.84 .84,.2 limb black .024 .14,.77 .77,.14 limb black .024 .23,.89 .89,.23"
_TURN = "arrow white .125 .33,.84 .33,.58 .36,.5 .43,.46 .87,.45"
_FORK = "arrow white .125 .41,.86 .41,.08 arrow white .125 .41,.74 .43,.6 .5,.54 .9,.54"
_KEEP = "arrow white .125 .24,.24 .8,.8"
_BEND = "arrow black .085 .4,.77 .4,.64 .43,.56 .5,.48 .61,.39"

_SIGNS: tuple[tuple[str, str], ...] = (
    *(("prohibition", _speed(number)) for number in (20, 30, 50, 60, 70, 80)),
    ("end", f"{_speed(80, 'grey')} {_STRIPES}"),
    *(("prohibition", _speed(number)) for number in (100, 120)),
    ("prohibition", f"{_placed(_CAR, 0.335, ink='red')} {_placed(_CAR, 0.665, ink='black')}"),
    ("prohibition", f"{_placed(_LORRY, 0.335, ink='red')} {_placed(_CAR, 0.665, ink='black')}"),
    ("danger", "box black .31,.59 .69,.65 arrow black .1 .5,.76 .5,.27"),
    ("priority", ""),
    ("yield", ""),
    ("stop", "text white .068 .08,.38 .92,.62 STOP"),
    ("prohibition", ""),
    ("prohibition", """box black .2,.36 .55,.6 poly black .57,.6 .57,.41 .7,.41 .79,.51 .79,.6
        poly white .63,.44 .685,.44 .74,.51 .63,.51 disc white .31,.61 .072 disc black .31,.61 .054
        disc white .68,.61 .072 disc black .68,.61 .054"""),
    ("no entry", "box white .13,.405 .87,.595"),
    ("danger", "poly black .452,.34 .548,.34 .532,.61 .468,.61 disc black .5,.34 .048 disc black .5,.7 .05"),
    ("danger", _placed(_BEND, x=1, way=-1)),
    ("danger", _BEND),
    ("danger", "arrow black .08 .6,.77 .6,.69 .4,.58 .4,.5 .54,.37"),
    ("danger", "box black .22,.7 .78,.76 poly black ~.38,.71,.12,-90,90,1.1 poly black ~.62,.71,.12,-90,90,1.1"),
    ("danger", """poly black .4,.5 .43,.38 .58,.36 .64,.46 .65,.55 .41,.59
        poly white .455,.47 .47,.415 .56,.405 .59,.455 limb black .045 .4,.6 .45,.65 .38,.7 .43,.76
        limb black .045 .58,.6 .63,.65 .56,.7 .61,.76"""),
    ("danger", "limb black .07 .38,.74 .38,.43 limb black .07 .66,.74 .66,.66 .55,.55 .55,.43"),
    ("danger", """disc black .47,.37 .05 limb black .1 .44,.46 .4,.56 limb black .055 .41,.56 .48,.65 .46,.75
        limb black .055 .39,.56 .35,.66 .29,.75 limb black .045 .46,.45 .54,.54 .6,.54 limb black .03 .46,.5 .66,.68
        poly black .55,.77 .62,.67 .68,.64 .8,.77"""),
    ("danger", "box black .425,.3 .575,.765 disc red*1.2 .5,.378 .062 disc yellow .5,.53 .062 disc green .5,.685 .062"),
    ("danger", f"""{_placed(_WALKER, 0.5, 0.7, 0.44, -1)} poly black .26,.7 .315,.7 .295,.77 .22,.77
        poly black .39,.7 .445,.7 .425,.77 .35,.77 poly black .52,.7 .575,.7 .555,.77 .48,.77
        poly black .65,.7 .705,.7 .685,.77 .61,.77 poly black .78,.7 .835,.7 .815,.77 .74,.77"""),
    ("danger", f"{_placed(_WALKER, 0.39, 0.77, 0.45)} {_placed(_WALKER, 0.61, 0.77, 0.36)}"),
    ("danger", """limb black .036 ~.345,.66,.095,0,360 limb black .036 ~.655,.66,.095,0,360
        limb black .034 .345,.66 .43,.52 .595,.52 .49,.66 .345,.66 limb black .034 .49,.66 .42,.47
        limb black .034 .655,.66 .585,.44 .65,.43 limb black .04 .37,.465 .46,.465"""),
    ("danger", """limb black .042 .5,.385 .5,.765 limb black .042 .335,.48 .665,.67 limb black .042 .335,.67 .665,.48
        limb black .03 .445,.41 .5,.465 .555,.41 limb black .03 .445,.74 .5,.685 .555,.74
        limb black .03 .33,.54 .405,.52 .385,.445 limb black .03 .67,.54 .595,.52 .615,.445
        limb black .03 .33,.61 .405,.63 .385,.705 limb black .03 .67,.61 .595,.63 .615,.705"""),
    ("danger", """poly black .31,.56 .42,.5 .57,.5 .6,.56 .55,.62 .4,.62 .34,.66 limb black .055 .57,.54 .63,.42 .71,.44
        limb black .025 .62,.42 .56,.36 .56,.31 limb black .038 .56,.58 .67,.61 .64,.69
        limb black .038 .54,.59 .61,.68 .57,.75 limb black .042 .35,.6 .31,.68 .23,.72
        limb black .038 .38,.61 .38,.69 .3,.75"""),
    ("end", f"{_STRIPES} limb black .024 .1,.69 .69,.1 limb black .024 .31,.9 .9,.31"),
    ("mandatory", _TURN),
    ("mandatory", _placed(_TURN, x=1, way=-1)),
    ("mandatory", "arrow white .125 .5,.86 .5,.1"),
    ("mandatory", _FORK),
    ("mandatory", _placed(_FORK, x=1, way=-1)),
    ("mandatory", _KEEP),
    ("mandatory", _placed(_KEEP, x=1, way=-1)),
    ("mandatory", "arrow white .1 ~.5,.5,.27,9,-95 arrow white .1 ~.5,.5,.27,129,25 arrow white .1 ~.5,.5,.27,249,145"),
    ("end", f"{_placed(_CAR, 0.335, ink='grey')} {_placed(_CAR, 0.665, ink='grey')} {_STRIPES}"),
    ("end", f"{_placed(_LORRY, 0.335, ink='grey')} {_placed(_CAR, 0.665, ink='grey')} {_STRIPES}"),
)  # fmt: skip
"""Plate and symbol of each class, numbered from 0 as in GTSDB's ``gt.txt``."""

NUM_SIGNS = len(_SIGNS)


def sign_shape(class_id: int) -> str:
    """The shape of a sign's plate: circle, triangle up, triangle down, diamond or octagon."""
    return _PLATES[_SIGNS[class_id][0]][0]


def sign_height(class_id: int) -> float:
    """Height of a sign's plate in its widths."""
    return _TALL if sign_shape(class_id).startswith("triangle") else 1.0


def paint_sign(canvas: Canvas, class_id: int, at: Placing, scale: float, value: int, light: float = 1.0) -> None:
    """Paint a sign (``class_id`` 0-42) on a plate that is 1 wide, which is ``scale`` pixels, and begins at (0, 0)."""
    plate, symbol = _SIGNS[class_id]
    corners, center, reach = _OUTLINES[sign_shape(class_id)]
    inks = {ink: shade(color, light) for ink, color in _INKS.items()}
    for inset, ink in _PLATES[plate][1]:
        size = 1 - inset / reach
        outline = [at(0.5 + (x - 0.5) * size, center + (y - center) * size) for x, y in corners]
        canvas.polygon(outline, inks[ink], HERE if inset else value)
    draw(canvas, symbol, at, scale, inks, {"": HERE})
