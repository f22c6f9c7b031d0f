"""CPU of reading many model streams at once: the SDK's stream helper, its raw events, our doors alone, and the whole
path as the program wires it (figures, switch, prices, ladder, gate, breaker, watch, keys, door).

`python -m tests.bench.model_streams 1 50 200 500` starts the loopback model in a process of its own, so that only
the reader's time is counted. `--only helper --only "the whole path"` reads with these alone.
"""

import argparse
import asyncio
import contextlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import anthropic

from bot.chat import Source
from bot.llm.anthropic.model import ANTHROPIC, AnthropicModel
from bot.llm.anthropic.request import build_body
from bot.llm.base import ChatModel, ModelMessage, ModelRequest, TextDelta
from bot.llm.metered import MeteredModel
from bot.llm.offline import OfflineModel
from bot.llm.openai_compatible.model import OPENAI, OpenAIModel
from bot.llm.priced import Priced
from bot.llm.prices import Prices
from bot.llm.switched import Switched
from bot.metrics import Metrics
from bot.models import Models, config_of
from bot.policies.check import read_prompts
from bot.policies.live import Policies
from bot.settings import read_settings

MODEL, OTHER, WHOLE = "claude-haiku-5-5", "OpenAIModel", "the whole path"
READERS = ("helper", "raw events", "raw events on aiohttp", "AnthropicModel", WHOLE, f"{WHOLE}, no figures", OTHER)
WORD, WORDS = "mua hàng ", 100
"""Each word comes as two deltas."""
REQUEST = ModelRequest(
    system="You answer for a shop. " * 40,
    messages=(ModelMessage("user", "Phí ship bao nhiêu?"),),
    sections=tuple(Source(f"vi/p#{number}", "Policy", f"Part {number}", "Một hai ba. " * 40) for number in range(20)),
)

Reader = Callable[[], Awaitable[tuple[float, int]]]
"""Reads one stream; gives the time of its first text and the number of characters."""


async def main(counts: Sequence[int], readers: Sequence[str]) -> None:
    print(f"{2 * WORDS} deltas a stream at 40 a second")
    print("streams  reader                       CPU a stream  ratio   first text p50/p95  last text p95")
    for count in counts:
        base = None
        for name in readers:
            with loopback_model("openai" if name == OTHER else "anthropic") as (url, key):
                cpu, firsts, lasts = await measure(name, url, key, count)
            base = base or cpu
            p50, p95 = firsts[count // 2], firsts[count * 95 // 100]
            late = lasts[count * 95 // 100]
            times = f"{cpu * 1000:11.1f} ms {cpu / base:6.2f} {p50:11.2f} / {p95:4.2f} s {late:12.2f} s"
            print(f"{count:7d}  {name:26} {times}", flush=True)


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
    if "Model" in name or WHOLE in name:
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
    if WHOLE in name:
        return wired(url, key, with_figures=name == WHOLE)
    return AnthropicModel(model=MODEL, api_key=key, endpoint=replace(ANTHROPIC, base_url=url))


def wired(url: str, key: str, *, with_figures: bool = True) -> ChatModel:
    """The model as the engine gets it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "shopdesk.toml"
        file.write_text('[providers.anthropic]\nkind = "anthropic"\nstreams = 1000\n', encoding="utf-8")
        settings = read_settings(
            None,
            anthropic_api_key=f"{key},another",
            anthropic_base_url=url,
            shopdesk_model=f"anthropic:{MODEL}",
            shopdesk_config=file,
        )
        policies = Policies(read_prompts(Path("prompts"), language="vi"), "bench", "vi")
        metrics = Metrics()
        ladder = Models(settings, config_of(settings), sentence=policies.sentence, metrics=metrics).ladder()
    instead = OfflineModel(sentence=policies.sentence, stands_in=True)
    model = Switched(Priced(ladder, Prices()), instead, lambda: True)
    return MeteredModel(model, metrics) if with_figures else model


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
    parser = argparse.ArgumentParser(prog="python -m tests.bench.model_streams")
    parser.add_argument("counts", metavar="N", type=int, nargs="*", default=[200])
    parser.add_argument("--only", action="append", choices=READERS, help="read with this alone; may be repeated")
    given = parser.parse_args()
    asyncio.run(main(given.counts, given.only or READERS))
