"""Shows staff what became of their words: an emoji under them, and the reason where something failed."""

import logging
from collections.abc import Mapping

import discord

from adapters.discord.client import NO_MENTIONS
from adapters.discord.desk.cards import Words
from adapters.discord.desk.forum import Forum
from adapters.discord.failures import CALL_ERRORS
from adapters.discord.keys import nonce_of
from adapters.discord.newest import Newest
from adapters.discord.slash import SlashAnswers
from bot.desk import Mark
from bot.errors import AccountRejected

log = logging.getLogger(__name__)

EMOJI: Mapping[Mark, str] = {"delivered": "✅", "failed": "⚠️", "note": "📝"}
_REMEMBERED = 5000
_LONGEST_REASON = 500


class Marks:
    """Marks of the newest messages, in memory; of one from before this process Discord is asked."""

    def __init__(self, *, forum: Forum, slash: SlashAnswers, words: Words) -> None:
        self._forum = forum
        self._slash = slash
        self._words = words
        self._started = discord.utils.time_snowflake(discord.utils.utcnow())
        self._known: Newest[int, Mark] = Newest(_REMEMBERED)
        self._reasons: Newest[int, int] = Newest(_REMEMBERED)
        self._may_not = False

    async def show(self, thread_id: int, message_id: str, mark: Mark, reason: str) -> None:
        """See `StaffDesk.mark`. What was written by a command is marked in the command's answer."""
        if not message_id.isdecimal():
            await self._answer(message_id, mark, reason)
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

    async def _answer(self, command: str, mark: Mark, reason: str) -> None:
        interaction = self._slash.pending(command)
        if interaction is None:
            return  # nobody can be told any more: the command is of long ago
        words = self._words(f"desk_mark_{mark}")
        content = f"{EMOJI[mark]} {words} {' '.join(reason.split())}".strip()[:1900]
        try:
            await interaction.edit_original_response(content=content, allowed_mentions=NO_MENTIONS)
        except CALL_ERRORS as exc:
            log.warning("Command %s could not be answered: %s", interaction.id, type(exc).__name__)
