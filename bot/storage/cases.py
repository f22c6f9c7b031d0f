"""The cases of the desk: who waits for a person, who has taken it, and every step that staff took."""

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.chat import Address
from bot.desk import Action, CaseState, Person, Post, Reason
from bot.storage.database import Database, iso
from bot.storage.errands import Errand, queue


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a conversation. `changes` rises with whatever its card shows; `shown` is what it shows by now."""

    id: int
    conversation_id: int
    state: CaseState
    reason: Reason
    summary: str
    opened_at: datetime
    taken_by: Person | None = None
    taken_at: datetime | None = None
    first_reply_at: datetime | None = None
    last_words_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    """The id of a person, `quiet` or `customer`."""
    snoozed_until: datetime | None = None
    close_at: datetime | None = None
    reopened: int = 0
    labels: tuple[str, ...] = ()
    is_blocked: bool = False
    """The customer is: nothing that he writes is answered or shown."""
    is_told: bool = False
    """The customer knows that what he writes is passed on."""
    changes: int = 1
    shown: int = 0


Decide = Callable[[Case], Case]
"""What becomes of a case; pure. May raise: then nothing is changed."""

Then = Callable[[Case, Case], Iterable[Errand]]
"""What is to be done since the first case has become the second one; pure."""


class Cases:
    """Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, conversation_id: int, reason: Reason, summary: str, *, at: datetime) -> Case:
        """The open case of a conversation; a new one where there is none. The conversation waits for a person then."""
        return await self._database.write(lambda db: open_case(db, conversation_id, reason, summary, at))

    async def newest(self, conversation_id: int) -> Case | None:
        """The case of a conversation that is open, else the one that was resolved last."""
        return await self._database.read(lambda db: _newest(db, conversation_id))

    async def all_of(self, conversation_id: int) -> tuple[Case, ...]:
        """Every case of a conversation, the newest first."""
        return await self._database.read(lambda db: _read(db, "conversation_id = ? ORDER BY id DESC", conversation_id))

    async def opened(self) -> tuple[Case, ...]:
        """All that are not resolved, the oldest first."""
        return await self._database.read(lambda db: _read(db, "state <> 'resolved' ORDER BY id"))

    async def change(
        self, case_id: int, decide: Decide, *, at: datetime, action: Action | None = None, then: Then | None = None
    ) -> Case | None:
        """Let `decide` change a case, put the action on record that asked for it, and what is to be done then. None:
        this very action was done before. Raises what `decide` raises."""
        return await self._database.write(lambda db: change_case(db, case_id, decide, at, action, then))

    async def take_over(
        self,
        conversation_id: int,
        decide: Decide,
        *,
        at: datetime,
        action: Action | None = None,
        then: Then | None = None,
    ) -> Case | None:
        """`change` of the open case of a conversation, of a new one (`taken`) where there is none."""

        def work(db: sqlite3.Connection) -> Case | None:
            if action is not None and _is_on_record(db, action):
                return None
            return change_case(db, open_case(db, conversation_id, "taken", "", at).id, decide, at, action, then)

        return await self._database.write(work)

    async def block(
        self, case_id: int, is_blocked: bool, *, at: datetime, action: Action | None = None, then: Then | None = None
    ) -> Case | None:
        """Nothing that this customer writes is answered or shown any more; or it is again. As `change` else."""

        def work(db: sqlite3.Connection) -> Case | None:
            return change_case(db, case_id, lambda case: replace(case, is_blocked=is_blocked), at, action, then)

        return await self._database.write(work)

    async def is_shown(self, case: Case) -> None:
        """The card shows this case as it is here."""
        await self._database.write(
            lambda db: db.execute("UPDATE cases SET shown = max(shown, ?) WHERE id = ?", (case.changes, case.id))
        )

    async def post_of(self, conversation_id: int) -> Post | None:
        """Where the cases of a conversation are worked on."""
        return await self._database.read(lambda db: _post_of(db, conversation_id))

    async def conversation_at(self, post: Address) -> int | None:
        """Whose post this is."""
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT conversation_id FROM posts WHERE platform = ? AND chat_id = ?", (post.platform, post.chat_id)
            ).fetchone()
        )
        return int(row[0]) if row else None

    async def posts_lost(self, conversation_id: int) -> int:
        """How many posts of a conversation were deleted."""
        row = await self._database.read(
            lambda db: db.execute("SELECT lost FROM posts WHERE conversation_id = ?", (conversation_id,)).fetchone()
        )
        return int(row[0]) if row else 0

    async def keep_post(self, conversation_id: int, post: Post) -> None:
        """From now on the cases of a conversation are worked on here."""
        where = (conversation_id, post.address.platform, post.address.chat_id, post.card_id)
        await self._database.write(
            lambda db: db.execute(
                "INSERT INTO posts (conversation_id, platform, chat_id, card_id) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (conversation_id) DO UPDATE SET platform = excluded.platform,"
                " chat_id = excluded.chat_id, card_id = excluded.card_id",
                where,
            )
        )

    async def lose_post(self, conversation_id: int, post: Post) -> None:
        """The post was deleted: another one will show the card, and all that was written in the open case."""
        await self._database.write(lambda db: _lose_post(db, conversation_id, post))


