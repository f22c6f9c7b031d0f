"""A canary goes wrong: how long until all customers have the stable side again, and what did they see meanwhile?

    python -m tests.bench.canary [--rate 20] [--seconds 60] [--percent 10] [NAME ...]

The program runs as it does in a shop, in a process of its own, between the stand-ins for Telegram and two providers:
the stable one, and one that goes wrong from the start. New customers write all the while. Telegram's chats, the
providers' logs and the program's own words are the judge. Exit status 1: somebody had no whole answer or more than
one, a bad canary was not rolled back within a minute, or a good one was.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.chaos import load
from tests.bench.kills.stage import environment
from tests.bench.proofs import Stand, stand, until
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import Answer, Body, Fault, Pause, Say, question_of
from tests.servers.telegram import TelegramServer

MODEL = "claude-haiku-5-5"
FIRST_ID = 700_000
AGAIN = 6.0
"""Seconds after which a customer asks a second question."""
_WARM = 3.0
_SETTLED = 60.0


def _every(share: float) -> Callable[[Body], bool]:
    """Whether it strikes: so many of the requests, evenly."""
    sum_ = 0.0

    def strikes(body: Body) -> bool:
        nonlocal sum_
        sum_ += share
        if sum_ < 1.0 - 1e-9:
            return False
        sum_ -= 1.0
        return True

    return strikes


def _slow(body: Body) -> Sequence[Pause | Say]:
    return Pause(1.5), Say(tried(body))


def stable(body: Body) -> str:
    """What the stable model says."""
    return f"Dạ em trả lời câu {_tag(body)}: shop giao trong ba ngày làm việc ạ."


def tried(body: Body) -> str:
    """What the canary says."""
    return f"Dạ em trả lời câu {_tag(body)}: ba ngày làm việc là tới ạ."


@dataclass(frozen=True, slots=True)
class Case:
    """How the canary is; `is_bad`: it has to be rolled back."""

    fault: Callable[[], Fault] | None = None
    answer: Answer = tried
    is_bad: bool = True


CASES: Mapping[str, Case] = {
    "20 % of 529": Case(lambda: Fault("http", status=529, times=None, when=_every(0.2))),
    "20 % break off": Case(lambda: Fault("reset", after=2, times=None, when=_every(0.2))),
    "dead": Case(lambda: Fault("http", status=529, times=None)),
    "wrong key": Case(lambda: Fault("http", status=401, times=None)),
    "slow": Case(answer=_slow),
    "good": Case(is_bad=False),
}


@dataclass(slots=True)
class Ran:
    """Times are seconds since the canary was started; `wrong` is what broke a promise."""

    name: str
    seconds: float
    customers: int = 0
    questions: int = 0
    by_canary: int = 0
    asked: int = 0
    """Requests to the canary."""
    rolled_back: float | None = None
    late: int = 0
    """Requests that the canary got more than a turn's time after that."""
    why: str = ""
    notices: int = 0
    wrong: list[str] = field(default_factory=list)

    def is_good(self) -> bool:
        bad = CASES[self.name].is_bad
        in_time = self.rolled_back is not None and self.rolled_back <= 60 and self.notices == 1
        return not self.wrong and not self.late and (in_time if bad else self.rolled_back is None)


class Crowd:
    """New customers, each of whom asks once more after a while."""

    def __init__(self, telegram: TelegramServer) -> None:
        self.asked: dict[int, list[str]] = {}
        self._telegram = telegram
        self._due: list[tuple[float, int]] = []

    async def write(self, rate: float, seconds: float) -> None:
        """So many questions a second, for so long."""
        began = time.monotonic()
        for number in range(int(rate * seconds)):
            if (early := began + number / rate - time.monotonic()) > 0:
                await asyncio.sleep(early)
            self.ask()

    def ask(self) -> None:
        """The next customer asks the next question."""
        now, chat = time.monotonic(), FIRST_ID + len(self.asked)
        if self._due and now - self._due[0][0] > AGAIN and self.is_answered(self._due[0][1]):
            chat = self._due.pop(0)[1]
        else:
            self._due.append((now, chat))
        tag = f"k{chat}x{len(self.asked.get(chat, []))}k"
        self.asked.setdefault(chat, []).append(tag)
        self._telegram.customer(chat).write(f"phí ship nội thành bao nhiêu vậy shop {tag}")

    def is_answered(self, chat: int) -> bool:
        """Whether nothing is left open there."""
        shown = self._telegram.texts(chat)
        return len(shown) == len(self.asked[chat]) and all(
            text in _answers(tag) for text, tag in zip(shown, self.asked[chat], strict=True)
        )


