from dataclasses import replace
from datetime import timedelta

import pytest

from bot.chat import Address, Attachment, UnreadableUpdate
from bot.storage.database import Database
from bot.storage.messages import Messages
from bot.storage.turns import Answer, Turns
from tests.words import LAN, NOON, message


@pytest.fixture
def messages(database: Database) -> Messages:
    return Messages(database)


async def test_a_message_comes_back_as_it_went_in(messages: Messages) -> None:
    photo = Attachment("photo", "file-1", "image/jpeg", "áo.jpg", 1234)
    sent = message(
        "áo này còn size M không", attachments=(photo,), quoted="Áo sơ mi", album_id="a", reply_to="7", language="vi"
    )
    received = await messages.receive(sent, at=NOON)
    conversation, waiting = await messages.waiting(received.conversation_id)
    assert conversation.address == LAN
    assert conversation.mode == "bot"
    assert [stored.message for stored in waiting] == [sent]
    assert waiting[0].received_at == NOON


async def test_a_message_that_is_delivered_twice_is_stored_once(messages: Messages) -> None:
    first = await messages.receive(message("hi"), at=NOON)
    again = await messages.receive(message("hi"), at=NOON + timedelta(seconds=9))
    assert first.is_new
    assert not again.is_new
    assert again.inbox_id == first.inbox_id
    assert len((await messages.waiting(first.conversation_id))[1]) == 1


async def test_the_same_id_in_another_chat_is_another_message(messages: Messages) -> None:
    first = await messages.receive(message("hi"), at=NOON)
    other = await messages.receive(message("hi", at=Address("shop", "minh")), at=NOON)
    assert other.is_new
    assert other.conversation_id != first.conversation_id


async def test_a_thread_is_a_conversation_of_its_own(messages: Messages) -> None:
    first = await messages.receive(message("hi"), at=NOON)
    thread = await messages.receive(message("hi", 2, at=Address("shop", "lan", "5")), at=NOON)
    assert thread.conversation_id != first.conversation_id


async def test_an_edit_takes_the_place_of_a_text_that_waits(messages: Messages) -> None:
    first = await messages.receive(message("size M"), at=NOON)
    edit = await messages.receive(message("size L", edited=True), at=NOON)
    assert edit.is_new
    _, waiting = await messages.waiting(first.conversation_id)
    assert [stored.message.text for stored in waiting] == ["size L"]


async def test_an_edit_of_an_answered_message_is_a_correction_and_stored_once(messages: Messages) -> None:
    first = await messages.receive(message("size M"), at=NOON)
    _, waiting = await messages.waiting(first.conversation_id)
    await messages.close(waiting, at=NOON)
    edit = message("size L", edited=True)
    assert (await messages.receive(edit, at=NOON)).is_new
    assert not (await messages.receive(edit, at=NOON)).is_new
    later = replace(edit, text="size XL", sent_at=NOON + timedelta(minutes=1))
    assert (await messages.receive(later, at=NOON)).is_new
    _, waiting = await messages.waiting(first.conversation_id)
    assert [stored.is_correction for stored in waiting] == [True, True]


async def test_an_edit_that_changes_no_word_of_what_was_answered_is_no_news(messages: Messages) -> None:
    photo = Attachment("photo", "file-1")
    first = await messages.receive(message("size M", attachments=(photo,)), at=NOON)
    _, waiting = await messages.waiting(first.conversation_id)
    await messages.close(waiting, at=NOON)
    minute = timedelta(minutes=1)
    edit = message("size M", attachments=(photo,), edited=True, sent_at=NOON + minute)
    assert not (await messages.receive(edit, at=NOON)).is_new
    assert (await messages.receive(replace(edit, text="size L"), at=NOON)).is_new
    assert not (await messages.receive(replace(edit, text="size L", sent_at=NOON + 2 * minute), at=NOON)).is_new
    assert (await messages.receive(replace(edit, sent_at=NOON + 3 * minute), at=NOON)).is_new
    other = replace(edit, attachments=(Attachment("photo", "file-2"),), sent_at=NOON + 4 * minute)
    assert (await messages.receive(other, at=NOON)).is_new
    _, waiting = await messages.waiting(first.conversation_id)
    assert [stored.message.text for stored in waiting] == ["size L", "size M", "size M"]


