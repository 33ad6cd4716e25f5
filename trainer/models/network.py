"""The segmentation network: scaling of the image, backbone, head; and the upsampling that follows it.

The network takes images as they are stored, 0 to 255, and scales them itself, so that training, evaluation, prediction
and export cannot scale them differently. It returns logits at the backbone's stride, or with ``hybrid`` upsampling at
half of it: upsampling to the image's size is a separate step, because the loss and the decision rule may fuse it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelforge.trainer.config import ModelConfig, Normalisation
from labelforge.trainer.models.backbones import Backbone, build_backbone
from labelforge.trainer.models.freezing import Freeze, freeze_modules, frozen_modules
from labelforge.trainer.models.heads import HierarchicalHead

_MEAN_AND_SCALE: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "symmetric": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    # torchvision's constants for images in [0, 1], times 255.
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


class SegmentationNet(nn.Module):
    """Images to the logits of all classifiers, at the backbone's stride or, if the head doubles them, half of it.

        >>> import torch
        >>> from labelforge.trainer import HierarchicalHead, SegmentationNet, build_backbone
        >>> network = SegmentationNet(build_backbone("resnet18", 32), HierarchicalHead(512, (19,)))
        >>> network(torch.zeros(2, 3, 64, 96, dtype=torch.uint8)).shape
        torch.Size([2, 19, 2, 3])

    Args:
        backbone: A module giving (N, C, h, w), with ``out_channels`` and ``stride``.
        head: A module from that feature map to logits.
        normalisation: How images are scaled.
        freeze_batch_norm: Keep the backbone's batch normalisation at its loaded statistics (its scale and shift still
            train). Right for pretrained weights and batches too small or too uneven to estimate statistics from; wrong
            without pretrained weights. The head, which is new, always uses the batch's statistics. For statistics over
            several processes wrap the network in ``torch.nn.SyncBatchNorm.convert_sync_batchnorm`` instead.
        freeze: What of the backbone keeps its weights and statistics (:mod:`labelforge.trainer.models.freezing`).
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        *,
        normalisation: Normalisation = "symmetric",
        freeze_batch_norm: bool = False,
        freeze: Freeze = "none",
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.freeze_batch_norm = freeze_batch_norm
        self.frozen = frozen_modules(backbone, freeze)
        freeze_modules(self.frozen)
        mean, scale = _MEAN_AND_SCALE[normalisation]
        # Not in the state dict: they follow from the configuration.
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(scale).view(3, 1, 1), persistent=False)

    def forward(self, images_nchw: Tensor) -> Tensor:
        """Compute logits.

        Args:
            images_nchw: (N, 3, H, W) RGB, 0 to 255, uint8 or floating.

        Returns:
            (N, C, h, w) logits with h = ceil(H / stride), or twice that where the head doubles it.
        """
        return self.classify(self.extract(images_nchw))

    def extract(self, images_nchw: Tensor) -> tuple[Tensor, ...]:
        """The backbone's maps of images, which :meth:`classify` takes; with a frozen backbone they never change."""
        scaled = (images_nchw - self.mean) / self.scale
        return (self.backbone(scaled),)

    def classify(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Logits from the maps of :meth:`extract`."""
        return cast(Tensor, self.head(maps[-1]))

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        if self.freeze_batch_norm:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


def build_network(sizes: Sequence[int], config: ModelConfig, *, pretrained: bool = True) -> SegmentationNet:
    """Make the network that a configuration describes.

        >>> from labelforge.trainer import ModelConfig, build_network
        >>> network = build_network((53, 10, 3, 2, 43), ModelConfig(backbone="resnet18"))
        >>> network.backbone.stride
        8

    Args:
        sizes: Children per classifier (``LogitLayout.sizes``).
        config: The configuration.
        pretrained: Load the backbone's weights, if the configuration names any.

    Raises:
        ConfigError: Unknown backbone or impossible output stride.
        CheckpointError: The backbone's weights are missing or do not fit.
    """
    backbone = build_backbone(config.backbone, config.output_stride, config.weights if pretrained else None)
    head = HierarchicalHead(
        backbone.out_channels,
        sizes,
        features=config.features,
        context_dilation=config.context_dilation,
        bottleneck=config.bottleneck,
        upsampling=config.upsampling,
        start=config.start,
    )
    normalisation = config.normalisation
    if normalisation == "auto":
        normalisation = "symmetric" if config.weights is None else "imagenet"
    return SegmentationNet(
        backbone,
        head,
        normalisation=normalisation,
        freeze_batch_norm=config.freeze_batch_norm,
        freeze=config.freeze,
    )


def upsample(logits_nchw: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear upsampling of logits to the image's size, pixel centres aligned (``align_corners=False``).

        >>> import torch
        >>> from labelforge.trainer import upsample
        >>> upsample(torch.zeros(1, 111, 8, 12), (64, 90)).shape
        torch.Size([1, 111, 64, 90])

    Args:
        logits_nchw: (N, C, h, w).
        size: (H, W).

    Returns:
        (N, C, H, W), same dtype.
    """
    return F.interpolate(logits_nchw, size=size, mode="bilinear", align_corners=False)
