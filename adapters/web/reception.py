"""Where visitors come in: takes their messages in for good, and gives each open tab its feed."""

import logging
import secrets
from collections.abc import Callable
from datetime import datetime

from adapters.web.conversation import Feed
from adapters.web.conversations import Conversations
from adapters.web.intake import Posted, Refused, spend
from adapters.web.visitors import Visitor
from bot.chat import Address, Command, InboundMessage, Receive, Transcript
from bot.errors import StorageError

log = logging.getLogger(__name__)

STREAMS_PER_VISITOR = 8
STREAMS = 10_000


class Reception:
    """`receive` is set while the door is open; without it nothing is taken in."""

    def __init__(
        self, *, platform: str, transcript: Transcript, clock: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self.receive: Receive | None = None
        self.conversations = Conversations(clock=clock)
        self._platform = platform
        self._transcript = transcript
        self._clock = clock
        self._now = now
        self._boot = secrets.token_hex(4)
        self._streams = 0

    async def take_message(self, visitor: Visitor, posted: Posted) -> None:
        """Show the message in every tab and store it. Raises `Refused` when it cannot be stored."""
        message = self._inbound(visitor, posted)
        conversation = self.conversations.get(visitor.chat_id)
        spend(conversation, self._clock())
        # Shown first, so that no answer can overtake it; two posts of one message show it once.
        is_new = message.message_id not in conversation.messages
        conversation.show(message.message_id, "customer", message.text, at=message.sent_at)
        stored = False
        try:
            await self._store(message)
            stored = True
        finally:
            if is_new and not stored:
                conversation.withdraw(message.message_id)
        conversation.show(message.message_id, "customer", message.text, at=message.sent_at)

    async def start_afresh(self, visitor: Visitor, posted: Posted) -> None:
        """Empty the page in every tab, and store that this was asked for."""
        conversation = self.conversations.get(visitor.chat_id)
        spend(conversation, self._clock())
        if posted.id in conversation.starts:  # the page has heard no answer to its first post
            await self._store(self._inbound(visitor, posted, "new"))
            return
        conversation.clear(posted.id)
        message = self._inbound(visitor, posted, "new")
        stored = False
        try:
            await self._store(message)
            stored = True
        finally:
            if stored:
                conversation.keep_clear()
            else:
                conversation.undo_clear(posted.id)

    async def stop_answer(self, visitor: Visitor, posted: Posted) -> None:
        """Store that the running answer should end."""
        message = self._inbound(visitor, posted, "stop")
        spend(self.conversations.get(visitor.chat_id), self._clock())
        await self._store(message)

    def open_feed(self, visitor: Visitor, after: str | None) -> Feed:
        """A feed for one more tab, from the event `after` on. Too many tabs: the oldest is closed.

        Raises `Refused` when there are too many streams altogether.
        """
        if self._streams >= STREAMS:
            raise Refused(503, "crowded")
        conversation = self.conversations.get(visitor.chat_id)
        own = _mark(visitor.chat_id)
        feed = Feed(conversation, boot=self._boot, after=after, key_of=lambda key: key.removeprefix(own))
        conversation.feeds.append(feed)
        self._streams += 1
        still_open = [each for each in conversation.feeds if not each.closed]
        for oldest in still_open[:-STREAMS_PER_VISITOR]:
            oldest.close(crowded=True)
        return feed

    async def open_with_transcript(self, visitor: Visitor, feed: Feed) -> None:
        """Begin a snapshot. Raises `StorageError`.

        No time is compared, since clocks jump: a transcript begins behind the newest start afresh that is stored, and
        one that was read when a start afresh came in between is read again.
        """
        conversation = self.conversations.get(visitor.chat_id)
        past, read_at = None, -1
        while past is None or read_at != conversation.cleared:
            read_at = conversation.cleared
            past = () if conversation.clearing else await self._transcript(Address(self._platform, visitor.chat_id))
        feed.open_with(past, visitor=visitor.tag)

    def asked_at(self, reply_to: str | None) -> int | None:
        """The change at which the message that `reply_to` names was here; None: in another process."""
        boot, _, digits = (reply_to or "").partition("-")
        return int(digits) if boot == self._boot and digits.isdecimal() else None

    def close_feed(self, visitor: Visitor, feed: Feed) -> None:
        """The tab is gone."""
        self._streams -= 1
        self.conversations.get(visitor.chat_id).feeds.remove(feed)

    async def _store(self, message: InboundMessage) -> None:
        if self.receive is None:
            raise Refused(503, "not_stored")
        try:
            await self.receive(message)
        except StorageError as exc:
            log.error("message of %d characters not stored: %s", len(message.text), exc)
            raise Refused(503, "not_stored") from exc

    def _inbound(self, visitor: Visitor, posted: Posted, command: Command | None = None) -> InboundMessage:
        return InboundMessage(
            # The page made the id; with the visitor in front nobody can take another's.
            message_id=f"{_mark(visitor.chat_id)}{posted.id}",
            address=Address(self._platform, visitor.chat_id),
            sender_id=visitor.chat_id,
            sender_name="",
            text=posted.text,
            sent_at=self._now(),
            command=command,
            reply_to=f"{self._boot}-{self.conversations.get(visitor.chat_id).last}",
            language=posted.language,
        )


def _mark(chat_id: str) -> str:
    return f"{chat_id[:16]}:"
