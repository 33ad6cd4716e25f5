"""Names and numbers of answers: of nodes as the tree says, of groups from their leaves alone."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from labelforge.answers import answer_ids, cover, name_of, node_ids
from labelforge.expression import compile_expression
from labelforge.taxonomy import Taxonomy
from labelforge.yamlfile import KeyPath
from tests.core.random_trees import trees


def leaves_of(tree: Taxonomy, text: str) -> frozenset[int]:
    """What a name means, read as a label expression."""
    parts, _, minus = text.partition(" except ")

    def fail(at: KeyPath, what: str, cure: str | None) -> None:
        raise AssertionError((at, what, cure))

    expression: dict[str, object] = {"any": parts.split(" | ")}
    if minus:
        expression["except"] = minus.split(", ")
    return compile_expression(tree, expression, (), fail).leaves  # type: ignore[arg-type]


@given(trees(), st.data())
@settings(max_examples=200)
def test_a_name_means_its_leaves(tree: Taxonomy, data: st.DataObject) -> None:
    chosen = frozenset(data.draw(st.sets(st.integers(0, len(tree.leaves) - 1), min_size=1)))
    assert leaves_of(tree, name_of(tree, chosen)) == chosen
    nodes = cover(tree, chosen)
    assert sorted(leaf for node in nodes for leaf in node.leaves) == sorted(chosen)
    for one, other in combinations(nodes, 2):  # no fewer nodes would do
        assert one.parent is None or not all(
            set(tree.nodes[c].leaves) <= chosen for c in tree.nodes[one.parent].children
        ), (one, other)


def test_names_read_like_labels() -> None:
    tree = Taxonomy.load("streets")
    front = frozenset(tree.node("traffic sign/front").leaves)
    assert name_of(tree, front) == "object/traffic sign/front"
    walls = frozenset(leaf for n in ("building", "wall", "bridge") for leaf in tree.node(n).leaves)
    assert name_of(tree, walls) == "building | wall | bridge"
    driveable = frozenset(tree.node("driveable").leaves) - frozenset(tree.node("ground fixture").leaves)
    assert name_of(tree, driveable) == "driveable except ground fixture"


@given(trees(), st.data())
@settings(max_examples=100)
def test_ids_are_the_same_whatever_else_a_network_answers(tree: Taxonomy, data: st.DataObject) -> None:
    sets = st.frozensets(st.integers(0, len(tree.leaves) - 1), min_size=1)
    answers = data.draw(st.lists(sets, min_size=1, max_size=6, unique=True))
    together = answer_ids(tree, answers)
    assert len(set(together)) == len(answers)
    assert all(0 <= number < 65_535 for number in together)
    assert [answer_ids(tree, [one])[0] for one in answers] == list(together)
    nodes = {frozenset(node.leaves): node for node in tree.nodes}
    for leaves, number in zip(answers, together, strict=True):
        assert (number in node_ids(tree)) == (leaves in nodes)


def test_ids_of_nodes_are_their_class_ids_and_then_the_next() -> None:
    tree = Taxonomy.load("iv2018")
    found = dict(zip((node.path for node in tree.nodes), node_ids(tree), strict=True))
    assert (found["bird"], found["driveable/road"], found["traffic sign/front"]) == (0, 13, 50)
    assert [found[name] for name in ("scene", "driveable", "rider", "traffic sign")] == [108, 109, 110, 111]


def test_ids_keep_below_the_value_for_nothing() -> None:
    nested = {"name": "t", "tree": {"r": {"a": None, "b": {"c": None, "d": None}}}}
    tree = Taxonomy.from_dict({**nested, "nodes": {"a": {"id": 65_534}, "c": {"id": 0}, "d": {"id": 1}}})
    assert node_ids(tree) == (2, 65_534, 3, 0, 1)
    (group,) = answer_ids(tree, [frozenset({0, 1})])
    assert group < 65_535 and group not in node_ids(tree)
