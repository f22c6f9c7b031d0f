"""The shop is open for a while, everything fails now and then, and people go on writing: is anybody lost, does it leak?

    python -m tests.bench.soak [--kills] [--seed N] [MINUTES]          10 minutes; `--kills`: SIGKILL now and then, too

Customers in Telegram, staff in Discord and visitors of the page ask one question after the other. At random Telegram,
Discord and Claude refuse, fail, are slow or cut their lines, another tool holds the database, and the disk is full
(where this user may mount a small one). What everybody sees in the end is the judge; the figures come from the
program's process. The last third should be like the first.
"""

import argparse
import asyncio
import json
import logging
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from tests.bench.chaos import load
from tests.bench.kills.judge import Verdict, judge
from tests.bench.kills.stage import environment
from tests.bench.kills.web_door import PatientVisitor
from tests.bench.kills.words import is_quoted, sentences
from tests.bench.proofs import QUIET, Stand, stand, until
from tests.servers.anthropic.script import Fault
from tests.servers.discord import DiscordServer
from tests.servers.telegram import TelegramServer
from tests.servers.telegram.faults import FaultKind

_FIRST = 60_000
_PAUSE = (2.0, 20.0)
"""Seconds between an answer and the next question."""
_BETWEEN = (1.0, 5.0)
"""Seconds between two faults."""
_PATIENCE = 60.0
_LOOKS = 10
"""So many times it is looked whether what was held is given back."""
_DISK = "64m"
said = cache(sentences)
_NAMES = ("memory, MB", "open files", "tasks", "log (WAL), MB")


Level = tuple[int, int]
"""Open files and tasks."""


@dataclass(slots=True)
class Person:
    """Somebody who asks one thing after the other. `texts` is what he sees of the program's."""

    name: str
    ask: Callable[[str], object]
    texts: Callable[[], Sequence[str]]
    visitor: PatientVisitor | None = None
    greets: bool = False
    """Writes once before anything fails: what somebody writes in private for the first time ever, while the program is
    not there, cannot be found on this platform."""

    async def leave(self) -> None:
        if self.visitor:
            await self.visitor.leave()