def open_case(db: sqlite3.Connection, conversation_id: int, reason: Reason, summary: str, at: datetime) -> Case:
    """`Cases.open` inside of another transaction."""
    known = _newest(db, conversation_id)
    if known is not None and known.state != "resolved":
        return known
    db.execute(
        "INSERT INTO cases (conversation_id, reason, summary, opened_at, last_words_at) VALUES (?, ?, ?, ?, ?)",
        (conversation_id, reason, summary, iso(at), iso(at)),
    )
    _set_mode(db, conversation_id, "waiting")
    found = _newest(db, conversation_id)
    assert found is not None
    return found


def _newest(db: sqlite3.Connection, conversation_id: int) -> Case | None:
    found = _read(db, "conversation_id = ? ORDER BY id DESC LIMIT 1", conversation_id)
    return found[0] if found else None


def _read(db: sqlite3.Connection, where: str, *values: object) -> tuple[Case, ...]:
    sql = (
        f"SELECT cases.*, blocked_at FROM cases JOIN conversations ON conversations.id = conversation_id WHERE {where}"
    )
    return tuple(_case(row) for row in db.execute(sql.replace("ORDER BY id", "ORDER BY cases.id"), values))


def _case(row: sqlite3.Row) -> Case:
    return Case(
        id=row["id"],
        conversation_id=row["conversation_id"],
        state=row["state"],
        reason=row["reason"],
        summary=row["summary"],
        opened_at=datetime.fromisoformat(row["opened_at"]),
        taken_by=Person(row["taken_by"], row["taken_name"] or "") if row["taken_by"] else None,
        taken_at=_moment(row["taken_at"]),
        first_reply_at=_moment(row["first_reply_at"]),
        last_words_at=_moment(row["last_words_at"]),
        resolved_at=_moment(row["resolved_at"]),
        resolved_by=row["resolved_by"],
        snoozed_until=_moment(row["snoozed_until"]),
        close_at=_moment(row["close_at"]),
        reopened=row["reopened"],
        labels=tuple(json.loads(row["labels"])),
        is_blocked=row["blocked_at"] is not None,
        is_told=bool(row["is_told"]),
        changes=row["changes"],
        shown=row["shown"],
    )