async def canary(name: str, seconds: float = 60.0, *, rate: float = 20.0, percent: int = 10, turns: int = 30) -> Ran:
    """`turns`: so many each side must have before they are compared."""
    case, ran = CASES[name], Ran(name, seconds)
    options = {"rate": 200.0, "piece": 40, "delay": 0.05}
    async with (
        AnthropicServer(**options, keys=("sk-ant-canary",)) as other,  # type: ignore[arg-type]
        stand(telegram={}, claude=options, TELEGRAM_CALLS_PER_SECOND="1000", SHOPDESK_LOG_LEVEL="info") as shop,
    ):
        telegram = shop.telegram
        assert telegram
        shop.claude.answer(stable)
        other.answer(case.answer)
        if case.fault:
            other.fault(case.fault())
        _configure(shop, other, turns)
        crowd = Crowd(telegram)
        async with shop.open():
            assert await until(lambda: telegram.calls("deleteWebhook", status=200), 60), shop.log
            await crowd.write(rate, _WARM)
            words = await _command(
                shop, "start", "--model", f"try:{MODEL}", "--stages", f"{percent},100", "--stage-time", "off"
            )
            assert "is tried on" in words, words + shop.log
            began, writing = time.monotonic(), asyncio.create_task(crowd.write(rate, seconds))
            if await until(lambda: "is rolled back" in shop.log, seconds - (time.monotonic() - began)):
                ran.rolled_back = time.monotonic() - began
                await asyncio.sleep(1.0)
                before = len(other.calls)
                await asyncio.sleep(4.0)
                # One that was being answered may ask once more.
                ran.late = sum(_tag(call.body) != _tag(other.calls[before - 1].body) for call in other.calls[before:])
                writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await until(lambda: all(map(crowd.is_answered, crowd.asked)), _SETTLED, every=0.5)
        judge(ran, shop, other, crowd)
    return ran


def judge(ran: Ran, shop: Stand, other: AnthropicServer, crowd: Crowd) -> None:
    """What Telegram's chats, the canary's log and the program's say."""
    telegram = shop.telegram
    assert telegram
    ran.customers, ran.questions, ran.asked = len(crowd.asked), sum(map(len, crowd.asked.values())), len(other.calls)
    for chat, tags in crowd.asked.items():
        shown = telegram.texts(chat)
        ran.by_canary += sum(text == _answers(tag)[1] for text, tag in zip(shown, tags, strict=False))
        if not crowd.is_answered(chat):
            ran.wrong.append(f"{chat}: {len(tags)} questions: {[text[:50] for text in shown]}")
    lines = [line for line in shop.log.splitlines() if "is rolled back" in line]
    ran.notices = len(lines)
    ran.why = lines[0].partition("rolled back: ")[2] if lines else ""
    if "Traceback" in shop.log:
        ran.wrong.append("a traceback in the log")


def _configure(shop: Stand, other: AnthropicServer, turns: int) -> None:
    path = shop.folder / "shopdesk.toml"
    path.write_text(
        f'[providers.try]\nkind = "anthropic"\nbase_url = "{other.url}"\nkeys_env = "TRY_KEYS"\n'
        f"[canary.margins]\nturns = {turns}\n",
        encoding="utf-8",
    )
    shop.more |= {"SHOPDESK_CONFIG": str(path), "TRY_KEYS": other.api_key, "SHOPDESK_MODEL": f"anthropic:{MODEL}"}


async def _command(shop: Stand, *words: str) -> str:
    """What `shopdesk canary …` says, typed in another terminal."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "canary", *words),
        env=environment(shop.folder, shop.settings()),
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode()


def _tag(body: Body) -> str:
    tags = [word for word in question_of(body).split() if word.startswith("k") and word.endswith("k")]
    return tags[-1] if tags else "?"


def _answers(tag: str) -> tuple[str, str]:
    """The stable side's and the canary's."""
    return (
        f"Dạ em trả lời câu {tag}: shop giao trong ba ngày làm việc ạ.",
        f"Dạ em trả lời câu {tag}: ba ngày làm việc là tới ạ.",
    )


HEAD = f"{'':16} customers questions  to the canary  by the canary  rolled back after  wrong  why"


def line(ran: Ran) -> str:
    """A line of the table, and below it what is wrong in words."""
    when = "–" if ran.rolled_back is None else f"{ran.rolled_back:.1f} s"
    found = [
        f"{ran.name:16} {ran.customers:9d} {ran.questions:9d} {ran.asked:14d} {ran.by_canary:14d} {when:>18} "
        f"{len(ran.wrong) + ran.late:6d}  {ran.why}"
    ]
    return "\n".join(found + [f"  {one}" for one in ran.wrong[:8]])


async def main(names: Sequence[str], seconds: float, rate: float, percent: int) -> bool:
    print(HEAD)
    is_good = True
    for name in names:
        ran = await canary(name, seconds, rate=rate, percent=percent)
        print(line(ran), flush=True)
        is_good = is_good and ran.is_good()
    print(load())
    return is_good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.canary")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CASES).replace("%", "%%"))
    parser.add_argument("--rate", type=float, default=20.0, help="questions a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--percent", type=int, default=10)
    given = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    sys.exit(0 if asyncio.run(main(given.names or list(CASES), given.seconds, given.rate, given.percent)) else 1)
