"""The files of the policies that are live, read beside the program that serves them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bot.storage.backup import opened
from bot.storage.faults import failed


def live_files(database: Path) -> dict[str, str] | None:
    """Path in the folder → text; None when there is no database, or nothing is live in it.

    Nothing is written, so it may be asked while the shop is served. Raises `StorageError`.
    """
    if not database.exists():
        return None
    try:
        with closing(opened(database)) as db:
            db.execute("PRAGMA query_only=ON")
            if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'policy_activations'").fetchone():
                return None
            rows = db.execute(
                "SELECT path, text FROM policy_files JOIN policy_texts ON hash = text_hash WHERE version_id = "
                "(SELECT version_id FROM policy_activations ORDER BY id DESC LIMIT 1)"
            ).fetchall()
    except sqlite3.Error as exc:
        raise failed(exc) from exc
    return dict(rows) or None
