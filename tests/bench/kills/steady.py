"""Customers write without a pause, and the program is killed at random moments and started again each time."""

import asyncio
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.ideal import at
from tests.bench.kills.judge import Expected, Verdict, judge
from tests.bench.kills.recovery import settings_of
from tests.bench.kills.stage import life
from tests.bench.kills.words import Words
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import question_of
from tests.servers.telegram import TelegramServer

FIRST_ID = 20_000
_MESSAGES_EACH = 10
_KINDS = ("tiny", "short", "short", "long")
_LONGEST = 180.0


@dataclass(frozen=True, slots=True)
class Ran:
    """`lives`: seconds from the beginning of each life of the program to its kill; `up`: how many came so far as to
    connect; `quiet`: seconds from the last start until all was answered. `refused`: calls that Telegram refused, by
    status, method and reason; `unchanged`: edits to what was shown already, which is not known after a kill."""

    messages: int
    verdict: Verdict
    lives: Sequence[float]
    up: int
    seconds: float
    quiet: float
    refused: Counter[str]
    unchanged: int
    tracebacks: int


async def run(
    messages: int,
    kills: int,
    *,
    seed: int = 1,
    life_time: tuple[float, float] = (0.3, 4.0),
    kinds: Sequence[str] = _KINDS,
    keep: Path | None = None,
) -> Ran:
    """Let customers write so many messages, ten each, while the program is killed so often.

    `keep`: where the database, the log and what the customers see go when not everything is as it should be.
    """
    chance = random.Random(seed)
    words = Words(longest=9_000)
    with tempfile.TemporaryDirectory() as name:
        async with (
            AnthropicServer(rate=80.0, piece=20, delay=0.3) as claude,
            TelegramServer(flood_limits=True) as telegram,
        ):
            claude.answer(lambda body: words.answer_to(question_of(body)))
            lives = [chance.uniform(*life_time) for _ in range(kills)]
            expected = script(messages, chance, kinds)
            began = time.monotonic()
            every = (sum(lives) + 0.5 * kills) / max(1, messages)
            writing = asyncio.create_task(write(telegram, expected, every, chance))
            for seconds in lives:
                async with life(Path(name), settings_of(telegram, claude)):
                    await asyncio.sleep(seconds)
            async with life(Path(name), settings_of(telegram, claude)):
                await writing
                last = time.monotonic()
                verdict = await _settled(telegram, expected, words)
                quiet = time.monotonic() - last
            log = (Path(name) / "log").read_text(encoding="utf-8")
            if keep and (verdict.lost or verdict.doubled or verdict.strange or verdict.disordered):
                await asyncio.to_thread(shutil.copytree, name, keep, dirs_exist_ok=True)
                chats = {chat: telegram.texts(int(chat)) for chat in expected}
                (keep / "chats.json").write_text(json.dumps(chats, ensure_ascii=False, indent=1), encoding="utf-8")
    up = len(telegram.calls("deleteWebhook", status=200)) - 1
    refused = [call for call in telegram.log if call.status not in (0, 200)]
    unchanged = [call for call in refused if "message is not modified" in call.description]
    reasons = Counter(f"{one.status} {one.method} ({one.description[:60]})" for one in refused if one not in unchanged)
    return Ran(
        messages, verdict, lives, up, time.monotonic() - began, quiet, reasons, len(unchanged), log.count("Traceback")
    )


def script(messages: int, chance: random.Random, kinds: Sequence[str]) -> dict[str, Expected]:
    """Who asks what, by chat."""
    people = max(1, messages // _MESSAGES_EACH)
    tags: dict[str, list[str]] = {str(FIRST_ID + number): [] for number in range(people)}
    for number in range(messages):
        tags[str(FIRST_ID + number % people)].append(f"{chance.choice(kinds)}{number}")
    return {chat: Expected(tuple(own)) for chat, own in tags.items()}


async def write(telegram: TelegramServer, expected: dict[str, Expected], every: float, chance: random.Random) -> None:
    """One message after the other, `every` so many seconds; now and then two at once."""
    queues = {chat: list(wanted.tags) for chat, wanted in expected.items()}
    loop, due = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    while queues:
        chat = chance.choice(list(queues))
        customer = telegram.customer(int(chat))
        for _ in range(chance.choice((1, 1, 1, 2))):
            customer.write(f"hỏi {queues[chat].pop(0)}")
            due += every
            if not queues[chat]:
                del queues[chat]
                break
        await asyncio.sleep(max(0.0, due - loop.time()))


async def _settled(telegram: TelegramServer, expected: dict[str, Expected], words: Words) -> Verdict:
    until = time.monotonic() + _LONGEST
    while True:
        verdict = judge({chat: telegram.texts(int(chat)) for chat in expected}, expected, words)
        if not verdict.lost or time.monotonic() > until:
            await asyncio.sleep(1.0)
            return judge({chat: telegram.texts(int(chat)) for chat in expected}, expected, words)
        await asyncio.sleep(1.0)


def report(ran: Ran) -> list[str]:
    """What became of all the messages, in words."""
    verdict = ran.verdict
    refused = ", ".join(f"{count} x {what}" for what, count in ran.refused.items()) or "none"
    return [
        f"messages: {ran.messages}, kills: {len(ran.lives)}, in {ran.seconds:.0f} s; "
        f"a life lasted {at(ran.lives, 0.5):.1f} s (median), {ran.up} came so far as to connect",
        f"lost: {len(verdict.lost)}  double finals: {len(verdict.doubled)}  bare beginnings: {verdict.beginnings}"
        f"  anything else: {len(verdict.strange)}  out of order: {len(verdict.disordered)}",
        f"all answered {ran.quiet:.1f} s after the last message; edits that changed nothing: {ran.unchanged};"
        f" calls refused: {refused}; tracebacks in the log: {ran.tracebacks}",
        *(
            f"  {what}: {one}"
            for what in ("lost", "doubled", "strange", "disordered")
            for one in getattr(verdict, what)
        ),
    ]
