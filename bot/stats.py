"""`shopdesk stats`: what was done, as a page for a person and as plain values for a program."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from bot.config import Config
from bot.costs import By, cost_lines, cost_values, today_lines
from bot.model_commands import values_of
from bot.model_switch import words_of
from bot.spans import span_of
from bot.storage.stats import Stats, Times

EVER = "all"
_DEFAULTS = Config()
_OUTCOMES = {
    "complete": "complete",
    "stopped": "stopped",
    "failed": "failed",
    "refused": "refused by the model",
    "undeliverable": "nobody there any more",
    "sentence": "a sentence of the program's",
}


def since_of(text: str, now: datetime) -> datetime | None:
    """Where a span that ends now begins; None for all. Raises `ValueError`."""
    if text.strip().lower() == EVER:
        return None
    try:
        return now - span_of(text)
    except ValueError as exc:
        raise ValueError(f"{exc}, or {EVER}") from None
    except OverflowError:
        return None


def page(found: Stats, span: str, *, config: Config = _DEFAULTS, by: By = "model", width: int = 80) -> Iterator[str]:
    """The lines for a person, in so many columns."""
    when = "ever" if found.since is None else f"the last {span.strip().lower()}"
    yield f"{found.database}, {when}, until {_moment(found.at)}"
    if found.model_switch and not found.model_switch.is_on:
        yield words_of(found.model_switch)
    if not found.platforms:
        yield "Nobody has written yet." if found.since is None else "Nobody has written in this time."
        return
    yield ""
    yield f"{'messages':<16}{'received':>10}{'answered':>10}{'need none':>11}{'wait now':>10}{'unreadable':>12}"
    for one in found.platforms:
        numbers = f"{one.received:>10,}{one.answered:>10,}{one.closed:>11,}{one.waiting:>10,}{one.unreadable:>12,}"
        yield f"{one.platform:<16}{numbers}"
    yield ""
    yield _line("conversations", found.conversations)
    if found.waiting_for_person:
        yield _line("", found.waiting_for_person, "wait for a person")
    if found.waiting_since:
        yield _line("oldest waiting", _moment(found.waiting_since))
    yield _line("answers", sum(found.outcomes.values()))
    for outcome, count in found.outcomes.items():
        yield _line("", count, _OUTCOMES.get(outcome, outcome))
    if found.success_rate is not None:
        words = "of a model's answers are whole, or stopped by a reader"
        yield _line("success", f"{100 * found.success_rate:.1f} %", words)
    doubts = "outcome unknown: each may have left a bare beginning" if found.doubtful_sends else ""
    yield _line("doubtful sends", found.doubtful_sends, doubts)
    if found.finished.count:
        yield ""
        yield f"{'since received':<16}{'p50':>10}{'p95':>12}{'p99':>12}"
        yield _times("model asked", found.request)
        yield _times("first words", found.first_visible)
        yield _times("complete", found.finished)
    if found.costs.total.answers:
        yield ""
        yield from cost_lines(found.costs, config, by=by, width=width)
        yield ""
        yield from today_lines(found.today, config)


def values(found: Stats, *, config: Config = _DEFAULTS) -> dict[str, object]:
    """The same for a program; moments are ISO 8601 in UTC."""
    plain = {name: value for name, value in asdict(found).items() if name not in ("costs", "today", "model_switch")}
    return plain | {
        "database": str(found.database),
        "since": found.since.isoformat() if found.since else None,
        "at": found.at.isoformat(),
        "waiting_since": found.waiting_since.isoformat() if found.waiting_since else None,
        "outcomes": dict(found.outcomes),
        "success_rate": found.success_rate,
        "model_switch": values_of(found.model_switch),
        **cost_values(found.costs, found.today, config),
    }


def _line(name: str, value: int | str, words: str = "") -> str:
    number = f"{value:,}" if isinstance(value, int) else value
    return f"{name:<16}{number:>10}  {words}".rstrip()


def _times(name: str, times: Times) -> str:
    return f"{name:<16}{_seconds(times.p50_ms):>10}{_seconds(times.p95_ms):>12}{_seconds(times.p99_ms):>12}".rstrip()


def _seconds(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:,.2f} s"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
