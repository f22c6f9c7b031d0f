"""What comes in from Discord: who is meant, who may ask, and in which order it is handed on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import discord

from adapters.discord.calls import Calls
from adapters.discord.client import NO_MENTIONS
from adapters.discord.commands import language_of
from adapters.discord.deliveries import Deliveries, deliver
from adapters.discord.heard import Heard
from adapters.discord.missed import Missed
from adapters.discord.places import Places
from adapters.discord.reading import DIRECT, NAME, address_of, is_addressed, is_words, place_of, read_message
from adapters.discord.slash import SlashAnswers, slash_id
from adapters.discord.staff import Staff
from bot.chat import Address, Command, InboundMessage, Receive, UnreadableUpdate
from bot.errors import PlatformError, RateLimited, Unavailable
from bot.text import clean, one_line

log = logging.getLogger(__name__)

Sentence = Callable[[str, str | None], str]
"""Gives a sentence of `prompts/` by its key, in a language such as `vi`; None: the shop's own."""


class Incoming:
    """Takes the events of one connection and hands those that are for the bot to `receive`."""

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
        self._deliveries = Deliveries(capacity=capacity, on_room=lambda: self._missed.there_is_room())
        self._missed = Missed(
            self._hand_on_missed, places=places, deliveries=self._deliveries, calls=calls, pauses=pauses
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
        known = edited and self._heard.knows(message.id)
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

    async def _hand_on_missed(self, client: discord.Client, message: discord.Message) -> None:
        me = client.user
        if me is not None and is_words(message) and is_addressed(message, me):
            await self._hand_on(client, message, me, edited=False)

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
                _read(message, me, edited=edited),
                self._pauses,
                late=lambda: self._tell_writer(message, told),
            )
        finally:
            if taken:
                self._missed.is_done(message)
            else:
                self._heard.forget(message, before)
                self._missed.stays_behind(message)
        for sentence in told:
            await self._take_back(sentence)

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
        return await self._calls.make(self._staff.is_user(client, user_id), f"user {user_id}")

    async def take(self, interaction: discord.Interaction, command: Command | None, text: str) -> None:
        """A slash command was used: answer within the three seconds that Discord gives, then hand it on."""
        language = language_of(interaction.locale)
        channel = interaction.channel
        if not await self._admit(interaction, language) or channel is None:
            return
        address = address_of(channel)
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


def _read(message: discord.Message, me: discord.ClientUser, *, edited: bool) -> InboundMessage | UnreadableUpdate:
    try:
        return read_message(message, me, edited=edited)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        return UnreadableUpdate(NAME, str(message.id), repr(message), f"{type(exc).__name__}: {exc}")


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
