"""What is left unanswered is taken up after a start: in which order, how much at once, and what kills the program."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.backlog import AT_ONCE, Backlog, failures_of
from bot.bursts import Arrivals
from bot.chat import Address, InboundMessage, MessageRef
from bot.errors import StorageFull
from bot.inbox import Inbox
from bot.storage.database import Database
from bot.storage.messages import Conversation, Messages, StoredMessage
from bot.storage.outbox import Outbox, reply_key
from tests.words import NOON, eventually, message

MOST = 3


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "shopdesk.db")
    yield opened
    await opened.close()


@pytest.fixture
def messages(database: Database) -> Messages:
    return Messages(database)


def at(number: int) -> Address:
    return Address("shop", f"c{number}")


async def wait_in(messages: Messages, numbers: Collection[int]) -> list[int]:
    """A message in each of these chats that nobody has answered; the conversations."""
    received = await asyncio.gather(*(messages.receive(message("hi", at=at(number)), at=NOON) for number in numbers))
    return [one.conversation_id for one in received]


async def answer(messages: Messages, conversation_id: int) -> None:
    _, waiting = await messages.waiting(conversation_id)
    await messages.close(waiting, at=NOON)


async def tries(database: Database) -> Counter[int]:
    """How many waiting messages were taken up how often in vain."""
    rows = await database.read(lambda db: db.execute("SELECT tries FROM inbox WHERE answered_at IS NULL").fetchall())
    return Counter(row[0] for row in rows)


class Life:
    """One start of the program, up to its end or to a kill. `kills` says whether taking this one up is the end;
    who is taken up is answered when the loop comes to it, unless the end comes first.

    Time stands still while anybody is answered, and waits for nothing else: `now` is what it says. With
    `answer_seconds` it runs, a hundred times as fast as on a clock, and an answer takes so long.
    """

    def __init__(
        self,
        messages: Messages,
        kills: Callable[[int, int], bool],
        *,
        at_once: int = AT_ONCE,
        answer_seconds: float | None = None,
    ) -> None:
        self._messages = messages
        self._kills = kills
        self._answer_seconds = answer_seconds
        self.killed = asyncio.Event()
        self.now = 0.0
        self.backlog = Backlog(messages, at_once=at_once, clock=self._time, sleep=self._pass)
        self.long = True
        self.taken: list[int] = []
        self.hanging: set[int] = set()
        self.given_up: set[int] = set()
        self.running = self.most_running = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def live(self) -> bool:
        """Whether it came to the end of the backlog."""
        waiting = await self.backlog.load({"shop"})
        run = asyncio.create_task(self.backlog.run(waiting, self._take_up))
        killed = asyncio.create_task(self.killed.wait())
        await asyncio.wait([run, killed], return_when=asyncio.FIRST_COMPLETED)
        while self._tasks and not self.killed.is_set():
            await asyncio.wait([killed, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in (run, killed, *self._tasks):
            task.cancel()
        await asyncio.gather(run, killed, *self._tasks, return_exceptions=True)
        return not self.killed.is_set()

    def _take_up(self, conversation_id: int) -> bool:
        if self.killed.is_set():
            return True
        self.taken.append(conversation_id)
        before = self.backlog.tries(conversation_id)
        if failures_of(before, MOST):
            self.given_up.add(conversation_id)
        elif self._kills(conversation_id, before):
            self.killed.set()
            return True
        if conversation_id not in self.hanging:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            task = asyncio.create_task(self._answer(conversation_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, conversation_id: int) -> None:
        await (self._pass(self._answer_seconds) if self._answer_seconds else asyncio.sleep(0))
        await answer(self._messages, conversation_id)
        self.running -= 1
        self.backlog.ended(conversation_id)

    def _time(self) -> float:
        return 100 * asyncio.get_running_loop().time() if self._answer_seconds else self.now

    async def _pass(self, seconds: float) -> None:
        if self._answer_seconds:
            await asyncio.sleep(seconds / 100)
            return
        await eventually(lambda: not self.running)
        if self.killed.is_set() or not self.long:
            await asyncio.Event().wait()
        self.now += seconds


def nobody(conversation_id: int, tries: int) -> bool:
    return False


async def test_what_is_begun_comes_first_and_then_what_waits_longest(database: Database, messages: Messages) -> None:
    ids = await wait_in(messages, range(4))
    _, waiting = await messages.waiting(ids[2])
    outbox, key = Outbox(database), reply_key(waiting[0].id)
    await outbox.sending(key, at(2), doubles=True)
    await outbox.sent(key, MessageRef(at(2), "1"))
    life = Life(messages, nobody)
    assert await life.live()
    assert life.taken == [ids[2], ids[0], ids[1], ids[3]]


async def test_only_so_many_are_taken_up_at_once_and_all_are_in_the_end(messages: Messages) -> None:
    ids = await wait_in(messages, range(50))
    life = Life(messages, nobody, at_once=7)
    assert await life.live()
    assert sorted(life.taken) == sorted(ids)
    assert life.most_running == 7


async def test_a_platform_that_is_down_keeps_nobody_on_another_one_waiting(messages: Messages) -> None:
    await wait_in(messages, range(5))
    there = await messages.receive(message("hi", at=Address("web", "lan")), at=NOON)
    backlog, taken = Backlog(messages, at_once=2), list[int]()

    def take_up(conversation_id: int) -> bool:
        taken.append(conversation_id)
        return True

    run = asyncio.create_task(backlog.run(await backlog.load({"shop", "web"}), take_up))
    await eventually(lambda: there.conversation_id in taken)
    assert len(taken) == 3
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def test_a_message_that_kills_the_program_is_given_up_and_nobody_else_is(
    database: Database, messages: Messages
) -> None:
    ids = await wait_in(messages, range(700))
    poison = ids[333]
    lives, given_up = 0, set[int]()
    while True:
        life = Life(messages, lambda one, tries: one == poison)
        lives += 1
        ended = await life.live()
        given_up |= life.given_up
        if ended:
            break
    assert given_up == {poison}
    assert lives <= 15
    assert await tries(database) == {}


async def test_a_hundred_kills_at_random_accuse_nobody(database: Database, messages: Messages) -> None:
    chance = random.Random(4711)
    await wait_in(messages, range(400))
    given_up = set[int]()
    for _ in range(100):
        survived = chance.randrange(1, 200)

        def kills(conversation_id: int, tries: int) -> bool:
            nonlocal survived
            survived -= 1
            return survived <= 0

        life = Life(messages, kills)
        life.long = chance.random() < 0.2
        if not life.long:
            asyncio.get_running_loop().call_later(0.02, life.killed.set)
        await life.live()
        given_up |= life.given_up
    last = Life(messages, nobody)
    assert await last.live()
    assert given_up | last.given_up == set()
    assert await tries(database) == {}


async def test_a_suspect_is_taken_up_when_the_others_are_done_and_the_program_has_run_a_while(
    messages: Messages,
) -> None:
    ids = await wait_in(messages, range(3))
    for _ in range(5):
        await messages.take_up([ids[0]])
    life = Life(messages, nobody)
    assert await life.live()
    assert life.taken == [ids[1], ids[2], ids[0]]
    assert life.now >= 10


async def test_who_is_never_done_keeps_no_suspect_waiting_for_long_and_is_accused_of_nothing(
    database: Database, messages: Messages
) -> None:
    ids = await wait_in(messages, range(6))
    for tries_of, one in zip((0, 2, 5, 5, 5, 6), ids, strict=True):
        for _ in range(tries_of):
            await messages.take_up([one])
    life = Life(messages, nobody)
    life.hanging = set(ids[:5])
    living = asyncio.create_task(life.live())
    await eventually(lambda: set(life.taken) == set(ids))
    await living
    assert life.taken == ids
    assert life.now < 90
    # A kill now would count once more for the first and the second, and for none of those with many tries.
    assert await tries(database) == {1: 1, 3: 1, 5: 3}


async def test_after_a_time_of_many_kills_everybody_is_answered_within_minutes(messages: Messages) -> None:
    ids = await wait_in(messages, range(200))
    for _ in range(5):
        await messages.take_up(ids)
    began = asyncio.get_running_loop().time()
    life = Life(messages, nobody, answer_seconds=6.0)
    assert await life.live()
    assert sorted(life.taken) == sorted(ids)
    assert 100 * (asyncio.get_running_loop().time() - began) < 300


class Room(Messages):
    """An inbox on a disk that has room again after some tries."""

    full = 3

    async def take_up(self, conversation_ids: Collection[int]) -> None:
        self.full -= 1
        if self.full > 0:
            raise StorageFull("no room")
        await super().take_up(conversation_ids)


async def test_on_a_full_disk_nothing_is_taken_up_until_there_is_room(database: Database) -> None:
    messages = Room(database)
    ids = await wait_in(messages, range(2))
    life = Life(messages, nobody)
    assert await life.live()
    assert (life.taken, life.now) == (ids, 1.5)


class Handler:
    """Answers turns; `hold` keeps chats waiting, `fail` makes them fail."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self.answered: list[list[str]] = []
        self.given_up: list[list[str]] = []
        self.hold: dict[str, asyncio.Event] = {}
        self.running: set[str] = set()
        self.fail_to_give_up = False

    async def answer(self, conversation: Conversation, messages: Sequence[StoredMessage], arrivals: Arrivals) -> None:
        chat = conversation.address.chat_id
        self.running.add(chat)
        if event := self.hold.get(chat):
            await event.wait()
        await self._messages.close(messages, at=NOON)
        self.answered.append([stored.message.text for stored in messages])

    async def give_up(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> None:
        if self.fail_to_give_up:
            raise RuntimeError("this kills, too")
        await self._messages.close(messages, at=NOON)
        self.given_up.append([stored.message.text for stored in messages])

    async def break_off(self, conversation: Conversation, message: StoredMessage) -> None: ...

    async def stop(self, conversation_id: int, message: InboundMessage, *, inbox_id: int) -> None: ...

    async def delay(self, message: InboundMessage) -> None: ...


class Killed(Messages):
    """What is left behind by a program that had no time to tidy up."""

    async def give_back(self, conversation_ids: Collection[int]) -> None: ...


@asynccontextmanager
async def inbox(messages: Messages, handler: Handler, time: asyncio.Event | None = None) -> AsyncIterator[Inbox]:
    """`time`: it stands still until then."""

    async def sleep(seconds: float) -> None:
        await (time.wait() if time else asyncio.sleep(0))

    opened = Inbox(messages, handler, platforms={"shop"}, sleep=sleep)
    task = asyncio.create_task(opened.run())
    try:
        yield opened
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("kind", "counted"), [(Messages, 0), (Killed, 1)])
async def test_only_a_kill_counts_and_an_orderly_end_does_not(
    database: Database, kind: type[Messages], counted: int
) -> None:
    messages = kind(database)
    await wait_in(messages, range(3))
    handler = Handler(messages)
    handler.hold = {"c0": asyncio.Event(), "c1": asyncio.Event()}
    async with inbox(messages, handler):
        await eventually(lambda: handler.answered == [["hi"]])
    assert await tries(database) == {counted: 2}


