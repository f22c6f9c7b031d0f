"""Writes messages into posts, each once: as customers through the webhook, or as the bot where that cannot be."""

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import discord

from adapters.discord.client import NO_MENTIONS
from adapters.discord.desk.cards import Words, offers_view
from adapters.discord.desk.forum import Forum
from adapters.discord.desk.hook import Hook
from adapters.discord.desk.journal import Journal
from adapters.discord.desk.names import author_of, file_of
from adapters.discord.keys import mark_of, nonce_of
from adapters.discord.markdown import plain
from adapters.discord.newest import Newest
from bot.chat import File
from bot.desk import PostMessage
from bot.errors import AccountRejected, PlatformError, Unavailable

log = logging.getLogger(__name__)

LONGEST = 2000
MOST_FILES = 10
_REMEMBERED = 5000
_LOOKED_AT = 100
_SUPPRESS_EMBEDS = 1 << 2


@dataclass(frozen=True, slots=True)
class Composed:
    """A message as it stands in a post. `text` holds neither its author nor what it replies to."""

    author: str
    text: str
    files: Sequence[File]
    reply_to: int | None

    def as_webhook(self, link: str | None) -> str:
        """A webhook cannot reply: a link leads to what is meant."""
        return _fitting(f"-# ↪ {link}\n{self.text}" if link else self.text)

    def as_bot(self) -> str:
        return _fitting(f"**{discord.utils.escape_markdown(self.author)}**\n{self.text}".rstrip())


class Writing:
    """`formatted` makes Discord's Markdown of a text."""

    def __init__(
        self, *, forum: Forum, hook: Hook, journal: Journal, formatted: Callable[[str], str], words: Words
    ) -> None:
        self._forum = forum
        self._hook = hook
        self._journal = journal
        self._formatted = formatted
        self._words = words
        self._newest: Newest[int, int] = Newest(_REMEMBERED)
        self._by_bot: Newest[int, None] = Newest(_REMEMBERED)

    async def write(self, thread_id: int, message: PostMessage, key: str) -> int:
        """See `StaffDesk.write`; the id of the message."""
        composed = self._composed(message)
        newest = max(self._forum.newest_message(thread_id), self._newest.get(thread_id, 0))
        before = await self._journal.begin(f"write:{thread_id}", key, newest)
        written = await self._found(thread_id, before, composed, key) if before is not None else None
        if written is None:
            try:
                written = await self._written(thread_id, composed, message, key)
            except PlatformError as exc:
                if not (isinstance(exc, Unavailable) and exc.maybe_applied):
                    await self._journal.forget(f"write:{thread_id}")
                raise
        self._newest[thread_id] = max(written, newest)
        return written

    async def rewrite(self, thread_id: int, message_id: int, message: PostMessage) -> None:
        """See `StaffDesk.rewrite`."""
        composed = self._composed(message)
        await self._show(thread_id, message_id, composed.as_webhook(self._link(thread_id, composed)), composed.as_bot())

    async def strike(self, thread_id: int, message_id: int) -> None:
        """See `StaffDesk.strike`. The same again changes nothing."""
        there = await self._forum.call(self._forum.place(thread_id).fetch_message(message_id), thread_id)
        note = f"-# 🗑️ {self._words('desk_struck')}"
        if not there.content.startswith(note):
            content = _fitting(f"{note}\n{there.content}".rstrip())
            await self._show(thread_id, message_id, content, content)

    async def _show(self, thread_id: int, message_id: int, as_webhook: str, as_bot: str) -> None:
        async def show() -> None:
            if message_id not in self._by_bot:
                forum = self._forum.channel()
                if await self._hook.edit(forum, thread_id, message_id, as_webhook):
                    return
            partial = self._forum.place(thread_id).get_partial_message(message_id)
            await partial.edit(content=as_bot, allowed_mentions=NO_MENTIONS)

        await self._forum.awake(show, thread_id)

    async def _written(self, thread_id: int, composed: Composed, message: PostMessage, key: str) -> int:
        if not message.offers:
            body: dict[str, Any] = {"username": author_of(composed.author), "flags": _SUPPRESS_EMBEDS}
            body["allowed_mentions"] = NO_MENTIONS.to_dict()
            if content := composed.as_webhook(self._link(thread_id, composed)):
                body["content"] = content
            forum = self._forum.channel()
            try:
                written = await self._hook.write(forum, thread_id, body, composed.files)
            except PlatformError as exc:
                error = self._forum.error(exc)
                if not isinstance(error, AccountRejected):
                    raise error from exc
                # A post that is locked to the webhook may be opened by the bot.
                written = None
            if written is not None:
                return written
        return await self._written_by_bot(thread_id, composed, message, key)

    async def _written_by_bot(self, thread_id: int, composed: Composed, message: PostMessage, key: str) -> int:
        view = offers_view(message.offers, mark_of(key), self._words)

        async def send() -> discord.Message:
            place = self._forum.place(thread_id)
            reference = None
            if composed.reply_to is not None:
                reference = discord.MessageReference(
                    message_id=composed.reply_to, channel_id=thread_id, fail_if_not_exists=False
                )
            return await place.send(  # type: ignore[call-overload, no-any-return]
                composed.as_bot(),
                nonce=nonce_of(key),
                files=[discord.File(io.BytesIO(file.data), file.name) for file in composed.files],
                reference=reference,
                mention_author=False,
                suppress_embeds=True,
                allowed_mentions=NO_MENTIONS,
                **({"view": view} if view is not None else {}),
            )

        sent = await self._forum.awake(send, thread_id)
        self._by_bot[sent.id] = None
        return sent.id

    async def _found(self, thread_id: int, after: int, composed: Composed, key: str) -> int | None:
        """The message that an earlier try has left there."""
        place = self._forum.place(thread_id)

        async def page() -> list[discord.Message]:
            history = place.history(limit=_LOOKED_AT, after=discord.Object(after), oldest_first=True)
            return [message async for message in history]

        client = self._forum.client
        for message in await self._forum.call(page(), thread_id):
            by_hook = message.webhook_id is not None and message.application_id == client.application_id
            by_bot = client.user is not None and message.author.id == client.user.id and message.nonce == nonce_of(key)
            if by_bot:
                self._by_bot[message.id] = None
                return message.id
            if by_hook and _same(message, composed, self._link(thread_id, composed)):
                return message.id
        return None

    def _composed(self, message: PostMessage) -> Composed:
        text = plain(message.text) if message.is_plain else self._formatted(message.text)
        reply_to = int(message.reply_to) if message.reply_to and message.reply_to.isdecimal() else None
        files = [File(file_of(one.name), one.media_type, one.data) for one in message.files[:MOST_FILES]]
        return Composed(message.author, text.strip(), files, reply_to)

    def _link(self, thread_id: int, composed: Composed) -> str | None:
        return self._forum.link(thread_id, str(composed.reply_to)) if composed.reply_to is not None else None


def _same(message: discord.Message, composed: Composed, link: str | None) -> bool:
    same_words = message.content.split() == composed.as_webhook(link).split()
    same_author = message.author.name.strip() == author_of(composed.author).strip()
    return same_words and same_author and len(message.attachments) == len(composed.files)


def _fitting(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"
