"""A trained network, ready to decide images of any size.

An image is scaled as in training (so that a training crop would just fit into it, or not at all), and the decision is
made at the image's own size: the logits are upsampled in bands of rows, decided band by band and dropped, so that an
image of twelve megapixels needs no more memory than the network itself.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint
from labelforge.trainer.config import DataConfig
from labelforge.trainer.data.augment import fit_scale, resize
from labelforge.trainer.decision import decide
from labelforge.trainer.distributed import resolve_device
from labelforge.trainer.learner import load_weights, network_for, wants_bfloat16
from labelforge.trainer.tables import TableTensors

__all__ = ["Segmenter", "decide_upsampled", "network_size"]

_BAND_VALUES = 1 << 24
"""Upsampled logits held at a time: 64 MiB in float32."""


class Segmenter:
    """A network with the weights of a checkpoint, in evaluation mode.

    Args:
        checkpoint: The checkpoint; its moving average is used.
        device: auto, cpu, cuda or cuda:N.
        short_side: Scale every image so that its shorter side has this many pixels; default: as in training.

    Attributes:
        checkpoint: The checkpoint.
        device: Where it computes.

    Raises:
        CheckpointError: The weights are broken.
        ConfigError: The device is not there.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "auto", short_side: int | None = None) -> None:
        self.checkpoint = checkpoint
        self.device = resolve_device(device)
        self._short_side = short_side
        network = network_for(checkpoint.table, checkpoint.config.model, pretrained=False)
        load_weights(network, checkpoint.weights(average=True), checkpoint)
        self._network = network.to(self.device).eval()
        self._table = TableTensors.of(checkpoint.table, self.device)
        self._half = wants_bfloat16(checkpoint.config, self.device)

    @classmethod
    def load(cls, run: str | os.PathLike[str], device: str = "auto", short_side: int | None = None) -> Segmenter:
        """Open the latest checkpoint of a run, or one checkpoint's folder; arguments and errors as above."""
        return cls(find_checkpoint(run), device, short_side)

    @torch.inference_mode()
    def decide(self, image: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Decide every pixel of an image.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            (H, W) int64 index into ``checkpoint.table.outcomes``, on the segmenter's device.
        """
        size = (image.shape[0], image.shape[1])
        scaled = resize(image, network_size(size, self.checkpoint.config.data, self._short_side))
        pixels = torch.from_numpy(scaled.copy()).to(self.device).permute(2, 0, 1)[None]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            logits = self._network(pixels)
        return decide_upsampled(logits.float(), self._table, size)[0]


def network_size(size: tuple[int, int], config: DataConfig, short_side: int | None = None) -> tuple[int, int]:
    """Height and width at which the network sees an image of a given size.

    Args:
        size: Height and width of the image.
        config: How images were scaled in training.
        short_side: Wanted length of the shorter side; None: as in training, at random scale 1.
    """
    if short_side is not None:
        scale = short_side / min(size)
    else:
        scale = fit_scale(size, config.crop) if config.resize == "fit" else 1.0
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def decide_upsampled(logits_nchw: torch.Tensor, table: TableTensors, size: tuple[int, int]) -> torch.Tensor:
    """Upsample logits bilinearly and decide, a band of rows at a time.

    The same decisions as ``decide(upsample(logits, size), table)``, up to rounding.

    Args:
        logits_nchw: (N, C, h, w) float32 logits at the network's stride.
        table: The table they are laid out by.
        size: Height H and width W of the decision.

    Returns:
        (N, H, W) int64 final classes.
    """
    batch, channels, low_height, _ = logits_nchw.shape
    height, width = size
    band = max(1, _BAND_VALUES // (batch * channels * width))
    # Pixel centres, as F.interpolate(align_corners=False) places them.
    at = ((torch.arange(height, device=logits_nchw.device) + 0.5) * (low_height / height) - 0.5).clamp(
        0, low_height - 1
    )
    above = at.floor().long()
    below = (above + 1).clamp(max=low_height - 1)
    weight = (at - above).view(1, 1, -1, 1)
    decided = []
    for top in range(0, height, band):
        rows = slice(top, min(top + band, height))
        stretched = torch.lerp(logits_nchw[:, :, above[rows]], logits_nchw[:, :, below[rows]], weight[:, :, rows])
        fine = F.interpolate(stretched, size=(stretched.shape[2], width), mode="bilinear", align_corners=False)
        decided.append(decide(fine, table))
    return torch.cat(decided, dim=1)
