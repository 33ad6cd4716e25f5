"""Scores of a trained network on shards, each dataset in its own native labels.

The network need not have been trained on a dataset to be scored on it: the label table comes with the shards, and a
class of the network counts as the native labels that contain it. Only the tree must be the one of the training.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from labelforge.errors import CheckpointError
from labelforge.shards import Sample, ShardReader
from labelforge.trainer.checkpoint import Checkpoint, find_checkpoint
from labelforge.trainer.data.datasets import check_rows, open_shards
from labelforge.trainer.evaluation.metrics import ConfusionMatrix, Scores
from labelforge.trainer.segmenter import Segmenter

if TYPE_CHECKING:
    import pandas as pd

EvaluateProgress = Callable[[str, int, int], None]
"""Called with the shards' URL, samples done and samples in all."""


@dataclass(frozen=True)
class Evaluation:
    """Scores on one shard set.

        >>> from labelforge.trainer import Evaluation, evaluate
        >>> evaluations: list[Evaluation] = evaluate("runs/first", ["shards/gtsdb-train", "shards/cityscapes-train"])
        >>> [(evaluation.scores.dataset, evaluation.split) for evaluation in evaluations]
        [('gtsdb', 'train'), ('cityscapes', 'train')]

    Attributes:
        shards: Its folder or URL.
        split: The dataset's own name of the split.
        scores: The scores, in the dataset's native labels.
    """

    shards: str
    split: str
    scores: Scores

    def to_dict(self) -> dict[str, Any]:
        """As nested dictionaries and lists, for JSON."""
        return {"shards": self.shards, "split": self.split, **self.scores.to_dict()}


def evaluate(
    run: str | os.PathLike[str] | Segmenter,
    shards: Sequence[str | os.PathLike[str] | ShardReader],
    *,
    device: str = "auto",
    short_side: int | None = None,
    progress: EvaluateProgress | None = None,
) -> list[Evaluation]:
    """Evaluate a run on shard sets, full images at their stored size.

        >>> from labelforge.trainer import evaluate
        >>> (evaluation,) = evaluate("runs/first", ["shards/cityscapes-train"])
        >>> 0 <= evaluation.scores.mean_iou <= 1
        True

    Args:
        run: Folder of a run (its latest checkpoint), of one checkpoint, or a loaded network.
        shards: Shard sets made for the taxonomy that the network was trained for.
        device: auto, cpu, cuda or cuda:N.
        short_side: Size at which the network sees the images; see :class:`Segmenter`.
        progress: Called after each sample.

    Returns:
        One evaluation per shard set, in the order given.

    Raises:
        CheckpointError: The checkpoint is broken, or was trained for another taxonomy than the shards'.
        ShardError: A shard set is missing or broken.
    """
    checkpoint = run.checkpoint if isinstance(run, Segmenter) else find_checkpoint(run)
    readers = open_shards(shards)
    for reader in readers:
        check_same_taxonomy(checkpoint, reader)
    segmenter = run if isinstance(run, Segmenter) else Segmenter(checkpoint, device, short_side)
    return [_evaluate_one(segmenter, reader, progress) for reader in readers]


def check_same_taxonomy(checkpoint: Checkpoint, reader: ShardReader) -> None:
    """Refuse shards of another tree than the checkpoint's.

    Raises:
        CheckpointError: They differ; the message names both trees.
    """
    ours, theirs = checkpoint.taxonomy, reader.taxonomy
    if ours.digest != theirs.digest:
        raise CheckpointError(
            f"trained for taxonomy {ours.tag}, but the shards {reader.url} have {theirs.tag}",
            where=checkpoint.folder,
            cure=f"Run: labelforge retarget {reader.url} --taxonomy {ours.name}",
        )


def scores_frame(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """All class scores as one table: shards, dataset, split, and the fields of a class score."""
    import pandas as pd

    rows = [
        {"shards": e.shards, "dataset": e.scores.dataset, "split": e.split, **entry}
        for e in evaluations
        for entry in e.to_dict()["classes"]
    ]
    return pd.DataFrame(rows)


def _evaluate_one(segmenter: Segmenter, reader: ShardReader, progress: EvaluateProgress | None) -> Evaluation:
    confusion = ConfusionMatrix(segmenter.layout, reader.mapping, segmenter.device)
    for done, sample in enumerate(_read_ahead(reader), start=1):
        check_rows(sample, reader.mapping)
        rows = torch.from_numpy(sample.local_rows.astype(np.int64)).to(segmenter.device)
        confusion.update(rows, segmenter.decide(sample.image))
        if progress is not None:
            progress(reader.url, done, len(reader))
    return Evaluation(reader.url, reader.split, confusion.scores())


_AHEAD = 4
"""Samples decoded in advance, so that the network does not wait for the image decoder."""


def _read_ahead(reader: ShardReader) -> Iterator[Sample]:
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: deque[Future[Sample]] = deque()
        for index in range(len(reader)):
            waiting.append(pool.submit(reader.__getitem__, index))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
