"""Synthetic street scenes: a small world with an exact annotation, written in the layouts of real datasets.

The demo trains on them, and the tests use them as fixtures that can be made anywhere. Three datasets that disagree are
three views of the same world: Cityscapes and Mapillary Vistas name its pixels differently, GTSDB boxes its signs.

    vocabulary    what there is, and what each dataset calls it        layouts     the files of the three datasets
    scene         one scene, from its seed to its annotation           photo       textures, light, lens and sensor
    street        the plan of a street          stage, canvas          camera, light, order of painting
    ground, backdrop, buildings, vehicles, figures, furniture, life, signposts       what is painted on the canvas
    signs, symbols, pen                         the 43 traffic signs of GTSDB
"""

from __future__ import annotations

from labelforge.demo.layouts import CITYSCAPES, GTSDB, VISTAS, write_cityscapes, write_gtsdb, write_mapillary_vistas
from labelforge.demo.scene import Scene, SignBox, Style, render_scene
from labelforge.demo.signs import NUM_SIGNS, draw_sign, sign_outline, sign_shape
from labelforge.demo.vocabulary import THINGS, native_ids, thing

__all__ = [
    "CITYSCAPES",
    "GTSDB",
    "NUM_SIGNS",
    "THINGS",
    "VISTAS",
    "Scene",
    "SignBox",
    "Style",
    "draw_sign",
    "native_ids",
    "render_scene",
    "sign_outline",
    "sign_shape",
    "thing",
    "write_cityscapes",
    "write_gtsdb",
    "write_mapillary_vistas",
]
