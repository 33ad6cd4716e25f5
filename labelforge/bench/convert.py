"""Suite ``convert``: a dataset in the layout of Cityscapes becomes shards, its images kept as they are.

The rival decodes every image to see that it is whole, as a careful script would. Where Datumaro is installed it reads
and writes the same frames, with instance maps, since it needs them. All run in this process, and all files are in the
page cache after the warm-up.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelforge.bench.config import Scale
from labelforge.bench.meter import Meter
from labelforge.bench.results import Race, SuiteReport
from labelforge.bench.workload import draw_image, draw_rows
from labelforge.converters import convert
from labelforge.converters.datasets.cityscapes import Cityscapes
from labelforge.converters.pictures.images import Check

_FAST, _DECODED, _DATUMARO = "fast check", "full decode", "Datumaro"
_SPLIT = "train"
_IDS = 34
_THINGS = range(24, 34)  # ids whose objects are counted
_COARSE = 8  # the workload's patches, enlarged to the size that regions have in real frames
_LABELS, _INSTANCES = "_gtFine_labelIds.png", "_gtFine_instanceIds.png"


def bench_convert(scale: Scale, meter: Meter) -> SuiteReport:
    """Run the suite; with the scale's Cityscapes, on ``batch`` of its training frames, repeated if it has fewer.

    Raises:
        DatasetError: The dataset is missing or broken.
    """
    with tempfile.TemporaryDirectory(prefix="labelforge-bench-") as folder:
        root = Path(folder, "root")
        if scale.cityscapes is None:
            meter.say("writing synthetic frames")
            write_synthetic_frames(root, scale.batch, scale.size)
        else:
            meter.say("copying frames")
            copy_frames(Path(scale.cityscapes), root, scale.batch)
        megabytes = sum(path.stat().st_size for path in root.rglob("*.png")) / 2**20
        contestants: dict[str, Callable[[], object]] = {
            _FAST: partial(_convert, root, Path(folder, "fast"), "fast"),
            _DECODED: partial(_convert, root, Path(folder, "decoded"), "decode"),
        }
        without = _why_not_datumaro(root, Path(folder, "datumaro"))
        if without is None:
            contestants[_DATUMARO] = partial(_datumaro, root, Path(folder, "datumaro"))
        race = meter.race("images kept as they are", contestants, rival=_DECODED, unit="frames", amount=scale.batch)
    what = f"{scale.batch} frames of {scale.cityscapes}" if scale.cityscapes else f"{scale.text} synthetic frames"
    return SuiteReport(
        suite="convert",
        work=f"{what}, png, {megabytes:.1f} MiB with label and instance maps, one process",
        shrunk=None if scale.cityscapes else scale.shrunk,
        races=(race,),
        finding=_finding(race, without),
    )


def _convert(root: Path, out: Path, check: Check) -> None:
    convert("cityscapes", root, out, split=_SPLIT, check=check, overwrite=True)


def _datumaro(root: Path, out: Path) -> None:
    import datumaro

    shutil.rmtree(out, ignore_errors=True)
    datumaro.Dataset.import_from(str(root), "cityscapes").export(str(out), "cityscapes", save_media=True)


def _why_not_datumaro(root: Path, out: Path) -> str | None:
    """Why Datumaro cannot be raced; None if it can. Some releases fail with some of NumPy."""
    if find_spec("datumaro") is None:
        return "not installed"
    if not any(root.rglob(f"*{_INSTANCES}")):
        return "no instance maps"
    try:
        _datumaro(root, out)
    except Exception as fault:  # whatever is wrong with it
        return f"it fails: {type(fault).__name__}: {str(fault)[:80]}"
    return None


def _finding(race: Race, without: str | None) -> str:
    sentence = race.sentence(_FAST, _DECODED)
    if without is not None:
        return f"{sentence} Datumaro was not measured ({without})."
    return f"{sentence} {race.sentence(_FAST, _DATUMARO)}"


def copy_frames(source: Path, root: Path, count: int) -> None:
    """Copy training frames of Cityscapes, with their label maps and what instance maps there are.

    Args:
        source: Folder of Cityscapes.
        root: Where to.
        count: How many frames; where there are fewer, they are repeated under other names.

    Raises:
        DatasetError: The folder is not Cityscapes, or has no such frames.
    """
    frames = Cityscapes(source).sources(_SPLIT)
    for number in range(count):
        frame = frames[number % len(frames)]
        label = str(frame.labels)
        key = f"bench_{number:06d}_000019"
        for name in (frame.image, label, label.replace(_LABELS, _INSTANCES)):
            target = root / Path(*Path(name).parts[:2]) / "bench" / Path(name).name.replace(frame.key, key)
            target.parent.mkdir(parents=True, exist_ok=True)
            if (source / name).is_file():
                shutil.copyfile(source / name, target)


def write_synthetic_frames(root: Path, count: int, size: tuple[int, int]) -> None:
    """Write made-up frames of a (height, width) in the layout of Cityscapes: image, label ids, instance ids."""
    for number in range(count):
        rng = np.random.default_rng(number)
        ids, instances = _draw(rng, size)
        key = f"bench_{number:06d}_000019"
        label = f"gtFine/{_SPLIT}/bench/{key}{_LABELS}"
        _save(root / f"leftImg8bit/{_SPLIT}/bench/{key}_leftImg8bit.png", draw_image(rng, ids))
        _save(root / label, ids)
        _save(root / label.replace(_LABELS, _INSTANCES), instances)


def _draw(rng: np.random.Generator, size: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """(H, W) label ids, and instance ids as Cityscapes defines them: 1000 times the label, plus a number."""
    height, width = size
    coarse = draw_rows(rng, _IDS, (-(-height // _COARSE), -(-width // _COARSE)))
    ids = coarse.repeat(_COARSE, axis=0).repeat(_COARSE, axis=1)[:height, :width]
    numbers = np.cumsum(np.diff(ids.astype(np.int16), axis=1, prepend=0) != 0, axis=1) % 1000
    return ids, np.where(np.isin(ids, _THINGS), ids * np.uint16(1000) + numbers, ids).astype(np.uint16)


def _save(path: Path, picture: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, compress_level=1)  # inflating takes as long at any level
