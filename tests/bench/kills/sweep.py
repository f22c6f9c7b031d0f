"""The program is killed at one step of its way and started again: what became of everybody's questions."""

import asyncio
import tempfile
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.failpoints import STEPS
from tests.bench.kills.doors import SECOND_LIFE, Door, opened, steps_at
from tests.bench.kills.judge import Verdict
from tests.bench.kills.stage import Victim, killer, life

PASSES = (1, 2, 3, 5, 8, 13, 21)
_QUIET = 0.6
_LONGEST = 30.0
_PATIENCE = 120.0
"""On a machine that has much else to do; nobody waits so long when all goes well."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One kill: `seconds` from the next start until everybody had all answers; infinity: they never had."""

    step: str
    passes: int
    verdict: Verdict
    seconds: float
    errors: str


async def sweep(door: str, steps: Sequence[str], passes: Sequence[int], *, at_once: int) -> list[Outcome]:
    """Kill at each step, at its first pass and at later ones, as long as there are so many."""
    turns, outcomes = asyncio.Semaphore(at_once), list[Outcome]()

    async def step_by_step(step: str) -> None:
        for number in passes:
            async with turns:
                outcome = await kill_at(door, step, number)
            if outcome is None:
                return
            outcomes.append(outcome)

    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(step_by_step(step))
    return sorted(outcomes, key=lambda one: (steps_at(door).index(one.step), one.passes))


async def kill_at(door: str, step: str, passes: int) -> Outcome | None:
    """Everybody writes, the program dies at the n-th pass of a step, and is started again. None: it never came
    to that pass."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with opened(door) as stage:
            if stage.greets:
                await _get_acquainted(folder, stage)
            if step.endswith(SECOND_LIFE):
                if not await _dies_again(folder, stage, step, passes):
                    return None
                verdict, seconds = await _recovered(folder, stage, wrote=True)
                return Outcome(step, passes, verdict, seconds, _errors(folder / "log"))
            writing: asyncio.Task[None] | None = None
            before = stage.starts
            async with life(folder, stage.settings, f"{step}:{passes}" if step in STEPS else "") as victim:
                if step not in STEPS:
                    stage.watch(killer(step, passes, victim.kill))
                if await _lives(victim, stage.until(lambda: stage.starts > before, _PATIENCE)):
                    writing = asyncio.create_task(stage.write())
                    if await _lives(victim, _all_answered(stage, writing)) and not await _dies_ending(victim):
                        return None
            stage.watch(lambda step: None)
            if writing is not None:
                await writing
            verdict, seconds = await _recovered(folder, stage, wrote=writing is not None)
        return Outcome(step, passes, verdict, seconds, _errors(folder / "log"))


async def _dies_ending(victim: Victim) -> bool:
    """Whether the step comes when the program is told to end."""
    victim.end()
    await asyncio.wait_for(victim.dead.wait(), _LONGEST)
    return victim.killed


async def _get_acquainted(folder: Path, stage: Door) -> None:
    """A life without a kill, in which everybody writes a first message and is answered."""
    async with life(folder, stage.settings) as first:
        await stage.until(lambda: stage.starts > 0, _LONGEST)
        stage.greet()
        await stage.until(lambda: not stage.verdict().lost, _PATIENCE)
        await asyncio.sleep(_QUIET)
        first.end()
        await asyncio.wait_for(first.dead.wait(), _LONGEST)


async def _dies_again(folder: Path, stage: Door, step: str, passes: int) -> bool:
    """Killed in the middle of its answers, started again, told to end, and killed at a step of that life. False:
    it never came to that pass."""
    before = stage.starts
    async with life(folder, stage.settings) as first:
        await stage.until(lambda: stage.starts > before, _PATIENCE)
        writing = asyncio.create_task(stage.write())
        stage.watch(killer("model:delta", 2, first.kill))
        await asyncio.wait_for(first.dead.wait(), _LONGEST)
    stage.watch(lambda step: None)
    await writing
    async with life(folder, stage.settings, f"{step}:{passes}") as second:
        # What waits is taken up before the platform is connected to, and given back when the program ends.
        if step.endswith("give_back") and await _lives(
            second, stage.until(lambda: stage.starts > before + 1, _PATIENCE)
        ):
            second.end()
        with suppress(TimeoutError):
            await asyncio.wait_for(second.dead.wait(), _LONGEST)
        return second.killed


async def _recovered(folder: Path, stage: Door, *, wrote: bool) -> tuple[Verdict, float]:
    before = stage.starts
    async with life(folder, stage.settings) as second:
        if not (wrote and stage.keeps):
            await stage.until(lambda: stage.starts > before, _PATIENCE)
        if not wrote:
            await stage.write()
        stage.write_again()
        try:
            await stage.until(lambda: not stage.verdict().lost, _PATIENCE)
            seconds = asyncio.get_running_loop().time() - second.born
            await asyncio.sleep(_QUIET)
        except TimeoutError:
            seconds = float("inf")
        return stage.verdict(), seconds


async def _all_answered(stage: Door, writing: asyncio.Task[None]) -> None:
    await asyncio.shield(writing)
    await stage.until(lambda: not stage.verdict().lost, _PATIENCE)
    await asyncio.sleep(_QUIET)


async def _lives(victim: Victim, waiting: Coroutine[Any, Any, None]) -> bool:
    """Whether the program is still alive when that has come to its end."""
    tasks = {asyncio.create_task(waiting), asyncio.create_task(victim.dead.wait())}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not victim.dead.is_set():
            for task in done:
                task.result()
        return not victim.dead.is_set()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _errors(log: Path) -> str:
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return "\n".join(lines) if any("Traceback" in line for line in lines) else ""


HEAD = f"{'step':42} kills  lost  double  beginnings  strange  order   slowest recovery"


def rows(steps: Iterable[str], outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The table: a line for each step, one for all, and below what went wrong."""
    for step in steps:
        own = [one for one in outcomes if one.step == step]
        yield row(step, own) if own else f"{step:42} never reached"
    yield row("all", outcomes)
    for one in outcomes:
        verdict = one.verdict
        for what in ("lost", "doubled", "strange", "disordered"):
            if found := getattr(verdict, what):
                yield f"  {one.step}:{one.passes}: {what}: {'; '.join(found)}"
        if one.errors:
            yield f"  {one.step}:{one.passes}: the log holds a traceback\n{one.errors}"


def row(name: str, outcomes: Sequence[Outcome]) -> str:
    verdicts = [one.verdict for one in outcomes]
    return (
        f"{name:42} {len(outcomes):5d} {sum(len(one.lost) for one in verdicts):5d}"
        f" {sum(len(one.doubled) for one in verdicts):7d} {sum(one.beginnings for one in verdicts):11d}"
        f" {sum(len(one.strange) for one in verdicts):8d} {sum(len(one.disordered) for one in verdicts):6d}"
        f" {max((one.seconds for one in outcomes), default=0.0):14.1f} s"
    )
