"""Finds what is meant in a text: words of the trade that mean the same are one concept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.policies.words import Word, words_of


@dataclass(frozen=True, slots=True)
class FoundConcept:
    """A concept at its place in a text: from word `start` to before word `end`."""

    term: str
    start: int
    end: int


class Concepts:
    """Groups of synonyms, ready to be found."""

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        self._by_first: dict[str, list[tuple[tuple[Word, ...], str]]] = {}
        for number, group in enumerate(groups):
            for phrase in group:
                if words := tuple(words_of(phrase)):
                    self._by_first.setdefault(words[0].folded, []).append((words, f"#{number}"))

    def found_in(self, words: Sequence[Word], *, bare: bool = False) -> list[FoundConcept]:
        """All concepts in a text, in the order of their places; one inside of a longer one is not meant.

        In a `bare` text, one without marks, `doi` may be đổi or đợi, and both are found.
        """
        found: list[FoundConcept] = []
        span = (0, 0)
        for start, first in enumerate(words):
            here = [
                FoundConcept(term, start, start + len(phrase))
                for phrase, term in self._by_first.get(first.folded, ())
                if _are(words[start : start + len(phrase)], phrase, bare)
            ]
            for one in sorted(here, key=lambda found: -found.end):
                if one.end > span[1] or span == (start, one.end):
                    span = (start, one.end)
                    found.append(one)
        return found


def _are(words: Sequence[Word], phrase: Sequence[Word], bare: bool) -> bool:
    if len(words) < len(phrase):
        return False
    if bare:
        return all(word.folded == other.folded for word, other in zip(words, phrase, strict=True))
    return all(word.exact == other.exact for word, other in zip(words, phrase, strict=True))
