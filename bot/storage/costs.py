"""What answers have cost, added up by day, model, key, platform and customer."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    staff = {row[0] for row in db.execute("SELECT DISTINCT conversation_id FROM inbox WHERE role = 'staff'")}
    day_of_moment, free = _Days(timezone), dict[str, bool]()
    total, unpriced = _Sum(), dict[str, int]()
    days, models, keys, platforms, customers = (defaultdict[str, _Sum](_Sum) for _ in range(5))
    # One pass: a query for each group would read all of it as often.
    for turn, created_at, conversation, platform, model, key, *tokens, cost, guessed in db.execute(
        _SPENDINGS, (iso(since) if since else "",)
    ):
        if model not in free:
            free[model] = is_free(model)
        missing = 0 if cost or free[model] else sum(tokens)
        if missing:
            unpriced[model] = unpriced.get(model, 0) + missing
        groups = [total, days[day_of_moment(created_at)], models[model], keys[_key(model, key)], platforms[platform]]
        if conversation not in staff:
            groups.append(customers[str(conversation)])
        for group in groups:
            group.add(turn, tokens, cost, missing, guessed)
    return Costs(
        total=total.spend("total"),
        by_day=tuple(one.spend(day) for day, one in sorted(days.items())),
        by_model=_dearest(models),
        by_key=_dearest(keys),
        by_platform=_dearest(platforms),
        by_customer=tuple(replace(one, name=_customer(db, one.name)) for one in _dearest(customers)[:TOP]),
        without_price=tuple(sorted(unpriced.items(), key=lambda item: (-item[1], item[0]))),
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


class _Sum:
    """A group while it is added up. What belongs to one turn is added in a row."""

    __slots__ = ("answers", "cost", "guessed", "missing", "read", "said", "sent", "turn", "written")

    def __init__(self) -> None:
        self.turn = self.answers = self.sent = self.said = self.read = self.written = 0
        self.cost = self.missing = self.guessed = 0

    def add(self, turn: int, tokens: Sequence[int], cost: int, missing: int, guessed: int) -> None:
        if turn != self.turn:
            self.turn = turn
            self.answers += 1
        self.sent += tokens[0]
        self.said += tokens[1]
        self.read += tokens[2]
        self.written += tokens[3]
        self.cost += cost
        self.missing += missing
        self.guessed += guessed

    def spend(self, name: str) -> Spend:
        tokens = (self.sent, self.said, self.read, self.written)
        return Spend(name, self.answers, *tokens, self.cost, self.missing, self.guessed)


def _dearest(groups: Mapping[str, _Sum]) -> tuple[Spend, ...]:
    found = [one.spend(name) for name, one in groups.items()]
    return tuple(sorted(found, key=lambda one: (-one.cost, -one.answers, one.name)))


def _key(model: str, label: str) -> str:
    """A label says by itself whose key it is, or its provider does."""
    provider = model.partition(":")[0]
    return label if label.startswith(provider) else f"{provider} {label}".strip()


def _customer(db: sqlite3.Connection, conversation: str) -> str:
    found = db.execute("SELECT platform, chat_id, sender_name FROM conversations WHERE id = ?", (int(conversation),))
    return " ".join(found.fetchone())


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


_SPENDINGS = """
    SELECT turns.id, turns.created_at, turns.conversation_id, platform, spendings.model, key, spendings.input_tokens,
        spendings.output_tokens, spendings.cache_read_tokens, spendings.cache_write_tokens, spendings.cost,
        estimated_tokens
    FROM turns CROSS JOIN spendings ON spendings.turn_id = turns.id
        JOIN conversations ON conversations.id = turns.conversation_id
    WHERE turns.role = 'assistant' AND turns.created_at >= ?"""
_TODAY = """
    SELECT sum(cost), sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens),
        EXISTS (SELECT 1 FROM inbox WHERE inbox.conversation_id = turns.conversation_id AND inbox.role = 'staff')
    FROM turns WHERE role = 'assistant' AND created_at >= ? AND created_at < ? AND input_tokens NOTNULL
    GROUP BY conversation_id"""
