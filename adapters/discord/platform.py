"""The Discord platform: what staff write comes in, and the bot's answers go out and grow."""

import asyncio
import io
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import lru_cache, partial

import discord
from discord.http import Route

from adapters.discord.budget import Budget
from adapters.discord.calls import Calls
from adapters.discord.client import NO_MENTIONS, DeskClient, redirect
from adapters.discord.desk.actions import Actions
from adapters.discord.desk.commands import add_commands
from adapters.discord.desk.desk import DiscordDesk
from adapters.discord.desk.names import file_of
from adapters.discord.desk.said import Said
from adapters.discord.failures import CALL_ERRORS, platform_error
from adapters.discord.files import Files
from adapters.discord.heard import Heard
from adapters.discord.incoming import Incoming, Sentence
from adapters.discord.invite import invite_url
from adapters.discord.keys import nonce_of
from adapters.discord.markdown import to_discord
from adapters.discord.places import Places
from adapters.discord.reading import NAME, channel_id_of, is_direct
from adapters.discord.slash import SlashAnswers
from adapters.discord.staff import Staff
from bot.chat import (
    Address,
    Attachment,
    Bookmarks,
    File,
    MessageLimits,
    MessageRef,
    OutboundMessage,
    Ready,
    Receive,
)
from bot.errors import MessageGone, MessageRefused, PlatformError, RecipientGone, Unavailable

log = logging.getLogger(__name__)

MOST_FILES, LARGEST_FILE = 10, 10 * 1024 * 1024
LIMITS = MessageLimits(
    # Discord allows 2,000; how it counts is not documented, so there is room for a surprise.
    max_units=1900,
    # A channel takes 5 edits in 5 s, and discord.py returns from the fifth only when the window is over
    # although Discord showed it at once: four in 5 s keep it free.
    min_interval=1.27,
    chat_calls_per_second=0.78,
    chat_burst=4,
    # The account has 50 in each second of the clock, whatever it left in the one before; `BESIDE` has a part of them.
    calls_per_second=31.0,
    calls_burst=8,
    calls_in_flight=32,
    typing_interval=8.0,
    files=MOST_FILES,
    file_bytes=LARGEST_FILE,
)
BESIDE, BESIDE_AT_ONCE = 8.0, 2
"""Calls a second, and in one moment, that are no answers: of the desk, about who somebody is, for what was missed."""
_DESK_LINKS = "https://discord.com/channels/"
_LAST_WRITE = 2.0
_SUPPRESS_EMBEDS = 1 << 2
_MAY_NOT_REPLY = 160002
_THREAD_ARCHIVED = 50083


