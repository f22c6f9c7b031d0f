"""A shop with a desk to test the relay at: real storage, inbox, engine and policies; model, platforms and desk are
fakes that outlive the program, which may be ended at any step and begun again on the same file."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from bot.chat import Address, Attachment, MessageLimits, MessageRef, OutboundMessage
from bot.desk import Action, ActionKind, Card, Mark, Person, Post, PostMessage
from bot.engine.engine import Engine
from bot.errors import MessageGone, MessageRefused
from bot.inbox import Inbox
from bot.llm.base import ModelRequest, ToolCall
from bot.outbox import RecordedPlatform
from bot.policies.check import read_prompts
from bot.policies.live import Policies
from bot.relay.relay import Relay
from bot.relay.rules import DeskRules
from bot.scheduler import SendScheduler
from bot.storage.cases import Case, Cases
from bot.storage.database import Database, Work
from bot.storage.errands import Errands
from bot.storage.messages import Messages
from bot.storage.outbox import Outbox
from bot.storage.turns import Turns
from tests.bot.policies.shop import SAMPLE
from tests.fake_model import ScriptedModel, Step
from tests.fakes import FakePlatform
from tests.fakes_desk import FakeDesk, FakePost
from tests.words import LAN, NOON, eventually, message

T = TypeVar("T")
MAI, HUNG = Person("7", "Mai"), Person("8", "Hùng")
LIMITS = MessageLimits(max_units=1900, min_interval=0.0, files=10, file_bytes=1000)
HAND_OVER = {"reason": "asked", "summary": "Khách muốn đổi áo, đơn NM12345."}


class Steps:
    """Counts the steps of the program; from number `end` on nothing goes on any more, as if it had been killed."""

    def __init__(self, end: int | None = None) -> None:
        self.count = 0
        self.end = end
        self.over = asyncio.Event()
        self.is_dead = False

    async def step(self) -> None:
        if self.is_dead:
            raise asyncio.CancelledError
        self.count += 1
        if self.end is not None and self.count >= self.end:
            self.over.set()
            await asyncio.Event().wait()


class SteppingDatabase(Database):
    """Each write is two steps: before it, and behind it."""

    def __init__(self, database: Database, steps: Steps) -> None:
        self.path = database.path
        self._inner = database
        self._steps = steps

    async def read(self, work: Work[T]) -> T:
        return await self._inner.read(work)

    async def write(self, work: Work[T]) -> T:
        await self._steps.step()
        result = await self._inner.write(work)
        await self._steps.step()
        return result

    async def close(self) -> None:
        await self._inner.close()


class FilePlatform(FakePlatform):
    """A fake whose attachments can be had, each by its name; what was sent with files says so."""

    steps: Steps | None = None

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        if attachment.source_id == "gone":
            raise MessageGone("no such file")
        data = b"x" * (attachment.size or len(attachment.source_id))
        if len(data) > limit:
            raise MessageRefused("too large")
        return data

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        await self._step()
        if message.files:
            names = " ".join(f"<{file.name}>" for file in message.files)
            message = OutboundMessage(f"{message.text} {names}".strip(), reply_to=message.reply_to)
        ref = await super().send(to, message, key=key)
        await self._step()
        return ref

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        await self._step()
        ref = await super().edit(ref, message)
        await self._step()
        return ref

    async def delete(self, ref: MessageRef) -> None:
        await self._step()
        await super().delete(ref)
        await self._step()

    async def _step(self) -> None:
        if self.steps is not None:
            await self.steps.step()


class WatchedPlatform(RecordedPlatform):
    """Knows the calls that were begun, also those that have not arrived yet."""

    def __init__(self, platform: FilePlatform, outbox: Outbox) -> None:
        super().__init__(platform, outbox)
        self.begun: list[tuple[str, str]] = []

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        self.begun.append(("send", message.text))
        return await super().send(to, message, key=key)

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        self.begun.append(("edit", message.text))
        return await super().edit(ref, message)


class SteppingDesk:
    """A desk around the fake, each call of which is two steps."""

    def __init__(self, desk: FakeDesk, steps: Steps) -> None:
        self.name, self.is_post, self.listen = desk.name, desk.is_post, desk.listen
        self._desk = desk
        self._steps = steps

    async def open_post(self, card: Card, *, key: str) -> Post:
        await self._steps.step()
        post = await self._desk.open_post(card, key=key)
        await self._steps.step()
        return post

    async def show_card(self, post: Post, card: Card) -> Post:
        await self._steps.step()
        post = await self._desk.show_card(post, card)
        await self._steps.step()
        return post

    async def write(self, post: Post, message: PostMessage, *, key: str) -> MessageRef:
        await self._steps.step()
        ref = await self._desk.write(post, message, key=key)
        await self._steps.step()
        return ref

    async def rewrite(self, ref: MessageRef, message: PostMessage) -> None:
        await self._steps.step()
        await self._desk.rewrite(ref, message)
        await self._steps.step()

    async def strike(self, ref: MessageRef) -> None:
        await self._steps.step()
        await self._desk.strike(ref)
        await self._steps.step()

    async def mark(self, ref: MessageRef, mark: Mark, reason: str = "") -> None:
        await self._steps.step()
        await self._desk.mark(ref, mark, reason)
        await self._steps.step()

    async def alert(self, text: str, *, key: str) -> None:
        await self._desk.alert(text, key=key)


def answering(request: ModelRequest) -> Sequence[Step]:
    """A model that hands over when it is asked for a person, and answers everything else."""
    asked = request.messages[-1].text
    if request.rounds:
        return ("Dạ mình đã chuyển cho nhân viên.",)
    if "gặp người" in asked and any(tool.name == "hand_over" for tool in request.tools):
        return (ToolCall("1", "hand_over", HAND_OVER),)
    return (f"Bot: {asked}",)


@cache
def sample() -> Policies:
    """The sample shop's policies, which no test changes."""
    return Policies(read_prompts(SAMPLE), "v", "vi", timezone=ZoneInfo("Asia/Ho_Chi_Minh"))


