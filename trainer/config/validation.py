"""The part of the training configuration that says how networks are scored while they are trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from labelforge.trainer.config.part import Part, Positive

Metric = Literal["official", "mean-iou", "mean-accuracy"]
"""What decides which checkpoint is the best: see :class:`ValidationConfig`."""


class ValidationConfig(Part):
    """Scoring the averaged weights while the network is trained, where shards for it are given (``--val``)."""

    every: Positive | None = Field(
        default=None,
        description="Steps between two validations; the last step always has one. Empty: a tenth of the steps, but at "
        "most 2000, as often as a checkpoint is saved: scoring a thousand images takes minutes; and at least 50, so "
        "that a short run does not validate more than it trains.",
    )
    metric: Metric = Field(
        default="official",
        description="What the best checkpoint is best in, as a mean over the shard sets. official: the figure of each "
        "dataset's own benchmark. mean-iou and mean-accuracy (of pixels, by class): the same for all.",
    )
    patience: int = Field(
        default=0,
        ge=0,
        description="Stop after so many validations without a better one; 0: never, because the schedule lowers the "
        "learning rate to the end and the best weights often come late.",
    )
    images: Positive | None = Field(
        default=None,
        description="Score at most so many images of each shard set, evenly spread over it and always the same. Empty: "
        "all of them, as the benchmark does.",
    )

    def interval(self, steps: int) -> int:
        """Steps between two validations of a run with so many steps."""
        return self.every or max(50, min(steps // 10, 2000))
