"""Lint against brute force: random trees, several random datasets, everything worked out with plain sets of names."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge.lint import LintReport, lint_mappings
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Node, Taxonomy
from labelforge.treefile import Boxes
from tests.core.random_trees import trees

BOXES: tuple[Boxes, ...] = ("own", "path")


@dataclass
class Dataset:
    """A dataset as the oracle sees it: the leaf names that each label means."""

    name: str
    box: bool
    meanings: list[set[str]]


@dataclass
class World:
    """A tree, some datasets, and how boxes supervise."""

    tree: Taxonomy
    datasets: list[Dataset]
    mappings: list[LabelMapping]
    boxes: Boxes
    lone_boxes: bool


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A random tree with up to three datasets of up to five labels."""
    tree = draw(trees())
    datasets, mappings = [], []
    for number in range(draw(st.integers(0, 3))):
        box = draw(st.booleans())
        # A node or an inner node often, so that all levels are used; a set of leaves sometimes.
        chosen = st.sets(st.sampled_from([n.name for n in tree.nodes]), min_size=1, max_size=3)
        expressions: list[Any] = [draw(st.none() | chosen) for _ in range(draw(st.integers(1, 5)))]
        targets = ["ignore" if e is None else {"any": sorted(e)} for e in expressions]
        kind = "box" if box else "pixel"
        records = [
            {"row": row, "native_id": row or None, "native_name": f"l{row}", "target": target, "supervision": kind}
            for row, target in enumerate(["ignore", *targets])
        ]
        meanings = [set().union(*(names_below(tree, tree.node(n)) for n in e or ())) for e in expressions]
        mappings.append(LabelMapping.from_records(tree, f"d{number}", records))
        datasets.append(Dataset(f"d{number}", box, meanings))
    return World(tree, datasets, mappings, draw(st.sampled_from(BOXES)), draw(st.booleans()))


def names_below(tree: Taxonomy, node: Node) -> set[str]:
    """Names of the leaves at or below a node."""
    if not node.children:
        return {node.name}
    return set().union(*(names_below(tree, tree.nodes[c]) for c in node.children))


def allowed(world: World, dataset: Dataset, meaning: set[str]) -> dict[str, set[str]]:
    """Inner node -> names of the children that a label allows there, where it teaches."""
    found = said(world, dataset, meaning)
    return {node: children for node, children in found.items() if node not in left_out(world, dataset)}


def left_out(world: World, dataset: Dataset) -> set[str]:
    """The inner nodes of which boxes are not taught, because one child fits all that their dataset says."""
    if not dataset.box or world.lone_boxes:
        return set()
    sets = [said(world, dataset, meaning) for meaning in dataset.meanings]
    return {node for found in sets for node in found if set.intersection(*(s[node] for s in sets if node in s))}


def said(world: World, dataset: Dataset, meaning: set[str]) -> dict[str, set[str]]:
    """The same for a label alone, whatever else its dataset says."""
    tree = world.tree
    found: dict[str, set[str]] = {}
    for node in tree.nodes:  # depth first, so the last one found is the deepest: all lie on one path
        if node.children and meaning and meaning <= names_below(tree, node):
            children = [tree.nodes[c] for c in node.children]
            allowed_here = {c.name for c in children if names_below(tree, c) & meaning}
            if len(allowed_here) < len(children):
                found[node.name] = allowed_here
    if dataset.box:
        deepest = list(found)[-1:]
        kept = deepest if world.boxes == "own" else list(found)
        return {name: found[name] for name in kept if name != "root"}
    return found


def teaching(world: World) -> dict[str, list[tuple[Dataset, set[str]]]]:
    """Inner node -> every label that teaches it: its dataset and the children that it allows."""
    found = defaultdict(list)
    for dataset in world.datasets:
        for meaning in dataset.meanings:
            for node, children in allowed(world, dataset, meaning).items():
                found[node].append((dataset, children))
    return found


def run(world: World) -> LintReport:
    """What lint says."""
    return lint_mappings(world.tree, world.mappings, world.boxes, lone_boxes=world.lone_boxes)


def findings(report: LintReport, rule: str) -> set[tuple[Any, ...]]:
    """(dataset, name of the node, child) of all findings of a rule."""
    return {
        (f.dataset, f.node.rsplit("/", 1)[-1] if f.node else None, child)
        for f in report.findings
        if f.rule == rule
        for child in f.children or (None,)
    }


def children_of(world: World) -> dict[str, list[str]]:
    """Inner node -> names of its children, where there are at least two."""
    tree = world.tree
    return {n.name: [tree.nodes[c].name for c in n.children] for n in tree.nodes if len(n.children) > 1}


