"""A whole shop on loopback: the real program between strict stand-ins for Telegram, Discord and Claude."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot import app
from bot.settings import Settings
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import Script
from tests.servers.anthropic.server import Call
from tests.servers.discord import DiscordServer
from tests.servers.telegram import TelegramServer

PROMPTS = Path(__file__).parent.parent.parent / "prompts"


@dataclass(slots=True)
class Shop:
    """The three services, what the program said to its operator, and where its page is.

    Claude says what `script` has for a phrase of the question, and repeats the question when it has nothing.
    """

    telegram: TelegramServer
    discord: DiscordServer
    claude: AnthropicServer
    settings: Settings
    lines: list[str] = field(default_factory=list)
    doors: int = 3
    script: dict[str, Script] = field(default_factory=dict)
    grace: float = 0.0
    """Seconds that running answers have when the program is told to end."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.claude.answer(self._speak)

    def _speak(self, body: Mapping[str, Any]) -> Script:
        question = question_of(body)
        return next((script for phrase, script in self.script.items() if phrase in question), echo(question))

    @property
    def url(self) -> str:
        return next(line.split(" at ")[1] for line in self.lines if line.startswith("web") and " at " in line)

    def asked(self, words: str) -> list[Call]:
        """The requests to Claude whose question holds these words."""
        return [call for call in self.claude.calls if call.body and words in question_of(call.body)]

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What the program's own file holds, read beside it."""
        with closing(sqlite3.connect(self.settings.shopdesk_data / "shopdesk.db")) as database:
            return database.execute(sql, values).fetchall()

    async def said(self, condition: Callable[[Sequence[str]], bool], timeout: float = 10.0) -> Sequence[str]:
        """Wait until the lines for the operator are as wanted."""
        async with asyncio.timeout(timeout):
            while not condition(self.lines):
                self._news.clear()
                await self._news.wait()
        return self.lines

    def announce(self, line: str) -> None:
        self.lines.append(line)
        self._news.set()
        if sum(" on " in line for line in self.lines if not line.startswith(("model", "policies"))) >= self.doors:
            self.ready.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The program, running; ended as by SIGTERM."""
        stop = asyncio.Event()
        self.lines.clear()
        self.ready.clear()
        running = asyncio.create_task(app.run(self.settings, announce=self.announce, stop=stop, grace=self.grace))
        try:
            waiting = asyncio.create_task(self.ready.wait())
            async with asyncio.timeout(20):
                await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if running.done():
                running.result()
            yield
        finally:
            stop.set()
            await running


def question_of(body: Mapping[str, Any]) -> str:
    """The words of the turn that is asked about: the last text before the context."""
    content = body["messages"][-1]["content"]
    marked = [block for block in content if block["type"] == "text" and "cache_control" in block]
    return str(marked[-1]["text"]) if marked else ""


def echo(question: str) -> str:
    return f"Dạ, bạn hỏi «{question}» ạ."


def context_of(body: Mapping[str, Any]) -> str:
    """What the program told Claude behind the question: time, name, language."""
    return str(body["messages"][-1]["content"][-1]["text"])


@asynccontextmanager
async def shop(
    folder: Path,
    *,
    telegram: dict[str, Any] | None = None,
    discord: dict[str, Any] | None = None,
    claude: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Shop]:
    """Stand-ins with these options, and settings that lead to them; nothing of the environment counts."""
    async with (
        TelegramServer(**(telegram or {})) as telegram_server,
        DiscordServer(**(discord or {})) as discord_server,
        AnthropicServer(**(claude or {})) as claude_server,
    ):
        values: dict[str, Any] = {
            "telegram_bot_token": next(iter(telegram_server.accounts)),
            "telegram_api_url": telegram_server.url,
            "discord_bot_token": discord_server.token,
            "discord_api_url": discord_server.api_url,
            "discord_gateway_url": discord_server.gateway_url,
            "discord_staff_role_id": discord_server.staff_role.id,
            "anthropic_api_key": claude_server.api_key,
            "anthropic_base_url": claude_server.url,
            "shopdesk_data": folder / "data",
            "shopdesk_prompts": PROMPTS,
            "shopdesk_web": "127.0.0.1:0",
            "shopdesk_config": impatient(folder),
        }
        yield Shop(telegram_server, discord_server, claude_server, Settings(_env_file=None, **(values | settings)))


def impatient(folder: Path) -> Path:
    """A `shopdesk.toml` with which a model that fails is not tried again for long."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "shopdesk.toml"
    path.write_text("[model]\nfirst_text = 1\n", encoding="utf-8")
    return path
