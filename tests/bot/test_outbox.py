import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat import Address, MessageRef, OutboundMessage
from bot.errors import RateLimited, RecipientGone, StorageFull, Unavailable
from bot.outbox import RecordedPlatform
from bot.storage.database import Database, iso
from bot.storage.messages import Messages
from bot.storage.outbox import Outbox, forget, messages_of, reply_key
from bot.storage.schema import migrations
from bot.storage.turns import Turns
from tests.fakes import FakePlatform, Fault
from tests.words import NOON, message

LAN = Address("fake", "lan")
KEY = reply_key(7)


class Full(Outbox):
    """An outbox on a full disk."""

    async def sending(self, key: str, to: Address, *, doubles: bool) -> None:
        raise StorageFull("no room")

    async def sent(self, key: str, ref: MessageRef) -> None:
        raise StorageFull("no room")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "shopdesk.db")
    yield opened
    await opened.close()


async def known(database: Database) -> dict[str, MessageRef]:
    return await database.read(lambda db: messages_of(db, KEY))


async def doubts(database: Database) -> dict[str, int]:
    """Key → sends under it of which nobody knows what became."""
    rows = await database.read(lambda db: db.execute("SELECT key, doubts FROM outbox WHERE doubts > 0").fetchall())
    return {row[0]: row[1] for row in rows}


async def left_behind(database: Database) -> dict[str, int]:
    """The same, when the reply is finished."""
    await database.write(lambda db: forget(db, KEY))
    return await doubts(database)


def recorded(fake: FakePlatform, database: Database, *, doubles: bool = True) -> RecordedPlatform:
    fake.limits = replace(fake.limits, doubles=doubles)
    return RecordedPlatform(fake, Outbox(database))


def failing(error: Exception, *, applied: bool = False) -> FakePlatform:
    """A platform whose first call fails."""
    faults = {0: Fault(error, applied)}
    return FakePlatform(strict=False, latency=lambda: 0.0, faults=lambda call, number: faults.get(number))


async def test_a_send_is_on_record_with_what_can_be_edited(database: Database) -> None:
    platform = RecordedPlatform(FakePlatform(strict=False, latency=lambda: 0.0), Outbox(database))
    first = await platform.send(LAN, OutboundMessage("Dạ"), key=KEY)
    second = await platform.send(LAN, OutboundMessage("vâng"), key=f"{KEY}/1")
    await platform.send(LAN, OutboundMessage("anderes"), key=reply_key(71))
    assert await known(database) == {KEY: first, f"{KEY}/1": second}
    assert await doubts(database) == {}


@pytest.mark.parametrize("doubles", [True, False])
async def test_a_send_that_was_made_again_leaves_a_doubt_where_no_keys_are_known(
    database: Database, doubles: bool
) -> None:
    fake = failing(Unavailable("cut"), applied=True)
    platform = recorded(fake, database, doubles=doubles)
    with pytest.raises(Unavailable):
        await platform.send(LAN, OutboundMessage("D"), key=KEY)
    ref = await platform.send(LAN, OutboundMessage("Dạ"), key=KEY)
    assert fake.chat("lan") == ["D", "Dạ"]
    assert await known(database) == {KEY: ref}
    assert await left_behind(database) == ({KEY: 1} if doubles else {})


@pytest.mark.parametrize(
    "error", [RateLimited(1.0), RecipientGone("blocked"), Unavailable("no line", maybe_applied=False)]
)
async def test_a_send_that_has_certainly_failed_leaves_no_doubt(database: Database, error: Exception) -> None:
    with pytest.raises(type(error)):
        await recorded(failing(error), database).send(LAN, OutboundMessage("Dạ"), key=KEY)
    assert await left_behind(database) == {}


async def test_a_send_in_the_middle_of_which_the_program_was_killed_is_a_doubt(database: Database) -> None:
    await Outbox(database).sending(KEY, LAN, doubles=True)
    assert await doubts(database) == {KEY: 1}
    await recorded(FakePlatform(strict=False), database).send(LAN, OutboundMessage("Dạ"), key=KEY)
    assert await left_behind(database) == {KEY: 1}


async def test_a_send_whose_outcome_nobody_knows_stays_on_record_as_that(database: Database) -> None:
    fake = FakePlatform(strict=False, latency=lambda: 0.0, faults=lambda call, number: Fault(Unavailable("cut"), True))
    with pytest.raises(Unavailable):
        await RecordedPlatform(fake, Outbox(database)).send(LAN, OutboundMessage("Dạ"), key=KEY)
    assert await known(database) == {}
    assert await doubts(database) == {KEY: 1}


