"""The program is ended at every step of a case's life, and begun again: nothing is lost, nothing is there twice."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bot.chat import Attachment
from tests.bot.relay.workbench import Shop, Steps, World, later, opened

JPEG = Attachment("photo", "anh", "image/jpeg")
Play = Callable[[Shop], Awaitable[None]]
_MOST = 600
_SHARES = 4


async def play(shop: Shop) -> None:
    """All that happens, in an order that is the same each time: what was done before is found done."""
    await shop.customer("cho mình gặp người thật", 1)
    await shop.settled()
    await shop.customer("đơn NM1", 2)
    await shop.settled()
    await shop.customer("đơn NM2", 2, edited=True, sent_at=later(1))
    await shop.customer("ảnh đây", 3, attachments=(JPEG,))
    await shop.settled()
    await shop.customer("", 3, deleted=True)
    await shop.staff("// cẩn thận", 11)
    await shop.staff("Dạ em đây.", 12)
    await shop.staff("Nhầm ạ.", 13)
    await shop.settled()
    await shop.staff("Dạ em Mai đây.", 12, edited=True, sent_at=later(2))
    await shop.staff("", 13, deleted=True)
    await shop.staff("Bảng giá ạ", 14, attachments=(JPEG,))
    await shop.settled()
    await shop.act("note", "đã đổi", id="a1")
    await shop.act("resolve", id="a2")
    await shop.settled()


def picture(world: World) -> object:
    """Both sides as they are seen."""
    post = world.post
    return (
        world.seen,
        [(one.text, one.is_struck, [file.name for file in one.message.files]) for one in post.messages.values()],
        post.marks,
        post.card.state,
        len(world.desk.posts),
    )


async def run(folder: Path, world: World, end: int | None) -> int:
    """Play until step `end`; how many steps there were."""
    steps = Steps(end)
    async with opened(folder, world, steps=steps) as shop:
        playing, over = asyncio.create_task(play(shop)), asyncio.create_task(steps.over.wait())
        await asyncio.wait([playing, over], return_when=asyncio.FIRST_COMPLETED)
        for task in (playing, over):
            task.cancel()
        if not steps.over.is_set():
            await playing
        with suppress(asyncio.CancelledError):
            await playing
    return steps.count


@pytest.mark.parametrize("first", range(1, _SHARES + 1))
async def test_a_kill_at_every_step_loses_nothing_and_doubles_nothing(tmp_path: Path, first: int) -> None:
    whole = World()
    (tmp_path / "whole").mkdir()
    count = await run(tmp_path / "whole", whole, None)
    expected = picture(whole)
    assert 60 < count < _MOST
    for end in range(first, count + 1, _SHARES):
        folder, world = tmp_path / str(end), World()
        folder.mkdir()
        await run(folder, world, end)
        await run(folder, world, None)
        assert picture(world) == expected, f"ended at step {end} of {count}"
