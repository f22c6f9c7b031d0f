import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.bursts import Arrivals
from bot.chat import Address, InboundMessage, MessageRef, UnreadableUpdate
from bot.errors import StorageFull
from bot.inbox import Inbox
from bot.storage.database import Database
from bot.storage.messages import Conversation, Messages, StoredMessage
from bot.storage.outbox import Outbox, reply_key
from tests.words import LAN, eventually, message

LONG = "áo " * 30_000


class Handler:
    """A turn handler with a transcript; `hold` keeps conversations waiting, `fail` makes turns fail."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self.answered: list[list[str]] = []
        self.given_up: list[list[str]] = []
        self.broken_off: list[str] = []
        self.stopped: list[str] = []
        self.delayed: list[str] = []
        self.waited: list[float | None] = []
        self.hold: dict[str, asyncio.Event] = {}
        self.fail: Callable[[str], Exception | None] = lambda text: None
        self.running = 0
        self.most_running = 0
        self._changed = asyncio.Condition()

    async def answer(self, conversation: Conversation, messages: Sequence[StoredMessage], arrivals: Arrivals) -> None:
        texts = [stored.message.text or stored.message.command or "" for stored in messages]
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if error := self.fail(texts[0]):
                raise error
            if event := self.hold.get(conversation.address.chat_id):
                await event.wait()
            await self._messages.close(messages, at=datetime.now(UTC))
            self.answered.append(texts)
            self.waited += [stored.waited for stored in messages]
        finally:
            self.running -= 1
            await self._tell()

    async def give_up(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> None:
        await self._messages.close(messages, at=datetime.now(UTC))
        self.given_up.append([stored.message.text for stored in messages])
        await self._tell()

    async def break_off(self, conversation: Conversation, message: StoredMessage) -> None:
        self.broken_off.append(message.message.text)
        if error := self.fail(message.message.text):
            raise error

    async def stop(self, conversation_id: int, message: InboundMessage, *, inbox_id: int) -> None:
        self.stopped.append(message.address.chat_id)
        await self._tell()

    async def delay(self, message: InboundMessage) -> None:
        self.delayed.append(message.address.chat_id)
        await self._tell()

    async def until(self, condition: Callable[["Handler"], bool]) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Watched(Messages):
    """The real ones, and how often somebody has looked at what waits."""

    looked = 0

    async def waiting(self, conversation_id: int) -> tuple[Conversation, tuple[StoredMessage, ...]]:
        found = await super().waiting(conversation_id)
        self.looked += 1
        return found


class Rig:
    """A real inbox over a real file, with a handler to look at."""

    def __init__(self, database: Database, pause: float) -> None:
        self.messages = Watched(database)
        self.handler = Handler(self.messages)
        self.outbox = Outbox(database)
        self.jump, self.later = timedelta(), 0.0  # of the wall clock, and of time itself
        self.stopped: float | None = None  # time stands still at this moment
        self._database = database
        self.inbox = Inbox(
            self.messages,
            self.handler,
            platforms={"shop"},
            now=lambda: datetime.now(UTC) + self.jump,
            clock=lambda: (time.monotonic() if self.stopped is None else self.stopped) + self.later,
            pause=pause,
        )

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """A disk on which there is no room for a `LONG` text."""
        await self._database.write(lambda db: db.execute("PRAGMA max_page_count=1").fetchall())
        yield
        await self._database.write(lambda db: db.execute("PRAGMA max_page_count=1000000").fetchall())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Handler]:
        task = asyncio.create_task(self.inbox.run())
        try:
            yield self.handler
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    database = await Database.open(tmp_path / "shopdesk.db")
    yield Rig(database, pause=0.001)
    await database.close()


async def test_a_message_is_on_the_disk_when_receive_returns(rig: Rig, tmp_path: Path) -> None:
    rig.handler.hold["lan"] = asyncio.Event()
    await rig.inbox.receive(message("xin chào"))
    with sqlite3.connect(tmp_path / "shopdesk.db") as other:
        assert other.execute("SELECT text FROM inbox").fetchall() == [("xin chào",)]
    other.close()


async def test_messages_in_a_row_are_one_turn(rig: Rig) -> None:
    rig.handler.hold["lan"] = asyncio.Event()
    async with rig.running() as handler:
        await rig.inbox.receive(message("một", 1))
        await handler.until(lambda h: h.running == 0 or h.running == 1)
        await asyncio.sleep(0)
        await rig.inbox.receive(message("hai", 2))
        await rig.inbox.receive(message("ba", 3))
        handler.hold["lan"].set()
        await handler.until(lambda h: sum(map(len, h.answered)) == 3)
    assert [text for turn in handler.answered for text in turn] == ["một", "hai", "ba"]
    assert len(handler.answered) <= 2


async def test_no_conversation_waits_for_another(rig: Rig) -> None:
    rig.handler.hold["lan"] = asyncio.Event()
    async with rig.running() as handler:
        await rig.inbox.receive(message("langsam"))
        await rig.inbox.receive(message("schnell", at=Address("shop", "minh")))
        await handler.until(lambda h: h.answered == [["schnell"]])
        handler.hold["lan"].set()
        await handler.until(lambda h: len(h.answered) == 2)


async def test_a_command_is_a_turn_of_its_own_and_keeps_its_place(rig: Rig) -> None:
    for number, item in enumerate(
        [message("một"), message("", 2, command="help"), message("hai", 3), message("ba", 4)], 1
    ):
        await rig.messages.receive(item, at=datetime(2026, 1, 1, 0, 0, number, tzinfo=UTC))
    async with rig.running() as handler:
        await handler.until(lambda h: len(h.answered) == 3)
    assert handler.answered == [["một"], ["help"], ["hai", "ba"]]


async def test_what_waits_in_front_of_a_start_afresh_is_not_answered_any_more(rig: Rig) -> None:
    for item in (message("một"), message("hai", 2), message("", 3, command="new"), message("ba", 4)):
        await rig.messages.receive(item, at=datetime.now(UTC))
    async with rig.running() as handler:
        await handler.until(lambda h: len(h.answered) == 2)
    assert handler.answered == [["new"], ["ba"]]
    assert await rig.messages.conversations_waiting({"shop"}) == ()


@pytest.mark.parametrize(("fails", "tries"), [(False, 1), (True, 3)])
async def test_what_was_begun_in_front_of_a_start_afresh_is_broken_off_first_and_keeps_nobody_waiting(
    rig: Rig, fails: bool, tries: int
) -> None:
    await rig.messages.receive(message("một"), at=datetime.now(UTC))
    received = await rig.messages.receive(message("hai", 2), at=datetime.now(UTC))
    await rig.outbox.sending(key := reply_key(received.inbox_id), LAN, doubles=True)
    await rig.outbox.sent(key, MessageRef(LAN, "1"))
    await rig.messages.receive(message("", 3, command="new"), at=datetime.now(UTC))
    rig.handler.fail = lambda text: ValueError("no") if fails and text == "hai" else None
    async with rig.running() as handler:
        await handler.until(lambda h: len(h.answered) == 1)
    assert (handler.broken_off, handler.answered) == (["hai"] * tries, [["new"]])


async def test_what_was_left_unanswered_is_answered_at_the_next_start(rig: Rig) -> None:
    for name in ("a", "b", "c"):
        await rig.messages.receive(message(name, at=Address("shop", name)), at=datetime.now(UTC))
    async with rig.running() as handler:
        await handler.until(lambda h: len(h.answered) == 3)
    assert await rig.messages.conversations_waiting({"shop"}) == ()


async def test_what_waits_on_a_platform_that_is_not_served_goes_on_waiting(rig: Rig) -> None:
    away = Address("away", "lan")
    await rig.messages.receive(message("xa", at=away), at=datetime.now(UTC))
    async with rig.running() as handler:
        await rig.inbox.receive(message("gần"))
        await handler.until(lambda h: h.answered == [["gần"]])
    assert len(await rig.messages.conversations_waiting({"away"})) == 1


async def test_a_message_delivered_twice_is_answered_once(rig: Rig) -> None:
    async with rig.running() as handler:
        await rig.inbox.receive(message("hi"))
        await handler.until(lambda h: len(h.answered) == 1)
        await rig.inbox.receive(message("hi"))
        await rig.inbox.receive(message("noch", 2))
        await handler.until(lambda h: len(h.answered) == 2)
    assert handler.answered == [["hi"], ["noch"]]


async def test_a_turn_that_fails_three_times_is_given_up_and_the_next_goes_on(rig: Rig) -> None:
    rig.handler.fail = lambda text: RuntimeError("poison") if text == "gift" else None
    async with rig.running() as handler:
        await rig.inbox.receive(message("gift"))
        await handler.until(lambda h: h.given_up == [["gift"]])
        await rig.inbox.receive(message("gut", 2))
        await handler.until(lambda h: h.answered == [["gut"]])


async def test_a_full_disk_is_waited_out_and_nothing_is_given_up(rig: Rig) -> None:
    left = 7

    def fail(text: str) -> Exception | None:
        nonlocal left
        left -= 1
        return StorageFull("no room") if left > 0 else None

    rig.handler.fail = fail
    async with rig.running() as handler:
        await rig.inbox.receive(message("hi"))
        await handler.until(lambda h: h.answered == [["hi"]])
    assert handler.given_up == []


async def test_each_customer_is_told_once_of_an_outage(rig: Rig) -> None:
    async with rig.running() as handler:
        async with rig.full():
            for number in (1, 2, 3):
                for name in ("lan", "minh"):
                    with pytest.raises(StorageFull):
                        await rig.inbox.receive(message(LONG, number, at=Address("shop", name)))
        await handler.until(lambda h: len(h.delayed) == 2)
        await rig.inbox.receive(message("wieder Platz", 4))
        await handler.until(lambda h: h.answered == [["wieder Platz"]])
        rig.later += 30  # room for one message, and none again: this is still the same outage
        async with rig.full():
            with pytest.raises(StorageFull):
                await rig.inbox.receive(message(LONG, 5))
        rig.later += 61
        await rig.inbox.receive(message("lange gut", 6))
        async with rig.full():
            with pytest.raises(StorageFull):
                await rig.inbox.receive(message(LONG, 7))
        await handler.until(lambda h: len(h.delayed) == 3)
    assert handler.delayed == ["lan", "minh", "lan"]


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_wall_clock_that_jumps_does_not_change_how_long_an_album_is_waited_for(rig: Rig, hours: int) -> None:
    async with rig.running() as handler:
        rig.stopped = time.monotonic()
        await rig.inbox.receive(message("áo này", 1, album_id="7"))
        rig.jump = timedelta(hours=hours)
        await asyncio.sleep(0)
        await rig.inbox.receive(message("màu xanh", 2, album_id="7"))
        rig.stopped = None
        await handler.until(lambda h: len(h.answered) == 1)
    assert handler.answered == [["áo này", "màu xanh"]]


@pytest.mark.parametrize("hours", [1, -1])
async def test_how_long_a_message_waited_is_measured_by_a_clock_that_does_not_jump(rig: Rig, hours: int) -> None:
    rig.handler.hold["lan"] = asyncio.Event()
    async with rig.running() as handler:
        await rig.inbox.receive(message("một", 1))
        await eventually(lambda: handler.running == 1)
        await rig.inbox.receive(message("hai", 2))
        rig.jump = timedelta(hours=hours)
        rig.later += 5
        handler.hold["lan"].set()
        await handler.until(lambda h: len(h.answered) == 2)
    assert handler.waited == [pytest.approx(0, abs=1), pytest.approx(5, abs=1)]


async def test_a_stop_does_not_wait_for_the_running_turn(rig: Rig) -> None:
    rig.handler.hold["lan"] = asyncio.Event()
    async with rig.running() as handler:
        await rig.inbox.receive(message("lang"))
        await rig.inbox.receive(message("", 2, command="stop"))
        await handler.until(lambda h: h.stopped == ["lan"])
        assert handler.answered == []
        handler.hold["lan"].set()
        await handler.until(lambda h: h.answered == [["lang"]])


class SlowMessages(Messages):
    """An inbox that can be read only when `read` is set."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.read = asyncio.Event()

    async def waiting(self, conversation_id: int) -> tuple[Conversation, tuple[StoredMessage, ...]]:
        await self.read.wait()
        return await super().waiting(conversation_id)


async def test_an_album_is_one_turn_however_its_parts_arrive(rig: Rig) -> None:
    async with rig.running() as handler:
        await rig.inbox.receive(message("áo này", 1, album_id="7"))
        await eventually(lambda: rig.messages.looked == 1)
        await rig.inbox.receive(message("màu xanh", 2, album_id="7"))
        await handler.until(lambda h: len(h.answered) == 1)
    assert handler.answered == [["áo này", "màu xanh"]]


async def test_an_unreadable_update_is_parked(rig: Rig) -> None:
    await rig.inbox.receive(UnreadableUpdate("telegram", "1", "{}", "?"))
    assert await rig.messages.conversations_waiting({"shop"}) == ()


async def test_a_conversation_costs_no_task_when_nothing_waits(rig: Rig) -> None:
    async with rig.running() as handler:
        before = len(asyncio.all_tasks())
        for number in range(50):
            await rig.inbox.receive(message("hi", at=Address("shop", f"c{number}")))
        await handler.until(lambda h: len(h.answered) == 50)
        await eventually(lambda: len(asyncio.all_tasks()) == before)
