"""What comes in from Discord: who is meant, who may ask, and in which order it is handed on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial

import discord

from adapters.discord.calls import Calls
from adapters.discord.client import NO_MENTIONS
from adapters.discord.commands import language_of
from adapters.discord.deliveries import Deliveries, deliver
from adapters.discord.desk.said import Said
from adapters.discord.heard import Heard
from adapters.discord.missed import Missed
from adapters.discord.newest import Newest
from adapters.discord.places import Places
from adapters.discord.reading import (
    DIRECT,
    NAME,
    address_of,
    gone_from_post,
    is_addressed,
    is_words,
    place_of,
    post_address,
    read_in_post,
    read_message,
)
from adapters.discord.slash import SlashAnswers, slash_id
from adapters.discord.staff import Staff
from bot.chat import Address, Command, InboundMessage, Receive, UnreadableUpdate
from bot.errors import PlatformError, RateLimited, Unavailable
from bot.text import clean, one_line

log = logging.getLogger(__name__)

Sentence = Callable[[str, str | None], str]
"""Gives a sentence of `prompts/` by its key, in a language such as `vi`; None: the shop's own."""


class Incoming:
    """Takes the events of one connection and hands those that are for the bot to `receive`. In the posts of the
    forum `forum_id` that is all that staff write. `slow_calls` are those that nobody waits for an answer by."""

    def __init__(
        self,
        receive: Receive,
        *,
        staff: Staff,
        slash: SlashAnswers,
        heard: Heard,
        places: Places,
        calls: Calls,
        sentence: Sentence,
        pauses: Sequence[float],
        stop_patience: float,
        capacity: int,
        slow_calls: Calls,
        said: Said,
        forum_id: int | None = None,
    ) -> None:
        self._receive = receive
        self._staff = staff
        self._slash = slash
        self._heard = heard
        self._places = places
        self._calls = calls
        self._sentence = sentence
        self._pauses = pauses
        self._stop_patience = stop_patience
        self._slow_calls = slow_calls
        self._said = said
        self._forum_id = forum_id
        self._posts: Newest[int, None] = Newest(5000)
        self._deliveries = Deliveries(capacity=capacity, on_room=lambda: self._missed.there_is_room())
        self._missed = Missed(
            self._hand_on_missed,
            places=places,
            deliveries=self._deliveries,
            calls=slow_calls,
            pauses=pauses,
            is_post=self._is_post,
            compare=self._find_deletions,
        )

    async def close(self) -> None:
        await self._deliveries.close()

    def begin_session(self, client: discord.Client) -> None:
        self._missed.begin_session(client)

    def server_is_here(self, client: discord.Client, guild: discord.Guild) -> None:
        self._missed.server_is_here(client, guild)

    def all_are_here(self, client: discord.Client) -> None:
        self._missed.all_are_here(client)

    def hear(self, client: discord.Client, message: discord.Message, *, edited: bool) -> None:
        """A message was written or changed. Whoever is no staff is not answered and not even told so."""
        me = client.user
        if me is None:
            return
        known = self._is_post(message.channel) or (edited and self._heard.knows(message.id))
        if not (is_words(message) and (known or is_addressed(message, me))):
            self._missed.passes(message)
            return
        if not edited:
            self._missed.comes(client, message)
            if self._missed.is_behind(message.channel.id):
                return
        if not self._deliveries.add(message.channel.id, lambda: self._hand_on(client, message, me, edited=edited)):
            if edited:
                log.error("The edit of message %s is not taken: too many wait already", message.id)
            else:
                self._missed.falls_behind(client, message)

    def lose(self, client: discord.Client, channel_id: int, message_ids: Collection[int]) -> None:
        """Messages were deleted. In a post that concerns the customer; who wrote them is not said."""
        channel = client.get_channel(channel_id)
        if channel_id not in self._posts and (channel is None or not self._is_post(channel)):
            return
        for message_id in sorted(message_ids):
            if not self._deliveries.add(channel_id, partial(self._hand_on_deletion, channel_id, message_id)):
                log.error("The deletion of message %s is not taken: too many wait already", message_id)

    async def _find_deletions(self, channel_id: int, there: Sequence[int], since: int, until: int) -> None:
        for message_id in self._said.missing(channel_id, there, since=since, until=until):
            await self._hand_on_deletion(channel_id, message_id)

    async def _hand_on_deletion(self, channel_id: int, message_id: int) -> None:
        async def late() -> None:
            log.warning("The deletion of message %s waits", message_id)

        gone = gone_from_post(message_id, channel_id, datetime.now(UTC))
        if await deliver(self._receive, gone, self._pauses, late=late):
            await self._said.forget(channel_id, message_id)

    def _is_post(self, channel: object) -> bool:
        """Whether this is a post of the desk. One that is closed is only known if something was heard in it."""
        if self._forum_id is None:
            return False
        if isinstance(channel, discord.Thread) and channel.parent_id == self._forum_id:
            self._posts[channel.id] = None
            return True
        return getattr(channel, "id", 0) in self._posts

    async def _hand_on_missed(self, client: discord.Client, message: discord.Message, *, edited: bool = False) -> None:
        me = client.user
        if me is not None and is_words(message) and (self._is_post(message.channel) or is_addressed(message, me)):
            await self._hand_on(client, message, me, edited=edited)

    async def _hand_on(
        self, client: discord.Client, message: discord.Message, me: discord.ClientUser, *, edited: bool
    ) -> None:
        if not self._heard.is_new(message):
            return
        begun = await self._is_begun(message.channel, message.id)
        try:
            may_ask = await self._may_ask(client, message)
        except PlatformError:
            self._missed.stays_behind(message)
            raise
        if not may_ask:
            self._missed.is_done(message)
            if begun:
                self._places.forget(place_of(message.channel))
            return
        before, taken = self._heard.note(message), False
        told: list[discord.Message] = []
        try:
            taken = await deliver(
                self._receive,
                self._read(message, me, edited=edited),
                self._pauses,
                late=lambda: self._tell_writer(message, told),
            )
        finally:
            if taken:
                if self._is_post(message.channel):
                    await self._said.note(message.channel.id, message.id)
                self._missed.is_done(message)
            else:
                self._heard.forget(message, before)
                self._missed.stays_behind(message)
        for sentence in told:
            await self._take_back(sentence)

    def _read(
        self, message: discord.Message, me: discord.ClientUser, *, edited: bool
    ) -> InboundMessage | UnreadableUpdate:
        try:
            read = read_in_post if self._is_post(message.channel) else read_message
            return read(message, me, edited=edited)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            return UnreadableUpdate(NAME, str(message.id), repr(message), f"{type(exc).__name__}: {exc}")

    async def _is_begun(self, channel: discord.abc.Snowflake, first_id: int) -> bool:
        """Whether somebody is heard in private for the first time: only by our own record is this place found again."""
        place = place_of(channel)
        begun = place.startswith(DIRECT) and self._places.mark(place) is None
        if begun:
            self._places.reached(place, first_id - 1)
            await self._places.write()
        return begun

    async def _tell_writer(self, message: discord.Message, told: list[discord.Message]) -> None:
        """Answer that the message was not taken; the answer is added to `told`."""
        reply = message.reply(self._sentence("not_taken", None), mention_author=False, allowed_mentions=NO_MENTIONS)
        try:
            told.append(await self._calls.make(reply, f"channel {message.channel.id}"))
        except PlatformError as exc:
            log.warning("Message %s was not taken, and its writer could not be told so: %s", message.id, exc)

    async def _take_back(self, sentence: discord.Message) -> None:
        """The message was taken after all: who reads that it was not would ask again."""
        try:
            await self._calls.make(sentence.delete(), f"channel {sentence.channel.id}")
        except PlatformError as exc:
            log.warning("Message %s could not be removed: %s", sentence.id, exc)

    async def _may_ask(self, client: discord.Client, message: discord.Message) -> bool:
        if isinstance(message.author, discord.Member):
            return self._staff.is_member(client, message.author)
        for pause in self._pauses:
            try:
                return await self._ask_discord(client, message.author.id)
            except (Unavailable, RateLimited) as exc:
                log.warning("Message %s waits: %s", message.id, exc)
            await asyncio.sleep(pause)
        return await self._ask_discord(client, message.author.id)

    async def _ask_discord(self, client: discord.Client, user_id: int) -> bool:
        if (known := self._staff.known(user_id)) is not None:
            return known
        return await self._slow_calls.make(self._staff.is_user(client, user_id), f"user {user_id}")

    async def take(self, interaction: discord.Interaction, command: Command | None, text: str) -> None:
        """A slash command was used: answer within the three seconds that Discord gives, then hand it on."""
        language = language_of(interaction.locale)
        channel = interaction.channel
        if not await self._admit(interaction, language) or channel is None:
            return
        address = address_of(channel)
        if self._is_post(channel) and command in (None, "stop"):
            # Plain words would be for the customer there.
            address, command = post_address(channel.id), command or "ask"
        reply_to = await self._defer(interaction, address, ephemeral=command == "stop")
        message = _command_message(interaction, address, command, text, reply_to)

        async def not_taken() -> None:
            if reply_to is not None:
                await self._tell(interaction, "not_taken", language)

        async def work() -> None:
            await self._is_begun(channel, interaction.id)
            taken = await deliver(self._receive, message, self._pauses, late=not_taken)
            if not taken and reply_to is not None:
                self._slash.drop(reply_to)
            elif command == "stop" and reply_to is not None:
                # On a line of its own, named by the command: what comes next in the channel does not wait.
                self._deliveries.add(interaction.id, partial(self._confirm_stop, interaction, reply_to, language))

        if not self._deliveries.add(channel.id, work):
            await not_taken()

    async def _admit(self, interaction: discord.Interaction, language: str) -> bool:
        """Whether the command comes from staff; everybody else is told that it is not for them."""
        if interaction.guild_id is not None:
            staff = self._staff.is_member(interaction.client, interaction.user)
        else:
            # Discord must be asked who this is, and that may take longer than it waits for us.
            await self._show_thinking(interaction)
            try:
                staff = await self._ask_discord(interaction.client, interaction.user.id)
            except PlatformError as exc:
                log.warning("Command %s was not taken: %s", interaction.id, exc)
                await self._tell(interaction, "not_taken", language)
                return False
        if not staff:
            await self._tell(interaction, "staff_only", language)
        return staff

    async def _confirm_stop(self, interaction: discord.Interaction, reply_to: str, language: str) -> None:
        """An answer that was stopped ends without a word to this command: give one, unless nothing ran and
        that was said."""
        await asyncio.sleep(self._stop_patience)
        if self._slash.pending(reply_to) is not None:
            self._slash.drop(reply_to)
            await self._tell(interaction, "stopped", language)

    async def _defer(self, interaction: discord.Interaction, address: Address, *, ephemeral: bool) -> str | None:
        """What an answer must name to appear as the answer of this command; None: it was too late for that."""
        if not await self._show_thinking(interaction, ephemeral=ephemeral):
            return None
        self._slash.add(address, interaction)
        return slash_id(interaction)

    async def _show_thinking(self, interaction: discord.Interaction, *, ephemeral: bool = False) -> bool:
        if interaction.response.is_done():
            return True
        try:
            await self._calls.make(
                interaction.response.defer(thinking=True, ephemeral=ephemeral), f"command {interaction.id}"
            )
        except PlatformError as exc:
            log.warning("Command %s could not be deferred: %s", interaction.id, exc)
            return False
        return True

    async def _tell(self, interaction: discord.Interaction, key: str, language: str) -> None:
        """A sentence of our own: only for its reader, where others could read along."""
        text = self._sentence(key, language)
        if interaction.response.is_done():
            told: Awaitable[object] = interaction.edit_original_response(content=text, allowed_mentions=NO_MENTIONS)
        else:
            told = interaction.response.send_message(text, ephemeral=True, allowed_mentions=NO_MENTIONS)
        try:
            await self._calls.make(told, f"command {interaction.id}")
        except PlatformError as exc:
            log.warning("Command %s could not be answered: %s", interaction.id, exc)


def _command_message(
    interaction: discord.Interaction, address: Address, command: Command | None, text: str, reply_to: str | None
) -> InboundMessage:
    return InboundMessage(
        message_id=slash_id(interaction),
        address=address,
        sender_id=str(interaction.user.id),
        sender_name=one_line(clean(interaction.user.display_name)),
        text=clean(text).strip(),
        sent_at=interaction.created_at,
        role="staff",
        command=command,
        reply_to=reply_to,
        language=language_of(interaction.locale),
    )
