"""Kill the program and see what its customers see.

python -m tests.bench.kills sweep [--door telegram|discord] [--quick] [STEP ...]    at every step of its way
"""

import argparse
import asyncio
import time
from collections.abc import Sequence

from tests.bench.kills.doors import OUTSIDE, steps_at
from tests.bench.kills.sweep import HEAD, PASSES, rows, sweep


async def swept(doors: Sequence[str], chosen: Sequence[str], *, quick: bool, at_once: int) -> None:
    for door in doors:
        began = time.monotonic()
        steps = [step for step in steps_at(door) if not chosen or step in chosen]
        outcomes = await sweep(door, steps, PASSES[:1] if quick else PASSES, at_once=at_once)
        print(f"\n{door}\n{HEAD}")
        print("\n".join(rows(steps, outcomes)))
        print(f"{time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kills")
    words = parser.add_subparsers(dest="word", required=True)
    word = words.add_parser("sweep", help="kill at every step")
    word.add_argument("steps", metavar="STEP", nargs="*", help="only these")
    word.add_argument("--door", choices=tuple(OUTSIDE), help="one door only")
    word.add_argument("--quick", action="store_true", help="only the first pass of each step")
    word.add_argument("--at-once", type=int, default=4, help="so many programs side by side")
    given = parser.parse_args()
    asyncio.run(
        swept([given.door] if given.door else list(OUTSIDE), given.steps, quick=given.quick, at_once=given.at_once)
    )


if __name__ == "__main__":
    main()
