"""Reads what was typed as what is meant: chat spellings, letters held down, words run together, slips of the finger."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import regex

from bot.policies.words import Word, word

_REPEATED = regex.compile(r"(\p{L})\1+")
# What a Vietnamese syllable can look like without its marks: such a word is taken for what it says.
_SYLLABLE = regex.compile(
    r"(?:ngh|ng|nh|ch|gh|gi|kh|ph|qu|th|tr|[bcdghklmnpqrstvx])?[aeiouy]{1,3}(?:ch|ng|nh|[cmnpt])?"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHORTEST_SLIP = 5
_LONGEST_SLIP = 20
_SHORTEST_JOINED = 5
# How much a word counts that was guessed.
_GUESSED = 0.7


def is_syllable(folded: str) -> bool:
    """Whether a word could be Vietnamese, which is written in syllables."""
    return _SYLLABLE.fullmatch(folded) is not None


@dataclass(frozen=True, slots=True)
class Speller:
    """Knows what is meant by what people type."""

    spellings: Mapping[str, Sequence[Word]]
    """A word as it is typed → the words that are meant."""
    known: Collection[str] = field(repr=False)
    """All words, without marks, that stand in a section or in a table."""

    def meant(self, typed: Sequence[Word]) -> list[tuple[Word, float]]:
        """The words that are meant, each with 1 or, when it was guessed, less."""
        return [pair for one in typed for pair in self._meant(one)]

    def _meant(self, typed: Word) -> list[tuple[Word, float]]:
        if (spelled := self.spellings.get(typed.exact)) is not None:
            return [(one, 1.0) for one in spelled]
        if typed.folded in self.known or not typed.folded.isalpha():
            return [(typed, 1.0)]
        for text in _smoothed(typed):
            if (spelled := self.spellings.get(text)) is not None:
                return [(one, 1.0) for one in spelled]
            if (smooth := word(text)).folded in self.known:
                return [(smooth, 1.0)]
        if not is_syllable(typed.folded):
            guessed = self._parted(typed.folded) or self._slipped(typed.folded)
            return [(one, _GUESSED) for one in guessed] or [(typed, 1.0)]
        return [(typed, 1.0)]

    def _parted(self, folded: str) -> list[Word]:
        """doitra → doi tra"""
        if len(folded) < _SHORTEST_JOINED:
            return []
        for cut in range(len(folded) - 2, 1, -1):
            parts = [word(folded[:cut]), word(folded[cut:])]
            if all(part.folded in self.known for part in parts):
                return parts
        return []

    def _slipped(self, folded: str) -> list[Word]:
        """retrun → return"""
        if not _SHORTEST_SLIP <= len(folded) <= _LONGEST_SLIP:
            return []
        near = min((one for one in _one_slip_away(folded) if len(one) > 3 and one in self.known), default=None)
        return [] if near is None else [word(near)]


def _smoothed(typed: Word) -> Iterator[str]:
    """A word without letters that were held down, or as an input method would have written it: ddooir → doi."""
    for times in (1, 2):
        if (text := _REPEATED.sub(r"\1" * times, typed.exact)) != typed.exact:
            yield text
    text = typed.folded.replace("dd", "d").replace("aa", "a").replace("ee", "e").replace("oo", "o").replace("w", "")
    yield text
    if len(text) > 2 and text[-1] in "sfrxj":
        yield text[:-1]


def _one_slip_away(text: str) -> set[str]:
    """All words with one letter more, less, another or in another place; the first letter stays."""
    found: set[str] = set()
    for cut in range(1, len(text) + 1):
        start, end = text[:cut], text[cut:]
        found.update(start + letter + end for letter in _LETTERS)
        if end:
            found.add(start + end[1:])
            found.update(start + letter + end[1:] for letter in _LETTERS)
        if len(end) > 1:
            found.add(start + end[1] + end[0] + end[2:])
    return found
