"""A call is carried out and its answer is lost, for each method that the program uses: what becomes of the answers.

    python -m tests.bench.lost [--people N] [--seed N] [--at-once N] [WORD ...]     only rows with one of these words

The stand-ins do what they were asked and cut the line. Discord's gateway is cut in each of its phases, Claude's
stream at each place, the page's stream at any moment. What everybody sees in the end is the judge: one complete
text for each question, an answer or, where Claude broke off, the sentence that says so. The exit status is 1 when
somebody was lost or told twice, and when a row has no tries: then what it is about never happened.
"""

import argparse
import asyncio
import logging
import random
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from tests.bench.chaos import load
from tests.bench.kills.judge import Expected, Verdict
from tests.bench.kills.web_door import PatientVisitor
from tests.bench.kills.words import sentences
from tests.bench.proofs import HEAD, Row, Stand, line, settled, stand, until
from tests.servers.anthropic.script import Fault
from tests.servers.discord import DiscordServer
from tests.servers.discord.people import Member
from tests.servers.discord.world import Channel
from tests.whole.visitor import Visitor

PATIENCE = 60.0
_FIRST = 50_000
_RATE = 0.4
_KINDS = ("tiny", "short", "short", "long")

Play = Callable[[int, int], Awaitable[Row]]


async def main(people: int, seed: int, at_once: int, words: Sequence[str], plays: Mapping[str, Play]) -> bool:
    """Print the table. Whether every row proves what it says."""
    turns = asyncio.Semaphore(at_once)

    async def one(play: Play) -> Row:
        async with turns:
            row = await play(people, seed)
            print(line(row), flush=True)
            return row

    chosen = [play for name, play in plays.items() if not words or any(word in name for word in words)]
    print(HEAD)
    rows = await asyncio.gather(*(one(play) for play in chosen))
    print(load())
    return bool(rows) and all(row.is_proof() for row in rows)


async def telegram(
    name: str,
    method: str,
    people: int,
    seed: int,
    *,
    times: int | None = None,
    kinds: Sequence[str] = _KINDS,
    rate: float = _RATE,
    photo: bool = False,
    drafts: bool = False,
    delay: float = 0.2,
) -> Row:
    """Answers to `method` are lost: each with a probability, or the first `times`."""
    chance = random.Random(seed)
    stream = "draft" if drafts else "edit"
    async with stand(telegram={}, claude={"delay": delay}, TELEGRAM_STREAM=stream) as shop:
        server, ledger = shop.telegram, shop.ledger
        assert server
        fault = server.fail("apply_and_cut", method, times=times, rate=1.0 if times else rate, seed=seed)
        for chat in range(_FIRST, _FIRST + people):
            customer, question = server.customer(chat), ledger.ask(chat, chance.choice(kinds))
            customer.photo(question) if photo else customer.write(question)
        async with shop.open():
            verdict = await settled(lambda: ledger.in_telegram(server), PATIENCE)
        return Row(name, fault.hits, ledger.count, verdict)


async def commands(name: str, people: int, seed: int) -> Row:
    """What the program says by itself is complete before its first call. Each chat is asked about once more.

    They write one after the other: a crowd leaves the program no calls for beginnings that are completed afterwards,
    and then what is said at once and whose answer is lost may be said twice.
    """
    async with stand(telegram={}) as shop:
        server = shop.telegram
        assert server
        greeting = sentences()["greeting"]
        fault = server.fail("apply_and_cut", "sendMessage", rate=_RATE, seed=seed)
        for chat in range(_FIRST, _FIRST + people):
            shop.ledger.expected[str(chat)] = Expected(sentences=(greeting,))
        async with shop.open():
            await until(lambda: server.calls("getUpdates"), PATIENCE)
            for chat in range(_FIRST, _FIRST + people):
                server.customer(chat).write("/start")
                await asyncio.sleep(0.1)
            verdict = await settled(lambda: shop.ledger.in_telegram(server), PATIENCE)
        return Row(name, fault.hits, people, verdict)


async def discord(
    name: str,
    method: str,
    path: str,
    people: int,
    seed: int,
    *,
    times: int = 0,
    slash: bool = False,
    kinds: Sequence[str] = _KINDS,
    delay: float = 0.2,
) -> Row:
    """The answers to the first `times` (0: so many as there are people) requests of a route are lost."""
    chance = random.Random(seed)
    async with stand(discord={"limits": False}, claude={"delay": delay}) as shop:
        server = shop.discord
        assert server
        server.fault(method, path, cut="after", times=times or people)
        async with shop.open():
            await until(lambda: server.gateway.sessions and server.state.commands, PATIENCE)
            verdict = await _staff_asks(shop, server, people, chance, slash=slash, kinds=kinds)
        return Row(name, _cut(server, method, path), shop.ledger.count, verdict)


