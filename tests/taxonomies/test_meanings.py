"""The datasets' own texts, held against the mappings: sentences as facts, and a table that others published."""

from __future__ import annotations

import itertools

import pytest

from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Node, Taxonomy
from tests.taxonomies.rvc_table import JOINED, LABEL_SPACES
from tests.taxonomies.wilddash_policy import POLICY

MEANING = dict[str, dict[str, frozenset[int]]]


@pytest.fixture(scope="module")
def tree() -> Taxonomy:
    return Taxonomy.load("streets")


@pytest.fixture(scope="module")
def meaning(tree: Taxonomy) -> MEANING:
    """Dataset -> native label -> leaf set."""
    names = LabelMapping.available(tree)
    return {name: {r.native_name: r.target.leaves for r in LabelMapping.load(tree, name).rows[1:]} for name in names}


CITYSCAPES = "cityscapes-dataset.com, dataset overview, class definitions"
BDD = "BDD100K, annotation instructions, instance segmentation"
COCO = "COCO-Stuff, labels.md"
ADE = "ADEChallengeData2016, objectInfo150.txt"
WILDDASH = "WildDash 2, configuration of the benchmark"
IN, NOT = True, False
FACTS = [
    # dataset, label, node, whether the label can show it, the sentence, where it is written
    ("cityscapes", "road", "marked parking space", IN, "Areas only delimited by markings are also road", CITYSCAPES),
    ("cityscapes", "road", "bike lane", IN, "e.g. bicycle lanes, roundabout lanes, or parking spaces", CITYSCAPES),
    ("cityscapes", "road", "lane marking", IN, "Including the markings on the road", CITYSCAPES),
    (
        "cityscapes",
        "road",
        "tramway",
        IN,
        "tram rail tracks are usually drivable and therefore part of road",
        CITYSCAPES,
    ),
    ("cityscapes", "road", "curb", NOT, "This label does not include curbs", CITYSCAPES),
    ("cityscapes", "parking", "marked parking space", NOT, "Different texture than road", CITYSCAPES),
    ("cityscapes", "parking", "driveway", IN, "Parking lots and driveways", CITYSCAPES),
    ("cityscapes", "sidewalk", "curb", IN, "This label includes a possibly delimiting curb", CITYSCAPES),
    ("cityscapes", "sidewalk", "traffic island", IN, "traffic islands (the walkable part)", CITYSCAPES),
    ("cityscapes", "sidewalk", "pedestrian area", IN, "or pedestrian zones", CITYSCAPES),
    ("cityscapes", "rail track", "tramway", NOT, "All kind of rail tracks that are non-drivable by cars", CITYSCAPES),
    ("cityscapes", "ground", "water", IN, "that do not match any of the above, for example water", CITYSCAPES),
    ("cityscapes", "person", "belongings", IN, "anything that is carried by the person", CITYSCAPES),
    ("cityscapes", "rider", "belongings", NOT, "riders/drivers of bicycle, motorbike, scooter", CITYSCAPES),
    ("cityscapes", "car", "van", IN, "Car, jeep, SUV, van with continuous body shape", CITYSCAPES),
    ("cityscapes", "truck", "pickup", IN, "Truck, box truck, pickup truck", CITYSCAPES),
    ("cityscapes", "truck", "truck trailer", IN, "Including their trailers", CITYSCAPES),
    ("cityscapes", "trailer", "truck trailer", NOT, "truck trailers are labeled truck", CITYSCAPES),
    (
        "cityscapes",
        "building",
        "garage",
        IN,
        "Building, skyscraper, house, bus stop building, garage, car port",
        CITYSCAPES,
    ),
    ("cityscapes", "building", "shelter", IN, "Building, skyscraper, house, bus stop building, garage", CITYSCAPES),
    ("cityscapes", "guard rail", "concrete block", IN, "All types of guard rails/crash barriers", CITYSCAPES),
    ("cityscapes", "pole", "street light", IN, "things mounted at the pole might also be labeled pole", CITYSCAPES),
    ("cityscapes", "traffic sign", "back", NOT, "Only the front side. The back side is static", CITYSCAPES),
    (
        "cityscapes",
        "traffic sign",
        "parking sign",
        IN,
        "e.g. traffic signs, parking signs, direction signs",
        CITYSCAPES,
    ),
    ("bdd100k", "traffic sign", "back", IN, "The front side and back side of a sign", BDD),
    ("bdd100k", "traffic sign", "front", IN, "The front side and back side of a sign", BDD),
    ("bdd100k", "road", "marked parking space", IN, "Areas only delimited by markings are also road", BDD),
    ("bdd100k", "truck", "truck trailer", IN, "Truck, box truck, pickup truck. Including their trailers", BDD),
    ("bdd100k", "person", "belongings", IN, "anything that is carried by the person", BDD),
    ("bdd100k-panoptic", "traffic sign", "back", IN, "The front side and back side of a sign", BDD),
    ("bdd100k-panoptic", "traffic device", "traffic device", IN, "Speed camera and other non-signal devices", BDD),
    ("bdd100k-panoptic", "road", "marked parking space", IN, "Areas only delimited by markings are also road", BDD),
    ("bdd100k-panoptic", "truck", "truck trailer", IN, "Truck, box truck, pickup truck. Including their trailers", BDD),
    ("bdd100k-panoptic", "trailer", "truck trailer", NOT, "truck trailers are labeled truck", BDD),
    ("bdd100k-panoptic", "person", "belongings", IN, "anything that is carried by the person", BDD),
    ("bdd100k-panoptic", "pole", "street light", NOT, "only the light parts should be labeled as street light", BDD),
    ("bdd100k-panoptic", "ground", "water", IN, "elevated parts of traffic islands, water", BDD),
    ("wilddash-2", "road-marking", "zebra crossing", IN, "including pedestrian crossing lines", WILDDASH),
    ("wilddash-2", "road-marking", "hatching", IN, "and hatched lines", WILDDASH),
    ("wilddash-2", "billboard", "advertisement", IN, "sign boards, advertisements, etc.", WILDDASH),
    ("coco-panoptic-133", "light", "street light", IN, "A source of illumination, especially a lamp", COCO),
    ("coco-panoptic-133", "light", "household item", IN, "(excl. sunlight, incl. ceiling lights)", COCO),
    ("coco-panoptic-133", "banner", "advertisement", IN, "Any large sign, often seen in advertising", COCO),
    ("coco-panoptic-133", "road", "unpaved road", NOT, "A paved way (excl. dirt paths, pavements)", COCO),
    ("coco-panoptic-133", "platform", "platform", IN, "A raised level surface (incl. railroad platform)", COCO),
    ("coco-panoptic-133", "water-other", "river", NOT, "excl. river, waterdrops, incl. lake", COCO),
    ("ade20k-150", "building", "house", IN, "building, edifice", ADE),
    ("ade20k-150", "building", "garage", IN, "building, edifice", ADE),
    ("ade20k-150", "light", "street light", IN, "light, light source", ADE),
    ("ade20k-150", "poster", "household item", IN, "poster, posting, placard, notice, bill, card", ADE),
]


