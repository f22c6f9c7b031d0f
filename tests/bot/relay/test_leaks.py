"""Staff write notes, commands, replies, and edit the ones into the others: the customer sees what is meant for him."""

import random
from pathlib import Path

import pytest

from tests.bot.relay.workbench import HUNG, MAI, Shop, World, later, opened

MESSAGES = 200


class Desk:
    """What staff have written so far, and what of it is for the customer at its end."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop = shop
        self.random = random.Random(seed)
        self.texts: dict[int, str] = {}
        self.commands: list[str] = []
        self.edits = 0

    async def step(self, number: int) -> None:
        by = self.random.choice([MAI, HUNG])
        kind = self.random.choice(["reply", "note", "edit", "edit", "delete", "slash", "noted", "answer", "settle"])
        old = self.random.choice(list(self.texts)) if self.texts else None
        if kind in ("edit", "delete") and old is not None:
            await self._change(kind, old)
        elif kind == "slash":
            self.commands.append(f"lệnh {number}")
            await self.shop.act("reply", f"lệnh {number}", by=by)
        elif kind == "noted":
            await self.shop.act("note", f"kín {number}", by=by)
        elif kind == "settle":
            await self.shop.settled()
        else:
            text = f"// kín {number}" if kind == "note" else f"chữ {number}"
            hangs = f"s{old}" if kind == "answer" and old is not None else None
            self.texts[await self.shop.staff(text, by=by, hangs_on=hangs)] = text

    async def _change(self, kind: str, number: int) -> None:
        if kind == "delete":
            del self.texts[number]
            await self.shop.staff("", number, deleted=True)
            return
        self.edits += 1
        is_note = self.random.random() < 0.5
        text = f"// kín sửa {self.edits}" if is_note else f"sửa {self.edits}"
        self.texts[number] = text
        sent_at = later(self.edits // 3)  # several in one second
        await self.shop.staff(text, number, edited=True, sent_at=sent_at)

    def meant(self) -> set[str]:
        """What the customer is to see."""
        return {*self.commands, *(text for text in self.texts.values() if not text.startswith("//"))}


@pytest.mark.parametrize("seed", range(6))
async def test_the_customer_sees_exactly_what_is_meant_for_him(tmp_path: Path, seed: int) -> None:
    world = World()
    async with opened(tmp_path, world) as shop:
        await shop.handed_over()
        before = len(world.seen)
        desk = Desk(shop, seed)
        for number in range(MESSAGES):
            await desk.step(number)
        await shop.settled()
        seen = [text.rpartition("\n\n")[2] for text in world.seen[before:]]
        assert sorted(seen) == sorted(desk.meant())
        assert not any("kín" in call.text for call in world.platform.calls)
