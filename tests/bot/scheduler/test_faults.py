"""Failing calls: waited out, sent anew or given up, and one complete answer in the end."""

import asyncio
from dataclasses import replace

import pytest

from bot.chat import Address
from bot.errors import (
    AccountRejected,
    MessageRefused,
    PlatformError,
    RecipientGone,
    Unavailable,
)
from bot.reply import StreamedReply
from tests.bot.scheduler.stage import TEXT, reply_to, run, running, write
from tests.fakes import TELEGRAM, Call, FakePlatform, Fault, cut_line


@pytest.mark.parametrize(
    "error", [Unavailable("down"), AccountRejected("who are you"), ValueError("a bug"), OSError(5)]
)
def test_an_outage_is_waited_out(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        platform = FakePlatform()
        async with running(platform) as scheduler:
            up_again = loop.time() + 300
            platform.faults = lambda call, number: error if loop.time() < up_again else None
            late = await write(scheduler, reply_to(platform, "1"))
        assert platform.chat("1") == [TEXT]
        assert late < 330
        assert len(platform.texts()) < 40

    run(scenario)
    assert ("unexpectedly" in caplog.text) is not isinstance(error, PlatformError)
    assert TEXT[:20] not in caplog.text


def test_a_send_that_was_applied_and_cut_leaves_a_bare_beginning_at_worst_and_is_counted() -> None:
    async def scenario() -> None:
        platform = FakePlatform(faults=lambda call, number: cut_line(True) if number == 0 else None)
        async with running(platform) as scheduler:
            await write(scheduler, reply_to(platform, "1"), think=0.0)
        assert platform.chat("1") == [TEXT[:4].strip(), TEXT]
        assert scheduler.counts.doubtful_sends == 1

    run(scenario)


def test_on_a_line_that_lost_answers_only_a_beginning_of_a_complete_text_can_be_left_behind() -> None:
    async def scenario() -> None:
        lost: set[str] = set()

        def faults(call: Call, number: int) -> Fault | None:
            if call.op != "send" or call.to.chat_id in lost or call.to.chat_id == "calm":
                return None
            lost.add(call.to.chat_id)
            return cut_line(True)

        platform = FakePlatform(limits=replace(TELEGRAM, doubles=True, calls_burst=1), faults=faults)
        async with running(platform) as scheduler:

            async def say(chat: str) -> None:
                reply = reply_to(platform, chat)
                reply.append(TEXT)
                reply.end()
                await scheduler.finish(reply)

            await say("unsuspecting")
            await say("warned")
            await asyncio.sleep(310)
            await say("calm")
        assert platform.chat("unsuspecting") == [TEXT, TEXT]
        *left, whole = platform.chat("warned")
        assert [TEXT.startswith(text) and len(text) <= 48 for text in left] == [True]
        assert whole == TEXT
        assert len(platform.of("calm", op="send")) == 1
        assert platform.of("calm", op="edit") == []

    run(scenario)


@pytest.mark.parametrize("doubles", [True, False])
def test_after_a_kill_what_may_double_is_begun_and_then_completed_also_in_a_crowd(doubles: bool) -> None:
    async def scenario() -> None:
        platform = FakePlatform(limits=replace(TELEGRAM, doubles=doubles, calls_burst=1))
        async with running(platform, in_doubt=True) as scheduler:
            reply = reply_to(platform, "1")
            reply.append(TEXT)
            reply.end()
            await scheduler.finish(reply)
        assert platform.chat("1") == [TEXT]
        assert len(platform.of("1", op="edit")) == doubles

    run(scenario)


def test_while_calls_are_left_over_a_complete_text_is_begun_and_then_completed_so_that_no_loss_can_double_it() -> None:
    async def scenario() -> None:
        platform = FakePlatform(
            limits=replace(TELEGRAM, doubles=True), faults=lambda call, number: cut_line(True) if number == 0 else None
        )
        async with running(platform) as scheduler:
            reply = reply_to(platform, "1")
            reply.append(TEXT)
            reply.end()
            await scheduler.finish(reply)
        *left, whole = platform.chat("1")
        assert [TEXT.startswith(text) and len(text) <= 48 for text in left] == [True]
        assert whole == TEXT

    run(scenario)


def test_a_crowd_does_not_pay_for_that() -> None:
    async def scenario() -> None:
        platform = FakePlatform(limits=replace(TELEGRAM, doubles=True))
        async with running(platform) as scheduler:

            async def say(chat: str) -> None:
                reply = reply_to(platform, chat)
                reply.append(TEXT)
                reply.end()
                await scheduler.finish(reply)

            await asyncio.gather(*[say(str(number)) for number in range(200)])
        assert all(platform.chat(str(number)) == [TEXT] for number in range(200))
        assert len(platform.calls) <= 200 + TELEGRAM.calls_burst

    run(scenario)


def test_where_the_platform_knows_the_key_nothing_is_left_behind() -> None:
    async def scenario() -> None:
        platform = FakePlatform(
            deduplicates=True, faults=lambda call, number: cut_line(True) if call.op == "send" and number < 2 else None
        )
        async with running(platform) as scheduler:
            await write(scheduler, reply_to(platform, "1"), think=0.0)
        assert platform.chat("1") == [TEXT]

    run(scenario)


def test_a_message_that_was_deleted_is_sent_anew() -> None:
    async def scenario() -> None:
        platform = FakePlatform()
        async with running(platform) as scheduler:
            writing = asyncio.create_task(write(scheduler, reply_to(platform, "1")))
            await asyncio.sleep(3)
            platform.messages.pop("1")
            await writing
        assert platform.chat("1") == [TEXT]

    run(scenario)


def test_a_refused_text_arrives_in_its_plain_form() -> None:
    async def scenario() -> None:
        platform = FakePlatform(
            faults=lambda call, number: MessageRefused("can't parse") if "**" in call.text else None
        )
        async with running(platform) as scheduler:
            await write(scheduler, reply_to(platform, "1"), "Xin **chào** chị Lan nhé ạ.")
        assert platform.chat("1") == ["Xin chào chị Lan nhé ạ."]
        assert platform.failed()["MessageRefused"] == 1

    run(scenario)


def test_a_text_that_is_never_taken_is_given_up() -> None:
    async def scenario() -> None:
        platform = FakePlatform(faults=lambda call, number: MessageRefused("no") if call.op != "typing" else None)
        async with running(platform) as scheduler:
            await write(scheduler, reply_to(platform, "1"))
        assert platform.chat("1") == []
        assert len(platform.texts()) < 30

    run(scenario)


def test_a_reply_to_nobody_ends_quietly() -> None:
    async def scenario() -> None:
        platform = FakePlatform(
            faults=lambda call, number: RecipientGone("blocked") if call.to.chat_id == "1" else None
        )
        async with running(platform) as scheduler:
            reply = reply_to(platform, "1")
            other = asyncio.create_task(write(scheduler, reply_to(platform, "2")))
            with pytest.raises(RecipientGone):
                await write(scheduler, reply)
            assert reply.gone
            with pytest.raises(RecipientGone):
                await scheduler.finish(reply)
            await other
        assert len([call for call in platform.of("1") if call.op != "typing"]) == 1

    run(scenario)


def test_a_library_that_cancels_by_itself_does_not_lose_the_reply() -> None:
    async def scenario() -> None:
        platform = FakePlatform(
            faults=lambda call, number: Fault(asyncio.CancelledError()) if number < 2 else None  # type: ignore[arg-type]
        )
        async with running(platform) as scheduler:
            await write(scheduler, reply_to(platform, "1"), think=0.0)
        assert platform.chat("1") == [TEXT]

    run(scenario)


def test_a_call_that_never_comes_back_is_given_up_after_a_while() -> None:
    async def scenario() -> None:
        delays = iter([10_000.0])
        platform = FakePlatform(latency=lambda: next(delays, 0.05))
        async with running(platform) as scheduler:
            await write(scheduler, reply_to(platform, "1"), think=0.0)
        assert platform.chat("1") == [TEXT]

    run(scenario)


def test_a_reply_that_cannot_be_laid_out_stops_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    def measure(text: str) -> int:
        raise ValueError("a bug")

    async def scenario() -> None:
        platform = FakePlatform()
        async with running(platform) as scheduler:
            broken = StreamedReply(to=Address("fake", "1"), key="k", reply_to=None, max_units=100, measure=measure)
            other = asyncio.create_task(write(scheduler, reply_to(platform, "2")))
            await write(scheduler, broken)
            await other
        assert platform.chat("1") == []
        assert platform.chat("2") == [TEXT]

    run(scenario)
    assert "could not be laid out" in caplog.text
