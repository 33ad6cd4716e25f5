"""A network in a form that torch's ONNX exporter traces for images of any size.

Only what PyTorch computes from an image's size needs care: TensorFlow's "same" padding of convolutions with a stride.
ONNX has it by name (``auto_pad: SAME_UPPER``), so that the size at hand decides in the runtime, without a copy of the
padded map.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from labelforge.trainer.models.efficientnet import SameConv2d


def exportable(network: nn.Module) -> nn.Module:
    """A copy of a network for the exporter to trace; called otherwise, it gives no meaningful values.

    Args:
        network: In evaluation mode, in float32.
    """
    traced = copy.deepcopy(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for module in list(traced.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, SameConv2d) and layer.stride != (1, 1):
                setattr(module, name, _OnnxSameConv(layer))
    return traced  # type: ignore[no-any-return]


class _OnnxSameConv(nn.Module):
    """A :class:`SameConv2d` as the one ONNX operator that it is.

    Args:
        layer: The convolution. Its dilation is 1, as runtimes ask of ``SAME_UPPER``: a stride that became dilation is
            none any more.
    """

    def __init__(self, layer: SameConv2d) -> None:
        super().__init__()
        assert layer.dilation == (1, 1)
        self.weight, self.bias = layer.weight, layer.bias
        self._kernel, self._stride, self._groups = layer.kernel_size, layer.stride, layer.groups

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, out_channels, ceil(h / stride), ceil(w / stride))."""
        # Not -(-h // stride): ONNX divides towards zero.
        height, width = ((size + stride - 1) // stride for size, stride in zip(x.shape[2:], self._stride, strict=True))
        inputs = [x, self.weight] if self.bias is None else [x, self.weight, self.bias]
        shape = (x.shape[0], self.weight.shape[0], height, width)
        return torch.onnx.ops.symbolic(
            "Conv",
            inputs,
            {
                "auto_pad": "SAME_UPPER",
                "group": self._groups,
                "kernel_shape": list(self._kernel),
                "strides": list(self._stride),
            },
            dtype=x.dtype,
            shape=shape,
        )
