"""A mere beginning waits for more, and what comes while a turn is answered is told to who answers it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.bursts import Arrivals
from bot.chat import Address, Attachment
from bot.inbox import Inbox
from bot.storage.database import Database
from bot.storage.messages import Conversation, Messages, StoredMessage
from tests.bot.test_inbox import Handler
from tests.words import eventually, message


class SlowMessages(Messages):
    """What waits is known to who asks only when `go_on` is set, and may be outdated by then."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.go_on = asyncio.Event()
        self.looked = 0

    async def waiting(self, conversation_id: int) -> tuple[Conversation, tuple[StoredMessage, ...]]:
        found = await super().waiting(conversation_id)
        self.looked += 1
        await self.go_on.wait()
        return found


class Listener(Handler):
    """Hears of what comes in while it answers, and answers what it has taken in."""

    takes_in = True

    def __init__(self, messages: Messages) -> None:
        super().__init__(messages)
        self.heard: list[str | None] = []

    async def answer(self, conversation: Conversation, messages: Sequence[StoredMessage], arrivals: Arrivals) -> None:
        arrivals.listen(lambda news: self.heard.append(news.text if news else None))
        if event := self.hold.pop(conversation.address.chat_id, None):
            self.running += 1
            await self._tell()
            await event.wait()
            self.running -= 1
            if self.takes_in:
                messages = await arrivals.take()
        await super().answer(conversation, messages, arrivals)


class Rig:
    """A real inbox over a real file, whose time passes only when a test says so."""

    def __init__(self, database: Database, burst_wait: float, messages: Messages | None = None) -> None:
        self.messages = messages or Messages(database)
        self.handler = Listener(self.messages)
        self.time, self.wall = 1000.0, datetime(2026, 11, 20, tzinfo=UTC)
        self.naps: list[float] = []
        self._over: list[tuple[float, asyncio.Event]] = []
        self.inbox = Inbox(
            self.messages,
            self.handler,
            platforms={"shop"},
            now=lambda: self.wall,
            clock=lambda: self.time,
            burst_wait=burst_wait,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        event = asyncio.Event()
        self._over.append((self.time + seconds, event))
        await event.wait()

    def later(self, seconds: float) -> None:
        self.time += seconds
        self.wall += timedelta(seconds=seconds)
        for at, event in self._over:
            if at <= self.time + 1e-9:
                event.set()

    async def write(self, text: str, number: int = 1, **more: object) -> None:
        await self.inbox.receive(message(text, number, **more))  # type: ignore[arg-type]

    async def napping(self, count: int) -> None:
        await eventually(lambda: len(self.naps) == count)


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Listener]:
    task = asyncio.create_task(rig.inbox.run())
    try:
        yield rig.handler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    database = await Database.open(tmp_path / "shopdesk.db")
    yield Rig(database, burst_wait=0.7)
    await database.close()


async def test_a_greeting_a_call_and_a_question_are_one_turn(rig: Rig) -> None:
    async with running(rig) as handler:
        await rig.write("hi")
        await rig.napping(1)
        rig.later(0.5)
        await rig.write("shop ơi", 2)
        await rig.napping(2)
        rig.later(0.5)
        await rig.write("áo này còn size M không", 3)
        await handler.until(lambda h: h.answered == [["hi", "shop ơi", "áo này còn size M không"]])
    assert rig.naps == [pytest.approx(0.7), pytest.approx(0.7)]


async def test_a_beginning_that_nothing_follows_is_answered_when_the_wait_is_over(rig: Rig) -> None:
    async with running(rig) as handler:
        await rig.write("shop ơi")
        await rig.napping(1)
        rig.later(0.69)
        assert handler.answered == []
        rig.later(0.02)
        await handler.until(lambda h: h.answered == [["shop ơi"]])
    assert rig.naps == [pytest.approx(0.7)]


@pytest.mark.parametrize("role", ["customer", "staff"])
async def test_everything_else_is_answered_at_once(rig: Rig, role: str) -> None:
    async with running(rig) as handler:
        await rig.write("còn hàng không", role=role)
        await handler.until(lambda h: len(h.answered) == 1)
        await rig.write("hi", 2, role=role, attachments=(Attachment("photo", "p"),))
        await handler.until(lambda h: len(h.answered) == 2)
        await rig.write("", 3, role=role, command="help")
        await handler.until(lambda h: len(h.answered) == 3)
    assert rig.naps == []


async def test_staff_who_only_begin_are_waited_for_too(rig: Rig) -> None:
    async with running(rig) as handler:
        await rig.write("ê bot", role="staff")
        await rig.napping(1)
        await rig.write("khách hỏi phí ship", 2, role="staff")
        await handler.until(lambda h: h.answered == [["ê bot", "khách hỏi phí ship"]])


async def test_nobody_waits_when_the_setting_is_zero(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "shopdesk.db")
    rig = Rig(database, burst_wait=0.0)
    async with running(rig) as handler:
        await rig.write("hi")
        await handler.until(lambda h: h.answered == [["hi"]])
    assert rig.naps == []
    await database.close()


async def test_a_command_behind_a_beginning_ends_the_wait(rig: Rig) -> None:
    async with running(rig) as handler:
        await rig.write("hi")
        await rig.napping(1)
        await rig.write("", 2, command="help")
        await handler.until(lambda h: h.answered == [["hi"], ["help"]])