async def test_a_full_disk_does_not_keep_an_answer_from_its_reader(database: Database) -> None:
    fake = FakePlatform(strict=False, latency=lambda: 0.0)
    ref = await RecordedPlatform(fake, Full(database)).send(LAN, OutboundMessage("Dạ"), key=KEY)
    assert fake.chat("lan") == ["Dạ"]
    assert ref.address == LAN


class Drafting(FakePlatform):
    """A platform whose growing messages vanish; the finished one is another message."""

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        return MessageRef(to, "draft:1", lasts=30.0)

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        return ref if message.growing else replace(ref, message_id="9", lasts=None)


async def test_what_vanishes_is_not_on_record_until_it_stays(database: Database) -> None:
    platform = RecordedPlatform(Drafting(), Outbox(database))
    draft = await platform.send(LAN, OutboundMessage("D", growing=True), key=KEY)
    await platform.edit(draft, OutboundMessage("Dạ", growing=True))
    assert await known(database) == {}
    assert await doubts(database) == {}
    await platform.edit(draft, OutboundMessage("Dạ."))
    assert [ref.message_id for ref in (await known(database)).values()] == ["9"]
    assert await left_behind(database) == {}


async def rows(database: Database) -> list[str]:
    found = await database.read(lambda db: db.execute("SELECT key FROM outbox ORDER BY key").fetchall())
    return [row[0] for row in found]


@pytest.mark.parametrize("key", ["stop-7:41", "delay-7:41"])
async def test_a_sentence_that_is_no_answer_is_forgotten_as_soon_as_it_is_there(database: Database, key: str) -> None:
    fake = FakePlatform(strict=False, latency=lambda: 0.0)
    await recorded(fake, database).send(LAN, OutboundMessage("Dạ"), key=key)
    assert await rows(database) == []
    with pytest.raises(RecipientGone):
        await recorded(failing(RecipientGone("blocked")), database).send(LAN, OutboundMessage("Dạ"), key=key)
    assert await rows(database) == []


async def test_a_sentence_that_may_be_there_twice_is_counted(database: Database) -> None:
    platform = recorded(failing(Unavailable("cut"), applied=True), database)
    with pytest.raises(Unavailable):
        await platform.send(LAN, OutboundMessage("D"), key="stop-7")
    await platform.send(LAN, OutboundMessage("Dạ"), key="stop-7")
    assert await doubts(database) == {"stop-7": 1}


@pytest.mark.parametrize("how", ["closed", "covered"])
async def test_what_was_begun_is_forgotten_with_the_message_that_needs_no_answer_any_more(
    database: Database, how: str
) -> None:
    messages = Messages(database)
    received = await messages.receive(message("áo còn không"), at=NOON)
    fake = FakePlatform(strict=False, latency=lambda: 0.0)
    await recorded(fake, database).send(LAN, OutboundMessage("Dạ"), key=reply_key(received.inbox_id))
    _, waiting = await messages.waiting(received.conversation_id)
    if how == "closed":
        await messages.close(waiting, at=NOON)
    else:
        await Turns(database).cover(received.conversation_id, waiting, at=NOON)
    assert await rows(database) == []


async def test_what_an_older_program_never_forgot_is_forgotten_and_what_it_began_is_not(tmp_path: Path) -> None:
    path = tmp_path / "shopdesk.db"
    old = await Database.open(path)
    received = await Messages(old).receive(message("áo còn không"), at=NOON)
    kept = reply_key(received.inbox_id)
    found = [(key, key, iso(NOON), doubts) for key, doubts in ((kept, 0), ("stop-1", 0), ("stop-2", 1), ("delay-3", 0))]
    insert = "INSERT INTO outbox VALUES (?, ?, 'shop', 'lan', '', '9', ?, ?)"
    await old.write(lambda db: db.executemany(insert, found))
    await old.close()
    step = next(step for step in migrations() if step.name.endswith("_outbox_done_with.sql"))
    with closing(sqlite3.connect(path)) as db:
        db.executescript(step.read_text(encoding="utf-8"))
    new = await Database.open(path)
    assert await rows(new) == [kept, "stop-2"]
    await new.close()
