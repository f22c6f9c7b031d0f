"""The tables of the search: how people write, what means the same, and what says nothing. A shop adds its own."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

import regex

from bot.policies.findings import Findings, nearest, shown
from bot.policies.words import words_of

MAX_CHARS = 64 * 1024
MAX_ENTRIES = 1000
MAX_PHRASE_WORDS = 6
MAX_PHRASE_CHARS = 64
_SMALLEST_GROUP = 2
_KEYS = ("stop_words", "openings", "elsewhere", "synonyms", "goods", "spellings")
_PLACE = regex.compile(r" \(at line (\d+), column \d+\)| \(at end of document\)")
# Keys with dots and tables in tables mean nothing here, and are slow to read by the thousand.
_NESTED = regex.compile(r"^[ \t]*(?:\[\[|\[[^\]\n]*\.|[^#\"'=\[\n]*\.[^#\"'=\n]*=)", regex.MULTILINE)


@dataclass(frozen=True, slots=True)
class SearchTables:
    """What a file of tables says."""

    stop_words: Sequence[str] = ()
    """Words that any question may hold."""
    openings: Sequence[str] = ()
    """Words that a question begins with which goes on with the one before it."""
    elsewhere: Sequence[str] = ()
    """What no policy is about, unless one of its sections says it."""
    synonyms: Sequence[Sequence[str]] = ()
    """Groups of words and phrases that mean the same."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    """A word as it is typed → the words that are meant."""
    goods: Sequence[Sequence[str]] = ()
    """Groups of the same kind for what the shop sells: what is asked about it counts more."""

    def with_own(self, own: "SearchTables") -> "SearchTables":
        """These with a shop's own added; how the shop reads a spelling goes before."""
        return SearchTables(
            stop_words=(*self.stop_words, *own.stop_words),
            openings=(*self.openings, *own.openings),
            elsewhere=(*self.elsewhere, *own.elsewhere),
            synonyms=(*self.synonyms, *own.synonyms),
            goods=(*self.goods, *own.goods),
            spellings={**self.spellings, **own.spellings},
        )


def common_tables() -> SearchTables:
    """What holds in any shop. Raises nothing: the file is a part of the program."""
    text = Path(__file__).with_name("search.toml").read_text(encoding="utf-8")
    return SearchTables(**tomllib.loads(text))


def read_tables(text: str, findings: Findings) -> SearchTables:
    """A shop's own tables, checked; without what is wrong, which is in `findings`."""
    table = _parsed(text, findings)
    checker = _Checker(text.split("\n"), findings)
    for key in table:
        if key not in _KEYS:
            reason = f"there is no table “{shown(key)}”.{nearest(key, _KEYS)}"
            findings.add(checker.line(key), reason, f"Known here: {', '.join(_KEYS)}.")
    return SearchTables(
        stop_words=checker.words(table, "stop_words"),
        openings=checker.words(table, "openings"),
        elsewhere=tuple(checker.phrases(table.get("elsewhere", []), "elsewhere")),
        synonyms=tuple(checker.groups(table, "synonyms")),
        goods=tuple(checker.groups(table, "goods")),
        spellings=dict(checker.spellings(table)),
    )


def _parsed(text: str, findings: Findings) -> dict[str, object]:
    if len(text) > MAX_CHARS:
        findings.add(0, f"this file is longer than {MAX_CHARS:,} characters.", "Keep the words that customers use.")
        return {}
    if nested := _NESTED.search(text):
        line = text.count("\n", 0, nested.start()) + 1
        findings.add(line, "tables in tables and keys with dots do not belong here.", 'Put the word in quotes: "a.b".')
        return {}
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        place = _PLACE.search(str(exc))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        reason = _PLACE.sub("", str(exc))
        findings.add(line, f"this is no valid TOML: {reason[:1].lower()}{reason[1:]}.", "Correct this line.")
    except RecursionError:
        findings.add(0, "lists are nested too deeply.", "Write synonyms as a list of lists.")
    return {}


