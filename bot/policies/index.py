"""The words of all sections of one language, and which sections hold them how prominently."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

from bot.policies.concepts import Concepts
from bot.policies.prompts import Section
from bot.policies.words import words_of

# How much a word counts in the heading, in the title and the headings above, and in the text.
_HEADING, _TITLE, _BODY = 2.5, 1.4, 1.0
# bm25: how fast a word that is repeated stops to count, and how much long sections are held back.
_SATURATION, _LENGTH = 1.1, 0.8
# What stands in a heading does so fully, once or twice.
_ALWAYS = 1e6
# Rarity is told as if there were at least and at most so many sections: scores of a small and of a large shop
# can then be judged alike.
_FEWEST, _MOST = 50, 500


@dataclass(frozen=True, slots=True)
class Postings:
    """Where a term stands: the entries of the index from `start` to before `end`."""

    start: int
    end: int
    rarity: float


class SectionIndex:
    """An inverted index that never changes.

    A term is a word without marks (`doi`), one with them (`=đổi`), two neighbours (`doi tra`) or a concept
    (`#7`). What stands in the section's own heading is there a second time, as `^doi`.
    """

    def __init__(self, sections: Sequence[Section], concepts: Concepts) -> None:
        self._count = len(sections)
        self._rows: dict[str, int] = {}
        self._starts = array("I", [0])
        # All entries, term by term, ordered by the numbers of the sections; prominence is from 0 to 1.
        self._sections, self._prominence = array("I"), array("f")
        self._build(sections, concepts)
        self.most_rarity = self._rarity(0)
        """What a word is worth that stands nowhere."""

    def get(self, term: str) -> Postings | None:
        """Where a term stands; None for one that stands nowhere."""
        row = self._rows.get(term)
        if row is None:
            return None
        start, end = self._starts[row], self._starts[row + 1]
        return Postings(start, end, self._rarity(end - start))

    def entries(self, where: Postings) -> Iterator[tuple[int, float]]:
        """The sections of a term, and how prominent it is in each."""
        return zip(self._sections[where.start : where.end], self._prominence[where.start : where.end], strict=True)

    def prominence(self, where: Postings, section: int) -> float:
        """How prominent a term is in a section; 0 if it does not stand there."""
        at = bisect_left(self._sections, section, where.start, where.end)
        return self._prominence[at] if at < where.end and self._sections[at] == section else 0.0

    def words(self) -> Iterator[str]:
        """All words, without marks."""
        return (term for term in self._rows if term[0] not in "=#^" and " " not in term)

    def marked_words(self) -> Iterator[str]:
        """All words that are written with marks."""
        return (term[1:] for term in self._rows if term[0] == "=")

    def _rarity(self, held_by: int) -> float:
        count = min(max(self._count, _FEWEST), _MOST)
        held = held_by * count / self._count if self._count > _MOST else held_by
        return log(1 + (count - held + 0.5) / (held + 0.5))

    def _build(self, sections: Sequence[Section], concepts: Concepts) -> None:
        average = sum(len(section.text) for section in sections) / max(1, len(sections)) or 1.0
        found: dict[str, tuple[array[int], array[float]]] = {}
        for number, section in enumerate(sections):
            damping = _SATURATION * (1 - _LENGTH + _LENGTH * len(section.text) / average)
            for term, count in _counts(section, concepts).items():
                lists = found.get(term)
                if lists is None:
                    lists = found[term] = (array("I"), array("f"))
                lists[0].append(number)
                lists[1].append(count / (count + damping))
        for row, (term, (numbers, prominence)) in enumerate(found.items()):
            self._rows[term] = row
            self._sections.extend(numbers)
            self._prominence.extend(prominence)
            self._starts.append(len(self._sections))


def _counts(section: Section, concepts: Concepts) -> dict[str, float]:
    """The terms of a section, and how much each counts."""
    counts: dict[str, float] = {}
    heading = _terms(section.heading, concepts)
    parts = [(_terms(section.text, concepts), _BODY), (heading, _HEADING)]
    parts += [(_terms(above, concepts), _TITLE) for above in (section.title, *section.headings[:-1])]
    for terms, weight in parts:
        for term in terms:
            counts[term] = counts.get(term, 0.0) + weight
    return counts | {f"^{term}": _ALWAYS for term in heading if term[0] != "="}


def _terms(text: str, concepts: Concepts) -> list[str]:
    words = words_of(text)
    folded = [word.folded for word in words]
    terms = [*folded, *(f"={word.exact}" for word in words if word.is_marked)]
    terms += [f"{one} {two}" for one, two in pairwise(folded)]
    terms += [found.term for found in concepts.found_in(words)]
    return terms
