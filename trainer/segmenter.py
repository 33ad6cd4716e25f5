"""A trained network, ready to segment images of any size.

An image is scaled as in training (so that a training crop just fits into it, or not at all), and the decision is made
at the image's own size. What is read from the logits there is computed between them, so that of an image of twelve
megapixels only the answers are kept, and never all logits.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self, TypeVar, overload

import numpy as np
import torch
from torch import Tensor, nn

from labelforge.errors import ConfigError
from labelforge.logits import LogitLayout
from labelforge.mapping import LabelMapping
from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint
from labelforge.trainer.config import Precision, TrainConfig
from labelforge.trainer.decision import Decision, decide, decide_with_confidence
from labelforge.trainer.descent import Descent, descend
from labelforge.trainer.devices import resolve_device, resolve_precision
from labelforge.trainer.images import Pixels, network_size, resize
from labelforge.trainer.logit_adjustment import LogitAdjustment, adjustment_of
from labelforge.trainer.models.inference import ready_for_inference
from labelforge.trainer.models.network import build_network
from labelforge.trainer.onnx_file import SUFFIX, OnnxFile
from labelforge.trainer.readout import By, Labelling, Over, label_readout
from labelforge.trainer.tables import LayoutTensors

_BATCH = 8
"""Images that are looked at together on CUDA, at most."""
_PIXELS = 1 << 22
"""Pixels of these, at most, so that large images need no more memory together than one by one."""

Readings = Callable[[Tensor, tuple[int, int]], tuple[Tensor, ...]]
"""A function that reads things from logits at the network's stride, at a height and width."""


