"""What a benchmark measures, and at which size.

Every suite has two sizes: *full*, which is the paper's, and *small*, which a CPU finishes in seconds. A GPU gets the
full size, or a larger one where the paper's leaves it idle, and a CPU the small one, unless the configuration says
otherwise. The results say what was made smaller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field

from labelforge.errors import ConfigError, did_you_mean
from labelforge.trainer.config import Precision

SuiteName = Literal["loss", "decide", "infer", "train", "loader", "convert"]
Arithmetic = Literal["float32", "bfloat16"]
_Positive = Annotated[int, Field(ge=1)]

SUITES: Final[tuple[SuiteName, ...]] = get_args(SuiteName)
"""All suites, in the order they run in."""

PAPER_SIZE: Final = (520, 706)
"""Height and width at which the paper states its frames per second."""


class BenchConfig(BaseModel):
    """What to measure. Sizes that are not given are the suite's own: full on a GPU, small on a CPU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suites: tuple[SuiteName, ...] = Field(default=SUITES, description="Suites to run.")
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N.")
    precision: Precision = Field(
        default="auto", description="Arithmetic of the networks: auto is bfloat16 on CUDA, else float32."
    )
    full: bool = Field(default=False, description="Measure the full size on a CPU too.")
    size: tuple[_Positive, _Positive] | None = Field(default=None, description="Height and width of the images.")
    batch: _Positive | None = Field(
        default=None, description="Images per call; for loader and convert, how many to read."
    )
    backbone: str | None = Field(default=None, description="Backbone of the networks; default resnet50.")
    repeats: _Positive | None = Field(
        default=None, description="Timed calls of each contestant; default: as many as fit in 2 seconds, 5 to 25."
    )
    threads: _Positive | None = Field(default=None, description="Threads for PyTorch; default: its own choice.")
    shards: str | None = Field(default=None, description="Shards that the loader reads; default: synthetic ones.")
    cityscapes: str | None = Field(
        default=None, description="Folder of Cityscapes that is converted; default: synthetic frames."
    )


@dataclass(frozen=True)
class Scale:
    """The size of a suite.

    Attributes:
        batch: Images per call.
        size: Their height and width in pixels.
        backbone: Backbone of the networks.
        shards: Shards for the loader to read, at their own size; None: synthetic ones.
        cityscapes: Folder of Cityscapes to convert, at its own size; None: synthetic frames.
        shrunk: How the size differs from the full one, and why, as a sentence; None at full size.
    """

    batch: int
    size: tuple[int, int]
    backbone: str = "resnet50"
    shards: str | None = None
    cityscapes: str | None = None
    shrunk: str | None = None

    @property
    def text(self) -> str:
        """Batch and size in words: ``4 x 512x706``."""
        return f"{self.batch} x {self.size[0]}x{self.size[1]}"


_FULL_AND_SMALL: dict[SuiteName, tuple[Scale, Scale]] = {
    "loss": (Scale(4, (512, 706)), Scale(1, (256, 352))),  # full: the paper's batch and crop
    "decide": (Scale(1, PAPER_SIZE), Scale(1, (260, 353))),
    "infer": (Scale(1, PAPER_SIZE), Scale(1, (260, 353))),
    "train": (Scale(4, (512, 706)), Scale(4, (96, 132))),
    "loader": (Scale(64, (1024, 2048)), Scale(24, (512, 1024))),  # Cityscapes as published, and as the paper scales it
    "convert": (Scale(64, (1024, 2048)), Scale(64, (512, 1024))),
}
_FULL_ON_GPU: dict[SuiteName, Scale] = {"loss": Scale(8, (512, 706))}


def scale_of(suite: SuiteName, config: BenchConfig, device: torch.device) -> Scale:
    """The size of a suite on the device that it computes on, with the configuration's changes."""
    full, small = _FULL_AND_SMALL[suite]
    if device.type != "cpu":
        full = _FULL_ON_GPU.get(suite, full)
    base = small if device.type == "cpu" and not config.full else full
    scale = replace(
        base,
        batch=config.batch or base.batch,
        size=config.size or base.size,
        backbone=config.backbone or base.backbone,
        shards=config.shards,
        cityscapes=config.cityscapes,
    )
    if (scale.batch, scale.size) == (full.batch, full.size):
        return scale
    why = "as asked for" if config.batch or config.size else "to suit a CPU; --full measures those"
    return replace(scale, shrunk=f"{scale.text} images instead of {full.text}, {why}.")


def suite_names(names: tuple[str, ...]) -> tuple[SuiteName, ...]:
    """The named suites, each once and in running order; all of them if none is named.

    Raises:
        ConfigError: There is no suite of that name.
    """
    for name in names:
        if name not in SUITES:
            raise ConfigError(f"unknown suite {name!r}", cure=did_you_mean(name, SUITES))
    return tuple(suite for suite in SUITES if suite in names) or SUITES
