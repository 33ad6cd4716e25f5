"""The part of the training configuration that says how weights are updated: :mod:`labelforge.trainer.optim` does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from labelforge.trainer.config.part import NonNegative, Part

_RATES: Final[Mapping[str, float]] = {"sgd": 0.01, "adamw": 0.001}
_DECAYS: Final[Mapping[str, float]] = {"sgd": 1e-4, "adamw": 0.01}


class OptimConfig(Part):
    """The optimiser and its schedule.

    >>> from labelforge.trainer.config import OptimConfig
    >>> OptimConfig().first_rate, OptimConfig(optimizer="adamw").first_rate
    (0.01, 0.001)
    """

    optimizer: Literal["sgd", "adamw"] = Field(
        default="sgd",
        description="sgd: with momentum, as the authors. adamw: Loshchilov and Hutter 2019, with torch's betas and "
        "eps; for short runs.",
    )
    lr: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Learning rate at the start. Empty: 0.01 for sgd (the authors', for batches of 4), 0.001 for adamw "
        "(torch's).",
    )
    backbone_lr: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="Factor of the backbone's learning rate; below 1 to keep more of pretrained weights.",
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of sgd (not Nesterov's).")
    weight_decay: NonNegative | None = Field(
        default=None,
        description="On convolution weights (not on norms and biases). sgd: an L2 penalty; adamw: decoupled, times the "
        "rate. Empty: 0.0001 for sgd (as ResNets are trained on ImageNet), 0.01 for adamw (torch's).",
    )
    schedule: Literal["steps", "poly"] = Field(
        default="poly",
        description="poly: (1 - step/steps) to the power 0.9, the usual one for segmentation since DeepLab: nothing to "
        "place, whatever the number of steps. steps: multiply by 'cut' at each of 'cuts' (the authors').",
    )
    cuts: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.47, 0.88),
        description="Where the rate is cut, as fractions of all steps; the authors': after epochs 8 and 15 of 17.",
    )
    cut: float = Field(default=0.5, gt=0, lt=1, description="Factor of each cut; the authors'.")
    warmup: int = Field(
        default=0, ge=0, description="Steps over which the rate rises linearly from 0; a small batch needs none."
    )

    @property
    def first_rate(self) -> float:
        """The learning rate before schedule and warm-up."""
        return _RATES[self.optimizer] if self.lr is None else self.lr

    @property
    def decay(self) -> float:
        """The weight decay."""
        return _DECAYS[self.optimizer] if self.weight_decay is None else self.weight_decay

    @model_validator(mode="before")
    @classmethod
    def _cuts_need_steps(cls, data: Any) -> Any:
        """Refuse cuts that would do nothing, because the default schedule has none."""
        if isinstance(data, Mapping) and "schedule" not in data:
            for name in ("cuts", "cut"):
                if name in data:
                    raise ValueError(f"{name} only counts with optim.schedule=steps: set that too")
        return data


class EmaConfig(Part):
    """Exponential moving average of the weights; evaluation and prediction use it."""

    decay: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="Share of the old average kept at each step; 0: no averaging. 0.999 averages over a thousand small "
        "and noisy batches; the authors' 0.9 over ten.",
    )
