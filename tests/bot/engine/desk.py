"""A desk to test the engine at: real storage and policies, a scripted model and platform."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

from bot.chat import Address, Attachment, MessageLimits
from bot.config import Budgets, Price
from bot.engine.budget import Budget
from bot.engine.engine import Engine
from bot.engine.limits import EngineLimits
from bot.errors import (
    MessageGone,
    MessageRefused,
)
from bot.inbox import Inbox
from bot.llm.base import ChatModel
from bot.llm.offline import OfflineModel
from bot.llm.priced import Priced
from bot.llm.prices import Prices
from bot.notices import Notice
from bot.policies.live import Policies
from bot.scheduler import SendScheduler
from bot.storage.database import Database
from bot.storage.messages import Messages
from bot.storage.policies import PolicyVersions
from bot.storage.spending import SpentToday
from bot.storage.turns import Turns
from tests.bot.policies.shop import loaded
from tests.fake_model import ScriptedModel
from tests.fakes import FakePlatform
from tests.words import LAN, eventually, message

PROMPTS = Path(__file__).parent.parent.parent.parent / "prompts"
QUICK = MessageLimits(max_units=4096, min_interval=0.0)
LIMITS = EngineLimits()
PRICE = Price(input=Decimal(1), output=Decimal(10), cache_read=Decimal("0.1"), cache_write=Decimal(2))
"""Of the scripted model: its usual answer, 10 + 20 + 30 + 40 tokens, costs 293,000 nano-dollars."""
JPEG = b"\xff\xd8\xff\xe0jpeg"
PNG = b"\x89PNG\r\n\x1a\npng"

TIMEZONE = ZoneInfo("Asia/Ho_Chi_Minh")


class PhotoPlatform(FakePlatform):
    """A fake whose attachments can be had, each by its name."""

    files: ClassVar[dict[str, bytes]] = {"p": JPEG, "png": PNG, "text": b"not a picture", "large": JPEG + bytes(5000)}
    fetched: list[str]

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        self.fetched.append(attachment.source_id)
        if attachment.source_id == "slow":
            await asyncio.Event().wait()
        data = self.files.get(attachment.source_id)
        if data is None:
            raise MessageGone("no such file")
        if len(data) > limit:
            raise MessageRefused("too large")
        return data


class Desk:
    """The engine with real storage and the sample shop's policies; model and platform are scripted."""

    def __init__(
        self,
        database: Database,
        policies: Policies,
        limits: EngineLimits,
        growing_mark: str,
        is_offline: bool,
        budgets: Budgets | None,
        model: ChatModel | None,
    ) -> None:
        self.platform = PhotoPlatform(name="shop", limits=QUICK, latency=lambda: 0.0, strict=False)
        self.platform.fetched = []
        self.model = ScriptedModel()
        self.database = database
        self.policies = policies
        self.turns = Turns(database)
        self.messages = Messages(database)
        self.scheduler = SendScheduler(self.platform)
        self.jump = timedelta()  # of the wall clock
        if model is None:
            model = OfflineModel(sentence=policies.sentence, seconds=0) if is_offline else self.model
        self.notices: list[Notice] = []
        self.spent = SpentToday(database, TIMEZONE, self.now)
        self.budget: Budget | None = None
        if budgets:
            self.budget = Budget(budgets, self.spent, self.turns, notify=self.notices.append, now=self.now)
        prices = Prices({"scripted": PRICE})
        engine = Engine(
            model=Priced(model, prices),
            prices=prices,
            budget=self.budget,
            policies=lambda: policies,
            messages=self.messages,
            turns=self.turns,
            schedulers={"shop": self.scheduler},
            timezone=TIMEZONE,
            limits=limits,
            growing_mark=growing_mark,
            now=self.now,
        )
        self.inbox = Inbox(self.messages, engine, platforms={"shop"}, pause=0.001, now=self.now)
        self.numbers = itertools.count(1)

    def now(self) -> datetime:
        """What the wall clock says."""
        return datetime.now(UTC) + self.jump

    async def write(self, text: str, *, at: Address = LAN, **more: object) -> None:
        await self.inbox.receive(message(text, next(self.numbers), at=at, **more))

    async def answered(self) -> None:
        """Until nothing waits for an answer any more."""
        await eventually(self._nothing_waits)

    async def _nothing_waits(self) -> bool:
        return not await self.messages.conversations_waiting({"shop"})

    async def ask(self, text: str, **more: object) -> str:
        """What the reader sees last after this message is answered."""
        await self.write(text, **more)  # type: ignore[arg-type]
        await self.answered()
        return self.platform.chat("lan")[-1]

    async def rows(self, sql: str) -> list[tuple[object, ...]]:
        return await self.database.read(lambda db: [tuple(row) for row in db.execute(sql).fetchall()])


@asynccontextmanager
async def opened(
    folder: Path,
    limits: EngineLimits = LIMITS,
    *,
    growing_mark: str = "",
    prompts: Path = PROMPTS,
    language: str = "vi",
    is_offline: bool = False,
    budgets: Budgets | None = None,
    model: Callable[[Policies], ChatModel] | None = None,
) -> AsyncIterator[Desk]:
    """`model`: one that is built for these policies, instead of the scripted one."""
    database = await Database.open(folder / "shopdesk.db")
    policies = await loaded(prompts, PolicyVersions(database), language=language)
    desk = Desk(database, policies, limits, growing_mark, is_offline, budgets, model(policies) if model else None)
    if desk.budget:
        # A budget is a day's: no test runs over midnight.
        here = datetime.now(TIMEZONE)
        desk.jump = here.replace(hour=12) - here
        await desk.budget.load()
    tasks = [asyncio.create_task(desk.scheduler.run()), asyncio.create_task(desk.inbox.run())]
    try:
        yield desk
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await database.close()


async def shown(desk: Desk, text: str) -> None:
    await eventually(lambda: text in desk.platform.chat("lan"))
