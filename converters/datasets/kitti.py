"""KITTI semantics: 200 street scenes of Karlsruhe with the labels of Cityscapes (Alhaija et al., IJCV 2018).

    ROOT/training/image_2/000000_10.png     ROOT/training/semantic/000000_10.png     ROOT/testing/image_2/000000_10.png

The label maps hold the label ids of Cityscapes. The testing split is published without labels.
"""

from __future__ import annotations

from labelforge.converters.datasets.paired import PairedConverter, Pairs


class Kitti(PairedConverter):
    """The semantic segmentation benchmark of KITTI."""

    name = "kitti"
    title = "KITTI"
    splits = ("training", "testing")
    label_space = "kitti"
    markers = ("training/image_2", "training/semantic")
    home = "https://www.cvlibs.net/datasets/kitti/eval_semseg.php?benchmark=semantics2015"
    layout = """\
training/image_2/000000_10.png
training/semantic/000000_10.png
testing/image_2/000000_10.png"""
    image_ends = (".png", ".jpg")

    def pairs(self, split: str) -> Pairs:
        """The folders of a split."""
        return Pairs(f"{split}/image_2", f"{split}/semantic" if split == "training" else None)
