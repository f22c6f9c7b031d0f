"""Finds the sections that a question is about: by its words, with or without Vietnamese marks, in chat spelling."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain

from bot.policies.concepts import Concepts, concept_term
from bot.policies.index import Postings, SectionIndex
from bot.policies.marks import Marks, everyday_phrases
from bot.policies.prompts import Section
from bot.policies.query import MARKED, Query, Reader, Sought
from bot.policies.spelling import Speller, is_syllable
from bot.policies.tables import SearchTables
from bot.policies.words import word, words_of
from bot.text import fold

_CANDIDATES = 50
# Sections are looked for until terms with so many entries were looked at, the rarest first.
_ENTRIES = 5000
_OTHER_LANGUAGE = 0.4
# How much of the score hangs on how much of the question a section covers, and how steeply.
_COVERAGE, _STEEPNESS = 0.9, 1.3
# A lone Vietnamese syllable is half a word, and says less than the pair that it stands in.
_LONE_SYLLABLE, _LONE_OTHER_MARKS = 0.7, 0.35
_GOOD = 0.5
# How often a stop word is met beside a word of a phrase, and how many sections tell how the shop writes.
_COMMON, _READ = 8, 500


@dataclass(frozen=True, slots=True)
class Found:
    """A section that matches; the higher the score, the better. 1 is about one rare word that it is all about."""

    section: Section
    score: float

    @property
    def good(self) -> bool:
        """Whether it probably answers the question. False: better say that nothing was found."""
        return self.score >= _GOOD


class Search:
    """All sections of one policy version, ready to be searched. It never changes."""

    def __init__(self, sections: Iterable[Section], tables: SearchTables) -> None:
        self._sections: dict[str, list[Section]] = {}
        for section in sections:
            self._sections.setdefault(section.language, []).append(section)
        concepts = Concepts([*tables.synonyms, *tables.goods])
        self._indexes = {language: SectionIndex(own, concepts) for language, own in self._sections.items()}
        marks = _marks(tables, self._sections.get(MARKED, []))
        self._reader = _reader(tables, concepts, marks, list(self._indexes.values()))

    def find(
        self,
        text: str,
        *,
        language: str,
        limit: int = 5,
        before: Sequence[str] = (),
        hidden: Set[str] = frozenset(),
    ) -> tuple[Found, ...]:
        """The sections that a question is about, best first; those of other languages than `language` count less.

        `before` are the questions before it, oldest first: they count when it cannot be understood without.
        The policies that are `hidden` are not found.
        """
        query = self._reader.read(text, language, before)
        if not query.finds:
            return ()
        found = [
            Found(self._sections[name][number], score * (1.0 if name == language else _OTHER_LANGUAGE))
            for name, index in self._indexes.items()
            for number, score in _ranked(query, index, limit, self._admitted(name, hidden))
        ]
        return tuple(sorted(found, key=lambda one: (-one.score, one.section.id))[: max(0, limit)])

    def _admitted(self, language: str, hidden: Set[str]) -> Callable[[int], bool] | None:
        """Tells which sections may be found, by their numbers; None: all."""
        sections = self._sections[language]
        return (lambda number: sections[number].policy not in hidden) if hidden else None

    def telling_words(self, text: str, *, language: str) -> tuple[str, ...]:
        """The words that say what a text is about, as they are meant, without marks: none in a greeting. What has
        synonyms is one name for all of them."""
        query = self._reader.read(text, language)
        concepts = {place: one.term for one in query.sought if one.term.startswith("#") for place in one.places}
        words = [concepts.get(number, one.word.folded) for number, one in enumerate(query.places) if one.weight > 0]
        return tuple(dict.fromkeys(words))


def _marks(tables: SearchTables, sections: Sequence[Section]) -> Marks:
    """What is known of words with their marks: from everyday, from the tables, and from the shop's own policies."""
    phrases = [*chain(*tables.synonyms, *tables.goods), *tables.elsewhere, *tables.spellings.values()]
    texts = [text for section in sections[:_READ] for text in (section.title, *section.headings, section.text)]
    return Marks(
        [
            *everyday_phrases(),
            *map(words_of, [*phrases, *texts, *(one for one in tables.stop_words for _ in range(_COMMON))]),
        ]
    )


