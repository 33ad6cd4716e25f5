"""The whole training configuration: its parts, and what concerns the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from labelforge.trainer.config.data import DataConfig
from labelforge.trainer.config.loss import LossConfig
from labelforge.trainer.config.model import ModelConfig
from labelforge.trainer.config.optim import EmaConfig, OptimConfig
from labelforge.trainer.config.part import Part, Positive
from labelforge.trainer.config.validation import ValidationConfig
from labelforge.trainer.presets import PRESETS, Preset, lay_over_preset

Precision = Literal["auto", "float32", "bfloat16"]
"""Arithmetic of a network; auto: bfloat16 on CUDA, else float32."""


class TrainConfig(Part):
    """Everything that decides a run, besides the shards.

    >>> from labelforge.trainer import TrainConfig
    >>> TrainConfig(steps=1000, optim={"lr": 0.02}).model.backbone
    'resnet50'
    >>> TrainConfig(preset="authors", steps=1000).optim.weight_decay
    0.00017
    """

    preset: Preset | None = Field(
        default=None,
        description="Settings to start from; all others lie over them. authors: those of the method's authors. light: "
        "a small network with ImageNet weights, for little data and CPUs. Empty: the defaults below.",
    )
    start_from: str | None = Field(
        default=None,
        description="Run (or checkpoint) whose averaged weights to start from: the backbone and every classifier whose "
        "choices are the same, for more or other datasets. Empty: from the start.",
    )
    seed: int = Field(
        default=0, ge=0, description="Seed of the initial weights, the order of samples and the augmentation."
    )
    steps: Positive = Field(
        default=150_000, description="Steps of the whole run; about as many as the authors' 17 epochs of Vistas."
    )
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N.")
    precision: Precision = Field(
        default="auto", description="Arithmetic of the network: bfloat16 on CUDA, else float32."
    )
    compile: bool = Field(
        default=False,
        description="Compile the backbone (torch.compile): on CUDA, steps that are recorded (cuda_graph) are faster "
        "then; compiling takes a minute or so. Off: on a CPU it needs a C++ compiler, and the last bits of a run then "
        "differ.",
    )
    cuda_graph: bool = Field(
        default=True,
        description="On CUDA, record what a network does, and launch it as one from then on (a CUDA graph): the same "
        "results, sooner. In training, in one process, forward pass, loss and gradients; the memory of a step is then "
        "held between steps too. Off: where memory is short.",
    )
    taxonomy: str | None = Field(
        default=None,
        description="Tree that the shards must have been made for: a shipped name or a folder. Empty: any.",
    )
    log_every: Positive = Field(default=20, description="Steps between two lines of metrics.jsonl.")
    checkpoint_every: Positive = Field(
        default=2000, description="Steps between two checkpoints; the last step always saves one."
    )
    keep_checkpoints: Positive = Field(
        default=2, description="Latest checkpoints kept; older ones are removed. The best one stays in any case."
    )
    model: ModelConfig = Field(default_factory=ModelConfig, description="The network.")
    data: DataConfig = Field(default_factory=DataConfig, description="Batches and augmentation.")
    optim: OptimConfig = Field(default_factory=OptimConfig, description="Optimiser and schedule.")
    loss: LossConfig = Field(default_factory=LossConfig, description="Loss weights and the gate of box pixels.")
    ema: EmaConfig = Field(default_factory=EmaConfig, description="Average of the weights.")
    validation: ValidationConfig = Field(
        default_factory=ValidationConfig, description="Scoring while the network is trained."
    )

    @model_validator(mode="before")
    @classmethod
    def _lay_over_preset(cls, data: Any) -> Any:
        name = data.get("preset") if isinstance(data, Mapping) else None
        if not isinstance(name, str) or name not in PRESETS:
            return data
        given = {k: v.model_dump(exclude_unset=True) if isinstance(v, BaseModel) else v for k, v in data.items()}
        return lay_over_preset(name, given)

    @model_validator(mode="after")
    def _frozen_parts_are_loaded(self) -> Self:
        """Refuse to keep random weights, and a rate that nothing would learn by."""
        freeze = self.model.freeze
        if freeze not in ("none", ()) and self.model.weights is None and self.start_from is None:
            raise ValueError(
                "model.freeze would keep random weights: give model.weights or start_from, or set it to none"
            )
        if freeze == "backbone" and self.optim.backbone_lr != 1:
            raise ValueError("optim.backbone_lr would do nothing, as model.freeze=backbone: leave one of them out")
        return self