async def test_an_edit_that_makes_a_question_of_a_beginning_ends_the_wait(rig: Rig) -> None:
    async with running(rig) as handler:
        await rig.write("áo này")
        await rig.napping(1)
        await rig.write("áo này còn không", edited=True)
        await handler.until(lambda h: h.answered == [["áo này còn không"]])


async def test_who_begins_and_begins_is_answered_after_four_waits(rig: Rig) -> None:
    async with running(rig) as handler:
        for number in range(1, 20):
            await rig.write("alo", number)
            await rig.napping(number)
            rig.later(0.5)
            if rig.time - 1000.0 > 2.8:
                break
        await handler.until(lambda h: h.answered == [["alo"] * 6])
    assert rig.time - 1000.0 == pytest.approx(3.0)


@pytest.mark.parametrize(("away", "naps"), [(0.3, [pytest.approx(0.4)]), (60.0, []), (-3600.0, [pytest.approx(0.7)])])
async def test_the_time_in_storage_counts_as_waited_after_a_start(rig: Rig, away: float, naps: list[object]) -> None:
    await rig.messages.receive(message("hi"), at=rig.wall - timedelta(seconds=away))
    async with running(rig) as handler:
        await asyncio.sleep(0)
        if naps:
            await rig.napping(1)
            rig.later(0.71)
        await handler.until(lambda h: h.answered == [["hi"]])
    assert rig.naps == naps


async def test_a_beginning_that_waits_holds_up_no_other_conversation(rig: Rig) -> None:
    async with running(rig) as handler:
        await rig.write("hi")
        await rig.napping(1)
        await rig.write("còn hàng không", at=Address("shop", "minh"))
        await handler.until(lambda h: h.answered == [["còn hàng không"]])


async def test_the_end_of_the_program_does_not_wait_with_a_beginning(rig: Rig) -> None:
    async with running(rig) as handler:
        await rig.write("hi")
        await rig.napping(1)
        async with asyncio.timeout(5):
            assert await rig.inbox.drain(60) == 0
    assert handler.answered == []
    assert len(await rig.messages.conversations_waiting({"shop"})) == 1


async def test_a_beginning_leaves_no_task_behind(rig: Rig) -> None:
    async with running(rig) as handler:
        before = len(asyncio.all_tasks())
        await rig.write("hi")
        await rig.napping(1)
        await rig.write("còn hàng không", 2)
        await handler.until(lambda h: len(h.answered) == 1)
        await eventually(lambda: len(asyncio.all_tasks()) == before)


async def test_what_comes_while_a_turn_is_answered_is_told_and_marked_with_it(rig: Rig) -> None:
    gate = rig.handler.hold["lan"] = asyncio.Event()
    async with running(rig) as handler:
        await rig.write("một?")
        await handler.until(lambda h: h.running == 1)
        await asyncio.gather(rig.write("hai", 2), rig.write("ba", 3))
        assert sorted(text or "" for text in handler.heard) == ["ba", "hai"]
        rig.later(5)
        gate.set()
        await handler.until(lambda h: len(h.answered) == 1)
    assert handler.answered == [["một?", "hai", "ba"]]
    assert handler.waited == [pytest.approx(5)] * 3
    assert await rig.messages.conversations_waiting({"shop"}) == ()


async def test_an_edit_of_the_running_turn_is_told_and_taken_with_its_newest_text(rig: Rig) -> None:
    gate = rig.handler.hold["lan"] = asyncio.Event()
    async with running(rig) as handler:
        await rig.write("size M?")
        await handler.until(lambda h: h.running == 1)
        await rig.write("size L?", edited=True)
        await rig.write("size L?", edited=True)
        assert handler.heard == ["size L?"]
        gate.set()
        await handler.until(lambda h: h.answered == [["size L?"]])


async def test_what_nobody_takes_in_is_the_next_turn(rig: Rig) -> None:
    gate = rig.handler.hold["lan"] = asyncio.Event()
    rig.handler.takes_in = False
    async with running(rig) as handler:
        await rig.write("một?")
        await handler.until(lambda h: h.running == 1)
        await rig.write("hai?", 2)
        gate.set()
        await handler.until(lambda h: h.answered == [["một?"], ["hai?"]])


async def test_what_is_stored_while_the_turn_is_read_is_heard_of(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "shopdesk.db")
    rig = Rig(database, burst_wait=0.7, messages=SlowMessages(database))
    gate = rig.handler.hold["lan"] = asyncio.Event()
    async with running(rig) as handler:
        await rig.write("một?")
        await eventually(lambda: rig.messages.looked == 1)  # type: ignore[attr-defined]
        await rig.write("hai?", 2)
        rig.messages.go_on.set()  # type: ignore[attr-defined]
        await handler.until(lambda h: h.running == 1)
        assert handler.heard == [None]
        gate.set()
        await handler.until(lambda h: h.answered == [["một?", "hai?"]])
    await database.close()


async def test_nothing_joins_while_the_program_ends(rig: Rig) -> None:
    gate = rig.handler.hold["lan"] = asyncio.Event()
    async with running(rig) as handler:
        await rig.write("một?")
        await handler.until(lambda h: h.running == 1)
        ending = asyncio.create_task(rig.inbox.drain(5))
        await asyncio.sleep(0)
        await rig.write("hai?", 2)
        assert handler.heard == []
        gate.set()
        await ending
