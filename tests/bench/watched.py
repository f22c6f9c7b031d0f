"""The program, which writes down every second what it holds: `python -m tests.bench.watched FILE` (Linux).

A line of FILE is JSON: seconds on the monotonic clock, process, resident memory in MB, open files, asyncio's
tasks, and the size of the write-ahead log in MB.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from bot import app
from bot.errors import ShopdeskError
from bot.logs import secrets_of, set_up_logging
from bot.settings import Settings, read_settings

_PAGE = os.sysconf("SC_PAGE_SIZE")


async def main(settings: Settings, file: Path) -> None:
    watching = asyncio.create_task(watch(settings.database.with_name("shopdesk.db-wal"), file))
    try:
        await app.run(settings, announce=lambda line: None)
    finally:
        watching.cancel()


async def watch(log: Path, file: Path) -> None:
    """Write a line every second, until cancelled."""
    while True:
        write(log, file, len(asyncio.all_tasks()))
        await asyncio.sleep(1.0)


def write(log: Path, file: Path, tasks: int) -> None:
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 2**20
    files = len(os.listdir("/proc/self/fd"))
    wal = log.stat().st_size / 2**20 if log.exists() else 0.0
    line = [time.monotonic(), os.getpid(), resident, files, tasks, wal]
    with file.open("a", encoding="ascii") as lines:
        lines.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    given = read_settings(None)
    set_up_logging(given.shopdesk_log_level, secrets=secrets_of(given))
    try:
        asyncio.run(main(given, Path(sys.argv[1])))
    except ShopdeskError as exc:
        sys.exit(str(exc))