@dataclass(slots=True)
class World:
    """What is outside of the program."""

    platform: FilePlatform = field(
        default_factory=lambda: FilePlatform(
            name="shop", limits=LIMITS, latency=lambda: 0.0, strict=False, deduplicates=True
        )
    )
    desk_platform: FilePlatform = field(
        default_factory=lambda: FilePlatform(name="desk", limits=LIMITS, latency=lambda: 0.0, strict=False)
    )
    desk: FakeDesk = field(default_factory=FakeDesk)
    model: ScriptedModel = field(default_factory=lambda: ScriptedModel(script=answering))
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    jump: timedelta = timedelta()
    burst_wait: float = 0.0

    @property
    def seen(self) -> list[str]:
        """What Lan sees of ours."""
        return self.platform.chat("lan")

    @property
    def post(self) -> FakePost:
        """The one post of the desk."""
        return self.desk.only()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.jump


class Shop:
    """The program: built anew on the same file it goes on where it stood."""

    def __init__(self, world: World, database: Database, policies: Policies, steps: Steps, rules: DeskRules) -> None:
        self.world = world
        self.database = database
        self.messages = Messages(database)
        self.cases = Cases(database)
        self.errands = Errands(database)
        self.turns = Turns(database, has_desk=True)
        platforms = [WatchedPlatform(one, Outbox(database)) for one in (world.platform, world.desk_platform)]
        self.begun = platforms[0].begun
        self.schedulers = {one.name: SendScheduler(one) for one in platforms}
        self.engine = Engine(
            model=world.model,
            policies=lambda: policies,
            messages=self.messages,
            turns=self.turns,
            schedulers=self.schedulers,
            timezone=policies.timezone,
            cases=self.cases,
            now=world.now,
        )
        self.notices: list[Any] = []
        self.relay = Relay(
            self.engine,
            desk=SteppingDesk(world.desk, steps),
            database=database,
            messages=self.messages,
            schedulers=self.schedulers,
            policies=lambda: policies,
            rules=rules,
            notify=self.notices.append,
            now=world.now,
            pause=0.001,
            tick=0.02,
        )
        self.inbox = Inbox(
            self.messages,
            self.relay,
            platforms={"shop", "desk"},
            pause=0.001,
            now=world.now,
            at_once=world.desk.is_post,
            burst_wait=world.burst_wait,
        )
        self.relay.open(self.inbox.receive)

    async def customer(self, text: str, number: int | None = None, **more: object) -> int:
        """Lan writes; the number of her message."""
        number = next(self.world.numbers) if number is None else number
        await self.inbox.receive(message(text, number, at=LAN, **more))
        return number

    async def staff(self, text: str, number: int | None = None, *, by: Person = MAI, **more: object) -> int:
        """One of the staff writes in the post; the number of the message."""
        number = next(self.world.numbers) if number is None else number
        values: dict[str, object] = {
            "message_id": f"s{number}",
            "role": "staff",
            "sender_id": by.id,
            "sender_name": by.name,
        }
        at = Address("desk", self.world.post.id)
        await self.inbox.receive(message(text, number, at=at, **(values | more)))
        return number

    async def act(self, kind: ActionKind, argument: str = "", *, by: Person = MAI, **more: Any) -> str:
        """One of the staff presses a button; what he reads."""
        values = {"id": f"a{next(self.world.numbers)}", "language": "vi"} | more
        post = Address("desk", self.world.post.id)
        return (await self.relay.act(Action(kind=kind, by=by, post=post, argument=argument, **values))).words

    async def case(self) -> Case:
        case = await self.cases.newest(1)
        assert case is not None
        return case

    async def settled(self) -> None:
        """Until nothing is left to do."""
        await eventually(self._is_settled)

    async def _is_settled(self) -> bool:
        if await self.messages.conversations_waiting({"shop", "desk"}):
            return False
        return not (await self.errands.to_show() or await self.errands.to_tell())

    async def handed_over(self) -> None:
        """Lan asks for a person, and the desk shows it."""
        await self.customer("cho mình gặp người thật")
        await self.settled()

    async def rows(self, sql: str) -> list[tuple[object, ...]]:
        return await self.database.read(lambda db: [tuple(row) for row in db.execute(sql).fetchall()])


@asynccontextmanager
async def opened(
    folder: Path, world: World, *, steps: Steps | None = None, rules: DeskRules | None = None
) -> AsyncIterator[Shop]:
    """The program runs; at the end all its tasks are cancelled wherever they stand."""
    steps = steps or Steps()
    inner = await Database.open(folder / "shopdesk.db")
    policies = sample()
    world.platform.steps = steps
    shop = Shop(world, SteppingDatabase(inner, steps), policies, steps, rules or DeskRules())
    work = [shop.inbox.run(), shop.relay.run(), *(scheduler.run() for scheduler in shop.schedulers.values())]
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield shop
    finally:
        steps.is_dead, steps.end = steps.over.is_set(), None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await inner.close()


def later(seconds: float) -> datetime:
    """When something was edited."""
    return NOON + timedelta(seconds=1000 + seconds)
