"""Shards out again, in formats for training elsewhere: label maps, COCO, Parquet, YOLO.

`export_shards` does it; the modules are `cut` (the classes, and what becomes of each label) with `cut_reader` (how
classes are written) and `gaps` (what they lose), `samples` (several shard sets as one stream), `folder` (whole or
nothing), a file per format (`masks`, `coco`, `parquet`, `yolo` with `outlines`; `writer` is what they share), and
`report`.
"""

from labelforge.exports.cut import Cut, CutClass, Decision
from labelforge.exports.exporting import FORMATS, export_shards
from labelforge.exports.report import Export, export_summary
