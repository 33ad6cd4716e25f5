"""Predictions for image files: an id map and a colour overlay each, and a legend for all.

    OUT/<name>.ids.png        grey 8 or 16 bit: the id of every pixel, at the image's size
    OUT/<name>.overlay.png    the image under the ids' colours
    OUT/classes.json          what the ids mean, and their colours
    OUT/legend.html           the same for people

``<name>`` is the image's file name without its suffix; images with the same name keep more of their paths.
"""

from __future__ import annotations

import glob
import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelforge.errors import ConfigError, TaxonomyError, did_you_mean
from labelforge.files import json_text, write_atomically, writing_into
from labelforge.label_space import LabelSpace
from labelforge.mapping import LabelMapping
from labelforge.report import Column, Page, Swatch, Table, Text
from labelforge.taxonomy import Taxonomy
from labelforge.trainer.checkpoint import Checkpoint
from labelforge.trainer.id_maps import TREE, IdLegend
from labelforge.trainer.images import read_image
from labelforge.trainer.segmenter import Segmenter

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Files that count as images when a folder is given."""

_OPACITY = 0.55

PredictProgress = Callable[[int, int], None]
"""Called with images done and images in all."""


@dataclass(frozen=True)
class Prediction:
    """What was written for one image.

        >>> from labelforge.trainer import Prediction, predict
        >>> predictions: list[Prediction] = predict("runs/first", ["photos"], "predictions")
        >>> [prediction.overlay.name for prediction in predictions]
        ['street.overlay.png']

    Attributes:
        image: The image file.
        ids: Its id map.
        overlay: Its overlay.
    """

    image: Path
    ids: Path
    overlay: Path


def predict(
    run: str | os.PathLike[str] | Segmenter,
    images: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    label_space: str = TREE,
    device: str = "auto",
    short_side: int | None = None,
    progress: PredictProgress | None = None,
) -> list[Prediction]:
    """Segment images and write id maps, overlays and a legend.

        >>> from labelforge.trainer import predict
        >>> [prediction] = predict("runs/first", ["photos/street.png"], "predictions", label_space="cityscapes")
        >>> prediction.ids.name
        'street.ids.png'

    Args:
        run: Folder of a run (its latest checkpoint), of one checkpoint, or a loaded network.
        images: Image files, folders (searched with all subfolders), or glob patterns.
        out: Folder to write to.
        label_space: ``tree``, or a dataset whose native ids are wanted.
        device: auto, cpu, cuda or cuda:N.
        short_side: Size at which the network sees the images; see :class:`Segmenter`.
        progress: Called after each image.

    Returns:
        What was written, in the order of the images.

    Raises:
        CheckpointError: The checkpoint is broken.
        ConfigError: The label space is unknown, or no image was found.
        DatasetError: An image cannot be read; those before it are complete.
    """
    files = find_images(images)
    segmenter = run if isinstance(run, Segmenter) else Segmenter.load(run, device, short_side)
    legend = find_legend(segmenter, label_space)
    folder = Path(out)
    with writing_into(folder):
        _write_legend(folder, legend, segmenter)
    written = []
    for file, name in zip(files, output_names(files), strict=True):
        image = read_image(file)
        classes = segmenter.decide(image).cpu().numpy()
        prediction = Prediction(file, folder / f"{name}.ids.png", folder / f"{name}.overlay.png")
        _write_png(prediction.ids, legend.id_of[classes])
        _write_png(prediction.overlay, overlay(image, classes, legend))
        written.append(prediction)
        if progress is not None:
            progress(len(written), len(files))
    return written


def find_legend(segmenter: Segmenter, label_space: str) -> IdLegend:
    """The ids and colours of predictions in a label space.

    Args:
        segmenter: The network.
        label_space: ``tree``, a dataset of the training, or one that the shipped tree of the same name maps.

    Raises:
        ConfigError: The label space is unknown to the network's checkpoint.
    """
    if label_space == TREE:
        return IdLegend.of_tree(segmenter.layout)
    mapping = _find_mapping(segmenter.checkpoint, label_space)
    try:
        colors = {label.id: label.color for label in LabelSpace.load(mapping.dataset).labels if label.color}
    except TaxonomyError:  # a label space of the user's own, known from the training's label table alone
        colors = {}
    return IdLegend.of_labels(segmenter.layout, mapping, colors)


def _find_mapping(checkpoint: Checkpoint, label_space: str) -> LabelMapping:
    known = {mapping.dataset: mapping for mapping in checkpoint.mappings}
    if label_space in known:
        return known[label_space]
    tree = checkpoint.taxonomy
    names = {TREE, *known}
    if tree.name in Taxonomy.shipped():
        shipped = Taxonomy.load(tree.name)
        if shipped.digest == tree.digest:
            names |= set(LabelMapping.available(shipped))
            if label_space in names:
                return LabelMapping.load(shipped, label_space)
    raise ConfigError(
        f"the checkpoint knows no label space {label_space!r}",
        where=checkpoint.folder,
        cure=did_you_mean(label_space, names),
    )


def find_images(images: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The image files that paths, folders and glob patterns name; each once, in the order given, folders sorted.

    Raises:
        ConfigError: One of them names no image.
    """
    found: dict[Path, Path] = {}
    for item in images:
        path = Path(item)
        if path.is_dir():
            matches = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
        elif path.exists():
            matches = [path]
        else:
            matches = sorted(Path(p) for p in glob.glob(os.fspath(item), recursive=True) if Path(p).is_file())  # noqa: PTH207
        if not matches:
            kinds = ", ".join(sorted(IMAGE_SUFFIXES))
            what = "holds no image" if path.is_dir() else "no such file"
            raise ConfigError(what, where=path, cure=f"Give image files, folders with {kinds} files, or a pattern.")
        for match in matches:
            found.setdefault(match.resolve(), match)
    return list(found.values())