async def test_an_edit_of_a_message_that_is_being_answered_waits_behind_it_as_a_correction(
    messages: Messages, database: Database
) -> None:
    first = await messages.receive(message("size M"), at=NOON)
    conversation, taken = await messages.waiting(first.conversation_id)
    edit = message("size L", edited=True, sent_at=NOON + timedelta(minutes=1))
    assert (await messages.receive(edit, at=NOON)).is_new
    done = Answer(asked="size M", role="customer", text="Ja", outcome="complete", reply_key="r", language="vi")
    await Turns(database).store(conversation.id, taken, done, at=NOON)
    assert not (await messages.receive(edit, at=NOON)).is_new
    _, waiting = await messages.waiting(conversation.id)
    assert [(stored.message.text, stored.is_correction) for stored in waiting] == [("size L", True)]
    assert [past.text for past in await Turns(database).transcript(LAN)] == ["size M", "Ja", "size L"]


async def test_an_edit_that_was_read_in_time_is_answered_and_no_correction(
    messages: Messages, database: Database
) -> None:
    first = await messages.receive(message("size M"), at=NOON)
    await messages.receive(message("màu đen", 2), at=NOON)
    await messages.waiting(first.conversation_id)
    await messages.receive(message("size L", edited=True, sent_at=NOON + timedelta(minutes=1)), at=NOON)
    conversation, taken = await messages.waiting(first.conversation_id)
    assert [stored.message.text for stored in taken] == ["size L", "màu đen"]
    done = Answer(asked="size L", role="customer", text="Ja", outcome="complete", reply_key="r", language="vi")
    await Turns(database).store(conversation.id, taken, done, at=NOON)
    assert (await messages.waiting(conversation.id))[1] == ()
    rows = await database.read(lambda db: db.execute("SELECT DISTINCT answered_by FROM inbox").fetchall())
    assert len(rows) == 1


async def test_an_edit_of_a_message_that_we_never_saw_is_a_message(messages: Messages) -> None:
    received = await messages.receive(message("size L", edited=True), at=NOON)
    _, waiting = await messages.waiting(received.conversation_id)
    assert [stored.is_correction for stored in waiting] == [False]


async def test_conversations_wait_in_the_order_of_their_oldest_message(messages: Messages) -> None:
    ids = []
    for name in ("a", "b", "c"):
        received = await messages.receive(message("hi", at=Address("shop", name)), at=NOON)
        ids.append(received.conversation_id)
    await messages.receive(message("noch", 2, at=Address("shop", "a")), at=NOON)
    _, waiting = await messages.waiting(ids[1])
    await messages.close(waiting, at=NOON)
    assert [one.conversation_id for one in await messages.conversations_waiting({"shop"})] == [ids[0], ids[2]]


async def test_a_stop_never_waits(messages: Messages) -> None:
    received = await messages.receive(message("", command="stop"), at=NOON)
    assert received.is_new
    assert await messages.conversations_waiting({"shop"}) == ()


async def test_an_unreadable_update_is_kept_once(messages: Messages, database: Database) -> None:
    update = UnreadableUpdate("telegram", "77", '{"update_id": 77}', "no such field")
    await messages.park(update, at=NOON)
    await messages.park(update, at=NOON)
    rows = await database.read(lambda db: db.execute("SELECT raw, reason FROM parked_updates").fetchall())
    assert [tuple(row) for row in rows] == [('{"update_id": 77}', "no such field")]


async def test_the_bytes_of_an_attachment_are_kept(messages: Messages) -> None:
    received = await messages.receive(message("", attachments=(Attachment("photo", "f"),)), at=NOON)
    assert await messages.attachment(received.inbox_id, 0) is None
    await messages.keep_attachment(received.inbox_id, 0, b"jpeg")
    assert await messages.attachment(received.inbox_id, 0) == b"jpeg"
    assert await messages.attachment(received.inbox_id, 1) is None