@pytest.mark.parametrize(
    ("dataset", "label", "node", "shows", "sentence", "source"), FACTS, ids=[f"{f[0]}-{f[1]}-{f[2]}" for f in FACTS]
)
def test_a_label_can_show_what_its_text_says(
    tree: Taxonomy, meaning: MEANING, dataset: str, label: str, node: str, shows: bool, sentence: str, source: str
) -> None:
    (named,) = [found for found in tree.nodes if found.name == node]
    common = meaning[dataset][label] & set(named.leaves)
    assert bool(common) == shows, f"{source}: {sentence}"


EXCEPTIONS = {
    ("otherbarrier", "cityscapes"): "Cityscapes' own text puts crash barriers with guard rails",
    ("autorickshaw", "cityscapes"): "no text of Cityscapes' says so",
    ("autorickshaw", "wilddash-2"): "a motorcycle that may be an autorickshaw would be no two-wheeler for certain",
    ("dashcammount", "cityscapes"): "Cityscapes' camera has no mount in sight",
    ("dashcammount", "idd"): "no text of IDD's says so",
    ("sand", "idd"): "drivable ground that may be nature would be no ground for certain",
    ("pedestrianarea", "cityscapes"): "Cityscapes' own text makes pedestrian zones sidewalk",
    ("pedestrianarea", "idd"): "road that may be walkable would not be driveable for certain",
    ("pedestrianarea", "wilddash-2"): "road that may be walkable would not be driveable for certain",
    ("crosswalkzebra", "wilddash-2"): "the benchmark's configuration makes crossing lines road markings",
    ("curbterrain", "cityscapes"): "terrain that may be a kerb would be no nature for certain",
}
"""Lines of the published table that the mappings do not follow, each with the reason."""


