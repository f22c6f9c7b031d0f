"""What the tests of the scheduler share: replies that a model writes, and time that passes by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from bot.chat import Address
from bot.reply import StreamedReply
from bot.scheduler import SendScheduler
from tests.fakes import Call, FakePlatform, run_virtual

TEXT = ("Áo được đổi trong 7 ngày kể từ khi nhận hàng, còn nguyên tem mác ạ. " * 12).strip()


def reply_to(platform: FakePlatform, chat: str, key: str = "") -> StreamedReply:
    return StreamedReply(
        to=Address("fake", chat), key=key or chat, reply_to=None,
        max_units=platform.limits.max_units, measure=platform.measure,
        marks_growing=platform.limits.marks_growing,
    )  # fmt: skip


@asynccontextmanager
async def running(platform: FakePlatform, *, in_doubt: bool = False) -> AsyncIterator[SendScheduler]:
    loop = asyncio.get_running_loop()
    scheduler = SendScheduler(platform, clock=loop.time, in_doubt=in_doubt)
    task = asyncio.create_task(scheduler.run())
    await asyncio.sleep(5)
    try:
        yield scheduler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def write(
    scheduler: SendScheduler, reply: StreamedReply, text: str = TEXT, *, rate: float = 40.0, think: float = 0.5
) -> float:
    """Let a model write; when all of it is shown, how long that took after the last word."""
    scheduler.start(reply)
    await asyncio.sleep(think)
    for at in range(0, len(text), 4):
        reply.append(text[at : at + 4])
        scheduler.announce(reply)
        await asyncio.sleep(1 / rate)
    reply.end()
    ended = asyncio.get_running_loop().time()
    await scheduler.finish(reply)
    return asyncio.get_running_loop().time() - ended


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(scenario())


def check_promises(platform: FakePlatform) -> None:
    """What holds whatever happened: never two calls for one message, never the same text again."""
    assert platform.overlaps == 0
    last: dict[str, Call] = {}
    for call in platform.texts():
        before = last.get(call.message_id)
        if not call.error and before is not None:
            assert (before.text, before.growing and platform.limits.marks_growing) != (call.text, call.growing)
        if not call.error:
            last[call.message_id] = call
        elif call.message_id:
            last.pop(call.message_id, None)