@dataclass(slots=True)
class Soaked:
    """`samples`: seconds, process, and the four figures; `told`: how often somebody had the sentence that
    there is no answer."""

    seconds: float = 0.0
    questions: int = 0
    told: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    samples: list[list[float]] = field(default_factory=list)
    before: Level = (0, 0)
    after: Level = (0, 0)
    """Before the first question, and when everybody is gone."""
    status: int | None = None
    ends: int = 0
    tracebacks: int = 0


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many there are of each. `pace`: so many times as many questions and faults as usual."""

    customers: int = 40
    staff: int = 8
    visitors: int = 8
    pace: float = 1.0


async def soak(seconds: float, crowd: Crowd = Crowd(), *, kills: bool = False, seed: int = 1) -> Soaked:
    """Keep the shop open for so long."""
    chance, soaked = random.Random(seed), Soaked()
    async with stand(telegram={"flood_limits": True}, discord={}, claude={"rate": 60.0, "piece": 20}, web=True) as shop:
        with small_disk(shop.folder / "data") as disk:
            program = Running(shop)
            async with program.open():
                soaked.before = await program.level()
                people = _people(shop, crowd)
                await _get_acquainted(people, shop)
                breaking = asyncio.create_task(_break(shop, chance, soaked, crowd.pace, disk=disk))
                killing = asyncio.create_task(_kill(program, chance, soaked)) if kills else None
                began = time.monotonic()
                until_then = began + seconds
                await asyncio.gather(
                    *(_live(one, shop, random.Random(f"{seed} {one.name}"), until_then, crowd.pace) for one in people)
                )
                for task in filter(None, (breaking, killing)):
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                _heal(shop)
                await until(lambda: not judged(shop, people)[0].lost, _PATIENCE, every=0.5)
                await asyncio.sleep(QUIET)
                soaked.verdict, soaked.told = judged(shop, people)
                soaked.seconds, soaked.questions = time.monotonic() - began, shop.ledger.count
                soaked.after = await _everybody_leaves(shop, program, people, soaked.before)
            soaked.status, soaked.ends = program.status, program.ends
            soaked.samples, soaked.tracebacks = program.samples(), shop.log.count("Traceback")
    return soaked


async def _everybody_leaves(shop: Stand, program: "Running", people: Sequence[Person], before: Level) -> Level:
    """What the program still holds when the lines that it keeps for later are closed, too."""
    assert shop.telegram
    assert shop.discord
    await asyncio.gather(*(one.leave() for one in people))
    level = await program.level()
    for _ in range(_LOOKS):
        for server in (shop.telegram, shop.discord, shop.claude):
            server.hang_up()
        level = await program.level()
        if level[0] <= before[0] and level[1] <= before[1]:
            break
    return level


class Running:
    """The program under a supervisor, which starts it again when it ends by itself or is killed."""

    def __init__(self, shop: Stand) -> None:
        self._shop = shop
        self._process: asyncio.subprocess.Process | None = None
        self._file = shop.folder / "samples"
        self._is_over = False
        self.status: int | None = None
        self.ends = 0
        """How often it ended and nobody had asked for it."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """It is up when this enters, and ended by SIGTERM at the end."""
        telegram, discord = self._shop.telegram, self._shop.discord
        supervising = asyncio.create_task(self._supervise())
        try:
            await until(lambda: telegram and telegram.calls("deleteWebhook", status=200), 60)
            await until(lambda: discord and discord.gateway.sessions, 60)
            yield
        finally:
            self._is_over = True
            self._send(signal.SIGTERM)
            await supervising

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self._process and self._process.returncode is None:
                self._process.send_signal(number)

    async def _supervise(self) -> None:
        words = (sys.executable, "-m", "tests.bench.watched", str(self._file))
        while not self._is_over:
            with (self._shop.folder / "log").open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *words, env=environment(self._shop.folder, self._shop.settings()), stdout=log, stderr=log
                )
            self.status = await self._process.wait()
            if not self._is_over:
                self.ends += self.status != -signal.SIGKILL
                await asyncio.sleep(0.5)

    async def level(self) -> Level:
        """What it holds from now on: the next two samples, since the first may be under way."""
        count = len(self._file.read_text(encoding="ascii").splitlines()) if self._file.exists() else 0
        await until(lambda: self._file.exists() and len(self.samples()) >= count + 2, _PATIENCE)
        sample = self.samples()[-1]
        return int(sample[3]), int(sample[4])

    def samples(self) -> list[list[float]]:
        return [json.loads(line) for line in self._file.read_text(encoding="ascii").splitlines()]


def _people(shop: Stand, crowd: Crowd) -> list[Person]:
    telegram, discord = shop.telegram, shop.discord
    assert telegram
    assert discord
    return [
        *(_customer(telegram, chat) for chat in range(_FIRST, _FIRST + crowd.customers)),
        *(_member(discord, number) for number in range(crowd.staff)),
        *(_visitor(f"visitor {number}", PatientVisitor(f"http://{shop.web}")) for number in range(crowd.visitors)),
    ]


def _customer(telegram: TelegramServer, chat: int) -> Person:
    return Person(str(chat), telegram.customer(chat).write, lambda: telegram.texts(chat))


def _member(discord: DiscordServer, number: int) -> Person:
    member = discord.add_member(f"Nhân viên {number}", discord.staff_role)
    return Person(
        f"staff {number}", member.dm, lambda: [one.content for one in discord.answers(member.direct)], greets=True
    )


def _visitor(name: str, visitor: PatientVisitor) -> Person:
    def texts() -> list[str]:
        return [one.text for one in visitor.page.values() if one.role == "assistant"]

    return Person(name, visitor.say, texts, visitor)


async def _get_acquainted(people: Sequence[Person], shop: Stand) -> None:
    greeting = [one for one in people if one.greets]
    for one in greeting:
        one.ask(shop.ledger.ask(one.name, "tiny"))
    await until(lambda: not judged(shop, greeting)[0].lost, _PATIENCE, every=0.25)


async def _live(one: Person, shop: Stand, chance: random.Random, until_then: float, pace: float) -> None:
    """Ask, wait for the answer, ask again."""
    while (left := until_then - time.monotonic()) > 0:
        await asyncio.sleep(min(left, chance.uniform(*_PAUSE) / pace))
        if time.monotonic() >= until_then:
            return
        one.ask(shop.ledger.ask(one.name, chance.choice(("tiny", "short", "short", "long"))))
        _may_be_told(shop, one.name)
        await until(lambda: not judged(shop, [one])[0].lost, _PATIENCE, every=0.25)


def _may_be_told(shop: Stand, name: str) -> None:
    expected = shop.ledger.expected
    expected[name] = replace(expected[name], welcome=(said()["model_down"], said()["delayed"]))


def judged(shop: Stand, people: Sequence[Person]) -> tuple[Verdict, int]:
    """What they see. Who had the sentence that there is no answer was answered; who had it and the answer, twice.

    What was not answered is asked once more with the next question, as its history: that answer names both.
    """
    down, total, told = said()["model_down"], Verdict(), 0
    for one in people:
        if one.name not in shop.ledger.expected:
            continue
        # Where no model answers the policies do, which is no answer to these questions.
        texts = [down if is_quoted(text) else " ".join(text.split()) for text in one.texts()]
        found = judge({one.name: texts}, {one.name: shop.ledger.expected[one.name]}, shop.ledger.words)
        count = texts.count(down)
        late = sum(max(0, len(shop.ledger.words.asked(text)) - 1) for text in texts)
        found.doubled += [f"{one.name}: {down}"] * (count - len(found.lost) - late)
        told += count
        found.lost = found.lost[count:]
        total.lost += [f"{one.name}: {tag}" for tag in found.lost]
        total.doubled += found.doubled
        total.beginnings += found.beginnings
        total.strange += found.strange
        total.disordered += found.disordered
    return total, told


async def _break(shop: Stand, chance: random.Random, soaked: Soaked, pace: float, *, disk: bool) -> None:
    """Something fails, again and again."""
    kinds: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        *(("telegram", lambda: _break_telegram(shop, chance)) for _ in range(3)),
        *(("discord", lambda: _break_discord(shop, chance)) for _ in range(2)),
        *(("claude", lambda: _break_claude(shop, chance)) for _ in range(2)),
        ("the database is held", lambda: _hold(shop, chance.uniform(0.5, 3.0))),
    ]
    if disk:
        kinds.append(("the disk is full", lambda: _fill(shop.folder / "data", chance.uniform(0.5, 3.0))))
    while True:
        await asyncio.sleep(chance.uniform(*_BETWEEN) / pace)
        name, fail = chance.choice(kinds)
        soaked.faults[name] += 1
        await fail()


async def _break_telegram(shop: Stand, chance: random.Random) -> None:
    assert shop.telegram
    kinds: tuple[FaultKind, ...] = ("flood", "bad_gateway", "error", "cut", "apply_and_cut", "slow")
    method = chance.choice((None, None, "sendMessage", "editMessageText", "getUpdates"))
    shop.telegram.faults = [fault for fault in shop.telegram.faults if fault.times is None or fault.hits < fault.times]
    shop.telegram.fail(chance.choice(kinds), method, times=chance.randint(1, 4), seconds=1.0)


async def _break_discord(shop: Stand, chance: random.Random) -> None:
    assert shop.discord
    discord = shop.discord
    match chance.randrange(6):
        case 0:
            discord.gateway.drop()
        case 1:
            discord.gateway.invalidate(resumable=False)
        case 2:
            discord.fault("POST", r"/messages$", status=502, times=chance.randint(1, 3))
        case 3:
            discord.fault("POST", r"/messages$", cut=chance.choice(("before", "after")), times=chance.randint(1, 3))
        case 4:
            discord.fault("PATCH", r"/messages/", cut=chance.choice(("before", "after")), times=chance.randint(1, 3))
        case _:
            body = {"message": "", "retry_after": 1.0, "global": False}
            discord.fault("PATCH", r"/messages/", status=429, body=body)


async def _break_claude(shop: Stand, chance: random.Random) -> None:
    fault = chance.choice(
        (
            Fault("http", status=529),
            Fault("http", status=500),
            Fault("http", status=429, retry_after="1"),
            Fault("slow", seconds=2.0),
            Fault("reset", after=2),
            Fault("eof", after=3),
            Fault("eof", after=None),
        )
    )
    shop.claude.heal()
    shop.claude.fault(replace(fault, times=chance.randint(1, 3)))


async def _hold(shop: Stand, seconds: float) -> None:
    """Another tool writes to the database, and takes its time."""
    path = shop.folder / "data" / "shopdesk.db"
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, isolation_level=None, timeout=0.1)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(seconds)


async def _fill(folder: Path, seconds: float) -> None:
    """No room on the disk for so long."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 65_536)
        await asyncio.sleep(seconds)
    finally:
        filler.unlink(missing_ok=True)


