"""What was sent for replies that are not finished yet: a crash must not leave half a message beside a whole one."""

import re
import sqlite3
from datetime import UTC, datetime

from bot.chat import Address, MessageRef
from bot.storage.database import Database, iso

_REPLY = "reply-"


def reply_key(inbox_id: int) -> str:
    """The key of the reply to a turn whose oldest message is this one: the same after a crash."""
    return f"{_REPLY}{inbox_id}"


class Outbox:
    """Every method is one transaction. A key is that of `ChatPlatform.send`.

    What is sent for a reply is on record until `forget`, so that it can be finished after a crash. Anything else
    that is said is never taken up again, and its record goes as soon as nothing about it is in doubt.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sending(self, key: str, to: Address, *, doubles: bool) -> None:
        """A message is about to be sent under this key; what became of it is in doubt until `sent` or `unsent`.

        `doubles`: the platform knows no keys, so that sending again ends no earlier doubt.
        """
        row = (key, _reply_key(key), to.platform, to.chat_id, to.thread_id or "", iso(datetime.now(UTC)), doubles)
        await self._database.write(
            lambda db: db.execute(
                "INSERT INTO outbox (key, reply_key, platform, chat_id, thread_id, sent_at, doubts)"
                " VALUES (?, ?, ?, ?, ?, ?, 1) ON CONFLICT (key) DO UPDATE SET doubts = 1 + doubts * ?",
                row,
            )
        )

    async def unsent(self, key: str) -> None:
        """The send under this key has left nothing that stays."""
        await self._database.write(
            lambda db: _settle(db, key, "UPDATE outbox SET doubts = max(0, doubts - 1) WHERE key = ?", key)
        )

    async def sent(self, key: str, ref: MessageRef) -> None:
        """The message under this key is there, and can be edited as `ref`."""
        at = ref.address
        update = (
            "UPDATE outbox SET message_id = ?, platform = ?, chat_id = ?, thread_id = ?, doubts = max(0, doubts - 1)"
            " WHERE key = ?"
        )
        values = (ref.message_id, at.platform, at.chat_id, at.thread_id or "", key)
        await self._database.write(lambda db: _settle(db, key, update, *values))


def messages_of(db: sqlite3.Connection, reply_key: str) -> dict[str, MessageRef]:
    """The messages that are known to be there of a reply, by the keys that they were sent with."""
    rows = db.execute(
        "SELECT key, platform, chat_id, thread_id, message_id FROM outbox"
        " WHERE reply_key = ? AND message_id IS NOT NULL",
        (reply_key,),
    ).fetchall()
    return {row[0]: MessageRef(Address(row[1], row[2], row[3] or None), row[4]) for row in rows}


def forget(db: sqlite3.Connection, *reply_keys: str) -> None:
    """These replies are done with. Sends that nobody knows the outcome of stay on record: they are counted."""
    db.executemany("DELETE FROM outbox WHERE reply_key = ? AND doubts = 0", [(key,) for key in reply_keys])


def _settle(db: sqlite3.Connection, key: str, update: str, *values: str) -> None:
    db.execute(update, values)
    if not (name := _reply_key(key)).startswith(_REPLY):
        forget(db, name)


def _reply_key(key: str) -> str:
    return re.split("[/~]", key, maxsplit=1)[0]
