"""What is looked for in the sections for a question: its words as they are meant, and what each is worth."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bot.policies.concepts import Concepts, FoundConcept
from bot.policies.marks import Marks
from bot.policies.spelling import Speller
from bot.policies.words import Word, words_of

_MAX_CHARS = 4000
_MAX_WORDS = 64
# What a term is worth beside a word that tells what the question is about.
_STOP_WORD = 0.28
_PAIR = 0.9
# Three words that tell nothing, and mean something together.
_PERHAPS = 0.4
# Without its marks it is probably a word that tells nothing, but may be one that does.
_HARDLY = 0.25
# How much a word counts whose marks were guessed, beside the same word without any.
_RESTORED = 0.4
# A lone word that would be a concept with other marks than those that were guessed.
_OTHERWISE = 0.6
# What was said in words that a concept stands for: found by their meaning, the words themselves matter less.
_MEANT = 0.6
_CONCEPT = 1.15
_IN_HEADING = 0.85
_ELSEWHERE = 2.5
# What somebody bought says less about which policy is meant than what he wants with it.
_GOODS = 0.4
# Of what a word with marks is worth, so much is given to sections that hold it with other marks, or with none.
_OTHER_MARKS = 0.45
# A phrase of so many words tells what the question is about, even if each of them may stand in any question.
_TELLING_PHRASE = 3
# The questions before count for one that cannot be understood without them; the last of them most.
_BEFORE = (0.5, 0.2)
_SHORT = 3
# The language whose words are also looked for without their marks when a question has none.
MARKED = "vi"


@dataclass(frozen=True, slots=True)
class Place:
    """One word of a question, and what it is worth: 0 for one that may stand in any question."""

    word: Word
    weight: float


@dataclass(frozen=True, slots=True)
class Sought:
    """One term of a question, and the places that it stands for."""

    term: str
    weight: float
    places: tuple[int, ...]
    finds: bool
    """False: it only adds to the score of sections that other terms have found."""
    sure: float = 1.0
    """How likely it is what is meant."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question as the index is asked it."""

    places: tuple[Place, ...] = ()
    sought: tuple[Sought, ...] = ()
    own: int = 0
    """So many of the places are the question's own; the others are of those before it."""
    asks_on: bool = False
    """It cannot be understood without what was asked before."""
    is_foreign: bool = False
    """It is about something that no section says."""

    @property
    def finds(self) -> bool:
        """Whether it says anything that a policy could be about."""
        return any(one.finds for one in self.sought)

    def after(self, before: "Query", weight: float) -> "Query":
        """This question with an earlier one behind it, which counts less."""
        shift = len(self.places)
        places = [Place(place.word, place.weight * weight) for place in before.places]
        own = {one.term for one in self.sought}
        sought = [
            Sought(one.term, one.weight * weight, tuple(place + shift for place in one.places), one.finds, one.sure)
            for one in before.sought
            if one.term not in own
        ]
        return replace(self, places=(*self.places, *places), sought=(*self.sought, *sought))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads questions. Nothing in them is ever syntax: they are words."""

    speller: Speller
    concepts: Concepts
    elsewhere: Concepts
    goods: Collection[str]
    """The concepts that are something to buy."""
    stop_words: Collection[str]
    bare_stop_words: Collection[str]
    ambiguous: Collection[str]
    """Words that without their marks may be stop words or others."""
    marks: Marks
    """Guesses what was left out of a question without marks."""
    openings: Collection[str]
    """Words that a question begins with which goes on with an earlier one."""
    stands: Callable[[str], bool]
    """Whether a word without marks, or a pair of them, is in a section."""

    def read(self, text: str, language: str, before: Sequence[str] = ()) -> Query:
        """What to look for. Of a very long text only the beginning is looked at.

        `before` are the questions before it, oldest first; they count only if it needs them.
        """
        query = self._read(text, language)
        if query.asks_on:
            for earlier, weight in zip(reversed(before), _BEFORE, strict=False):
                said = self._read(earlier, language)
                query = query if said.is_foreign else query.after(said, weight)
        return query

    def _read(self, text: str, language: str) -> Query:
        typed = words_of(text[:_MAX_CHARS], at_most=_MAX_WORDS)
        bare = language == MARKED and not any(one.is_marked for one in typed)
        meant = self.speller.meant(typed)
        words = [one for one, _ in meant]
        likely = self.marks.restored(words) if bare else words
        places = [
            Place(one, self._tells(one, marked, bare) * sure) for (one, sure), marked in zip(meant, likely, strict=True)
        ]
        concepts = self._concepts(words, likely, bare)
        for found in concepts:
            covered = range(found.start, found.end)
            if len(covered) >= _TELLING_PHRASE and all(places[number].weight == 0 for number in covered):
                for number in covered:
                    places[number] = Place(words[number], _PERHAPS)
        for number in self._goods(concepts):
            places[number] = replace(places[number], weight=places[number].weight * _GOODS)
        outside = self._outside(words, bare)
        for number in outside:
            places[number] = Place(words[number], _ELSEWHERE)
        sought = [one for one in self._sought(places, likely, concepts, bare) if not outside.issuperset(one.places)]
        sought += [
            Sought(f"^{one.term}", one.weight * _IN_HEADING, one.places, one.finds, one.sure)
            for one in sought
            if one.term[0] != "="
        ]
        telling = sum(place.weight > 0 for place in places)
        asks_on = telling <= _SHORT or any(one.folded in self.openings for one in words[:1])
        return Query(tuple(places), tuple(sought), len(places), asks_on, bool(outside))

    def _tells(self, one: Word, likely: Word, bare: bool) -> float:
        """How much a word tells of what a question is about: `co` may be có, which tells nothing, or cỡ."""
        if one.folded[:1].isdigit():  # the number of an order, say, tells nothing that a policy could answer
            return float(len(one.folded) > 1 and self.stands(one.folded))
        if not bare:
            return float(one.exact not in self.stop_words)
        if one.folded not in self.bare_stop_words or likely.exact not in self.stop_words:
            return 1.0
        return _HARDLY if one.folded in self.ambiguous else 0.0

    def _concepts(self, words: Sequence[Word], likely: Sequence[Word], bare: bool) -> list[FoundConcept]:
        """What is meant; without marks also what would be with others than those that are likely."""
        found = self.concepts.found_in(likely)
        if not bare:
            return found
        known = {(one.term, one.start) for one in found}
        others = (one for one in self.concepts.found_in(words, bare=True) if (one.term, one.start) not in known)
        return found + [one if one.end - one.start > 1 else replace(one, sure=_OTHERWISE) for one in others]

    def _outside(self, words: Sequence[Word], bare: bool) -> set[int]:
        """The places of words that say that the question is about no shop: unless one of its sections says them."""
        found = self.elsewhere.found_in(words)
        if bare:  # a single word without its marks may be many: nau is nấu and nâu
            found += [one for one in self.elsewhere.found_in(words, bare=True) if one.end - one.start > 1]
        return {
            place
            for one in found
            if not all(map(self.stands, _pairs(words[one.start : one.end])))
            for place in range(one.start, one.end)
        }

    def _goods(self, concepts: Sequence[FoundConcept]) -> set[int]:
        """The places of words that mean something to buy, and nothing else."""
        found: dict[bool, set[int]] = {True: set(), False: set()}
        for one in concepts:
            found[one.term in self.goods].update(range(one.start, one.end))
        return found[True] - found[False]

    def _sought(
        self, places: Sequence[Place], likely: Sequence[Word], concepts: Sequence[FoundConcept], bare: bool
    ) -> Iterator[Sought]:
        meant = {number for found in concepts for number in range(found.start, found.end)}
        for number, place in enumerate(places):
            one, tells, weight = place.word, place.weight > 0, place.weight or _STOP_WORD
            if number in meant:
                weight *= _MEANT
            if one.is_marked and not bare:
                yield Sought(f"={one.exact}", weight * (1 - _OTHER_MARKS), (number,), tells)
                weight *= _OTHER_MARKS
            elif likely[number].is_marked:
                yield Sought(f"={likely[number].exact}", weight * _RESTORED, (number,), tells)
                weight *= 1 - _RESTORED
            yield Sought(one.folded, weight, (number,), tells)
        for number, (first, second) in enumerate(pairwise(places)):
            if first.weight or second.weight:
                weight = _PAIR * ((first.weight or _STOP_WORD) + (second.weight or _STOP_WORD)) / 2
                if number in meant and number + 1 in meant:
                    weight *= _MEANT
                yield Sought(f"{first.word.folded} {second.word.folded}", weight, (number, number + 1), True)
        for found in concepts:
            covered = tuple(range(found.start, found.end))
            tells = any(places[number].weight for number in covered)
            worth = _CONCEPT * found.sure * (_GOODS if found.term in self.goods else 1)
            yield Sought(found.term, worth, covered, tells, found.sure)


def _pairs(words: Sequence[Word]) -> list[str]:
    if len(words) == 1:
        return [words[0].folded]
    return [f"{one.folded} {two.folded}" for one, two in pairwise(words)]
