"""Shows staff what became of their words: an emoji under them, and the reason where something failed."""

import logging
from collections.abc import Mapping

import discord

from adapters.discord.client import NO_MENTIONS
from adapters.discord.desk.forum import Forum
from adapters.discord.keys import nonce_of
from adapters.discord.newest import Newest
from bot.desk import Mark
from bot.errors import AccountRejected

log = logging.getLogger(__name__)

EMOJI: Mapping[Mark, str] = {"delivered": "✅", "failed": "⚠️", "note": "📝"}
_REMEMBERED = 5000
_LONGEST_REASON = 500


class Marks:
    """Marks of the newest messages, in memory; of one from before this process Discord is asked."""

    def __init__(self, *, forum: Forum) -> None:
        self._forum = forum
        self._started = discord.utils.time_snowflake(discord.utils.utcnow())
        self._known: Newest[int, Mark] = Newest(_REMEMBERED)
        self._reasons: Newest[int, int] = Newest(_REMEMBERED)
        self._may_not = False

    async def show(self, thread_id: int, message_id: str, mark: Mark, reason: str) -> None:
        """See `StaffDesk.mark`. What was written by a command is no message that could be marked."""
        if not message_id.isdecimal():
            return
        number = int(message_id)
        earlier = await self._earlier(thread_id, number)
        if earlier != mark:
            await self._react(thread_id, number, mark, earlier)
        if mark == "failed" and reason:
            await self._give_reason(thread_id, number, reason)
        elif (given := self._reasons.pop(number, None)) is not None:
            partial = self._forum.place(thread_id).get_partial_message(given)
            await self._forum.awake(partial.delete, thread_id)
        self._known[number] = mark

    async def _earlier(self, thread_id: int, message_id: int) -> Mark | None:
        if message_id in self._known or message_id > self._started:
            return self._known.get(message_id)
        there = await self._forum.call(self._forum.place(thread_id).fetch_message(message_id), thread_id)
        own = {str(one.emoji).replace("\ufe0f", "") for one in there.reactions if one.me}
        return next((mark for mark, emoji in EMOJI.items() if emoji.replace("\ufe0f", "") in own), None)

    async def _react(self, thread_id: int, message_id: int, mark: Mark, earlier: Mark | None) -> None:
        partial = self._forum.place(thread_id).get_partial_message(message_id)
        me = self._forum.client.user
        try:
            if earlier is not None and me is not None:
                await self._forum.awake(lambda: partial.remove_reaction(EMOJI[earlier], me), thread_id)
            await self._forum.awake(lambda: partial.add_reaction(EMOJI[mark]), thread_id)
        except AccountRejected as exc:
            # What staff wrote is where it should be: that nothing shows it is no reason to stop.
            if not self._may_not:
                log.warning("Discord: what became of staff's words is not shown: give the bot Add Reactions. %s", exc)
            self._may_not = True

    async def _give_reason(self, thread_id: int, message_id: int, reason: str) -> None:
        reason = " ".join(reason.split())[:_LONGEST_REASON]
        reference = discord.MessageReference(message_id=message_id, channel_id=thread_id, fail_if_not_exists=False)

        async def send() -> discord.Message:
            return await self._forum.place(thread_id).send(
                f"-# ⚠️ {discord.utils.escape_markdown(reason)}",
                reference=reference,
                mention_author=False,
                nonce=nonce_of(f"reason:{message_id}:{reason}"),
                suppress_embeds=True,
                allowed_mentions=NO_MENTIONS,
            )

        self._reasons[message_id] = (await self._forum.awake(send, thread_id)).id
