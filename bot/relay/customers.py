"""What customers write while a person is to answer: it goes to the post, and to no model."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from bot.errors import RecipientGone
from bot.handoff import CUSTOMER, NotPossible, heard_from_customer, resolved
from bot.policies.language import guess_language
from bot.policies.live import Policies
from bot.relay.words import Words
from bot.reply.making import reply_on
from bot.scheduler import SendScheduler
from bot.storage.cases import Case, Cases
from bot.storage.errands import Errand
from bot.storage.messages import Conversation, Messages, StoredMessage
from bot.storage.outbox import reply_key
from bot.storage.relays import Relays

log = logging.getLogger(__name__)


class Customers:
    """One object serves all conversations. `wake` is called when there is something to show at the desk."""

    def __init__(
        self,
        *,
        cases: Cases,
        relays: Relays,
        messages: Messages,
        schedulers: Mapping[str, SendScheduler],
        policies: Callable[[], Policies],
        words: Words,
        wake: Callable[[], None],
        now: Callable[[], datetime],
    ) -> None:
        self._cases = cases
        self._relays = relays
        self._messages = messages
        self._schedulers = schedulers
        self._policies = policies
        self._words = words
        self._wake = wake
        self._now = now

    async def take(self, case: Case, conversation: Conversation, messages: Sequence[StoredMessage]) -> None:
        """Pass these messages on, for good. He is told so once in each case, as long as nobody has taken it."""
        command = messages[0].message.command
        if command is not None:
            await self._obey(case, conversation, messages[0])
            return
        now = self._now()
        case = await self._relays.show_staff(case, messages, lambda one: heard_from_customer(one, now), at=now)
        self._wake()
        told = ""
        if case.state == "waiting" and not case.is_told and not messages[0].message.deleted:
            told = await self._say(conversation, messages, "passed_on")
        await self._relays.passed_on(case, messages, words=_words_of(messages), told=told, at=self._now())

    async def back_to_bot(self, case: Case) -> None:
        """He wants the bot again: nobody needs to answer him."""
        words = self._words.say("desk_customer_left")
        try:
            await self._cases.change(
                case.id,
                lambda one: resolved(one, CUSTOMER, self._now()),
                at=self._now(),
                then=lambda before, after: [Errand("words", text=words)],
            )
        except NotPossible:
            log.debug("case %s was resolved meanwhile", case.id)
        self._wake()

    async def _obey(self, case: Case, conversation: Conversation, stored: StoredMessage) -> None:
        if stored.message.command == "start" and stored.message.text:
            await self._messages.keep_start(conversation.id, stored.message.text)
        told = await self._say(conversation, [stored], "still_waiting" if case.state == "waiting" else "with_person")
        await self._relays.passed_on(case, [stored], words="", told=told, at=self._now())

    async def _say(self, conversation: Conversation, messages: Sequence[StoredMessage], key: str) -> str:
        """Tell him; what he was told, empty when nobody reads there any more."""
        last, policies = messages[-1].message, self._policies()
        text = "\n".join(stored.message.text for stored in messages)
        before = conversation.language or policies.language
        sentence = policies.sentence(key, guess_language(text, last.language, before, policies.languages))
        scheduler = self._schedulers[last.address.platform]
        reply = reply_on(
            scheduler.platform,
            last.address,
            key=reply_key(messages[0].id),
            reply_to=last.reply_to,
            sent=messages[0].sent,
        )
        reply.append(sentence)
        reply.end()
        scheduler.start(reply)
        try:
            await scheduler.finish(reply)
        except RecipientGone:
            log.info("conversation %s: nobody reads there any more", conversation.id)
            return ""
        finally:
            scheduler.drop(reply)
        return sentence


def _words_of(messages: Sequence[StoredMessage]) -> str:
    return "\n".join(stored.message.text for stored in messages if stored.message.text.strip())
