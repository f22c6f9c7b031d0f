"""The canaries: what each one tried, what became of it, and the turns by which it is judged."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.storage.database import Database, iso

Kind = Literal["model", "policies"]
What = Literal["stage", "promoted", "rolled_back", "kept"]
"""It is tried on so many percent; on everybody, for good; on nobody any more; the settings name it now."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tried instead of what, and how. `stage_seconds` None: it goes on by hand only."""

    kind: Kind
    tries: str
    stable: str
    salt: str
    stages: tuple[int, ...]
    stage_seconds: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """What became of a canary. The turns behind `after_turn` are those of this step."""

    what: What
    percent: int
    at: datetime
    who: str
    why: str
    after_turn: int


@dataclass(frozen=True, slots=True)
class Canary:
    """One canary and its steps, the oldest first; there is at least one."""

    id: int
    plan: Plan
    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        """How it stands."""
        return self.steps[-1]


@dataclass(frozen=True, slots=True)
class CanaryTurn:
    """One customer's turn that was one for a model. `first_text_ms`: from the question to the model to its first
    text."""

    id: int
    outcome: str
    failures: int
    first_text_ms: int | None
    mode: str
    """That of its conversation, now."""


class Canaries:
    """Every method is one transaction. They raise `StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last(self, count: int = 1) -> tuple[Canary, ...]:
        """The canaries that were started last, the newest first."""
        return await self._database.read(lambda db: _last(db, count))

    async def start(self, plan: Plan, *, percent: int, at: datetime, who: str, why: str) -> Canary:
        """Keep a new one, which begins with so many percent."""
        return await self._database.write(lambda db: _start(db, plan, percent, at, who, why))

    async def step(self, canary: Canary, what: What, percent: int, *, at: datetime, who: str, why: str) -> Canary:
        """Keep what becomes of one; the canary as it is then."""
        return await self._database.write(lambda db: _step(db, canary, what, percent, at, who, why))

    async def turns(self, variant: int | None, *, behind: int, limit: int) -> tuple[CanaryTurn, ...]:
        """The last turns of a canary (None: of the stable side) behind a turn, the oldest first."""
        return await self._database.read(lambda db: _turns(db, variant, behind, limit))


def _last(db: sqlite3.Connection, count: int) -> tuple[Canary, ...]:
    rows = db.execute("SELECT * FROM canaries ORDER BY id DESC LIMIT ?", (count,)).fetchall()
    return tuple(_canary(db, row) for row in rows)


def _canary(db: sqlite3.Connection, row: sqlite3.Row) -> Canary:
    steps = db.execute("SELECT * FROM canary_steps WHERE canary_id = ? ORDER BY id", (row["id"],)).fetchall()
    stages = tuple(json.loads(row["stages"]))
    return Canary(
        row["id"],
        Plan(row["kind"], row["tries"], row["stable"], row["salt"], stages, row["stage_seconds"]),
        tuple(_read(step) for step in steps),
    )


def _read(row: sqlite3.Row) -> Step:
    at = datetime.fromisoformat(row["at"])
    return Step(row["what"], row["percent"], at, row["who"], row["why"], row["after_turn"])


def _start(db: sqlite3.Connection, plan: Plan, percent: int, at: datetime, who: str, why: str) -> Canary:
    row = db.execute(
        "INSERT INTO canaries (kind, tries, stable, salt, stages, stage_seconds) VALUES (?, ?, ?, ?, ?, ?)"
        " RETURNING id",
        (plan.kind, plan.tries, plan.stable, plan.salt, json.dumps(plan.stages), plan.stage_seconds),
    ).fetchone()
    return _step(db, Canary(row["id"], plan, ()), "stage", percent, at, who, why)


def _step(db: sqlite3.Connection, canary: Canary, what: What, percent: int, at: datetime, who: str, why: str) -> Canary:
    row = db.execute(
        "INSERT INTO canary_steps (canary_id, what, percent, at, who, why, after_turn)"
        " VALUES (?, ?, ?, ?, ?, ?, (SELECT coalesce(max(id), 0) FROM turns)) RETURNING *",
        (canary.id, what, percent, iso(at), who, why),
    ).fetchone()
    return Canary(canary.id, canary.plan, (*canary.steps, _read(row)))


def _turns(db: sqlite3.Connection, variant: int | None, behind: int, limit: int) -> tuple[CanaryTurn, ...]:
    # Sentences of the program and what nobody reads any more say nothing about a model; staff take no part.
    rows = db.execute(
        "SELECT turns.id, outcome, failures, first_delta_ms - request_ms, mode FROM turns"
        " JOIN inbox ON inbox.id = turns.inbox_id JOIN conversations ON conversations.id = turns.conversation_id"
        " WHERE turns.role = 'assistant' AND turns.variant IS ? AND turns.id > ? AND inbox.role = 'customer'"
        " AND outcome IN ('complete', 'stopped', 'failed', 'refused') ORDER BY turns.id DESC LIMIT ?",
        (variant, behind, limit),
    ).fetchall()
    return tuple(CanaryTurn(*row) for row in reversed(rows))
