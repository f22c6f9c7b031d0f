"""Everything that can go wrong at a provider, at every place of its stream: what does the customer see in the end?

    python -m tests.bench.faults [--positions 0,4,end] [NAME ...]

The program runs as it does in a shop, in a process of its own, between the stand-ins for Telegram and for two
providers: one model and a fallback, and behind them the policies word for word. Each fault is played three ways:
`once`, so that another try helps; `one`, at the first model always; `both`, always. Telegram's chats and the
providers' logs are the judge. Exit status 1: a text that is not whole was shown as the final one, somebody waited
longer than the settings allow, or a provider was asked before the time that it had named.
"""

import argparse
import asyncio
import itertools
import logging
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from tests.bench.chaos import load
from tests.bench.kills.words import sentences
from tests.bench.proofs import Stand, stand, until
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import Body, Fault, question_of
from tests.servers.telegram import TelegramServer

PIECES = 12
ONE = " ".join(f"một{number:02d}" for number in range(PIECES))
TWO = " ".join(f"hai{number:02d}" for number in range(PIECES))
POSITIONS: tuple[int | None, ...] = (*range(PIECES), None)
"""Deltas that were sent before; None: all of them, but not the end."""
FIRST_TEXT, FIRST_EVENT, SILENCE, TURN = 3.0, 1.5, 1.5, 20.0
_STREAM = 1.5
"""A stream that goes well takes less than this."""
_SLACK = 4.0
"""For a machine that plays everybody at the same time."""

Play = Literal["once", "one", "both"]
PLAYS: tuple[Play, ...] = ("once", "one", "both")
By = Literal["one", "two", "policies", "nobody"]
_TEXTS = ("sendMessage", "editMessageText")
_numbers = itertools.count(100)

FAULTS: dict[str, Fault] = {
    "429, Retry-After 1": Fault("http", status=429, retry_after="1"),
    "429, Retry-After 120": Fault("http", status=429, retry_after="120"),
    "429, Retry-After 10^6": Fault("http", status=429, retry_after="1000000"),
    "529": Fault("http", status=529),
    "500": Fault("http", status=500),
    "401": Fault("http", status=401),
    "HTML": Fault("html", status=200),
    "HTML, 502": Fault("html", status=502),
    "slow first event": Fault("slow", seconds=-1),
    "reset before the head": Fault("reset", after=-1),
    "reset": Fault("reset"),
    "clean end": Fault("eof"),
    "stall": Fault("stall"),
    "endless pings": Fault("pings"),
    "broken JSON": Fault("bad_json"),
    "cut in an event": Fault("cut"),
    "SSE error": Fault("sse_error"),
}
_BEFORE = ("http", "html", "slow")
"""These strike before the stream: there is one position."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one customer asked, and when; `retry_after`: what a provider that is too busy asks for."""

    tag: str
    play: Play
    retry_after: float
    wrote: float

    def is_about(self, body: Body) -> bool:
        """Whether this request to a provider is for this customer."""
        return self.tag in question_of(body)


@dataclass(frozen=True, slots=True)
class Saw:
    """What one customer saw: when the last text came, and whose whole answer it was."""

    asked: Asked
    seconds: float
    by: By
    restarts: int
    """Times that a text which was shown gave way to another one."""
    early: int
    """Requests that were made before a `Retry-After` was over."""
    requests: int

    @property
    def play(self) -> Play:
        return self.asked.play


@dataclass(slots=True)
class Row:
    name: str
    saw: list[Saw] = field(default_factory=list)
    tracebacks: int = 0

    @property
    def truncated(self) -> list[Saw]:
        return [one for one in self.saw if one.by == "nobody"]

    @property
    def hidden(self) -> list[Saw]:
        """Who waited longer than all that the settings allow together."""
        return [one for one in self.saw if one.seconds > longest_wait() + _SLACK]

    @property
    def unhelped(self) -> list[Saw]:
        """Who had to be content with the policies although a model could have answered."""
        return [one for one in self.saw if one.by == "policies" and one.play != "both"]

    def is_good(self) -> bool:
        early = any(one.early for one in self.saw)
        return bool(self.saw) and not (self.truncated or self.hidden or self.unhelped or early or self.tracebacks)


