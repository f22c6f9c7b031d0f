"""The words of `shopdesk model`: switch the model off and on, and see how it stands.

The status is 0 when all is well, 1 when the model is off, 2 when the command could not run.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from bot.checks import CheckResult
from bot.control import Commands, NotListening, ask
from bot.errors import ControlError, StorageError, StorageInUse
from bot.model_switch import NAME, WHILE_OFF, ModelSwitch, words_of
from bot.notices import Notice
from bot.policy_commands.change import operator
from bot.policy_commands.options import AsJson, EnvFile, Leave
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.lock import locked
from bot.storage.reading import ReadOnlyDatabase, is_current
from bot.storage.switches import Switches, Turned
from bot.text import clean, one_line

GOOD, IS_OFF = 0, 1
_TRIES, _PAUSE = 30, 0.1
"""A program that begins has the lock before it listens."""
_LONGEST = 200
"""Characters of a reason."""
Reason = Annotated[str, typer.Option(help="Why; it is kept, and shown by status, check and stats.")]


def commands_of(switch: ModelSwitch) -> Commands:
    """What a program that runs can be asked to do with its model."""

    async def turn(arguments: Mapping[str, Any]) -> Any:
        who, why = (one_line(clean(str(arguments[key])), _LONGEST) for key in ("who", "why"))
        changed = await switch.turn(bool(arguments["is_on"]), who=who, why=why)
        return {"changed": changed} | values_of(switch.last)

    return {"model.turn": turn}


def values_of(last: Turned | None) -> dict[str, Any]:
    """How the switch stands, as plain values."""
    if last is None:
        return {"on": True, "since": None, "who": None, "reason": None}
    return {"on": last.is_on, "since": last.at.isoformat(), "who": last.who, "reason": last.why}


async def turn(settings: Settings, is_on: bool, *, why: str) -> dict[str, Any]:
    """Turn the switch, through the program that runs if one does. Raises a `ShopdeskError`."""
    arguments: dict[str, Any] = {"is_on": is_on, "who": operator(), "why": why}
    for _ in range(_TRIES):
        try:
            async with _alone(settings) as switch:
                return dict(await commands_of(switch)["model.turn"](arguments))
        except StorageInUse as exc:
            in_use = exc
        try:
            return dict(await ask(settings.shopdesk_data, "model.turn", **arguments))
        except NotListening:
            await asyncio.sleep(_PAUSE)
    raise ControlError(f"{in_use} It takes no commands: it is an older version, or about to end.")


async def status(settings: Settings) -> Turned | None:
    """How the switch was turned last, read beside the program that may be running. Raises `StorageError`."""
    if not settings.database.exists() or not await is_current(settings.database):
        return None  # one that an older program has written has no switch yet
    return await Switches(ReadOnlyDatabase(settings.database)).last(NAME)


async def check_switch(settings: Settings) -> tuple[CheckResult, ...]:
    """A row for `shopdesk check` while the model is switched off; none otherwise."""
    try:
        last = await status(settings)
    except StorageError:  # the row of the storage says it
        return ()
    if last is None or last.is_on:
        return ()
    return (CheckResult("switch", "warning", words_of(last), WHILE_OFF, values_of(last)),)


def model_commands(*, leave: Leave, settings: Callable[[Path | None], Settings]) -> typer.Typer:
    """The group of words. `leave` runs an action and ends with its status, `settings` reads them from a file."""
    app = typer.Typer(no_args_is_help=True, help="Switch the model off and on; what it costs is in `stats`.")

    @app.command()
    def off(context: typer.Context, reason: Reason = "", as_json: AsJson = False, env_file: EnvFile = None) -> None:
        """Ask no model any more, from this moment: customers get the policies word for word. Survives a restart."""
        leave(lambda: _turn(settings(env_file or context.obj), False, reason, as_json=as_json))

    @app.command()
    def on(context: typer.Context, reason: Reason = "", as_json: AsJson = False, env_file: EnvFile = None) -> None:
        """Ask the model again."""
        leave(lambda: _turn(settings(env_file or context.obj), True, reason, as_json=as_json))

    @app.command("status")
    def status_(context: typer.Context, as_json: AsJson = False, env_file: EnvFile = None) -> None:
        """Say whether the model is on, since when, by whom and why; status 1 when it is off."""
        leave(lambda: _status(settings(env_file or context.obj), as_json=as_json))

    return app


def _turn(settings: Settings, is_on: bool, reason: str, *, as_json: bool) -> int:
    done = asyncio.run(turn(settings, is_on, why=reason.strip()))
    if as_json:
        _print(json.dumps(done, ensure_ascii=False, indent=2))
    else:
        words = words_of(asyncio.run(status(settings)))
        _print(f"{'' if done['changed'] else 'Nothing changed. '}{words}{'' if is_on else f' {WHILE_OFF}'}")
    return GOOD


def _status(settings: Settings, *, as_json: bool) -> int:
    last = asyncio.run(status(settings))
    values = {"model": settings.model} | values_of(last)
    _print(json.dumps(values, ensure_ascii=False, indent=2) if as_json else f"{words_of(last)} ({settings.model})")
    return GOOD if values["on"] else IS_OFF


def _print(text: str) -> None:
    Console(highlight=False).print(Text(clean(text)), soft_wrap=True)


@asynccontextmanager
async def _alone(settings: Settings) -> AsyncIterator[ModelSwitch]:
    """The switch of a shop that no program serves. Raises `StorageInUse` when one does."""
    with locked(settings.database):
        database = await Database.open(settings.database)
        try:
            switch = ModelSwitch(Switches(database), notify=_quietly)
            await switch.load()
            yield switch
        finally:
            await database.close()


def _quietly(notice: Notice) -> None:
    """Who types sees what came of it."""
