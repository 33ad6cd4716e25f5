"""Videos: frame by frame, at the same times, upright, in the same colours; and what is no video."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from labelforge.errors import ConfigError, DatasetError
from labelforge.trainer.video import check_video_support, count_frames, rewrite_video

av = pytest.importorskip("av")

Frames = list[npt.NDArray[np.uint8]]


def scene(number: int, height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    """Four flat quarters; the first one tells the frame."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = 20 * (number % 12)
    image[: height // 2, width // 2 :] = (200, 30, 60)
    image[height // 2 :, : width // 2] = (30, 180, 70)
    image[height // 2 :, width // 2 :] = (40, 60, 190)
    return image


def make(
    file: Path,
    count: int = 6,
    *,
    size: tuple[int, int] = (48, 64),
    rate: Fraction = Fraction(30000, 1001),
    times: Sequence[int] | None = None,
    rotation: int = 0,
    codec: str = "libx264",
    matrix: tuple[int, str] = (6, "ITU601"),
) -> Path:
    with av.open(file, "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv444p"
        stream.codec_context.colorspace = matrix[0]
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(scene(number, *size), format="rgb24")
            frame = frame.reformat(format="yuv444p", dst_colorspace=matrix[1])
            if times is not None:
                frame.pts, frame.time_base = times[number], 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


def read(file: Path) -> tuple[Frames, list[Fraction], Any]:
    """The frames, when they are shown, and the stream; the container stays open for it."""
    container = av.open(file)
    frames = list(container.decode(video=0))
    return [f.to_ndarray(format="rgb24") for f in frames], [f.pts * f.time_base for f in frames], container.streams[0]


def unchanged(_: int, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return image


def close(image: npt.NDArray[np.uint8], expected: npt.NDArray[np.uint8]) -> bool:
    """Whether the quarters' middles agree; codecs may blur their borders."""
    height, width = expected.shape[:2]
    at = np.ix_([height // 4, height * 3 // 4], [width // 4, width * 3 // 4])
    return bool(image.shape == expected.shape and (np.abs(image[at].astype(int) - expected[at]) <= 10).all())


def test_every_frame_is_changed_once_and_in_order(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4")
    seen: list[int] = []

    def invert(number: int, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        assert close(image, scene(number))
        seen.append(number)
        return 255 - image

    assert count_frames(source) == rewrite_video(source, tmp_path / "out.mp4", invert) == 6
    assert seen == list(range(6))
    frames, times, stream = read(tmp_path / "out.mp4")
    assert all(close(frame, 255 - scene(number)) for number, frame in enumerate(frames))
    assert times == [number * Fraction(1001, 30000) for number in range(6)]
    assert (stream.average_rate, stream.codec_context.name) == (Fraction(30000, 1001), "h264")
    assert stream.codec_context.pix_fmt == "yuv420p", "the only one that every player shows"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.mov", "libx264")])
def test_other_containers_and_codecs(name: str, codec: str, tmp_path: Path) -> None:
    if codec == "mpeg4":
        source = tmp_path / name
        with av.open(source, "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 4_000_000
            for number in range(4):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(scene(number), format="rgb24")))
            container.mux(stream.encode())
    else:
        source = make(tmp_path / name, 4, rate=Fraction(10))
    assert rewrite_video(source, tmp_path / "out.mp4", unchanged) == 4
    frames, times, _ = read(tmp_path / "out.mp4")
    assert all(close(frame, scene(number)) for number, frame in enumerate(frames))
    assert [float(time) for time in times] == pytest.approx([0, 0.1, 0.2, 0.3], abs=1e-3)


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", 4, rate=Fraction(10), times=[0, 1, 5, 6])
    rewrite_video(source, tmp_path / "out.mp4", unchanged)
    assert read(tmp_path / "out.mp4")[1] == [Fraction(number, 10) for number in (0, 1, 5, 6)]


@pytest.mark.parametrize("size", [(47, 64), (48, 63), (47, 63)])
def test_an_odd_size_is_rounded_up(size: tuple[int, int], tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", 2, size=size)

    def check(number: int, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        assert close(image, scene(number, *size))
        return image

    rewrite_video(source, tmp_path / "out.mp4", check)
    frame = read(tmp_path / "out.mp4")[0][1]
    assert frame.shape[:2] == (48, 64)
    assert close(frame[: size[0], : size[1]], scene(1, *size))


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_frames_are_turned_upright(rotation: int, tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", 2, rotation=rotation)
    turned = np.rot90(scene(1), rotation // 90)

    def check(number: int, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        assert image.flags.c_contiguous
        assert number == 0 or close(image, turned)
        return image

    rewrite_video(source, tmp_path / "out.mp4", check)
    frames, _, _ = read(tmp_path / "out.mp4")
    assert close(frames[1], turned)


@pytest.mark.parametrize("matrix", [(1, "ITU709"), (6, "ITU601"), (2, "ITU601")], ids=["709", "601", "unsaid"])
def test_colours_survive(matrix: tuple[int, str], tmp_path: Path) -> None:
    rewrite_video(make(tmp_path / "in.mp4", 2, matrix=matrix), tmp_path / "out.mp4", unchanged)
    frames, _, stream = read(tmp_path / "out.mp4")
    assert close(frames[1], scene(1))
    assert stream.codec_context.colorspace == matrix[0]


def test_frames_are_streamed(tmp_path: Path) -> None:
    """At most a few frames are decoded ahead of the one that is written."""
    import tracemalloc

    source = make(tmp_path / "in.mp4", 120, size=(240, 320))
    tracemalloc.start()
    rewrite_video(source, tmp_path / "out.mp4", unchanged)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 240 * 320 * 3


def sound(file: Path) -> None:
    with av.open(file, "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def cut(file: Path) -> None:
    make(file)
    file.write_bytes(file.read_bytes()[:400])


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda file: None, r"is no video that can be read \(No such file"),
    "text": (lambda file: file.write_text("not a video"), r"is no video that can be read \("),
    "cut": (cut, r"is no video that can be read \("),
    "sound": (sound, r"holds no pictures"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_video_is_said_in_one_line(fault: str, tmp_path: Path) -> None:
    spoil, what = FAULTS[fault]
    spoil(tmp_path / "in.mp4")
    for call in (count_frames, lambda file: rewrite_video(file, tmp_path / "out.mp4", unchanged)):
        with pytest.raises(DatasetError, match=what) as caught:
            call(tmp_path / "in.mp4")
        assert str(caught.value).startswith(str(tmp_path / "in.mp4"))
    assert not list(tmp_path.glob("*out*")) + list(tmp_path.glob(".*"))


def test_a_video_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4")

    def fail(number: int, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        if number == 3:
            raise KeyboardInterrupt
        return image

    with pytest.raises(KeyboardInterrupt):
        rewrite_video(source, tmp_path / "out.mp4", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize("installed", [None, SimpleNamespace(__version__="16.1.0")], ids=["none", "too old"])
def test_without_pyav_the_extra_is_named(installed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_video_support(tmp_path / "in.mp4")
    monkeypatch.setitem(sys.modules, "av", installed)
    with pytest.raises(ConfigError, match=r"in\.mp4: reading a video needs the package av, 17 or newer\. Install it"):
        check_video_support(tmp_path / "in.mp4")