async def read_back(name: str, people: int, seed: int) -> Row:
    """What was written while the program was away is asked for; the answers to the first requests are lost."""
    chance, route = random.Random(seed), ("GET", r"/channels/\d+/messages$")
    async with stand(discord={"limits": False}) as shop:
        server = shop.discord
        assert server
        staff = [server.add_member(f"Nhân viên {number}", server.staff_role) for number in range(people)]
        async with shop.open():
            await until(lambda: server.gateway.sessions, PATIENCE)
            await _asked(shop, server, staff, chance)
            # How far was read is stored every ten seconds.
            await asyncio.sleep(12)
        server.fault(*route, cut="after", times=people)
        for one in staff:
            one.dm(shop.ledger.ask(one.id, chance.choice(_KINDS)))
        async with shop.open():
            verdict = await _settled(shop, server, {str(one.id): one.direct for one in staff})
        return Row(name, _cut(server, *route), shop.ledger.count, verdict)


def _cut(server: DiscordServer, method: str, path: str) -> int:
    return sum(call.status == 0 for call in server.calls(method, path))


async def _staff_asks(
    shop: Stand,
    server: DiscordServer,
    people: int,
    chance: random.Random,
    *,
    slash: bool = False,
    kinds: Sequence[str] = _KINDS,
) -> Verdict:
    staff = [server.add_member(f"Nhân viên {number}", server.staff_role) for number in range(people)]
    if not slash:
        return await _asked(shop, server, staff, chance)
    rooms = {str(one.id): server.add_channel(f"room{one.id}") for one in staff}
    for one in staff:
        one.ask(rooms[str(one.id)], shop.ledger.ask(one.id, chance.choice(kinds)))
    return await _settled(shop, server, rooms)


async def _asked(shop: Stand, server: DiscordServer, staff: Sequence[Member], chance: random.Random) -> Verdict:
    for one in staff:
        one.dm(shop.ledger.ask(one.id, chance.choice(_KINDS)))
    return await _settled(shop, server, {str(one.id): one.direct for one in staff})


async def _settled(shop: Stand, server: DiscordServer, rooms: Mapping[str, Channel]) -> Verdict:
    def verdict() -> Verdict:
        return shop.ledger.judge(
            {name: [said.content for said in server.answers(room)] for name, room in rooms.items()}
        )

    return await settled(verdict, PATIENCE)


async def gateway(name: str, phase: str, people: int, seed: int) -> Row:
    """The gateway's line is cut in a phase, three times; what is written meanwhile is read back or told again."""
    chance = random.Random(seed)
    async with stand(discord={"limits": False}) as shop:
        server = shop.discord
        assert server
        cuts = 0

        async def cut() -> None:
            nonlocal cuts
            # A session that was cut is resumed: it is not identified, nor told of servers, once more.
            for _ in range(1 if phase in ("identify", "ready") else 3):
                await until(partial(_passes, server, phase, _passed(server)[phase]), PATIENCE, every=0.001)
                server.gateway.drop()
                cuts += 1

        cutting = asyncio.create_task(cut()) if phase not in ("message", "resume") else None
        async with shop.open():
            await until(lambda: server.gateway.sessions and (cutting is None or cutting.done()), PATIENCE)
            await until(lambda: server.gateway.connected, PATIENCE)
            if cutting is None:
                cutting = asyncio.create_task(cut())
            if phase == "resume":
                server.gateway.drop()
            verdict = await _staff_asks(shop, server, people, chance)
            cutting.cancel()
        return Row(name, cuts, shop.ledger.count, verdict)


def _passes(server: DiscordServer, phase: str, before: int) -> bool:
    return _passed(server)[phase] > before


def _passed(server: DiscordServer) -> Mapping[str, int]:
    """How often each phase of the gateway was passed so far."""
    sent = [frame["t"] for session in server.gateway.sessions for frame in session.sent]
    return {
        "hello": len(server.gateway.opened),
        "identify": len(server.gateway.identified),
        "ready": sent.count("GUILD_CREATE"),
        "message": sent.count("MESSAGE_CREATE"),
        "resume": len(server.gateway.resumed),
    }


