"""The lock beside the database: one program serves it at a time, and a killed one leaves nothing to clear away."""

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import StorageError, StorageInUse

log = logging.getLogger(__name__)

_WORDS = 200
"""Bytes of the file that say who holds it. Windows lets nobody read what is locked, so the lock is behind them."""


@contextmanager
def locked(database: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[None]:
    """Hold the lock of a database. Raises `StorageInUse` with one sentence when another program holds it.

    The system gives the lock up when the process ends, however it ends; the file stays and means nothing.
    """
    file = _open(database.with_name(f"{database.name}.lock"))
    try:
        try:
            if not _take(file):
                raise StorageInUse(f"{database} is in use: {_holder(file)} Stop that one first.")
        except OSError as exc:
            # Some network file systems know no locks. Serving without is better than not serving.
            log.warning("no lock on %s (%s): see to it that only one program uses it", database, exc.strerror)
        with suppress(OSError):  # a full disk must not keep the shop closed
            _sign(file, now())
        yield
    finally:
        os.close(file)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise StorageError(
            f"The data folder {path.parent} cannot be used: {exc.strerror}. "
            "Make it writable, or set SHOPDESK_DATA to another."
        ) from exc


if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> bool:
        os.lseek(file, _WORDS, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _take(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True


def _sign(file: int, at: datetime) -> None:
    words = f"{os.getpid()} {socket.gethostname()} {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, words.encode()[:_WORDS].ljust(_WORDS))


def _holder(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    parts = os.read(file, _WORDS).decode("utf-8", "replace").split()
    if len(parts) != 5 or not parts[0].isdecimal():
        return "another Shopdesk runs on it."
    process, host, *since = parts
    return f"Shopdesk runs on it as process {process} on {host} since {' '.join(since)}."
