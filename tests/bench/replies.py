"""The whole way of a reply, measured from outside: N customers write at the same moment.

    python -m tests.bench.replies [N ...] [--door discord | web] [--poisson RATE] [--no-flood] [--lag]

The program runs as it does in a shop, in a process of its own, between the strict stand-ins for Telegram or
Discord (limits on; in Discord N staff ask, each in a direct conversation) and Claude (40 pieces a second).
Every time is read off the stand-ins' logs, never off the program's own counters; CPU is what the operating
system charged to the program's process, beside what the SDK's stream helper alone needs to read the same
streams. Being asked for its lag costs the program CPU, too.
Below each line stands what `tests.bench.ideal` finds possible for the very same answers, and the ratio.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.ideal import DISCORD, TELEGRAM, Ideal, Limits, at, ideal, pair
from tests.bench.model_streams import WORD, WORDS, loopback_model, measure
from tests.bench.program import Program, probed, program
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic import Call as ModelCall
from tests.servers.anthropic.script import question_of
from tests.servers.discord import DiscordServer, Member
from tests.servers.telegram import TelegramServer

ANSWER = WORD * WORDS
WHOLE = ANSWER.strip()


@dataclass(frozen=True, slots=True)
class Options:
    """`poisson`: customers a second; None: all at once."""

    door: str
    poisson: float | None
    flood: bool
    lag: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What one customer saw, in seconds of the monotonic clock."""

    wrote: float
    first: float
    done: float
    complete: bool
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """What one crowd saw, and what it cost. Times are those of message to request, first and last delta to page."""

    to_request: Sequence[float]
    to_visible: Sequence[float]
    to_complete: Sequence[float]
    complete: int
    calls: float
    refused: Mapping[int, int]
    cpu: float
    memory: float
    lag: Sequence[float]
    best: Ideal | None


async def main(counts: Sequence[int], options: Options) -> None:
    print("                 message to       first delta to   last delta to                    refused   CPU a reply")
    print(
        "      N  whole   request p50/p95  visible p50/p95  complete p50/p95  calls  400  429   ours   SDK  ratio   RSS"
        f"{'  lag p50/p99' if options.lag else ''}"
    )
    for count in counts:
        run = await crowd(count, options)
        with loopback_model() as (url, key):
            sdk, _, _ = await measure("helper", url, key, count)
        print(row(count, run, sdk), flush=True)
        if run.best is not None:
            print("\n".join(beside(run, run.best)), flush=True)


def row(count: int, run: Run, sdk: float) -> str:
    refused = f"{run.refused.get(400, 0):4d} {run.refused.get(429, 0):4d}"
    cost = f"{run.cpu * 1000:5.1f} {sdk * 1000:5.1f} {run.cpu / sdk:6.2f} {run.memory:5.0f}"
    times = f"{pair(run.to_request)}    {pair(run.to_visible)}    {pair(run.to_complete)}   "
    lag = f"  {at(run.lag, 0.5):.3f} / {at(run.lag, 0.99):.3f}" if run.lag else ""
    return f"{count:7d} {run.complete:6d}   {times} {run.calls:5.1f} {refused}  {cost}{lag}"


def beside(run: Run, best: Ideal) -> tuple[str, str]:
    """What is possible for the same answers, and what we need of it."""

    def ratios(ours: Sequence[float], possible: Sequence[float]) -> str:
        # What waits for less than this waits for the line, not for a limit.
        found = [(at(ours, share), at(possible, share)) for share in (0.5, 0.95)]
        return " / ".join(f"{mine / its:5.2f}" if its >= 0.05 else "    –" for mine, its in found)

    return (
        f"{'ideal':>14}                    {pair(best.first)}    {pair(best.complete)}    {best.calls:5.1f}",
        f"{'ratio':>14}                    {ratios(run.to_visible, best.first)}    "
        f"{ratios(run.to_complete, best.complete)}    {run.calls / best.calls:5.2f}",
    )


async def crowd(count: int, options: Options) -> Run:
    """Let `count` people write, and wait until each has the whole answer."""
    async with (
        AnthropicServer(rate=40.0, delay=0.3, piece=4, judges_late=True) as claude,
        TelegramServer(flood_limits=options.flood) as telegram,
        DiscordServer(limits=options.flood) as discord,
    ):
        claude.answer(ANSWER)
        web, in_discord = options.door == "web", options.door == "discord"
        people = [discord.add_member(f"Nhân viên {number}", discord.staff_role) for number in range(count + 1)]
        async with (
            program(telegram, claude, web=web or options.lag, discord=discord if in_discord else None) as shop,
            contextlib.AsyncExitStack() as stack,
        ):

            async def write(starts: Sequence[float], first: int) -> list[Seen | None]:
                if web:
                    return await visitors(shop, starts)
                if in_discord:
                    return await staff(discord, people[first : first + len(starts)], starts)
                return await customers(telegram, starts, first_id=9_999 + first)

            await write([0.0], 0)
            await asyncio.sleep(5)  # the warm-up's calls leave the budget of the bot
            log = discord.log if in_discord else telegram.log
            before, start, asked = shop.cpu_seconds(), len(log), len(claude.calls)
            lag = await stack.enter_async_context(probed(shop.url)) if options.lag else []
            crowd_saw = await write(moments(count, options.poisson), 1)
            cpu, memory = (shop.cpu_seconds() - before) / count, shop.memory()
            await stack.aclose()
        best = None if web or not options.flood else DISCORD if in_discord else TELEGRAM
        refused = Counter(call.status for call in log[start:])
        return reckoned(claude.calls[asked:], crowd_saw, refused, cpu, memory, lag, best)


