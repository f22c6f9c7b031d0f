"""A moment as staff type it behind `/snooze` and `/close`: `30m`, `2h`, `16:30`, `tomorrow 9:00`, `2026-12-24 9:00`."""

import re
from datetime import date, datetime, time, timedelta, tzinfo

from bot.handoff import NotPossible
from bot.spans import span_of
from bot.text import fold

_AHEAD = {"": 0, "today": 0, "hom nay": 0, "tomorrow": 1, "mai": 1, "ngay mai": 1, "mot": 2, "ngay mot": 2}
_DAYS = {
    **{"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6},
    **{"monday": 0, "tuesday": 1, "wednesday": 2, "thursday": 3, "friday": 4, "saturday": 5, "sunday": 6},
    **{"t2": 0, "t3": 1, "t4": 2, "t5": 3, "t6": 4, "t7": 5, "cn": 6},
    **{"thu 2": 0, "thu 3": 1, "thu 4": 2, "thu 5": 3, "thu 6": 4, "thu 7": 5, "chu nhat": 6},
    **{"thu hai": 0, "thu ba": 1, "thu tu": 2, "thu nam": 3, "thu sau": 4, "thu bay": 5},
}
_CLOCK = re.compile(r"(?:^|\s)(\d{1,2})(?:[:h](\d{2})|h)\s*$")
_NO_CLOCK = time(9, 0)
_LATEST = timedelta(days=366)


def moment_of(text: str, now: datetime, zone: tzinfo) -> datetime:
    """The moment that is meant, always ahead. Raises `NotPossible`."""
    try:
        at = _moment(fold(text).strip(), now.astimezone(zone))
    except (ValueError, OverflowError):
        raise NotPossible("desk_bad_time") from None
    if not now < at <= now + _LATEST:
        raise NotPossible("desk_bad_time")
    return at.astimezone(now.tzinfo)


def _moment(text: str, here: datetime) -> datetime:
    if re.fullmatch(r"\d+[mhd]", text):
        return here + span_of(text)
    clock = _CLOCK.search(text)
    at = time(int(clock[1]), int(clock[2] or 0)) if clock else _NO_CLOCK
    words = text[: clock.start()].strip() if clock else text
    if not words and not clock:
        raise ValueError(text)
    found = datetime.combine(_day(words, here), at, here.tzinfo)
    # A time of the clock that is over today is that of tomorrow.
    return found + timedelta(days=1) if not words and found <= here else found


def _day(words: str, here: datetime) -> date:
    if words in _AHEAD:
        return here.date() + timedelta(days=_AHEAD[words])
    if words in _DAYS:
        return here.date() + timedelta(days=(_DAYS[words] - here.weekday() - 1) % 7 + 1)
    return date.fromisoformat(words)
