"""A crowd writes to the shop in Telegram, faster than it can be answered: is anybody lost, and what does it cost?

    python -m tests.bench.crowd [--customers N] [--rate R] [--calls C] [--flood] [--seed N]
                                      N customers write at R messages a second; C calls a second are Telegram's limit
    python -m tests.bench.crowd --hours 20 [--customers N] [--messages M] [--stale answer|person]
                                      M messages wait at Telegram, up to so many hours old, when the program starts

One customer in five writes more than once. With `--flood` the stand-in refuses what Telegram would. Telegram's log
and chats are the judge; memory is what the system says.
"""

import argparse
import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.bench.chaos import load
from tests.bench.ideal import pair
from tests.bench.kills.judge import Verdict
from tests.bench.kills.words import sentences
from tests.bench.proofs import Ledger, memory, settled, stand, until
from tests.servers.telegram import TelegramServer

FIRST_ID = 100_000
_HOUR = 3600
_QUIET_FOR = 60.0
"""Seconds without one more answer after which nothing more is expected."""


@dataclass(slots=True)
class Ran:
    """Times are seconds. `memory` is the program's in MB, every two seconds; `waits`: from a message to the first
    thing that its writer saw; `signed`: of those who saw no text for ten seconds, who had a sign or a sentence."""

    customers: int
    messages: int
    written: float = 0.0
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)
    told: int = 0
    memory: list[float] = field(default_factory=list)
    peak: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    waits: Sequence[float] = ()
    waited: int = 0
    signed: int = 0
    tracebacks: int = 0


async def crowd(customers: int, rate: float, calls: float, *, flood: bool = False, seed: int = 1) -> Ran:
    """So many customers write while the program runs, `rate` messages a second."""
    options = {"flood_limits": flood, "calls_per_second": calls}
    streams = {"rate": 20.0, "piece": 80, "delay": 0.2, "keeps": False}
    async with stand(telegram=options, claude=streams, TELEGRAM_CALLS_PER_SECOND=f"{calls:g}") as shop:
        telegram, chance = shop.telegram, random.Random(seed)
        assert telegram
        writers = _writers(customers, chance)
        ran = Ran(customers, len(writers))
        async with shop.open() as victim:
            await until(lambda: telegram.calls("deleteWebhook", status=200), 60)
            sampling = asyncio.create_task(_sample(victim.pid, ran.memory))
            began = time.monotonic()
            asked = await _write(telegram, shop.ledger, writers, rate)
            ran.written = time.monotonic() - began
            ran.verdict = await _everybody(telegram, shop.ledger)
            ran.seconds = _last_text(telegram) - began
            ran.peak = memory(victim.pid, "VmHWM")
            sampling.cancel()
        _count(ran, telegram, asked)
        ran.tracebacks = shop.log.count("Traceback")
        return ran


async def away(
    customers: int,
    messages: int,
    hours: float,
    calls: float,
    *,
    stale: str = "answer",
    flood: bool = True,
    seed: int = 1,
) -> Ran:
    """The program was away for so long; what waits at Telegram is as old as that."""
    options, chance, ledger = {"flood_limits": flood, "calls_per_second": calls}, random.Random(seed), Ledger()
    said = sentences()
    async with stand(
        telegram=options,
        claude={"keeps": False},
        SHOPDESK_STALE=stale,
        TELEGRAM_CALLS_PER_SECOND=f"{calls:g}",
    ) as shop:
        telegram, shop.ledger = shop.telegram, ledger
        assert telegram
        ledger.answers(shop.claude)
        now = int(time.time())
        moments = sorted(now - int(chance.uniform(0, hours * _HOUR)) for _ in range(messages))
        latest: dict[int, int] = {}
        for number, at in enumerate(moments):
            chat = FIRST_ID + (number if number < customers else chance.randrange(customers))
            telegram.customer(chat).write(ledger.ask(chat), date=at)
            latest[chat] = at
        ran = Ran(customers, messages)

        def verdict() -> Verdict:
            """The apology stands above the answer, or instead of it."""
            shown = {chat: [" ".join(text.split()) for text in telegram.texts(int(chat))] for chat in ledger.expected}
            handed = [chat for chat, texts in shown.items() if said["late_person"] in texts]
            ran.told = len(handed)
            found = ledger.judge(
                {
                    chat: [text.removeprefix(said["late"]).strip() for text in texts if text != said["late_person"]]
                    for chat, texts in shown.items()
                }
            )
            found.doubled += [f"{chat}: a person" for chat in handed if shown[chat].count(said["late_person"]) > 1]
            tags = {tag for chat in handed for tag in ledger.expected[chat].tags}
            found.lost = [tag for tag in found.lost if tag not in tags]
            return found

        async with shop.open() as victim:
            sampling = asyncio.create_task(_sample(victim.pid, ran.memory))
            began = time.monotonic()
            await _no_more_comes(telegram, lambda: not verdict().lost)
            ran.verdict = await settled(verdict, 1.0, every=1.0)
            ran.seconds = _last_text(telegram) - began
            ran.peak = memory(victim.pid, "VmHWM")
            sampling.cancel()
        _count(ran, telegram, {})
        ran.tracebacks = shop.log.count("Traceback")
        return ran


