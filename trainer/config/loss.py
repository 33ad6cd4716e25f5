"""The part of the training configuration that says what is minimised: :mod:`labelforge.trainer.loss` computes it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from labelforge.trainer.config.part import NonNegative, Part, Positive, check_numbers
from labelforge.treefile import BoxUse

Gate = Literal["parent", "path", "none"]
"""Where a box trains a classifier: where its parent chooses it, where all classifiers above do, or everywhere."""

Balance = Literal["pixels", "datasets"]
"""What counts the same in a classifier's loss: every pixel, or every dataset."""

Mean = Literal["classifier", "pixel"]
"""What is averaged: the losses of each classifier, or those of all pixels (:mod:`labelforge.trainer.weighting`)."""

ClassWeighting = Literal["none", "inverse-sqrt", "inverse"]
"""How the pixels of rare classes gain weight (:mod:`labelforge.trainer.class_weights`)."""


class LossConfig(Part):
    """The loss, one term per classifier."""

    mean: Mean = Field(
        default="classifier",
        description="classifier: the sum of the classifiers' losses, each a mean over its own pixels times its weight "
        "(the paper's). pixel: the mean over pixels with pixel labels of what all classifiers lose there, which is the "
        "label's negative log probability, plus a mean over those in boxes; better in a deep tree, and no weight to "
        "choose but that of boxes.",
    )
    box_weight: NonNegative = Field(
        default=0.1,
        description="Weight of the mean over pixels in boxes; only counts with loss.mean=pixel, and not for "
        "flat heads, which take boxes as pixels.",
    )
    root: NonNegative = Field(
        default=1.0,
        description="Weight of the root classifier's loss (the paper's lambda, as in the authors' code); "
        "only counts with loss.mean=classifier.",
    )
    others: NonNegative = Field(
        default=0.1,
        description="Weight of every other classifier's loss; the authors': their means are over far fewer pixels. "
        "Only counts with loss.mean=classifier.",
    )
    nodes: dict[str, NonNegative] = Field(
        default_factory=dict,
        description="Weights by node, e.g. {traffic sign/front: 0.2}; they override the two above.",
    )
    stride: Positive = Field(
        default=1,
        description="Learn from every n-th pixel of both directions, from others at each step; 1: from all. More is "
        "for CPUs: neighbours say much the same, and the loss of all pixels is the larger part of a step.",
    )
    gate: Gate = Field(
        default="parent",
        description="Which box pixels count. parent: those where the parent classifier chooses the box's branch (the "
        "paper's). path: those where every classifier above does. none: all, as flat heads do.",
    )
    boxes: BoxUse | None = Field(
        default=None,
        description="Classifiers that a box label trains. own: only its own. path: all on its path below the root. "
        "drop: none of any head; datasets of boxes alone are left out of the batches. Empty: as the tree says, which "
        "knows whether only boxes tell some classes apart.",
    )
    lone_boxes: bool = Field(
        default=False,
        description="Whether a box label also trains a classifier where it is the only answer that its dataset gives. "
        "Off: there it could only ever say yes.",
    )
    balance: Balance = Field(
        default="pixels",
        description="pixels: each mean (loss.mean) is one over all its pixels (the paper's). datasets: over the "
        "datasets of their means, whatever their number of labelled pixels.",
    )
    class_weights: ClassWeighting = Field(
        default="none",
        description="Weight of a pixel by how often what it shows occurs in the shards: none, or in proportion to the "
        "inverse (square root) of its share, coarse labels and boxes counted in; in every mean (loss.mean), 1 on "
        "average.",
    )

    @model_validator(mode="after")
    def _weights_need_their_mean(self) -> Self:
        """Refuse weights that the means asked for do not have."""
        unused, wanted = (("root", "others"), "classifier") if self.mean == "pixel" else (("box_weight",), "pixel")
        for name in unused:
            if getattr(self, name) != type(self).model_fields[name].default:
                set_by = ", as the preset light has it" if self.mean == "pixel" else ""
                raise ValueError(f"{name} only counts with loss.mean={wanted}, and it is {self.mean}{set_by}")
        return self

    @property
    def weights(self) -> tuple[float, float]:
        """Weight of the root's classifier and of all others; 1 where means are over pixels."""
        return (self.root, self.others) if self.mean == "classifier" else (1.0, 1.0)

    @field_validator("nodes", mode="before")
    @classmethod
    def _weights_by_node(cls, nodes: Any) -> Any:
        check_numbers(nodes, "loss.nodes", 0.1)
        return nodes
