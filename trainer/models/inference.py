"""A network made ready to be asked, and no longer trained: the same answers with less arithmetic.

Batch normalisation is folded into the convolution before it, weights lie in memory as convolutions read them fastest
(channels last), and they are stored in the precision that is computed in, so that nothing is cast at each call. On a
GPU convolutions are fused with what follows them, and all kernels of a call are launched as one.
"""

from __future__ import annotations

import copy
import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from labelforge.trainer.models.fusing import fused_for_cuda
from labelforge.trainer.models.network import SegmentationNet
from labelforge.trainer.models.replaying import Replayed

_PROBE = (1, 3, 65, 97)
"""Shape of the noise on which a folded network is compared; odd, so that padding matters."""
_CLOSE, _NEAR = 1e-3, 2e-2
"""Largest difference of logits, as a share of the largest: on a CPU, and where factors have 10 bits."""


def ready_for_inference(network: nn.Module, dtype: torch.dtype, *, replay: bool = True) -> nn.Module:
    """A copy of a network that computes its logits faster.

    Args:
        network: The network; left as it is. Only a :class:`SegmentationNet` is changed in the copy.
        dtype: float32 or bfloat16: what it computes in.
        replay: Whether a GPU may record what the network does, if its backbone can be recorded.

    Returns:
        A copy in evaluation mode, without gradients, on the same device. On CUDA it cannot be exported.
    """
    ready = copy.deepcopy(network).eval().requires_grad_(False)
    if not isinstance(ready, SegmentationNet):
        return ready
    folded = fold_batch_norm(ready)
    if not _same(_on_cpu(ready), _on_cpu(folded), _CLOSE):
        folded = ready  # a backbone of someone else's may not use its modules in their order, or not run on a CPU
    if not folded.mean.is_cuda:
        return _in_precision(folded, dtype)
    fused = fused_for_cuda(folded)
    if fused is not None and _same(folded, fused, _NEAR) and _logits_of_noise(_in_precision(fused, dtype)) is not None:
        folded = fused
    ready = _in_precision(folded, dtype)
    return Replayed(ready) if replay and ready.backbone.recordable else ready


def _in_precision(network: SegmentationNet, dtype: torch.dtype) -> SegmentationNet:
    mean, scale = network.mean, network.scale
    network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.mean, network.scale = mean, scale  # images are scaled in float32
    return network


def fold_batch_norm(network: SegmentationNet) -> SegmentationNet:
    """A copy whose convolutions do the batch normalisation that follows them.

    A normalisation follows a convolution where a module lists it right after, as all of ours do.

    Args:
        network: In evaluation mode.
    """
    folded = copy.deepcopy(network)
    for module in folded.modules():
        for (name, layer), (after, norm) in itertools.pairwise(list(module.named_children())):
            if not (isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
                continue
            if norm.num_features == layer.out_channels:
                setattr(module, name, fuse_conv_bn_eval(layer, norm))
                setattr(module, after, nn.Identity())
    return folded


def _on_cpu(network: SegmentationNet) -> SegmentationNet:
    """Where factors of a convolution are not rounded to 10 bits."""
    return copy.deepcopy(network).cpu() if network.mean.is_cuda else network


def _same(one: SegmentationNet, other: SegmentationNet, close: float) -> bool:
    """Whether two networks give the same logits, up to a share of the largest, where they are; no if one cannot."""
    wanted, found = _logits_of_noise(one), _logits_of_noise(other)
    if wanted is None or found is None:
        return False
    return bool(((found - wanted).abs() <= close * wanted.abs().max().clamp(min=1)).all())


@torch.inference_mode()
def _logits_of_noise(network: SegmentationNet) -> Tensor | None:
    """What a network makes of noise, in float32; None if it cannot run where it is, in its precision."""
    device = network.mean.device
    noise = torch.rand(_PROBE, generator=torch.Generator().manual_seed(0)).mul(255).to(device)
    try:
        # A network that draws random numbers must not change the training that goes on after it was looked at.
        with torch.random.fork_rng([] if device.type == "cpu" else [device]):
            logits: Tensor = network(noise)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # an operator that a device has not, or cuDNN no kernel for
        return None
    return logits.float()
