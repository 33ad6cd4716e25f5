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

from labelforge.trainer.models.fusing import fuse
from labelforge.trainer.models.network import SegmentationNet
from labelforge.trainer.models.replaying import Replayed

_PROBE = (1, 3, 65, 97)
"""Shape of the noise on which a folded network is compared; odd, so that padding matters."""
_CLOSE = 1e-3


def ready_for_inference(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of a network that computes its logits faster.

    Args:
        network: The network; left as it is. Only a :class:`SegmentationNet` is changed in the copy.
        dtype: float32 or bfloat16: what it computes in.

    Returns:
        A copy in evaluation mode, without gradients, on the same device. On CUDA it cannot be exported.
    """
    ready = copy.deepcopy(network).eval().requires_grad_(False)
    if not isinstance(ready, SegmentationNet):
        return ready
    folded = fold_batch_norm(ready)
    if not _same(ready, folded):  # a backbone of someone else's may not use its modules in their order
        folded = ready
    on_cuda = folded.mean.is_cuda
    has_cudnn = torch.backends.cudnn.is_available() and torch.version.hip is None  # type: ignore[no-untyped-call]
    if on_cuda and has_cudnn:
        fuse(folded)
    mean, scale = folded.mean, folded.scale
    folded.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    folded.mean, folded.scale = mean, scale  # images are scaled in float32
    return Replayed(folded) if on_cuda else folded


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


@torch.inference_mode()
def _same(one: SegmentationNet, other: SegmentationNet) -> bool:
    """Whether two networks give the same logits, up to rounding."""
    if one.mean.is_cuda:  # which rounds the factors of a convolution to 10 bits
        one, other = copy.deepcopy(one).cpu(), copy.deepcopy(other).cpu()
    noise = torch.rand(_PROBE, generator=torch.Generator().manual_seed(0)).mul(255)
    # A network that draws random numbers must not change the training that goes on after it was looked at.
    with torch.random.fork_rng([]):
        first, second = one(noise), other(noise)
    wanted: Tensor = first.float()
    close = _CLOSE * wanted.abs().max().clamp(min=1)
    return bool(((second.float() - wanted).abs() <= close).all())
