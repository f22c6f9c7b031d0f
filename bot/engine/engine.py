"""One turn in, one streamed reply out."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo

from bot.bursts import Arrivals
from bot.chat import InboundMessage, Source
from bot.desk import Handover
from bot.engine.asking import Asking
from bot.engine.budget import Budget
from bot.engine.desk import Desk
from bot.engine.gaps import gap_of
from bot.engine.late import Late
from bot.engine.limits import EngineLimits
from bot.engine.objections import objection
from bot.engine.request import asked_in, words_of
from bot.engine.side import Side, Sides
from bot.engine.sources import label_of, source_lines, sources_of
from bot.engine.storing import store
from bot.engine.telling import Telling
from bot.engine.turn import RunningTurn
from bot.errors import ModelError, ModelRefused, OverBudget, RecipientGone, StorageError
from bot.llm.base import ChatModel
from bot.llm.prices import Prices
from bot.policies.language import guess_language
from bot.policies.live import Policies
from bot.reply.slot import last_of
from bot.scheduler import SendScheduler
from bot.storage.cases import Cases
from bot.storage.messages import Conversation, Messages, StoredMessage
from bot.storage.outbox import reply_key
from bot.storage.turns import OVER_BUDGET, Answer, Outcome, Turns
from bot.text import is_blank, loggable

log = logging.getLogger(__name__)

_LIMITS = EngineLimits()


class Engine:
    """Answers turns with a model's words and the shop's policies; one object serves all conversations.

    `policies` gives the version that is live: a turn asks for it once, when it begins, and keeps it; `sides` may give
    it another one. `cases`: there is a desk at which staff look at conversations that wait for a person. The `model`
    says itself what its answers cost; `prices` are for those that break off (None: those that come with the program).
    """

    def __init__(
        self,
        *,
        model: ChatModel,
        policies: Callable[[], Policies],
        sides: Sides | None = None,
        messages: Messages,
        turns: Turns,
        schedulers: Mapping[str, SendScheduler],
        timezone: tzinfo,
        limits: EngineLimits = _LIMITS,
        growing_mark: str = "",
        cases: Cases | None = None,
        prices: Prices | None = None,
        budget: Budget | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._model = model
        self._policies = policies
        self._sides = sides or (lambda message: Side(policies()))
        self._messages = messages
        self._turns = turns
        self._limits = limits
        self._telling = Telling(schedulers, growing_mark)
        self._now = now
        self._late = Late(turns, limits.lateness, now)
        self._desk = Desk(cases is not None, now)
        self._budget = budget
        self._asking = Asking(
            model=model,
            messages=messages,
            turns=turns,
            timezone=timezone,
            limits=limits,
            now=now,
            cases=cases,
            prices=prices or Prices(),
            budget=budget,
        )
        self._streams = asyncio.Semaphore(limits.streams)
        self._open_turns: dict[int, RunningTurn] = {}
        """All that are not over: a person may silence them. Those that are `_running` may be stopped and joined."""
        self._running: dict[int, RunningTurn] = {}
        self._early_stops: dict[int, int] = {}
        """Conversation → inbox id of a wish to stop that came before the turn began that it is about."""

    async def answer(self, conversation: Conversation, messages: Sequence[StoredMessage], arrivals: Arrivals) -> None:
        """Answer these messages as one turn, show the answer for certain, and remember both.

        What arrives before anything of the answer is visible, or on its way to be, joins: the model is asked again
        with all of it. Raises `StorageError` when that can not be read; nothing is answered then. Once `silence` was
        called, messages of whose answer nothing was seen are left as they were.
        """
        if messages[0].message.deleted:
            await self._messages.close(messages, at=self._now())
            return
        turn = self._open_turns[conversation.id] = self._open(conversation, messages)
        try:
            await self._answer(turn, arrivals)
        finally:
            del self._open_turns[conversation.id]

    def silence(self, conversation_id: int) -> None:
        """A person speaks in this conversation from now on: what is being answered there is broken off, with one more
        edit at most and no further message."""
        if turn := self._open_turns.get(conversation_id):
            turn.silence()

    async def _answer(self, turn: RunningTurn, arrivals: Arrivals) -> None:
        conversation, messages = turn.conversation, turn.messages
        if messages[0].message.command:
            await self._obey(turn, messages[0])
            return
        if await self._late.covered(turn) or (self._budget and await self._budget.covered(turn)):
            return
        if messages[-1].id < (stopped_by := self._early_stops.pop(conversation.id, 0)):
            turn.stop(stopped_by)
        if turn.silenced:
            return
        if not turn.stopped and (
            sentence := self._late.sentence(turn) or objection(turn, self._limits) or self._over(turn)
        ):
            await self._say(turn, sentence)
        else:
            self._running[conversation.id] = turn
            arrivals.listen(turn.hear)
            try:
                await self._answer_with_model(turn, arrivals)
            finally:
                del self._running[conversation.id]
                turn.scheduler.drop(turn.reply)

    async def give_up(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> None:
        """Tell the customer that there is no answer, and be done with the messages."""
        turn = self._open(conversation, messages)
        await self._say(turn, self._desk.model_down(turn), outcome="failed")

    async def break_off(self, conversation: Conversation, message: StoredMessage) -> None:
        """End an answer that a crash cut off: its last message says so. What that showed is not on record."""
        language = self._language(asked_in([message]), message.message.language, conversation.language)
        if last := last_of(reply_key(message.id), message.sent):
            sentence = self._policies().sentence("stopped", language)
            with suppress(RecipientGone):
                await self._telling.tell(message.message, sentence, last[0], sent=dict([last]))

    async def stop(self, conversation_id: int, message: InboundMessage, *, inbox_id: int) -> None:
        """End the running answer: what is there stays and is marked. Without one, a `stop` is told so."""
        if self._stop_running(conversation_id, inbox_id) or message.command != "stop":
            return
        conversation, waiting = await self._messages.waiting(conversation_id)
        if self._stop_running(conversation_id, inbox_id):
            return
        if any(stored.id < inbox_id and not stored.message.command for stored in waiting):
            self._early_stops[conversation_id] = inbox_id
            return
        language = self._language(message.text, message.language, conversation.language)
        sentence = self._policies().sentence("nothing_to_stop", language)
        await self._telling.tell(message, sentence, f"stop-{message.message_id}")

    async def delay(self, message: InboundMessage) -> None:
        """Tell a customer that nothing can be stored at the moment, if the message will come again by itself."""
        if self._telling.redelivers(message):
            language = self._language(message.text, message.language, None)
            sentence = self._policies().sentence("delayed", language)
            with suppress(RecipientGone):
                await self._telling.tell(message, sentence, f"delay-{message.message_id}")

    def _stop_running(self, conversation_id: int, inbox_id: int) -> bool:
        turn = self._running.get(conversation_id)
        # What was written after the stop, and is answered in the same turn, was not meant.
        if turn is not None and turn.messages[-1].id < inbox_id:
            turn.stop(inbox_id)
        return turn is not None

    def _open(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> RunningTurn:
        asked = asked_in(messages)
        last = messages[-1].message
        side = self._sides(last)
        reply, scheduler = self._telling.reply(last, key=reply_key(messages[0].id), sent=messages[0].sent)
        # The wall clock may jump; it is asked only for what happened before this process took the turn on.
        waited = messages[0].waited
        if waited is None:
            waited = max(0.0, (self._now() - messages[0].received_at).total_seconds())
        return RunningTurn(
            conversation=conversation,
            messages=messages,
            language=self._language(asked, last.language, conversation.language),
            asked=asked,
            words=words_of(messages),
            policies=side.policies,
            variant=side.variant,
            reply=reply,
            scheduler=scheduler,
            received=asyncio.get_running_loop().time() - waited,
            joins_left=self._limits.joins,
        )

    def _language(self, words: str, hint: str | None, before: str | None) -> str:
        policies = self._policies()
        return guess_language(words, hint, before or policies.language, policies.languages)

    def _sentence(self, key: str, turn: RunningTurn, **values: int) -> str:
        return turn.policies.sentence(key, turn.language, **values)

    async def _obey(self, turn: RunningTurn, stored: StoredMessage) -> None:
        conversation, command = turn.conversation, stored.message.command
        if command == "start":
            if stored.message.text:
                await self._messages.keep_start(conversation.id, stored.message.text)
            await self._say(turn, self._sentence("greeting", turn))
        elif command == "new":
            await self._messages.start_afresh(conversation.id, after=stored)
            await self._say(turn, self._sentence("new_conversation", turn))
        elif command == "human":
            await self._ask_for_person(turn, stored.message)
        else:
            await self._say(turn, self._sentence("help", turn))

    async def _ask_for_person(self, turn: RunningTurn, message: InboundMessage) -> None:
        if self._desk.is_there and message.role == "customer":
            turn.handover = Handover("asked", message.text)
            await self._say(turn, "")
        else:
            await self._say(turn, self._sentence("no_person", turn))

    def _over(self, turn: RunningTurn) -> str | None:
        return self._budget.sentence(turn) if self._budget else None

    async def _say(self, turn: RunningTurn, sentence: str, *, outcome: Outcome = "sentence") -> None:
        """Answer with a sentence of the program's."""
        turn.scheduler.start(turn.reply)
        turn.reply.append(sentence)
        await self._close(turn, outcome)

    async def _answer_with_model(self, turn: RunningTurn, arrivals: Arrivals) -> None:
        turn.scheduler.start(turn.reply)
        patience = asyncio.get_running_loop().call_later(self._limits.patience, self._reassure, turn)
        try:
            async with turn.stoppable():
                await self._ask(turn, arrivals)
            if turn.stopped_by is not None and turn.has_news:
                await self._join_stopped(turn, arrivals, turn.stopped_by)
        except ModelError as exc:
            reason = loggable(str(exc), turn.words)
            log.warning("conversation %s: %s: %s", turn.conversation.id, type(exc).__name__, reason)
            refused = isinstance(exc, ModelRefused)
            turn.reply.restart()
            turn.reply.append(self._sentence("refused", turn) if refused else self._desk.model_down(turn))
            await self._close(turn, "refused" if refused else "failed")
        except OverBudget:
            turn.reply.restart()
            turn.reply.append(self._over(turn) or self._sentence("model_down", turn))
            await self._close(turn, "sentence")
        else:
            await self._close_answer(turn)
        finally:
            patience.cancel()

    def _reassure(self, turn: RunningTurn) -> None:
        """The first words take long: a sentence stands where the answer will."""
        if not turn.is_broken_off and not turn.reply.ended and turn.reply.first_visible_at is None:
            turn.reply.show(self._sentence("overloaded" if turn.is_queued else "wait", turn))
            turn.scheduler.announce(turn.reply)

    async def _close_answer(self, turn: RunningTurn) -> None:
        """Show the end of what the model has said, as it came to it."""
        if turn.silenced:
            await self._close(turn, "stopped")
        elif turn.stopped and turn.finished is None:
            turn.handover = None
            await self._close(turn, "stopped", notice=self._sentence("stopped", turn))
        elif turn.request is None:
            turn.reply.append(objection(turn, self._limits) or self._sentence("photo_failed", turn))
            await self._close(turn, "sentence")
        else:
            cut_off = turn.finished is not None and turn.finished.stop_reason == "max_tokens"
            notice = self._sentence("truncated", turn) if cut_off else ""
            await self._close(
                turn, "complete", sources=sources_of(turn.request.known.values(), turn.cited), notice=notice
            )

    async def _ask(self, turn: RunningTurn, arrivals: Arrivals) -> None:
        """Ask the model, when there is something to ask, and again when more belongs to the turn. Raises
        `ModelError`."""
        if turn.is_broken_off:
            return
        await self._asking.look(turn)
        turn.is_queued = self._streams.locked()
        async with self._streams:
            turn.is_queued = False
            while True:
                if turn.has_news:
                    await self._join(turn, arrivals)
                elif (
                    objection(turn, self._limits)
                    or (is_blank(turn.asked) and not turn.images)
                    or await self._attempt(turn)
                ):
                    return

    async def _attempt(self, turn: RunningTurn) -> bool:
        """Ask the model once. False when that was broken off, because more belongs to the turn."""
        try:
            async with turn.attempt():
                await self._asking.ask(turn)
        except ModelError:
            if not turn.has_news:
                raise
        return not turn.has_news

    async def _join(self, turn: RunningTurn, arrivals: Arrivals) -> None:
        """Take in what was written since this turn was begun. Raises `StorageError`: then the turn is begun anew
        when storage can be read again, and nothing of it is visible yet."""
        await arrivals.quiet()
        with turn.taking_in():
            messages = await arrivals.take()
        before = len(turn.messages)
        self._take_in(turn, messages)
        log.info("conversation %s: %s messages join a turn", turn.conversation.id, len(turn.messages) - before)
        await self._asking.look(turn)

    async def _join_stopped(self, turn: RunningTurn, arrivals: Arrivals, stopped_by: int) -> None:
        """What was written before the stop was meant by it, too."""
        with suppress(StorageError):
            messages = await arrivals.take()
            self._take_in(turn, [stored for stored in messages if stored.id < stopped_by])

    def _take_in(self, turn: RunningTurn, messages: Sequence[StoredMessage]) -> None:
        """The turn is about these messages now: its own with their newest texts, and as many more as it takes."""
        count = len(turn.messages)
        while count < len(messages) and self._fits(turn, messages[: count + 1]):
            count += 1
        turn.messages = messages[:count]
        last = turn.messages[-1].message
        turn.asked, turn.words, turn.request = asked_in(turn.messages), words_of(turn.messages), None
        turn.language = self._language(turn.asked, last.language, turn.conversation.language)
        turn.reply.hang_on(last.reply_to)

    def _fits(self, turn: RunningTurn, messages: Sequence[StoredMessage]) -> bool:
        return turn.can_hang_on(messages[-1].message) and len(asked_in(messages)) <= self._limits.max_text

    async def _close(
        self, turn: RunningTurn, outcome: Outcome, *, sources: tuple[Source, ...] = (), notice: str = ""
    ) -> None:
        """Show the end for certain, then remember the turn."""
        native = turn.scheduler.platform.limits.shows_sources
        notice = self._desk.hand_over(turn, notice)
        turn.reply.end(
            offers_person=self._desk.offers_person(turn, outcome),
            sources=sources if native else (),
            footers=() if native else source_lines(self._sentence(label_of(sources), turn), sources),
            notice=notice,
        )
        try:
            await turn.scheduler.finish(turn.reply)
            if turn.reply.refused:
                outcome = "failed"
                log.warning("conversation %s: the platform refuses the answer in every form", turn.conversation.id)
                # A sentence under what could not be shown, so that nobody waits for it.
                sentence = self._sentence("model_down", turn)
                await self._telling.tell(turn.messages[-1].message, sentence, f"{turn.reply.key}/sorry")
        except RecipientGone:
            log.info("conversation %s: nobody reads there any more", turn.conversation.id)
            outcome = "undeliverable"
        if turn.reply.broken_off:
            if is_blank(turn.reply.text) or not turn.reply.refs:
                return  # nobody has seen anything of it: whoever speaks now answers these messages
            outcome, sources, notice, turn.handover = "stopped", (), self._sentence("taken_over", turn), None
        finished = turn.finished
        answer = Answer(
            asked=turn.words if turn.handover or outcome not in ("sentence", "refused") else None,
            role=turn.messages[0].message.role,
            text=turn.reply.text,
            preface=turn.reply.preface,
            handover=turn.handover,
            notice=notice,
            outcome=outcome,
            reply_key=turn.reply.key,
            language=turn.language,
            model=finished.model if finished else self._model.name,
            stop_reason=finished.stop_reason if finished else OVER_BUDGET if turn.over_budget else None,
            policy_version=turn.policies.version,
            variant=turn.variant,
            failures=turn.failures,
            spent=turn.spendings(),
            sources=sources,
            timings=turn.timings(),
            gap=await gap_of(turn, outcome, sources),
        )
        await store(self._turns, turn, answer, self._now)
