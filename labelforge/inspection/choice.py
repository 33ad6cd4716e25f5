"""Chooses samples that differ, by their label counts alone: neighbouring frames of a drive all show the same road."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from labelforge.inspection.counts import LabelCounts

_VISIBLE = 0.01  # of a picture: a label with this share or more counts as shown in full


def choose_different(counts: LabelCounts, number: int, silent: Collection[int] = ()) -> list[int]:
    """Pick samples that show many labels and have little in common, one after the other.

    The next sample is the one that adds most: for each label the share by which it is shown better than so far (at 1 %
    of the picture it is shown in full, which counts 1), and the share of its pixels that have other labels than in the
    most similar sample chosen before (which counts up to 1). Samples that show no label at all come last. Of equal ones
    the earlier is taken, so the choice is the same every time.

    Args:
        counts: Pixels per label of all samples.
        number: How many to pick; all where there are fewer.
        silent: Rows that are nothing to show ("no annotation").

    Returns:
        Sample numbers, in the order of the choice.
    """
    totals = np.bincount(counts.samples, weights=counts.pixels, minlength=counts.num_samples)
    share = counts.pixels / totals[counts.samples]
    shown = np.minimum(share / _VISIBLE, 1.0)
    shown[np.isin(counts.rows, list(silent))] = 0.0
    best = np.zeros(counts.num_rows)  # how well each label is shown by what is chosen
    different = np.ones(counts.num_samples)  # share of the pixels unlike those of the most similar chosen sample
    empty = np.bincount(counts.samples, shown, counts.num_samples) == 0
    free = np.ones(counts.num_samples, np.bool_)
    chosen: list[int] = []
    while len(chosen) < min(number, counts.num_samples):
        gain = np.bincount(counts.samples, np.maximum(shown - best[counts.rows], 0.0), counts.num_samples)
        score = np.where(free, np.where(empty, -0.5, gain + different), -1.0)
        pick = int(np.argmax(score.round(9)))  # rounded, so that sums in another order decide nothing
        chosen.append(pick)
        free[pick] = False
        own = counts.samples == pick
        np.maximum.at(best, counts.rows[own], shown[own])
        histogram = np.zeros(counts.num_rows)
        histogram[counts.rows[own]] = share[own]
        common = np.bincount(counts.samples, np.minimum(share, histogram[counts.rows]), counts.num_samples)
        different = np.minimum(different, 1.0 - common)
    return chosen
