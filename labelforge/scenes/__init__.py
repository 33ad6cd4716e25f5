"""Synthetic street scenes: a small world with an exact annotation, written in the layouts of real datasets.

The demo trains on them, and the tests use them as fixtures that can be made anywhere. Three datasets that disagree are
three views of the same world: Cityscapes and Mapillary Vistas name its pixels differently, GTSDB boxes its signs.
"""

from __future__ import annotations

from labelforge.scenes.layouts import write_cityscapes, write_gtsdb, write_mapillary_vistas
from labelforge.scenes.signs import NUM_SIGNS, draw_sign, sign_outline
from labelforge.scenes.street import Scene, SignBox, Style, render_scene
from labelforge.scenes.vocabulary import THINGS, native_ids, thing

__all__ = [
    "NUM_SIGNS",
    "THINGS",
    "Scene",
    "SignBox",
    "Style",
    "draw_sign",
    "native_ids",
    "render_scene",
    "sign_outline",
    "thing",
    "write_cityscapes",
    "write_gtsdb",
    "write_mapillary_vistas",
]
