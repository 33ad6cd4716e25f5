"""What labels are proposed to mean: which evidence counts, what other labels take, and what is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from labelforge.draft import Proposal, Sureness
from labelforge.draft.measure import OUTCOMES, are_twins, compare, leave_one_out
from labelforge.draft.proposal import draft, shortest_expression
from labelforge.draft.thesaurus import Thesaurus
from labelforge.draft.vocabulary import Vocabulary
from labelforge.draft.voting import vote
from labelforge.expression import LabelTarget, compile_expression
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy
from labelforge.yamlfile import KeyPath
from tests.draft.known_lists import DRAFTED_ONCE, HELD_OUT, LATER, measure

CITYSCAPES = [
    "road",
    "sidewalk",
    "building",
    "wall",
    "bridge",
    "fence",
    "pole",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
]


@pytest.fixture(scope="module")
def tree() -> Taxonomy:
    return Taxonomy.load("streets")


@pytest.fixture(scope="module")
def mappings(tree: Taxonomy) -> list[LabelMapping]:
    return [LabelMapping.load(tree, name) for name in LabelMapping.available(tree)]


def leaves(tree: Taxonomy, expression: object) -> frozenset[int]:
    def fail(at: KeyPath, what: str, cure: str | None) -> None:
        raise AssertionError(what)

    return compile_expression(tree, expression, (), fail).leaves  # type: ignore[arg-type]  # fail always raises


def proposed(tree: Taxonomy, mappings: Sequence[LabelMapping], name: str, beside: Sequence[str] = ()) -> Proposal:
    return draft(tree, mappings, [*(other for other in beside if other != name), name])[-1]


MEANT = {
    # the same name, however it is written
    "TrafficLights": ("traffic light", "SURE"),
    "fire_hydrant": ("fire hydrant", "SURE"),
    # synonyms and abbreviations
    "lorry": ({"any": ["truck", "pickup", "truck trailer"]}, "LIKELY"),
    "dustbin": ("trash can", "LIKELY"),
    "veg": ("vegetation", "LIKELY"),
    "TL": ("traffic light", "LIKELY"),
    # something more general, or for several things
    "excavator": ("utility vehicle", "LIKELY"),
    "sign": ({"any": ["traffic sign", "signage"]}, "LIKELY"),
    # fewer words, other order
    "white traffic cone": ("traffic cone", "LIKELY"),
    "TrafficCone_01": ("traffic cone", "LIKELY"),
    "raised-rail": ("raised rail", "SURE"),
    "rail_raised": ("raised rail", "LIKELY"),
    "SM_Tree_01": ("tree", "CHECK"),
    # paths
    "vehicle.bus.bendy": ("bus", "LIKELY"),
    "vehicle.construction": ("utility vehicle", "LIKELY"),
    "static_object.bicycle_rack": ("bike rack", "LIKELY"),
    "object--sign--store": ("store sign", "LIKELY"),
    "object--traffic-light--pedestrians": ("pedestrian light", "LIKELY"),
    "marking--discrete--symbol--bicycle": ("bicycle symbol", "LIKELY"),
    "Vehicle_Bus": ("bus", "LIKELY"),
    # the last word, or both
    "overhead sign": ({"any": ["traffic sign", "signage"]}, "CHECK"),
    "bus/tram": ({"any": ["bus", "rail vehicle"]}, "CHECK"),
    # spelling
    "trafic light": ("traffic light", "CHECK"),
    "vegitation": ("vegetation", "CHECK"),
    # words that are two things: the one that most lists mean
    "construction": ("construction", "CHECK"),
    # one odd mapping against what others say of its synonyms
    "bush": ("plant", "LIKELY"),
    "barrel": ("traffic device", "LIKELY"),
    # what is painted, in either way; a sign of the same name is not meant
    "pedestrian crossing": ({"any": ["zebra crossing", "crosswalk plain"]}, "LIKELY"),
    "crosswalk": ({"any": ["zebra crossing", "crosswalk plain"]}, "LIKELY"),
    # near, but no kind of it; a part of it
    "helicopter": ("airplane", "CHECK"),
    "bicycle wheel": ("bicycle", "CHECK"),
    "tree_root": ("tree", "CHECK"),
    # signs, by what they say
    "no parking sign": ("prohibitory sign", "CHECK"),
    "traffic-sign--no-parking": ("prohibitory sign", "CHECK"),
    "no entry sign": ("no entry", "LIKELY"),
    "pedestrian crossing sign": ("pedestrian crossing", "LIKELY"),
    "parking lot sign": ({"any": ["traffic sign", "signage"]}, "CHECK"),
    # a first word that only says that a label follows
    "TYPE_VAN": ("van", "SURE"),
    "class_trailer": ({"any": ["trailer", "truck trailer"]}, "LIKELY"),
    # a thing and what it is one of; several things in a row; a word run together with one that adds nothing
    "van vehicle": ("van", "LIKELY"),
    "TrainBusBoat": ({"any": ["rail vehicle", "bus", "boat"]}, "CHECK"),
    "mobilebarrier": ("road barrier", "CHECK"),
    "vegetationany": ("vegetation", "CHECK"),
    # abbreviations of which the long words have to be explained in turn
    "RdMkgsDriv": ("lane marking", "LIKELY"),
    # what something is not
    "lane marking (non-drivable)": ("lane marking", "CHECK"),
    "non-drivable ground": ({"any": ["walkable", "railway", "playing field", "terrain", "water"]}, "CHECK"),
    # only the last word says something: what it is at least
    "swaying obj.": ("object", "CHECK"),
    "lattice structure": ("construction", "CHECK"),
    "restricted area": ({"any": ["flat", "terrain", "snow", "water"]}, "CHECK"),
    "archway": ("construction", "LIKELY"),
}


@pytest.mark.parametrize("name", MEANT)
def test_evidence_and_how_sure_it_is(tree: Taxonomy, mappings: list[LabelMapping], name: str) -> None:
    expression, sureness = MEANT[name]
    found = proposed(tree, mappings, name, CITYSCAPES)
    assert found.leaves == leaves(tree, expression)
    assert found.sureness.name == sureness
    assert found.why


NOT_MEANT = {
    "parking meter": "parking space",
    "bus stop": "bus",
    "traffic sign frame": "traffic sign",
    "bicycle rack": "bicycle",
    "train station": "rail vehicle",
    "car mount": "car",
    "sign back": "traffic sign/front",
    "car wash": "car",
    "toy car": "car",
    "bus lane": "bus",
    "garage door": "garage",
    "tree house": "tree",
    "water bottle": "water",
    "trunk": "truck",
    "horse chestnut": "horse",
    "traffic light pole": "street light",
    "pedestrian bridge": "person",
    "truck.stop": "stop",
    "flat roof": "flat",
    "smallmouth": "person",
    "greenhorn": "animal",
    "pedestrian object": "object",
    "toy object": "object",
    "not a car": "car",
}


@pytest.mark.parametrize("name", NOT_MEANT)
def test_words_that_only_look_alike(tree: Taxonomy, mappings: list[LabelMapping], name: str) -> None:
    found = proposed(tree, mappings, name, CITYSCAPES)
    assert not leaves(tree, NOT_MEANT[name]) & found.leaves or (
        name == "traffic light pole" and leaves(tree, "pole") <= found.leaves
    )


@pytest.mark.parametrize(
    "name", ["frobnicator", "bus stop", "car wash", "toy car", "log", "no sign", "type", "...", "  -- "]
)
def test_what_is_not_known_is_left_to_decide(tree: Taxonomy, mappings: list[LabelMapping], name: str) -> None:
    found = proposed(tree, mappings, name, CITYSCAPES)
    assert found.sureness == Sureness.TODO
    assert found.expression == {"ignore": "TODO: nothing is known of this name"}


IGNORED = [
    "void",
    "Unlabeled",
    "DontCare",
    "ignore",
    "background",
    "other objects",
    "license plate",
    "Obstacles / trash",
    "TYPE_UNDEFINED",
    "TYPE_STATIC",
    "TYPE_DYNAMIC",
    "ignored regions",
]


@pytest.mark.parametrize("name", IGNORED)
def test_names_for_nothing_are_ignored_with_a_reason(tree: Taxonomy, mappings: list[LabelMapping], name: str) -> None:
    found = proposed(tree, mappings, name, CITYSCAPES)
    assert found.leaves == frozenset()
    assert isinstance(found.expression, dict)
    assert found.expression["ignore"].strip()
    assert not found.expression["ignore"].startswith("TODO")


def test_siblings_of_the_list_are_taken_out_of_a_union(tree: Taxonomy, mappings: list[LabelMapping]) -> None:
    alone = proposed(tree, mappings, "car", CITYSCAPES)
    assert alone.leaves == leaves(tree, {"any": ["car", "van"]})
    assert proposed(tree, mappings, "car", [*CITYSCAPES, "van"]).leaves == leaves(tree, "car")
    road = proposed(tree, mappings, "road", CITYSCAPES).leaves
    beside = proposed(tree, mappings, "road", [*CITYSCAPES, "lane marking"]).leaves
    assert road - beside == leaves(tree, "lane marking")


def test_others_are_what_has_no_label_of_its_own(tree: Taxonomy, mappings: list[LabelMapping]) -> None:
    found = proposed(tree, mappings, "other-vehicle", ["car", "bus", "bicycle", "motorcycle"])
    assert found.leaves == leaves(tree, "vehicle") - leaves(tree, {"any": ["car", "bus", "two-wheeler"]})
    assert proposed(tree, mappings, "Animals - Other", ["Animals - Bird"]).leaves == leaves(tree, "ground animal")


def test_who_rides_holds_what_is_ridden_where_that_has_no_label(tree: Taxonomy, mappings: list[LabelMapping]) -> None:
    both = leaves(tree, {"any": ["bicyclist", "bicycle"]})
    assert proposed(tree, mappings, "Cyclist", ["Car", "Pedestrian"]).leaves == both
    assert proposed(tree, mappings, "Cyclist", ["Car", "Pedestrian", "Bicycle"]).leaves == leaves(tree, "bicyclist")
    assert proposed(tree, mappings, "vehicle.bicycle", ["human.pedestrian.adult"]).leaves == both
    assert proposed(tree, mappings, "bicycle", ["person"]).leaves == leaves(tree, "bicycle")


def test_a_list_of_signs_is_read_as_signs(tree: Taxonomy, mappings: list[LabelMapping]) -> None:
    others = [mapping for mapping in mappings if mapping.dataset != "gtsdb"]
    signs = [
        "stop",
        "no entry",
        "give way",
        "keep left",
        "uneven road",
        "bend left",
        "bend right",
        "no trucks",
        "construction",
        "animals",
    ]
    found = {p.name: p.expression for p in draft(tree, others, signs)}
    assert (found["construction"], found["animals"]) == ("construction ahead", "animals crossing")
    said = {"noLeftTurn": "prohibitory sign", "stopAhead": "danger sign", "rightLaneMustTurn": "mandatory sign"}
    found = {p.name: p.expression for p in draft(tree, others, [*signs, *said])}
    assert {name: found[name] for name in said} == said


def test_a_name_of_a_part_that_the_list_is_not_about_is_left_to_decide(
    tree: Taxonomy, mappings: list[LabelMapping]
) -> None:
    """A box is a household item in a room, and a roundabout is a sign beside signs."""
    assert proposed(tree, mappings, "box", CITYSCAPES).sureness == Sureness.TODO
    assert proposed(tree, mappings, "box", [*CITYSCAPES, "pillow"]).leaves == leaves(tree, "household item")
    assert proposed(tree, mappings, "roundabout", ["plane", "ship", "bridge"]).sureness == Sureness.TODO
    assert proposed(tree, mappings, "roundabout", ["stop sign", "yield sign"]).leaves == leaves(tree, "roundabout")


def test_a_name_of_a_hundred_words_is_read_at_once(tree: Taxonomy, mappings: list[LabelMapping]) -> None:
    """Names in a row are found without trying every way to cut a phrase."""
    assert proposed(tree, mappings, "car " * 50).leaves == leaves(tree, {"any": ["car", "van"]})


def test_who_is_joined_does_not_depend_on_the_order_of_pairs(tree: Taxonomy, mappings: list[LabelMapping]) -> None:
    """A label of two-wheelers and cars holds both kinds of riders where none has a label, not the first one alone."""
    others = [mapping for mapping in mappings if mapping.dataset != "a2d2-38"]
    found = proposed(tree, others, "small vehicle", ["pedestrian", "truck"]).leaves
    riders = leaves(tree, {"any": ["bicyclist", "motorcyclist"]})
    assert found & riders in (frozenset(), riders)


def test_what_a_mapping_reads_more_widely_is_not_sure(tree: Taxonomy, mappings: list[LabelMapping]) -> None:
    found = proposed(tree, mappings, "building", [*CITYSCAPES, "tunnel"])
    assert "some hold" in found.why
    assert found.sureness == Sureness.LIKELY


def test_groups_mean_what_their_members_do(tree: Taxonomy, mappings: list[LabelMapping]) -> None:
    found = {p.name: p.leaves for p in draft(tree, mappings, [*CITYSCAPES, "polegroup", "car_groups"])}
    assert found["car_groups"] == found["car"]
    assert found["polegroup"] >= found["pole"]


def test_a_tree_without_mappings_is_drafted_from_its_names() -> None:
    tree = Taxonomy.parse("name: small\ntree:\n  all:\n    vehicle: [automobile, bicycle]\n    road:\n    person:\n")
    found = draft(tree, [], ["Roads", "sedan", "pedestrian", "Vehicle", "zebra"])
    assert [p.expression for p in found[:4]] == ["road", "automobile", "person", "vehicle"]
    assert found[4].sureness == Sureness.TODO
    assert proposed(tree, [], "other vehicle", ["car"]).expression == "bicycle"


def test_every_proposal_is_an_expression_of_its_leaves(tree: Taxonomy) -> None:
    for measured in leave_one_out(tree):
        for label in measured.labels:
            assert leaves(tree, label.proposal.expression) == label.proposal.leaves


def test_the_shortest_expression_means_the_leaves(tree: Taxonomy, mappings: list[LabelMapping]) -> None:
    for mapping in mappings:
        for row in mapping.rows:
            if row.target.leaves:
                short = shortest_expression(tree, row.target.leaves)
                assert leaves(tree, short) == row.target.leaves


def test_a_vote_goes_by_mappings_in_the_same_situation() -> None:
    tree = Taxonomy.parse("name: t\ntree:\n  all: [car, van, bus]\n")

    def mapping(name: str, **labels: str) -> LabelMapping:
        records: list[dict[str, Any]] = [
            {"row": 0, "native_id": None, "native_name": "", "target": "ignore", "supervision": "pixel"}
        ]
        for i, (label, nodes) in enumerate(labels.items()):
            target = {"any": nodes.split("|")}
            records.append({**records[0], "row": i + 1, "native_id": i, "native_name": label, "target": target})
        return LabelMapping.from_records(tree, name, records)

    joint = [mapping(f"joint{i}", car="car|van", bus="bus") for i in range(3)]
    apart = mapping("apart", car="car", van="van", bus="bus")
    vocabulary = Vocabulary(tree, [*joint, apart], Thesaurus.shipped())
    readings = vocabulary.readings(("car",))
    assert vote(vocabulary, readings, frozenset()).leaves == leaves(tree, {"any": ["car", "van"]})
    assert vote(vocabulary, readings, leaves(tree, "van")).leaves == leaves(tree, "car")


def test_comparing_with_what_is_true(tree: Taxonomy) -> None:
    road, flat, car, whole = (leaves(tree, name) for name in ("road", "flat", "car", "scene"))
    nothing: frozenset[int] = frozenset()

    def outcome(proposal: frozenset[int], truth: frozenset[int], sureness: Sureness = Sureness.SURE) -> str:
        return compare(tree, Proposal("x", proposal, "", sureness, ""), [truth])

    assert [outcome(road, road), outcome(flat, road), outcome(road, flat), outcome(car, road)] == [
        *("exact", "coarser", "wrong", "wrong")
    ]
    assert [outcome(whole, road), outcome(whole, whole)] == ["wrong", "exact"]
    assert [outcome(nothing, nothing), outcome(nothing, road), outcome(road, nothing)] == ["exact", "wrong", "wrong"]
    assert outcome(nothing, nothing, Sureness.TODO) == "unknown"


def test_twins_are_releases_of_one_dataset(mappings: list[LabelMapping]) -> None:
    twins = {(a.dataset, b.dataset) for a in mappings for b in mappings if a.dataset < b.dataset and are_twins(a, b)}
    assert twins == {
        ("bdd100k", "bdd100k-boxes"),
        ("bdd100k", "bdd100k-panoptic"),
        ("bdd100k-boxes", "bdd100k-panoptic"),
        ("camvid-11", "camvid-32"),
        ("cityscapes", "kitti"),
        ("coco-panoptic-133", "coco-stuff-171"),
        ("mapillary-vistas-1.2", "mapillary-vistas-2.0"),
        ("wilddash-2", "wilddash-2-80"),
    }


def test_lists_of_other_datasets_are_drafted_as_people_would(tree: Taxonomy) -> None:
    """Most labels right, nearly none wrong, in the lists that weights were chosen on and in those kept aside."""
    found = measure(tree)
    first = {measured.dataset for measured in found} - {*HELD_OUT, *LATER, *DRAFTED_ONCE}
    for lists, right in ((first, 0.94), (HELD_OUT, 0.94), (LATER, 0.90), (DRAFTED_ONCE, 0.80)):
        labels = [label.outcome for m in found if m.dataset in lists for label in m.labels]
        share = {outcome: labels.count(outcome) / len(labels) for outcome in OUTCOMES}
        assert share["exact"] >= 0.75
        assert share["exact"] + share["coarser"] >= right
        assert share["wrong"] <= 0.03


def test_an_ignored_label_has_the_reason_that_others_give(tree: Taxonomy, mappings: list[LabelMapping]) -> None:
    found = proposed(tree, mappings, "rectification border", CITYSCAPES)
    assert LabelTarget(frozenset(), found.expression).text == "ignore"
    assert found.expression == {"ignore": "no part of the scene"}
