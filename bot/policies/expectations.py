"""The shop's own policy tests, `tests/*.yaml`: what a customer asks, and what must be found and said then."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bot.policies.findings import Findings, nearest, shown
from bot.policies.nodes import Items, Node, Pairs, Text, read_node
from bot.policies.words import words_of
from bot.text import clean, is_blank

MAX_CHARS = 128 * 1024
MAX_TESTS = 1000
MAX_QUESTION_CHARS = 2000
MAX_LISTED = 20
DEFAULT_FIRST = 3
MOST_FIRST = 20
LANGUAGES = ("vi", "en")
"""Those in which an answer can be told to be."""
KEYS = ("ask", "also", "finds", "not_finds", "finds_nothing", "first", "says", "not_says", "language", "at")
_YES_NO = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Named:
    """A section or a text as a test names it, and where it does."""

    words: str
    line: int


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """One question, and what must hold for it. `turns` are what the customer writes; the last one is the question."""

    file: str
    line: int
    turns: tuple[str, ...]
    also: tuple[str, ...] = ()
    """The same question in other words, or spelled otherwise: the same must hold for each."""
    finds: tuple[Named, ...] = ()
    """Sections that must all be among the `first` that are found, and good enough."""
    not_finds: tuple[Named, ...] = ()
    finds_nothing: bool = False
    """Nothing that is found may be good enough."""
    first: int = DEFAULT_FIRST
    says: tuple[Named, ...] = ()
    """What the answer must contain; this and the two below need a model."""
    not_says: tuple[Named, ...] = ()
    language: str | None = None
    at: date | None = None
    """The day on which it is asked; None: today."""

    @property
    def questions(self) -> tuple[tuple[str, ...], ...]:
        """Each wording of it, with the turns before it."""
        return tuple((*self.turns[:-1], asked) for asked in (self.turns[-1], *self.also))

    @property
    def is_about_finding(self) -> bool:
        """Whether something is expected of the search."""
        return bool(self.finds or self.not_finds or self.finds_nothing)

    @property
    def is_about_saying(self) -> bool:
        """Whether something is expected of the answer, which needs a model."""
        return bool(self.says or self.not_says or self.language)


def read_tests(text: str, findings: Findings) -> tuple[PolicyTest, ...]:
    """The tests of one file, without those that are wrong, which are in `findings`."""
    if len(text) > MAX_CHARS:
        findings.add(0, f"this file is longer than {MAX_CHARS:,} characters.", "Make two files of it.")
        return ()
    node = read_node(text, findings)
    if node is None or (isinstance(node, Text) and is_blank(node.text)):
        return ()
    if not isinstance(node, Items):
        findings.add(node.line, "this is no list of tests.", "Begin each test with “- ask: …”.")
        return ()
    if len(node.items) > MAX_TESTS:
        findings.add(node.items[MAX_TESTS].line, f"there are more than {MAX_TESTS:,} tests.", "Keep the best.")
        return ()
    return tuple(test for item in node.items if (test := _Reader(findings).test(item)) is not None)


class _Reader:
    """Reads one test; what is wrong with it is told once."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._line = 0
        self._wrong = False

    def test(self, node: Node) -> PolicyTest | None:
        self._line = node.line
        if not isinstance(node, Pairs):
            self._add(node.line, "this is no test.", "Write “- ask: …” and what it finds below it.")
            return None
        values = self._keys(node)
        if "ask" not in values:
            self._add(node.line, "this test asks nothing.", "Write “ask: …” with what a customer writes.")
        turns, also = (self._texts(values, key, MAX_QUESTION_CHARS) for key in ("ask", "also"))
        test = PolicyTest(
            file=self._findings.file,
            line=node.line,
            turns=tuple(turn.words for turn in turns),
            also=tuple(turn.words for turn in also),
            finds=self._texts(values, "finds"),
            not_finds=self._texts(values, "not_finds"),
            finds_nothing=self._flag(values, "finds_nothing"),
            first=self._first(values),
            says=self._said(values, "says"),
            not_says=self._said(values, "not_says"),
            language=self._language(values),
            at=self._date(values),
        )
        if not self._wrong:
            self._complain_of_sense(test)
        return None if self._wrong else test

    def _complain_of_sense(self, test: PolicyTest) -> None:
        if not test.is_about_finding and not test.is_about_saying:
            self._add(test.line, "this test expects nothing.", "Write “finds: …”, “finds_nothing: true” or “says: …”.")
        elif test.finds_nothing and (test.finds or test.not_finds):
            self._add(test.line, "it can not find nothing and something.", "Keep finds_nothing, or the sections.")

    def _add(self, line: int, reason: str, fix: str) -> None:
        self._wrong = True
        self._findings.add(line, reason, fix)

    def _keys(self, node: Pairs) -> Mapping[str, Node]:
        values: dict[str, Node] = {}
        for key, value in node.pairs:
            if not isinstance(key, Text):
                self._add(key.line, "a key of this test is no plain word.", f"Known: {', '.join(KEYS)}.")
            elif key.text not in KEYS:
                reason = f"“{shown(key.text)}” is no key of a test.{nearest(key.text, KEYS)}"
                self._add(key.line, reason, f"Known: {', '.join(KEYS)}.")
            elif key.text in values:
                self._add(key.line, f"“{key.text}” is there twice.", "Make one list of both.")
            else:
                values[key.text] = value
        return values

    def _texts(self, values: Mapping[str, Node], key: str, longest: int = 200) -> tuple[Named, ...]:
        node = values.get(key)
        if node is None:
            return ()
        items: Sequence[Node] = node.items if isinstance(node, Items) else (node,)
        if not items or len(items) > MAX_LISTED:
            self._add(node.line, f"{key} has {len(items)} entries.", f"Write 1 to {MAX_LISTED}.")
            return ()
        return tuple(self._checked(items, key, longest))

    def _checked(self, items: Sequence[Node], key: str, longest: int) -> Iterator[Named]:
        for item in items:
            if not isinstance(item, Text):
                self._add(item.line, f"{key} holds a list in a list, or keys.", "Write texts only.")
                continue
            text = clean(item.text).strip()
            if is_blank(text):
                self._add(item.line, f"{key} is empty.", "Write it behind the colon.")
            elif len(text) > longest:
                self._add(item.line, f"{key} is longer than {longest:,} characters.", "Shorten it.")
            else:
                yield Named(text, item.line)

    def _said(self, values: Mapping[str, Node], key: str) -> tuple[Named, ...]:
        texts = self._texts(values, key)
        for text in texts:
            if not words_of(text.words):
                self._add(text.line, f"{key} “{shown(text.words)}” has no words.", "Write words or numbers.")
        return texts

    def _word(self, values: Mapping[str, Node], key: str) -> Named | None:
        found = self._texts(values, key)
        if len(found) > 1:
            self._add(found[1].line, f"{key} is a list.", "Write one word.")
        return found[0] if found else None

    def _flag(self, values: Mapping[str, Node], key: str) -> bool:
        if (word := self._word(values, key)) is None:
            return False
        if (flag := _YES_NO.get(word.words.lower())) is None:
            self._add(word.line, f"{key} is “{shown(word.words)}”.", "Write true, or delete the line.")
        return bool(flag)

    def _first(self, values: Mapping[str, Node]) -> int:
        if (word := self._word(values, "first")) is None:
            return DEFAULT_FIRST
        if word.words.isascii() and word.words.isdigit() and 1 <= int(word.words[:9]) <= MOST_FIRST:
            return int(word.words)
        self._add(word.line, f"first is “{shown(word.words)}”.", f"Write a number from 1 to {MOST_FIRST}.")
        return DEFAULT_FIRST

    def _language(self, values: Mapping[str, Node]) -> str | None:
        word = self._word(values, "language")
        if word and word.words not in LANGUAGES:
            reason = f"no answer can be told to be “{shown(word.words)}”."
            self._add(word.line, reason, f"Known: {', '.join(LANGUAGES)}.")
        return word.words if word else None

    def _date(self, values: Mapping[str, Node]) -> date | None:
        if (word := self._word(values, "at")) is None:
            return None
        try:
            return date.fromisoformat(word.words)
        except ValueError:
            self._add(word.line, f"at is “{shown(word.words)}”.", "Write a day like 2027-02-06.")
            return None