def reckoned(
    asked: Sequence[ModelCall],
    crowd: Sequence[Seen | None],
    refused: Mapping[int, int],
    cpu: float,
    memory: float,
    lag: Sequence[float],
    limits: Limits | None,
) -> Run:
    """What was seen, beside what the model was asked and what `limits` allow."""
    requests = {question_of(call.body).split("#")[1].split()[0]: call for call in asked}
    pairs = [(one, requests[str(number)]) for number, one in enumerate(crowd) if one and str(number) in requests]
    words = [(request.first_text, request.ended) for _, request in pairs if request.first_text and request.ended]
    return Run(
        [request.arrived - one.wrote for one, request in pairs],
        [one.first - request.first_text for one, request in pairs if request.first_text],
        [one.done - request.ended for one, request in pairs if request.ended],
        sum(one.complete for one, _ in pairs),
        sum(one.calls for one, _ in pairs) / max(1, len(pairs)),
        refused,
        cpu,
        memory,
        lag,
        ideal(words, limits) if words and limits else None,
    )


def moments(count: int, rate: float | None) -> list[float]:
    """When each customer writes, in seconds: all at once, or at `rate` a second, the same in every run."""
    chance = random.Random(count)
    found, now = [], 0.0
    for _ in range(count):
        now += chance.expovariate(rate) if rate else 0.0
        found.append(now)
    return found


async def customers(telegram: TelegramServer, starts: Sequence[float], *, first_id: int) -> list[Seen | None]:
    """A crowd in Telegram; None for one who has seen nothing."""
    people = [telegram.customer(first_id + number, f"Khách {number}") for number in range(len(starts))]
    start = len(telegram.log)
    wrote = await in_turn([person.write for person in people], starts)
    with contextlib.suppress(TimeoutError):
        await telegram.wait_for(lambda: all(telegram.texts(one.chat_id)[-1:] == [WHOLE] for one in people), timeout=120)
    calls: dict[int | None, list[float]] = {}
    for call in telegram.log[start:]:
        if call.method in ("sendMessage", "editMessageText") and call.status == 200:
            calls.setdefault(call.chat_id, []).append(call.done)
    return [
        seen(moment, calls.get(person.chat_id), telegram.texts(person.chat_id))
        for person, moment in zip(people, wrote, strict=True)
    ]


async def staff(discord: DiscordServer, people: Sequence[Member], starts: Sequence[float]) -> list[Seen | None]:
    """A crowd in Discord, each in a direct conversation; None for one who has seen nothing."""

    def texts(person: Member) -> list[str]:
        return [message.content for message in discord.answers(person.direct)]

    start = len(discord.log)
    wrote = await in_turn([person.dm for person in people], starts)
    with contextlib.suppress(TimeoutError):
        await discord.wait_for(lambda: all(texts(person)[-1:] == [WHOLE] for person in people), timeout=120)
    calls: dict[str, list[float]] = {}
    for call in discord.log[start:]:
        if call.method in ("POST", "PATCH") and "/messages" in call.path and call.status == 200:
            calls.setdefault(call.path.split("/")[2], []).append(call.at)
    return [
        seen(moment, calls.get(str(person.direct.id)), texts(person))
        for person, moment in zip(people, wrote, strict=True)
    ]


async def in_turn(write: Sequence[Callable[[str], object]], starts: Sequence[float]) -> list[float]:
    """Each of these writes at its moment; when that was."""
    loop, wrote = asyncio.get_running_loop(), list[float]()
    begin = loop.time()
    for number, (each, moment) in enumerate(zip(write, starts, strict=True)):
        if (wait := begin + moment - loop.time()) > 0:
            await asyncio.sleep(wait)
        wrote.append(loop.time())
        each(f"hỏi #{number}")
    return wrote


def seen(wrote: float, calls: Sequence[float] | None, texts: Sequence[str]) -> Seen | None:
    return Seen(wrote, calls[0], calls[-1], texts[-1:] == [WHOLE], len(calls)) if calls else None


async def visitors(shop: Program, starts: Sequence[float], *, slow: int = 0) -> list[Seen | None]:
    """A crowd on the page, in a process of its own; the last `slow` of them read 1 byte a second."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.visitors", shop.url, WHOLE, str(slow)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(json.dumps(starts).encode())
    return [Seen(*row) if row[1] else None for row in json.loads(output)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.replies")
    parser.add_argument("counts", metavar="N", type=int, nargs="*", default=[1, 10, 50])
    parser.add_argument("--door", choices=("telegram", "discord", "web"), default="telegram")
    parser.add_argument("--poisson", metavar="RATE", type=float, help="customers a second, instead of all at once")
    parser.add_argument("--no-flood", action="store_true", help="no call is refused for being too many")
    parser.add_argument("--lag", action="store_true", help="ask /healthz every 20 ms, and show what that took")
    given = parser.parse_args()
    asyncio.run(main(given.counts, Options(given.door, given.poisson, not given.no_flood, given.lag)))
