"""The forum's webhook, through which a customer's words stand in the post under his own name."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import discord

from adapters.discord.calls import Calls
from adapters.discord.desk.failures import (
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    TOO_MANY_WEBHOOKS,
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
    WHERE,
    code_of,
)
from adapters.discord.desk.once import Once
from adapters.discord.failures import CALL_ERRORS, platform_error
from bot.chat import File
from bot.errors import PlatformError, RateLimited

log = logging.getLogger(__name__)

NAME = "Shopdesk"
_ASKED_AGAIN = 600.0


class Hook:
    """One webhook of a forum, found again by its name and maker. Where there can be none it says so, and the bot
    itself must write; that is looked at again every ten minutes."""

    def __init__(self, *, once: Once, calls: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._once = once
        self._calls = calls
        self._clock = clock
        self._found: discord.Webhook | None = None
        self._forum_id = 0
        self._none_until = 0.0
        self._one_at_a_time = asyncio.Lock()

    def forget(self) -> None:
        """Look for it again: the connection that it was found by is another one now."""
        self._found, self._none_until = None, 0.0

    async def write(
        self, forum: discord.ForumChannel, thread_id: int, body: Mapping[str, Any], files: Sequence[File]
    ) -> int | None:
        """The id of the new message; None: there is no webhook, or no room in its limits. Raises a `PlatformError`."""
        for _ in range(2):
            hook = await self._hook(forum)
            if hook is None:
                return None
            try:
                sent = await self._once.post(
                    f"/webhooks/{hook.id}/{hook.token}",
                    body,
                    bucket=f"webhook:{hook.id}",
                    files=files,
                    query={"wait": "true", "thread_id": str(thread_id)},
                    signed=False,
                )
                return int(sent["id"])
            except CALL_ERRORS as exc:
                error = platform_error(exc, f"post {thread_id}")
                if isinstance(error, RateLimited):
                    return None
                if not (isinstance(exc, discord.HTTPException) and exc.code == UNKNOWN_WEBHOOK):
                    raise error from exc
                self._found = None  # somebody has deleted it
            except RateLimited:
                return None
        return None

    async def edit(self, forum: discord.ForumChannel, thread_id: int, message_id: int, content: str) -> bool:
        """Whether this is a message of the webhook's, which shows `content` now. Raises a `PlatformError`."""
        hook = await self._hook(forum)
        if hook is None:
            return False
        edit = hook.edit_message(
            message_id,
            content=content,
            allowed_mentions=discord.AllowedMentions.none(),
            thread=discord.Object(thread_id),
        )
        try:
            await self._calls.make(edit, f"post {thread_id}")
        except PlatformError as exc:
            if code_of(exc) == UNKNOWN_WEBHOOK:
                self._found = None
                return False
            if code_of(exc) == UNKNOWN_MESSAGE:
                return False
            raise
        return True

    async def _hook(self, forum: discord.ForumChannel) -> discord.Webhook | None:
        if self._found is not None and self._forum_id == forum.id:
            return self._found
        async with self._one_at_a_time:
            if (self._found is None or self._forum_id != forum.id) and self._clock() >= self._none_until:
                try:
                    self._found, self._forum_id = await self._find_or_make(forum), forum.id
                except PlatformError as exc:
                    self._cannot(exc)
            return self._found

    async def _find_or_make(self, forum: discord.ForumChannel) -> discord.Webhook:
        where, me = f"forum {forum.id}", forum.guild.me
        for hook in await self._calls.make(forum.webhooks(), where):
            if hook.token and hook.name == NAME and hook.user is not None and hook.user.id == me.id:
                return hook
        return await self._calls.make(forum.create_webhook(name=NAME), where)

    def _cannot(self, exc: PlatformError) -> None:
        if code_of(exc) not in (MISSING_ACCESS, MISSING_PERMISSIONS, TOO_MANY_WEBHOOKS):
            raise exc
        self._found, self._none_until = None, self._clock() + _ASKED_AGAIN
        reason = "delete one of its 15 webhooks" if code_of(exc) == TOO_MANY_WEBHOOKS else "give it Manage Webhooks"
        log.warning(
            "Discord: customers' words stand in the desk's posts under the bot's name: for their own %s (%s).",
            reason,
            WHERE,
        )
