"""Who waits long for his first words sees a typing sign, also when the account has hardly a call to spare."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from bot.reply import StreamedReply
from tests.bot.scheduler.stage import TEXT, reply_to, running, write
from tests.fakes import FakePlatform, run_virtual

Waits = dict[str, float]
WORDS = TEXT * 2


async def crowded(answers: int, waiting: int) -> tuple[list[float], list[float], Waits, FakePlatform]:
    """So many answers grow for 20 s, and so many people wait for the model. Seconds: of each answer until its first
    words and from its end until it is complete, sorted; of who waits until the typing sign."""
    platform = FakePlatform()
    async with running(platform) as scheduler:
        loop = asyncio.get_running_loop()
        replies = [reply_to(platform, f"a{number}") for number in range(answers)]
        began = loop.time()
        growing = [asyncio.create_task(write(scheduler, reply, WORDS, rate=20.0)) for reply in replies]
        await asyncio.sleep(6.0)
        since = loop.time()
        others = [reply_to(platform, f"w{number}") for number in range(waiting)]
        for reply in others:
            scheduler.start(reply)
        late = sorted(await asyncio.gather(*growing))
        for reply in others:
            scheduler.drop(reply)
    signs: Waits = {}
    for call in platform.calls:
        if call.op == "typing" and call.to.chat_id.startswith("w"):
            signs.setdefault(call.to.chat_id, call.ended - since)
    assert all(platform.chat(f"a{number}") == [WORDS] for number in range(answers))
    return firsts(replies, began), late, signs, platform


def firsts(replies: Sequence[StreamedReply], began: float) -> list[float]:
    return sorted(reply.first_visible_at - began for reply in replies if reply.first_visible_at is not None)


def test_who_waits_while_others_read_growing_answers_sees_a_typing_sign_within_seconds() -> None:
    _, _, signs, platform = run_virtual(crowded(100, 40))
    assert len(signs) == 40
    assert min(signs.values()) >= 3.0
    assert max(signs.values()) < 7.0
    assert platform.failed() == {}


def test_signs_for_people_who_wait_make_no_text_later_and_answers_go_on_growing() -> None:
    calm_first, calm_late, _, calm = run_virtual(crowded(100, 0))
    first, late, _, platform = run_virtual(crowded(100, 400))
    for share in (0.5, 0.95):
        place = int(share * len(first))
        assert first[place] <= calm_first[place] + 0.1
        assert late[place] <= calm_late[place] + 0.3
    assert len(platform.texts()) > 0.6 * len(calm.texts())


def test_a_sign_that_was_owed_is_not_shown_a_second_time_at_once() -> None:
    _, _, _, platform = run_virtual(crowded(40, 30))
    for number in range(30):
        times = [call.began for call in platform.of(f"w{number}", op="typing")]
        assert all(after - before >= 3.9 for before, after in pairwise(times))
