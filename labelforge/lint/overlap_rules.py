"""The rule about labels of two datasets that can show the same thing, and what they mean in the tree.

That two labels can do so is known in two ways: a mapping says it (``overlaps``, each with the sentence that says so),
or they have the same name. Names are compared without case, spaces and hyphens, and of a path such as
``object--street-light`` only the last part is.
"""

from __future__ import annotations

from collections.abc import Iterator

from labelforge.errors import did_you_mean, listed
from labelforge.lint.case import Case
from labelforge.lint.findings import Remark, Subject
from labelforge.mapping import LabelMapping, LabelRow, Overlap

_CURE = (
    "Map one of them to what they can both show; or, if it is right so: "
    "'accepted: [{{rule: no-shared-leaf, at: {}, why: ...}}]'."
)


def no_shared_leaf(case: Case) -> Iterator[Remark]:
    """Labels of two datasets can show the same thing, but no leaf of the tree is in what both of them mean.

    What one dataset teaches to be right the other then teaches to be wrong.
    """
    by_name = {mapping.dataset: mapping for mapping in case.mappings}
    for mapping in case.mappings:
        for number, entry in enumerate(mapping.overlaps):
            if entry.dataset in by_name:
                yield from _stated(mapping, by_name[entry.dataset], number, entry)
    yield from _same_names(case)


def can_be_compared(case: Case, mapping: LabelMapping, label: str) -> bool:
    """Whether all that a label could be compared with is among the mappings that are checked."""
    datasets = {other.dataset for other in case.mappings}
    stated = [entry.dataset in datasets for entry in mapping.overlaps if entry.label == label]
    if stated:
        return all(stated)
    alike = _rows_by_name(case).get(_short(label), {})
    return any(dataset != mapping.dataset for dataset in alike)


def _stated(mapping: LabelMapping, other: LabelMapping, number: int, entry: Overlap) -> Iterator[Remark]:
    subject = Subject(dataset=mapping.dataset, labels=(entry.label,), overlap=number)
    theirs = {row.native_name: row for row in other.rows[1:]}
    if entry.other not in theirs:
        what = f"{mapping.dataset} compares {entry.label!r} with {entry.other!r}, but {other.dataset} has no such label"
        yield Remark("warning", what, did_you_mean(entry.other, theirs), subject)
        return
    (row,) = [row for row in mapping.rows[1:] if row.native_name == entry.label]
    if not _meet([row], [theirs[entry.other]]):
        both = f"{_shown(mapping, row)} and {_shown(other, theirs[entry.other])}"
        what = f"{both} have no leaf in common, though the text says: {entry.text.rstrip('.')}"
        yield Remark("warning", what, _CURE.format(entry.label), subject)


def _same_names(case: Case) -> Iterator[Remark]:
    """Of the datasets that have a label of one name, those that have no leaf in common with most of the others."""
    for rows in _rows_by_name(case).values():
        camps: list[list[str]] = []
        for dataset in rows:
            near = [camp for camp in camps if any(_meet(rows[dataset], rows[other]) for other in camp)]
            camps = [camp for camp in camps if camp not in near] + [[*(d for camp in near for d in camp), dataset]]
        largest = max(camps, key=len)
        for camp in camps:
            if camp is not largest:
                yield from (_apart(case, rows, dataset, largest) for dataset in camp)


def _apart(case: Case, rows: dict[str, list[LabelRow]], dataset: str, others: list[str]) -> Remark:
    mappings = {mapping.dataset: mapping for mapping in case.mappings}
    row, other = rows[dataset][0], rows[others[0]][0]
    alike = f"{_shown(mappings[dataset], row)} and {_shown(mappings[others[0]], other)}"
    more = f" (nor {listed(others[1:])})" if len(others) > 1 else ""
    subject = Subject(dataset=dataset, labels=tuple(row.native_name for row in rows[dataset]))
    return Remark(
        "warning", f"{alike} are named alike but have no leaf in common{more}", _CURE.format(row.native_name), subject
    )


def _rows_by_name(case: Case) -> dict[str, dict[str, list[LabelRow]]]:
    """Short name -> dataset -> its labels of that name; ignored labels are left out."""
    found: dict[str, dict[str, list[LabelRow]]] = {}
    for mapping in case.mappings:
        for row in mapping.rows[1:]:
            if not row.target.ignored:
                found.setdefault(_short(row.native_name), {}).setdefault(mapping.dataset, []).append(row)
    return found


def _meet(rows: list[LabelRow], others: list[LabelRow]) -> bool:
    """Whether some leaf is in what some of the labels mean on either side; ignored labels meet everything."""
    ours, theirs = (frozenset[int]().union(*(row.target.leaves for row in side)) for side in (rows, others))
    return not (ours and theirs) or not ours.isdisjoint(theirs)


def _shown(mapping: LabelMapping, row: LabelRow) -> str:
    return f"{row.native_name!r} of {mapping.dataset} ({row.target.text})"


def _short(name: str) -> str:
    return "".join(character for character in name.rpartition("--")[2].lower() if character.isalnum())
