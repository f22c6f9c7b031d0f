"""What a customer is told who waits for a person: that one will look at it, and when."""

from datetime import datetime, timedelta

from bot.policies.live import Policies

_DAYS = {
    "vi": ("thứ Hai", "thứ Ba", "thứ Tư", "thứ Năm", "thứ Sáu", "thứ Bảy", "Chủ nhật"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_NEAR = {"vi": ("hôm nay", "ngày mai"), "en": ("today", "tomorrow")}
_UNITS = {
    "vi": {"m": ("phút", "phút"), "h": ("giờ", "giờ"), "d": ("ngày", "ngày")},
    "en": {"m": ("minute", "minutes"), "h": ("hour", "hours"), "d": ("day", "days")},
}


def waiting_words(policies: Policies, language: str, at: datetime) -> str:
    """That a person is told, how soon somebody answers by the hours of the desk, and how the bot comes back."""
    parts = [
        policies.sentence("handed_over", language),
        expectation(policies, language, at),
        policies.sentence("while_waiting", language),
    ]
    return " ".join(part for part in parts if part)


def expectation(policies: Policies, language: str, at: datetime) -> str:
    """How soon somebody answers; empty when `desk.toml` does not say it."""
    hours, now = policies.prompts.desk, at.astimezone(policies.timezone)
    if not hours.days or hours.is_open(now):
        within = hours.answers_within
        return policies.sentence("staff_answer_within", language, span=span_words(within, language)) if within else ""
    opening = hours.next_opening(now)
    if opening is None:
        return policies.sentence("staff_away", language)
    return policies.sentence("staff_back", language, moment=moment_words(opening, now, language))


def span_words(span: timedelta, language: str) -> str:
    """`15 phút`, `2 hours`."""
    minutes = round(span.total_seconds() / 60)
    number, unit = (minutes, "m")
    if minutes % (24 * 60) == 0:
        number, unit = minutes // (24 * 60), "d"
    elif minutes % 60 == 0:
        number, unit = minutes // 60, "h"
    one, more = _UNITS.get(language, _UNITS["en"])[unit]
    return f"{number} {one if number == 1 else more}"


def moment_words(moment: datetime, now: datetime, language: str) -> str:
    """`8:00 ngày mai`, `8:00 thứ Hai 23/11`, `8:00 on Monday, 23/11`; both are in the shop's zone."""
    clock, ahead = f"{moment.hour}:{moment.minute:02}", (moment.date() - now.date()).days
    if language not in _NEAR:
        return f"{moment:%Y-%m-%d} {clock}"
    if ahead < len(_NEAR[language]):
        return f"{clock} {_NEAR[language][ahead]}"
    day, number = _DAYS[language][moment.weekday()], f"{moment.day}/{moment.month}"
    return f"{clock} {day} {number}" if language == "vi" else f"{clock} on {day}, {moment.day} {moment:%B}"