class NetworkSegmenter:
    """A network that is in memory already, in evaluation mode: what validation scores while the network is trained.

    Args:
        network: The network, on its device.
        layout: What its logits mean.
        mappings: Label tables of the datasets it was trained on.
        config: Configuration of its run: how it sees images, and its arithmetic.
        device: Where it is.
        short_side: Scale every image so that its shorter side has this many pixels; default: as in training.
        over: ``leaves``: a flat union decides only between answers that hold no other.
        precision: Its arithmetic; default: that of the run. bfloat16 is faster on processors that have it.
        adjust: Changes the logits before anything is read from them; default: they stay as they are.

    Raises:
        ConfigError: ``leaves`` is asked of a network that has no other answers.

    Attributes:
        layout: What the decisions mean.
        mappings: See above.
        over: As given.
        tensors: The layout, on the device.
        device: Where it computes.
    """

    over: Over = "nodes"
    _adjust: LogitAdjustment | None = None
    _columns: list[int] | None = None

    def __init__(
        self,
        network: nn.Module,
        layout: LogitLayout,
        mappings: Sequence[LabelMapping],
        config: TrainConfig,
        device: torch.device,
        short_side: int | None = None,
        over: Over = "nodes",
        precision: Precision | None = None,
        adjust: LogitAdjustment | None = None,
    ) -> None:
        self._adjust = adjust
        self.mappings = tuple(mappings)
        self.device = device
        self._whole = layout
        self._decide_over(over, layout)
        dtype = resolve_precision(precision or config.precision, device)
        self._network = ready_for_inference(network, dtype, replay=config.cuda_graph)
        self._data = config.data
        self._short_side = short_side

    def _decide_over(self, over: Over, layout: LogitLayout) -> None:
        """Decide between the answers of a network's layout that hold no other, or between all."""
        leaves = over == "leaves"
        if leaves and len(layout.leaf_columns) == layout.num_logits:
            what = "over leaves would change nothing: none of this network's answers competes with answers inside it"
            raise ConfigError(what, cure="Leave it out; it is for networks with model.head=flat-union.")
        self.over = over
        self.layout = layout.over_leaves() if leaves else layout
        self.tensors = LayoutTensors.of_layout(self.layout, self.device)
        self._columns = list(layout.leaf_columns) if leaves else None

    def read_as(self, over: Over | None = None, logit_adjustment: float | None = None) -> Self:
        """The same network, in memory once, and read in another way.

        Args:
            over: What it decides between; default: as this one.
            logit_adjustment: How far rare classes are taken for less rare; default: as by this one.

        Raises:
            ConfigError: It cannot be read so; see :class:`Segmenter`.
        """
        other = copy.copy(self)
        if over not in (None, self.over):
            other._decide_over(over, self._whole)
        if logit_adjustment not in (None, self.logit_adjustment):
            other._adjust = self._adjustment(logit_adjustment)
        return other

    def _adjustment(self, strength: float) -> LogitAdjustment | None:
        what = f"a network that is being trained has no logit adjustment, and {strength:g} was asked for"
        raise ConfigError(what, cure="Load a checkpoint of it.")

    @property
    def logit_adjustment(self) -> float:
        """How far rare classes are taken for less rare."""
        return 0.0 if self._adjust is None else self._adjust.strength

    def decide(self, image: Pixels) -> Tensor:
        """Choose a class for every pixel of an image.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            (H, W) int64 index into ``layout.classes``, on the segmenter's device.
        """
        return self.look(image, lambda logits, size: (decide(logits, self.tensors, size),))[0]

    def descend(self, image: Pixels) -> Descent:
        """Decide as :meth:`decide` does, and keep the confidence of every choice on the way.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            Classes (1, H, W) and confidences (1, D, H, W), on the segmenter's device.
        """
        found = self.look(image, lambda logits, size: descend(logits, self.tensors, size))
        return Descent(*(part[None] for part in found))

    def decide_with_confidence(self, image: Pixels, threshold: float = 0.0) -> Decision:
        """Choose an answer for every pixel, and stop the descent where confidence falls below a threshold.

        Args:
            image: (H, W, 3) uint8 RGB.
            threshold: See :func:`labelforge.trainer.decide_with_confidence`.

        Returns:
            (H, W) int64 index into ``layout.answers``, and (H, W) float32 confidence.
        """
        readout = partial(decide_with_confidence, tensors=self.tensors, threshold=threshold)
        return Decision(*self.look(image, lambda logits, size: readout(logits, size=size)))

    def read(self, image: Pixels, mapping: LabelMapping, by: By | None = None, threshold: float = 0.0) -> Labelling:
        """Choose a native label of a dataset for every pixel.

        Args:
            image: (H, W, 3) uint8 RGB.
            mapping: Label table of the dataset, in the network's tree.
            by: ``sum`` or ``winner``; default: as usual (:mod:`labelforge.trainer.readout`).
            threshold: How probable an answer must be; see :func:`labelforge.trainer.label_readout`.

        Returns:
            (H, W) int64 row of the table, 0 where no label fits, and (H, W) float32 confidence, on the segmenter's
            device.
        """
        return Labelling(*self.look(image, label_readout(self.tensors, mapping, by, threshold)))

    def look(self, image: Pixels, readout: Readings) -> tuple[Tensor, ...]:
        """Run the network on an image, and read its logits at the image's own size.

        Args:
            image: (H, W, 3) uint8 RGB.
            readout: From (N, C, h, w) float32 logits and (H, W) to tensors (N, ..., H, W).

        Returns:
            The readout's tensors: (..., H, W) each.
        """
        return self.look_all([image], readout)[0]

    def look_all(self, images: Sequence[Pixels], readout: Readings) -> list[tuple[Tensor, ...]]:
        """The same for images of one size together; :meth:`at_once` says how many are worth it."""
        return self.read_all(self.network_logits(images), (images[0].shape[0], images[0].shape[1]), readout)

    @torch.inference_mode()
    def read_all(self, logits: Tensor, size: tuple[int, int], readout: Readings) -> list[tuple[Tensor, ...]]:
        """Read what :meth:`network_logits` gave, of this network or one that differs only in how it is read.

        Args:
            logits: (N, C, h, w) float32.
            size: (H, W) of the images.
            readout: See :meth:`look`.
        """
        return list(zip(*readout(self.shown(logits), size), strict=True))

    def at_once(self, image: Pixels) -> int:
        """How many images like this one are best looked at together: one on a CPU, which gains nothing by more."""
        return 1 if self.device.type == "cpu" else max(1, min(_BATCH, _PIXELS // (image.shape[0] * image.shape[1])))

    def network_size(self, image: Pixels) -> tuple[int, int]:
        """Height and width at which the network sees an image."""
        return network_size((image.shape[0], image.shape[1]), self._data, self._short_side)

    def logits(self, image: Pixels) -> Tensor:
        """(1, C, h, w) float32 logits of an image at the network's stride, on the segmenter's device."""
        return self.logits_of([image])

    def logits_of(self, images: Sequence[Pixels]) -> Tensor:
        """(N, C, h, w) float32 logits of N images of one size: what everything is read from."""
        return self.shown(self.network_logits(images))

    @torch.inference_mode()
    def shown(self, logits: Tensor) -> Tensor:
        """What is read of the network's logits: adjusted, and of the answers that it decides between."""
        if self._adjust is not None:
            logits = self._adjust(logits)
        return logits if self._columns is None else logits[:, self._columns]

    @torch.inference_mode()
    def network_logits(self, images: Sequence[Pixels]) -> Tensor:
        """The same as the network gives them, of all its classes and not adjusted."""
        height, width = self.network_size(images[0])
        if any(image.shape != images[0].shape or image.dtype != np.uint8 for image in images):
            found = ", ".join(sorted({f"{image.shape} {image.dtype}" for image in images}))
            raise ValueError(f"images must be (H, W, 3) uint8, all of one size, not {found}")
        on_cuda = self.device.type == "cuda"
        # From pinned memory a GPU copies by itself, and several times as fast.
        scaled = torch.empty((len(images), height, width, 3), dtype=torch.uint8, pin_memory=on_cuda)
        for place, image in zip(scaled.numpy(), images, strict=True):
            place[...] = resize(image, (height, width))
        logits: Tensor = self._network(scaled.to(self.device, non_blocking=True).permute(0, 3, 1, 2))
        return logits.float()


def find_network(place: str | os.PathLike[str]) -> Checkpoint | OnnxFile:
    """The trained network that a path means: an exported file (``*.onnx``), or else a checkpoint of a run.

    Raises:
        CheckpointError: There is none, or it is broken.
        ConfigError: It is an exported file, and the package ``onnx`` is not installed.
    """
    return OnnxFile.open(place) if Path(place).suffix == SUFFIX else find_checkpoint(place)


class Segmenter(NetworkSegmenter):
    """A network with the weights of a checkpoint or of an exported file, in evaluation mode.

        >>> import numpy as np
        >>> from labelforge.trainer import Segmenter
        >>> segmenter = Segmenter.load("runs/first", device="cpu")
        >>> classes = segmenter.decide(np.zeros((48, 64, 3), np.uint8))
        >>> classes.shape, segmenter.layout.class_names[int(classes[0, 0])] in segmenter.layout.class_names
        (torch.Size([48, 64]), True)

    Args:
        checkpoint: The checkpoint, whose moving average is used, or the exported file.
        device: auto, cpu, cuda or cuda:N; an exported file is computed on the CPU.
        short_side: Scale every image so that its shorter side has this many pixels; default: as in training.
        over: ``leaves``: a flat union decides only between answers that hold no other.
        precision: Its arithmetic; default: the run's own, of an exported file float32.
        logit_adjustment: Answer as if rare classes were less rare: 0 is as trained, 1 as if all classes had been
            equally frequent (:mod:`labelforge.trainer.logit_adjustment`).

    Attributes:
        checkpoint: As given.

    Raises:
        CheckpointError: The weights are broken.
        ConfigError: The device is not available, no runtime for an exported file is installed, or the adjustment is out
            of range or asked of a network that does not know how often its classes occur.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | OnnxFile,
        device: str = "auto",
        short_side: int | None = None,
        over: Over = "nodes",
        precision: Precision | None = None,
        logit_adjustment: float = 0.0,
    ) -> None:
        self.checkpoint = checkpoint
        adjust = adjustment_of(checkpoint, logit_adjustment)
        layout, mappings, config = checkpoint.layout, checkpoint.mappings, checkpoint.config
        network, place = _load(checkpoint, device, precision)
        super().__init__(network, layout, mappings, config, place, short_side, over, precision, adjust)

    @classmethod
    def load(
        cls,
        run: str | os.PathLike[str],
        device: str = "auto",
        short_side: int | None = None,
        over: Over = "nodes",
        precision: Precision | None = None,
        logit_adjustment: float = 0.0,
    ) -> Self:
        """Open a run's latest checkpoint, its ``best`` one, any one's folder or an ONNX file; else as for the class."""
        return cls(find_network(run), device, short_side, over, precision, logit_adjustment)

    def _adjustment(self, strength: float) -> LogitAdjustment | None:
        return adjustment_of(self.checkpoint, strength)


def _load(
    checkpoint: Checkpoint | OnnxFile, device: str, precision: Precision | None
) -> tuple[nn.Module, torch.device]:
    """The network, and the device that it is on."""
    if isinstance(checkpoint, OnnxFile):
        if device not in ("auto", "cpu"):
            cure = "Leave --device out, or give the run's folder."
            raise ConfigError(f"device: an exported network is computed on the CPU, not {device}", cure=cure)
        return checkpoint.network(precision or "auto"), torch.device("cpu")
    place = resolve_device(device)
    layout, model = checkpoint.layout, checkpoint.config.model
    network = build_network(layout.sizes, model, joins=layout.joins, pretrained=False)
    checkpoint.load_into(network, average=True)
    return network.to(place).eval(), place


Loaded = TypeVar("Loaded", bound=NetworkSegmenter)


@overload
def take_network(
    run: str | os.PathLike[str] | Checkpoint | OnnxFile,
    device: str = ...,
    short_side: int | None = ...,
    over: Over | None = ...,
    precision: Precision | None = ...,
    logit_adjustment: float | None = ...,
) -> Segmenter: ...


@overload
def take_network(
    run: Loaded,
    device: str = ...,
    short_side: int | None = ...,
    over: Over | None = ...,
    precision: Precision | None = ...,
    logit_adjustment: float | None = ...,
) -> Loaded: ...


def take_network(
    run: str | os.PathLike[str] | Checkpoint | OnnxFile | NetworkSegmenter,
    device: str = "auto",
    short_side: int | None = None,
    over: Over | None = None,
    precision: Precision | None = None,
    logit_adjustment: float | None = None,
) -> NetworkSegmenter:
    """A network that may be loaded already.

    Args:
        run: Folder of a run or a checkpoint, an exported file, either opened, or the network itself.
        device: Where to load it.
        short_side: Size at which it is to see the images.
        over: What it is to decide between; default: ``nodes``, or as the loaded network does.
        precision: Its arithmetic, unless it is loaded already; default: the run's own.
        logit_adjustment: How far rare classes are to be taken for less rare; default: not at all, or as for the loaded
            network.

    Raises:
        CheckpointError: The checkpoint or the file is broken.
        ConfigError: The network cannot be read so, or the device is not available; see :class:`Segmenter`.
    """
    if isinstance(run, NetworkSegmenter):
        return run.read_as(over, logit_adjustment)
    checkpoint = run if isinstance(run, Checkpoint | OnnxFile) else find_network(run)
    return Segmenter(checkpoint, device, short_side, over or "nodes", precision, logit_adjustment or 0.0)
