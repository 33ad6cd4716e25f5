"""What the weights of a head are before training.

``undecided``: every classifier begins with near-zero logits and every block as its skip connection, so that no child is
preferred and the first gradients into the backbone are small.

``variance-scaling``: as in the code of the method's authors (TensorFlow's ``contrib.slim``). Convolutions are drawn
from a normal distribution of standard deviation sqrt(2.6 / fan in), cut at two of them; the factor 1.3 in it is slim's
correction for the cut. The last 1x1 convolution of a classifier has slim's default, Xavier's uniform distribution
(Glorot & Bengio 2010).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from labelforge.trainer.config import Start
from labelforge.trainer.models.resnet import initialise


def start_head(head: nn.Module, classifiers: Iterable[nn.Conv2d], start: Start) -> None:
    """Set all weights of a head, in place.

    Args:
        head: The head.
        classifiers: Its last 1x1 convolutions, those that give logits.
        start: Which start.
    """
    doubling = [layer for layer in head.modules() if isinstance(layer, nn.ConvTranspose2d)]
    if start == "undecided":
        initialise(head)
        for upsampler in doubling:
            _start_bilinear(upsampler)
        for classifier in classifiers:
            nn.init.normal_(classifier.weight, std=0.01)
    else:
        for layer in head.modules():
            if isinstance(layer, nn.Conv2d):
                _start_scaled(layer.weight, layer.weight[0].numel())
            elif isinstance(layer, nn.ConvTranspose2d):
                _start_scaled(layer.weight, layer.weight[:, 0].numel())
        for classifier in classifiers:
            nn.init.xavier_uniform_(classifier.weight)
    for biased in (*classifiers, *doubling):
        nn.init.zeros_(cast(Tensor, biased.bias))


def _start_scaled(weight: Tensor, fan_in: int) -> None:
    deviation = math.sqrt(1.3 * 2 / fan_in)
    nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)


def _start_bilinear(layer: nn.ConvTranspose2d) -> None:
    """Every channel for itself, and each pixel as bilinear upsampling makes it."""
    side = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(layer.in_channels), range(layer.out_channels)] = torch.outer(side, side)
