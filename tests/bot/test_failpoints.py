"""Failpoints: every step has a name, is passed where it says, and the twins are otherwise what they wrap."""

import ast
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.chat import Address, InboundMessage, OutboundMessage, UnreadableUpdate
from bot.errors import SettingsError
from bot.failpoints import DESK_WRITES, STEPS, WRITES, FailingDatabase, FailingModel, FailingPlatform, failpoint_of
from bot.llm.base import Finished, ModelMessage, ModelRequest
from bot.storage.database import Database
from bot.storage.messages import Messages
from tests.fake_model import ScriptedModel
from tests.fakes import FakePlatform
from tests.words import message

STORAGE = Path(__file__).parent.parent.parent / "bot" / "storage"
LAN = Address("fake", "lan")
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def methods_that_write() -> set[str]:
    """Class and method of everything in the storage that hands a function to `Database.write`."""
    found = set[str]()
    for path in STORAGE.glob("*.py"):
        for kind in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for method in kind.body if isinstance(kind, ast.ClassDef) else ():
                calls = (node.func for node in ast.walk(method) if isinstance(node, ast.Call))
                writes = any(
                    isinstance(call, ast.Attribute) and ast.unparse(call) == "self._database.write" for call in calls
                )
                if writes and isinstance(method, ast.AsyncFunctionDef) and isinstance(kind, ast.ClassDef):
                    found.add(f"{kind.name}.{method.name}")
    return found


def test_every_transaction_is_a_step() -> None:
    assert {*WRITES, *DESK_WRITES} == methods_that_write()
    assert len(set(STEPS)) == len(STEPS)


@pytest.mark.parametrize("value", ["nothing:1", "send", "send:whole", "send:whole:0", "send:whole:-1", "delta:x", ":1"])
def test_a_wrong_failpoint_is_one_sentence_with_all_the_names(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        failpoint_of(value)
    assert str(caught.value).startswith("FAILPOINT is wrong: ")
    assert all(step in str(caught.value) for step in STEPS)


def test_the_process_ends_at_the_pass_that_was_named_and_at_no_other() -> None:
    deaths: list[str] = []
    failpoint = failpoint_of("sent:whole:2", die=lambda: deaths.append("dead"))
    for step in ("sent:whole", "send:whole", "sent:growing"):
        failpoint.reached(step)
    assert deaths == []
    failpoint.reached("sent:whole")
    assert deaths == ["dead"]
    failpoint.reached("sent:whole")
    assert deaths == ["dead"]


async def test_calls_are_steps_before_and_behind_them() -> None:
    steps: list[str] = []
    platform = FailingPlatform(FakePlatform(strict=False, latency=lambda: 0.0), steps.append)
    ref = await platform.send(LAN, OutboundMessage("Dạ", growing=True), key="a")
    await platform.edit(ref, OutboundMessage("Dạ vâng", growing=True))
    await platform.edit(ref, OutboundMessage("Dạ vâng ạ."))
    await platform.send(LAN, OutboundMessage("Hết."), key="b")
    await platform.show_typing(LAN)
    assert steps == [
        *("send:growing", "sent:growing", "edit:growing", "edited:growing"),
        *("edit:whole", "edited:whole", "send:whole", "sent:whole", "typing", "typed"),
    ]


async def test_a_delta_is_a_step_and_the_answer_is_the_models() -> None:
    steps: list[str] = []
    model = FailingModel(ScriptedModel(script=lambda request: ("Dạ ", "vâng.")), steps.append)
    async with aclosing(model.stream(ModelRequest("", (ModelMessage("user", "?"),)))) as events:
        answer = [event async for event in events]
    assert steps == ["request", "delta", "delta", "finished"]
    assert isinstance(answer[-1], Finished)


async def test_a_stream_that_is_closed_early_is_closed_at_the_model() -> None:
    scripted = ScriptedModel(script=lambda request: ("Dạ ", "vâng."))
    async with aclosing(FailingModel(scripted, lambda name: None).stream(ModelRequest("", ()))) as events:
        await anext(events)
    assert scripted.broken_off == 1


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "shopdesk.db")
    yield opened
    await opened.close()


async def test_a_transaction_is_a_step_before_it_is_on_the_disk_and_one_after(database: Database) -> None:
    steps: list[str] = []
    messages = Messages(FailingDatabase(database, steps.append))
    received = await messages.receive(message("Dạ"), at=NOON)
    assert steps == ["write:Messages.receive", "committed:Messages.receive"]
    _, waiting = await messages.waiting(received.conversation_id)
    assert [stored.id for stored in waiting] == [received.inbox_id]


async def test_what_dies_inside_a_transaction_leaves_nothing_of_it(database: Database) -> None:
    def die() -> None:
        raise RuntimeError("dead")

    messages = Messages(FailingDatabase(database, failpoint_of("write:Messages.receive:1", die=die).reached))
    with pytest.raises(RuntimeError):
        await messages.receive(message("Dạ"), at=NOON)
    assert await database.read(lambda db: db.execute("SELECT count(*) FROM inbox").fetchone()[0]) == 0


async def test_a_delivery_is_a_step_before_it_is_stored_and_one_after() -> None:
    steps: list[str] = []

    class Door(FakePlatform):
        async def run(self, receive, ready) -> None:  # type: ignore[no-untyped-def]
            await receive(message("Dạ"))

    async def receive(item: InboundMessage | UnreadableUpdate) -> None:
        steps.append("stored")

    await FailingPlatform(Door(strict=False, latency=lambda: 0.0), steps.append).run(receive, lambda words: None)
    assert steps == ["receive", "stored", "received"]
