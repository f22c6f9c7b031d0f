"""Guesses which marks were left out of a text: `goi dien` is gọi điện, `ga goi` is ga gối."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import log
from pathlib import Path

from bot.policies.words import Word, words_of

# What two neighbours that are known count beside the words themselves, and what more for each time that they are met.
_PAIR, _AGAIN = 2.0, 0.5
_READINGS = 8


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to read a text so far, by its last word."""

    score: float
    last: Word | None = None
    before: "_Way | None" = None


class Marks:
    """What words look like with their marks and how common each is, and which follow one another."""

    def __init__(self, phrases: Iterable[Sequence[Word]]) -> None:
        counts: Counter[Word] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        for phrase in phrases:
            counts.update(phrase)
            pairs.update((one.exact, two.exact) for one, two in pairwise(phrase))
        self._readings: dict[str, list[tuple[Word, float]]] = {}
        for one, count in counts.most_common():
            readings = self._readings.setdefault(one.folded, [])
            if len(readings) < _READINGS:
                readings.append((one, log(1 + count)))
        self._pairs = {pair: _PAIR + _AGAIN * log(count) for pair, count in pairs.items()}

    def restored(self, words: Sequence[Word]) -> list[Word]:
        """The same words as they were most probably meant; those that have marks, or that nobody knows, stay."""
        ways = [_Way(0.0)]
        for one in words:
            readings = [] if one.is_marked else self._readings.get(one.folded, [])
            ways = [self._best(ways, reading, worth) for reading, worth in readings or [(one, 0.0)]]
        way: _Way | None = max(ways, key=lambda each: each.score)
        found: list[Word] = []
        while way and way.last:
            found.append(way.last)
            way = way.before
        return found[::-1]

    def _best(self, ways: Sequence[_Way], reading: Word, worth: float) -> _Way:
        """The best way to come to this word (Viterbi)."""
        scored = ((way.score + self._follows(way.last, reading), way) for way in ways)
        score, before = max(scored, key=lambda pair: pair[0])
        return _Way(score + worth, reading, before)

    def _follows(self, last: Word | None, reading: Word) -> float:
        return self._pairs.get((last.exact, reading.exact), 0.0) if last else 0.0


@cache
def everyday_phrases() -> tuple[tuple[Word, ...], ...]:
    """Words and phrases that people use every day, whatever they talk about."""
    lines = Path(__file__).with_name("everyday.txt").read_text(encoding="utf-8").splitlines()
    return tuple(tuple(words_of(phrase)) for line in lines if not line.startswith("#") for phrase in line.split(","))