@given(worlds())
@settings(max_examples=100)
def test_the_table_says_who_teaches_what(world: World) -> None:
    lessons = teaching(world)
    for entry, node in zip(run(world).supervision.to_list(), [n for n in world.tree.nodes if n.children], strict=True):
        assert entry["classifier"] == node.path
        expected: dict[str, dict[str, str]] = {}
        for child in (world.tree.nodes[c].name for c in node.children):
            expected[child] = {}
            for dataset in world.datasets:
                sets = [s for d, s in lessons[node.name] if d is dataset and child in s]
                if {child} in sets:
                    expected[child][dataset.name] = "weak" if dataset.box else "strong"
                elif sets:
                    expected[child][dataset.name] = "partial"
        assert entry["children"] == expected


@given(worlds())
@settings(max_examples=100)
def test_children_that_nobody_teaches_are_found(world: World) -> None:
    report, lessons = run(world), teaching(world)
    untaught, alike, from_boxes = set(), set(), set()
    for node, children in children_of(world).items():
        for child in children:
            sets = [s for _, s in lessons[node] if child in s]
            exact = {d.box for d, s in lessons[node] if s == {child}}
            if not sets:
                untaught.add((None, node, child))
            elif not exact and any(all(other in s for s in sets) for other in children if other != child):
                alike.add((None, node, child))
            elif exact == {True}:
                from_boxes.add((None, node, child))
    assert findings(report, "no-signal") == untaught
    assert findings(report, "inseparable") == alike
    assert findings(report, "only-boxes") == from_boxes


@given(worlds())
@settings(max_examples=120)
def test_a_constant_answer_that_costs_a_dataset_nothing_is_found(world: World) -> None:
    report, lessons = run(world), teaching(world)
    expected = {}
    for node, children in children_of(world).items():

        def free(who: list[Dataset], node: str = node, children: list[str] = children) -> list[str]:
            """The constant answers that no label of some datasets contradicts."""
            sets = [s for d, s in lessons[node] if d in who]
            return [c for c in children if sets and all(c in s for s in sets)]

        for dataset in world.datasets:
            always = free([dataset])
            if always:
                severity = "error" if free(world.datasets) else "warning" if len(always) == 1 else "info"
                expected[dataset.name, node] = (severity, tuple(always))
    got = {
        (f.dataset, (f.node or "").rsplit("/", 1)[-1]): (f.severity, f.children)
        for f in report.findings
        if f.rule == "one-child"
    }
    assert got == expected


@given(worlds())
@settings(max_examples=120)
def test_boxes_that_are_left_out_are_noted(world: World) -> None:
    expected = {
        (dataset.name, node, child)
        for dataset in world.datasets
        for node in left_out(world, dataset)
        for meaning in dataset.meanings
        for child in said(world, dataset, meaning).get(node, ())
    }
    assert findings(run(world), "lone-box") == expected


@given(worlds())
@settings(max_examples=100)
def test_labels_that_train_nothing_or_the_same_are_found(world: World) -> None:
    report = run(world)
    unused, same = set(), set()
    for dataset in world.datasets:
        groups = defaultdict(list)
        for number, meaning in enumerate(dataset.meanings, 1):
            if meaning:
                groups[frozenset(meaning)].append(f"l{number}")
                if not allowed(world, dataset, meaning):
                    unused.add((dataset.name, f"l{number}"))
        same |= {(dataset.name, *labels) for labels in groups.values() if len(labels) > 1}
    assert {(f.dataset, *f.labels) for f in report.findings if f.rule == "unused-label"} == unused
    assert {(f.dataset, *f.labels) for f in report.findings if f.rule == "same-meaning"} == same


@given(worlds())
@settings(max_examples=100)
def test_what_the_tree_alone_does_wrong_is_found(world: World) -> None:
    tree, report = world.tree, run(world)
    says = {
        leaf.name: tree.nodes[leaf.mirror].name for leaf in tree.leaves if leaf.mirror is not None and leaf.mirror >= 0
    }
    wrong = {a for a, b in says.items() if a != b and says.get(b) != a}
    assert {(f.node or "").rsplit("/", 1)[-1] for f in report.findings if f.rule == "mirror-pair"} == wrong
    alone = {n.path for n in tree.nodes if len(n.children) == 1}
    assert {f.node for f in report.findings if f.rule == "lone-child"} == alone
    assert not findings(report, "same-colour"), "colours that nobody chose differ"
    assert not findings(report, "stale-acceptance")
    assert report.fails(strict=True) == any(f.severity != "info" for f in report.findings)
    assert report.fails(strict=False) == any(f.severity == "error" for f in report.findings)
