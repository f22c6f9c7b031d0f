"""The relay between customers and the desk: it is put before the engine, and takes what is meant for a person."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from bot.bursts import Arrivals
from bot.chat import Address, InboundMessage, Receive
from bot.desk import Action, ActionKind, ActionResult, StaffDesk
from bot.notices import Notify, log_notice
from bot.policies.live import Policies
from bot.relay.acting import Acting, Extra, completions
from bot.relay.customers import Customers
from bot.relay.posts import Posts
from bot.relay.rules import Answers, DeskRules
from bot.relay.showing import Showing
from bot.relay.staff import StaffWords
from bot.relay.tells import Tells
from bot.relay.words import Words
from bot.scheduler import SendScheduler
from bot.storage.casefiles import CaseFiles
from bot.storage.cases import Case, Cases
from bot.storage.database import Database
from bot.storage.errands import Errands
from bot.storage.messages import Conversation, Messages, StoredMessage
from bot.storage.relays import Relays

log = logging.getLogger(__name__)

_RULES = DeskRules()


class Relay:
    """What the inbox hands its turns to, when there is a desk: it passes on what the engine is to answer.

    Build it with the engine, the inbox with it, then call `open` with what the inbox takes messages in with, and
    `run` once. `schedulers` are those of all platforms, the desk's among them. `extras` do what the relay does not do
    itself: snippets, drafts, translations.
    """

    def __init__(
        self,
        engine: Answers,
        *,
        desk: StaffDesk,
        database: Database,
        messages: Messages,
        schedulers: Mapping[str, SendScheduler],
        policies: Callable[[], Policies],
        rules: DeskRules = _RULES,
        extras: Mapping[ActionKind, Extra] = MappingProxyType({}),
        notify: Notify = log_notice,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        pause: float = 0.5,
        tick: float = 15.0,
    ) -> None:
        self._engine = engine
        self._desk = desk
        self._messages = messages
        self._policies = policies
        self._rules = rules
        self._extras = extras
        self._now = now
        self._cases, self._errands, relays = Cases(database), Errands(database), Relays(database)
        self._zone = policies().timezone
        words = Words(rules.language, self._zone)
        self._deciding: dict[int, bool] = {}
        """Conversations of which it is being found out who answers, and whether a person has spoken meanwhile."""
        self._acting: Acting | None = None
        posts = Posts(
            desk=desk,
            cases=self._cases,
            files=CaseFiles(database),
            errands=self._errands,
            relays=relays,
            schedulers=schedulers,
            policies=policies,
            words=words,
            now=now,
        )
        tells = Tells(errands=self._errands, schedulers=schedulers, now=now)
        self._showing = Showing(
            errands=self._errands,
            posts=posts,
            tells=tells,
            due=self._look,
            notify=notify,
            clock=clock,
            pause=pause,
            tick=tick,
        )
        self._customers = Customers(
            cases=self._cases,
            relays=relays,
            messages=messages,
            schedulers=schedulers,
            policies=policies,
            words=words,
            wake=self._showing.wake,
            now=now,
        )
        self._staff = StaffWords(
            desk=desk.name,
            relays=relays,
            messages=messages,
            schedulers=schedulers,
            policies=policies,
            rules=rules,
            words=words,
            silence=self.silence,
            wake=self._showing.wake,
            now=now,
        )

    def open(self, receive: Receive) -> None:
        """From now on staff can act. `receive` takes in for good what they type behind `/reply`."""
        self._acting = Acting(
            cases=self._cases,
            errands=self._errands,
            policies=self._policies,
            rules=self._rules,
            zone=self._zone,
            extras=self._extras,
            receive=receive,
            silence=self.silence,
            wake=self._showing.wake,
            now=self._now,
        )
        self._desk.listen(self.act, self.complete)

    async def run(self) -> None:
        """Show at the desk what is on record, and tell customers, until cancelled."""
        await self._showing.run()

    async def act(self, action: Action) -> ActionResult:
        """See `bot.desk.Act`."""
        assert self._acting is not None, "call open first"
        return await self._acting.act(action)

    async def complete(self, post: Address, kind: ActionKind, beginning: str) -> tuple[str, ...]:
        """See `bot.desk.Complete`."""
        return await completions(self._cases, post, kind, beginning)

    def silence(self, conversation_id: int) -> None:
        """A person speaks in this conversation: the engine falls silent there, whatever it is doing."""
        if conversation_id in self._deciding:
            self._deciding[conversation_id] = True
        self._engine.silence(conversation_id)

    async def answer(self, conversation: Conversation, messages: Sequence[StoredMessage], arrivals: Arrivals) -> None:
        """See `bot.inbox.TurnHandler`."""
        first = messages[0].message
        if self._is_post(conversation):
            if first.command == "ask":
                asked = [replace(one, message=replace(one.message, command=None)) for one in messages]
                await self._engine.answer(conversation, asked, arrivals)
                return
            for stored in messages:
                await self._staff.take(stored)
        elif first.role == "staff":
            await self._engine.answer(conversation, messages, arrivals)
        elif conversation.is_blocked:
            await self._messages.close(messages, at=self._now())
        else:
            await self._answer_customer(conversation, messages, arrivals)

    async def break_off(self, conversation: Conversation, message: StoredMessage) -> None:
        """See `bot.inbox.TurnHandler`."""
        await self._engine.break_off(conversation, message)

    async def give_up(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> None:
        """See `bot.inbox.TurnHandler`."""
        if self._is_post(conversation):
            for stored in messages:
                await self._staff.fail(stored)
        elif messages[0].message.role == "customer" and (case := await self._open_case(conversation.id)):
            await self._customers.take(case, conversation, messages)
        else:
            await self._engine.give_up(conversation, messages)
            self._showing.wake()

    async def stop(self, conversation_id: int, message: InboundMessage, *, inbox_id: int) -> None:
        """See `bot.inbox.TurnHandler`."""
        await self._engine.stop(conversation_id, message, inbox_id=inbox_id)

    async def delay(self, message: InboundMessage) -> None:
        """See `bot.inbox.TurnHandler`."""
        await self._engine.delay(message)

    def _is_post(self, conversation: Conversation) -> bool:
        at = conversation.address
        return at.platform == self._desk.name and self._desk.is_post(at)

    async def _answer_customer(
        self, conversation: Conversation, messages: Sequence[StoredMessage], arrivals: Arrivals
    ) -> None:
        self._deciding[conversation.id] = True
        try:
            case = None
            while self._deciding[conversation.id]:
                self._deciding[conversation.id] = False
                case = await self._open_case(conversation.id)
        finally:
            del self._deciding[conversation.id]
        # From here to the engine's first step nothing waits: whoever takes the case now silences the engine.
        if case is None:
            await self._engine.answer(conversation, messages, arrivals)
        elif messages[0].message.command == "new":
            await self._customers.back_to_bot(case)
            await self._engine.answer(conversation, messages, arrivals)
        else:
            await self._customers.take(case, conversation, messages)
        self._showing.wake()

    async def _open_case(self, conversation_id: int) -> Case | None:
        case = await self._cases.newest(conversation_id)
        return case if case is not None and case.state != "resolved" else None

    async def _look(self) -> None:
        if self._acting is not None:
            await self._acting.look()
