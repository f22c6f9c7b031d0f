"""The words of all sections of one language, and which sections hold them how prominently."""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

from bot.policies.concepts import Concepts
from bot.policies.prompts import Section
from bot.policies.words import Word, words_of

# How much a word counts in the heading, in the title and the headings above, and in the text.
_HEADING, _TITLE, _BODY = 2.5, 1.4, 1.0
# bm25: how fast a word that is repeated stops to count, and how much long sections are held back.
_SATURATION, _LENGTH = 1.1, 0.8
# Rarity is told as if there were at least and at most so many sections: scores of a small and of a large shop
# can then be judged alike.
_FEWEST, _MOST = 50, 500


@dataclass(frozen=True, slots=True)
class Postings:
    """The sections that hold one term, by their numbers, and how prominently, from 0 to 1."""

    sections: "array[int]"
    prominence: "array[float]"
    rarity: float

    def prominence_in(self, section: int) -> float:
        """0 where the term does not stand."""
        at = bisect_left(self.sections, section)
        return self.prominence[at] if at < len(self.sections) and self.sections[at] == section else 0.0


class SectionIndex:
    """An inverted index that never changes.

    A term is a word without marks (`doi`), one with them (`=đổi`), two neighbours (`doi tra`) or a concept
    (`#7`). What stands in the section's own heading is there a second time, as `^doi`.
    """

    def __init__(self, sections: Sequence[Section], concepts: Concepts) -> None:
        self._count = len(sections)
        self._postings = self._built(sections, concepts)
        self.most_rarity = self._rarity(0)
        """What a word is worth that stands nowhere."""

    def get(self, term: str) -> Postings | None:
        """Where a term stands; None for one that stands nowhere."""
        return self._postings.get(term)

    def words_and_pairs(self) -> Iterator[str]:
        """All words without marks, and all pairs of neighbours."""
        return (term for term in self._postings if term[0] not in "=#^")

    def _rarity(self, held_by: int) -> float:
        count = min(max(self._count, _FEWEST), _MOST)
        held = held_by * count / self._count if self._count > _MOST else held_by
        return log(1 + (count - held + 0.5) / (held + 0.5))

    def _built(self, sections: Sequence[Section], concepts: Concepts) -> dict[str, Postings]:
        read = [_Read.of(section, concepts) for section in sections]
        average = sum(one.length for one in read) / len(read) if read else 1.0
        found: dict[str, tuple[array[int], array[float]]] = {}
        for number, one in enumerate(read):
            damping = _SATURATION * (1 - _LENGTH + _LENGTH * one.length / average)
            for term, count in one.counts.items():
                lists = found.get(term)
                if lists is None:
                    lists = found[term] = (array("I"), array("f"))
                lists[0].append(number)
                lists[1].append(count / (count + damping))
            for term in one.heading:
                lists = found.setdefault(term, (array("I"), array("f")))
                lists[0].append(number)
                lists[1].append(1.0)
        return {term: Postings(*lists, self._rarity(len(lists[0]))) for term, lists in found.items()}


@dataclass(frozen=True, slots=True)
class _Read:
    counts: dict[str, float]
    heading: frozenset[str]
    length: int

    @classmethod
    def of(cls, section: Section, concepts: Concepts) -> "_Read":
        counts: dict[str, float] = defaultdict(float)
        body = words_of(section.text)
        heading = list(_terms(words_of(section.heading), concepts))
        for terms, weight in (
            (_terms(body, concepts), _BODY),
            (heading, _HEADING),
            *((_terms(words_of(above), concepts), _TITLE) for above in (section.title, *section.headings[:-1])),
        ):
            for term in terms:
                counts[term] += weight
        return cls(counts, frozenset(f"^{term}" for term in heading if term[0] != "="), max(1, len(body)))


def _terms(words: Sequence[Word], concepts: Concepts) -> Iterable[str]:
    for word in words:
        yield word.folded
        if word.is_marked:
            yield f"={word.exact}"
    for one, two in pairwise(words):
        yield f"{one.folded} {two.folded}"
    for found in concepts.found_in(words):
        yield found.term
