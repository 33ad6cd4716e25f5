"""Upright things, from one table: people, riders, animals, and what stands on sidewalks.

Each is a drawing (see :mod:`labelforge.demo.shapes`) on a plane that faces the camera: metres to the right of its foot,
metres up. Whoever is seen from the side looks to the right.
"""

from __future__ import annotations

from labelforge.demo.canvas import Point
from labelforge.demo.shapes import draw, shapes
from labelforge.demo.stage import Stage, pick
from labelforge.palette import Color

_INKS: dict[str, tuple[Color, ...]] = {  # one of several, chosen anew for each thing that is put up
    "skin": ((232, 192, 164), (200, 152, 118), (140, 98, 72), (98, 68, 52)),
    "hair": ((48, 36, 28), (96, 66, 40), (168, 130, 72), (30, 28, 28), (150, 148, 146)),
    "coat": ((44, 50, 72), (152, 44, 46), (60, 98, 74), (204, 186, 152), (98, 64, 108), (222, 220, 214)),
    "legs": ((42, 50, 70), (36, 36, 40), (88, 80, 70), (70, 84, 104), (110, 96, 78)),
    "frame": ((170, 36, 40), (40, 80, 140), (40, 44, 48), (70, 120, 80), (190, 190, 192)),
    "wood": ((142, 98, 60), (112, 84, 62), (126, 100, 76)),
    "metal": ((138, 142, 144), (110, 116, 116)),
    "bare": ((150, 154, 156), (128, 132, 126)),
    "loud": ((216, 60, 92), (196, 40, 40), (208, 170, 40), (52, 110, 160), (72, 140, 90)),
    "leaf": ((96, 116, 64), (62, 96, 58)),
    "dark": ((38, 38, 40),), "white": ((238, 236, 226),), "red": ((226, 36, 30),), "amber": ((246, 188, 30),),
    "green": ((40, 206, 110),),
}  # fmt: skip
_HEAD = "limb skin*.85 .11 0,1.44 0,1.56 disc hair 0,1.65 .135 disc skin .02,1.605 .105"
_TRUNK = "poly coat -.19,.8 .19,.8 .21,1.12 .25,1.4 .12,1.48 -.12,1.48 -.25,1.4 -.21,1.12"
_SIDE = "poly coat -.14,.82 .14,.82 .16,1.2 .12,1.42 0,1.48 -.12,1.42 -.15,1.15"
_STANDING = f"both limb coat*.84 .11 .24,1.36 .31,1.08 .29,.84 {_TRUNK} {_HEAD}"
_HELMET = "disc frame .14,1.66 .14 disc skin .17,1.6 .1 poly frame 0,1.64 .28,1.66 .22,1.77 .06,1.77"
_BICYCLE = """@bicycle both limb dark .055 ~.53,.34,.34,0,360
    limb frame .055 -.53,.34 -.2,.86 .38,.84 -.04,.34 -.53,.34 limb frame .055 -.04,.34 -.23,.96
    limb frame*.8 .055 .53,.34 .36,1.02 .46,1.08 limb dark .07 -.34,.98 -.12,.98"""
_MOTORCYCLE = """@motorcycle both disc dark .68,.33 .33 both disc metal*.9 .68,.33 .17
    poly dark*1.5 -.3,.25 .3,.25 .38,.6 -.4,.62 limb metal*.8 .08 .7,.34 .46,.98 .28,1.12 disc white .54,.88 .1
    poly frame -.85,.82 -.4,.6 .05,.6 .45,.72 .4,1 .05,1.02 -.1,.82 -.5,.84"""
_SCOOTER = """@scooter both disc dark .45,.1 .1 limb frame .08 -.45,.16 .4,.16 limb frame .06 .43,.12 .32,1.05
    limb dark .06 .2,1.08 .38,1.08"""
_HANDLEBAR = "limb dark .06 -.34,1.05 .34,1.05"
_RIDING = f"""both limb legs .14 .1,.92 .2,.7 .16,.32 both limb coat*.84 .1 .2,1.38 .34,1.2 .32,1.08 {_TRUNK}
    disc frame 0,1.66 .145 disc skin*.9 0,1.6 .09"""
