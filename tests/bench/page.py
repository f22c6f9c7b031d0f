"""The page under a crowd: when its visitors see the first word and the last, and what slow readers cost them.

    python -m tests.bench.page [N] [--slow K] [--poisson RATE]

N visitors write, beside K more: who are not there, who read as fast as the others, who read 1 byte a second. The
program runs in a process of its own, the visitors in another, Claude (40 pieces a second) in this one. What one
slow reader costs in memory is the difference of the last two lines, divided by K.
"""

import argparse
import asyncio
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.ideal import pair
from tests.bench.program import program
from tests.bench.replies import ANSWER, moments, visitors
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import question_of
from tests.servers.telegram import TelegramServer


@dataclass(frozen=True, slots=True)
class Run:
    """What the N saw, in seconds after the model's first and last word; CPU seconds a reply, peak memory in MB."""

    first: Sequence[float]
    whole: Sequence[float]
    complete: int
    cpu: float
    memory: float


async def main(count: int, slow: int, poisson: float | None) -> None:
    print(f"{count} visitors, {f'{poisson:g} a second' if poisson else 'all at once'}")
    print(
        "beside them             whole   first p50/p95   complete p50/p95   CPU a reply      RSS   load of the machine"
    )
    kinds = [("nobody", 0, 0)]
    if slow:
        kinds += [(f"{slow} like them", slow, 0), (f"{slow} of 1 byte a second", slow, slow)]
    memory = [math.nan]
    for name, more, crawl in kinds:
        run = await crowd(count, more, crawl, poisson)
        memory.append(run.memory)
        print(
            f"{name:22} {run.complete:6d}   {pair(run.first)}      {pair(run.whole)}      {run.cpu * 1000:5.1f} ms"
            f"   {run.memory:6.1f}   {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
            flush=True,
        )
    if slow:
        print(f"a slow reader holds {(memory[-1] - memory[-2]) * 1024 / slow:.0f} KiB more than another")


async def crowd(count: int, more: int, slow: int, poisson: float | None) -> Run:
    """`count` visitors beside `more`, of whom the last `slow` read 1 byte a second."""
    async with AnthropicServer(rate=40.0, delay=0.3, piece=4, judges_late=True) as claude, TelegramServer() as telegram:
        claude.answer(ANSWER)
        async with program(telegram, claude, web=True) as shop:
            await visitors(shop, [0.0])
            before, asked = shop.cpu_seconds(), len(claude.calls)
            seen = await visitors(shop, moments(count, poisson) + [0.0] * more, slow=slow)
            cpu, memory = (shop.cpu_seconds() - before) / (count + more), shop.memory()
    requests = {question_of(call.body).split("#")[1].split()[0]: call for call in claude.calls[asked:]}
    pairs = [(one, requests[str(number)]) for number, one in enumerate(seen[:count]) if one and str(number) in requests]
    return Run(
        [one.first - request.first_text for one, request in pairs if request.first_text],
        [one.done - request.ended for one, request in pairs if request.ended],
        sum(one.complete for one, _ in pairs),
        cpu,
        memory,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.page")
    parser.add_argument("count", metavar="N", type=int, nargs="?", default=500)
    parser.add_argument("--slow", metavar="K", type=int, default=0, help="two more runs, with K visitors beside them")
    parser.add_argument("--poisson", metavar="RATE", type=float, help="visitors a second, instead of all at once")
    given = parser.parse_args()
    asyncio.run(main(given.count, given.slow, given.poisson))
