"""RailSem19: 8,500 scenes from the driver's cab of trains and trams, 19 labels (Zendel et al., CVPR Workshops 2019).

    ROOT/jpgs/rs19_val/rs00000.jpg     ROOT/uint8/rs19_val/rs00000.png     ROOT/rs19-config.json

It was published as one part. A label map holds positions in the configuration file, and 255 where nobody labelled.
"""

from __future__ import annotations

from labelforge.converters.datasets.paired import PairedConverter, Pairs


class RailSem19(PairedConverter):
    """RailSem19's label maps."""

    name = "railsem19"
    title = "RailSem19"
    splits = ("rs19_val",)
    label_space = "railsem19"
    markers = ("jpgs/rs19_val", "uint8/rs19_val")
    home = "https://wilddash.cc/railsem19"
    layout = """\
jpgs/rs19_val/rs00000.jpg
uint8/rs19_val/rs00000.png"""
    image_ends = (".jpg",)

    def pairs(self, split: str) -> Pairs:
        """The folders of the split."""
        return Pairs(f"jpgs/{split}", f"uint8/{split}")
