"""What a cut loses: labels that mean more than one class holds, so that nobody can say what their pixels show.

Manifests know how many pixels a label has, so this is known before a sample is read: an export in which no pixel would
be in a class is refused, and what other exports lose is said with the nodes that would have kept it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from labelforge.errors import ConfigError, listed
from labelforge.exports.cut import Cut, Decision, node_names
from labelforge.exports.samples import ShardSet

_NAMED: Final = 3  # labels that a sentence names
_LEAST: Final = 0.001  # share of a set's annotated pixels below which a loss is not worth a note
_WORTH: Final = 0.1  # of the pixels that a class has: what a label must add to them for a wider class to be proposed
_MANY: Final = 4  # nodes: more are proposed as the one node above them
_LONGEST: Final = 240  # characters of a cut that is proposed


@dataclass(frozen=True)
class Gap:
    """A label with pixels that can be one of the classes, or something else.

    Attributes:
        dataset: The label space that it is of.
        name: Its native name.
        leaves: What it means.
        pixels: Its pixels.
        share: These as a share of all pixels of its shard set.
        decision: Why they are ignored.
    """

    dataset: str
    name: str
    leaves: frozenset[int]
    pixels: int
    share: float
    decision: Decision


def check_some_pixel(sets: Sequence[ShardSet], cut: Cut) -> None:
    """Refuse an export in which no pixel would be in a class that was asked for; images without labels are fine.

    Raises:
        ConfigError: It says which labels come near the classes, and what they can be besides.
    """
    kept = kept_pixels(sets, cut)
    if any(pixels for index, pixels in enumerate(kept) if index != cut.rest) or not any(map(_annotated, sets)):
        return
    gaps = _largest_first([gap for shard_set in sets for gap in find_gaps(shard_set, cut)])
    empty = listed([c.name for index, c in enumerate(cut.classes) if index != cut.rest], 6)
    what = f"no pixel of these shards would be in a class ({empty})"
    if gaps:
        what += f": {_first([f'{gap.name!r} of {gap.dataset} {gap.decision.why}' for gap in gaps])}"
    else:
        what += ": no label in them means any of that"
    own = " or ".join(dict.fromkeys(shard_set.reader.dataset for shard_set in sets))
    wider = widened(cut, gaps, kept)
    first = f"Write --classes {_quoted(wider)}, or" if wider else "Write"
    cure = f"{first} a .yaml file that says what each class is, or {own} for the labels as they are."
    raise ConfigError(what, where=f"classes {cut.text!r}", cure=cure)


def gap_notes(sets: Sequence[ShardSet], cut: Cut) -> tuple[str, ...]:
    """What to say of the pixels that a cut loses: a sentence per shard set, and one that says what to do."""
    notes, all_gaps = [], []
    for shard_set in sets:
        gaps = _largest_first(find_gaps(shard_set, cut))
        if sum(gap.pixels for gap in gaps) <= _LEAST * _annotated(shard_set):
            continue
        all_gaps += gaps
        told = _first([f"{gap.name} ({gap.share:.1%}) {gap.decision.why}" for gap in gaps])
        lost = sum(gap.share for gap in gaps)
        notes.append(
            f"{shard_set.reader.dataset}, {shard_set.reader.split}: {lost:.1%} of the pixels are ignored because their "
            f"label means more than one class holds: {told}."
        )
    if not notes:
        return ()
    wider = widened(cut, _largest_first(all_gaps), kept_pixels(sets, cut))
    way = f"--classes {_quoted(wider)}" if wider else "a .yaml file can say what each is"
    return (
        *notes,
        f"To keep such pixels, widen the classes ({way}), or say more finely in the mapping what these labels mean, "
        f"and run 'labelforge retarget SHARDS --taxonomy {cut.tree.name} --mapping FILE'.",
    )


def find_gaps(shard_set: ShardSet, cut: Cut) -> list[Gap]:
    """The labels of a shard set that have pixels and can be one of the classes, or something else."""
    counts = _pixels(shard_set)
    total = sum(counts) or 1
    rows = zip(shard_set.reader.mapping.rows, counts, shard_set.decisions(cut), strict=True)
    return [
        Gap(shard_set.reader.dataset, row.native_name, row.target.leaves, pixels, pixels / total, decision)
        for row, pixels, decision in rows
        if pixels and decision.touched
    ]


def kept_pixels(sets: Sequence[ShardSet], cut: Cut) -> list[int]:
    """Pixels that each class of a cut will have, by position."""
    kept = [0] * len(cut.classes)
    for shard_set in sets:
        for pixels, decision in zip(_pixels(shard_set), shard_set.decisions(cut), strict=True):
            if decision.index is not None:
                kept[decision.index] += pixels
    return kept


def widened(cut: Cut, gaps: Sequence[Gap], kept: Sequence[int]) -> str | None:
    """The cut with wider classes, as text: each holds all that the largest label means that reaches out of it.

    A class is not made wider for a label that would add little: it would only say less of the pixels that it has.

    Args:
        cut: The cut.
        gaps: What it loses, most pixels first.
        kept: Pixels of each of its classes.

    Returns:
        None where there is none to propose: the classes are those of a label space, nothing would change, the wider
        classes would overlap, or the text would be too long to be read.
    """
    if cut.dataset is not None:
        return None
    held = {index: c.leaves for index, c in enumerate(cut.classes) if index != cut.rest}
    wider = dict(held)
    for gap in gaps:
        index = gap.decision.touched[0]
        worth = gap.pixels >= _WORTH * kept[index]
        if worth and len(gap.decision.touched) == 1 and wider[index] == held[index]:
            wider[index] |= gap.leaves
    if wider == held or _overlap(wider):
        return None
    for index, leaves in wider.items():
        above = cut.tree.covering(leaves)
        whole = {**wider, index: frozenset(above.leaves)}
        if len(node_names(cut.tree, leaves)) > _MANY and above.parent is not None and not _overlap(whole):
            wider = whole
    text = ", ".join(" | ".join(node_names(cut.tree, leaves)) for leaves in wider.values())
    return text if len(text) <= _LONGEST else None


def _first(clauses: Sequence[str]) -> str:
    """The first few of some clauses, and how many there are besides."""
    more = len(clauses) - _NAMED
    return "; ".join(clauses[:_NAMED]) + (f"; and {more} more {'label' if more == 1 else 'labels'}" if more > 0 else "")


def _quoted(cut: str) -> str:
    """A cut as a shell reads it, in quotes also where it would need none: it stands in a sentence."""
    text = shlex.quote(cut)
    return text if text != cut else f"'{cut}'"


def _overlap(classes: dict[int, frozenset[int]]) -> bool:
    return sum(map(len, classes.values())) > len(frozenset().union(*classes.values()))


def _largest_first(gaps: Sequence[Gap]) -> list[Gap]:
    return sorted(gaps, key=lambda gap: -gap.pixels)


def _annotated(shard_set: ShardSet) -> int:
    """Pixels of labels that mean something in the tree."""
    rows = zip(shard_set.reader.mapping.rows, _pixels(shard_set), strict=True)
    return sum(pixels for row, pixels in rows if not row.target.ignored)


def _pixels(shard_set: ShardSet) -> list[int]:
    """Pixels per row of its label table, as its manifest says."""
    return [int(count) for count in shard_set.reader.pixels_per_label]
