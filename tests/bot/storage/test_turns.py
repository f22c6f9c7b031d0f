from datetime import timedelta

import pytest

from bot.chat import Address, Source
from bot.storage.database import Database
from bot.storage.messages import Conversation, Messages, StoredMessage
from bot.storage.turns import Answer, PastTurn, Spent, Timings, Turns
from tests.words import LAN, NOON, message

SOURCE = Source("vi/returns#han", "Đổi trả", "Thời hạn", "Trong 7 ngày.", "https://shop.example/doi-tra")


@pytest.fixture
def messages(database: Database) -> Messages:
    return Messages(database)


@pytest.fixture
def turns(database: Database) -> Turns:
    return Turns(database)


def answer(text: str, asked: str | None = "hỏi", **more: object) -> Answer:
    values: dict[str, object] = {"role": "customer", "outcome": "complete", "reply_key": "r1", "language": "vi"}
    return Answer(asked=asked, text=text, **(values | more))  # type: ignore[arg-type]


async def asked(messages: Messages, text: str, number: int) -> tuple[Conversation, tuple[StoredMessage, ...]]:
    received = await messages.receive(message(text, number), at=NOON + timedelta(seconds=number))
    return await messages.waiting(received.conversation_id)


async def test_a_stored_answer_answers_its_messages_and_is_history(messages: Messages, turns: Turns) -> None:
    conversation, waiting = await asked(messages, "đổi được không", 1)
    await turns.store(conversation.id, waiting, answer("Được", asked="đổi được không"), at=NOON)
    conversation, waiting = await messages.waiting(conversation.id)
    assert waiting == ()
    assert conversation.language == "vi"
    assert await turns.history(conversation) == (
        PastTurn("customer", "đổi được không", "complete"),
        PastTurn("assistant", "Được", "complete"),
    )


async def test_everything_known_of_an_answer_is_stored(messages: Messages, turns: Turns, database: Database) -> None:
    conversation, waiting = await asked(messages, "?", 1)
    stored = answer(
        "Được",
        model="claude-haiku-5-5",
        stop_reason="end",
        spent=(Spent("anthropic:claude-haiku-5-5", "key 1", 1, 2, 3, 4, 1_250), Spent("openai:gpt", "", 1, 1, 0, 0, 0)),
        policy_version="abc",
        sources=(SOURCE,),
        timings=Timings(5, 6, 7, 8),
    )
    await turns.store(conversation.id, waiting, stored, at=NOON)
    row = await database.read(lambda db: db.execute("SELECT * FROM turns WHERE role = 'assistant'").fetchone())
    assert row["model"] == "claude-haiku-5-5"
    tokens = (row["input_tokens"], row["output_tokens"], row["cache_read_tokens"], row["cache_write_tokens"])
    assert (*tokens, row["cost"]) == (2, 3, 3, 4, 1_250)
    spendings = await database.read(lambda db: db.execute("SELECT * FROM spendings").fetchall())
    assert [tuple(spending) for spending in spendings] == [
        (row["id"], "anthropic:claude-haiku-5-5", "key 1", 1, 2, 3, 4, 1_250, 0),
        (row["id"], "openai:gpt", "", 1, 1, 0, 0, 0, 0),
    ]
    assert row["policy_version"] == "abc"
    assert (row["request_ms"], row["first_delta_ms"], row["first_visible_ms"], row["finished_ms"]) == (5, 6, 7, 8)


async def test_a_start_afresh_hides_what_was_before(messages: Messages, turns: Turns) -> None:
    conversation, waiting = await asked(messages, "một", 1)
    await turns.store(conversation.id, waiting, answer("eins", asked="một"), at=NOON)
    received = await messages.receive(message("", 2, command="new"), at=NOON)
    _, waiting = await messages.waiting(received.conversation_id)
    await messages.start_afresh(conversation.id, after=waiting[0])
    await turns.store(conversation.id, waiting, answer("Bắt đầu lại", asked=None, outcome="sentence"), at=NOON)
    conversation, waiting = await asked(messages, "hai", 3)
    assert await turns.history(conversation) == ()
    assert [past.text for past in await turns.transcript(LAN)] == ["hai"]


async def test_a_start_afresh_hides_what_was_before_as_soon_as_it_is_stored(messages: Messages, turns: Turns) -> None:
    conversation, first = await asked(messages, "một", 1)
    await messages.receive(message("", 2, command="new"), at=NOON)
    await messages.receive(message("hai", 3), at=NOON - timedelta(hours=1))
    assert [past.text for past in await turns.transcript(LAN)] == ["hai"]
    await turns.store(conversation.id, first, answer("eins", asked="một"), at=NOON)
    assert [past.text for past in await turns.transcript(LAN)] == ["hai"]


async def test_the_transcript_is_what_the_reader_saw(messages: Messages, turns: Turns) -> None:
    conversation, first = await asked(messages, "một", 1)
    await messages.receive(message("hai", 2), at=NOON)
    await turns.store(conversation.id, first, answer("eins", reply_key="r1", sources=(SOURCE,)), at=NOON)
    seen = await turns.transcript(LAN)
    assert [(past.key, past.role, past.text) for past in seen] == [
        ("lan:1", "customer", "một"),
        ("r1", "assistant", "eins"),
        ("lan:2", "customer", "hai"),
    ]
    assert seen[1].sources == (SOURCE,)


async def test_the_transcript_shows_an_answer_as_its_caller_says(messages: Messages, turns: Turns) -> None:
    conversation, first = await asked(messages, "một", 1)
    stored = answer("eins", reply_key="r1", preface="Xin lỗi.", notice="Đã dừng.")
    await turns.store(conversation.id, first, stored, at=NOON)
    seen = await turns.transcript(LAN, shown=lambda *parts: "|".join(parts))
    assert [past.text for past in seen] == ["một", "Xin lỗi.|eins|Đã dừng."]


async def test_nobody_has_seen_anything_at_an_unknown_address(turns: Turns) -> None:
    assert await turns.transcript(Address("shop", "nobody")) == ()
