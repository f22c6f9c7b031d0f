"""The write-ahead log: kept bounded, since SQLite starts it over only when no reader is looking at it."""

import logging
import math
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

LIMIT = 64 * 2**20
"""Bytes. SQLite folds the log back every 4 MB; it grows past this only under readers that never all pause."""
_PAUSE_FOR_READERS = 200
"""Milliseconds that writes may wait for the readers of the moment to finish."""
_AGAIN = 5.0
"""Seconds between two such pauses, when a reader stays longer."""


def was_left_open(database: Path) -> bool:
    """Whether whoever served a database last was killed, or another tool has it open at the moment. Ask before it is
    opened: SQLite removes the log when the last connection closes."""
    return Path(f"{database}-wal").exists()


class BoundedLog:
    """Call it on the writer's thread after each transaction."""

    def __init__(self, database: Path, limit: int = LIMIT, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = f"{database}-wal"
        self._limit = limit
        self._clock = clock
        self._tried = -math.inf

    def __call__(self, db: sqlite3.Connection) -> None:
        """Fold the log back and empty it if it is too large. A long reader prevents that: then again later."""
        try:
            size = os.stat(self._path).st_size
        except OSError:
            return
        if size < self._limit or self._clock() - self._tried < _AGAIN:
            return
        self._tried = self._clock()
        before = db.execute("PRAGMA busy_timeout").fetchone()[0]
        db.execute(f"PRAGMA busy_timeout={_PAUSE_FOR_READERS}")
        try:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as exc:
            log.warning("the write-ahead log of %d MB cannot be folded back: %s", size >> 20, exc)
        finally:
            db.execute(f"PRAGMA busy_timeout={before}")