def longest_wait() -> float:
    """Each of the two models may be silent before its text and in the middle of it, is asked again within the time for
    a first text, and again within the same after a text broke off (three times at most)."""
    return FIRST_TEXT + 3 * (FIRST_EVENT + SILENCE + FIRST_TEXT) + _STREAM


async def run(name: str, positions: Sequence[int | None] = POSITIONS, plays: Sequence[Play] = PLAYS) -> Row:
    """Play one fault, each way, at these positions."""
    row, fault = Row(name), FAULTS[name]
    async with two_providers() as (shop, second), shop.open():
        telegram = shop.telegram
        assert telegram
        assert await until(lambda: telegram.calls("deleteWebhook", status=200), 60), shop.log
        for play in plays:
            places = (fault.after,) if fault.kind in _BEFORE or fault.after == -1 else positions
            # More than four at a time who fail at once would open the breaker: nobody would be asked again.
            size = 4 if play == "once" else len(places)
            for start in range(0, len(places), size):
                faults = [replace(fault, after=at) for at in places[start : start + size]]
                row.saw += await ask(telegram, (shop.claude, second), faults, play)
        row.tracebacks = shop.log.count("Traceback")
    return row


@asynccontextmanager
async def two_providers(**telegram: object) -> AsyncIterator[tuple[Stand, AnthropicServer]]:
    """A shop whose `shopdesk.toml` names a model at the first provider and a fallback at the second."""
    options = {"rate": 20.0, "piece": 6, "delay": 0.05}
    async with (
        stand(telegram=telegram, claude=options) as shop,
        AnthropicServer(rate=20.0, piece=6, delay=0.05) as second,
    ):
        shop.claude.answer(ONE)
        second.answer(TWO)
        config = shop.folder / "shopdesk.toml"
        config.write_text(
            f"""
            [model]
            use = "anthropic:claude-haiku-5-5"
            fallbacks = ["second:claude-sonnet-5-5"]
            first_text = {FIRST_TEXT}
            first_event = {FIRST_EVENT}
            silence = {SILENCE}
            turn = {TURN}

            [providers.second]
            kind = "anthropic"
            base_url = "{second.url}"
            keys_env = "SECOND_KEY"
            """,
            encoding="utf-8",
        )
        shop.more |= {"SHOPDESK_CONFIG": str(config), "SECOND_KEY": second.api_key, "SHOPDESK_BURST_WAIT": "0"}
        yield shop, second


async def ask(
    telegram: TelegramServer, providers: Sequence[AnthropicServer], faults: Sequence[Fault], play: Play
) -> list[Saw]:
    """One customer for each fault, all of them at once, and one before them for whom all goes well."""
    await well(telegram)
    asked: dict[int, Asked] = {}
    for fault in faults:
        number = next(_numbers)
        one = Asked(f"k{number}k", play, float(fault.retry_after or 0), time.monotonic())
        for provider in providers if play == "both" else providers[:1]:
            provider.fault(replace(fault, times=1 if play == "once" else None, when=one.is_about))
        customer = telegram.customer(10_000 + number)
        asked[customer.chat_id] = one
        customer.write(f"phí ship nội thành bao nhiêu {one.tag}")

    def is_answered(chat: int) -> bool:
        return said_by(telegram.texts(chat)[-1:]) != "nobody"

    await until(lambda: all(map(is_answered, asked)), longest_wait() + 2 * _SLACK, every=0.02)
    await asyncio.sleep(0.5)  # what is said after the end is said by now
    for provider in providers:
        provider.heal()
    return [seen(telegram, providers, chat, one) for chat, one in asked.items()]


