"""Predictions for image and video files: id maps, overlays, and what the ids mean.

``predict()`` finds the files (``input_files.py``), names the results (``naming.py``), checks that nothing would be
overwritten, and then goes through the files one by one: a file that cannot be read does not stop the others.
``output_folder.py`` says what goes where.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelforge.errors import DatasetError
from labelforge.leftovers import NewFolder, missing, nothing_left, unmade
from labelforge.trainer.answering import Answering, Predicted
from labelforge.trainer.config import Precision
from labelforge.trainer.id_maps import IdLegend
from labelforge.trainer.images import Pixels, read_image
from labelforge.trainer.input_files import InputFile, find_inputs
from labelforge.trainer.legend_page import LegendPage, write_classes
from labelforge.trainer.naming import label_space_of, output_names
from labelforge.trainer.output_folder import (
    OutputFolder,
    refuse_to_overwrite,
    remove_frames,
    write_confidence,
    write_jpeg,
    write_png,
)
from labelforge.trainer.overlap import WriteBehind, read_ahead
from labelforge.trainer.readout import By, Over
from labelforge.trainer.segmenter import Segmenter, take_network
from labelforge.trainer.video import check_video_support, count_frames, rewrite_video

_OPACITY = 0.55

PredictProgress = Callable[[int, int], None]
"""Called with pictures (images and frames of videos) done and in all."""


@dataclass(frozen=True)
class Prediction:
    """What was written for one image or video.

        >>> from labelforge.trainer import Prediction, predict
        >>> predictions: tuple[Prediction, ...] = predict("runs/first", ["photos"], "predictions").written
        >>> [prediction.overlay.name for prediction in predictions]
        ['street.jpg']

    Attributes:
        source: The image or video.
        ids: Its id map; of a video, the folder of the frames' id maps, or None if they were not asked for.
        overlay: Its overlay.
    """

    source: Path
    ids: Path | None
    overlay: Path


@dataclass(frozen=True)
class PredictResult:
    """What :func:`predict` returns.

        >>> from labelforge.trainer import PredictResult, predict
        >>> result: PredictResult = predict("runs/first", ["photos"], "results")
        >>> len(result.written), result.failures, result.label_space
        (1, (), 'tree')

    Attributes:
        written: One entry per image or video, in the order given.
        failures: One error per image or video that cannot be read.
        label_space: Whose ids they are.
    """

    written: tuple[Prediction, ...]
    failures: tuple[DatasetError, ...]
    label_space: str


def predict(
    run: str | os.PathLike[str] | Segmenter,
    images: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    label_space: str | None = None,
    name_as: str | None = None,
    by: By | None = None,
    confidence: float = 0.0,
    soft: bool = False,
    video_ids: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    short_side: int | None = None,
    over: Over | None = None,
    precision: Precision | None = None,
    logit_adjustment: float | None = None,
    progress: PredictProgress | None = None,
) -> PredictResult:
    """Segment images and videos and write id maps, overlays and a legend.

        >>> from labelforge.trainer import predict
        >>> result = predict("runs/first", ["photos/street.png"], "for-cityscapes", label_space="cityscapes")
        >>> result.written[0].ids.as_posix()
        'for-cityscapes/ids/street.png'

    Args:
        run: Folder of a run (its latest checkpoint), its ``best``, one checkpoint's folder, an exported file, or a
            loaded network.
        images: Image and video files, folders (searched with all subfolders), or glob patterns.
        out: Folder to write to; see ``labelforge/trainer/output_folder.py`` for what is where.
        label_space: ``tree``, or a dataset whose native ids are wanted; default: that of ``name_as``, or ``tree``.
        name_as: A benchmark whose tools are to find the files, or a template such as ``{folder}/{stem}``.
        by: How a dataset's labels are found: ``sum`` of the probabilities of the classes inside a label, or the
            ``winner`` of the decision; default: by sum, but nothing where most likely no label can be named, and for a
            dataset of boxes by winner.
        confidence: How probable an answer must be, 0 to 1. In the tree, a decision stops at the node where it is less.
        soft: Also write a confidence map of every image (and of every frame whose id map is written).
        video_ids: Also write the id map of every frame of a video.
        overwrite: Replace what an earlier call wrote.
        device: auto, cpu, cuda or cuda:N.
        short_side: Size at which the network sees the images; see :class:`Segmenter`.
        over: ``leaves``: a flat union decides only between answers that hold no other; default: ``nodes``, or as the
            loaded network does.
        precision: Arithmetic of the network; default: the run's own. See :class:`Segmenter`.
        logit_adjustment: How far rare classes are taken for less rare, from 0 (not at all); see there.
        progress: Called after each image and each frame.

    Raises:
        CheckpointError: The checkpoint or the file is broken.
        ConfigError: The label space or the benchmark is unknown, the confidence is no probability, no image was found,
            an image is not named as in the benchmark, something would be overwritten, or a video cannot be read because
            PyAV is missing.
        DatasetError: No image could be read.
    """
    label_space = label_space_of(name_as, label_space)
    answering = Answering(label_space, by, confidence, soft)
    inputs = find_inputs(images, out)
    names = output_names(inputs, name_as)
    folder = OutputFolder(Path(out))
    if not overwrite:
        results = [path for file, name in zip(inputs, names, strict=True) for path in _targets(folder, file, name)]
        refuse_to_overwrite([folder.classes, folder.legend, *results])
    for file in inputs:
        if file.is_video:
            check_video_support(file.path)
    segmenter = take_network(run, device, short_side, over, precision, logit_adjustment)
    work = _Work(segmenter, answering, folder, video_ids)
    with folder.filling():
        written, failures = work.run(inputs, names, progress or (lambda done, total: None))
    return PredictResult(tuple(written), tuple(failures), label_space)


def overlay(image: Pixels, codes: npt.NDArray[np.int64], legend: IdLegend) -> Pixels:
    """The image under the colours of its ids; pixels without a fitting label stay as they are.

    Args:
        image: (H, W, 3) uint8 RGB.
        codes: (H, W) int64, as the legend counts answers.
        legend: Their ids and colours.

    Returns:
        (H, W, 3) uint8.
    """
    # Looked up per class, in single precision: half the time of the plain formula on a large photo.
    kept = np.where(legend.fits, np.float32(1 - _OPACITY), np.float32(1))[codes]
    paint = legend.color_of * (legend.fits * np.float32(_OPACITY))[:, None]
    return np.rint(image * kept[..., None] + paint[codes]).astype(np.uint8)


def _targets(folder: OutputFolder, file: InputFile, name: str) -> list[Path]:
    """What may be written for an input."""
    if file.is_video:
        return [folder.video_overlay(name), folder.frames(name)]
    return [folder.ids(name), folder.overlay(name), folder.confidence(name)]


class _Count:
    """Pictures that are done."""

    def __init__(self, progress: PredictProgress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, pictures: int) -> None:
        """So many more are done."""
        self._done += pictures
        self._progress(self._done, self._total)

    def within(self, pictures: int) -> Callable[[int], None]:
        """To be told how many frames are done of a video that counts as so many pictures."""
        return lambda number: self._progress(self._done + min(number, pictures), self._total)


class _Loaded(NamedTuple):
    """An image that waits to be segmented."""

    file: Path
    name: str
    image: Pixels


class _Work:
    """Segments files one by one and collects what they show."""

    def __init__(self, segmenter: Segmenter, answering: Answering, folder: OutputFolder, video_ids: bool) -> None:
        self._segmenter = segmenter
        self._predict = answering.predictor(segmenter)
        self._legend = legend = answering.legend(segmenter)
        self._folder = folder
        self._video_ids = video_ids
        self._page = LegendPage(legend)

    def run(
        self, inputs: Sequence[InputFile], names: Sequence[str], progress: PredictProgress
    ) -> tuple[list[Prediction], list[DatasetError]]:
        """Segment all files.

        Raises:
            DatasetError: None of them can be read.
            OSError: Something cannot be written.
        """
        written: list[Prediction] = []
        failures: list[DatasetError] = []
        planned = [_pictures(file) for file in inputs]
        count = _Count(progress, sum(planned))
        alike: list[_Loaded] = []  # images of one size, until they are enough
        images = read_ahead(lambda file: None if file.is_video else read_image(file.path), inputs)
        with closing(images), WriteBehind() as behind:
            for file, name, pictures, read in zip(inputs, names, planned, images, strict=True):
                try:
                    image = read()
                    if alike and (image is None or image.shape != alike[0].image.shape):
                        written += self._images(alike, behind, count)
                    if image is None:
                        written.append(self._video(file.path, name, count.within(pictures)))
                        count.add(pictures)
                    else:
                        alike.append(_Loaded(file.path, name, image))
                        if len(alike) >= self._segmenter.at_once(image):
                            written += self._images(alike, behind, count)
                except DatasetError as fault:
                    failures.append(fault)
                    count.add(pictures)
            written += self._images(alike, behind, count)
        if not written:
            raise _none_readable(failures)
        self._page.write(self._folder.legend)
        return written, failures

    def _images(self, alike: list[_Loaded], behind: WriteBehind, count: _Count) -> list[Prediction]:
        """Segment images of one size, and empty the list."""
        found = []
        answered = self._predict([image for _, _, image in alike]) if alike else []
        for (file, name, image), answers in zip(alike, answered, strict=True):
            picture = self._show(name, image, answers)
            behind.submit(self._write_maps, name, answers)
            behind.submit(write_jpeg, self._folder.overlay(name), picture)
            found.append(Prediction(file, self._folder.ids(name), self._folder.overlay(name)))
            count.add(1)
        alike.clear()
        return found

    def _video(self, file: Path, name: str, step: Callable[[int], None]) -> Prediction:
        target, frames = self._folder.video_overlay(name), self._folder.frames(name)
        if frames.exists():
            remove_frames(frames)  # of an earlier run: there may have been more

        def change(number: int, image: Pixels) -> Pixels:
            (answers,) = self._predict([image])
            picture = self._show(f"{name}, frame {number}", image, answers)
            if self._video_ids:
                self._write_maps(f"{name}/{number:06d}", answers)
            step(number + 1)
            return picture

        with (
            nothing_left(NewFolder.at(frames), ("*.png",)),
            unmade(missing(target.parent), Path.rmdir),
        ):  # of a video that breaks off
            target.parent.mkdir(parents=True, exist_ok=True)
            rewrite_video(file, target, change)
        return Prediction(file, frames if self._video_ids else None, target)

    def _show(self, title: str, image: Pixels, answers: Predicted) -> Pixels:
        """The overlay of a picture; the page counts it."""
        if self._page.empty:  # now something will be written
            write_classes(self._folder.classes, self._legend, self._segmenter.checkpoint)
        codes = answers.codes.cpu().numpy()
        picture = overlay(image, codes, self._legend)
        self._page.add(title, codes, picture)
        return picture

    def _write_maps(self, name: str, answers: Predicted) -> None:
        write_png(self._folder.ids(name), self._legend.id_of[answers.codes.cpu().numpy()])
        if answers.confidence is not None:
            write_confidence(self._folder.confidence(name), answers.confidence.cpu().numpy())


def _pictures(file: InputFile) -> int:
    if not file.is_video:
        return 1
    try:
        return count_frames(file.path)
    except DatasetError:
        return 1  # reported when its turn comes


def _none_readable(failures: Sequence[DatasetError]) -> DatasetError:
    if len(failures) == 1:
        return failures[0]
    return DatasetError(f"none of the {len(failures)} files can be read", cure=f"The first: {failures[0]}")
