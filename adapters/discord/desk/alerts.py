"""What all staff are told outside of the posts: in a channel of its own, where alone the staff's role is called."""

import logging
from collections.abc import Callable

import discord

from adapters.discord.calls import Calls
from adapters.discord.desk.failures import (
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    UNKNOWN_CHANNEL,
    code_of,
)
from adapters.discord.desk.journal import Journal
from adapters.discord.keys import nonce_of
from adapters.discord.newest import Newest
from bot.errors import AccountRejected, PlatformError, Unavailable

log = logging.getLogger(__name__)

_LONGEST = 1900
_KEPT = 1000


class Alerts:
    """Without a channel an alert is only logged, by its key: what it says may name a customer."""

    def __init__(
        self,
        channel_id: int | None,
        *,
        role_id: int | None,
        connected: Callable[[], discord.Client],
        calls: Calls,
        journal: Journal,
        formatted: Callable[[str], str],
    ) -> None:
        self._channel_id = channel_id
        self._role_id = role_id
        self._connected = connected
        self._calls = calls
        self._journal = journal
        self._formatted = formatted
        self._told: Newest[str, None] = Newest(_KEPT)

    async def tell(self, text: str, key: str) -> None:
        """See `StaffDesk.alert`."""
        if self._channel_id is None:
            log.warning("Alert %s is shown nowhere: set DISCORD_ALERTS_CHANNEL_ID", key)
            return
        if key in self._told:
            return
        content = self._content(text)
        place = f"alert:{nonce_of(key)}"
        before = await self._journal.begin(place, key, self._newest())
        if before is None or not await self._is_there(content, before):
            await self._send(content, key)
        await self._journal.forget(place)
        self._told[key] = None

    def _content(self, text: str) -> str:
        words = self._formatted(text).strip()
        words = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
        return f"<@&{self._role_id}> {words}" if self._role_id is not None else words

    def _newest(self) -> int:
        channel = self._connected().get_channel(self._channel_id or 0)
        return getattr(channel, "last_message_id", None) or 0

    async def _send(self, content: str, key: str) -> None:
        roles = [discord.Object(self._role_id)] if self._role_id is not None else []
        mentions = discord.AllowedMentions(everyone=False, users=False, roles=roles, replied_user=False)
        send = self._place().send(content, nonce=nonce_of(key), suppress_embeds=True, allowed_mentions=mentions)
        try:
            await self._calls.make(send, f"channel {self._channel_id}")
        except PlatformError as exc:
            if not (isinstance(exc, Unavailable) and exc.maybe_applied):
                await self._journal.forget(f"alert:{nonce_of(key)}")
            raise self._error(exc) from exc

    async def _is_there(self, content: str, after: int) -> bool:
        client = self._connected()

        async def page() -> list[discord.Message]:
            history = self._place().history(limit=100, after=discord.Object(after), oldest_first=True)
            return [message async for message in history]

        try:
            there = await self._calls.make(page(), f"channel {self._channel_id}")
        except PlatformError as exc:
            raise self._error(exc) from exc
        me = client.user.id if client.user else 0
        return any(one.author.id == me and one.content.split() == content.split() for one in there)

    def _place(self) -> discord.PartialMessageable:
        return self._connected().get_partial_messageable(self._channel_id or 0)

    def _error(self, exc: PlatformError) -> PlatformError:
        if code_of(exc) == UNKNOWN_CHANNEL:
            return AccountRejected(
                f"Discord: there is no channel {self._channel_id}: set DISCORD_ALERTS_CHANNEL_ID to the id of one."
            )
        if code_of(exc) in (MISSING_ACCESS, MISSING_PERMISSIONS):
            return AccountRejected(
                f"Discord: the bot may not write alerts into the channel {self._channel_id}: give it View Channel, "
                "Send Messages and Read Message History (in the channel's settings, under Permissions)."
            )
        return exc
