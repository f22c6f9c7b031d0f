"""What was done, counted in the database beside the program that may be running."""

import math
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from bot.errors import StorageError
from bot.storage.backup import opened
from bot.storage.costs import Costs, Today, costs, today
from bot.storage.database import iso
from bot.storage.faults import unusable
from bot.storage.schema import migrations
from bot.storage.switches import Turned, last_turned


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages of one platform. Of those `received`, so many were `answered`, and `closed` without an answer since
    they need none. `waiting` is what waits now, however old; `unreadable` are updates that were parked."""

    platform: str
    received: int
    answered: int
    closed: int
    waiting: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds from the moment a message was received, over `count` answers; None when there are none."""

    count: int
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None


@dataclass(frozen=True, slots=True)
class Stats:
    """What was done between `since` (None: ever) and `at`."""

    database: Path
    since: datetime | None
    at: datetime
    platforms: tuple[Traffic, ...]
    conversations: int
    waiting_for_person: int
    """Conversations that wait for a person now."""
    waiting_since: datetime | None
    """When the oldest message was received of those that wait now."""
    outcomes: Mapping[str, int]
    """How the turns ended (see `bot.storage.turns.Outcome`)."""
    doubtful_sends: int
    """Sends of finished replies whose outcome is unknown: each may have left a bare beginning in the chat."""
    request: Times
    """Until the model was asked; this and the two below are of answers of the model."""
    first_visible: Times
    finished: Times
    costs: Costs
    today: Today
    model_switch: Turned | None
    """How the kill switch was turned last; None: never."""

    @property
    def success_rate(self) -> float | None:
        """The share of answers that reached their end, or were stopped by their reader, of those for which a model
        was asked; None: there are none."""
        good = self.outcomes.get("complete", 0) + self.outcomes.get("stopped", 0)
        bad = self.outcomes.get("failed", 0) + self.outcomes.get("refused", 0)
        return good / (good + bad) if good + bad else None


def stats(
    database: Path,
    *,
    since: datetime | None,
    at: datetime,
    timezone: tzinfo = UTC,
    is_free: Callable[[str], bool] = lambda model: False,
) -> Stats:
    """Count what is in the file, by the days of `timezone`. `is_free`: this model has a price, and it is 0. Blocks, and
    holds up nobody who writes. Raises `StorageError`."""
    if not database.exists():
        raise StorageError(f"There is no database at {database}: nothing to count. SHOPDESK_DATA names its folder.")
    try:
        # A log that a kill left behind can be read by a connection only that may write.
        with closing(opened(database, writable=True)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA query_only=ON")
            db.execute("BEGIN")
            _must_be_of_today(db, database)
            return _counted(db, database, since, at, timezone, is_free)
    except sqlite3.Error as exc:
        raise unusable(database, exc, "`shopdesk restore --list` shows the backups.") from exc


def _must_be_of_today(db: sqlite3.Connection, database: Path) -> None:
    schema, ours = int(db.execute("PRAGMA user_version").fetchone()[0]), len(migrations())
    if schema != ours:
        age = "a newer" if schema > ours else "an older"
        advice = "install that one" if schema > ours else "start this one on it once"
        raise StorageError(f"{database} was written by {age} Shopdesk (schema {schema}, here {ours}): {advice}.")


def _counted(
    db: sqlite3.Connection,
    database: Path,
    since: datetime | None,
    at: datetime,
    timezone: tzinfo,
    is_free: Callable[[str], bool],
) -> Stats:
    start = iso(since) if since else ""
    oldest = db.execute("SELECT min(received_at) FROM inbox WHERE answered_at IS NULL").fetchone()[0]
    outcomes = db.execute(
        "SELECT outcome, count(*) FROM turns WHERE role = 'assistant' AND created_at >= ? GROUP BY outcome"
        " ORDER BY count(*) DESC, outcome",
        (start,),
    )
    return Stats(
        database=database,
        since=since,
        at=at,
        platforms=_traffic(db, start),
        conversations=_number(db, "SELECT count(DISTINCT conversation_id) FROM inbox WHERE received_at >= ?", start),
        waiting_for_person=_number(db, "SELECT count(*) FROM conversations WHERE mode = 'waiting'"),
        waiting_since=datetime.fromisoformat(oldest) if oldest else None,
        outcomes={row[0]: row[1] for row in outcomes},
        doubtful_sends=_number(db, _DOUBTFUL_SENDS, start),
        request=_times(db, "request_ms", start),
        first_visible=_times(db, "first_visible_ms", start),
        finished=_times(db, "finished_ms", start),
        costs=costs(db, since, timezone, is_free=is_free),
        today=today(db, at, timezone),
        model_switch=last_turned(db, "model"),
    )


# Of a reply that is not finished, what is in doubt is still to be edited.
_DOUBTFUL_SENDS = """
    SELECT coalesce(sum(doubts), 0) FROM outbox WHERE sent_at >= ? AND NOT EXISTS (
        SELECT 1 FROM inbox WHERE answered_at IS NULL AND outbox.reply_key = 'reply-' || inbox.id
    )"""

_TRAFFIC = """
    SELECT platform, sum(received), sum(answered), sum(closed), sum(waiting), sum(unreadable) FROM (
        SELECT platform, received_at >= :start AS received,
            received_at >= :start AND answered_by NOTNULL AS answered,
            received_at >= :start AND answered_by ISNULL AND answered_at NOTNULL AS closed,
            answered_at ISNULL AS waiting, 0 AS unreadable
        FROM inbox
        UNION ALL SELECT platform, 0, 0, 0, 0, 1 FROM parked_updates WHERE received_at >= :start
    ) GROUP BY platform ORDER BY platform"""


def _traffic(db: sqlite3.Connection, start: str) -> tuple[Traffic, ...]:
    found = [Traffic(*row) for row in db.execute(_TRAFFIC, {"start": start})]
    return tuple(one for one in found if one.received or one.waiting or one.unreadable)


def _times(db: sqlite3.Connection, column: str, start: str) -> Times:
    those = f"FROM turns WHERE role = 'assistant' AND created_at >= ? AND request_ms NOTNULL AND {column} NOTNULL"
    count = _number(db, f"SELECT count(*) {those}", start)
    if not count:
        return Times(0, None, None, None)
    p50, p95, p99 = (
        _number(db, f"SELECT {column} {those} ORDER BY {column} LIMIT 1 OFFSET ?", start, math.ceil(share * count) - 1)
        for share in (0.5, 0.95, 0.99)
    )
    return Times(count, p50, p95, p99)


def _number(db: sqlite3.Connection, sql: str, *values: object) -> int:
    return int(db.execute(sql, values).fetchone()[0])
