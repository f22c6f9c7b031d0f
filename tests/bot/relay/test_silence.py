"""The bot is silent from the moment at which a person speaks: one more edit at most, and no further message."""

import asyncio
from pathlib import Path

import pytest

from bot.llm.base import ModelRequest
from tests.bot.relay.workbench import Shop, World, opened
from tests.fake_model import Step
from tests.words import eventually

LONG = "Dạ, " + "chính sách đổi trả của shop là như sau. " * 20


async def came_back(shop: Shop) -> None:
    """A post that is there, with the bot answering again."""
    await shop.handed_over()
    await shop.act("resolve")
    await shop.settled()
    shop.world.platform.calls.clear()


def growing(shop: Shop, *steps: Step) -> asyncio.Event:
    """The next answers say this much and wait."""
    more = asyncio.Event()
    shop.world.model.script = lambda request: (*steps, more, " và nhiều nữa")
    return more


async def test_staff_write_while_an_answer_grows(shop: Shop) -> None:
    await came_back(shop)
    more = growing(shop, LONG)
    await shop.customer("đổi trả thế nào?")
    await eventually(lambda: len(shop.world.platform.of("lan", op="send")) == 1)
    before = len(shop.world.platform.texts())
    await shop.staff("Để em trả lời ạ.")
    await shop.settled()
    more.set()
    calls = shop.world.platform.texts()[before:]
    assert [call.op for call in calls] == ["edit", "send"]
    assert calls[0].text.endswith("(Nhân viên của Nhà Mây sẽ trả lời tiếp ạ.)")
    assert calls[0].text.startswith("Dạ, chính sách")
    assert not calls[0].growing
    assert calls[1].text == "**Mai**\n\nĐể em trả lời ạ."
    assert shop.world.model.broken_off == 1
    (answer,) = await shop.rows("SELECT text, outcome FROM turns WHERE text LIKE 'Dạ, chính%'")
    assert answer[1] == "stopped"
    assert "nhiều nữa" not in str(answer[0])
    case = await shop.case()
    assert (case.reason, case.state) == ("taken", "human")


async def test_what_nobody_saw_an_answer_to_goes_to_the_post(shop: Shop) -> None:
    await came_back(shop)
    growing(shop)
    await shop.customer("đổi trả thế nào?")
    await eventually(lambda: len(shop.world.model.requests) == 3)
    await shop.staff("Để em ạ.")
    await shop.settled()
    assert [call.text for call in shop.world.platform.texts()] == ["**Mai**\n\nĐể em ạ."]
    assert shop.world.post.texts[-1] == "đổi trả thế nào?"


async def test_take_silences_as_words_do(shop: Shop) -> None:
    await came_back(shop)
    growing(shop, LONG)
    await shop.customer("đổi trả thế nào?")
    await eventually(lambda: len(shop.world.platform.of("lan", op="send")) == 1)
    await shop.act("take")
    await shop.settled()
    ops = [(call.op, call.text[-20:]) for call in shop.world.platform.texts()]
    assert ops[-1][1].endswith("trả lời ngay ạ.")
    assert sum(op == "edit" for op, _ in ops) <= 2
    await shop.customer("alo?")
    await shop.settled()
    assert shop.world.post.texts[-1] == "alo?"
    assert len(shop.world.model.requests) == 3


@pytest.mark.parametrize("pause", range(0, 40))
async def test_whenever_a_person_speaks_the_bot_says_nothing_new_afterwards(shop: Shop, pause: int) -> None:
    await came_back(shop)

    def script(request: ModelRequest) -> tuple[Step, ...]:
        return tuple(f"Câu {number}. " for number in range(30))

    shop.world.model.script = script
    await shop.customer("đổi trả thế nào?")
    for _ in range(pause):
        await asyncio.sleep(0)
    await shop.act("take")
    begun = len(shop.begun)  # a call that is on its way by now may land
    await shop.settled()
    later = shop.begun[begun:]
    assert [text[-16:] for op, text in later if op == "send"] == [" trả lời ngay ạ."]
    assert sum(op == "edit" for op, _ in later) <= 1
    await shop.customer("alo?")
    await shop.settled()
    assert shop.world.post.texts[-1] == "alo?"


async def test_an_answer_in_several_messages_sends_no_more_of_them(shop: Shop) -> None:
    await came_back(shop)
    gate = asyncio.Event()
    shop.world.platform.steps = None
    held = shop.world.platform.send

    async def slow(*args: object, **kwargs: object) -> object:
        ref = await held(*args, **kwargs)  # type: ignore[arg-type]
        await gate.wait()
        return ref

    shop.world.platform.send = slow  # type: ignore[method-assign, assignment]
    shop.world.model.script = lambda request: ("dài lắm ạ " * 800,)
    await shop.customer("kể hết đi")
    await eventually(lambda: len(shop.world.platform.of("lan", op="send")) == 1)
    await shop.act("take")
    gate.set()
    await shop.settled()
    sends = shop.world.platform.of("lan", op="send")
    assert [call.text[-15:] for call in sends[1:]] == ["trả lời ngay ạ."]
    (shown,) = [text for text in shop.world.seen if text.startswith("dài lắm")]
    assert shown.startswith("dài lắm")


async def test_a_word_of_staffs_waits_for_no_other(tmp_path: Path) -> None:
    world = World(burst_wait=9.0)
    async with opened(tmp_path, world) as shop:
        await shop.handed_over()
        await shop.staff("Dạ")
        await eventually(lambda: world.seen[-1] == "**Mai**\n\nDạ", timeout=5)
