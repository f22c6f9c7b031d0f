"""What the platform limits is waited for, by those who are meant and by nobody else."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import pytest

from bot.chat import MessageLimits
from bot.errors import (
    RateLimited,
)
from tests.bot.scheduler.stage import TEXT, check_promises, reply_to, run, running, write
from tests.fakes import TELEGRAM, Call, FakePlatform, run_virtual


def test_a_limited_chat_waits_as_long_as_it_is_told_and_the_others_go_on() -> None:
    async def scenario() -> None:
        def faults(call: Call, number: int) -> Exception | None:
            chat_calls = [one for one in platform.calls if one.to.chat_id == "0" and one.op != "typing"]
            return RateLimited(30.0) if call.to.chat_id == "0" and len(chat_calls) == 2 else None

        platform = FakePlatform(faults=faults)
        async with running(platform) as scheduler:
            replies = [reply_to(platform, str(number)) for number in range(10)]
            late = await asyncio.gather(*[write(scheduler, reply) for reply in replies])
        assert max(late[1:]) < 0.3
        calls = [call for call in platform.texts() if call.to.chat_id == "0"]
        limited = next(number for number, call in enumerate(calls) if call.error)
        assert calls[limited + 1].began >= calls[limited].ended + 30
        assert len(calls) == limited + 2
        assert platform.chat("0") == [TEXT]

    run(scenario)


def test_two_limited_chats_within_a_second_slow_the_whole_account() -> None:
    async def scenario() -> None:
        def faults(call: Call, number: int) -> Exception | None:
            return RateLimited(5.0) if call.to.chat_id in "01" and call.op == "send" and number < 10 else None

        platform = FakePlatform(faults=faults)
        async with running(platform) as scheduler:
            replies = [reply_to(platform, str(number)) for number in range(60)]
            for reply in replies:
                reply.append("Vâng ạ")
                reply.end()
                scheduler.start(reply)
            await asyncio.gather(*[scheduler.finish(reply) for reply in replies])
        assert all(platform.chat(str(number)) == ["Vâng ạ"] for number in range(60))
        times = sorted(call.began for call in platform.texts())
        assert max(after - before for before, after in pairwise(times)) >= 0.9

    run(scenario)


def test_a_limit_for_the_whole_account_stops_every_chat() -> None:
    async def scenario() -> None:
        def faults(call: Call, number: int) -> Exception | None:
            return RateLimited(10.0, whole_account=True) if number == 0 else None

        platform = FakePlatform(faults=faults, limits=replace(TELEGRAM, calls_in_flight=1))
        async with running(platform) as scheduler:
            replies = [reply_to(platform, str(number)) for number in range(5)]
            for reply in replies:
                reply.append("Vâng ạ")
                reply.end()
            await asyncio.gather(*[scheduler.finish(reply) for reply in replies])
        calls = platform.texts()
        assert calls[0].error == "RateLimited"
        assert all(call.began >= calls[0].ended + 10 for call in calls[1:])

    run(scenario)


def test_a_group_gets_its_last_words_within_its_budget() -> None:
    async def scenario() -> None:
        platform = FakePlatform(groups=frozenset({"-1"}))
        async with running(platform) as scheduler:
            for number in range(6):
                late = await write(scheduler, reply_to(platform, "-1", f"k{number}"))
                assert late < 15
        assert platform.failed() == {}
        assert platform.chat("-1") == [TEXT] * 6

    run(scenario)


def test_finals_have_their_turn_when_first_words_never_end() -> None:
    async def scenario() -> None:
        platform = FakePlatform(limits=replace(TELEGRAM, calls_per_second=5.0, calls_burst=5))
        async with running(platform) as scheduler:
            early = [asyncio.create_task(write(scheduler, reply_to(platform, f"early{n}"))) for n in range(10)]
            await asyncio.sleep(4)

            async def flood() -> None:
                for number in range(2000):
                    reply = reply_to(platform, f"flood{number}")
                    reply.append("Vâng ạ")
                    reply.end()
                    scheduler.announce(reply)
                    await asyncio.sleep(0.1)

            flooding = asyncio.create_task(flood())
            late = await asyncio.gather(*early)
            assert max(late) < 40
            assert not flooding.done()
            flooding.cancel()
        assert platform.failed() == {}

    run(scenario)


def test_under_load_refreshes_are_shed_and_first_words_come_first() -> None:
    async def scenario() -> None:
        platform = FakePlatform()
        async with running(platform) as scheduler:
            replies = [reply_to(platform, str(number)) for number in range(300)]
            await asyncio.gather(*[write(scheduler, reply) for reply in replies])
        firsts = [call.began for call in platform.texts() if call.op == "send"]
        edits = [call.began for call in platform.texts() if call.op == "edit"]
        assert len(firsts) == 300
        assert sum(at < max(firsts) - 0.5 for at in edits) < 30
        assert platform.failed() == {}
        check_promises(platform)

    run(scenario)


UNLIMITED = MessageLimits(max_units=100_000, min_interval=0.05, calls_in_flight=1000, marks_growing=True)


def test_without_budgets_only_the_interval_counts() -> None:
    async def scenario() -> None:
        platform = FakePlatform(limits=UNLIMITED, latency=lambda: 0.0)
        async with running(platform) as scheduler:
            await asyncio.gather(*[write(scheduler, reply_to(platform, str(number))) for number in range(50)])
        assert all(platform.chat(str(number)) == [TEXT] for number in range(50))
        assert not any(shown.growing for shown in platform.messages.values())
        times = [call.began for call in platform.of("7", op="edit")]
        assert min(after - before for before, after in pairwise(times[:-1])) >= 0.05 - 1e-6
        assert len(times) > 30

    run(scenario)


@pytest.mark.parametrize("count", [20, 100, 300])
def test_one_chat_that_has_to_wait_long_moves_the_first_and_last_words_of_the_others_by_nothing(count: int) -> None:
    async def others(*, waits: bool) -> tuple[list[float], list[float], FakePlatform]:
        platform = FakePlatform()
        if waits:
            platform.faults = lambda call, number: (
                RateLimited(30.0)
                if call.op == "send" and call.to.chat_id == "0" and not platform.of("0", op="send")
                else None
            )
        async with running(platform) as scheduler:
            began = asyncio.get_running_loop().time() + 0.5
            replies = [reply_to(platform, str(number)) for number in range(count)]
            late = await asyncio.gather(*[write(scheduler, reply) for reply in replies])
        firsts = [reply.first_visible_at - began for reply in replies[1:] if reply.first_visible_at]
        assert all(platform.chat(reply.key) == [TEXT] for reply in replies)
        return sorted(firsts), sorted(late[1:]), platform

    calm_first, calm_late, _ = run_virtual(others(waits=False))
    first, late, platform = run_virtual(others(waits=True))
    assert platform.failed() == {"RateLimited": 1}
    for share in (0.5, 0.95):
        place = int(share * len(first))
        assert first[place] <= max(1.05 * calm_first[place], calm_first[place] + 0.05)
        assert late[place] <= max(1.05 * calm_late[place], calm_late[place] + 0.05)


def test_a_typing_sign_that_is_refused_in_one_chat_costs_the_other_chats_neither_signs_nor_time() -> None:
    async def others(*, waits: bool) -> tuple[list[float], list[list[float]], FakePlatform]:
        platform = FakePlatform()
        if waits:
            platform.faults = lambda call, number: (
                RateLimited(30.0) if call.to.chat_id == "0" and call.op == "typing" else None
            )
        async with running(platform) as scheduler:
            began = asyncio.get_running_loop().time()
            replies = [reply_to(platform, str(number)) for number in range(5)]
            late = await asyncio.gather(*[write(scheduler, reply, think=12.0) for reply in replies])
        signs = [[call.began - began for call in platform.of(str(number), op="typing")] for number in range(5)]
        return late, signs, platform

    calm_late, calm_signs, _ = run_virtual(others(waits=False))
    late, signs, platform = run_virtual(others(waits=True))
    assert platform.failed() == {"RateLimited": 1}
    assert [len(each) for each in calm_signs] == [3] * 5
    for number in range(1, 5):
        assert signs[number] == pytest.approx(calm_signs[number], abs=0.05)
    assert late[1:] == pytest.approx(calm_late[1:], abs=0.05)
    assert min(call.began for call in platform.texts() if call.to.chat_id == "0") >= signs[0][0] + 30


def test_typing_signs_that_are_refused_in_two_chats_within_a_second_slow_the_whole_account() -> None:
    async def scenario() -> None:
        platform = FakePlatform(faults=lambda call, number: RateLimited(5.0) if number < 2 else None)
        async with running(platform) as scheduler:
            replies = [reply_to(platform, str(number)) for number in range(4)]
            for reply in replies:
                scheduler.start(reply)
            await asyncio.sleep(0.8)
            for reply in replies[2:]:
                reply.append("Vâng ạ")
                reply.end()
            await asyncio.gather(*[scheduler.finish(reply) for reply in replies[2:]])
        refused = [call.ended for call in platform.calls if call.error]
        assert len(refused) == 2
        assert min(call.began for call in platform.texts()) >= max(refused) + 0.9

    run(scenario)


def short_answers(count: int, faults: Callable[[Call, int], Exception | None]) -> tuple[list[float], FakePlatform]:
    """When each of many short answers was shown; all of them are complete at the same moment."""

    async def scenario() -> tuple[list[float], FakePlatform]:
        platform = FakePlatform(faults=faults)
        async with running(platform) as scheduler:
            began = asyncio.get_running_loop().time()
            replies = [reply_to(platform, str(number)) for number in range(count)]
            for reply in replies:
                reply.append("Vâng ạ")
                reply.end()
                scheduler.start(reply)
            await asyncio.gather(*[scheduler.finish(reply) for reply in replies])
        assert all(platform.chat(str(number)) == ["Vâng ạ"] for number in range(count))
        return sorted(call.began - began for call in platform.texts()), platform

    return run_virtual(scenario())


def test_two_limited_chats_among_others_that_are_not_stop_nobody_else() -> None:
    at, _ = short_answers(120, lambda call, number: RateLimited(5.0) if number in (40, 45) else None)
    in_time = [moment for moment in at if moment < 4.0]
    assert max(after - before for before, after in pairwise(in_time)) < 0.2


def test_an_account_whose_calls_succeed_is_as_fast_as_before_within_seconds() -> None:
    def twentieth(call: Call, number: int) -> Exception | None:
        return RateLimited(1.0) if number % 20 == 7 and number < 300 else None

    calm, _ = short_answers(300, lambda call, number: None)
    at, platform = short_answers(300, twentieth)
    assert platform.failed()["RateLimited"] == 15
    assert at[-1] < 1.7 * calm[-1]


def test_an_account_that_may_call_less_often_than_was_said_earns_few_refusals() -> None:
    async def scenario() -> Mapping[str, int]:
        platform = FakePlatform()
        async with running(platform) as scheduler:
            platform.limits = replace(TELEGRAM, calls_per_second=15.0, calls_burst=15)
            await asyncio.gather(*[write(scheduler, reply_to(platform, str(number))) for number in range(200)])
        assert all(platform.chat(str(number)) == [TEXT] for number in range(200))
        return platform.failed()

    assert run_virtual(scenario())["RateLimited"] < 60
