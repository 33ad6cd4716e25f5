"""ADE20K as in the scene parsing benchmark: indoor and outdoor scenes, 150 labels (Zhou et al., CVPR 2017).

    ROOT/images/<split>/ADE_train_00000001.jpg     ROOT/annotations/<split>/ADE_train_00000001.png

A label map holds 1 to 150, and 0 for everything else. This is the release ADEChallengeData2016; the full dataset, with
objects and parts in colour, has another layout.
"""

from __future__ import annotations

from collections.abc import Iterable

from labelforge.converters.datasets.paired import PairedConverter, Pairs


class Ade20k(PairedConverter):
    """The 150 labels of the scene parsing benchmark."""

    name = "ade20k"
    title = "ADE20K"
    splits = ("training", "validation")
    label_space = "ade20k-150"
    markers = ("images/training or images/validation", "annotations/training or annotations/validation")
    home = "https://ade20k.csail.mit.edu (ADEChallengeData2016)"
    layout = """\
images/<split>/ADE_train_00000001.jpg
annotations/<split>/ADE_train_00000001.png"""
    image_ends = (".jpg",)

    def pairs(self, split: str) -> Pairs:
        """The folders of a split."""
        return Pairs(f"images/{split}", f"annotations/{split}")

    def cure_for_unknown(self, ids: Iterable[int]) -> str:
        """Recognises label maps that were made for training by others."""
        if set(ids) == {255}:
            return "It looks like a map with 1 subtracted (0 to 149, and 255 for 'other'): give those as published."
        return "Give the label maps of ADEChallengeData2016: 0 to 150."
