"""The program between its stand-ins, in a process that can be killed and started again in a moment.

Its modules are loaded once, and each start is a fork of that (on Linux and macOS): a start costs a fraction of a
second instead of three. From there on it is the program as its operator starts it.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.__main__ import main
from tests.bench.program import PROMPTS

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["bot.__main__"])


@dataclass(slots=True)
class Victim:
    """One life of the program. `born` and `died` are monotonic seconds."""

    pid: int
    dead: asyncio.Event = field(default_factory=asyncio.Event)
    killed: bool = False
    """Whether it ended by SIGKILL."""
    born: float = field(default_factory=time.monotonic)
    died: float = 0.0

    def kill(self) -> None:
        """`kill -9`; nothing, when it is dead already."""
        if not self.dead.is_set():
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """SIGTERM: the program is to end in good order; nothing, when it is dead already."""
        if not self.dead.is_set():
            os.kill(self.pid, signal.SIGTERM)

    def found_dead(self, *, killed: bool) -> None:
        self.killed = killed
        self.died = time.monotonic()
        self.dead.set()


@asynccontextmanager
async def life(folder: Path, settings: Mapping[str, str], failpoint: str = "") -> AsyncIterator[Victim]:
    """The program from here on, with its data and its output in `folder`; killed at the end if it still lives."""
    process = _FORKS.Process(target=_serve, args=(environment(folder, settings, failpoint), str(folder / "log")))
    await asyncio.to_thread(process.start)
    assert process.pid is not None
    victim, loop = Victim(process.pid), asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(process.sentinel)
        process.join()
        victim.found_dead(killed=process.exitcode == -signal.SIGKILL)

    loop.add_reader(process.sentinel, ended)
    try:
        yield victim
    finally:
        victim.kill()
        await victim.dead.wait()
        process.join()
        process.close()


def environment(folder: Path, settings: Mapping[str, str], failpoint: str = "") -> dict[str, str]:
    """The variables of the program; what is not in `settings` is off."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH") if name in os.environ}
    common = {
        "SHOPDESK_DATA": str(folder / "data"),
        "SHOPDESK_PROMPTS": str(PROMPTS),
        "SHOPDESK_WEB": "off",
        "SHOPDESK_LOG_LEVEL": "warning",
        "SHOPDESK_BACKUP_KEEP": "0",
        "FAILPOINT": failpoint,
    }
    return {**kept, **common, **settings}


def _serve(variables: Mapping[str, str], log: str) -> None:
    """In the new process: become the program."""
    os.environ.clear()
    os.environ.update(variables)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["shopdesk", "run"]
    main()


def killer(step: str, passes: int, kill: Callable[[], None]) -> Callable[[str], None]:
    """A witness of a stand-in that kills at the n-th pass of a step, and never again."""
    left = passes

    def witness(passed: str) -> None:
        nonlocal left
        if passed == step:
            left -= 1
            if left == 0:
                kill()

    return witness