def test_labels_share_a_leaf_wherever_the_authors_of_wilddash_say_that_they_meet(meaning: MEANING) -> None:
    """The authors of WildDash 2 published which label of three other label spaces each of their labels is."""
    release = meaning["wilddash-2-80"]
    assert [row[0] for row in POLICY] == list(release)
    short = {name.replace(" ", "").replace("-", ""): name for name in meaning["wilddash-2"]}
    apart = set()
    for name, vistas, idd, cityscapes, benchmark in POLICY:
        others = {"mapillary-vistas-1.2": vistas, "idd": idd, "cityscapes": cityscapes, "wilddash-2": short[benchmark]}
        for dataset, label in others.items():
            other = meaning[dataset][label]
            if release[name] and other and release[name].isdisjoint(other):
                apart.add((name, dataset))
    assert apart == set(EXCEPTIONS)


def test_labels_share_a_leaf_wherever_the_robust_vision_challenge_joined_them(tree: Taxonomy) -> None:
    """An earlier table of the same author's, for ADE20K, COCO, Cityscapes, Vistas 2.0 and WildDash 2."""
    rows = {name: {r.native_id: r for r in LabelMapping.load(tree, name).rows[1:]} for name in LABEL_SPACES}
    apart, ignored = set(), set()
    for name, native in JOINED.items():
        meanings = [
            rows[space][i].target.leaves for space, i in zip(LABEL_SPACES, native, strict=True) if i is not None
        ]
        assert len(meanings) > 1
        if any(a and b and a.isdisjoint(b) for a, b in itertools.combinations(meanings, 2)):
            apart.add(name)
        if any(meanings) and not all(meanings):
            ignored.add(name)
    assert apart == {"dirt"}  # ADE20K's is a dirt track, COCO's soil
    assert ignored == {"platform"}  # ADE20K's is a stage


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("iv2018", "cityscapes"),
        *(("streets", dataset) for dataset in ("cityscapes", "kitti", "bdd100k", "bdd100k-panoptic", "wilddash-2")),
    ],
)
def test_no_label_of_a_dataset_could_always_be_answered_as_another(name: str, dataset: str) -> None:
    """The defect that the method's authors wrote down: "parking" for every pixel of a road that may be parking.

    That is so where some classifier allows for one label all that it allows for the other and more, and no classifier
    tells the two apart. "Ground" means any ground, so it is left out.
    """
    tree = Taxonomy.load(name)
    labels = [(r.native_name, r.target.leaves) for r in LabelMapping.load(tree, dataset).rows[1:] if r.target.leaves]
    for (label, wide), (other, narrow) in itertools.permutations(labels, 2):
        asked = [(_children(tree, node, wide), _children(tree, node, narrow)) for node in tree.nodes]
        both = [(a, b) for a, b in asked if a and b]
        apart = any(not b <= a for a, b in both)
        assert label == "ground" or apart or not any(b < a for a, b in both), f"{label} could always be {other}"


def _children(tree: Taxonomy, node: Node, label: frozenset[int]) -> set[int]:
    """The children of a node that a label allows; none where it reaches out of the node or means all of it."""
    if not label <= set(node.leaves):
        return set()
    found = {child for child in node.children if not label.isdisjoint(tree.nodes[child].leaves)}
    return found if len(found) < len(node.children) else set()
