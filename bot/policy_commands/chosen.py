"""The policies that a command is about: what is live, an older version, the shop's folder or another one."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.errors import StorageError
from bot.policies.candidate import stored_candidate
from bot.policies.check import read_prompts
from bot.policies.live import Policies
from bot.policies.naming import FOLDER
from bot.policies.version import version_of
from bot.policy_commands.seen import files_of, versions_in
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Chosen:
    """Policies, and what to call them."""

    name: str
    policies: Policies


async def chosen(settings: Settings, name: str, folder: Path | None = None) -> Chosen:
    """The policies of that name, or of a folder. Raises `PromptsError` when they do not check, `StorageError` when
    there is none of that name."""
    language, zone = settings.shopdesk_language, ZoneInfo(settings.shopdesk_timezone)
    if folder is None and name.strip().lower() == FOLDER:
        folder = settings.shopdesk_prompts
    if folder is not None:
        where = folder

        def read() -> Policies:
            prompts = read_prompts(where, language=language)
            return Policies(prompts, version_of(prompts.files), language, timezone=zone)

        return Chosen(str(folder), await asyncio.to_thread(read))
    async with versions_in(settings) as versions:
        files = await files_of(settings, versions, name)
    candidate = await asyncio.to_thread(stored_candidate, version_of(files.texts), files.texts, language=language)
    if candidate.prompts is None:
        raise StorageError(f"Version {files.name} does not check with this program: {candidate.problems[0]}")
    prompts = candidate.prompts
    policies = await asyncio.to_thread(Policies, prompts, candidate.digest, language, timezone=zone)
    return Chosen(f"version {files.name}", policies)
