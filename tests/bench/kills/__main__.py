"""Kill the program and see what its customers see.

    python -m tests.bench.kills sweep [--door telegram|discord|web] [--quick] [STEP ...]    every step of its way
    python -m tests.bench.kills random [--messages N] [--kills N] [--seed N] [--keep FOLDER]   random moments
    python -m tests.bench.kills recovery [N]                                            while N replies are written

Everything is judged by what the stand-ins show to customers. A process is killed with SIGKILL and started again.
"""

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.chaos import load
from tests.bench.kills import recovery, steady
from tests.bench.kills.doors import OUTSIDE, steps_at
from tests.bench.kills.sweep import HEAD, PASSES, rows, sweep


async def swept(doors: Sequence[str], chosen: Sequence[str], *, quick: bool, at_once: int) -> None:
    for door in doors:
        began = time.monotonic()
        steps = [step for step in steps_at(door) if not chosen or step in chosen]
        outcomes = await sweep(door, steps, PASSES[:1] if quick else PASSES, at_once=at_once)
        print(f"\n{door}\n{HEAD}")
        print("\n".join(rows(steps, outcomes)))
        print(f"{time.monotonic() - began:.0f} s; {load()}", flush=True)


async def at_random(messages: int, kills: int, seed: int, keep: Path | None) -> None:
    print("\n".join(steady.report(await steady.run(messages, kills, seed=seed, keep=keep))), load(), sep="\n")


async def recovered(count: int) -> None:
    print("\n".join(recovery.report(await recovery.recover(count))), load(), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kills")
    words = parser.add_subparsers(dest="word", required=True)
    word = words.add_parser("sweep", help="kill at every step")
    word.add_argument("steps", metavar="STEP", nargs="*", help="only these")
    word.add_argument("--door", choices=tuple(OUTSIDE), help="one door only")
    word.add_argument("--quick", action="store_true", help="only the first pass of each step")
    word.add_argument("--at-once", type=int, default=4, help="so many programs side by side")
    word = words.add_parser("random", help="kill at random moments")
    word.add_argument("--messages", type=int, default=2_000)
    word.add_argument("--kills", type=int, default=200)
    word.add_argument("--seed", type=int, default=1)
    word.add_argument("--keep", type=Path, metavar="FOLDER", help="where database and log go when something is lost")
    word = words.add_parser("recovery", help="kill while many replies are written")
    word.add_argument("count", metavar="N", type=int, nargs="?", default=500)
    given = parser.parse_args()
    if unknown := set(getattr(given, "steps", ())) - {step for door in OUTSIDE for step in steps_at(door)}:
        parser.error(f"no such step: {', '.join(sorted(unknown))}")
    # Programs that run must not be left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A stand-in that talks to a process that was killed reports it as an error of its own.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    if given.word == "sweep":
        doors = [given.door] if given.door else list(OUTSIDE)
        asyncio.run(swept(doors, given.steps, quick=given.quick, at_once=given.at_once))
    elif given.word == "random":
        asyncio.run(at_random(given.messages, given.kills, given.seed, given.keep))
    else:
        asyncio.run(recovered(given.count))


if __name__ == "__main__":
    main()
