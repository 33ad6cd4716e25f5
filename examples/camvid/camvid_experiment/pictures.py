"""Pictures: a frame, its truth, and what networks answer, side by side with a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from camvid_experiment.jobs import Job
from labelforge.label_space import LabelSpace
from labelforge.shards import ShardReader
from labelforge.trainer.reading import Reading

COUNT = 5
_BAR = 26  # pixels: height of a title and of a legend line
_GAP = 6
_FONT = 15


def draw_pictures(
    out: Path, shards: Path, networks: Mapping[str, tuple[Job, Reading]], folder: str, count: int = COUNT
) -> list[Path]:
    """Draw frames at even distances.

    Args:
        out: Folder of the experiment.
        shards: Frames with fine labels.
        networks: Title -> a job that is done, and how its answers are read.
        folder: Folder below ``out`` for the pictures.
        count: How many frames.

    Returns:
        The files.
    """
    from labelforge.trainer import Segmenter

    reader = ShardReader(shards)
    positions = np.unique(np.linspace(0, len(reader) - 1, min(count, len(reader))).round().astype(int)).tolist()
    panels: dict[int, list[tuple[str, NDArray[np.uint8]]]] = {}
    rows: dict[int, list[NDArray[np.int64]]] = {}
    for position in positions:
        sample = reader[position]
        panels[position] = [("image", np.asarray(sample.image))]
        rows[position] = [sample.local_rows.astype(np.int64)]
    for job, reading in networks.values():
        network = Segmenter.load(out / job.folder, str(job.settings["device"]))
        segmenter = network.read_as(reading.over, reading.logit_adjustment)
        for position in positions:
            answer = segmenter.read(reader[position].image, reader.mapping, reading.by)
            rows[position].append(answer.rows.reshape(reader[position].local_rows.shape).cpu().numpy())
    colors = _colors(reader)
    files = []
    for position in positions:
        titles = ["truth", *networks]
        drawn = [(title, colors[each]) for title, each in zip(titles, rows[position], strict=True)]
        occurring = np.unique(np.concatenate([each.ravel() for each in rows[position]]))
        legend = [(reader.mapping.rows[row].native_name if row else "no answer", colors[row]) for row in occurring]
        file = out / folder / f"{reader[position].key}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        side_by_side([*panels[position], *drawn], legend).save(file)
        files.append(file)
    return files


def side_by_side(
    panels: Sequence[tuple[str, NDArray[np.uint8]]], legend: Sequence[tuple[str, NDArray[np.uint8]]]
) -> Image.Image:
    """Panels with their titles, two in a row, and below them a legend.

    Args:
        panels: Title and (H, W, 3) uint8, all of one size.
        legend: Name and (3,) uint8.
    """
    font = ImageFont.load_default(_FONT)
    height, width = panels[0][1].shape[:2]
    lines = -(-len(panels) // 2)
    total = 2 * width + 3 * _GAP
    columns = max(1, total // 130)
    page = Image.new(
        "RGB", (total, lines * (height + _BAR + _GAP) + _GAP + _BAR * -(-len(legend) // columns)), (255, 255, 255)
    )
    draw = ImageDraw.Draw(page)
    for number, (title, pixels) in enumerate(panels):
        left = _GAP + number % 2 * (width + _GAP)
        top = number // 2 * (height + _BAR + _GAP)
        draw.text((left, top + 4), title, fill=(0, 0, 0), font=font)
        page.paste(Image.fromarray(pixels), (left, top + _BAR))
    below = lines * (height + _BAR + _GAP)
    for number, (name, color) in enumerate(legend):
        left, top = _GAP + number % columns * 130, below + number // columns * _BAR
        draw.rectangle((left, top + 5, left + 18, top + 21), fill=tuple(color.tolist()), outline=(0, 0, 0))
        draw.text((left + 24, top + 4), name, fill=(0, 0, 0), font=font)
    return page


def _colors(reader: ShardReader) -> NDArray[np.uint8]:
    """(R, 3) uint8: CamVid's own colour of every row; no answer is white."""
    by_id = {label.id: label.color for label in LabelSpace.load(reader.dataset).labels}
    rows = reader.mapping.rows
    return np.array([(255, 255, 255) if row.native_id is None else by_id[row.native_id] for row in rows], np.uint8)
