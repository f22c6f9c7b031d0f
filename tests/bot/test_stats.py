from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.spans import span_of
from bot.stats import page, since_of, values
from bot.storage.costs import Costs, Spend, Today
from bot.storage.spending import Amount
from bot.storage.stats import Stats, Times, Traffic
from bot.storage.switches import Turned
from tests.words import NOON

NONE = Times(0, None, None, None)


HAIKU = Spend("anthropic:claude-haiku-5-5", 11_000, 1_000_000, 1_234_567, 9_000_000, 0, 12_345_678_900, 0, 0)
COSTS = Costs(replace(HAIKU, name="total"), (), (HAIKU,), (), (), (), ())
TODAY = Today("2026-11-20", Amount(500_000_000, 123_456), (), 0)


def counted(database: Path, *, since: datetime | None = NOON - timedelta(hours=24)) -> Stats:
    """A day in which much happened."""
    return Stats(
        database=database,
        since=since,
        at=NOON,
        platforms=(Traffic("telegram", 12_034, 12_030, 2, 2, 1), Traffic("web", 5, 5, 0, 0, 0)),
        conversations=420,
        waiting_for_person=2,
        waiting_since=NOON - timedelta(minutes=3),
        outcomes={"complete": 11_000, "sentence": 12, "failed": 1},
        doubtful_sends=3,
        request=Times(11_000, 10, 130, 150),
        first_visible=Times(11_000, 350, 2_100, 4_000),
        finished=Times(11_000, 8_110, 1_020_400, 2_000_000),
        costs=COSTS,
        today=TODAY,
        model_switch=None,
    )


def test_the_page_is_aligned_and_says_what_each_number_is() -> None:
    assert list(page(counted(Path("data/shopdesk.db")), "24h")) == [
        "data/shopdesk.db, the last 24h, until 2026-11-20 12:00 UTC",
        "",
        "messages          received  answered  need none  wait now  unreadable",
        "telegram            12,034    12,030          2         2           1",
        "web                      5         5          0         0           0",
        "",
        "conversations          420",
        "                         2  wait for a person",
        "oldest waiting  2026-11-20 11:57 UTC",
        "answers             11,013",
        "                    11,000  complete",
        "                        12  a sentence of the program's",
        "                         1  failed",
        "success            100.0 %  of a model's answers are whole, or stopped by a reader",
        "doubtful sends           3  outcome unknown: each may have left a bare beginning",
        "",
        "since received         p50         p95         p99",
        "model asked         0.01 s      0.13 s      0.15 s",
        "first words         0.35 s      2.10 s      4.00 s",
        "complete            8.11 s  1,020.40 s  2,000.00 s",
        "",
        "costs by model               answers   tokens   cached      dollars         đồng",
        "anthropic:claude-haiku-5-5    11,000   11.2 M   90.0 %       $12.35    320,988 ₫",
        "all                           11,000   11.2 M   90.0 %       $12.35    320,988 ₫",
        "An answer costs $0.001122 on average.",
        "",
        "spent today      $0.500000  13,000 ₫",
        "                   123,456  tokens",
    ]


def test_a_model_that_is_switched_off_is_said_first() -> None:
    off = replace(counted(Path("shopdesk.db")), model_switch=Turned(False, "mai", "trả lời sai", NOON))
    assert list(page(off, "24h"))[1] == "The model is switched off since 2026-11-20 12:00 UTC, by mai: trả lời sai."
    told = {"on": False, "since": NOON.isoformat(), "who": "mai", "reason": "trả lời sai"}
    assert values(off)["model_switch"] == told


def test_answers_that_failed_or_were_refused_are_no_success() -> None:
    outcomes = {"complete": 80, "stopped": 10, "failed": 6, "refused": 4, "sentence": 1000, "undeliverable": 50}
    assert replace(counted(Path("shopdesk.db")), outcomes=outcomes).success_rate == 0.9


def test_an_empty_shop_says_so() -> None:
    nothing = Costs(Spend("total", 0, 0, 0, 0, 0, 0, 0, 0), (), (), (), (), (), ())
    times, today = (NONE, NONE, NONE), Today("2026-11-20", Amount(), (), 0)
    empty = Stats(Path("shopdesk.db"), None, NOON, (), 0, 0, None, {}, 0, *times, nothing, today, None)
    assert empty.success_rate is None
    assert list(page(empty, "all")) == ["shopdesk.db, ever, until 2026-11-20 12:00 UTC", "Nobody has written yet."]


def test_for_a_program_all_are_plain_values() -> None:
    found = values(counted(Path("shopdesk.db"), since=None))
    assert found["since"] is None
    assert found["waiting_since"] == "2026-11-20T11:57:00+00:00"
    assert found["outcomes"] == {"complete": 11_000, "sentence": 12, "failed": 1}
    assert found["request"] == {"count": 11_000, "p50_ms": 10, "p95_ms": 130, "p99_ms": 150}


@pytest.mark.parametrize(
    ("text", "span"),
    [("90m", timedelta(minutes=90)), (" 6H ", timedelta(hours=6)), ("7d", timedelta(days=7))],
)
def test_a_span_is_a_number_and_its_unit(text: str, span: timedelta) -> None:
    assert span_of(text) == span
    assert since_of(text, NOON) == NOON - span


@pytest.mark.parametrize("text", ["", "6", "h", "-6h", "6 h", "6s", "1.5h", "0h", "٦h", "999999999d", "6h30m"])
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="for example 90m, 6h or 2d"):
        span_of(text)


def test_all_has_no_beginning() -> None:
    assert since_of("All", NOON) is None
