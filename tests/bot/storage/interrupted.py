"""Cancels a coroutine at its n-th suspension, in every way that a task can be cancelled there."""

import asyncio
import itertools
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

Moment = Callable[[asyncio.Task[Any], Any], None]
"""Given the task and what it waits for: has the task cancelled."""


def at_once(task: asyncio.Task[Any], awaited: Any) -> None:
    """Nothing of what it waits for has begun."""
    task.cancel()


def meanwhile(task: asyncio.Task[Any], awaited: Any) -> None:
    """What it waits for has been taken up, on another thread as a rule."""
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: loop.call_soon(task.cancel))


def too_late(task: asyncio.Task[Any], awaited: Any) -> None:
    """What it waits for is done; the task does not know so yet."""
    if isinstance(awaited, asyncio.Future):
        # Ahead of the task's own: that one is added when this one returns.
        awaited.add_done_callback(lambda _: task.cancel())
    else:
        task.cancel()


MOMENTS: tuple[Moment, ...] = (at_once, meanwhile, too_late)


async def interrupt(work: Coroutine[Any, Any, Any], at: int, moment: Moment) -> bool:
    """Run it as a task that is cancelled at its suspension number `at` (from 0). False: it has ended before that."""
    came = False

    @types.coroutine
    def stepped() -> Generator[Any, Any, Any]:
        nonlocal came
        step, value = work.send, None
        for number in itertools.count():
            try:
                awaited = step(value)
            except StopIteration as end:
                return end.value
            if number == at:
                came = True
                task = asyncio.current_task()
                assert task is not None
                moment(task, awaited)
            try:
                step, value = work.send, (yield awaited)
            except BaseException as exc:  # noqa: BLE001 - a coroutine is told what is thrown into it
                step, value = work.throw, exc

    async def run() -> Any:
        return await stepped()

    outcome = (await asyncio.gather(asyncio.create_task(run()), return_exceptions=True))[0]
    if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
        raise outcome
    return came
