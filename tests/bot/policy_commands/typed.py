"""A terminal at which the words about tests and questions are typed, and a shop with a past."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner, Result

from bot.chat import Address, Source
from bot.errors import ShopdeskError
from bot.llm.base import ChatModel
from bot.policies.live import Policies
from bot.policy_commands.asked import add_asked
from bot.policy_commands.change import policies_of
from bot.policy_commands.tried import add_tests
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.messages import Messages
from bot.storage.policies import PolicyVersions
from bot.storage.turns import Answer, Gap, Timings, Turns
from tests.bot.policies.shop import good_files, write
from tests.fake_model import ScriptedModel
from tests.words import LAN, message

TESTS = "- ask: đổi trả mấy ngày?\n  finds: vi/returns › Thời hạn đổi trả\n  says: 7 ngày\n"


class Typed:
    """`settings` are of a shop in `folder`; `model` is what `--model` names."""

    def __init__(self, folder: Path, *, tests: str = TESTS) -> None:
        self.settings = Settings(_env_file=None, shopdesk_data=folder / "data", shopdesk_prompts=folder / "prompts")
        self.prompts = write(folder / "prompts", good_files() | {"tests/a.yaml": tests})
        self.model = ScriptedModel(lambda request: ("Trong 7 ", "ngày ạ."))
        self._number = 0

    def type(self, *words: str) -> Result:
        app = typer.Typer()

        @app.callback()
        def group(context: typer.Context) -> None:
            context.obj = None

        add_tests(app, leave=leave, settings=lambda file: self.settings, model=self._make)
        add_asked(app, leave=leave, settings=lambda file: self.settings)
        return CliRunner().invoke(app, words)

    def json(self, *words: str) -> Any:
        return json.loads(self.type(*words, "--json").stdout)

    def start(self) -> None:
        """The program runs for a moment: what is in the folder goes live."""
        self.write(lambda database: policies_of(self.settings, PolicyVersions(database)).open())

    def asks(self, text: str, *, source: str = "", gap: bool = False, at: Address = LAN) -> None:
        """A customer asked, and was answered from a section or from none, a minute ago."""
        self.write(lambda database: self._ask(database, text, source, gap, at))

    def write(self, work: Callable[[Database], Awaitable[object]]) -> None:
        async def run() -> None:
            database = await Database.open(self.settings.database)
            try:
                await work(database)
            finally:
                await database.close()

        asyncio.run(run())

    async def _ask(self, database: Database, text: str, source: str, gap: bool, address: Address) -> None:
        self._number += 1
        at = datetime.now(UTC) - timedelta(minutes=1)
        messages, turns = Messages(database), Turns(database)
        received = await messages.receive(message(text, self._number, at=address), at=at)
        conversation, waiting = await messages.waiting(received.conversation_id)
        sources = (Source(source, "Đổi trả", "Thời hạn đổi trả", "Trong **7 ngày** kể từ ngày nhận."),)
        answer = Answer(
            asked=text,
            role="customer",
            text="Trong 7 ngày ạ.",
            outcome="complete",
            reply_key=f"r{self._number}",
            language="vi",
            policy_version="a" * 64,
            sources=sources if source else (),
            gap=Gap(text) if gap else None,
            timings=Timings(request_ms=1),
        )
        await turns.store(conversation.id, waiting, answer, at=at)

    def _make(self, settings: Settings, policies: Policies) -> ChatModel:
        return self.model


def leave(action: object) -> None:
    """Runs what a command does and ends with its status, as `bot.cli` does."""
    assert callable(action)
    try:
        status = action()
    except ShopdeskError as exc:
        typer.echo(str(exc), err=True)
        status = 2
    raise typer.Exit(status)
