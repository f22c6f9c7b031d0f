"""What the commands read of what customers asked."""

from datetime import timedelta

import pytest

from bot.chat import Address, Source
from bot.storage.asked import Asked
from bot.storage.database import Database
from bot.storage.messages import Messages
from bot.storage.turns import Answer, Gap, Timings, Turns
from tests.words import LAN, NOON, message

HAN = Source("vi/returns#han", "Đổi trả", "Thời hạn", "Trong 7 ngày.")
PHI = Source("vi/returns#phi", "Đổi trả", "Phí", "Miễn phí.")


class Book:
    """A shop's past, written turn by turn."""

    def __init__(self, database: Database) -> None:
        self.messages, self.turns, self.asked = Messages(database), Turns(database), Asked(database)
        self.number = 0

    async def answered(
        self, *texts: str, at: Address = LAN, sources: tuple[Source, ...] = (), gap: Gap | None = None, **more: object
    ) -> None:
        role = more.get("role", "customer")
        for text in texts:
            self.number += 1
            moment = NOON + timedelta(minutes=self.number)
            received = await self.messages.receive(message(text, self.number, at=at, **more), at=moment)
        conversation, waiting = await self.messages.waiting(received.conversation_id)
        answer = Answer(
            asked="\n".join(texts),
            role=role,  # type: ignore[arg-type]
            text=f"Trả lời {self.number}",
            outcome="complete",
            reply_key=f"r{self.number}",
            language="vi",
            policy_version="abc",
            sources=sources,
            gap=gap,
            timings=Timings(request_ms=5),
        )
        await self.turns.store(conversation.id, waiting, answer, at=moment)


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database)


async def test_gaps_come_newest_first_with_where_they_were_asked(book: Book) -> None:
    await book.answered("trả góp?", gap=Gap("trả góp?", ("vi/returns#han",)))
    await book.answered("đổi trả?", sources=(HAN,))
    await book.answered("laptop?", gap=Gap("laptop?"), at=Address("web", "x"))
    newest, oldest = await book.asked.gaps(None, limit=9)
    assert (newest.question, newest.nearest, newest.platform, newest.version) == ("laptop?", (), "web", "abc")
    assert (oldest.question, oldest.nearest, oldest.language) == ("trả góp?", ("vi/returns#han",), "vi")
    assert oldest.at == NOON + timedelta(minutes=1)
    assert await book.asked.gaps(NOON + timedelta(minutes=2), limit=9) == (newest,)
    assert await book.asked.gaps(None, limit=1) == (newest,)


async def test_answers_are_found_by_the_section_that_they_relied_on(book: Book) -> None:
    await book.answered("đổi trả", "mấy ngày?", sources=(HAN, PHI))
    await book.answered("có mất phí không?", sources=(PHI,), at=Address("web", "x"))
    newest, oldest = await book.asked.relied_on(["vi/returns#phi"], None)
    assert (newest.question, newest.answer, newest.platform) == ("có mất phí không?", "Trả lời 3", "web")
    assert (oldest.question, oldest.text, oldest.version) == ("đổi trả\nmấy ngày?", "Miễn phí.", "abc")
    assert [one.section_id for one in await book.asked.relied_on([HAN.section_id, PHI.section_id], None)] == [
        "vi/returns#phi",
        "vi/returns#han",
        "vi/returns#phi",
    ]
    assert await book.asked.relied_on(["vi/returns#phi"], NOON + timedelta(hours=1)) == ()
    assert await book.asked.relied_on(["x' OR 1=1 --"], None) == ()
    assert await book.asked.known_sections() == (
        ("vi/returns#han", "Đổi trả", "Thời hạn"),
        ("vi/returns#phi", "Đổi trả", "Phí"),
    )


async def test_the_last_questions_come_with_what_was_asked_before_them(book: Book) -> None:
    await book.answered("một")
    await book.answered("hai")
    await book.answered("ba")
    await book.answered("bốn", "năm")
    await book.answered("ở chỗ khác", at=Address("web", "x"))
    found = await book.asked.questions(3)
    assert [(one.text, one.before) for one in found] == [
        ("ở chỗ khác", ()),
        ("bốn\nnăm", ("hai", "ba")),
        ("ba", ("một", "hai")),
    ]


async def test_what_was_quoted_stands_for_what_was_asked_before(book: Book) -> None:
    await book.answered("một")
    await book.answered("cái này?", quoted="Đổi trả trong 7 ngày")
    assert (await book.asked.questions(1))[0].before == ("Đổi trả trong 7 ngày",)


async def test_staffs_questions_and_what_stands_before_a_start_afresh_are_left_out(book: Book) -> None:
    await book.answered("một")
    await book.answered("", command="new")
    await book.answered("hai")
    await book.answered("của nhân viên", role="staff")
    found = await book.asked.questions(9)
    assert [(one.text, one.before) for one in found] == [("hai", ()), ("một", ())]
