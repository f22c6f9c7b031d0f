"""CPU of reading many model streams at once: the SDK's stream helper, its raw events, and our doors, alone and with
a pool of keys in front.

`python -m tests.bench.model_streams 200` starts the loopback model in a process of its own, so that only
the reader's time is counted.
"""

import asyncio
import contextlib
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import anthropic

from bot.chat import Source
from bot.llm.anthropic.model import ANTHROPIC, AnthropicModel
from bot.llm.anthropic.request import build_body
from bot.llm.base import ChatModel, ModelMessage, ModelRequest, TextDelta
from bot.llm.keys import Key, KeyPool
from bot.llm.openai_compatible.model import OPENAI, OpenAIModel

MODEL, OTHER = "claude-haiku-5-5", "OpenAIModel"
WORD, WORDS = "mua hàng ", 100
"""Each word comes as two deltas."""
REQUEST = ModelRequest(
    system="You answer for a shop. " * 40,
    messages=(ModelMessage("user", "Phí ship bao nhiêu?"),),
    sections=tuple(Source(f"vi/p#{number}", "Policy", f"Part {number}", "Một hai ba. " * 40) for number in range(20)),
)

Reader = Callable[[], Awaitable[tuple[float, int]]]
"""Reads one stream; gives the time of its first text and the number of characters."""


async def main(count: int) -> None:
    print(f"{count} streams at once, {2 * WORDS} deltas each at 40 a second")
    print(f"{'reader':24} {'CPU a stream':>14} {'ratio':>6} {'first text p50/p95':>20} {'last text p95':>14}")
    base = None
    for name in ("helper", "raw events", "raw events on aiohttp", "AnthropicModel", "pool of AnthropicModel", OTHER):
        with loopback_model("openai" if name == OTHER else "anthropic") as (url, key):
            cpu, firsts, lasts = await measure(name, url, key, count)
        base = base or cpu
        p50, p95 = firsts[count // 2], firsts[count * 95 // 100]
        late = lasts[count * 95 // 100]
        print(f"{name:24} {cpu * 1000:11.1f} ms {cpu / base:6.2f} {p50:11.2f} / {p95:4.2f} s {late:12.2f} s")


async def measure(name: str, url: str, key: str, count: int) -> tuple[float, list[float], list[float]]:
    firsts, lasts = [], []
    async with contextlib.AsyncExitStack() as stack:
        read = await reader(name, url, key, stack)

        async def one() -> None:
            began = time.monotonic()
            first, characters = await read()
            assert characters == len(WORD) * WORDS
            firsts.append(first - began)
            lasts.append(time.monotonic() - began)

        await one()
        firsts.clear()
        lasts.clear()
        before = cpu_seconds()
        await asyncio.gather(*(one() for _ in range(count)))
        cpu = (cpu_seconds() - before) / count
    return cpu, sorted(firsts), sorted(lasts)


async def reader(name: str, url: str, key: str, stack: contextlib.AsyncExitStack) -> Reader:
    if "Model" in name:
        model = ours(name, url, key)
        stack.push_async_callback(model.close)
        return lambda: read_ours(model)
    http = anthropic.DefaultAioHttpClient() if "aiohttp" in name else None
    client = await stack.enter_async_context(
        anthropic.AsyncAnthropic(api_key=key, base_url=url, max_retries=0, http_client=http)
    )
    return (lambda: read_helper(client)) if name == "helper" else (lambda: read_raw(client))


def ours(name: str, url: str, key: str) -> ChatModel:
    if name == OTHER:
        return OpenAIModel(model="gpt-4.1-mini", api_key=key, endpoint=replace(OPENAI, base_url=url))
    model = AnthropicModel(model=MODEL, api_key=key, endpoint=replace(ANTHROPIC, base_url=url))
    return KeyPool([(Key("one"), model)]) if "pool" in name else model


async def read_ours(model: ChatModel) -> tuple[float, int]:
    first, characters = 0.0, 0
    async for event in model.stream(REQUEST):
        if isinstance(event, TextDelta):
            first = first or time.monotonic()
            characters += len(event.text)
    return first, characters


async def read_helper(client: anthropic.AsyncAnthropic) -> tuple[float, int]:
    first, characters = 0.0, 0
    async with client.messages.stream(**build_body(MODEL, REQUEST)) as stream:
        async for text in stream.text_stream:
            first = first or time.monotonic()
            characters += len(text)
    return first, characters


async def read_raw(client: anthropic.AsyncAnthropic) -> tuple[float, int]:
    first, characters = 0.0, 0
    async for event in await client.messages.create(**build_body(MODEL, REQUEST), stream=True):
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            first = first or time.monotonic()
            characters += len(event.delta.text)
    return first, characters


@contextlib.contextmanager
def loopback_model(kind: str = "anthropic") -> Iterator[tuple[str, str]]:
    """The loopback model in a process of its own: its address and key."""
    arguments = ["--rate", "40", "--say", WORD, "--repeat", str(WORDS)]
    with subprocess.Popen(
        [sys.executable, "-m", f"tests.servers.{kind}", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.stdout.readline().strip()
        process.terminate()


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