def change_case(
    db: sqlite3.Connection,
    case_id: int,
    decide: Decide,
    at: datetime,
    action: Action | None = None,
    then: Then | None = None,
) -> Case | None:
    """`Cases.change` inside of another transaction."""
    before = _read(db, "cases.id = ?", case_id)[0]
    if action is not None and not _put_on_record(db, before, action, at):
        return None
    after = decide(before)
    if then is not None:
        queue(db, before.conversation_id, case_id, then(before, after))
    if after == before:
        return before
    unseen = replace(
        after, last_words_at=before.last_words_at, first_reply_at=before.first_reply_at, is_told=before.is_told
    )
    after = replace(after, changes=before.changes + (unseen != before))
    db.execute(
        "UPDATE cases SET state = :state, reason = :reason, summary = :summary, taken_by = :taken_by,"
        " taken_name = :taken_name, taken_at = :taken_at, first_reply_at = :first_reply_at,"
        " last_words_at = :last_words_at, resolved_at = :resolved_at, resolved_by = :resolved_by,"
        " snoozed_until = :snoozed_until, close_at = :close_at, reopened = :reopened, labels = :labels,"
        " is_told = :is_told, changes = :changes WHERE id = :id",
        _row(after),
    )
    if after.is_blocked != before.is_blocked:
        blocked_at = iso(at) if after.is_blocked else None
        db.execute("UPDATE conversations SET blocked_at = ? WHERE id = ?", (blocked_at, after.conversation_id))
    if after.state != before.state:
        _set_mode(db, after.conversation_id, "bot" if after.state == "resolved" else after.state)
    return after


def _row(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "state": case.state,
        "reason": case.reason,
        "summary": case.summary,
        "taken_by": case.taken_by.id if case.taken_by else None,
        "taken_name": case.taken_by.name if case.taken_by else None,
        "taken_at": _stored(case.taken_at),
        "first_reply_at": _stored(case.first_reply_at),
        "last_words_at": _stored(case.last_words_at),
        "resolved_at": _stored(case.resolved_at),
        "resolved_by": case.resolved_by,
        "snoozed_until": _stored(case.snoozed_until),
        "close_at": _stored(case.close_at),
        "reopened": case.reopened,
        "labels": json.dumps(case.labels, ensure_ascii=False),
        "is_told": case.is_told,
        "changes": case.changes,
    }


def card_changed(db: sqlite3.Connection, conversation_id: int) -> None:
    """More was said in a conversation: the card of its open case is to show it."""
    db.execute(
        "UPDATE cases SET changes = changes + 1 WHERE conversation_id = ? AND state <> 'resolved'", (conversation_id,)
    )


def _lose_post(db: sqlite3.Connection, conversation_id: int, post: Post) -> None:
    lost = db.execute(
        "UPDATE posts SET chat_id = NULL, card_id = NULL, lost = lost + 1 WHERE conversation_id = ? AND chat_id = ?",
        (conversation_id, post.address.chat_id),
    )
    if not lost.rowcount:
        return
    db.execute("DELETE FROM relayed WHERE platform = ? AND chat_id = ?", (post.address.platform, post.address.chat_id))
    db.execute(
        "UPDATE errands SET done_at = NULL WHERE kind IN ('message', 'edit', 'deletion', 'words') AND case_id ="
        " (SELECT id FROM cases WHERE conversation_id = ? AND state <> 'resolved')",
        (conversation_id,),
    )
    db.execute(
        "UPDATE cases SET changes = changes + 1 WHERE id = (SELECT max(id) FROM cases WHERE conversation_id = ?)",
        (conversation_id,),
    )


def _is_on_record(db: sqlite3.Connection, action: Action) -> bool:
    return db.execute("SELECT 1 FROM desk_actions WHERE action_id = ?", (action.id,)).fetchone() is not None


def _put_on_record(db: sqlite3.Connection, case: Case, action: Action, at: datetime) -> bool:
    added = db.execute(
        "INSERT OR IGNORE INTO desk_actions (action_id, case_id, kind, person_id, person_name, argument, done_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (action.id, case.id, action.kind, action.by.id, action.by.name, action.argument, iso(at)),
    )
    return added.rowcount > 0


def _set_mode(db: sqlite3.Connection, conversation_id: int, mode: str) -> None:
    db.execute("UPDATE conversations SET mode = ? WHERE id = ?", (mode, conversation_id))


def _post_of(db: sqlite3.Connection, conversation_id: int) -> Post | None:
    row = db.execute("SELECT * FROM posts WHERE conversation_id = ?", (conversation_id,)).fetchone()
    return Post(Address(row["platform"], row["chat_id"]), row["card_id"]) if row and row["chat_id"] else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _stored(at: datetime | None) -> str | None:
    return iso(at) if at else None
