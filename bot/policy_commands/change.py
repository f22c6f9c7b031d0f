"""Changes what is live: through the program that runs, which alone may write, or without it when none does."""

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from bot.control import Commands, NotListening, ask
from bot.errors import ControlError, Problem, StorageError, StorageInUse
from bot.policies.examine import examine
from bot.policies.life import Change, LivePolicies
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.lock import locked
from bot.storage.policies import PolicyVersions
from bot.storage.reading import is_there
from bot.text import clean, one_line

_TRIES, _PAUSE = 30, 0.1
"""A program that begins has the lock before it listens."""
_LONGEST = 200
"""Characters of a reason."""


def policies_of(settings: Settings, versions: PolicyVersions) -> LivePolicies:
    """The policies as the settings name them; `open` is not called yet."""
    return LivePolicies(
        versions,
        settings.shopdesk_prompts,
        language=settings.shopdesk_language,
        is_manual=settings.shopdesk_policies == "manual",
        hosts=settings.shopdesk_link_hosts,
        timezone=ZoneInfo(settings.shopdesk_timezone),
        examine=examine,
    )


def commands_of(policies: LivePolicies) -> Commands:
    """What a program that runs can be asked to do with its policies."""

    async def activate(arguments: Mapping[str, Any]) -> Any:
        name, force = str(arguments["version"]), bool(arguments["force"])
        return asdict(await policies.activate(name, **_by(arguments), force=force))

    async def rollback(arguments: Mapping[str, Any]) -> Any:
        return asdict(await policies.rollback(**_by(arguments)))

    return {"policies.activate": activate, "policies.rollback": rollback}


async def activate(settings: Settings, version: str, *, why: str, force: bool = False) -> Change:
    """Make a version live. Raises a `ShopdeskError` when there is none of that name, or nobody who can do it."""
    return await _changed(settings, "policies.activate", version=version, who=operator(), why=why, force=force)


async def rollback(settings: Settings, *, why: str) -> Change:
    """Go back to the version that was live before. Raises a `ShopdeskError` when there is none."""
    if not is_there(settings.database):
        raise StorageError(f"There is no {settings.database} yet: nothing was live before.")
    return await _changed(settings, "policies.rollback", who=operator(), why=why)


def operator() -> str:
    """Who types: the name that the system knows him by."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown"


async def _changed(settings: Settings, command: str, **arguments: Any) -> Change:
    for _ in range(_TRIES):
        try:
            async with _alone(settings) as policies:
                return _change(await commands_of(policies)[command](arguments))
        except StorageInUse as exc:
            in_use = exc
        try:
            return _change(await ask(settings.shopdesk_data, command, **arguments))
        except NotListening:
            await asyncio.sleep(_PAUSE)
    raise ControlError(f"{in_use} It takes no commands: it is an older version, or about to end.")


@asynccontextmanager
async def _alone(settings: Settings) -> AsyncIterator[LivePolicies]:
    """The policies of a shop that no program serves. Raises `StorageInUse` when one does."""
    with locked(settings.database):
        database = await Database.open(settings.database)
        try:
            yield policies_of(settings, PolicyVersions(database))
        finally:
            await database.close()


def _by(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Who and why, each as one line: the history shows them so."""
    return {key: one_line(clean(str(arguments[key])), _LONGEST) for key in ("who", "why")}


def _change(value: Any) -> Change:
    problems = tuple(Problem(**problem) for problem in value["problems"])
    return Change(value["version"], value["before"], problems, value["may_force"])
