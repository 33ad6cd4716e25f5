"""The list of synonyms (``synonyms.yaml``): words of street scenes, whatever tree they are looked up in.

All phrases are compared by key (:func:`labelforge.draft.names.key_of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from labelforge.draft.names import Words, key_of, words_of
from labelforge.yamlfile import YamlFile

FOR_THE_REST = "has no label of its own"
"""What the reasons say for which labels of all that is left are ignored ("other", "static")."""


class SynonymFile(BaseModel):
    """The top level of ``synonyms.yaml``; the file says what its parts mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    same: list[list[str]] = Field(description="Phrases that mean the same.")
    kinds: dict[str, list[str] | list[list[str]]] = Field(description="A phrase, and phrases for kinds of it.")
    near: dict[str, list[str]] = Field(description="A phrase, and phrases for what comes near it but is no kind of it.")
    joint: dict[str, list[str]] = Field(description="A phrase, and the phrases that it covers together.")
    together: dict[str, str] = Field(description="A phrase, and what it holds where that has no label of its own.")
    on_foot: list[str] = Field(description="Words for persons that leave out those who ride.")
    abbreviations: dict[str, str] = Field(description="A word, and what it stands for.")
    ignored: dict[str, list[str]] = Field(description="A reason, and names for what is ignored for it.")
    others: list[str] = Field(description="Words for what has no label of its own.")
    ambiguous: list[str] = Field(description="Words that add nothing, or leave open what is meant.")
    groups: list[str] = Field(description="Last words for several of something.")
    states: list[str] = Field(description="Words in front that do not change what something is.")
    turning: list[str] = Field(description="Words in front that change what something is.")
    negations: list[str] = Field(description="Words that say what something is not.")
    not_last: list[str] = Field(description="Last words that say nothing by themselves.")
    at_least: dict[str, str] = Field(description="A last word, and what anything of such a name is at least.")
    prefixes: list[str] = Field(description="First words that only say that a label follows.")
    parts: list[str] = Field(description="Last words for a part of what is named before.")
    signs: list[str] = Field(description="Last words of names of signs.")
    sign_families: dict[str, list[str]] = Field(description="A family of signs, and words that its signs say.")


@dataclass(frozen=True)
class Thesaurus:
    """Synonyms, by key.

    Attributes:
        same: The phrases that mean the same as a key, the key's own among them.
        broader: The phrases that together cover what a key means.
        near: The phrase that comes nearest to a key, without covering it.
        by_words: The phrases of ``same``, ``broader`` and ``near``, by their sorted words.
        together: Pairs of phrases: one, and what it holds where that has no label of its own.
        on_foot: Words for persons that leave out those who ride.
        abbreviations: The words that a word stands for.
        ignored: The reason to ignore a name.
        others: Words for "what has no label of its own".
        ambiguous: Words that leave open what is meant.
        groups: Last words for several of something.
        states: Words in front that change nothing.
        turning: Words in front that change everything.
        negations: Words that say what something is not.
        not_last: Phrases that say nothing as the last word of a longer name, and little by themselves.
        at_least: What anything is at least whose name ends with a word.
        prefixes: First words that only say that a label follows.
        parts: Last words for a part of what is named before.
        signs: Last words of names of signs.
        sign_families: Families of signs, each with a phrase that its signs say.
    """

    same: Mapping[str, tuple[Words, ...]]
    broader: Mapping[str, tuple[Words, ...]]
    near: Mapping[str, Words]
    by_words: Mapping[Words, Words]
    together: tuple[tuple[Words, Words], ...]
    on_foot: frozenset[str]
    abbreviations: Mapping[str, Words]
    ignored: Mapping[str, str]
    others: frozenset[str]
    ambiguous: frozenset[str]
    groups: frozenset[str]
    states: frozenset[str]
    turning: frozenset[str]
    negations: frozenset[str]
    not_last: frozenset[str]
    at_least: Mapping[str, Words]
    prefixes: frozenset[str]
    parts: frozenset[str]
    signs: frozenset[str]
    sign_families: tuple[tuple[Words, Words], ...]

    @staticmethod
    @cache
    def shipped() -> Thesaurus:
        """The list that comes with labelforge."""
        return Thesaurus.load(Path(__file__).with_name("synonyms.yaml"))

    @classmethod
    def load(cls, path: Path) -> Thesaurus:
        """Read a list.

        Raises:
            TaxonomyError: A fault in the file (with its line).
        """
        content = YamlFile.load(path).validate(SynonymFile)
        same: dict[str, tuple[Words, ...]] = {}
        for group in content.same:
            phrases = tuple(words_of(text) for text in group)
            for phrase in phrases:
                key = key_of(phrase)
                same[key] = tuple(dict.fromkeys((*same.get(key, ()), *phrases)))
        spoken = [words_of(text) for group in content.same for text in group]
        broader = {key_of(words_of(text)): tuple(map(words_of, parts)) for text, parts in content.joint.items()}
        spoken += map(words_of, content.joint)
        for general, listed in content.kinds.items():
            for words in map(words_of, _flat(listed)):
                broader.setdefault(key_of(words), (words_of(general),))
                spoken.append(words)
        near = {words: words_of(other) for other, listed in content.near.items() for words in map(words_of, listed)}
        families = ((words_of(name), words_of(said)) for name, texts in content.sign_families.items() for said in texts)
        return cls(
            same=same,
            broader=broader,
            near={key_of(words): other for words, other in near.items()},
            by_words={tuple(sorted(words)): words for words in (*spoken, *near)},
            together=tuple((words_of(one), words_of(other)) for one, other in content.together.items()),
            on_foot=_words(content.on_foot),
            abbreviations={key_of(words_of(short)): words_of(long) for short, long in content.abbreviations.items()},
            ignored={key_of(words_of(name)): reason for reason, names in content.ignored.items() for name in names},
            others=_words(content.others),
            ambiguous=_words(content.ambiguous),
            groups=_words(content.groups),
            states=_words(content.states),
            turning=_words(content.turning),
            not_last=frozenset(key_of(words_of(text)) for text in content.not_last),
            negations=_words(content.negations),
            at_least={word: words_of(widest) for word, widest in content.at_least.items()},
            prefixes=_words(content.prefixes),
            parts=_words(content.parts),
            signs=_words(content.signs),
            sign_families=tuple(families),
        )

    @property
    def words(self) -> frozenset[str]:
        """Every word that stands in the list."""
        phrases = [phrase for group in (*self.same.values(), *self.broader.values()) for phrase in group]
        phrases += self.by_words.values()
        found = {word for phrase in phrases for word in phrase}
        return frozenset(found.union(self.abbreviations, self.others, self.ambiguous, self.states, self.not_last))


def _flat(listed: list[str] | list[list[str]]) -> list[str]:
    return [text for item in listed for text in ([item] if isinstance(item, str) else item)]


def _words(texts: list[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in words_of(text))
