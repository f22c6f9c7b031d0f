import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bot.chat import MessageRef, OutboundMessage, PastMessage
from bot.errors import StorageFull
from tests.adapters.web.shop import SOURCE, Shop, open_shop
from tests.adapters.web.visitor import Thread, settled, visitor


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as shop:
        yield shop


async def test_an_answer_grows_and_ends_complete_with_its_sources(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        key = await alice.say("đổi hàng thế nào?")
        seen: list[str] = []
        async with alice.stream() as events:
            growth = ("Trong ", "Trong **7", "Trong **7 ngày** 🌱", "Trong **7 ngày** 🌱 ạ.")
            for number, text in enumerate(growth):
                last = number == len(growth) - 1
                message = OutboundMessage(text, growing=not last, sources=(SOURCE,) if last else ())
                await shop.web.send(shop.address, message, key="r1")
                async for event in events:
                    alice.thread.apply(event)
                    if alice.thread.ready and alice.thread.texts[-1][1] == text:
                        seen.append(event.kind)
                        break
            if alice.thread.messages["r1"]["growing"]:
                alice.thread.apply(await anext(events))
        assert seen[1:3] == ["append", "append"]
        assert alice.thread.texts == [("customer", "đổi hàng thế nào?"), ("assistant", growth[-1])]
        assert list(alice.thread.messages) == [key, "r1"]
        final = alice.thread.messages["r1"]
        assert not final["growing"]
        assert final["sources"] == [
            {"title": "Đổi trả", "heading": "Thời hạn", "text": "Trong **7 ngày**.", "url": SOURCE.url}
        ]


async def test_a_text_that_is_not_longer_but_other_replaces_what_was_shown(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("a")
        await shop.web.send(shop.address, OutboundMessage("one moment", growing=True), key="r1")
        await alice.watch(lambda thread: thread.ready)
        await shop.web.edit(MessageRef(shop.address, "r1"), OutboundMessage("The answer."))
        await alice.watch(settled())
        assert alice.thread.texts[-1] == ("assistant", "The answer.")


async def test_an_answer_that_begins_after_a_fresh_start_to_a_question_of_before_is_never_shown(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("before")
        asked = shop.received[-1].reply_to
        assert (await alice.post("api/new"))[0] == 202
        new = shop.received[-1].reply_to
        for text, growing in (("late", True), ("late and complete", False)):
            await shop.web.send(shop.address, OutboundMessage(text, growing=growing, reply_to=asked), key="r1")
        await shop.web.edit(MessageRef(shop.address, "r1"), OutboundMessage("later still"))
        await shop.web.send(shop.address, OutboundMessage("afresh", reply_to=new), key="r2")
        await alice.say("after")
        answer = OutboundMessage("answer", reply_to=shop.received[-1].reply_to)
        await shop.web.send(shop.address, answer, key="r3")
        await alice.watch(settled(2))
        assert [text for _, text in alice.thread.texts] == ["afresh", "after", "answer"]


async def test_what_a_fresh_start_hid_stays_hidden_after_a_second_one(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("one")
        ref = await shop.web.send(shop.address, OutboundMessage("gro", growing=True), key="r1")
        for _ in range(2):
            assert (await alice.post("api/new"))[0] == 202
        await shop.web.edit(ref, OutboundMessage("grown"))
        await alice.watch(lambda thread: thread.ready)
        assert alice.thread.texts == []


async def test_a_fresh_start_that_was_not_stored_hides_nothing_but_what_an_earlier_one_hid(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("before")
        old = shop.received[-1].reply_to
        assert (await alice.post("api/new"))[0] == 202
        await alice.say("between")
        asked = shop.received[-1].reply_to
        shop.fail = StorageFull("no room")
        assert (await alice.post("api/new"))[0] == 503
        await shop.web.send(shop.address, OutboundMessage("old", reply_to=old), key="r1")
        await shop.web.send(shop.address, OutboundMessage("answer", reply_to=asked), key="r2")
        await alice.watch(settled())
        assert [text for _, text in alice.thread.texts] == ["between", "answer"]


async def test_sending_twice_with_one_key_shows_one_message(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("a")
        first = await shop.web.send(shop.address, OutboundMessage("x"), key="r1")
        assert await shop.web.send(shop.address, OutboundMessage("x"), key="r1") == first
        await alice.watch(settled())
        assert [text for _, text in alice.thread.texts] == ["a", "x"]


async def test_all_tabs_of_a_visitor_show_the_same_and_no_other_visitor_sees_it(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice, visitor(shop.web.url) as bob:
        await alice.say("mine")
        await shop.answer(shop.address, ["an", "swer"], key="r1")
        await alice.watch(settled())
        first, alice.thread = alice.thread, Thread()
        await alice.watch(settled())
        assert alice.thread.messages == first.messages
        await bob.watch(lambda thread: thread.ready)
        assert bob.thread.texts == []


async def test_starting_afresh_empties_every_tab_and_a_late_edit_brings_nothing_back(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("old question")
        await shop.web.send(shop.address, OutboundMessage("old ans", growing=True), key="r1")
        async with alice.stream() as events:
            async for event in events:
                alice.thread.apply(event)
                if alice.thread.ready and len(alice.thread.messages) == 2:
                    break
            status, _ = await alice.post("api/new", language="vi")
            assert status == 202
            await shop.web.edit(MessageRef(shop.address, "r1"), OutboundMessage("old answer"))
            await shop.web.send(shop.address, OutboundMessage("new"), key="r2")
            async for event in events:
                alice.thread.apply(event)
                if "r2" in alice.thread.messages:
                    break
        assert alice.thread.texts == [("assistant", "new")]
        assert shop.received[-1].command == "new"
        alice.thread = Thread()
        await alice.watch(lambda thread: thread.ready)
        assert alice.thread.texts == [("assistant", "new")]


async def test_what_the_transcript_still_holds_of_before_a_fresh_start_is_not_shown(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("old")
        kept = list(shop.past[shop.address.chat_id])
        await alice.post("api/new")
        shop.past[shop.address.chat_id] = kept
        await alice.watch(lambda thread: thread.ready)
        assert alice.thread.texts == []


async def test_a_tab_that_opens_while_a_fresh_start_is_being_stored_is_as_empty_as_the_others(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("old")
        shop.past[shop.address.chat_id].append(PastMessage("r0", "assistant", "older", datetime.now(UTC)))
        shop.gate, shop.arrived = asyncio.Event(), asyncio.Event()
        starting = asyncio.create_task(alice.post("api/new"))
        await shop.arrived.wait()
        async with alice.stream() as events:
            async for event in events:
                alice.thread.apply(event)
                if alice.thread.ready:
                    break
            assert alice.thread.texts == []
            shop.fail = StorageFull("no room")
            shop.gate.set()
            assert (await starting)[0] == 503
            async for event in events:
                alice.thread.apply(event)
                if event.kind == "shown":
                    break
        assert [text for _, text in alice.thread.texts] == ["old", "older"]


async def test_a_transcript_that_was_read_before_a_fresh_start_is_not_shown_after_it(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("old")
        shop.past[shop.address.chat_id].append(PastMessage("r0", "assistant", "older", datetime.now(UTC)))
        shop.read, shop.hand_over = asyncio.Event(), asyncio.Event()
        watching = asyncio.create_task(alice.watch(lambda thread: thread.ready))
        await shop.read.wait()
        assert (await alice.post("api/new"))[0] == 202
        shop.hand_over.set()
        await watching
        assert alice.thread.texts == []


async def test_the_typing_sign_reaches_the_page(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("a")
        async with alice.stream() as events:
            async for event in events:
                if event.kind == "shown":
                    break
            await shop.web.show_typing(shop.address)
            assert (await anext(events)).kind == "typing"


async def test_two_hundred_visitors_all_read_their_own_answer_to_the_end(shop: Shop) -> None:
    async def visit(number: int) -> None:
        async with visitor(shop.web.url) as someone:
            await someone.say(f"question {number}")
            at = next(message.address for message in shop.received if message.text == f"question {number}")
            answering = asyncio.create_task(
                shop.answer(at, [f"{number}:{piece} " for piece in range(20)], key=f"r{number}", sources=(SOURCE,))
            )
            await someone.watch(settled(), timeout=30)
            await answering
            expected = "".join(f"{number}:{piece} " for piece in range(20))
            assert someone.thread.texts == [("customer", f"question {number}"), ("assistant", expected)]

    await asyncio.gather(*(visit(number) for number in range(200)))
