"""Everything is delivered more than once and in the wrong order: what customers and staff see of it.

    python -m tests.bench.twice [--people N] [--seed N]

Telegram gives updates twice, out of order, under other numbers, and again after a restart; posts to the webhook
come twice at a time, and once more after their answer was lost. Discord's gateway repeats and shuffles what it tells,
also by RESUME. The page posts from two tabs, and again after a lost answer. The chats are the judge.
"""

import argparse
import asyncio
import copy
import logging
import random
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import aiohttp

from tests.bench.chaos import load
from tests.bench.kills.web_door import PatientVisitor
from tests.bench.proofs import Row, Stand, lines, settled, stand, until
from tests.servers.discord import DiscordServer
from tests.servers.telegram import TelegramServer

PATIENCE = 60.0
_SECRET = "the-secret-of-the-webhook"
_KINDS = ("tiny", "short", "short", "long")
_FIRST = 40_000


async def main(people: int, seed: int) -> None:
    rows = [await one(people, seed) for one in (by_polling, by_webhook, in_discord, on_the_page)]
    print("\n".join(lines(rows)))
    print(load())


async def by_polling(people: int, seed: int, *, rounds: int = 2) -> Row:
    """Updates twice in a batch and shuffled, the same message under another number, and all again after a restart."""
    chance, tries, seen = random.Random(seed), 0, list[dict[str, Any]]()
    async with stand(telegram={}) as shop:
        telegram = shop.telegram
        assert telegram
        account = telegram.account
        for _ in range(2):
            # What was confirmed comes again: a program that starts does not say how far it was.
            account.waiting += copy.deepcopy(seen)
            tries += len(seen)
            async with shop.open():
                for _ in range(rounds):
                    fresh = _written(shop, telegram, people, chance)
                    seen += fresh
                    account.waiting += copy.deepcopy(fresh)
                    for update in copy.deepcopy(chance.sample(fresh, len(fresh) // 2)):
                        account.push({"message": update["message"]})
                    tries += len(fresh) + len(fresh) // 2
                    chance.shuffle(account.waiting)
                    verdict = await settled(lambda: shop.ledger.in_telegram(telegram), PATIENCE)
        return Row("Telegram, polled", tries, shop.ledger.count, verdict)


def _written(shop: Stand, telegram: TelegramServer, people: int, chance: random.Random) -> list[dict[str, Any]]:
    """Everybody writes once or twice; the updates."""
    before = len(telegram.account.waiting)
    for chat in range(_FIRST, _FIRST + people):
        for _ in range(chance.choice((1, 1, 2))):
            telegram.customer(chat).write(shop.ledger.ask(chat, chance.choice(_KINDS)))
    return list(telegram.account.waiting[before:])


async def by_webhook(people: int, seed: int) -> Row:
    """Each update is posted by several at a time; some hang up before they hear the answer, and post again."""
    chance, tries = random.Random(seed), 0
    async with stand(telegram={}, web=True, TELEGRAM_WEBHOOK_SECRET=_SECRET) as shop:
        telegram = shop.telegram
        assert telegram
        url = shop.more["TELEGRAM_WEBHOOK_URL"] = f"http://{shop.web}/telegram"
        async with shop.open(), aiohttp.ClientSession(headers={"X-Telegram-Bot-Api-Secret-Token": _SECRET}) as session:
            await until(lambda: telegram.calls("setWebhook", status=200), PATIENCE)
            for chat in range(_FIRST, _FIRST + people):
                telegram.customer(chat).write(shop.ledger.ask(chat, chance.choice(_KINDS)))
                update = telegram.account.waiting[-1]
                hurry = chance.uniform(0.001, 0.02)
                await asyncio.gather(*(_post(session, url, update, patience) for patience in (5.0, 5.0, hurry)))
                tries += 3
            late = list(telegram.account.waiting)
            await settled(lambda: shop.ledger.in_telegram(telegram), PATIENCE)
            await asyncio.gather(*(_post(session, url, update, 5.0) for update in late))
            verdict = await settled(lambda: shop.ledger.in_telegram(telegram), PATIENCE)
        return Row("Telegram, webhook", tries + len(late), shop.ledger.count, verdict)


async def _post(session: aiohttp.ClientSession, url: str, body: object, patience: float) -> int:
    with suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with session.post(url, json=body, timeout=aiohttp.ClientTimeout(total=patience)) as response:
            return response.status
    return 0


async def in_discord(people: int, seed: int, *, losses: Sequence[str] = ("", "", "resume", "session")) -> Row:
    """The gateway says things twice and in any order, then repeats them by RESUME, and after a new IDENTIFY."""
    chance, tries = random.Random(seed), 0
    async with stand(discord={"limits": False}) as shop:
        discord = shop.discord
        assert discord
        staff = [discord.add_member(f"Nhân viên {number}", discord.staff_role) for number in range(people)]

        def verdict() -> Any:
            return shop.ledger.judge(
                {str(one.id): [said.content for said in discord.answers(one.direct)] for one in staff}
            )

        async with shop.open():
            await until(lambda: discord.gateway.sessions, PATIENCE)
            for lost in losses:
                with _out_of_order(discord, chance) as repeated:
                    for one in staff:
                        one.dm(shop.ledger.ask(one.id, chance.choice(_KINDS)))
                tries += len(repeated)
                await asyncio.sleep(chance.uniform(0.0, 0.3))
                if lost == "resume":
                    discord.gateway.drop()
                elif lost == "session":
                    discord.gateway.invalidate()
                await settled(verdict, PATIENCE)
        return Row("Discord's gateway", tries, shop.ledger.count, await settled(verdict, PATIENCE))


@contextmanager
def _out_of_order(discord: DiscordServer, chance: random.Random) -> Iterator[list[object]]:
    """What happens meanwhile is told afterwards: all of it twice, shuffled; the list holds what was told."""
    told: list[object] = []
    held = [(session, session.socket, len(session.sent)) for session in discord.gateway.sessions]
    for session, _, _ in held:
        session.socket = None
    yield told
    for session, socket, mark in held:
        session.socket = socket
        frames = session.sent[mark:] * 2
        chance.shuffle(frames)
        if socket is not None:
            for frame in frames:
                socket.push(frame)
            told += frames


class TwoTabs(PatientVisitor):
    """Posts everything twice at a time, and once more after hanging up on the answer."""

    tries = 0

    async def post(self, path: str, body: dict[str, Any]) -> int:
        self.tries += 3
        with suppress(TimeoutError):
            async with asyncio.timeout(random.Random(str(body)).uniform(0.001, 0.02)):
                await super().post(path, body)
        return max(await asyncio.gather(super().post(path, body), super().post(path, body)))


async def on_the_page(people: int, seed: int) -> Row:
    """The same post from two tabs, and again after a lost answer."""
    chance = random.Random(seed)
    async with stand(web=True) as shop:
        visitors = {str(uuid.UUID(int=chance.getrandbits(128))): TwoTabs(f"http://{shop.web}") for _ in range(people)}

        def verdict() -> Any:
            shown = {
                name: [one.text for one in visitor.page.values() if one.role == "assistant"]
                for name, visitor in visitors.items()
            }
            return shop.ledger.judge(shown)

        async with shop.open():
            for _ in range(2):
                for name, visitor in visitors.items():
                    visitor.say(shop.ledger.ask(name, chance.choice(_KINDS)))
                found = await settled(verdict, PATIENCE)
            await asyncio.gather(*(visitor.leave() for visitor in visitors.values()))
        return Row("the page's posts", sum(one.tries for one in visitors.values()), shop.ledger.count, found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.twice")
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    asyncio.run(main(given.people, given.seed))
