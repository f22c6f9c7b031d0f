"""`desk.toml`: when somebody is at the desk and how soon he answers, read and checked."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import regex

from bot.policies.findings import Findings, nearest, shown
from bot.spans import span_of

MAX_CHARS = 16 * 1024
MAX_HOLIDAYS = 400
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_KEYS = ("answers_within", "holidays", "order_prefixes", "hours")
_PLACE = regex.compile(r" \(at line (\d+), column \d+\)| \(at end of document\)")
_TIMES = regex.compile(r"(\d{1,2})[:h](\d{2})\s*[-–]\s*(\d{1,2})[:h](\d{2})")
_PREFIX = regex.compile(r"[A-Za-z#][A-Za-z#-]{0,9}")
_LOOK_AHEAD = 60
"""Days in which the next opening is looked for: nobody waits for a later one."""
_WHOLE_DAY = 24 * 60

Times = tuple[int, int]
"""From and until, in minutes of the day."""


@dataclass(frozen=True, slots=True)
class DeskHours:
    """By the shop's clock. Without any `days` nothing is known of the hours."""

    days: tuple[tuple[Times, ...], ...] = ()
    """Monday to Sunday."""
    holidays: frozenset[date] = frozenset()
    answers_within: timedelta | None = None
    order_prefixes: tuple[str, ...] = ()
    """What the shop's order numbers begin with."""

    def is_open(self, at: datetime) -> bool:
        """Whether somebody is there; `at` is in the shop's zone."""
        minute = at.hour * 60 + at.minute
        return any(start <= minute < end for start, end in self._times(at.date()))

    def next_opening(self, at: datetime) -> datetime | None:
        """When somebody is there next, if nobody is; None: not within the next weeks, or nothing is known."""
        for ahead in range(_LOOK_AHEAD):
            day = at.date() + timedelta(days=ahead)
            for start, _ in self._times(day):
                opening = datetime.combine(day, time(start // 60 % 24, start % 60), at.tzinfo)
                if opening > at:
                    return opening
        return None

    def _times(self, day: date) -> tuple[Times, ...]:
        return self.days[day.weekday()] if self.days and day not in self.holidays else ()


def read_hours(text: str, findings: Findings) -> DeskHours:
    """The file, checked; without what is wrong, which is in `findings`."""
    reader = _Reader(text, findings)
    table = reader.parsed()
    for key in table:
        if key not in _KEYS:
            reader.add(key, f"there is no “{shown(key)}” here.{nearest(key, _KEYS)}", f"Known: {', '.join(_KEYS)}.")
    return DeskHours(
        days=reader.days(table.get("hours", {})),
        holidays=frozenset(reader.holidays(table.get("holidays", []))),
        answers_within=reader.span(table.get("answers_within")),
        order_prefixes=tuple(reader.prefixes(table.get("order_prefixes", []))),
    )


@dataclass(slots=True)
class _Reader:
    text: str
    findings: Findings
    lines: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.text.split("\n")

    def add(self, words: str, reason: str, fix: str) -> None:
        line = next((number for number, line in enumerate(self.lines, 1) if words in line.split("#")[0]), 0)
        self.findings.add(line, reason, fix)

    def parsed(self) -> Mapping[str, object]:
        if len(self.text) > MAX_CHARS:
            self.findings.add(0, f"this file is longer than {MAX_CHARS:,} characters.", "Keep hours and holidays.")
            return {}
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as exc:
            place = _PLACE.search(str(exc))
            line = int(place[1]) if place and place[1] else len(self.lines)
            reason = _PLACE.sub("", str(exc))
            self.findings.add(line, f"this is no valid TOML: {reason[:1].lower()}{reason[1:]}.", "Correct this line.")
        except RecursionError:
            self.findings.add(0, "lists are nested too deeply.", "Write hours as a table of days.")
        return {}

    def days(self, table: object) -> tuple[tuple[Times, ...], ...]:
        if not isinstance(table, dict):
            self.add("hours", "“hours” is no table.", 'Write [hours], and below it lines like mon = "8:00-21:00".')
            return ()
        for key in table:
            if key not in _DAYS:
                reason = f"“{shown(key)}” is no day.{nearest(key, _DAYS)}"
                self.add(key, reason, f"Days are {', '.join(_DAYS)}.")
        return tuple(tuple(self.times(day, table.get(day, ""))) for day in _DAYS) if table else ()

    def times(self, day: str, words: object) -> Iterator[Times]:
        if words == "":
            return
        end_before = 0
        for part in str(words).split(",") if isinstance(words, str) else ["?"]:
            match = _TIMES.fullmatch(part.strip())
            start, end = _minutes(match) if match else (1, 0)
            if start < end_before or start >= end or end > _WHOLE_DAY:
                reason = f"the hours of {day} are not understood: “{shown(str(words))}”."
                self.add(day, reason, 'Write them like "8:00-21:00" or "8:00-12:00, 13:30-17:00", the earlier first.')
                return
            end_before = end
            yield start, end

    def holidays(self, words: object) -> Iterator[date]:
        for one in self.texts("holidays", words):
            parts = [part.strip() for part in regex.split(r"\s+(?:-|–|to|đến)\s+|/", one)]
            try:
                first, last = date.fromisoformat(parts[0]), date.fromisoformat(parts[-1])
            except ValueError:
                first, last = date.max, date.min
            if len(parts) > 2 or not timedelta() <= last - first <= timedelta(days=MAX_HOLIDAYS):
                fix = 'Write "2027-02-06", or "2027-02-06 – 2027-02-12".'
                self.add(one, f"“{shown(one)}” is no day, and no days one after the other.", fix)
                continue
            yield from (first + timedelta(days=number) for number in range((last - first).days + 1))

    def span(self, words: object) -> timedelta | None:
        if words is None:
            return None
        try:
            return span_of(words if isinstance(words, str) else "")
        except ValueError as exc:
            self.add("answers_within", f"answers_within {exc}.", 'Write answers_within = "15m", or leave it out.')
            return None

    def prefixes(self, words: object) -> Iterator[str]:
        for one in self.texts("order_prefixes", words):
            if _PREFIX.fullmatch(one):
                yield one
            else:
                fix = 'Write the letters that order numbers begin with: ["NM", "DH-"].'
                self.add(one, f"“{shown(one)}” is no beginning of an order number.", fix)

    def texts(self, key: str, words: object) -> list[str]:
        if isinstance(words, list) and all(isinstance(one, str) for one in words) and len(words) <= MAX_HOLIDAYS:
            return words
        self.add(key, f"“{key}” is no list of texts.", f'Write {key} = ["…", "…"].')
        return []


def _minutes(match: "regex.Match[str]") -> Times:
    hours = [int(number) for number in match.groups()]
    if hours[1] > 59 or hours[3] > 59:
        return 1, 0
    return hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
