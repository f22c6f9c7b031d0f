"""When a policy counts: from and until a moment on the shop's clock, as its front matter writes them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal

import regex

from bot.chat import Role

Audience = Literal["customers", "staff", "everyone"]
"""Whose questions a policy is for. What is for `staff` is never given to a customer's turn, and the other way round."""

FORM = "2026-02-10, or with a time 2026-02-10 18:00"
_MOMENT = regex.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{1,2}):(\d{2}))?", regex.ASCII)
_DAY_FIRST = regex.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:\s.*)?", regex.ASCII)
_YEARS = range(2000, 2200)
_DAY = timedelta(days=1)
NOON = time(12)
"""When it is on a day that a policy test names."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment as it is written: a time on the shop's clock, or a whole day."""

    at: datetime
    """Without a zone; the beginning of a day that has no time."""
    is_day: bool

    @property
    def end(self) -> datetime:
        """When it is over: a day counts to its last second."""
        return self.at + _DAY if self.is_day else self.at

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d}" if self.is_day else f"{self.at:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Period:
    """From the first moment on, and until the last one, both of which may be left out."""

    start: Moment | None = None
    until: Moment | None = None

    def includes(self, wall: datetime) -> bool:
        """Whether a time on the shop's clock (see `on_the_wall`) lies in it."""
        return not (self.is_before(wall) or self.is_over(wall))

    def is_before(self, wall: datetime) -> bool:
        """Whether it begins later."""
        return self.start is not None and wall < self.start.at

    def is_over(self, wall: datetime) -> bool:
        """Whether it has ended."""
        return self.until is not None and wall >= self.until.end

    def a_day(self) -> date | None:
        """A day whose noon lies in it, the first if it has one; None when there is no end to hold on to, or no noon."""
        moments = [moment.at for moment in (self.start, self.until) if moment]
        noons = [datetime.combine(at.date() + days * _DAY, NOON) for at in moments for days in (0, 1, -1)]
        return next((noon.date() for noon in noons if self.includes(noon)), None)

    @property
    def is_empty(self) -> bool:
        """Whether it ends before it begins."""
        return self.start is not None and self.until is not None and self.until.end <= self.start.at


ALWAYS = Period()


@dataclass(frozen=True, slots=True)
class Terms:
    """What limits a policy: when it counts, and for whose questions."""

    period: Period = ALWAYS
    audience: Audience = "everyone"

    def hold(self, wall: datetime, asker: Role) -> bool:
        """Whether the policy counts for a question that is asked at this time on the shop's clock."""
        return self.admit(asker) and self.period.includes(wall)

    def admit(self, asker: Role) -> bool:
        """Whether it is for the questions of this role."""
        return self.audience == "everyone" or (self.audience == "staff") == (asker == "staff")


NO_TERMS = Terms()


class Calendar:
    """Which policies do not count, at a moment and for a role. Most policies always count: those cost nothing."""

    def __init__(self, terms: Iterable[tuple[str, Terms]], timezone: tzinfo) -> None:
        self._limited = {policy: limits for policy, limits in terms if limits != NO_TERMS}
        self._timezone = timezone

    def hidden(self, at: datetime, asker: Role) -> frozenset[str]:
        """The policies that a question of `asker` is not answered from. `at` has a time zone, any."""
        if not self._limited:
            return frozenset()
        wall = on_the_wall(at, self._timezone)
        return frozenset(policy for policy, terms in self._limited.items() if not terms.hold(wall, asker))


def on_the_wall(at: datetime, timezone: tzinfo) -> datetime:
    """A moment as the shop's clock shows it, without a zone: what a policy's dates are compared with."""
    return at.astimezone(timezone).replace(tzinfo=None)


def read_moment(text: str) -> Moment:
    """A date or a date with a time. Raises `ValueError` with what is wrong and how to write it."""
    written = _MOMENT.fullmatch(text.strip())
    if written is None:
        raise ValueError(f"is no date: write {_meant(text) or FORM}")
    year, month, day, hour, minute = (int(part or 0) for part in written.groups())
    if year not in _YEARS:
        raise ValueError(f"is in no year from {_YEARS[0]} to {_YEARS[-1]}: write it like {FORM}")
    try:
        return Moment(datetime(year, month, day, hour, minute), written[4] is None)
    except ValueError:
        raise ValueError(f"is no date that exists: write it like {FORM}") from None


def _meant(text: str) -> str:
    """10/02/2026 is the tenth of February wherever shops of Vietnam write it."""
    written = _DAY_FIRST.fullmatch(text.strip())
    if written is None:
        return ""
    try:
        return f"{date(int(written[3]), int(written[2]), int(written[1]))} (the year comes first)"
    except ValueError:
        return ""
