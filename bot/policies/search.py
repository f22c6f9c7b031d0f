"""Finds the sections that a question is about: by its words, with or without Vietnamese marks, in chat spelling."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

import regex

from bot.policies.prompts import Section
from bot.policies.spellings import SPELLINGS, STOP_WORDS, SYNONYMS
from bot.storage.sections import IndexedSection, Terms
from bot.text import fold

_MAX_CHARS = 4000
_MAX_WORDS = 64
_LONGEST_SYNONYM = 5
# What was not said itself counts less, and so does a word that without its marks may be a stop word.
_SYNONYMS = 0.5
_PERHAPS = 0.3
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}]*")
_STOP_BARE = frozenset(fold(word) for word in STOP_WORDS)


@dataclass(frozen=True, slots=True)
class Found:
    """A section that matches; the higher the score, the better. Scores of two questions do not compare."""

    section: Section
    score: float


def terms_of(text: str) -> tuple[Terms, ...]:
    """What to look for: the words that say something and their neighbours as phrases; lighter, what they may
    mean besides. Nothing for a text that says nothing.

    Only the beginning of a very long text is looked at. Nothing of it is ever syntax: it is split into words.
    """
    typed = _words(text)
    # Without marks `co` may be có or cỡ; with marks elsewhere in the text it is what it says.
    bare = all(fold(word) == word for word in typed)
    words = [meant for word in typed for meant in SPELLINGS.get(word, word).split()]
    telling = [_tells(word, bare) for word in words]
    main = dict.fromkeys(word for word, tells in zip(words, telling, strict=True) if tells)
    if not main:
        return ()
    for (one, tells), (two, also_tells) in pairwise(zip(words, telling, strict=True)):
        if tells or also_tells:
            main[f"{one} {two}"] = None
    perhaps = [word for word, tells in zip(words, telling, strict=True) if bare and not tells]
    return (
        _terms(main, bare=bare),
        _terms(set(_synonyms(words)) - main.keys(), bare=bare, weight=_SYNONYMS),
        _terms(perhaps, bare=bare, weight=_PERHAPS, finds=False),
    )


def indexed(section: Section) -> IndexedSection:
    """A section as the index takes it; headings above its own count as much as the title."""
    title = " ".join((section.title, *section.headings[:-1]))
    texts = [unicodedata.normalize("NFC", text).casefold() for text in (title, section.heading, section.text)]
    return IndexedSection(section.id, section.language, *texts, *map(_folded, texts))


def stem(word: str) -> str:
    """An English word without its ending, the same for all its forms; no Vietnamese syllable is changed by it."""
    if len(word) > 4 and word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word[: -len(ending)]
    if len(word) > 4 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _terms(phrases: Iterable[str], *, bare: bool, weight: float = 1.0, finds: bool = True) -> Terms:
    phrases = sorted(set(phrases))
    folded = dict.fromkeys(map(_folded, phrases))
    return Terms(() if bare else tuple(phrases), tuple(folded), weight, finds)


def _folded(text: str) -> str:
    return _WORD.sub(lambda match: stem(match[0]), fold(text))


def _tells(word: str, bare: bool) -> bool:
    """Whether a word alone says what a question is about: `5` does not, though `5 tuổi` does."""
    stops = fold(word) in _STOP_BARE if bare else word in STOP_WORDS
    return not stops and not (len(word) == 1 and word.isdigit())


def _words(text: str) -> list[str]:
    """The first words of a text, each once it was brought into NFC and lower case."""
    normal = unicodedata.normalize("NFC", text[:_MAX_CHARS]).casefold()
    return [match[0] for match in islice(_WORD.finditer(normal), _MAX_WORDS)]


def _synonyms(words: list[str]) -> Iterator[str]:
    folded = [fold(word) for word in words]
    said = {" ".join(part) for size in range(1, _LONGEST_SYNONYM + 1) for part in _windows(folded, size)}
    for group in SYNONYMS:
        if any(fold(phrase) in said for phrase in group):
            yield from group


def _windows(words: list[str], size: int) -> Iterable[list[str]]:
    return (words[start : start + size] for start in range(len(words) - size + 1))
