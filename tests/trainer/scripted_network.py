"""A network whose decisions a test writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.trainer.images import Pixels
from labelforge.trainer.segmenter import Segmenter


class ScriptedNetwork(Segmenter):
    """Decides what a function says.

    Args:
        layout: What the decisions mean.
        mappings: The label tables of the training that there could have been.
        script: From (H, W, 3) uint8 pixels to (H, W) classes.
    """

    def __init__(
        self,
        layout: LogitLayout,
        mappings: Sequence[LabelMapping],
        script: Callable[[Pixels], npt.NDArray[np.int64]],
    ) -> None:
        checkpoint: Any = SimpleNamespace(
            layout=layout, taxonomy=layout.taxonomy, mappings=tuple(mappings), folder=Path("run")
        )
        self.checkpoint = checkpoint
        self.layout = layout
        self._script = script

    def decide(self, image: Pixels) -> torch.Tensor:
        return torch.from_numpy(self._script(image))
