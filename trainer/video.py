"""Videos: frames are read, changed and written one at a time, so that any length needs the memory of a few frames.

Needs PyAV (the extra ``video``), which brings FFmpeg's libraries along.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelforge.errors import ConfigError, DatasetError
from labelforge.trainer.images import Pixels

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

_OLDEST = 17  # PyAV that tells and takes the colours of frames
_QUALITY = {"crf": "20"}  # of H.264: a bit better than its default of 23, so that thin objects keep their colour
_MATRICES = {1: "ITU709", 9: "BT2020"}
"""How RGB becomes YUV, by the number in ITU-T H.273, table 4: kept from the old video; any other becomes BT.601."""
_BT601, _UNSPECIFIED = 6, 2
_DEFAULT_RATE = Fraction(25)  # frames per second, where the file does not say


def check_video_support(file: Path) -> None:
    """Check that videos can be read.

    Args:
        file: A video that is to be read, for the message.

    Raises:
        ConfigError: PyAV is not installed, or too old.
    """
    try:
        import av

        found = int(av.__version__.split(".")[0])
    except ImportError:
        found = 0
    if found < _OLDEST:
        cure = f"Install it with pip install 'labelforge[video]' or 'av>={_OLDEST}', or leave the video out."
        raise ConfigError(f"reading a video needs the package av, {_OLDEST} or newer", where=file, cure=cure)


def count_frames(file: Path) -> int:
    """How many frames a video seems to have: as its file says, else its duration times its rate, at least 1.

    Raises:
        DatasetError: It is no video.
    """
    with _open(file) as container:
        stream = container.streams.video[0]
        seconds = (stream.duration or 0) * (stream.time_base or 0)
        return stream.frames or max(1, round(seconds * (stream.average_rate or 0)))


def rewrite_video(source: Path, target: Path, change: Callable[[int, Pixels], Pixels]) -> int:
    """Write a video (H.264 in mp4) with every frame of another one changed, at the same times.

    Frames are turned upright, as players do. H.264 has even sizes only: of an odd one, the last row or column is
    repeated. There is no sound.

    Args:
        source: The video.
        target: The file to write; it appears when it is complete.
        change: From a frame's number (from 0) and its pixels, (H, W, 3) uint8 RGB, to other pixels of the same size.

    Returns:
        The number of frames.

    Raises:
        DatasetError: The source is no video, breaks off, or changes its size on the way.
        OSError: The target cannot be written.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with _open(source) as container:
            frames = _write(partial, container.streams.video[0], _decode(source, container), change)
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return frames


def _open(file: Path) -> InputContainer:
    import av

    try:
        container = av.open(file)
    except av.FFmpegError as fault:
        cure = "Copy it again, or leave it out."
        raise DatasetError(f"is no video that can be read ({fault.strerror})", where=file, cure=cure) from None
    if not container.streams.video:
        container.close()
        raise DatasetError("holds no pictures", where=file, cure="Leave it out.")
    container.streams.video[0].thread_type = "AUTO"
    return container


def _decode(file: Path, container: InputContainer) -> Iterator[VideoFrame]:
    import av

    number, size = 0, (0, 0)
    try:
        for frame in container.decode(video=0):
            if number and (frame.width, frame.height) != size:
                what = f"changes its size from {size[0]}x{size[1]} to {frame.width}x{frame.height} at frame {number}"
                raise DatasetError(what, where=file, cure="Cut it there into two videos.")
            size = frame.width, frame.height
            yield frame
            number += 1
    except av.FFmpegError as fault:
        what = f"cannot be read after {number} frames ({fault.strerror})"
        raise DatasetError(what, where=file, cure="Copy it again, or leave it out.") from None
    if not number:
        raise DatasetError("holds no frame", where=file, cure="Leave it out.")


def _write(
    target: Path,
    source: VideoStream,
    frames: Iterator[VideoFrame],
    change: Callable[[int, Pixels], Pixels],
) -> int:
    import av

    rate = source.average_rate or source.guessed_rate or _DEFAULT_RATE
    number = start = time = 0
    with av.open(target, "w", format="mp4", container_options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=_QUALITY)
        for frame in frames:
            pixels = _even(change(number, _upright(frame)))
            if number == 0:
                _set_up(stream, frame, pixels, rate)
                start = frame.pts or 0
            # Times must grow, whatever the file says.
            time = max(time + (number > 0), 0 if frame.pts is None else frame.pts - start)
            changed = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            changed = changed.reformat(format="yuv420p", dst_colorspace=_MATRICES.get(frame.colorspace, "ITU601"))
            changed.pts, changed.time_base = time, stream.codec_context.time_base
            container.mux(stream.encode(changed))
            number += 1
        if number:
            container.mux(stream.encode())
    return number


def _set_up(stream: VideoStream, frame: VideoFrame, pixels: Pixels, rate: Fraction) -> None:
    """Give the new video the size, clock and colours of a frame of the old one."""
    context = stream.codec_context
    context.height, context.width = pixels.shape[:2]
    context.pix_fmt = "yuv420p"
    context.time_base = frame.time_base or 1 / rate
    context.colorspace = frame.colorspace if frame.colorspace in (*_MATRICES, _UNSPECIFIED) else _BT601
    context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc


def _upright(frame: VideoFrame) -> Pixels:
    """(H, W, 3) uint8 RGB: a frame as players show it."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))


def _even(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