_MOTOR_END = f"""@motorcycle limb dark .17 0,.09 0,.62 {_HANDLEBAR}
    poly frame -.22,.45 .22,.45 .26,.8 .16,1 -.16,1 -.26,.8"""
_TRAFFIC_LIGHT = """@pole limb metal .13 0,0 0,3.5 @traffic_light box dark -.24,2.5 .24,3.62
    disc red*.3 0,3.42 .15 disc amber*.3 0,3.06 .15 disc green*.3 0,2.7 .15"""
_BACK = "box bare*.7 -.24,2.3 .24,2.35 box bare*.7 -.24,2.6 .24,2.65 @pole limb metal .09 0,0 0,2.7"

# What can be put up, and its drawing.
PARTS: dict[str, str] = {
    "man": f"@person both limb legs .17 .09,.88 .12,.06 both limb dark .1 .08,.04 .16,.04 {_STANDING}",
    "woman": f"@person both limb skin .12 .09,.6 .1,.06 poly legs -.2,.9 .2,.9 .27,.5 -.27,.5 {_STANDING}",
    "walker": f"""@person limb coat*.78 .1 -.03,1.36 -.2,1.1 -.24,.88 limb legs*.8 .16 -.02,.88 -.09,.48 -.27,.1
        limb dark .09 -.27,.08 -.17,.04 limb legs .17 .02,.88 .17,.5 .25,.08 limb dark .09 .25,.06 .38,.04
        {_SIDE} limb coat*.9 .11 0,1.37 .16,1.12 .29,.94 {_HEAD}""",
    "bicyclist across": f"""{_BICYCLE} @bicyclist limb legs*.75 .14 -.2,.98 .02,.66 -.1,.36
        limb legs .17 -.2,.98 .16,.72 0,.3 limb dark .09 0,.3 .12,.28 limb coat*.85 .11 .1,1.42 .2,1.2 .42,1.08
        poly coat -.34,.96 -.08,.96 .2,1.38 .12,1.5 -.04,1.5 -.22,1.32 {_HELMET}""",
    "bicyclist along": f"""@bicycle limb dark .06 0,.03 0,.62 limb frame .06 0,.6 0,.95 {_HANDLEBAR}
        @bicyclist {_RIDING}""",
    "motorcyclist across": f"""{_MOTORCYCLE} @motorcyclist limb legs .18 -.2,.9 .18,.72 .02,.36
        limb dark .1 .02,.36 .15,.34 limb coat*.85 .12 .04,1.36 .14,1.12 .32,1.1
        poly coat -.36,.88 -.06,.88 .16,1.34 .1,1.48 -.08,1.48 -.28,1.25 {_HELMET}""",
    "motorcyclist ahead": f"{_MOTOR_END} disc red 0,.82 .09 @motorcyclist {_RIDING}",
    "motorcyclist oncoming": f"@motorcyclist {_RIDING} {_MOTOR_END} disc white 0,.85 .11",
    "scooter rider across": f"""{_SCOOTER} @other_rider limb legs .18 -.1,.95 -.06,.24 limb dark .1 -.06,.22 .06,.2
        {_SIDE} limb coat*.85 .11 0,1.36 .12,1.14 .28,1.08 {_HEAD}""",
    "scooter rider along": f"""@scooter limb dark .07 0,.03 0,.2 limb frame .07 0,.2 0,1.05 {_HANDLEBAR} @other_rider
        both limb legs .16 .08,.9 .09,.2 both limb coat*.84 .1 .2,1.38 .34,1.2 .32,1.08 {_TRUNK} {_HEAD}""",
    "dog": """@dog both limb wood*.85 .08 .27,.3 .3,.05 limb wood .24 -.27,.42 .26,.44
        limb wood .15 .3,.5 .42,.64 .56,.6 limb wood .06 -.34,.48 -.5,.64""",
    "street light": """@pole limb metal*.8 .15 0,0 0,6 limb metal*.8 .09 0,5.95 .5,6.25 1.1,6.3
        @street_light poly bare*1.2 .9,6.22 1.75,6.24 1.7,6.42 1,6.45 limb white .06 1.05,6.25 1.6,6.26""",
    "utility pole": """@utility_pole limb wood*.9 .24 0,0 0,8 limb wood*.8 .13 -.9,7.5 .9,7.5
        limb wood*.8 .13 -.9,6.9 .9,6.9 both limb white*.8 .09 .8,7.5 .8,7.8""",
    "traffic light red": f"{_TRAFFIC_LIGHT} disc red 0,3.42 .15",
    "traffic light green": f"{_TRAFFIC_LIGHT} disc green 0,2.7 .15",
    "round back": f"@sign_back disc bare*.72 0,2.48 .45 disc bare 0,2.48 .4 {_BACK}",
    "triangle back": f"@sign_back poly bare*.72 -.48,2.1 .48,2.1 0,2.94 poly bare -.4,2.15 .4,2.15 0,2.85 {_BACK}",
    "diamond back": f"@sign_back poly bare*.72 -.5,2.48 0,1.98 .5,2.48 0,2.98 {_BACK}",
    "trash can": "@trash_can poly leaf -.24,.08 .24,.08 .3,.9 -.3,.9 box dark -.33,.86 .33,1 box dark -.14,.62 .14,.76",
    "bench": """@bench both box dark .65,0 .75,.9 box wood*.92 -.9,.4 .9,.5 box wood*.98 -.9,.54 .9,.64
        box wood*1.04 -.9,.68 .9,.78 box wood*1.1 -.9,.82 .9,.92""",
    "fire hydrant": "@fire_hydrant box loud -.15,0 .15,.62 box loud*.8 -.24,.36 .24,.5",
    "mailbox": """@mailbox box dark*2 -.07,0 .07,.6 box amber -.32,.55 .32,1.3 box dark -.22,1.06 .22,1.15""",
    "junction box": "@junction_box box bare -.55,0 .55,1.2 box bare*1.1 -.58,1.1 .58,1.2 box bare*.6 -.02,.1 .02,1.1",
    "bike rack": f"""@bike_rack both limb metal .08 .3,0 .3,.72 .66,.72 .66,0
        limb metal .08 -.9,0 -.9,.72 .9,.72 .9,0 {_BICYCLE}""",
    "billboard": """@billboard both box dark*2 .94,0 1.06,.8 box dark*2 -1.4,.7 1.4,2.7 box loud -1.28,.82 1.28,2.58
        disc loud*1.35 -.55,1.75 .52 box loud*.55 .15,2.15 1.1,2.33 box loud*.55 .15,1.6 .9,1.78""",
}  # fmt: skip

