"""What answers have cost, added up by day, model, key, platform and customer."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bot.storage.database import iso
from bot.storage.spending import Amount, day_of
from bot.storage.turns import OVER_BUDGET

TOP = 10
"""So many customers are told of: those who cost most."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What a group of answers has cost, in nano-dollars; `unpriced_tokens` of the tokens are not in that, since their
    model had no price, and `estimated_tokens` are guessed, since the answer broke off before it was counted."""

    name: str
    answers: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost: int
    unpriced_tokens: int
    estimated_tokens: int

    @property
    def tokens(self) -> int:
        """Those of all kinds together."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def cache_hit_rate(self) -> float | None:
        """The share of what was read that came from the provider's cache; None: nothing was read."""
        read = self.tokens - self.output_tokens
        return self.cache_read_tokens / read if read else None


@dataclass(frozen=True, slots=True)
class Costs:
    """Days are the shop's. A key is named by its provider and its label. Of customers, those who cost most."""

    total: Spend
    by_day: tuple[Spend, ...]
    by_model: tuple[Spend, ...]
    by_key: tuple[Spend, ...]
    by_platform: tuple[Spend, ...]
    by_customer: tuple[Spend, ...]
    without_price: tuple[tuple[str, int], ...]
    """Models, each with so many tokens, that had no price when they were asked."""


@dataclass(frozen=True, slots=True)
class Today:
    """What was spent since midnight of the shop; `customers` are the amounts of each who is no staff."""

    day: str
    shop: Amount
    customers: tuple[Amount, ...]
    refused: int
    """Turns that no model was asked about, since the budget was spent."""


def costs(db: sqlite3.Connection, since: datetime | None, timezone: tzinfo, *, is_free: Callable[[str], bool]) -> Costs:
    """Add up what was spent since then (None: ever). `is_free`: the model has a price, and it is 0."""
    start = iso(since) if since else ""
    db.create_function("day_of", 1, _Days(timezone))
    db.create_function("unpriced", 1, lambda model: not is_free(model))

    def grouped(name: str, tail: str) -> tuple[Spend, ...]:
        return tuple(Spend(*row) for row in db.execute(_SUMS.format(name=name) + tail, (start,)))

    dearest = "GROUP BY 1 ORDER BY 7 DESC, 2 DESC, 1"
    return Costs(
        total=grouped("'total'", "")[0],
        by_day=grouped("day_of(turns.created_at)", "GROUP BY 1 ORDER BY 1"),
        by_model=grouped("spendings.model", dearest),
        by_key=grouped(_KEY, dearest),
        by_platform=grouped("platform", dearest),
        by_customer=grouped(
            _CUSTOMER, f"{_NO_STAFF} GROUP BY turns.conversation_id ORDER BY 7 DESC, 2 DESC, 1 LIMIT {TOP}"
        ),
        without_price=tuple(
            (row[0], row[1])
            for row in db.execute(
                f"SELECT spendings.model, sum({_UNPRICED}) {_THOSE} GROUP BY 1 HAVING sum({_UNPRICED}) > 0"
                " ORDER BY 2 DESC, 1",
                (start,),
            )
        ),
    )


def today(db: sqlite3.Connection, at: datetime, timezone: tzinfo) -> Today:
    """What was spent on the day of the shop that a moment is in."""
    day, start, end = day_of(at, timezone)
    rows = db.execute(_TODAY, (iso(start), iso(end))).fetchall()
    amounts = [(Amount(row[0], row[1]), row[2]) for row in rows]
    refused = db.execute(
        "SELECT count(*) FROM turns WHERE role = 'assistant' AND created_at >= ? AND created_at < ?"
        " AND stop_reason = ?",
        (iso(start), iso(end), OVER_BUDGET),
    ).fetchone()[0]
    shop = sum((amount for amount, _ in amounts), Amount())
    return Today(day.isoformat(), shop, tuple(amount for amount, is_staff in amounts if not is_staff), refused)


class _Days:
    """The day of the shop that a stored moment is in. Each minute is asked for once."""

    def __init__(self, timezone: tzinfo) -> None:
        self._timezone = timezone
        self._known: dict[str, str] = {}

    def __call__(self, stored: str) -> str:
        minute = stored[:16]
        if minute not in self._known:
            self._known[minute] = datetime.fromisoformat(stored).astimezone(self._timezone).date().isoformat()
        return self._known[minute]


_THOSE = (
    "FROM turns JOIN spendings ON spendings.turn_id = turns.id JOIN conversations ON conversations.id ="
    " turns.conversation_id WHERE turns.role = 'assistant' AND turns.created_at >= ?"
)
_TOKENS = (
    "(spendings.input_tokens + spendings.output_tokens + spendings.cache_read_tokens + spendings.cache_write_tokens)"
)
_UNPRICED = f"CASE WHEN spendings.cost = 0 AND unpriced(spendings.model) THEN {_TOKENS} ELSE 0 END"
_SUMS = (
    "SELECT {name}, count(DISTINCT turns.id), coalesce(sum(spendings.input_tokens), 0),"
    " coalesce(sum(spendings.output_tokens), 0), coalesce(sum(spendings.cache_read_tokens), 0),"
    " coalesce(sum(spendings.cache_write_tokens), 0), coalesce(sum(spendings.cost), 0),"
    f" coalesce(sum({_UNPRICED}), 0), coalesce(sum(estimated_tokens), 0) {_THOSE} "
)
_KEY = (
    "trim(CASE WHEN instr(spendings.model, ':') THEN substr(spendings.model, 1, instr(spendings.model, ':') - 1)"
    " ELSE spendings.model END || ' ' || spendings.key)"
)
_NO_STAFF = "AND turns.conversation_id NOT IN (SELECT conversation_id FROM inbox WHERE role = 'staff')"
_CUSTOMER = "platform || ' ' || chat_id || ' ' || sender_name"
_TODAY = """
    SELECT sum(cost), sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens),
        EXISTS (SELECT 1 FROM inbox WHERE inbox.conversation_id = turns.conversation_id AND inbox.role = 'staff')
    FROM turns WHERE role = 'assistant' AND created_at >= ? AND created_at < ? AND input_tokens NOTNULL
    GROUP BY conversation_id"""
