"""Synthetic street scenes with an exact annotation, written as real datasets, and what the demo does with them.

Datasets that disagree are views of one world: Cityscapes and Mapillary Vistas name its pixels differently, GTSDB boxes
its signs. The demo trains on them, and the tests use them as fixtures that can be made anywhere.

    vocabulary                what there is, and what each dataset calls it
    scene                     one scene, from its seed to its annotation
    street, stage             the plan of a street; camera, light and the order of painting
    canvas, shapes            strokes that reach picture and annotation alike; drawings as text
    ground, surroundings, vehicles, parts, signs, signposts, population      what is painted, and where
    photo, writers            textures, lens and sensor; the files of the three datasets
    settings, run, networks   the demo: what it is about, its steps, training and scoring
    processes, progress       work side by side, and how far it is
    spread, results           who is ahead and how sure that is; everything as JSON
    page, pictures            the report
"""

from __future__ import annotations

from labelforge.demo.scene import Scene, SignBox, render_scene
from labelforge.demo.writers import write_dataset
