"""Native names as words: what is left of a name once case, plural and ways of writing are gone.

    vehicle.bus.bendy, construction--flat--bike-lane    a path of phrases, the general before the special
    TrafficLights, traffic_light, trafficlight          one phrase, with one key: "trafficlight"

Phrases are compared by their key, the singular words run together, so that it does not matter where people put a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

Words = tuple[str, ...]

_PATH = re.compile(r"--|::|\.(?=\w)|\\|>|(?<=\s)-(?=\s)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z]{2})(?=[0-9])|(?<=[0-9])(?=[A-Z][a-z])")
_JOINED = re.compile(r"\s*(?:/|\||\+|&|,|;|\bor\b|\band\b)\s*", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_IRREGULAR = {
    "people": "person",
    "persons": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "policemen": "policeman",
    "firemen": "fireman",
    "leaves": "leaf",
    "shelves": "shelf",
    "knives": "knife",
    "buses": "bus",
    "busses": "bus",
    "oxen": "ox",
    "geese": "goose",
    "mice": "mouse",
}
_BRITISH = {"gray": "grey", "colour": "color", "tyre": "tire", "centre": "center", "aluminium": "aluminum"}
_NO_PLURAL = ("ss", "us", "is")


@dataclass(frozen=True)
class NativeName:
    """A native name, taken apart.

    Attributes:
        text: As written.
        path: Its phrases from the general to the special, each a tuple of singular words in lower case; most names have
            one. Numbers at the end that only count (``Car 2``) are left out of ``path`` if there is a word before them.
        whole: All words in one phrase, with such a number.
    """

    text: str
    path: tuple[Words, ...]
    whole: Words

    @property
    def last(self) -> Words:
        """The most special phrase."""
        return self.path[-1] if self.path else ()


@lru_cache(maxsize=65_536)
def parse_name(text: str) -> NativeName:
    """Take a native name apart."""
    phrases = tuple(found for part in _PATH.split(text) if (found := words_of(part)))
    whole = tuple(word for phrase in phrases for word in phrase)
    if phrases and len(phrases[-1]) == 2 and _counts(phrases[-1][-1]):
        phrases = (*phrases[:-1], phrases[-1][:-1])
    return NativeName(text, phrases, whole)


def words_of(text: str) -> Words:
    """The words of a phrase: lower case, singular; camel case and digits start a word of their own."""
    spaced = _CAMEL.sub(" ", text)
    return tuple(_singular(word) for word in _WORD.findall(spaced.lower()))


def key_of(words: Iterable[str]) -> str:
    """What phrases are compared by."""
    return "".join(words)


def joined_parts(text: str) -> tuple[Words, ...]:
    """The phrases that a name joins ("Obstacles / trash", "car or van"); one if it joins nothing."""
    return tuple(found for part in _JOINED.split(text) if (found := words_of(part)))


def suffixes(path: Sequence[Words]) -> list[Words]:
    """All ends of a path run together, the longest first: "vehicle bus bendy", "bus bendy", "bendy"."""
    return [tuple(word for phrase in path[start:] for word in phrase) for start in range(len(path))]


def _counts(word: str) -> bool:
    """Whether a last word only numbers copies of a class."""
    return word.isdecimal() and len(word) == 1


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 3 and word.endswith("s") and not word.endswith(_NO_PLURAL):
        if word.endswith("ies"):
            word = word[:-3] + "y" if len(word) > 4 else word[:-1]
        elif word.endswith(("xes", "ches", "shes", "sses")):
            word = word[:-2]
        else:
            word = word[:-1]
    return _BRITISH.get(word, word)