async def well(telegram: TelegramServer) -> None:
    """Somebody is answered."""
    customer = telegram.customer(10_000 + next(_numbers))
    customer.write("phí ship nội thành bao nhiêu")
    await until(lambda: said_by(telegram.texts(customer.chat_id)) != "nobody", 10.0, every=0.02)


def seen(telegram: TelegramServer, providers: Sequence[AnthropicServer], chat: int, asked: Asked) -> Saw:
    """What Telegram and the providers say about one customer."""
    calls = [call for call in telegram.calls(chat_id=chat, status=200) if call.method in _TEXTS]
    shown = [str(call.params.get("text", "")) for call in calls]
    requests = [[call for call in one.calls if call.body and asked.is_about(call.body)] for one in providers]
    early = (
        later.arrived - earlier.ended < asked.retry_after
        for calls in requests
        for earlier, later in itertools.pairwise(calls)
        if earlier.status == 429 and earlier.ended is not None
    )
    return Saw(
        asked,
        max((call.done for call in calls), default=float("inf")) - asked.wrote,
        said_by(telegram.texts(chat)),
        sum(not later.startswith(earlier.rstrip(" .…")) for earlier, later in itertools.pairwise(shown)),
        sum(early),
        sum(map(len, requests)),
    )


def said_by(texts: Sequence[str]) -> By:
    """Whose whole answer this is, and nothing besides."""
    if len(texts) != 1:
        return "nobody"
    whole: dict[str, By] = {ONE: "one", TWO: "two", sentences()["fallback_nothing"]: "policies"}
    is_quoted = texts[0].startswith(sentences()["fallback_notice"].strip("_")) and "\n\nNguồn" in texts[0]
    return "policies" if is_quoted else whole.get(texts[0], "nobody")


HEAD = f"{'':24} customers  one  two  policies  truncated  seconds p50/max  restarted  early  hidden  tracebacks"


def line(row: Row) -> str:
    """A line of the table, and below it what is wrong."""
    by = Counter(one.by for one in row.saw)
    seconds = sorted(one.seconds for one in row.saw)
    found = [
        f"{row.name:24} {len(row.saw):9d} {by['one']:4d} {by['two']:4d} {by['policies']:9d} {len(row.truncated):10d}"
        f"   {seconds[len(seconds) // 2]:5.1f} / {seconds[-1]:5.1f} {sum(one.restarts for one in row.saw):10d}"
        f" {sum(one.early for one in row.saw):6d} {len(row.hidden):7d} {row.tracebacks:11d}"
    ]
    for what, who in (("truncated", row.truncated), ("hidden", row.hidden), ("a model could", row.unhelped)):
        found += [f"  {what}: {one}" for one in who[:4]]
    return "\n".join(found)


async def main(names: Sequence[str], positions: Sequence[int | None], at_once: int) -> bool:
    """Whether all of it is as it should be."""
    print(f"whole turn: first text {FIRST_TEXT:g} s, first event {FIRST_EVENT:g} s, silence {SILENCE:g} s")
    print(f"a wait is hidden when it is longer than {longest_wait() + _SLACK:g} s\n{HEAD}")
    good = True
    for start in range(0, len(names), at_once):
        few = names[start : start + at_once]
        for row in await asyncio.gather(*(run(name, positions) for name in few)):
            print(line(row), flush=True)
            good = good and row.is_good()
    print(load())
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.faults")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(FAULTS)}; all of them")
    parser.add_argument("--positions", default="", help="deltas before the fault, for example 0,4,end; every one")
    parser.add_argument("--at-once", type=int, default=2, help="so many programs run at the same time")
    given = parser.parse_args()
    places = [None if one == "end" else int(one) for one in given.positions.split(",") if one]
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    sys.exit(0 if asyncio.run(main(given.names or [*FAULTS], places or POSITIONS, given.at_once)) else 1)
