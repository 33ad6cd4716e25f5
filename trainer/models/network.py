"""The segmentation network: scaling of the image, backbone, decoder, head; and the upsampling that follows it.

The network takes images as they are stored, 0 to 255, and scales them itself, so that training, evaluation, prediction
and export cannot scale them differently. It returns logits at the decoder's stride, or with ``hybrid`` upsampling at
half of it: upsampling to the image's size is a separate step, because the loss and the decision rule may fuse it.

It has two halves that can be called by themselves: :meth:`SegmentationNet.extract` gives the backbone's maps, or where
only its first stages are frozen theirs, and :meth:`SegmentationNet.classify` makes logits of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelforge.trainer.config import ModelConfig
from labelforge.trainer.models.backbones import build_backbone
from labelforge.trainer.models.contract import IMAGENET, SYMMETRIC, Backbone, Scaling
from labelforge.trainer.models.decoders import Decoder, LastMap, build_decoder
from labelforge.trainer.models.freezing import Freeze, freeze_modules, frozen_modules
from labelforge.trainer.models.heads import HierarchicalHead
from labelforge.trainer.models.joining import Join
from labelforge.trainer.models.weights import LoadedWeights, load_weights


class SegmentationNet(nn.Module):
    """Images to the logits of all classifiers, at the decoder's stride or, if the head doubles them, half of it.

        >>> import torch
        >>> from labelforge.trainer import HierarchicalHead, SegmentationNet, build_backbone
        >>> network = SegmentationNet(build_backbone("resnet18", 32), HierarchicalHead(512, (19,)))
        >>> images = torch.zeros(2, 3, 64, 96, dtype=torch.uint8)
        >>> network(images).shape
        torch.Size([2, 19, 2, 3])
        >>> maps = network.eval().extract(images)
        >>> torch.equal(network.classify(maps), network(images))
        True

    Args:
        backbone: Gives the maps.
        head: A module from the decoder's map to logits.
        decoder: Makes one map of them; default: the last as it is.
        scaling: How images are scaled.
        freeze_batch_norm: Keep the backbone's batch normalisation at its loaded statistics (its scale and shift still
            train). Right for pretrained weights and batches too small or too uneven to estimate statistics from; wrong
            without pretrained weights. Decoder and head, which are new, always use the batch's statistics. For
            statistics over several processes wrap the network in ``torch.nn.SyncBatchNorm.convert_sync_batchnorm``
            instead.
        freeze: What of the backbone keeps its weights and statistics (:mod:`labelforge.trainer.models.freezing`).

    Attributes:
        scaling: How images are scaled.
        extracts: Numbers of the backbone's maps that ``extract`` gives.
        loaded: What weights the backbone started from, if it was loaded.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        *,
        decoder: Decoder | None = None,
        scaling: Scaling = SYMMETRIC,
        freeze_batch_norm: bool = False,
        freeze: Freeze = "none",
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.decoder = LastMap(backbone.maps) if decoder is None else decoder
        self.head = head
        self.freeze_batch_norm = freeze_batch_norm
        self._freeze = freeze
        freeze_modules(self.frozen)
        self._first = freeze if isinstance(freeze, int) else len(backbone.maps)
        self.extracts = tuple(number for number in self.decoder.reads if number < self._first)
        if self._is_cut and self._first - 1 not in self.extracts:
            self.extracts = (*self.extracts, self._first - 1)
        self.scaling = scaling
        self.loaded: LoadedWeights | None = None
        # Not in the state dict: they follow from the configuration.
        self.register_buffer("mean", torch.tensor(scaling.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(scaling.scale).view(3, 1, 1), persistent=False)

    def forward(self, images_nchw: Tensor) -> Tensor:
        """Compute logits: ``classify(extract(images_nchw))``.

        Args:
            images_nchw: (N, 3, H, W) RGB, 0 to 255, uint8 or floating.

        Returns:
            (N, C, h, w) logits with h = ceil(H / stride), or twice that where the head doubles it.
        """
        return self.classify(self.extract(images_nchw))

    def extract(self, images_nchw: Tensor) -> tuple[Tensor, ...]:
        """Scale images, and compute maps of the backbone: as far as it is frozen if that is so many stages, else all.

        Args:
            images_nchw: (N, 3, H, W) RGB, 0 to 255, uint8 or floating.

        Returns:
            The maps ``extracts`` of ``backbone.maps``, the finest first: (N, channels, ceil(H / stride),
            ceil(W / stride)) each. They are those that the decoder reads and, to go on from, the last frozen one.
        """
        scaled = (images_nchw - self.mean) / self.scale
        scaled = scaled.to(next((p.dtype for p in self.backbone.parameters()), scaled.dtype))
        maps = self.backbone(scaled, end=self._first) if self._is_cut else self.backbone(scaled)
        return tuple(maps[number] for number in self.extracts)

    def classify(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Compute logits from the maps that :meth:`extract` gives.

        Args:
            maps: The maps.

        Returns:
            (N, C, h, w) logits.
        """
        if self._is_cut:
            found = dict(zip(self.extracts, maps, strict=True))
            found.update(enumerate(self.backbone(maps[-1], begin=self._first), start=self._first))
            maps = tuple(found[number] for number in self.decoder.reads)
        return cast(Tensor, self.head(self.decoder(maps)))

    @property
    def frozen(self) -> tuple[nn.Module, ...]:
        """The modules that keep what was loaded."""
        return frozen_modules(self.backbone, self._freeze)

    @property
    def _is_cut(self) -> bool:
        """Whether :meth:`extract` stops after the first ``_first`` stages."""
        return self._first < len(self.backbone.maps)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        for part in self.frozen if mode else ():
            part.eval()
        if self.freeze_batch_norm:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


def build_network(
    sizes: Sequence[int], config: ModelConfig, *, joins: Sequence[Join] = (), pretrained: bool = True
) -> SegmentationNet:
    """Make the network that a configuration describes.

        >>> from labelforge.trainer import ModelConfig, build_network
        >>> network = build_network((53, 10, 3, 2, 43), ModelConfig(backbone="resnet18"))
        >>> network.decoder.output
        FeatureMap(stride=8, channels=512)

    Args:
        sizes: Children per classifier (``LogitLayout.sizes``).
        config: The configuration.
        joins: What is joined where logits are (``LogitLayout.joins``).
        pretrained: Load the backbone's weights, if the configuration names any.

    Raises:
        ConfigError: Unknown backbone or impossible output stride.
        CheckpointError: The backbone's weights are missing or do not fit.
    """
    backbone = build_backbone(config.backbone, config.output_stride)
    decoder = build_decoder(config.decoder, backbone.maps, config.decoder_channels, config.decoder_stride)
    head = HierarchicalHead(
        decoder.output.channels,
        sizes,
        features=config.features,
        context_dilation=config.context_dilation,
        bottleneck=config.bottleneck,
        bottlenecks=config.bottlenecks,
        upsampling=config.upsampling,
        start=config.start,
        joins=joins if config.logits == "joined" else (),
    )
    network = SegmentationNet(
        backbone,
        head,
        decoder=decoder,
        scaling=_scaling(config, backbone),
        freeze_batch_norm=config.freeze_batch_norm,
        freeze=config.freeze,
    )
    if pretrained and config.weights is not None:
        network.loaded = load_weights(backbone, config.backbone, config.weights)
    return network


def _scaling(config: ModelConfig, backbone: Backbone) -> Scaling:
    """How images are scaled: as the weights expect it, or without weights as the method's authors do."""
    if config.normalisation == "auto":
        return SYMMETRIC if config.weights is None else backbone.scaling
    return IMAGENET if config.normalisation == "imagenet" else SYMMETRIC


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
