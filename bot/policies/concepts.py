"""Finds what is meant in a text: words of the trade that mean the same are one concept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.policies.words import Word, stem, words_of

# English says them inside of a phrase: "call it off" is "call off".
_OBJECTS = frozenset(map(stem, ("it", "them", "this", "that", "these", "those")))


@dataclass(frozen=True, slots=True)
class FoundConcept:
    """A concept at its place in a text: from word `start` to before word `end`."""

    term: str
    start: int
    end: int
    sure: float = 1.0
    """How likely it is what is meant."""


def concept_term(number: int) -> str:
    """The term of a group of synonyms, by its number."""
    return f"#{number}"


class Concepts:
    """Groups of synonyms, ready to be found."""

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        self._exact, self._bare = _Node(), _Node()
        for number, group in enumerate(groups):
            for phrase in group:
                words = words_of(phrase)
                self._exact.add([word.exact for word in words], concept_term(number))
                self._bare.add([word.folded for word in words], concept_term(number))

    def found_in(self, words: Sequence[Word], *, bare: bool = False) -> list[FoundConcept]:
        """All concepts in a text, in the order of their places; one inside of a longer one is not meant.

        In a `bare` text, one without marks, `doi` may be đổi or đợi, and both are found.
        """
        root = self._bare if bare else self._exact
        texts = [word.folded for word in words] if bare else [word.exact for word in words]
        found: list[FoundConcept] = []
        covered = 0
        for start, text in enumerate(texts):
            node, end, longest = root.following.get(text), start + 1, 0
            terms: tuple[str, ...] = ()
            while node is not None:
                if node.terms:
                    longest, terms = end, node.terms
                if node.following and not bare:
                    while end < len(texts) and texts[end] in _OBJECTS and texts[end] not in node.following:
                        end += 1
                node = node.following.get(texts[end]) if end < len(texts) else None
                end += 1
            if longest > covered:
                covered = longest
                found.extend(FoundConcept(term, start, longest) for term in terms)
        return found


@dataclass(slots=True)
class _Node:
    """A word of a phrase: what may follow it, and the concepts whose phrase ends here."""

    following: "dict[str, _Node]" = field(default_factory=dict)
    terms: tuple[str, ...] = ()

    def add(self, words: Iterable[str], term: str) -> None:
        node = self
        for word in words:
            node = node.following.setdefault(word, _Node())
        if term not in node.terms:
            node.terms = (*node.terms, term)
