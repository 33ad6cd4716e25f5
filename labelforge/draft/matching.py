"""What one native name can mean, by itself: the phrases that are known of it, and how they were found.

The evidence, best first: the same name; a synonym or an abbreviation; a word for something more general; a name of
which words that add nothing are left out; the last word of a longer name; a spelling mistake. Of a path, the special
phrase comes before the general one, which says in which part of the tree to look.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property

from labelforge.draft.compound import listed, without_negation
from labelforge.draft.match import Match, Part, Sureness, all_leaves, commonly, shown
from labelforge.draft.names import NativeName, Words, joined_parts, key_of, suffixes
from labelforge.draft.spelling import Speller
from labelforge.draft.vocabulary import Reading, Vocabulary
from labelforge.taxonomy import Node

_SHORTEST = 4  # letters of a name that is run together with another one
_MANY = 3  # mappings that together tell what a vague word means


class Matcher:
    """Looks native names up in a vocabulary.

    Args:
        vocabulary: What is known.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.thesaurus = vocabulary.thesaurus
        self._speller = Speller(vocabulary)
        self._of_phrase: dict[Words, Match | None] = {}
        self._of_known: dict[Words, Match | None] = {}
        self._top = {leaf: top for top in vocabulary.tree.root.children for leaf in vocabulary.tree.nodes[top].leaves}

    def bare(self, name: NativeName) -> NativeName:
        """A name without first words that only say that it is a label's ("TYPE_CAR"), unless it is known with them."""
        first = name.path[0] if name.path else ()
        if len(first) < 2 or first[0] not in self.thesaurus.prefixes or self._same(name.whole) is not None:
            return name
        return replace(name, path=(first[1:], *name.path[1:]), whole=name.whole[1:])

    def match(self, name: NativeName) -> Match | None:
        """What a native name can mean; None if nothing of it is known."""
        if not name.path:
            return None
        same = self._same(name.whole)
        if same is not None and not self._rest(name.whole) and not self._group(name.whole):
            return same
        if len(name.path) > 1:
            return self._dashed(name) or self._path(name)
        joined = joined_parts(name.text)
        if len(joined) > 1:
            return self._ignored(name.whole) or self._joined(joined)
        return self.phrase(name.last)

    def phrase(self, words: Words) -> Match | None:
        """What a phrase can mean, by all evidence."""
        if words not in self._of_phrase:
            self._of_phrase[words] = _first(
                words,
                self._known,
                self._sign,
                self._part,
                self._in_a_row,
                lambda phrase: without_negation(phrase, self.thesaurus.negations, self._named),
                self._head,
                self._run_together,
                lambda phrase: self._written_out(phrase, self.phrase),  # by what else tells the long words
                self._misspelt,
                self._at_least,
            )
        return self._of_phrase[words]

    def inside(self, words: Words, leaves: Collection[int]) -> Match | None:
        """What a phrase means within some leaves: the node that fits it, of the family of signs that it tells."""
        found, family = self._fitting(words, leaves), self._family(words)
        if family is None or not all_leaves(family) <= frozenset(leaves):
            return found
        return found if found is not None and all_leaves(found) <= all_leaves(family) else family

    def _fitting(self, words: Words, leaves: Collection[int]) -> Match | None:
        """The node within some leaves whose name fits a phrase best, word by word; None if none or several do."""
        around = self.vocabulary.tree.covering(leaves)
        context = {word for node in (around, *self._above(around)) for word in self._node_words[node.index]}
        asked = frozenset(words)
        found: dict[int, list[Node]] = {}
        for node, own in self.vocabulary.node_words:
            rest = own - context
            fits = rest and (rest <= asked or asked <= own)
            if fits and node is not around and set(node.leaves) <= set(leaves):
                surplus = len(own - asked - context)
                found.setdefault(len(rest & asked) * 10 - surplus, []).append(node)
        if not found:
            return None
        best = found[max(found)]
        lowest = max(best, key=lambda node: node.depth)
        if not all(set(lowest.leaves) <= set(node.leaves) for node in best):
            return None
        reference = self.vocabulary.tree.references.shortest(lowest.index)
        part = Part(words, (Reading(frozenset(lowest.leaves), None, reference),))
        return Match((part,), Sureness.LIKELY, f"{shown(words)} of {around.name}")

    def _above(self, node: Node) -> list[Node]:
        return list(self.vocabulary.tree.ancestors(node))[:-1]

    @cached_property
    def _node_words(self) -> dict[int, frozenset[str]]:
        return {node.index: words for node, words in self.vocabulary.node_words}

    def _same(self, words: Words) -> Match | None:
        """The same name; no more than likely where only one mapping has it, to be checked if it is a vague word."""
        readings = self.vocabulary.readings(words)
        if not readings:
            return None
        sources = {reading.source for reading in readings}
        special = all(reading.source is None and reading.leaves <= self.vocabulary.special for reading in readings)
        synonym = self._broader(words) or self._synonym(words)
        if special and synonym is not None:
            return None
        vague = key_of(words) in self.thesaurus.not_last and len(sources - {None}) < _MANY
        alone = len(sources) == 1 and None not in sources
        sureness = Sureness.CHECK if vague else Sureness.LIKELY if alone or special else Sureness.SURE
        joint = self._broader(words) if alone else None
        if joint is not None:
            return replace(joint, parts=(Part(words, readings), *joint.parts))
        if alone and synonym is not None:  # one mapping says this, and other mappings something of its synonyms
            readings += tuple(reading for part in synonym.parts for reading in part.readings)
        return Match((Part(words, readings),), sureness, far=vague and len(sources) == 1)

    def _ignored(self, words: Words) -> Match | None:
        reason = self.thesaurus.ignored.get(key_of(words))
        return None if reason is None else Match((), Sureness.SURE, ignored=reason)

    def _without_rest(self, words: Words) -> Words | None:
        """What is left of "other vehicle", "vehicle other" or "othervehicle"; None for names of other kinds."""
        if len(words) > 1 and words[0] in self.thesaurus.others:
            return words[1:]
        if len(words) > 1 and words[-1] in self.thesaurus.others:
            return words[:-1]
        word = words[0] if len(words) == 1 else ""
        parts = (word.removeprefix(other) for other in self.thesaurus.others if word.startswith(other))
        return next(((part,) for part in parts if self._named((part,)) is not None), None)

    def _known(self, words: Words) -> Match | None:
        """The same name, a synonym, an abbreviation, something more general, or all of these with fewer words."""
        if words not in self._of_known:  # found once: steps that leave out a word each would try all orders of doing so
            names = (self._ignored, self._rest, self._group, self._same, self._broader, self._synonym)
            self._of_known[words] = _first(words, *names, self._near, self._abbreviated, self._stripped, self._turned)
        return self._of_known[words]

    def _synonym(self, words: Words) -> Match | None:
        parts = [Part(other, self.vocabulary.readings(other)) for other in self.thesaurus.same.get(key_of(words), ())]
        known = tuple(part for part in parts if part.readings and key_of(part.words) != key_of(words))
        if not known:
            return None
        every = tuple(dict.fromkeys(reading for part in known for reading in part.readings))
        sureness = Sureness.CHECK if key_of(words) in self.thesaurus.not_last else Sureness.LIKELY
        return Match((Part(known[0].words, every),), sureness, f"means the same as {shown(known[0].words)}")

    def _abbreviated(self, words: Words) -> Match | None:
        return self._written_out(words, self._known)

    def _written_out(self, words: Words, meant: Callable[[Words], Match | None]) -> Match | None:
        long = tuple(word for short in words for word in self.thesaurus.abbreviations.get(short, (short,)))
        found = None if long == words else meant(long)
        return None if found is None else found.less(Sureness.LIKELY, f"short for {shown(long)}")

    def _broader(self, words: Words) -> Match | None:
        found = [self._same(other) or self._synonym(other) for other in self.thesaurus.broader.get(key_of(words), ())]
        known = [match for match in found if match is not None]
        if not known or len(known) < len(found):
            return None
        parts = tuple(part for match in known for part in match.parts)
        names = " or ".join(shown(match.parts[0].words) for match in known)
        how = f"a kind of {names}" if len(known) == 1 else f"can be {names}"
        return Match(parts, Sureness.LIKELY, how, own=False)

    def _near(self, words: Words) -> Match | None:
        other = self.thesaurus.near.get(key_of(words))
        found = None if other is None else self._same(other) or self._synonym(other)
        return None if other is None or found is None else found.within(f"comes near {shown(other)}")

    def _rest(self, words: Words) -> Match | None:
        """What "other vehicle" means: a vehicle, but none that has a label of its own."""
        bare = self._without_rest(words)
        if bare is None:
            return None
        reason = self.thesaurus.ignored.get("other" + key_of(bare))
        if reason is not None:
            return Match((), Sureness.SURE, ignored=reason)
        general = self._known(bare)
        same = self._same(words)
        if general is not None and general.ignored is not None:
            return same or general.less(Sureness.LIKELY, f"read as {shown(bare)}")
        if general is None or general.rest_of or general.sureness <= Sureness.CHECK:
            return same
        how = f"{shown(bare)} without what has a label of its own"
        return Match(() if same is None else same.parts, Sureness.LIKELY, how, rest_of=general.parts, own=False)

    def _group(self, words: Words) -> Match | None:
        """What "pole group" or "polegroup" means: what the label for one of them means, and what the name means."""
        bare = words[:-1] if words[-1] in self.thesaurus.groups else ()
        if len(words) == 1:
            cut = (words[0].removesuffix(group) for group in self.thesaurus.groups if words[0].endswith(group))
            bare = next(((part,) for part in cut if part), ())
        found = self._known(bare) if bare else None
        if found is None or not found.parts:
            return None
        same = self._same(words)
        how = f"several of {shown(bare)}"
        return replace(found.less(Sureness.LIKELY, how), parts=(*found.parts, *(() if same is None else same.parts)))

    def _in_a_row(self, words: Words) -> Match | None:
        return listed(words, self._named)

    def _turned(self, words: Words) -> Match | None:
        right = self.vocabulary.turned(words)
        found = None if right is None or right == words else self._named(right)
        return None if right is None or found is None else found.less(Sureness.LIKELY, f"read as {shown(right)}")

    def _run_together(self, words: Words) -> Match | None:
        """Two known names written as one ("bikelanesidewalk"), of one main branch: both can be meant."""
        word = words[0] if len(words) == 1 else ""
        for start in range(_SHORTEST, len(word) - _SHORTEST + 1):
            one, other = self._named((word[:start],)), self._named((word[start:],))
            if one is not None and other is not None and self._beside(one, other):
                how = f"'{word[:start]}' and '{word[start:]}'"
                return Match((*one.parts, *other.parts), Sureness.CHECK, how, own=False)
        return None

    def _stripped(self, words: Words) -> Match | None:
        """The phrase without words that add nothing."""
        first, last = 0, len(words)
        empty = self.thesaurus.states | self.thesaurus.ambiguous
        while first < last and words[first] in empty:
            first += 1
        while last > first and (words[last - 1] in empty or words[last - 1].isdecimal()):
            last -= 1
        bare = words[first:last]
        if bare == words:
            bare = tuple(word for word in words if word not in self.thesaurus.states)
        found = self._known(bare) if bare and bare != words else None
        if found is not None:
            return found.less(Sureness.LIKELY, f"read as {shown(bare)}")
        return self._stripped_word(words[0]) if len(words) == 1 else None

    def _stripped_word(self, word: str) -> Match | None:
        """The same of two words that are run together ("smallpole", "signany")."""
        states = (state for state in self.thesaurus.states if len(state) >= _SHORTEST)
        cut = [word.removeprefix(state) for state in states if word.startswith(state)]
        cut += [word.removesuffix(empty) for empty in self.thesaurus.ambiguous if word.endswith(empty)]
        bare = next((rest for rest in cut if len(rest) >= _SHORTEST and self._named((rest,)) is not None), None)
        found = None if bare is None else self._known((bare,))
        return None if bare is None or found is None else found.less(Sureness.CHECK, f"read as {shown((bare,))}")

    def _family(self, words: Words) -> Match | None:
        """The family of signs to which one belongs that says this ("no parking"); None if the words do not tell."""
        names = [name for name, said in self.thesaurus.sign_families if set(said) <= set(words)]
        found = self._same(names[0]) if len(set(names)) == 1 else None
        return None if found is None else found.within(f"says {shown(words)}")

    def _sign(self, words: Words) -> Match | None:
        """What "no parking sign" means: the sign of that name, its family, or any sign."""
        sign = self._named(words[-1:]) if len(words) > 1 and words[-1] in self.thesaurus.signs else None
        if sign is None:
            return None
        bare, around = words[:-1], all_leaves(sign)
        readings = self.vocabulary.readings(bare)
        named = tuple(reading for reading in readings if reading.source is None and reading.leaves <= around)
        if named:
            return Match((Part(bare, named),), Sureness.LIKELY, f"the sign {shown(bare)}")
        if set(bare) <= self.thesaurus.turning:  # "no sign" is none
            return None
        says = any(set(said) <= set(bare) for _, said in self.thesaurus.sign_families)
        return (self._family(bare) or sign.within(f"ends with {shown(words[-1:])}")) if says else None

    def _part(self, words: Words) -> Match | None:
        """What "bicycle wheel" means: a bicycle."""
        found = self._named(words[:-1]) if len(words) > 1 and words[-1] in self.thesaurus.parts else None
        vague = key_of(words[:-1]) in self.thesaurus.not_last  # a flat roof is no part of what is flat
        return None if found is None or vague else found.within(f"a part of {shown(words[:-1])}")

    def _head(self, words: Words) -> Match | None:
        """The end of a phrase that is known; with what is said before it, where both can be meant.

        A split at which both halves are known ("traffic light" "pole") comes before one with a longer end.
        """
        while words and words[-1].isdecimal():
            words = words[:-1]
        found: list[tuple[Words, Words, Match, Match | None]] = []
        for start in range(1, len(words)):
            before, head = words[:start], words[start:]
            if set(before) & self.thesaurus.turning or key_of(head) in self.thesaurus.not_last:
                continue
            match = self._named(head)
            if match is not None and any(reading.leaves for part in match.parts for reading in part.readings):
                found.append((before, head, match, self._named(before)))
        if not found:
            return None
        before, head, match, other = max(found, key=lambda split: split[3] is not None)
        if self._ignored(before) is not None:
            return None
        if other is not None and commonly(other) and commonly(other) < commonly(match):
            return other.less(Sureness.LIKELY, f"{shown(before)}, a kind of {shown(head)}")
        if other is not None and commonly(other) >= commonly(match):
            return match.less(Sureness.LIKELY, f"{shown(head)} of {shown(before)}")
        if other is not None and self._beside(other, match):
            how = f"{shown(before)} and {shown(head)}, or a kind of the latter"
            return Match((*other.parts, *match.parts), Sureness.CHECK, how, own=False)
        return match.within(f"ends with {shown(head)}")

    def _at_least(self, words: Words) -> Match | None:
        """What a phrase is at least of which only the last word says something ("grid structure")."""
        widest = self.thesaurus.at_least.get(words[-1]) if len(words) > 1 else None
        if widest is None or set(words) & self.thesaurus.turning or self._named(words[:-1]) is not None:
            return None
        found = self._known(widest)
        return None if found is None else found.within(f"some {shown(words[-1:])}")

    def _named(self, words: Words) -> Match | None:
        return self._same(words) or self._broader(words) or self._synonym(words)

    def _beside(self, one: Match, other: Match) -> bool:
        """Whether two phrases mean different things of one main branch."""
        first, second = commonly(one), commonly(other)
        tops = {self._top[leaf] for leaf in first | second}
        return bool(first and second) and len(tops) == 1 and not first & second

    def _misspelt(self, words: Words) -> Match | None:
        right = self._speller.correct(words)
        found = None if right is None else self._known(right)
        if right is None or found is None:
            return None
        return found.less(Sureness.CHECK, f"spelt like {shown(right)}")

    def _joined(self, phrases: tuple[Words, ...]) -> Match | None:
        """All that a name like "car / van" joins, if all of it is known."""
        found = [self._known(words) for words in phrases]
        known = [match for match in found if match is not None]
        if len(known) < len(found):
            return None
        reasons = [match.ignored for match in known if match.ignored is not None]
        if len(reasons) == len(known):
            return Match((), Sureness.LIKELY, ignored=reasons[0])
        if reasons or any(match.rest_of for match in known):
            return None
        parts = tuple(part for match in known for part in match.parts)
        return Match(parts, Sureness.CHECK, " and ".join(map(shown, phrases)))

    def _dashed(self, name: NativeName) -> Match | None:
        """All that "pole - road sign" names, if that is no path: if no phrase holds what another one means."""
        found = [self._known(words) for words in name.path] if " - " in name.text else []
        sets = [frozenset() if match is None else commonly(match) for match in found]
        apart = all(sets) and not any(one & other for one, other in itertools.combinations(sets, 2))
        return self._joined(name.path) if sets and apart else None

    def _path(self, name: NativeName) -> Match | None:
        """A path: its end run together ("bus bendy"), turned round ("construction vehicle"), or by its last phrase."""
        turned = [(*name.last, *general) for general in reversed(name.path[:-1])]
        empty = set(name.last) <= self.thesaurus.others | self.thesaurus.ambiguous
        for words in suffixes(name.path)[1:-1] + ([] if empty else turned):
            found = self._named(words)
            if found is not None:
                return found.less(Sureness.LIKELY, f"read as {shown(words)}")
        general = self._general(name.path)
        if set(name.last) <= self.thesaurus.others:
            return self._rest_of_path(general)
        if set(name.last) <= self.thesaurus.ambiguous:
            parts = () if general is None else general.parts
            how = f"any {shown(name.path[-2])}, of whatever kind"
            return Match(parts, Sureness.CHECK, how, siblings=name.path[:-1], own=False)
        return self._special(name.last, general)

    def _special(self, words: Words, general: Match | None) -> Match | None:
        """The last phrase of a path, read in the part of the tree that the phrases before it mean."""
        own = self._known(words)
        around = frozenset() if general is None else all_leaves(general)
        if own is not None and (own.ignored is not None or not around or all_leaves(own) & around):
            return own
        inside = self.inside(words, around) if around else None
        if inside is not None:
            return inside
        if own is not None and own.sureness > Sureness.CHECK:  # a vague word that does not belong there says nothing
            return own.less(Sureness.CHECK, "")
        found = self.phrase(words)
        if general is None or (found is not None and all_leaves(found) & around):
            return found
        return general.within(f"a kind of {shown(general.parts[0].words)}")

    def _general(self, path: tuple[Words, ...]) -> Match | None:
        """The nearest of the general phrases of a path that means something."""
        for words in reversed(path[:-1]):
            found = self._known(words)
            if found is not None and found.ignored is None and found.parts:
                return found
        return None

    def _rest_of_path(self, general: Match | None) -> Match:
        if general is None:
            return Match((), Sureness.LIKELY, ignored="anything that has no label of its own")
        how = f"{shown((general.rest_of or general.parts)[0].words)} without what has a label of its own"
        return Match((), Sureness.LIKELY, how, rest_of=general.rest_of or general.parts, own=False)


def _first(words: Words, *steps: Callable[[Words], Match | None]) -> Match | None:
    return next((found for step in steps if (found := step(words)) is not None), None)