def _writers(customers: int, chance: random.Random) -> list[int]:
    """Who writes, message by message; one in five writes up to three times more, soon after."""
    found = list(range(FIRST_ID, FIRST_ID + customers))
    for number in range(customers // 5):
        at = number * 5
        for _ in range(chance.randint(1, 3)):
            found.insert(min(len(found), at + chance.randint(1, 400)), FIRST_ID + at)
    return found


async def _write(telegram: TelegramServer, ledger: Ledger, writers: Sequence[int], rate: float) -> dict[int, float]:
    """When each of them wrote first."""
    asked: dict[int, float] = {}
    began = time.monotonic()
    for number, chat in enumerate(writers):
        if (early := began + number / rate - time.monotonic()) > 0:
            await asyncio.sleep(early)
        elif number % 20 == 0:
            await asyncio.sleep(0)
        telegram.customer(chat).write(ledger.ask(chat))
        asked.setdefault(chat, time.monotonic())
    return asked


async def _everybody(telegram: TelegramServer, ledger: Ledger) -> Verdict:
    await _no_more_comes(telegram, lambda: not ledger.in_telegram(telegram).lost)
    return await settled(lambda: ledger.in_telegram(telegram), 1.0, every=1.0)


async def _no_more_comes(telegram: TelegramServer, done: Callable[[], bool]) -> None:
    """Wait until it is done, or until Telegram was not called for a while: looked at seldom, it costs much."""

    def over() -> bool:
        return time.monotonic() - (telegram.log[-1].done if telegram.log else began) > _QUIET_FOR or done()

    began = time.monotonic()
    await until(over, 3 * _HOUR, every=2.0)


async def _sample(pid: int, found: list[float]) -> None:
    while True:
        found.append(memory(pid))
        await asyncio.sleep(2.0)


def _last_text(telegram: TelegramServer) -> float:
    return max((call.done for call in telegram.log if call.method in ("sendMessage", "editMessageText")), default=0.0)


def _count(ran: Ran, telegram: TelegramServer, asked: dict[int, float]) -> None:
    seen: dict[int, float] = {}
    signs: dict[int, float] = {}
    for call in telegram.log:
        if call.method != "getUpdates":
            ran.calls[call.method] += 1
        if call.status not in (0, 200):
            ran.refused[call.status] += 1
        elif call.chat_id is not None and call.method == "sendMessage":
            seen.setdefault(call.chat_id, call.done)
        elif call.chat_id is not None and call.method == "sendChatAction":
            signs.setdefault(call.chat_id, call.done)
    ran.waits = [seen[chat] - at for chat, at in asked.items() if chat in seen]
    late = [chat for chat, at in asked.items() if seen.get(chat, at + 99) - at > 10]
    ran.waited, ran.signed = len(late), sum(chat in signs for chat in late)


def report(ran: Ran) -> Iterator[str]:
    """What became of them, in words."""
    verdict = ran.verdict
    wrote = f", written in {ran.written:.0f} s" if ran.written else ""
    yield f"{ran.messages} messages of {ran.customers} customers{wrote}; the last text came after {ran.seconds:.0f} s"
    yield (
        f"lost: {len(verdict.lost)}  double finals: {len(verdict.doubled)}  bare beginnings: {verdict.beginnings}"
        f"  anything else: {len(verdict.strange)}  out of order: {len(verdict.disordered)}"
        f"  told that a person will look: {ran.told}"
    )
    third = max(1, len(ran.memory) // 3)
    first, last = ran.memory[:third] or [0.0], ran.memory[-third:] or [0.0]
    yield f"memory in MB: first third {max(first):.0f} at most, last third {max(last):.0f}, peak {ran.peak:.0f}"
    yield "calls: " + ", ".join(f"{count} {method}" for method, count in ran.calls.most_common(5))
    yield f"refused: {dict(ran.refused) or 'none'}; tracebacks in the log: {ran.tracebacks}"
    if ran.waits:
        yield (
            f"first text after p50/p95 {pair(ran.waits)} s; {ran.waited} saw none for 10 s, {ran.signed} of them the "
            "typing sign"
        )
    for what in ("lost", "doubled", "strange", "disordered"):
        yield from (f"  {what}: {one}" for one in getattr(verdict, what)[:5])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.crowd")
    parser.add_argument("--customers", type=int, help="10,000; with --hours 1,500")
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--calls", type=float, help="calls a second: 1,000; with --hours 30")
    parser.add_argument("--flood", action="store_true", help="Telegram's flood limits are on (with --hours always)")
    parser.add_argument("--hours", type=float)
    parser.add_argument("--messages", type=int, default=5_000)
    parser.add_argument("--stale", choices=("answer", "person"), default="answer")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    if given.hours:
        customers, calls = given.customers or 1_500, given.calls or 30.0
        one = asyncio.run(away(customers, given.messages, given.hours, calls, stale=given.stale, seed=given.seed))
    else:
        customers, calls = given.customers or 10_000, given.calls or 1_000.0
        one = asyncio.run(crowd(customers, given.rate, calls, flood=given.flood, seed=given.seed))
    print("\n".join(report(one)), load(), sep="\n")
