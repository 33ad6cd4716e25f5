"""``metrics.jsonl``: what a run measured, one line per ``log_every`` steps, and the TensorBoard events beside it.

The loss of every step stays on the device until its line is due (:class:`LossWindow`), so the host never waits for the
device in between; a loss that is not finite is found then, or before the next checkpoint, and reported with its step.
"""

from __future__ import annotations

import importlib.util
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from labelforge.errors import LabelforgeError
from labelforge.files import write_atomically
from labelforge.trainer.loss import LossOutput

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG_NAME = "metrics.jsonl"


@dataclass(frozen=True)
class LogLine:
    """One line of the log: means over the steps since the line before.

    Attributes:
        step: Steps done.
        loss: Total loss.
        losses: Mean loss of each classifier's own pixels, before any weight: over the steps in which pixels trained it.
            A classifier that no pixel trained since the line before is left out.
        gate: Per classifier that boxes train, the share of box pixels that passed the gate.
        lr: Learning rate of the last step.
        images_per_s: Crops per second.
        data_wait: Share of the time that the loop waited for a batch.
        seconds: Time that the run took so far, over all resumptions.
    """

    step: int
    loss: float
    losses: dict[str, float]
    gate: dict[str, float]
    lr: float
    images_per_s: float
    data_wait: float
    seconds: float


@dataclass(frozen=True)
class WindowMeans:
    """Means over a window of steps; the first three attributes of a :class:`LogLine`."""

    loss: float
    losses: dict[str, float]
    gate: dict[str, float]


@dataclass(frozen=True)
class Speed:
    """Speed over a window of steps; the last three attributes of a :class:`LogLine`."""

    images_per_s: float
    data_wait: float
    seconds: float


class LossWindow:
    """Losses of the steps since the last line, kept on the device.

    Args:
        names: Name of each of the J classifiers.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._rows: list[torch.Tensor] = []
        self._keys: list[tuple[int, tuple[str, ...]]] = []
        self._finished: list[torch.Tensor] = []

    def add(self, step: int, loss: LossOutput, keys: tuple[str, ...]) -> None:
        """Record one step without waiting for the device.

        Args:
            step: The step, from 1.
            loss: Its loss.
            keys: Samples of its batch.
        """
        counts = (loss.labelled_pixels, loss.passed_pixels, loss.box_pixels)
        parts = (loss.total.detach()[None], loss.per_classifier, *counts)
        self._rows.append(torch.cat([part.double() for part in parts]))
        self._keys.append((step, keys))

    def check(self) -> None:
        """Fetch what is still on the device.

        Raises:
            LabelforgeError: A loss was not finite; the message names its step and samples.
        """
        if not self._rows:
            return
        rows = torch.stack(self._rows).cpu()
        for row, (step, keys) in zip(rows, self._keys, strict=True):
            if not math.isfinite(row[0]):
                raise LabelforgeError(
                    f"the loss of step {step} is {float(row[0])}; its samples: {', '.join(keys)}",
                    cure="Lower optim.lr or set optim.warmup, and train again.",
                )
        self._finished += rows.unbind()
        self._rows, self._keys = [], []

    def take(self) -> WindowMeans:
        """Means since the last call. The gate's share is over all box pixels of the window.

        A step in which no pixel trains a classifier says nothing about it, so its zero does not count in the mean.

        Raises:
            LabelforgeError: A loss was not finite.
        """
        self.check()
        rows = torch.stack(self._finished)
        self._finished = []
        losses, labelled, passed, boxes = rows[:, 1:].view(len(rows), 4, len(self._names)).unbind(1)
        trained = labelled + passed > 0
        return WindowMeans(
            loss=float(rows[:, 0].mean()),
            losses=self._ratios((losses * trained).sum(0), trained.sum(0)),
            gate=self._ratios(passed.sum(0), boxes.sum(0)),
        )

    def _ratios(self, parts: torch.Tensor, totals: torch.Tensor) -> dict[str, float]:
        """Part / total per classifier, where there is a total; both are (J,)."""
        pairs = zip(self._names, parts.tolist(), totals.tolist(), strict=True)
        return {name: part / total for name, part, total in pairs if total}


class Clock:
    """Speed and waiting between two lines of the log.

    Args:
        images: Images per step, over all processes.
        seconds: Training time before this process started.
    """

    def __init__(self, images: int, seconds: float) -> None:
        self._images = images
        self._seconds = seconds
        self._steps = 0
        self._waited = 0.0
        self._rested = 0.0
        self._since = time.perf_counter()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time inside counts as waiting for data."""
        start = time.perf_counter()
        yield
        self._waited += time.perf_counter() - start

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Time inside is part of the run, but not of the steps: the speed is without it."""
        start = time.perf_counter()
        yield
        self._rested += time.perf_counter() - start

    def step(self) -> None:
        """Count a finished step."""
        self._steps += 1

    def take(self) -> Speed:
        """What was measured since the last call."""
        now = time.perf_counter()
        span = now - self._since
        self._seconds += span
        worked = span - self._rested
        speed = Speed(self._steps * self._images / worked, self._waited / worked, self._seconds)
        self._steps, self._waited, self._rested, self._since = 0, 0.0, 0.0, now
        return speed


class MetricsLog:
    """Writes log lines to ``metrics.jsonl``, and to TensorBoard where that package is installed.

    Args:
        run: Folder of the run.
        step: Step that the run continues from; later lines, from a run that ended without a checkpoint, are dropped.
        write: Whether to write at all; only one of several processes does.

    Attributes:
        seconds: Training time of the run before ``step``.
    """

    def __init__(self, run: Path, step: int, *, write: bool = True) -> None:
        self._path = run / LOG_NAME
        self._write = write
        self._board: SummaryWriter | None = None
        kept = [line for line in read_log(run) if line.step <= step]
        self.seconds = kept[-1].seconds if kept else 0.0
        if not write:
            return
        write_atomically(self._path, "".join(_dump(line) for line in kept))
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(run), purge_step=step + 1)

    def write(self, line: LogLine) -> None:
        """Append a line."""
        if not self._write:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_dump(line))
        self.chart(dict(_scalars(line)), line.step)

    def chart(self, values: Mapping[str, float], step: int) -> None:
        """Show numbers by their tags in TensorBoard, and there alone."""
        if self._board is not None:
            for tag, value in values.items():
                self._board.add_scalar(tag, value, step)

    def picture(self, tag: str, image: NDArray[np.uint8], step: int) -> None:
        """Show a picture, (H, W, 3) uint8, in TensorBoard, and there alone."""
        if self._board is not None:
            self._board.add_image(tag, image, step, dataformats="HWC")

    def close(self) -> None:
        """Flush the TensorBoard events."""
        if self._board is not None:
            self._board.close()


def read_log(run: Path) -> list[LogLine]:
    """All complete lines of a run's log; empty if there is no log."""
    path = run / LOG_NAME
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    # A line without its end was cut short by a crash: its steps are measured again after resuming.
    return [LogLine(**json.loads(line)) for line in lines if line.endswith("\n")]


def _dump(line: LogLine) -> str:
    return json.dumps(_rounded(asdict(line))) + "\n"


def _rounded(value: Any) -> Any:
    """Round floats to six significant digits: more than a curve shows, and half as long."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _scalars(line: LogLine) -> list[tuple[str, float]]:
    return [
        ("loss/total", line.loss),
        *((f"loss/{name}", value) for name, value in line.losses.items()),
        *((f"gate/{name}", value) for name, value in line.gate.items()),
        ("lr", line.lr),
        ("speed/images_per_s", line.images_per_s),
        ("speed/data_wait", line.data_wait),
    ]
