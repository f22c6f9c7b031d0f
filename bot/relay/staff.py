"""What staff write in a post: words for the customer, and notes that he never sees."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from bot.chat import ChatPlatform, MessageRef, OutboundMessage
from bot.desk import Mark, Person
from bot.errors import MessageGone, PlatformError, RateLimited, RecipientGone, Unavailable
from bot.handoff import answered_by
from bot.policies.live import Policies
from bot.relay.desk_files import Unfetched, fetched
from bot.relay.rules import NOTE, DeskRules
from bot.relay.words import Words
from bot.reply.making import reply_on
from bot.reply.parcel import Parcel
from bot.scheduler import SendScheduler
from bot.storage.errands import FILES, Errand
from bot.storage.messages import Messages, StoredMessage
from bot.storage.outbox import reply_key
from bot.storage.relays import Recipient, Relays, Said

log = logging.getLogger(__name__)

_TRIES = 5
_MARKDOWN = re.compile(r"([\\`*_~\[\]<>|#])")


class StaffWords:
    """One object serves all posts. `silence` is called with a conversation as soon as a person speaks in it."""

    def __init__(
        self,
        *,
        desk: str,
        relays: Relays,
        messages: Messages,
        schedulers: Mapping[str, SendScheduler],
        policies: Callable[[], Policies],
        rules: DeskRules,
        words: Words,
        silence: Callable[[int], None],
        wake: Callable[[], None],
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._desk = desk
        self._relays = relays
        self._messages = messages
        self._schedulers = schedulers
        self._policies = policies
        self._rules = rules
        self._words = words
        self._silence = silence
        self._wake = wake
        self._now = now
        self._sleep = sleep

    async def take(self, stored: StoredMessage) -> None:
        """Deliver one message, its newest text or its deletion, and be done with it."""
        to = await self._relays.recipient(stored.message.address)
        if to is None:
            log.info("a message in a post that belongs to no customer: %s", stored.message.message_id)
            await self._messages.close([stored], at=self._now())
            return
        said = await self._relays.said(stored)
        if not self._is_reply(stored) or await self._relays.is_withdrawn(stored):
            await self._take_back(stored, to, said)
        elif to.is_blocked:
            await self._done(stored, to, said, "failed", self._words.say("desk_failed_blocked"))
        else:
            await self._deliver(stored, to, said)
        self._wake()

    async def fail(self, stored: StoredMessage) -> None:
        """Be done with a message that could not be delivered, however often it was tried."""
        to = await self._relays.recipient(stored.message.address)
        if to is None:
            await self._messages.close([stored], at=self._now())
            return
        said = await self._relays.said(stored)
        await self._done(stored, to, said, "failed", self._words.say("desk_failed_again"))
        self._wake()

    def _is_reply(self, stored: StoredMessage) -> bool:
        message = stored.message
        if message.deleted or message.text.lstrip().startswith(NOTE):
            return False
        if message.command is not None:
            return message.command == "reply"
        return self._rules.staff_replies == "all" and bool(message.text.strip() or message.attachments)

    async def _take_back(self, stored: StoredMessage, to: Recipient, said: Said | None) -> None:
        """It is not for the customer (any more)."""
        platform = self._schedulers[to.address.platform].platform
        if said is not None:
            for part, ref in list(said.places.items()):
                if not await self._deleted(platform, ref):
                    reason = self._words.say("desk_failed_deletion")
                    await self._done(stored, to, said, "failed", reason)
                    return
                del said.places[part]
        await self._done(stored, to, None, "note", "")

    async def _deleted(self, platform: ChatPlatform, ref: MessageRef) -> bool:
        for tried in range(_TRIES):
            try:
                await platform.delete(ref)
                return True
            except (RecipientGone, MessageGone):
                return True
            except RateLimited as exc:
                await self._sleep(exc.retry_after)
            except Unavailable:
                await self._sleep(2.0**tried / 4)
            except PlatformError as exc:
                log.info("a message could not be taken back: %s", exc)
                return False
        return False

    async def _deliver(self, stored: StoredMessage, to: Recipient, said: Said | None) -> None:
        by, now = Person(stored.message.sender_id, stored.message.sender_name), self._now()
        await self._relays.take_over(to.conversation_id, lambda case: answered_by(case, by, now), at=now)
        self._silence(to.conversation_id)
        preface = said.preface if said else self._preface(by, to)
        try:
            places, failures = await self._sent(stored, to, said, preface)
        except RecipientGone:
            await self._done(stored, to, said, "failed", self._words.say("desk_failed_gone"))
            return
        mark: Mark = "failed" if failures else "delivered"
        names = " ".join(f"📎 {item.name or item.kind}" for item in stored.message.attachments)
        new = Said(stored.message.text.strip() or names, preface, places) if places else None
        await self._done(stored, to, new, mark, "; ".join(failures))

    async def _sent(
        self, stored: StoredMessage, to: Recipient, said: Said | None, preface: str
    ) -> tuple[dict[int, MessageRef], list[str]]:
        """Where the customer sees it now, and what he does not see. Raises `RecipientGone`."""
        key, text = reply_key(stored.id), stored.message.text.strip()
        before = said.places if said else {}
        hang = await self._relays.hang_for_customer(to, stored.message.hangs_on)
        places, failures = {part: ref for part, ref in before.items() if part >= FILES}, list[str]()
        if text:
            shown = {f"{key}/{part}" if part else key: ref for part, ref in before.items() if part < FILES}
            refs = await self._show_text(to, key, text, preface, hang, shown | dict(stored.sent), failures)
            places |= dict(enumerate(refs))
        else:
            for ref in (ref for part, ref in before.items() if part < FILES):
                await self._deleted(self._schedulers[to.address.platform].platform, ref)
        if stored.message.attachments and not stored.is_correction:
            places |= await self._show_files(stored, to, key, "" if text else preface, hang, failures)
        return places, failures

    async def _show_text(
        self,
        to: Recipient,
        key: str,
        text: str,
        preface: str,
        hang: str | None,
        sent: Mapping[str, MessageRef],
        failures: list[str],
    ) -> tuple[MessageRef, ...]:
        scheduler = self._schedulers[to.address.platform]
        reply = reply_on(scheduler.platform, to.address, key=key, reply_to=hang, sent=sent)
        reply.begin_with(preface)
        reply.append(text)
        reply.end()
        scheduler.start(reply)
        try:
            await scheduler.finish(reply)
        finally:
            scheduler.drop(reply)
        if reply.refused:
            failures.append(self._words.say("desk_failed_refused"))
        return reply.refs

    async def _show_files(
        self, stored: StoredMessage, to: Recipient, key: str, caption: str, hang: str | None, failures: list[str]
    ) -> dict[int, MessageRef]:
        scheduler = self._schedulers[to.address.platform]
        from_ = self._schedulers[self._desk].platform
        files, left = await fetched(stored.message.attachments, from_=from_, to=scheduler.platform, sleep=self._sleep)
        failures.extend(self._file_failure(one) for one in left)
        most = max(1, scheduler.platform.limits.files)
        groups = [files[start : start + most] for start in range(0, len(files), most)]
        messages = [
            OutboundMessage(caption if number == 0 else "", files=tuple(group), reply_to=hang)
            for number, group in enumerate(groups)
        ]
        parcel = Parcel(to=to.address, key=key, messages=messages, sent=stored.sent)
        if messages:
            scheduler.start(parcel)
            try:
                await scheduler.finish(parcel)
            finally:
                scheduler.drop(parcel)
        if parcel.refused:
            failures.append(self._words.say("desk_failed_refused"))
        return {FILES + number: ref for number, ref in parcel.places.items()}

    def _file_failure(self, left: Unfetched) -> str:
        name = left.attachment.name or self._words.say(f"kind_{left.attachment.kind}")
        return self._words.say(f"desk_failed_file_{left.failure}", name=name, limit=left.limit)

    def _preface(self, by: Person, to: Recipient) -> str:
        """Who speaks, above the first of his words in a row."""
        policies = self._policies()
        if self._rules.staff_name == "name":
            return "" if to.last_author == by.id else _bold(by.name)
        key = "shop_name" if self._rules.staff_name == "shop" else "staff_role"
        name = policies.sentence(key, to.language or policies.language)
        return "" if to.last_author is not None else _bold(name)

    async def _done(self, stored: StoredMessage, to: Recipient, said: Said | None, mark: Mark, reason: str) -> None:
        errands = [] if stored.message.deleted else [Errand("mark", stored.root, author=mark, text=reason)]
        if stored.message.command == "reply":
            # What was typed behind a command stands nowhere in the post.
            words = self._words.say("desk_reply_by", text=stored.message.text)
            errands.insert(0, Errand("words", author=stored.message.sender_name, text=words))
        await self._relays.delivered(stored, to, said, errands, at=self._now())


def _bold(name: str) -> str:
    safe = _MARKDOWN.sub(r"\\\1", name)
    return f"**{safe}**"
