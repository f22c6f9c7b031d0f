"""The kill switch: what is stored counts, and who turned it is on record."""

import sqlite3
from pathlib import Path

import pytest

from bot.errors import StorageError
from bot.model_switch import ModelSwitch, words_of
from bot.notices import Notice
from bot.storage.database import Database
from bot.storage.switches import Switches
from tests.words import NOON


async def test_it_is_on_until_it_is_turned_and_stays_as_it_was_turned(tmp_path: Path) -> None:
    told: list[Notice] = []
    for turns, is_on in ((False, True), (True, False), (None, True)):
        database = await Database.open(tmp_path / "shopdesk.db")
        switch = ModelSwitch(Switches(database), notify=told.append, now=lambda: NOON)
        await switch.load()
        assert switch.is_on() is is_on
        if turns is not None:
            assert await switch.turn(turns, who="mai", why="trả lời sai" if not turns else "")
            assert not await switch.turn(turns, who="mai", why="nữa")
        await database.close()
    assert [(one.kind, one.about, one.is_over) for one in told] == [
        ("model", "switch", False),
        ("model", "switch", True),
    ]
    assert told[0].words.startswith("The model is switched off since 2026-11-20 12:00 UTC, by mai: trả lời sai. Custom")
    assert told[1].words == words_of(switch.last) == "The model is on since 2026-11-20 12:00 UTC, by mai."
    assert words_of(None) == "The model is on."


async def test_what_cannot_be_stored_is_not_turned(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "shopdesk.db")
    switch = ModelSwitch(Switches(database))
    with sqlite3.connect(database.path) as other:
        other.execute("DROP TABLE switches")
    other.close()
    with pytest.raises(StorageError):
        await switch.turn(False, who="mai", why="")
    assert switch.is_on()
    await database.close()
