"""Segmentation heads: from a backbone's feature map to the logits of every classifier of the tree.

One head serves every tree: a shared 1x1 reduction (optionally followed by a dilated 3x3 convolution for a wider view),
then per classifier one residual bottleneck and a 1x1 convolution to its logits. The logits of all classifiers are
returned as one tensor, side by side in the order of the target table, so that upsampling, loss and decision each handle
one tensor. A flat classifier is the same head on a tree of depth one.

With ``bottlenecks="shared"`` there is one bottleneck for all classifiers, whose convolutions then are computed as one.
Logits of classifiers can be joined (:mod:`labelforge.trainer.models.joining`).

The method's authors also double the size of each classifier's logits by a learned transposed convolution
(``upsampling="hybrid"``); whatever size the logits have, the rest of the way to the image's size is bilinear.

Source: Meletis & Dubbelman 2018 (arXiv 1803.05675), section IV, and the authors' code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelforge.trainer.config import Bottlenecks, Start, Upsampling
from labelforge.trainer.models.joining import Join, join
from labelforge.trainer.models.resnet import Bottleneck
from labelforge.trainer.models.starts import start_head


class HierarchicalHead(nn.Module):
    """Logits of all classifiers from one feature map.

        >>> import torch
        >>> from labelforge.trainer import HierarchicalHead
        >>> HierarchicalHead(512, (53, 10, 3, 2, 43))(torch.zeros(2, 512, 8, 12)).shape
        torch.Size([2, 111, 8, 12])
        >>> HierarchicalHead(512, (53, 10), upsampling="hybrid")(torch.zeros(2, 512, 8, 12)).shape
        torch.Size([2, 63, 16, 24])

    Args:
        in_channels: Channels of the backbone's feature map.
        sizes: Children per classifier, in table order (``LogitLayout.sizes``).
        features: Channels after the reduction; a multiple of 4.
        context_dilation: Dilation of an extra 3x3 convolution after the reduction, for a wider view; 0 leaves it out.
        bottleneck: Channels of the 3x3 convolution in a bottleneck; default: a quarter of ``features``.
        bottlenecks: ``each`` classifier has its own, or one is ``shared`` by all.
        upsampling: ``hybrid`` doubles the logits' size by a learned 4x4 transposed convolution per classifier.
        start: What the weights are before training (:mod:`labelforge.trainer.models.starts`).
        joins: Classifiers whose logits are joined to those above (``LogitLayout.joins``).
    """

    def __init__(
        self,
        in_channels: int,
        sizes: Sequence[int],
        *,
        features: int = 256,
        context_dilation: int = 0,
        bottleneck: int | None = None,
        bottlenecks: Bottlenecks = "each",
        upsampling: Upsampling = "bilinear",
        start: Start = "undecided",
        joins: Sequence[Join] = (),
    ) -> None:
        super().__init__()
        self.sizes, self.joins = tuple(sizes), tuple(joins)
        width = bottleneck or features // Bottleneck.expansion
        self.reduction = _conv_bn_relu(in_channels, features, kernel=1)
        self.context = (
            _conv_bn_relu(features, features, kernel=3, dilation=context_dilation)
            if context_dilation
            else nn.Identity()
        )
        self.shares = bottlenecks == "shared"
        blocks = 1 if self.shares else len(sizes)
        self.bottlenecks = nn.ModuleList(Bottleneck(features, width, out_channels=features) for _ in range(blocks))
        self.classifiers = nn.ModuleList(nn.Conv2d(features, size, kernel_size=1) for size in sizes)
        self._doubles = upsampling == "hybrid"
        self.upsamplers = nn.ModuleList(_double(size) if self._doubles else nn.Identity() for size in sizes)
        start_head(self, cast(Iterable[nn.Conv2d], self.classifiers), start)

    def forward(self, features_nchw: Tensor) -> Tensor:
        """(N, in_channels, h, w) features to (N, C, h, w) logits, classifier by classifier in table order.

        With ``hybrid`` upsampling, the logits are (N, C, 2h, 2w).
        """
        return join(self._own(self.context(self.reduction(features_nchw))), self.sizes, self.joins)

    def _own(self, shared: Tensor) -> Tensor:
        """The logits of every classifier for itself, from the features that all share."""
        if not self.shares:
            branches = zip(self.bottlenecks, self.classifiers, self.upsamplers, strict=True)
            return torch.cat([double(classify(bottleneck(shared))) for bottleneck, classify, double in branches], dim=1)
        weight, bias = (torch.cat([getattr(layer, name) for layer in self.classifiers]) for name in ("weight", "bias"))
        logits = F.conv2d(self.bottlenecks[0](shared), weight, bias)
        if not self._doubles:
            return logits
        parts = torch.split(logits, list(self.sizes), dim=1)
        return torch.cat([double(part) for double, part in zip(self.upsamplers, parts, strict=True)], dim=1)


def _double(size: int) -> nn.ConvTranspose2d:
    """From (N, size, h, w) to (N, size, 2h, 2w); as "SAME" padding places it in the authors' code."""
    return nn.ConvTranspose2d(size, size, kernel_size=4, stride=2, padding=1)


def _conv_bn_relu(in_channels: int, out_channels: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
