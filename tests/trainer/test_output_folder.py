"""Maps as they are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from labelforge.trainer.output_folder import write_confidence, write_jpeg


def test_confidence_is_stored_in_65536_steps(tmp_path: Path) -> None:
    values = np.array([[0, 1, 0.5, 1e-6, 0.1, np.float32(1) - 2**-24]], np.float32)
    write_confidence(tmp_path / "confidence" / "a.png", values)
    with Image.open(tmp_path / "confidence" / "a.png") as picture:
        assert picture.mode == "I;16"
        assert np.asarray(picture).tolist() == [[0, 65535, 32768, 0, 6554, 65535]]


def test_an_overlay_keeps_the_colour_of_thin_objects(tmp_path: Path) -> None:
    image = np.full((32, 32, 3), 90, np.uint8)
    image[:, 13] = (220, 20, 60)
    write_jpeg(tmp_path / "a.jpg", image)
    with Image.open(tmp_path / "a.jpg") as picture:
        assert np.abs(np.asarray(picture).astype(int) - image).max() < 30