def output_names(files: Sequence[Path]) -> list[str]:
    """A unique name for each image, without suffix; unique even on file systems that ignore case.

    It is the file's stem; if several share it, the suffix is added, and then more and more of the folders.
    """
    names = [file.stem for file in files]
    parts = [[*file.resolve().parts[1:-1], file.stem, file.suffix.removeprefix(".")] for file in files]
    for length in range(2, max(map(len, parts), default=0) + 1):
        clashes = {name for name, count in Counter(name.casefold() for name in names).items() if count > 1}
        if not clashes:
            break
        for i, name in enumerate(names):
            if name.casefold() in clashes:
                names[i] = "_".join(part for part in parts[i][-length:] if part)
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name.casefold()] += 1
        if seen[name.casefold()] > 1:  # only paths like a_b/c and a/b_c come here
            names[i] = f"{name}_{seen[name.casefold()]}"
    return names


def overlay(image: npt.NDArray[np.uint8], classes: npt.NDArray[np.int64], legend: IdLegend) -> npt.NDArray[np.uint8]:
    """The image under the colours of its ids; pixels without a fitting label stay as they are.

    Args:
        image: (H, W, 3) uint8 RGB.
        classes: (H, W) int64, as the network decided.
        legend: Their ids and colours.

    Returns:
        (H, W, 3) uint8.
    """
    mixed = (image * (1 - _OPACITY) + legend.color_of[classes] * _OPACITY).round().astype(np.uint8)
    fits = legend.id_of[classes] != legend.none
    return np.where(fits[..., None], mixed, image)


def _write_png(path: Path, pixels: npt.NDArray[np.unsignedinteger]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())


def _write_legend(folder: Path, legend: IdLegend, segmenter: Segmenter) -> None:
    checkpoint = segmenter.checkpoint
    content = {
        "label_space": legend.label_space,
        "taxonomy": {"name": checkpoint.taxonomy.name, "digest": checkpoint.taxonomy.digest},
        "checkpoint": str(checkpoint.folder),
        "bits": legend.id_of.dtype.itemsize * 8,
        "none": legend.none,
        "classes": [asdict(entry) for entry in legend.entries],
    }
    write_atomically(folder / "classes.json", json_text(content))
    rows = tuple((entry.id, Swatch(entry.name, entry.color)) for entry in legend.entries)
    table = Table((Column("id", numeric=True), Column("class")), rows, "Values of the *.ids.png files")
    note = Text(f"The value {legend.none} means that no label of {legend.label_space} fits the predicted class.")
    page = Page("Legend", f"Predictions in the label space {legend.label_space}").add("Classes", table, note)
    page.write(folder / "legend.html")
