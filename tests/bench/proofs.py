"""What the programs share that prove something about lost and doubled messages: who asked what, and a table."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.kills.judge import Expected, Verdict, judge
from tests.bench.kills.stage import Victim, life
from tests.bench.kills.words import Words
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import question_of
from tests.servers.discord import DiscordServer
from tests.servers.telegram import TelegramServer

QUIET = 1.0
"""Seconds without a change before it counts as the end: what is said twice is said by then."""


@dataclass(slots=True)
class Ledger:
    """Who asked what. A chat is judged by the tags of its questions, which its answers repeat."""

    words: Words = field(default_factory=lambda: Words(longest=5_000))
    expected: dict[str, Expected] = field(default_factory=dict)
    count: int = 0

    def ask(self, chat: object, kind: str = "short") -> str:
        """A new question of this chat; `kind`: how long the answer is, `tiny`, `short` or `long`."""
        tag = f"{kind}{self.count}"
        self.count += 1
        self.expected[str(chat)] = self.expected.get(str(chat), Expected()).also(tag)
        return f"hỏi {tag}"

    def answers(self, claude: AnthropicServer) -> None:
        """From now on Claude answers what is asked."""
        claude.answer(lambda body: self.words.answer_to(question_of(body)))

    def judge(self, chats: Mapping[str, Sequence[str]]) -> Verdict:
        return judge(chats, self.expected, self.words)

    def in_telegram(self, telegram: TelegramServer) -> Verdict:
        """What Telegram's chats say."""
        return self.judge({chat: telegram.texts(int(chat)) for chat in self.expected})


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: how often something went wrong on purpose, and what became of everybody's questions."""

    name: str
    tries: int
    questions: int
    verdict: Verdict
    told: int = 0
    """Questions that had a sentence of the program's instead of an answer: there is none to be had."""

    def is_good(self) -> bool:
        """Whether the promise is kept."""
        return keeps_the_promise(self.verdict)

    def is_proof(self) -> bool:
        """Whether that is shown by it: something did go wrong, and there was somebody who could be lost."""
        return self.is_good() and self.tries > 0 and self.questions > 0


def keeps_the_promise(verdict: Verdict) -> bool:
    """Nobody is lost, nobody is answered twice, and nothing else is said. A bare beginning may be left."""
    return not (verdict.lost or verdict.doubled or verdict.strange or verdict.disordered)


HEAD = f"{'':44} tries  questions  lost  double  beginnings  told  strange  order"


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """The table."""
    yield HEAD
    for row in rows:
        yield line(row)


def line(row: Row) -> str:
    """A line of the table, and below it what is wrong in words."""
    verdict = row.verdict
    found = [
        f"{row.name:44} {row.tries:5d} {row.questions:10d} {len(verdict.lost):5d} {len(verdict.doubled):7d}"
        f" {verdict.beginnings:11d} {row.told:5d} {len(verdict.strange):8d} {len(verdict.disordered):6d}"
    ]
    for what in ("lost", "doubled", "strange", "disordered"):
        found += [f"  {what}: {one}" for one in getattr(verdict, what)[:8]]
    if not row.tries:
        found.append("  it never happened: this row proves nothing")
    return "\n".join(found)


@dataclass(slots=True)
class Stand:
    """The stand-ins that a program needs, and how it is led to them."""

    claude: AnthropicServer
    telegram: TelegramServer | None = None
    discord: DiscordServer | None = None
    web: str = "off"
    folder: Path = Path()
    more: dict[str, str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)

    def settings(self) -> dict[str, str]:
        found = {
            "ANTHROPIC_API_KEY": self.claude.api_key,
            "ANTHROPIC_BASE_URL": self.claude.url,
            "SHOPDESK_WEB": self.web,
        }
        if self.telegram:
            found |= {"TELEGRAM_BOT_TOKEN": self.telegram.token, "TELEGRAM_API_URL": self.telegram.url}
        if self.discord:
            found |= {
                "DISCORD_BOT_TOKEN": self.discord.token,
                "DISCORD_API_URL": self.discord.api_url,
                "DISCORD_GATEWAY_URL": self.discord.gateway_url,
                "DISCORD_STAFF_ROLE_ID": str(self.discord.staff_role.id),
            }
        return found | self.more

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Victim]:
        """The program, in a process of its own."""
        async with life(self.folder, self.settings()) as victim:
            yield victim

    @property
    def log(self) -> str:
        """What the program has written so far."""
        path = self.folder / "log"
        return path.read_text(encoding="utf-8") if path.exists() else ""


@asynccontextmanager
async def stand(
    *,
    telegram: Mapping[str, Any] | None = None,
    discord: Mapping[str, Any] | None = None,
    claude: Mapping[str, Any] | None = None,
    web: bool = False,
    **more: str,
) -> AsyncIterator[Stand]:
    """Open what is named, with these options; Claude is always there. `more` are variables of the program."""
    quick = {"rate": 100.0, "piece": 40, "delay": 0.2}
    async with AnthropicServer(**{**quick, **(claude or {})}) as model:
        with TemporaryDirectory() as name:
            found = Stand(model, folder=Path(name), more=more)
            found.ledger.answers(model)
            if web:
                with socket.socket() as free:
                    free.bind(("127.0.0.1", 0))
                    found.web = f"127.0.0.1:{free.getsockname()[1]}"
            async with (
                TelegramServer(**(telegram or {})) as telegram_server,
                DiscordServer(**(discord or {})) as discord_server,
            ):
                found.telegram = telegram_server if telegram is not None else None
                found.discord = discord_server if discord is not None else None
                yield found


async def until(condition: Callable[[], object], timeout: float, *, every: float = 0.05) -> bool:
    """Whether it came to hold in so many seconds; asked seldom, since the stand-ins live in this process."""
    late = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > late:
            return False
        await asyncio.sleep(every)
    return True


async def settled(verdict: Callable[[], Verdict], timeout: float, *, every: float = 0.1) -> Verdict:
    """The verdict when nothing is lost (any more) and nothing changed for a while, or when it is too late."""
    await until(lambda: not verdict().lost, timeout, every=every)
    late, last, since = time.monotonic() + timeout, verdict(), time.monotonic()
    while time.monotonic() < min(late, since + QUIET):
        await asyncio.sleep(every)
        if (now := verdict()) != last:
            last, since = now, time.monotonic()
    return last


def memory(pid: int, name: str = "VmRSS") -> float:
    """Resident memory of a process in MB (Linux); `VmHWM`: its peak."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith(name)), 0.0)