async def test_a_suspect_who_writes_again_waits_for_his_place_and_a_newcomer_does_not(messages: Messages) -> None:
    ids = await wait_in(messages, range(2))
    for _ in range(3):
        await messages.take_up([ids[0]])
    handler, time = Handler(messages), asyncio.Event()
    handler.hold["c1"] = asyncio.Event()
    async with inbox(messages, handler, time) as opened:
        await eventually(lambda: handler.running == {"c1"})
        await opened.receive(message("noch da?", 2, at=at(0)))
        await opened.receive(message("neu", 3, at=at(9)))
        await eventually(lambda: handler.answered == [["neu"]])
        time.set()
        await eventually(lambda: handler.answered == [["neu"], ["hi", "noch da?"]])
        handler.hold["c1"].set()
        await eventually(lambda: len(handler.answered) == 3)
    assert handler.answered == [["neu"], ["hi", "noch da?"], ["hi"]]


@pytest.mark.parametrize("times", [10, 12])
async def test_what_killed_too_often_is_closed_with_a_word_or_at_last_without_and_the_next_goes_on(
    database: Database, messages: Messages, times: int
) -> None:
    (poison,) = await wait_in(messages, [0])
    await messages.receive(message("", 2, at=at(0), command="help"), at=datetime.now(UTC))
    for _ in range(times):
        await messages.take_up([poison])
    handler = Handler(messages)
    handler.fail_to_give_up = times == 12
    async with inbox(messages, handler):
        await eventually(lambda: handler.answered == [[""]])
    assert handler.given_up == ([["hi"]] if times == 10 else [])
    assert await messages.conversations_waiting({"shop"}) == ()
