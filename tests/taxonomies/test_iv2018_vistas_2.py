"""Mapillary Vistas 2.0 in the iv2018 tree, held against release 1.2, whose evaluated classes are nodes of that tree."""

from __future__ import annotations

import pytest

from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy


@pytest.fixture(scope="module")
def tree() -> Taxonomy:
    return Taxonomy.load("iv2018")


@pytest.fixture(scope="module")
def releases(tree: Taxonomy) -> tuple[dict[str, frozenset[int]], dict[str, frozenset[int]]]:
    """Native label -> leaf set, of release 1.2 and of 2.0."""
    old, new = (LabelMapping.load(tree, f"mapillary-vistas-{release}") for release in ("1.2", "2.0"))
    return (
        {r.native_name: r.target.leaves for r in old.rows[1:]},
        {r.native_name: r.target.leaves for r in new.rows[1:]},
    )


Releases = tuple[dict[str, frozenset[int]], dict[str, frozenset[int]]]


def test_labels_of_both_releases_mean_the_same(releases: Releases) -> None:
    old, new = releases
    common = old.keys() & new.keys()
    assert len(common) == 61
    assert {name: new[name] for name in common} == {name: old[name] for name in common}


def test_labels_that_were_split_cover_what_they_were(releases: Releases) -> None:
    old, new = releases
    prefixes = {
        "human--person": "human--person--",
        "object--billboard": "object--sign--",
        "object--traffic-light": "object--traffic-light--",
        "construction--barrier--other-barrier": "construction--barrier--",
    }
    for was, prefix in prefixes.items():
        parts = [found for name, found in new.items() if name.startswith(prefix)]
        assert sum(part == old[was] for part in parts) >= 2, was
        assert all(part >= old[was] or name in old for name, part in new.items() if name.startswith(prefix)), was
    markings = old["marking--general"] | old["marking--crosswalk-zebra"]
    assert all(found <= markings for name, found in new.items() if name.startswith("marking"))
    zebras = [found for name, found in new.items() if name.endswith("crosswalk-zebra")]
    assert zebras == [old["marking--crosswalk-zebra"]] * 2


def test_signs_are_told_apart_by_their_side(tree: Taxonomy, releases: Releases) -> None:
    _, new = releases
    back, front = (frozenset(tree.node(f"traffic sign/{side}").leaves) for side in ("back", "front"))
    sides = {name.removeprefix("object--traffic-sign--"): s for name, s in new.items() if "--traffic-sign--" in name}
    assert {name for name, found in sides.items() if found == back} == {"back", "direction-back", "temporary-back"}
    assert {name for name, found in sides.items() if found == front} == {
        "front",
        "direction-front",
        "temporary-front",
        "information-parking",
    }
    assert sides["ambiguous"] == back | front


def test_only_what_the_tree_has_no_class_for_is_ignored(releases: Releases) -> None:
    _, new = releases
    assert len(new) == 124
    assert {name for name, found in new.items() if not found} == {
        "object--parking-meter",
        "object--traffic-cone",
        "object--water-valve",
        "void--dynamic",
        "void--ground",
        "void--static",
        "void--unlabeled",
    }
