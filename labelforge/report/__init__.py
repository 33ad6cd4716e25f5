"""Self-contained HTML pages: the results of a conversion, a training run or the demo, each in one file.

A `Page` is a title and a list of sections; a section is a heading and a list of blocks: `Text`, `Facts`, `Table`,
`Gallery`, `LineChart`, `HeatMap`, `Figure`, `Fold`, `Beside`. Everything is immutable; adding a section returns a new
page:

    page = Page("Cityscapes, train", "2975 images in 12 shards")
    page = page.add("Labels", Table((Column("label"), Column("pixels", numeric=True)), rows, "Pixels per native label"))
    page.write("shards/cityscapes-train/report.html")
"""

from labelforge.report.blocks import (
    Bar,
    Beside,
    Column,
    Facts,
    Figure,
    Fold,
    Gallery,
    GalleryRow,
    HeatMap,
    LineChart,
    Picture,
    Swatch,
    Table,
    Text,
)
from labelforge.report.chart import Series
from labelforge.report.page import Page, environment, page_script, script_json
