"""Many replies are being written when the program is killed: when it goes on, and when all are done."""

import asyncio
import math
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.kills.judge import Expected, Verdict, judge
from tests.bench.kills.stage import environment, life
from tests.bench.kills.words import Words
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import question_of
from tests.servers.telegram import TelegramServer
from tests.servers.telegram.server import Call

FIRST_ID = 30_000
RATE, PIECE, DELAY = 40.0, 4, 0.3
_WHILE_KILLED = 2.0
"""Pieces a second of the answers that are to be cut off: nobody is done before the kill."""
_SHORT = 900
_LONGEST = 240.0


@dataclass(frozen=True, slots=True)
class Recovered:
    """Times are seconds after the start of the new process; `model` is what the model needs for one answer."""

    count: int
    visible: int
    """Replies of which something was visible when the program was killed."""
    on: float
    first_request: float
    first_call: float
    last_call: float
    done: float
    model: float
    verdict: Verdict
    refused: int


async def recover(count: int, *, rate: float = RATE, fork: bool = False) -> Recovered:
    """Cut off so many answers. `rate` is the model's after the kill, in pieces a second. `fork`: start the program
    as a copy of one that has loaded its modules already."""
    words = Words(longest=_SHORT, short=_SHORT)
    expected = {str(FIRST_ID + number): Expected((f"short{number}",)) for number in range(count)}
    wholes = {int(chat): words.answer(list(own.tags)) for chat, own in expected.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            AnthropicServer(rate=_WHILE_KILLED, piece=PIECE, delay=DELAY) as claude,
            TelegramServer(flood_limits=True) as telegram,
        ):
            claude.answer(lambda body: words.answer_to(question_of(body)))
            settings = settings_of(telegram, claude)
            async with life(folder, settings):
                await telegram.wait_for(lambda: telegram.calls("deleteWebhook"), timeout=30)
                for chat in expected:
                    telegram.customer(int(chat)).write(f"hỏi {expected[chat].tags[0]}")
                await _until(lambda: all(telegram.texts(chat) for chat in wholes), 60)
                await _until(lambda: len(claude.calls) >= count, 60)
            visible = sum(bool(telegram.texts(int(chat))) for chat in expected)
            claude.rate, start, asked = rate, len(telegram.log), len(claude.calls)
            await asyncio.sleep(1.0)
            born = time.monotonic()
            async with life(folder, settings) if fork else _process(folder, settings):
                await _until(
                    lambda: all(telegram.texts(chat)[-1:] == [whole] for chat, whole in wholes.items()), _LONGEST
                )
                done = time.monotonic()
                await asyncio.sleep(0.5)
            verdict = judge({chat: telegram.texts(int(chat)) for chat in expected}, expected, words)
            log = telegram.log[start:]
            text_calls = [call for call in log if call.method in ("sendMessage", "editMessageText")]
            return Recovered(
                count,
                visible,
                _first(log, "deleteWebhook") - born,
                min((call.arrived for call in claude.calls[asked:]), default=math.inf) - born,
                min((call.at for call in text_calls), default=math.inf) - born,
                max((call.done for call in text_calls), default=math.inf) - born,
                done - born,
                DELAY + len(words.answer(["short1"])) / PIECE / rate,
                verdict,
                sum(call.status == 429 for call in log),
            )


def settings_of(telegram: TelegramServer, claude: AnthropicServer) -> Mapping[str, str]:
    """What leads the program to these two."""
    return {
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_API_URL": telegram.url,
        "ANTHROPIC_API_KEY": claude.api_key,
        "ANTHROPIC_BASE_URL": claude.url,
    }


@asynccontextmanager
async def _process(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[None]:
    """The program as its operator starts it; killed at the end."""
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "run"), env=environment(folder, settings), stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def _until(condition: Callable[[], bool], timeout: float) -> None:
    """Wait for it, or until it is too late; asked seldom, since the stand-ins live in this process."""
    late = time.monotonic() + timeout
    while time.monotonic() < late:
        if condition():
            return
        await asyncio.sleep(0.05)


def _first(log: Sequence[Call], method: str) -> float:
    return min((call.done for call in log if call.method == method), default=math.inf)


def report(one: Recovered) -> list[str]:
    """What it took, in words."""
    verdict = one.verdict
    return [
        f"{one.count} replies in flight, something of {one.visible} was visible at the kill; seconds after the start:",
        f"  telegram on {one.on:.2f}, first request to the model {one.first_request:.2f}, "
        f"first resumed call {one.first_call:.2f} ({one.first_call - one.on:.2f} after telegram was on)",
        f"  all done {one.done:.1f}; the model's own time is {one.model:.1f}, "
        f"so {one.done - one.model:.1f} beyond it ({one.count / 30:.1f} of these are owed to 30 calls a second)",
        f"  lost: {len(verdict.lost)}  double finals: {len(verdict.doubled)}  bare beginnings: {verdict.beginnings}"
        f"  anything else: {len(verdict.strange)}  429: {one.refused}",
    ]