class DiscordPlatform:
    """One bot account on Discord; a `ChatPlatform`.

    `descriptions`: language → command (`ask`, its argument `question`, `new`, `stop`, `help`) → what the menu
    of commands says. `may_link`: which addresses
    may become links. Staff are asked for by `staff_role_id`, or are administrators (see `Staff`). `api_url`
    and `gateway_url` replace Discord's own addresses for the whole process (see `redirect`): one such door
    per process. Times are seconds: `call_timeout` for one call, `offline_limit` for a lost connection before
    `run` gives up, `pauses` before a message that was not taken is handed on again, `stop_patience` for an
    answer that nothing was there to be stopped, `bookmark_pause` before it is stored in `bookmarks` how far
    was read (without them a restart does not know what it missed). Of the messages that come in, `capacity`
    wait in memory; the rest waits on Discord. With a forum in `tickets_channel_id` there is a `desk` in it, whose
    alerts go to `alerts_channel_id`; `desk_journal` keeps what was begun there over a crash.
    """

    def __init__(
        self,
        *,
        token: str,
        descriptions: Mapping[str, Mapping[str, str]],
        sentence: Sentence,
        staff_role_id: int | None = None,
        api_url: str | None = None,
        gateway_url: str | None = None,
        call_timeout: float = 20.0,
        offline_limit: float = 60.0,
        reidentify_after: float = 5.0,
        pauses: Sequence[float] = (0.5, 2.0, 5.0),
        stop_patience: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        may_link: Callable[[str], bool] = lambda url: True,
        bookmarks: Bookmarks | None = None,
        bookmark_pause: float = 10.0,
        capacity: int = 1000,
        tickets_channel_id: int | None = None,
        alerts_channel_id: int | None = None,
        desk_journal: Bookmarks | None = None,
    ) -> None:
        self._token = token
        self._api_url = api_url
        self._gateway_url = gateway_url
        self._descriptions = descriptions
        self._described_anew = asyncio.Event()
        self._sentence = sentence
        self._offline_limit = offline_limit
        self._reidentify_after = reidentify_after
        self._pauses = pauses
        self._stop_patience = stop_patience
        self._staff = Staff(role_id=staff_role_id, clock=clock)
        self._slash = SlashAnswers()
        self._heard = Heard()
        self._places = Places(bookmarks, pause=bookmark_pause)
        self._capacity = capacity
        self._calls = Calls(timeout=call_timeout)
        budget = Budget(rate=BESIDE, burst=BESIDE_AT_ONCE)
        self._slow_calls = Calls(timeout=call_timeout, budget=budget)
        # `measure` and the call behind it look at the same text: it is converted once.
        self._formatted = lru_cache(maxsize=128)(partial(to_discord, may_link=may_link))
        self._client: DeskClient | None = None
        self._files: Files | None = None
        self._tickets_channel_id = tickets_channel_id
        self._said = Said(desk_journal)
        self.desk: DiscordDesk | None = None
        """The staff's desk, where there is a forum for it."""
        if tickets_channel_id is not None:
            self.desk = DiscordDesk(
                tickets_channel_id,
                alerts_channel_id=alerts_channel_id,
                staff_role_id=staff_role_id,
                token=token,
                connected=self._connected,
                calls=Calls(timeout=call_timeout, warns=False),
                slow_calls=Calls(timeout=call_timeout, budget=budget, warns=False),
                budget=budget,
                formatted=partial(to_discord, may_link=lambda url: url.startswith(_DESK_LINKS) or may_link(url)),
                sentence=sentence,
                journal=desk_journal,
                call_timeout=call_timeout,
            )

    @property
    def name(self) -> str:
        return NAME

    @property
    def limits(self) -> MessageLimits:
        return LIMITS

    def measure(self, text: str) -> int:
        return len(self._formatted(text))

    def is_group(self, at: Address) -> bool:
        return not is_direct(at)

    async def run(self, receive: Receive, ready: Ready) -> None:
        """See `ChatPlatform.run`. A session that was cut is resumed, and Discord sends what was missed; when
        it can not be, and at the start, all places are read from where they were left (see `Missed`)."""
        redirect(self._api_url, self._gateway_url)
        await self._places.load()
        await self._said.load()
        incoming = Incoming(
            receive,
            staff=self._staff,
            slash=self._slash,
            heard=self._heard,
            places=self._places,
            calls=self._calls,
            sentence=self._sentence,
            pauses=self._pauses,
            stop_patience=self._stop_patience,
            capacity=self._capacity,
            slow_calls=self._slow_calls,
            said=self._said,
            forum_id=self._tickets_channel_id,
        )
        actions = self._actions()
        client = DeskClient(
            incoming,
            on_online=lambda: ready(self._connected_as(client)),
            descriptions=self._descriptions,
            reidentify_after=self._reidentify_after,
            desk=actions,
            extend=(lambda tree, words: add_commands(tree, actions, words)) if actions else None,
        )
        try:
            async with client, Files(api_url=self._api_url) as files, self.desk or nullcontext():
                self._client, self._files = client, files
                await self._serve(client)
        finally:
            self._client = self._files = None
            await incoming.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WRITE):
                    await self._places.write()

    def _actions(self) -> Actions | None:
        if self.desk is None:
            return None
        return Actions(
            self.desk, staff=self._staff, calls=self._calls, sentence=self._sentence, formatted=self._formatted
        )

    def _connected_as(self, client: DeskClient) -> str:
        words = f"as @{client.user.name if client.user else '?'}"
        count = len(client.guilds)
        if count == 0 and client.application_id is not None:
            return f"{words} in no server yet, invite it: {invite_url(client.application_id)}"
        words = f"{words} in {count} server{'' if count == 1 else 's'}"
        nobody = self._staff.has_nobody(client)
        return f"{words}, answering nobody until DISCORD_STAFF_ROLE_ID is set" if nobody else words

    async def _serve(self, client: DeskClient) -> None:
        await self._calls.make(client.login(self._token), "the login")
        tasks = [
            asyncio.create_task(client.connect(), name="discord-gateway"),
            asyncio.create_task(client.away_longer_than(self._offline_limit), name="discord-watch"),
            asyncio.create_task(self._places.run(), name="discord-places"),
            asyncio.create_task(self._keep_commands(client), name="discord-commands"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except CALL_ERRORS as exc:
            # Among them an AttributeError: discord.py 2.7.1 trips over itself when its very first
            # connection to the gateway fails and it wants to try again.
            raise platform_error(exc, "the gateway") from exc
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        raise Unavailable("Discord closed the connection.")

    def show_commands(self, descriptions: Mapping[str, Mapping[str, str]]) -> None:
        """Take other words for the menu of commands; Discord is told at once, or when the door opens."""
        self._descriptions = descriptions
        self._described_anew.set()

    async def _keep_commands(self, client: DeskClient) -> None:
        while True:
            await self._described_anew.wait()
            self._described_anew.clear()
            await client.show_commands(self._descriptions)

    async def close(self) -> None:
        """Everything was given back when `run` ended."""

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        """See `ChatPlatform.send`. A nonce made of `key` lets Discord show a repeated send only once."""
        text = self._formatted(message.text)
        try:
            sent = None if message.files else await self._answer_slash(to, text, message.reply_to)
        except MessageGone:
            sent = None
        if sent is None:
            sent = await self._post(to, text, message, key)
        for interaction in self._slash.overtaken(to, message.reply_to):
            await self._take_back(interaction)
        return MessageRef(to, sent)

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        """See `ChatPlatform.edit`."""
        text = self._formatted(message.text)
        try:
            await self._change(ref.address, int(ref.message_id), text)
        except RecipientGone as exc:
            if _code(exc) == _THREAD_ARCHIVED:
                raise MessageGone("The thread is archived: only a new message opens it again.") from exc
            # A command may be used where the bot itself has no access; there only its token reaches.
            interaction = self._slash.of_message(ref.message_id)
            if interaction is None:
                raise
            await self._edit_original(ref.address, interaction, text)
        return ref

    async def delete(self, ref: MessageRef) -> None:
        """See `ChatPlatform.delete`."""
        partial = self._channel(ref.address).get_partial_message(int(ref.message_id))
        with suppress(MessageGone):
            await self._calls.make(partial.delete(), _place(ref.address))

    async def show_typing(self, at: Address) -> None:
        await self._calls.make(_type(self._channel(at)), _place(at))

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        """See `ChatPlatform.download`. Raises `MessageRefused` for a file that is too large or not Discord's."""
        if self._files is None:
            raise Unavailable("Discord is not connected.", maybe_applied=False)
        return await self._files.download(attachment, limit=limit)

    async def _answer_slash(self, to: Address, text: str, reply_to: str | None) -> str | None:
        interaction = self._slash.pending(reply_to)
        if interaction is None or reply_to is None:
            return None
        try:
            message_id = await self._edit_original(to, interaction, text)
        except MessageGone:
            self._slash.drop(reply_to)
            raise
        self._slash.answered(reply_to, message_id)
        return message_id

    async def _edit_original(self, at: Address, interaction: discord.Interaction, text: str) -> str:
        """The answer to a command, through its token. discord.py's own method can not suppress previews."""
        route = Route(
            "PATCH",
            "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
            webhook_id=interaction.application_id,
            webhook_token=interaction.token,
        )
        body = {"content": text, "flags": _SUPPRESS_EMBEDS, "allowed_mentions": NO_MENTIONS.to_dict()}
        data = await self._calls.make(self._connected().http.request(route, json=body), _place(at))
        return str(data["id"])

    async def _post(self, to: Address, text: str, message: OutboundMessage, key: str) -> str:
        if len(message.files) > MOST_FILES or any(len(file.data) > LARGEST_FILE for file in message.files):
            raise MessageRefused(f"Discord takes {MOST_FILES} files of {LARGEST_FILE} bytes with one message.")
        reply_to = message.reply_to
        original = int(reply_to) if reply_to is not None and reply_to.isdecimal() else None
        try:
            return await self._post_once(to, text, original, key, message.files)
        except MessageRefused as exc:
            # An answer that may not hang on the question is better than none.
            if original is None or _code(exc) != _MAY_NOT_REPLY:
                raise
            return await self._post_once(to, text, None, key, message.files)

    async def _post_once(self, to: Address, text: str, original: int | None, key: str, files: Sequence[File]) -> str:
        channel = self._channel(to)
        reference = None
        if original is not None:
            reference = discord.MessageReference(message_id=original, channel_id=channel.id, fail_if_not_exists=False)
        send = channel.send(
            text or None,
            nonce=nonce_of(key),
            files=[discord.File(io.BytesIO(file.data), file_of(file.name)) for file in files],
            reference=reference,  # type: ignore[arg-type]
            mention_author=False,
            suppress_embeds=True,
            allowed_mentions=NO_MENTIONS,
        )
        sent = await self._calls.make(send, _place(to))
        if sent.content.strip() != text.strip():
            # The nonce was known: Discord gives the message of an earlier try, with the text of that time.
            await self._change(to, sent.id, text)
        return str(sent.id)

    async def _change(self, at: Address, message_id: int, text: str) -> None:
        # Message.edit of discord.py 2.7.1 always sends flags and so brings link previews back;
        # a partial message leaves them as they are.
        partial = self._channel(at).get_partial_message(message_id)
        await self._calls.make(partial.edit(content=text, allowed_mentions=NO_MENTIONS), _place(at))

    async def _take_back(self, interaction: discord.Interaction) -> None:
        """Remove an "is thinking" whose question was answered together with a later one."""
        try:
            await self._calls.make(interaction.delete_original_response(), "a command")
        except PlatformError as exc:
            # The answer itself was shown: its sender must not think otherwise.
            log.warning("Command %s still shows that it is thinking: %s", interaction.id, exc)

    def _channel(self, at: Address) -> discord.PartialMessageable:
        return self._connected().get_partial_messageable(channel_id_of(at))

    def _connected(self) -> DeskClient:
        if self._client is None or self._client.is_closed():
            raise Unavailable("Discord is not connected.", maybe_applied=False)
        return self._client


async def _type(channel: discord.PartialMessageable) -> None:
    await channel.typing()


def _code(exc: PlatformError) -> int:
    """Discord's own code for the failure; 0: none."""
    return exc.__cause__.code if isinstance(exc.__cause__, discord.HTTPException) else 0


def _place(at: Address) -> str:
    return f"channel {channel_id_of(at)}"
