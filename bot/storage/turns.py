"""What was said: turns, their sources and timings."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Literal

from bot.chat import Address, PastMessage, Role, Source
from bot.desk import Handover
from bot.storage.cases import card_changed, open_case
from bot.storage.database import Database, iso
from bot.storage.messages import Conversation, StoredMessage, keep_edit
from bot.storage.outbox import forget, reply_key

Outcome = Literal["complete", "stopped", "failed", "refused", "undeliverable", "sentence"]
"""How a turn ended. A question that was refused is no history: with it every later answer would be refused."""

OVER_BUDGET = "over_budget"
"""The `stop_reason` of a turn that no model was asked about, since the day's budget was spent."""

Shown = Callable[[str, str, str], str]
"""What a reader sees of an answer, given its preface, its text and its notice."""

# A conversation with a longer past is read from here on: no model is given more than this many turns.
_HISTORY_TURNS = 200


@dataclass(frozen=True, slots=True)
class PastTurn:
    """One turn as history."""

    role: Role
    text: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds since the oldest message of the turn was received; None: it did not come to that."""

    request_ms: int | None = None
    first_delta_ms: int | None = None
    first_visible_ms: int | None = None
    finished_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A customer's question that no policy answers, and the ids of the sections that came nearest, best first."""

    question: str
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spent:
    """What a turn has cost with one model and one key of it (its label, never the key). `cost` is in nano-dollars;
    `estimated_tokens` of all tokens are guessed, since an attempt broke off before they were counted."""

    model: str
    key: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost: int
    estimated_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is remembered of one finished turn: the words that were answered, and the answer."""

    asked: str | None
    """The customer's (or staff's) words for history; None when there is nothing to remember of them."""
    role: Literal["customer", "staff"]
    text: str
    outcome: Outcome
    reply_key: str
    language: str
    preface: str = ""
    """What the reader saw above the text and the model did not say: an apology for a long wait."""
    handover: Handover | None = None
    """The text says that a person will look at it: from now on the conversation waits for one."""
    notice: str = ""
    """What the reader saw below the text and the model did not say: stopped, cut off …"""
    model: str | None = None
    stop_reason: str | None = None
    spent: tuple[Spent, ...] = ()
    """Empty: nothing is known."""
    policy_version: str | None = None
    sources: tuple[Source, ...] = ()
    timings: Timings = Timings()
    gap: Gap | None = None
    variant: int | None = None
    """The canary that it took part in."""
    failures: int = 0
    """So often a model failed before the answer was there."""


class Turns:
    """Every method is one transaction. `has_desk`: who waits for a person is a case of the desk's."""

    def __init__(self, database: Database, *, has_desk: bool = False) -> None:
        self._database = database
        self._has_desk = has_desk

    async def history(self, conversation: Conversation) -> tuple[PastTurn, ...]:
        """The turns since the last start afresh, oldest first."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT role, text, outcome FROM turns WHERE conversation_id = ? AND inbox_id > ?"
                " ORDER BY id DESC LIMIT ?",
                (conversation.id, conversation.fresh_after, _HISTORY_TURNS),
            ).fetchall()
        )
        return tuple(PastTurn(*row) for row in reversed(rows))

    async def store(
        self, conversation_id: int, covers: Sequence[StoredMessage], answer: Answer, *, at: datetime
    ) -> None:
        """Remember a turn and mark the messages that it covers as answered by it; an edit that came meanwhile waits."""
        await self._database.write(
            lambda db: _store_answer(db, conversation_id, covers, answer, at, has_desk=self._has_desk)
        )

    async def cover(self, conversation_id: int, messages: Sequence[StoredMessage], *, at: datetime) -> None:
        """What was said last in this conversation answers these messages, too."""
        await self._database.write(lambda db: _cover(db, conversation_id, messages, at))

    async def transcript(self, address: Address, *, shown: Shown | None = None) -> tuple[PastMessage, ...]:
        """What the reader of an address has seen since the last start afresh, oldest first. That counts as soon as it
        was asked for, also while it waits."""
        return await self._database.read(lambda db: _transcript(db, address, shown or _below_each_other))


def _store_answer(
    db: sqlite3.Connection,
    conversation_id: int,
    covers: Sequence[StoredMessage],
    answer: Answer,
    moment: datetime,
    *,
    has_desk: bool,
) -> None:
    at = iso(moment)
    for stored in covers:
        keep_edit(db, stored, moment)
    last = max(stored.id for stored in covers)
    if answer.asked is not None:
        db.execute(
            "INSERT INTO turns (conversation_id, inbox_id, role, text, created_at) VALUES (?, ?, ?, ?, ?)",
            (conversation_id, last, answer.role, answer.asked, at),
        )
    turn_id = _insert_reply(db, conversation_id, last, answer, at)
    db.executemany(
        "INSERT INTO turn_sources (turn_id, position, section_id, title, heading, text, url)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (turn_id, position, source.section_id, source.title, source.heading, source.text, source.url)
            for position, source in enumerate(answer.sources)
        ],
    )
    db.executemany(
        "INSERT INTO spendings (turn_id, model, key, input_tokens, output_tokens, cache_read_tokens,"
        " cache_write_tokens, cost, estimated_tokens) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(turn_id, *astuple(one)) for one in answer.spent],
    )
    if answer.gap:
        nearest = json.dumps(answer.gap.nearest)
        db.execute("INSERT INTO gaps VALUES (?, ?, ?)", (turn_id, answer.gap.question, nearest))
    db.executemany(
        "UPDATE inbox SET answered_by = ?, answered_at = ? WHERE id = ?",
        [(turn_id, at, stored.id) for stored in covers],
    )
    db.execute("UPDATE conversations SET language = ? WHERE id = ?", (answer.language, conversation_id))
    if answer.preface or answer.handover:
        db.execute("UPDATE conversations SET apologised_at = ? WHERE id = ?", (at, conversation_id))
    if has_desk:
        card_changed(db, conversation_id)
    if answer.handover and has_desk:
        open_case(db, conversation_id, answer.handover.reason, answer.handover.summary, moment)
    elif answer.handover:
        db.execute("UPDATE conversations SET mode = 'waiting' WHERE id = ?", (conversation_id,))
    forget(db, answer.reply_key)


def _cover(db: sqlite3.Connection, conversation_id: int, covers: Sequence[StoredMessage], at: datetime) -> None:
    for stored in covers:
        keep_edit(db, stored, at)
    db.executemany(
        "UPDATE inbox SET answered_by = (SELECT max(id) FROM turns WHERE conversation_id = ? AND role = 'assistant'),"
        " answered_at = ? WHERE id = ?",
        [(conversation_id, iso(at), stored.id) for stored in covers],
    )
    forget(db, *(reply_key(stored.id) for stored in covers))


def _insert_reply(db: sqlite3.Connection, conversation_id: int, last: int, answer: Answer, at: str) -> int:
    timings = answer.timings
    row = db.execute(
        "INSERT INTO turns (conversation_id, inbox_id, role, text, outcome, preface, notice, reply_key, model,"
        " stop_reason, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost, policy_version,"
        " request_ms, first_delta_ms, first_visible_ms, finished_ms, created_at, variant, failures)"
        " VALUES (?, ?, 'assistant', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            conversation_id,
            last,
            answer.text,
            answer.outcome,
            answer.preface,
            answer.notice,
            answer.reply_key,
            answer.model,
            answer.stop_reason,
            *_together(answer.spent),
            answer.policy_version,
            timings.request_ms,
            timings.first_delta_ms,
            timings.first_visible_ms,
            timings.finished_ms,
            at,
            answer.variant,
            answer.failures,
        ),
    ).fetchone()
    return int(row["id"])


def _together(spent: Sequence[Spent]) -> Sequence[int | None]:
    """The four kinds of tokens and the cost."""
    return [sum(column) for column in zip(*(astuple(one)[2:7] for one in spent), strict=True)] or [None] * 5


def _transcript(db: sqlite3.Connection, address: Address, shown: Shown) -> tuple[PastMessage, ...]:
    conversation = db.execute(
        "SELECT id, fresh_after FROM conversations WHERE platform = ? AND chat_id = ? AND thread_id = ?",
        (address.platform, address.chat_id, address.thread_id or ""),
    ).fetchone()
    if conversation is None:
        return ()
    asked_for = db.execute(
        "SELECT max(id) FROM inbox WHERE conversation_id = ? AND command = 'new' AND answered_at IS NULL",
        (conversation["id"],),
    ).fetchone()[0]
    since = (conversation["id"], max(conversation["fresh_after"], asked_for or 0))
    asked = db.execute(
        "SELECT id, message_id, role, text, received_at FROM inbox"
        " WHERE conversation_id = ? AND id > ? AND command IS NULL AND is_deleted = 0 ORDER BY id DESC LIMIT ?",
        (*since, _HISTORY_TURNS),
    ).fetchall()
    answers = db.execute(
        "SELECT id, inbox_id, role, reply_key, preface, text, notice, created_at FROM turns"
        " WHERE conversation_id = ? AND inbox_id > ? AND role <> 'customer' AND reply_key IS NOT NULL"
        " ORDER BY id DESC LIMIT ?",
        (*since, _HISTORY_TURNS),
    ).fetchall()
    # An answer stands behind the newest message that it covers.
    found = [((row["id"], 0), _past(row["message_id"], row["role"], row["text"], row["received_at"])) for row in asked]
    for row in answers:
        text = shown(row["preface"], row["text"], row["notice"])
        past = _past(row["reply_key"], row["role"], text, row["created_at"], _sources(db, row["id"]))
        found.append(((row["inbox_id"], row["id"]), past))
    return tuple(past for _, past in sorted(found, key=lambda item: item[0]))


def _below_each_other(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _past(key: str, role: Role, text: str, at: str, sources: tuple[Source, ...] = ()) -> PastMessage:
    return PastMessage(key, role, text, datetime.fromisoformat(at), sources)


def _sources(db: sqlite3.Connection, turn_id: int) -> tuple[Source, ...]:
    rows = db.execute(
        "SELECT section_id, title, heading, text, url FROM turn_sources WHERE turn_id = ? ORDER BY position",
        (turn_id,),
    ).fetchall()
    return tuple(Source(*row) for row in rows)