async def claude(name: str, fault: Fault, people: int, seed: int) -> Row:
    """Half of the streams break off at one place."""
    chance = random.Random(seed)
    down = sentences()["model_down"]
    async with stand(telegram={}) as shop:
        server, ledger = shop.telegram, shop.ledger
        assert server
        shop.claude.fault(replace(fault, times=max(1, people // 2)))
        for chat in range(_FIRST, _FIRST + people):
            server.customer(chat).write(ledger.ask(chat, chance.choice(_KINDS)))
            ledger.expected[str(chat)] = replace(ledger.expected[str(chat)], welcome=(down,))

        def verdict() -> Verdict:
            """Who was told that there is no answer has one complete text, if it is the only one."""
            found = ledger.in_telegram(server)
            told = {own.tags[0] for chat, own in ledger.expected.items() if _says(server.texts(int(chat)), down) == 1}
            found.doubled += [tag for tag in told if tag not in found.lost]
            found.lost = [tag for tag in found.lost if tag not in told]
            return found

        async with shop.open():
            found = await settled(verdict, PATIENCE)
        told = sum(_says(server.texts(int(chat)), down) for chat in ledger.expected)
        broken = sum(call.outcome == "fault" for call in shop.claude.calls)
        return Row(name, broken, ledger.count, found, told)


def _says(texts: Sequence[str], sentence: str) -> int:
    return [" ".join(text.split()) for text in texts].count(sentence)


class Interrupted(PatientVisitor):
    """Its line breaks off again and again: the streams (`streams`), or the posts, before or after they are taken."""

    def __init__(self, url: str, *, chance: random.Random, streams: bool) -> None:
        self.tries = 0
        self._chance = chance
        self._streams = streams
        super().__init__(url)

    async def post(self, path: str, body: dict[str, Any]) -> int:
        if not self._streams:
            for _ in range(2):
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._chance.uniform(0.001, 0.02)):
                        await super().post(path, body)
                self.tries += 1
        return await super().post(path, body)

    async def _listen(self) -> None:
        for _ in range(8 if self._streams else 0):
            with suppress(TimeoutError, OSError):
                async with asyncio.timeout(self._chance.uniform(0.02, 0.3)):
                    await Visitor._listen(self)
            self.tries += 1
        await super()._listen()


async def page(name: str, people: int, seed: int, *, streams: bool) -> Row:
    """The lines of the page's visitors break off."""
    chance = random.Random(seed)
    async with stand(web=True) as shop:
        visitors = {
            str(number): Interrupted(f"http://{shop.web}", chance=chance, streams=streams) for number in range(people)
        }
        for number, visitor in visitors.items():
            visitor.say(shop.ledger.ask(number, chance.choice(_KINDS)))

        def verdict() -> Verdict:
            shown = {
                number: [one.text for one in visitor.page.values() if one.role == "assistant"]
                for number, visitor in visitors.items()
            }
            return shop.ledger.judge(shown)

        async with shop.open():
            found = await settled(verdict, PATIENCE)
            await asyncio.gather(*(visitor.leave() for visitor in visitors.values()))
        return Row(name, sum(visitor.tries for visitor in visitors.values()), shop.ledger.count, found)


_TELEGRAM: Mapping[str, Mapping[str, Any]] = {
    "getMe": {"times": 2},
    "deleteWebhook": {"times": 2},
    "setMyCommands": {"times": 3},
    "getUpdates": {"rate": 0.5},
    "sendMessage": {},
    "editMessageText": {"kinds": ("short", "long")},
    "sendChatAction": {"delay": 2.0},
    "sendMessageDraft": {"drafts": True},
    "getFile": {"photo": True},
    "file": {"photo": True},
}
_DISCORD: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "GET /users/@me": ("GET", r"/users/@me$", {"times": 2}),
    "PUT commands": ("PUT", r"/commands$", {"times": 1}),
    "POST message": ("POST", r"/channels/\d+/messages$", {}),
    "PATCH message": ("PATCH", r"/channels/\d+/messages/", {}),
    "POST typing": ("POST", r"/typing$", {"delay": 2.0}),
    "POST interaction callback": ("POST", r"/interactions/", {"slash": True}),
    "PATCH interaction's answer": ("PATCH", r"/webhooks/.*/messages/", {"slash": True}),
    # It is a message like any other, and Discord tells a repeated one by its nonce.
    "POST next part of a command's answer": ("POST", r"/channels/\d+/messages$", {"slash": True, "kinds": ("long",)}),
}
_CLAUDE: Mapping[str, Fault] = {
    "before the headers": Fault("reset", after=-1),
    "behind the headers": Fault("reset", after=0),
    "in the middle, reset": Fault("reset", after=2),
    "in the middle, closed": Fault("eof", after=2),
    "in the middle of an event": Fault("cut", after=2),
    "before its end": Fault("eof", after=None),
}
PLAYS: Mapping[str, Play] = {
    **{
        f"Telegram {method}": partial(telegram, f"Telegram {method}", method, **how)
        for method, how in _TELEGRAM.items()
    },
    "Telegram sendMessage, complete at once": partial(commands, "Telegram sendMessage, complete at once"),
    **{
        f"Discord {route}": partial(discord, f"Discord {route}", method, path, **how)
        for route, (method, path, how) in _DISCORD.items()
    },
    "Discord GET messages": partial(read_back, "Discord GET messages"),
    **{
        f"Discord's gateway after {phase}": partial(gateway, f"Discord's gateway after {phase}", phase)
        for phase in ("hello", "identify", "ready", "message", "resume")
    },
    **{f"Claude {place}": partial(claude, f"Claude {place}", fault) for place, fault in _CLAUDE.items()},
    "the page's stream": partial(page, "the page's stream", streams=True),
    "the page's posts": partial(page, "the page's posts", streams=False),
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lost")
    parser.add_argument("words", metavar="WORD", nargs="*")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=3)
    given = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    sys.exit(not asyncio.run(main(given.people, given.seed, given.at_once, given.words, PLAYS)))