def _reader(tables: SearchTables, concepts: Concepts, marks: Marks, indexes: Sequence[SectionIndex]) -> Reader:
    spellings = {word(typed).exact: words_of(meant) for typed, meant in tables.spellings.items()}
    stop_words = frozenset(word(one).exact for one in tables.stop_words)
    bare_stop_words = frozenset(word(fold(one)).folded for one in tables.stop_words)
    tabled = [phrase for group in (*tables.synonyms, *tables.goods, tables.elsewhere) for phrase in group]
    known = {one.folded for phrase in tabled for one in words_of(phrase)} | bare_stop_words
    known.update(word for index in indexes for word in index.words())
    marked = {one for index in indexes for one in index.marked_words()}
    return Reader(
        speller=Speller(spellings, known),
        concepts=concepts,
        elsewhere=Concepts([tables.elsewhere]),
        goods={concept_term(len(tables.synonyms) + n) for n in range(len(tables.goods))},
        stop_words=stop_words,
        bare_stop_words=bare_stop_words,
        ambiguous=bare_stop_words & {fold(one) for one in marked - stop_words},
        marks=marks,
        openings=frozenset(word(fold(one)).folded for one in tables.openings),
        stands=lambda term: any(index.get(term) for index in indexes),
    )


@dataclass(frozen=True, slots=True)
class _Term:
    """A term of the question that stands somewhere."""

    where: Postings
    worth: float
    places: tuple[int, ...]
    share: float
    """How much of its places it covers."""


def _ranked(
    query: Query, index: SectionIndex, limit: int, admitted: Callable[[int], bool] | None
) -> Iterator[tuple[int, float]]:
    """The best sections of one language by their numbers, in no order, each with its score."""
    finding, adding = _terms(query, index)
    scores: dict[int, float] = {}
    for term in finding:
        for number, prominence in index.entries(term.where):
            scores[number] = scores.get(number, 0.0) + term.worth * prominence
    worths = [place.weight * _rarity(place.word.folded, index) for place in query.places]
    known = scores if admitted is None else filter(admitted, scores)
    for number in nlargest(max(limit, _CANDIDATES), known, key=scores.__getitem__):
        score, covered = scores[number], [0.0] * len(worths)
        for term in chain(finding, adding):
            if prominence := index.prominence(term.where, number):
                for place in term.places:
                    covered[place] = max(covered[place], term.share)
        for term in adding:
            score += term.worth * index.prominence(term.where, number)
        # A section that covers the question itself need not cover those before it.
        coverage = max(_coverage(covered[:part], worths[:part]) for part in {query.own, len(worths)})
        yield number, score * (1 - _COVERAGE + _COVERAGE * coverage**_STEEPNESS) / index.most_rarity


def _terms(query: Query, index: SectionIndex) -> tuple[list[_Term], list[_Term]]:
    """The terms that find sections, and those that only add to the score of what was found.

    In a large shop a word that is everywhere finds nothing that rarer ones do not find, but would take all
    the time.
    """
    finding: list[_Term] = []
    adding: list[_Term] = []
    entries = 0
    known = [(one, where) for one in query.sought if (where := index.get(one.term))]
    for one, where in sorted(known, key=lambda pair: pair[1].end - pair[1].start):
        term = _Term(where, one.weight * where.rarity, one.places, _share(one, query))
        if one.finds and (entries < _ENTRIES or not finding):
            entries += where.end - where.start
            finding.append(term)
        else:
            adding.append(term)
    return finding, adding


def _share(one: Sought, query: Query) -> float:
    """How much of its places a term covers."""
    first = query.places[one.places[0]].word
    if len(one.places) > 1 or one.term[0] == "#" or not is_syllable(first.folded):
        return one.sure
    return _LONE_OTHER_MARKS if first.is_marked and one.term[0] != "=" else _LONE_SYLLABLE


def _coverage(shares: Sequence[float], worths: Sequence[float]) -> float:
    return sum(share * worth for share, worth in zip(shares, worths, strict=True)) / (sum(worths) or 1.0)


def _rarity(word: str, index: SectionIndex) -> float:
    where = index.get(word)
    return where.rarity if where else index.most_rarity