def _heal(shop: Stand) -> None:
    assert shop.telegram
    for fault in shop.telegram.faults:
        fault.stop()
    shop.claude.heal()
    (shop.folder / "data" / "filler").unlink(missing_ok=True)


async def _kill(program: Running, chance: random.Random, soaked: Soaked) -> None:
    while True:
        await asyncio.sleep(chance.uniform(15.0, 45.0))
        program.kill()
        soaked.kills += 1


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of its own in the place of a folder, if this user may mount one: whether he may."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "none", str(folder)]
    try:
        subprocess.run(words, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def report(soaked: Soaked) -> Iterator[str]:
    """The table, and what became of everybody."""
    verdict = soaked.verdict
    faults = ", ".join(f"{count} x {name}" for name, count in soaked.faults.most_common())
    yield f"{soaked.questions} questions in {soaked.seconds:.0f} s; faults: {faults}; kills: {soaked.kills}"
    yield (
        f"lost: {len(verdict.lost)}  double finals: {len(verdict.doubled)}  bare beginnings: {verdict.beginnings}"
        f"  anything else: {len(verdict.strange)}  out of order: {len(verdict.disordered)}"
        f"  told that there is no answer: {soaked.told} times"
    )
    yield f"ended with status {soaked.status}, by itself {soaked.ends} times; tracebacks: {soaked.tracebacks}"
    yield "open files and tasks before the first question: {} and {}, when everybody is gone: {} and {}".format(
        *soaked.before, *soaked.after
    )
    yield f"{'median / most':16}{'first third':>18}{'second':>18}{'last':>18}"
    for number, name in enumerate(_NAMES, 2):
        cells = [_cell([sample[number] for sample in part]) for part in thirds(soaked.samples)]
        yield f"{name:16}" + "".join(f"{cell:>18}" for cell in cells)
    for what in ("lost", "doubled", "strange", "disordered"):
        yield from (f"  {what}: {one}" for one in getattr(verdict, what)[:8])


def thirds(samples: Sequence[Sequence[float]]) -> list[Sequence[Sequence[float]]]:
    size = max(1, len(samples) // 3)
    return [samples[:size], samples[size : 2 * size], samples[2 * size :] or samples[-1:]]


def _cell(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} / {max(values):.1f}" if values else ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("minutes", metavar="MINUTES", type=float, nargs="?", default=10.0)
    parser.add_argument("--kills", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    ran = asyncio.run(soak(60 * given.minutes, kills=given.kills, seed=given.seed))
    print("\n".join(report(ran)), load(), sep="\n")