class _Checker:
    def __init__(self, lines: Sequence[str], findings: Findings) -> None:
        self._lines = lines
        self._findings = findings

    def line(self, words: str) -> int:
        """Where these words stand first; 0 if they are written in a way that hides them."""
        return next((number for number, line in enumerate(self._lines, start=1) if words in line), 0)

    def words(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        """A list of single words."""
        return tuple(self.phrases(table.get(key, []), key, most_words=1))

    def groups(self, table: Mapping[str, object], key: str) -> Iterator[tuple[str, ...]]:
        """Groups of words that mean the same."""
        groups = self._list(table.get(key, []), key)
        for number, group in enumerate(groups, start=1):
            phrases = tuple(self.phrases(group, f"group {number} of {key}"))
            if isinstance(group, list) and len(group) < _SMALLEST_GROUP:
                where = self.line(phrases[0]) if phrases else self.line(key)
                reason = f"group {number} of {key} has only {len(group)} phrase{'' if group else 's'}."
                self._findings.add(where, reason, "Write two at least.")
            elif len(phrases) >= _SMALLEST_GROUP:
                yield phrases

    def spellings(self, table: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """What is typed and what is meant."""
        entries = table.get("spellings", {})
        if not isinstance(entries, dict):
            self._findings.add(self.line("spellings"), "spellings is no table.", "Write [spellings] on its own line.")
            return
        if len(entries) > MAX_ENTRIES:
            self._too_many("spellings")
            return
        seen: dict[str, str] = {}
        for typed, meant in entries.items():
            if not self._is_phrase(typed, "spellings", 1) or not self._is_phrase(meant, "spellings", MAX_PHRASE_WORDS):
                continue
            one = words_of(typed)[0].exact
            if one in seen:
                reason = f"“{shown(typed)}” is there already, as “{shown(seen[one])}”."
                self._findings.add(self.line(typed), reason, "Keep one of them.")
            seen.setdefault(one, typed)
            yield typed.casefold(), meant

    def phrases(self, values: object, where: str, *, most_words: int = MAX_PHRASE_WORDS) -> Iterator[str]:
        """A list of phrases, each once."""
        seen: set[tuple[str, ...]] = set()
        for phrase in self._list(values, where):
            if not self._is_phrase(phrase, where, most_words):
                continue
            words = tuple(word.exact for word in words_of(phrase))
            if words in seen:
                self._findings.add(self.line(phrase), f"“{shown(phrase)}” is twice in {where}.", "Delete one.")
            else:
                seen.add(words)
                yield phrase

    def _list(self, values: object, where: str) -> list[object]:
        if not isinstance(values, list):
            line = self.line(f'"{values}"') if isinstance(values, str) else 0
            self._findings.add(line or self.line(where), f"{where} is no list.", 'Write it as ["one", "two"].')
            return []
        if len(values) > MAX_ENTRIES:
            self._too_many(where)
            return []
        return values

    def _is_phrase(self, phrase: object, where: str, most_words: int) -> TypeGuard[str]:
        if not isinstance(phrase, str):
            shape = shown(str(phrase))
            self._findings.add(self.line(shape), f"“{shape}” in {where} is no text.", "Put it between quotes.")
            return False
        count = len(words_of(phrase)) if len(phrase) <= MAX_PHRASE_CHARS else most_words + 1
        if count and count <= most_words:
            return True
        wrong = "has no letters" if not count else "is more than one word" if most_words == 1 else "is too long"
        fix = (
            "Write one word; letters and digits are two."
            if most_words == 1
            else f"Write {MAX_PHRASE_WORDS} words at most."
        )
        self._findings.add(self.line(phrase.split("\n")[0]), f"“{shown(phrase)}” in {where} {wrong}.", fix)
        return False

    def _too_many(self, where: str) -> None:
        reason = f"{where} has more than {MAX_ENTRIES} entries."
        self._findings.add(self.line(where), reason, "Keep those that customers use.")
