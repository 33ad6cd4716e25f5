"""Labels as the numba loss kernel reads them: counted, and with a bit per classifier where boxes pass the gate."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from labelforge.compiled import machine_code

PASSED_BITS: Final = 15
"""Classifiers that one box label can train, at most: a bit each says where it passes the gate."""
LABEL_BITS: Final = 16
"""Bits of a code that hold the label."""
LABEL: Final = (1 << LABEL_BITS) - 1
"""The bits of a code that are its label; labels have at most this number."""

_ALL_PASS: Final = ((1 << PASSED_BITS) - 1) << LABEL_BITS


@machine_code()
def read_labels(
    logits: Any,
    codes: Any,
    from_box: Any,
    starts: Any,
    classifier: Any,
    columns: Any,
    gate_starts: Any,
    gate: Any,
    low_y: Any,
    weight_y: Any,
    low_x: Any,
    weight_x: Any,
    n: int,
    begin: int,
    end: int,
    pixels: Any,
    passed: Any,
) -> bool:
    """Count labels, and say where boxes pass the gate, for some pixel rows of one image.

    Args:
        logits: (N, h, w, C) float32.
        codes: (N, H, W) int32: labels, to which is added, above 16 bits, which of their entries pass.
        from_box: (L,) bool.
        starts: (L + 1,) first entry of each label.
        classifier: (E,) classifier of each entry.
        columns: (J + 1,) first logit of each classifier.
        gate_starts: (J + 1,) first condition of each classifier's gate.
        gate: (conditions, 2) classifier above, and the column that it must choose.
        low_y: (H,) row of logits above each pixel row; ``low_x`` likewise.
        weight_y: (H,) float32 weight of the one below; ``weight_x`` likewise.
        n: The image.
        begin: First pixel row.
        end: Last pixel row, exclusive.
        pixels: (L,) int64, added to: pixels of each label.
        passed: (E,) int64, added to: box pixels of each entry that pass.

    Returns:
        Whether all labels are rows of the table; if not, the rest is not read.
    """
    height, width = logits.shape[1], logits.shape[2]
    for y in range(begin, end):
        above, below = low_y[y], min(low_y[y] + 1, height - 1)
        for x in range(codes.shape[2]):
            label = codes[n, y, x]
            if label < 0 or label >= len(pixels):
                return False
            pixels[label] += 1
            code = label | _ALL_PASS
            if from_box[label]:
                left, right = low_x[x], min(low_x[x] + 1, width - 1)
                code = label
                for entry in range(starts[label], starts[label + 1]):
                    j = classifier[entry]
                    passes = True
                    for condition in range(gate_starts[j], gate_starts[j + 1]):
                        parent, wanted = gate[condition, 0], gate[condition, 1]
                        best, winner = np.float32(-np.inf), -1
                        for c in range(columns[parent], columns[parent + 1]):
                            upper = logits[n, above, left, c]
                            upper += weight_x[x] * (logits[n, above, right, c] - upper)
                            lower = logits[n, below, left, c]
                            lower += weight_x[x] * (logits[n, below, right, c] - lower)
                            z = upper + weight_y[y] * (lower - upper)
                            if z > best:
                                best, winner = z, c
                        if winner != wanted:
                            passes = False
                            break
                    if passes:
                        code |= 1 << (LABEL_BITS + entry - starts[label])
                        passed[entry] += 1
            codes[n, y, x] = code
    return True
