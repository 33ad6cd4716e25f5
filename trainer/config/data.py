"""The part of the training configuration that says what a batch is made of: :mod:`labelforge.trainer.data` makes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from labelforge.trainer.config.part import NonNegative, Part, Positive, check_numbers

Augmentation = Literal["standard", "authors"]
"""``authors``: the sizes, colours and blur of the method's authors (:mod:`labelforge.trainer.data.authors`)."""


class DataConfig(Part):
    """What a batch is made of.

    >>> from labelforge.trainer import DataConfig
    >>> DataConfig(crop=(256, 512), batch={"cityscapes": 2}).flip
    True
    """

    crop: tuple[Positive, Positive] = Field(
        default=(512, 706), description="Height and width of a training crop, in pixels; the paper's."
    )
    resize: Literal["fit", "none"] = Field(
        default="fit",
        description="Size of an image before the random scale. fit: the crop just fits into it (the paper's), so that "
        "objects are of similar size in all datasets. none: as stored.",
    )
    scale: tuple[float, float] = Field(
        default=(1.0, 2.0),
        description="Range of the random scale, drawn uniformly in its logarithm. From 1, so that no crop is padded; "
        "to 2, because small objects are the hard ones.",
    )
    flip: bool = Field(
        default=True,
        description="Mirror half of the crops; labels change as the tree's mirrors say, so that signs stay right.",
    )
    jitter: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Strength of random brightness, contrast and saturation; 0 leaves colours alone. On, so that a "
        "network tells the datasets less easily by their cameras; 0.2 is what the authors use for two of theirs.",
    )
    augmentation: Augmentation = Field(
        default="standard",
        description="authors: besides the above, the authors' sizes, colours and blur for Cityscapes and GTSDB.",
    )
    batch: dict[str, Positive] = Field(
        default_factory=dict,
        description="Crops per batch by dataset ('mapillary-vistas' covers all its releases). Datasets not named here: "
        "1; Mapillary Vistas: 2 (the paper's 1:2:1: the largest and most varied). The same number for all is the "
        "balance of the winner of the Robust Vision Challenge 2022 (arXiv 2210.12852), whose code repeats each one to "
        "about 120,000 images; for batches as the datasets are, give numbers in proportion to their sizes.",
    )
    workers: int = Field(
        default=2, ge=0, description="Processes that read and augment; 0: the training process does it."
    )
    views: int = Field(
        default=0,
        ge=0,
        description="Fixed crops of each image, one after the other by epoch; 0: a new crop each time. Where "
        "model.freeze is backbone or a number of stages, the features of a fixed crop are computed once and kept on "
        "disk.",
    )
    feature_cache: NonNegative = Field(
        default=4.0,
        description="Most gigabytes (of 10^9 bytes) of such features on disk; crops that find no room are computed "
        "each time, with the same result. 0: none are kept.",
    )
    feature_folder: str | None = Field(
        default=None,
        description="Where features are kept; runs with one seed, backbone, frozen part and crops share them, even at "
        "one time. Empty: in the run's own folder, removed when its last step is done.",
    )

    @field_validator("crop", "scale", mode="before")
    @classmethod
    def _two_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f"two numbers are needed: data.{info.field_name}=[{value}, {value}]")
        if not isinstance(value, list | tuple):
            example = {"crop": "[512, 706]", "scale": "[1.0, 2.0]"}[info.field_name or "crop"]
            raise ValueError(f"two numbers are needed: data.{info.field_name}={example}")
        return value

    @field_validator("batch", mode="before")
    @classmethod
    def _counts_by_dataset(cls, batch: Any) -> Any:
        if not isinstance(batch, Mapping):
            raise ValueError("a number for each dataset is needed: data.batch.cityscapes=2")
        check_numbers(batch, "data.batch", 1)
        return batch

    @field_validator("scale")
    @classmethod
    def _scale_is_a_range(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 0 < scale[0] <= scale[1] < math.inf:
            raise ValueError("must be two positive numbers, the smaller one first")
        return scale
