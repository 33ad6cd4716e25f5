"""Predictions for image files: an id map and a colour overlay each, and a legend for all.

    OUT/<name>.ids.png        grey 8 or 16 bit: the id of every pixel, at the image's size
    OUT/<name>.overlay.png    the image under the ids' colours
    OUT/classes.json          what the ids mean, and their colours
    OUT/legend.html           the same for people

``<name>`` is the image's file name without its suffix; images of the same name keep more of their paths.
"""

from __future__ import annotations

import glob
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from labelforge.errors import ConfigError, DatasetError
from labelforge.files import write_atomically
from labelforge.report import Column, Page, Swatch, Table, Text
from labelforge.trainer.id_maps import IdLegend, legend_for
from labelforge.trainer.segmenter import Segmenter

__all__ = ["IMAGE_SUFFIXES", "Prediction", "find_images", "output_names", "predict", "read_image"]

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Files that are taken for images when a folder is given."""

_OPACITY = 0.55

PredictProgress = Callable[[int, int], None]
"""Called with images done and images in all."""


@dataclass(frozen=True)
class Prediction:
    """What was written for one image.

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
    label_space: str = "tree",
    device: str = "auto",
    short_side: int | None = None,
    progress: PredictProgress | None = None,
) -> list[Prediction]:
    """Segment images and write id maps, overlays and a legend.

    Args:
        run: Folder of a run (its latest checkpoint), of one checkpoint, or a loaded network.
        images: Image files, folders of them (with everything below), or glob patterns.
        out: Folder to write to.
        label_space: ``tree``, or a dataset whose native ids are wanted.
        device: auto, cpu, cuda or cuda:N.
        short_side: Size at which the network sees the images; see :class:`Segmenter`.
        progress: Is told after each image.

    Returns:
        What was written, in order of the images.

    Raises:
        CheckpointError: The checkpoint is broken.
        ConfigError: The label space is unknown, or no image was found.
        DatasetError: An image cannot be read; those before it are complete.
    """
    files = find_images(images)
    segmenter = run if isinstance(run, Segmenter) else Segmenter.load(run, device, short_side)
    legend = legend_for(segmenter.checkpoint, label_space)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_legend(folder, legend, segmenter)
    except OSError as fault:
        cure = "Name a folder that you may write to."
        raise ConfigError(f"cannot be written ({fault.strerror})", where=folder, cure=cure) from fault
    written = []
    for file, name in zip(files, output_names(files), strict=True):
        image = read_image(file)
        outcome = segmenter.decide(image).cpu().numpy()
        prediction = Prediction(file, folder / f"{name}.ids.png", folder / f"{name}.overlay.png")
        _write_png(prediction.ids, legend.id_of[outcome])
        _write_png(prediction.overlay, overlay(image, outcome, legend))
        written.append(prediction)
        if progress is not None:
            progress(len(written), len(files))
    return written


def find_images(images: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Image files that paths, folders and glob patterns mean; each once, in the order given, folders sorted.

    Raises:
        ConfigError: One of them means no image.
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
    """A name for each image, without suffix, that no other image has, also where case does not count.

    The file's stem; where several share it, with the suffix; then with ever more folders before it.
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


def read_image(file: Path) -> npt.NDArray[np.uint8]:
    """Read an image as RGB.

    Returns:
        (H, W, 3) uint8.

    Raises:
        DatasetError: It is missing, broken, or holds more than 8 bits per channel.
    """
    try:
        with Image.open(file) as picture:
            if picture.mode.startswith(("I", "F")):
                raise DatasetError(
                    f"an image of mode {picture.mode}", where=file, cure="Save it with 8 bits per channel."
                )
            return np.asarray(picture.convert("RGB"))
    except UnidentifiedImageError:
        raise DatasetError("not an image", where=file, cure="Leave the file out.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise DatasetError(f"cannot be read ({fault})", where=file, cure="Copy it again, or leave it out.") from None


def overlay(image: npt.NDArray[np.uint8], outcome: npt.NDArray[np.int64], legend: IdLegend) -> npt.NDArray[np.uint8]:
    """The image under the colours of its ids; pixels without a fitting label stay as they are.

    Args:
        image: (H, W, 3) uint8 RGB.
        outcome: (H, W) final classes.
        legend: Their ids and colours.

    Returns:
        (H, W, 3) uint8.
    """
    mixed = (image * (1 - _OPACITY) + legend.color_of[outcome] * _OPACITY).round().astype(np.uint8)
    fits = legend.id_of[outcome] != legend.none
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
    write_atomically(folder / "classes.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    rows = tuple((entry.id, Swatch(entry.name, entry.color)) for entry in legend.entries)
    table = Table((Column("id", numeric=True), Column("class")), rows, "Values of the *.ids.png files")
    note = Text(f"The value {legend.none} stands where no label of {legend.label_space} fits the decided class.")
    page = Page("Legend", f"Predictions in the label space {legend.label_space}").add("Classes", table, note)
    page.write(folder / "legend.html")
