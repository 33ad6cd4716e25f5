"""The figures of docs/DRAFT.md. ``python -m tests.draft.document`` writes them anew; a test compares them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from labelforge.draft import WORDS, Measured, leave_one_out, markdown_table
from labelforge.draft.measure import OUTCOMES
from labelforge.draft.table import shares, total
from labelforge.taxonomy import Taxonomy
from tests.draft.known_lists import DRAFTED_ONCE, HELD_OUT, LATER, measure

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "DRAFT.md"
GROUPS = {"*": HELD_OUT, "+": LATER, "#": DRAFTED_ONCE}
"""How lists are marked that were kept aside, or came later."""
NOT_STREETS = ("ade20k-150", "coco-panoptic-133", "coco-stuff-171")


def parts() -> dict[str, str]:
    """Every part of the document that the code computes, by its name there."""
    tree = Taxonomy.load("streets")
    alone, twins = leave_one_out(tree), leave_one_out(tree, twins=True)
    return {
        "measured": markdown_table(alone, twins).strip(),
        "streets": _sentence(_streets(alone), _streets(twins)),
        "sureness": _sureness(_streets(alone)),
        "lists": _lists(tree),
    }


def stated(text: str) -> dict[str, str]:
    """The same parts as a text has them."""
    found: Mapping[str, str] = dict(re.findall(r"<!-- computed: (\w+) -->\n(.*?)\n<!-- end -->", text, re.S))
    return dict(found)


def _streets(measured: Sequence[Measured]) -> list[Measured]:
    return [one for one in measured if one.dataset not in NOT_STREETS]


def _sentence(alone: Sequence[Measured], twins: Sequence[Measured]) -> str:
    exact, right, unknown, wrong = shares(alone)
    with_twins = shares(twins)
    return (
        f"The {len(alone)} street datasets (all but ADE20K and COCO, most of whose labels are things in rooms) have\n"
        f"{sum(total(alone).values())} labels: {exact} exact, {right} exact or coarser, {unknown} unknown, {wrong} "
        f"wrong; with twins\n{with_twins[0]}, {with_twins[1]}, {with_twins[2]} and {with_twins[3]}."
    )


def _sureness(measured: Sequence[Measured]) -> str:
    lines = [f"| sureness | labels | {' | '.join(OUTCOMES)} |", "|---|---:|" + "---:|" * len(OUTCOMES)]
    for sureness, word in WORDS.items():
        labels = [label for one in measured for label in one.labels if label.proposal.sureness == sureness]
        found = Counter(label.outcome for label in labels)
        lines.append(f"| {word} | {len(labels)} | {' | '.join(str(found[outcome]) for outcome in OUTCOMES)} |")
    return "\n".join(lines)


def _lists(tree: Taxonomy) -> str:
    lines = ["| list | labels | exact | or coarser | unknown | wrong |", "|---|---:|---:|---:|---:|---:|"]
    marks = {name: mark for mark, names in GROUPS.items() for name in names}
    found = sorted(
        measure(tree), key=lambda one: list(GROUPS).index(marks[one.dataset]) if one.dataset in marks else -1
    )
    for one in found:
        name = f"{one.dataset} {marks.get(one.dataset, '')}".strip()
        lines.append(f"| {name} | {len(one.labels)} | {' | '.join(shares([one]))} |")
    for mark, names in GROUPS.items():
        group = [one for one in found if one.dataset in names]
        lines.append(f"| all {mark} | {sum(len(one.labels) for one in group)} | {' | '.join(shares(group))} |")
    lines.append(f"| all | {sum(len(one.labels) for one in found)} | {' | '.join(shares(found))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    content = DOCUMENT.read_text(encoding="utf-8")
    for name, part in parts().items():
        before, _, rest = content.partition(f"<!-- computed: {name} -->\n")
        content = f"{before}<!-- computed: {name} -->\n{part}\n<!-- end -->{rest.partition('<!-- end -->')[2]}"
    DOCUMENT.write_text(content, encoding="utf-8")
