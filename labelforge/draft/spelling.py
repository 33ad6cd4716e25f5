"""Spelling mistakes: a word that nothing is known of, and that is one slip away from a known one.

Two words are taken for one if they are long, begin alike, and differ by a letter that is doubled, left out, wrong or in
the wrong place, or have the same letters in nearly the same order. Short words are left alone: a trunk is no truck.
"""

from __future__ import annotations

import difflib
from functools import cached_property

from labelforge.draft.names import Words, key_of
from labelforge.draft.vocabulary import Vocabulary

_SHORTEST = 5  # letters of a word that may be misspelt
_SUBSTITUTED = 7  # letters of one that may have a wrong letter


class Speller:
    """Finds the known words that are meant by misspelt ones.

    Args:
        vocabulary: The phrases that are known; the words of its thesaurus are known too.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._found: dict[str, str | None] = {}

    def correct(self, words: Words) -> Words | None:
        """A phrase with its unknown words as they are spelt; None if none of them is near a known word."""
        right = tuple(word if word in self._known else (self._nearest(word) or word) for word in words)
        return right if right != words else None

    @cached_property
    def _known(self) -> frozenset[str]:
        keys = {key for key, phrase in self._vocabulary.phrases.items() if len(phrase) > 1}
        same = {key_of(phrase) for group in self._vocabulary.thesaurus.same.values() for phrase in group}
        return self._vocabulary.words | self._vocabulary.thesaurus.words | keys | same

    @cached_property
    def _by_letter(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for word in sorted(self._known):
            if len(word) >= _SHORTEST:
                found.setdefault(word[0], []).append(word)
        return found

    def _nearest(self, word: str) -> str | None:
        if word not in self._found:
            self._found[word] = self._search(word)
        return self._found[word]

    def _search(self, word: str) -> str | None:
        if len(word) < _SHORTEST or not word.isalpha():
            return None
        near = [other for other in self._by_letter.get(word[0], ()) if _is_slip(word, other)]
        return max(near, key=lambda other: len(_blocks(word, other)), default=None)


def _is_slip(word: str, other: str) -> bool:
    """Whether two words differ by one slip."""
    longer = max(len(word), len(other))
    if abs(len(word) - len(other)) > 1:
        return False
    alike, same_letters = len(_blocks(word, other)), sorted(word) == sorted(other)
    if len(word) == len(other) and not same_letters and longer < _SUBSTITUTED:
        return False
    return alike >= longer - 1 - same_letters


def _blocks(word: str, other: str) -> str:
    """The letters that two words have in common, in order."""
    matcher = difflib.SequenceMatcher(None, word, other, autojunk=False)
    return "".join(word[block.a : block.a + block.size] for block in matcher.get_matching_blocks())
