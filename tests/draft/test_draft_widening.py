"""Things that no label of a list is for: which labels hold them, and when they are left out. In small made-up trees."""

from __future__ import annotations

import pytest

from labelforge.draft import Proposal, Sureness
from labelforge.draft.proposal import draft
from labelforge.taxonomy import Taxonomy

TREE = """
name: small
tree:
  scene:
    ground:
      road:
      walkable: [sidewalk, curb, curb cut, stairs]
    construction:
      wall:
      guard rail:
      road barrier: [concrete block, other barrier]
    object: [parking meter, curb stone heap]
    sky:
    human:
      person:
      rider: [bicyclist, motorcyclist]
    vehicle:
      two-wheeler: [bicycle, motorcycle]
      motor vehicle: [car, truck, trailer, truck trailer]
      train:
"""
WHOLE = ["road", "wall", "parking meter", "curb stone heap", "sky", "person", "bicyclist", "motorcyclist", "bicycle"]
WHOLE += ["motorcycle", "car", "truck", "train"]
"""A list of a whole scene, not a short one."""


@pytest.fixture(scope="module")
def tree() -> Taxonomy:
    return Taxonomy.parse(TREE)


def drafted(tree: Taxonomy, *names: str) -> dict[str, Proposal]:
    return {proposal.name: proposal for proposal in draft(tree, [], names)}


def held(tree: Taxonomy, proposal: Proposal) -> set[str]:
    return {tree.leaves[leaf].name for leaf in proposal.leaves}


def test_a_label_holds_what_is_named_after_it(tree: Taxonomy) -> None:
    found = drafted(tree, "trailer", "curb", "truck")
    assert held(tree, found["trailer"]) == {"trailer", "truck trailer"}
    assert held(tree, found["curb"]) == {"curb", "curb cut"}  # the heap of stones lies elsewhere in the tree
    assert held(tree, found["truck"]) == {"truck", "truck trailer"}
    assert found["curb"].sureness == Sureness.LIKELY
    assert "no label is for curb cut" in found["curb"].why


def test_what_is_named_after_a_label_and_has_its_own_is_left_out(tree: Taxonomy) -> None:
    found = drafted(tree, "trailer", "curb", "curb cut", "truck trailer")
    assert held(tree, found["trailer"]) == {"trailer"}
    assert held(tree, found["curb"]) == {"curb"}
    assert found["curb"].sureness == Sureness.SURE


def test_a_guard_rail_holds_other_barriers_where_no_label_is_for_them(tree: Taxonomy) -> None:
    """A guard rail is also called a crash barrier; a wall is not."""
    found = drafted(tree, *WHOLE, "guard rail")
    assert held(tree, found["guard rail"]) == {"guard rail", "concrete block", "other barrier"}
    assert held(tree, found["wall"]) == {"wall"}
    for other in ("road barrier", "concrete block"):
        assert held(tree, drafted(tree, *WHOLE, other, "guard rail")["guard rail"]) == {"guard rail"}


def test_a_list_of_a_part_of_the_scene_leaves_the_rest_out(tree: Taxonomy) -> None:
    found = drafted(tree, "guard rail", "car")
    assert held(tree, found["guard rail"]) == {"guard rail"}
    assert held(tree, found["car"]) == {"car"}


SHORT = ["Road", "Wall", "Sky", "Person", "Bicyclist", "Car"]


def test_in_a_short_list_the_nearest_label_holds_what_has_none(tree: Taxonomy) -> None:
    found = drafted(tree, *SHORT)
    assert held(tree, found["Car"]) == {"car", "truck", "trailer", "truck trailer", "train"}
    # two-wheelers go to their riders alone, who hold one kind already
    assert held(tree, found["Bicyclist"]) == {"bicyclist", "motorcyclist", "bicycle", "motorcycle"}
    assert held(tree, found["Person"]) == {"person"}
    assert held(tree, found["Wall"]) == {"wall", "guard rail", "concrete block", "other barrier"}
    assert {found[name].sureness for name in ("Car", "Bicyclist", "Wall")} == {Sureness.CHECK}
    assert "no label is for truck, trailer, ... (4 in all), and this one is near" in found["Car"].why
    assert found["Car"].why.endswith("; by its name alone: vehicle/motor vehicle/car")
    assert not {"parking meter", "curb stone heap"} & set().union(*(held(tree, one) for one in found.values()))


@pytest.mark.parametrize("rest", ["other", "static", "clutter"])
def test_a_list_with_a_label_for_the_rest_leaves_nothing_over(tree: Taxonomy, rest: str) -> None:
    found = drafted(tree, *SHORT, rest)
    assert held(tree, found["Car"]) == {"car"}
    assert held(tree, found["Wall"]) == {"wall"}
    assert held(tree, drafted(tree, *SHORT, "void")["Car"]) > {"car", "truck"}


def test_in_a_long_list_only_a_label_alone_in_its_node_holds_what_is_left_of_it(tree: Taxonomy) -> None:
    assert held(tree, drafted(tree, *WHOLE, "trailer", "truck trailer")["truck"]) == {"truck"}
    ground = Taxonomy.parse(TREE.replace("sidewalk, curb, curb cut, stairs", "sidewalk, stairs"))
    assert held(ground, drafted(ground, *WHOLE, "sidewalk")["sidewalk"]) == {"sidewalk", "stairs"}
    quarter = drafted(tree, *WHOLE, "sidewalk")["sidewalk"]
    assert held(tree, quarter) == {"sidewalk"}
    half = [name for name in [*WHOLE, "truck trailer"] if name != "curb stone heap"]
    assert held(tree, drafted(tree, *half)["parking meter"]) == {"parking meter"}  # main branches hold all sorts


def test_labels_that_are_not_understood_are_said_where_others_are_widened(tree: Taxonomy) -> None:
    assert "this one is near; by its" in drafted(tree, *SHORT)["Car"].why
    assert "this one is near (unless a label that is TODO is for it); by its" in drafted(tree, *SHORT, "xqz")["Car"].why
