"""Which backend computes the loss of a run: it follows from the device, the crops and the network's stride."""

from __future__ import annotations

import torch

from labelforge.trainer.config import TrainConfig
from labelforge.trainer.kernels.choice import choose_loss
from labelforge.trainer.kernels.problem import LossBackend
from labelforge.trainer.kernels.sampling import Sampling
from labelforge.trainer.models.network import SegmentationNet
from labelforge.trainer.tables import TableTensors


def loss_backend(config: TrainConfig, network: SegmentationNet, tensors: TableTensors) -> LossBackend | None:
    """The backend; None for the reference.

    Args:
        config: The run's configuration.
        network: Its network.
        tensors: Its target table, on its device.
    """
    stride = network.decoder.output.stride
    height, width = (
        -(-side // stride) * (2 if config.model.upsampling == "hybrid" else 1) for side in config.data.crop
    )
    sampling = Sampling.of((height, width), config.data.crop)
    if config.loss.stride > 1:
        sampling = sampling.every(config.loss.stride, 0, 0)
    logits = torch.empty(1, 1, height, width, device=tensors.target.device)
    return choose_loss(None, logits, sampling, tensors)
