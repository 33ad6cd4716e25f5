"""Native names taken apart into words and paths, and spelling mistakes."""

from __future__ import annotations

import pytest

from labelforge.draft.names import joined_parts, key_of, parse_name, words_of
from labelforge.draft.spelling import Speller
from labelforge.draft.thesaurus import Thesaurus
from labelforge.draft.vocabulary import Vocabulary
from labelforge.mapping import LabelMapping
from labelforge.taxonomy import Taxonomy

ONE_KEY = {
    "traffic light": "trafficlight",
    "TrafficLights": "trafficlight",
    "traffic_light": "trafficlight",
    "TRAFFIC-LIGHT": "trafficlight",
    "trafficlight": "trafficlight",
    "Buses": "bus",
    "bus": "bus",
    "grass": "grass",
    "people": "person",
    "Houses": "house",
    "benches": "bench",
    "boxes": "box",
    "lorries": "lorry",
    "SUVPickupTruck": "suvpickuptruck",
    "speed limit 20": "speedlimit20",
    "SpeedLimit20": "speedlimit20",
    "Grau & Straße": "graustraße",
}


@pytest.mark.parametrize("text", ONE_KEY)
def test_ways_of_writing_have_one_key(text: str) -> None:
    assert key_of(words_of(text)) == ONE_KEY[text]


PATHS = {
    "vehicle.bus.bendy": (("vehicle",), ("bus",), ("bendy",)),
    "construction--flat--bike-lane": (("construction",), ("flat",), ("bike", "lane")),
    "Animals - Bird": (("animal",), ("bird",)),
    "Painted driv. instr.": (("painted", "driv", "instr"),),
    "traffic-sign": (("traffic", "sign"),),
    "Car 2": (("car",),),
    "speed limit 20": (("speed", "limit", "20"),),
    "2": (("2",),),
    "...": (),
}


@pytest.mark.parametrize("text", PATHS)
def test_paths_are_taken_apart(text: str) -> None:
    assert parse_name(text).path == PATHS[text]


def test_joined_names_are_taken_apart() -> None:
    assert joined_parts("Obstacles / trash") == (("obstacle",), ("trash",))
    assert joined_parts("car, van or truck & bus") == (("car",), ("van",), ("truck",), ("bus",))
    assert joined_parts("corridor") == (("corridor",),)


@pytest.fixture(scope="module")
def speller() -> Speller:
    """One that knows the words of the shipped mappings."""
    tree = Taxonomy.load("streets")
    mappings = [LabelMapping.load(tree, name) for name in LabelMapping.available(tree)]
    return Speller(Vocabulary(tree, mappings, Thesaurus.shipped()))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("trafic light", "traffic light"),
        ("pedestrain", "pedestrian"),
        ("vegitation", "vegetation"),
        ("bycicle", "bicycle"),
        ("siderwalk", "sidewalk"),
        ("trafficlihgt", "trafficlight"),
        ("motocycle", "motorcycle"),
    ],
)
def test_slips_of_the_pen_are_read(speller: Speller, wrong: str, right: str) -> None:
    assert speller.correct(tuple(wrong.split())) == tuple(right.split())


@pytest.mark.parametrize("word", ["trunk", "brain", "coat", "ridge", "flower", "house", "tran", "xylophone"])
def test_other_words_are_no_slips(speller: Speller, word: str) -> None:
    assert speller.correct((word,)) in (None, (word,))
