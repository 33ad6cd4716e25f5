"""Training on features of a frozen backbone, or of its frozen stages, that are computed once for each fixed crop.

With ``model.freeze: backbone``, or a number of stages, and ``data.views``, a crop is a function of the seed, the sample
and the number of its view, and so are its features. They are computed crop by crop and rounded to float16 whether they
are kept or not, so a run has the same result to the last bit with a warm folder of features, a cold one, a full one or
none. A worker that finds a crop in the folder (:mod:`labelforge.trainer.data.feature_store`) decodes nothing and hands
the maps over; what it does not find it makes as ever, and this process computes the maps and keeps them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL
import torch
from torch import Tensor, nn

import labelforge
from labelforge.errors import LabelforgeError
from labelforge.files import json_digest
from labelforge.trainer.config import TrainConfig
from labelforge.trainer.data.batches import Batch
from labelforge.trainer.data.crops import CropFeatures
from labelforge.trainer.data.feature_store import FeatureStore, StoredCrop
from labelforge.trainer.devices import autocast
from labelforge.trainer.models.network import SegmentationNet

FOLDER = "features"
"""Folder of features within a run, where the configuration names no other."""

_FORMAT = 2


class FrozenFeatures:
    """Gives the maps of a batch: those that were found, and those that it computes.

    Args:
        network: The network, its backbone frozen, or stages of it.
        device: Where it computes.
        dtype: What it computes with.
        store: Where maps are kept; None keeps none.
        tell: Called once with a sentence if no more can be kept.
    """

    def __init__(
        self,
        network: SegmentationNet,
        device: torch.device,
        dtype: torch.dtype,
        store: FeatureStore | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.store = store
        self._network = network
        self._device = device
        self._dtype = dtype
        self._tell = tell

    def of(self, batch: Batch) -> tuple[Tensor, ...]:
        """The maps of a batch: (N, C, h, w) float32 each, with float16's precision, on the device.

        Raises:
            LabelforgeError: A feature is beyond float16's range.
        """
        images = iter(batch.images)
        crops = [self._maps(key, images, place) for key, place in zip(batch.keys, _places(batch), strict=True)]
        layout = torch.channels_last
        return tuple(torch.stack(maps).float().contiguous(memory_format=layout) for maps in zip(*crops, strict=True))

    def _maps(self, key: str, images: Iterator[Tensor], place: CropFeatures | None) -> list[Tensor]:
        if place is not None and place.maps:
            return [values.to(self._device, non_blocking=True) for values in place.maps]
        image = next(images)
        store = self.store
        if store is None or place is None:
            return self._compute(image, key)
        # Since the batch was made, this crop may have been computed: workers are some batches ahead.
        found = store.read(place.name)
        if found is not None:
            return [values.to(self._device, non_blocking=True) for values in found.maps]
        maps = self._compute(image, key)
        if not store.full:
            on_cpu = tuple(values.cpu() for values in maps)
            refusal = store.add(place.name, StoredCrop(on_cpu, place.local_rows, place.flipped))
            if refusal is not None:
                rest = "The features of further crops are computed each time (data.feature_cache, data.feature_folder)."
                self._tell(f"the folder of features {store.folder} {refusal}. {rest}")
        return maps

    @torch.no_grad()
    def _compute(self, image: Tensor, key: str) -> list[Tensor]:
        with autocast(self._device, self._dtype):
            maps = self._network.extract(image[None].to(self._device, memory_format=torch.channels_last))
        halves = [values[0].to(torch.float16, memory_format=torch.contiguous_format) for values in maps]
        if not all(bool(values.isfinite().all()) for values in halves):
            raise LabelforgeError(
                "the backbone's features are not finite, or too large for 16 bits",
                where=key,
                cure="Check the backbone's weights, or set data.views=0: then nothing is rounded.",
            )
        return halves


class Classify(nn.Module):
    """A network that begins at its maps, as the module that several processes need."""

    def __init__(self, network: SegmentationNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Logits from maps."""
        return self.network.classify(maps)


def reuses_features(config: TrainConfig) -> bool:
    """Whether the features of a run's crops never change."""
    return config.model.keeps_maps and config.data.views > 0


def open_store(config: TrainConfig, run: Path, network: SegmentationNet, dtype: torch.dtype) -> FeatureStore | None:
    """The folder of features of a run; None if it keeps none.

    Raises:
        ConfigError: It cannot be made.
    """
    limit = int(config.data.feature_cache * 1e9)
    if not reuses_features(config) or not limit:
        return None
    given = config.data.feature_folder
    folder = run / FOLDER if given is None else Path(given)
    return FeatureStore(folder, _recipe(config, network, dtype), limit)


def remove_own(config: TrainConfig, store: FeatureStore | None) -> None:
    """Remove a run's own folder of features: for a finished run. One that the user has named stays."""
    if store is not None and config.data.feature_folder is None:
        store.remove()


def _recipe(config: TrainConfig, network: SegmentationNet, dtype: torch.dtype) -> str:
    """Digest of all that decides the features of a crop besides the sample and the view."""
    content = {
        "format": _FORMAT,
        "versions": [labelforge.__version__, torch.__version__, PIL.__version__, np.__version__],
        "network": [config.model.backbone, config.model.output_stride, network.extracts, _digest(network)],
        "arithmetic": [network.mean.device.type, str(dtype)],
        "crops": config.data.model_dump(
            mode="json", include={"crop", "resize", "scale", "flip", "jitter", "augmentation"}
        ),
        "seed": config.seed,
    }
    return json_digest(content)


def _digest(network: SegmentationNet) -> str:
    """Digest of what is frozen of a network's backbone, and of how it scales images."""
    digest = hashlib.sha256()
    frozen = {id(module) for part in network.frozen for module in part.modules()}
    tensors = {"mean": network.mean, "scale": network.scale}
    for name, module in network.backbone.named_modules():
        if id(module) in frozen:
            own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
            tensors |= {f"{name}.{key}": values for key, values in own}
    for name, values in sorted(tensors.items()):
        plain = values.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.view(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    return digest.hexdigest()


def _places(batch: Batch) -> tuple[CropFeatures | None, ...]:
    return batch.features or (None,) * len(batch.keys)