PEOPLE = ("man", "woman", "walker", "walker")
FURNITURE = ("trash can", "bench", "fire hydrant", "mailbox", "junction box", "bike rack", "billboard")
BACKS = ("round back", "round back", "triangle back", "diamond back")
TRAFFIC_LIGHTS = ("traffic light red", "traffic light green")


def put(stage: Stage, name: str, x: float, z: float, flip: bool | None = None, size: float = 1.0) -> None:
    """Put one of `PARTS` on the street, its foot at (x, z), unless it would hide a sign or stand too near.

    ``flip`` says whether left and right are exchanged (None: at random), ``size`` is a factor.
    """
    text, camera = PARTS[name], stage.camera
    pieces = shapes(text)
    inks = {ink: pick(stage.rng, _INKS[ink]) for ink in dict.fromkeys(piece.ink for piece in pieces)}
    way = -1 if (stage.rng.random() < 0.5 if flip is None else flip) else 1
    (column, row), scale = camera.at(x, z), camera.focal * size / z

    def at(right: float, up: float) -> Point:
        return column + way * right * scale, row - up * scale

    points = [point for piece in pieces for point in piece.points]
    (left, _), (right, tall) = map(min, zip(*points, strict=True)), map(max, zip(*points, strict=True))
    if z < 2.5 or stage.hides([at(left, 0), at(right, tall)], z):
        return
    values = {thing: stage.count(thing) for thing in dict.fromkeys(piece.thing for piece in pieces)}
    foot = max(0.25, *(abs(right) for right, up in points if up < 0.5))

    def paint() -> None:
        stage.shadow(x, z, foot * size)
        draw(stage.canvas, text, at, scale, inks, values)

    stage.later(z, paint)
