"""``RUN/validation/``: pictures of a few fixed images as the best and as the latest validation saw them.

Kept as one file per validation, so that the report can be written without the shards, and after any resumption.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelforge.files import write_atomically
from labelforge.report import Swatch
from labelforge.trainer.evaluation.pictures import Shown

FOLDER = "validation"
_ARRAYS = ("image", "true", "decided", "errors")


def save_pictures(run: Path, step: int, shown: Mapping[str, Sequence[Shown]]) -> None:
    """Write the pictures of a validation.

    Args:
        run: Folder of the run.
        step: Steps done.
        shown: Pictures by the name of the shard set.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    about: dict[str, list[dict[str, Any]]] = {}
    for name, pictures in shown.items():
        about[name] = []
        for picture in pictures:
            number = len(arrays)
            arrays |= {f"{part}-{number}": getattr(picture, part) for part in _ARRAYS}
            legend = [[swatch.text, *swatch.color] for swatch in picture.legend]
            about[name].append(
                {"number": number, "key": picture.key, "title": picture.title, "right": picture.right, "legend": legend}
            )
    arrays["about"] = np.array(json.dumps(about))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    (run / FOLDER).mkdir(exist_ok=True)
    write_atomically(_file(run, step), buffer.getvalue())


def load_pictures(run: Path, step: int) -> dict[str, tuple[Shown, ...]]:
    """The pictures of a validation by the name of the shard set; none where the file is missing or broken."""
    try:
        with np.load(_file(run, step), allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            return {name: tuple(_picture(arrays, entry) for entry in entries) for name, entries in about.items()}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return {}


def _picture(arrays: Mapping[str, NDArray[Any]], entry: Mapping[str, Any]) -> Shown:
    legend = tuple(Swatch(text, (red, green, blue)) for text, red, green, blue in entry["legend"])
    parts = {part: arrays[f"{part}-{entry['number']}"] for part in _ARRAYS}
    return Shown(entry["key"], entry["title"], entry["right"], legend=legend, **parts)


def keep_pictures(run: Path, steps: Collection[int]) -> None:
    """Remove the pictures of all other steps."""
    kept = {_file(run, step) for step in steps}
    for file in (run / FOLDER).glob("step-*.npz"):
        if file not in kept:
            file.unlink()


def beside_truth(picture: Shown) -> NDArray[np.uint8]:
    """Truth and answer side by side, (h, 2 w, 3) uint8: without the photograph, which makes a log large."""
    return np.concatenate([picture.true, picture.decided], axis=1)


def _file(run: Path, step: int) -> Path:
    return run / FOLDER / f"step-{step:07d}.npz"
