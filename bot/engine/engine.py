"""One turn in, one streamed reply out."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import partial
from types import MappingProxyType

from bot.chat import InboundMessage, MessageRef, Source
from bot.engine.pictures import PictureLimits, Pictures
from bot.engine.request import (
    asked_in,
    context_of,
    history_within,
    linked,
    loggable,
    query_of,
    sources_of,
    unreadable_kinds,
    words_of,
)
from bot.engine.turn import RunningTurn
from bot.errors import ModelError, ModelRefused, ModelRejected, ModelUnavailable, RecipientGone, StorageError
from bot.llm.base import Billed, ChatModel, Cited, Image, ModelMessage, ModelRequest, TextDelta
from bot.policies.language import guess_language
from bot.policies.live import Policies
from bot.reply import StreamedReply
from bot.scheduler import SendScheduler
from bot.storage.messages import Conversation, Messages, StoredMessage
from bot.storage.outbox import reply_key
from bot.storage.turns import Answer, Outcome, Turns
from bot.text import is_blank

log = logging.getLogger(__name__)

_STORE_PAUSE = 0.5
_LONGEST_STORE_PAUSE = 4.0


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one answer may take. Texts are counted in characters, times in seconds."""

    max_text: int = 16_000
    history_tokens: int = 8_000
    section_tokens: int = 20_000
    sections_found: int = 5
    answer_tokens: int = 2_048
    pictures: PictureLimits = field(default_factory=PictureLimits)
    silence: float = 60.0
    """A stream that brings nothing for so long has failed."""
    streams: int = 500
    """Answers that are streamed at the same time; the others wait."""
    patience: float = 10.0
    """Who has seen nothing of the answer for so long is told that it is being worked on."""


class Engine:
    """Answers turns with a model's words and the shop's policies; one object serves all conversations."""

    def __init__(
        self,
        *,
        model: ChatModel,
        policies: Policies,
        messages: Messages,
        turns: Turns,
        schedulers: Mapping[str, SendScheduler],
        timezone: tzinfo,
        limits: EngineLimits = EngineLimits(),
        growing_mark: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._model = model
        self._policies = policies
        self._messages = messages
        self._turns = turns
        self._schedulers = schedulers
        self._timezone = timezone
        self._limits = limits
        self._growing_mark = growing_mark
        self._now = now
        self._pictures = Pictures(messages, limits.pictures)
        self._streams = asyncio.Semaphore(limits.streams)
        self._running: dict[int, RunningTurn] = {}
        self._early_stops: dict[int, int] = {}
        """Conversation → inbox id of a wish to stop that came before the turn began that it is about."""

    async def answer(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> None:
        """Answer these messages as one turn, show the answer for certain, and remember both."""
        turn = self._open(conversation, messages)
        if messages[0].message.command:
            await self._obey(turn, messages[0])
            return
        turn.stopped = messages[-1].id < self._early_stops.pop(conversation.id, 0)
        if not turn.stopped and (sentence := self._objection(turn)):
            await self._say(turn, sentence)
        else:
            self._running[conversation.id] = turn
            try:
                await self._answer_with_model(turn)
            finally:
                del self._running[conversation.id]
                turn.scheduler.drop(turn.reply)

    async def give_up(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> None:
        """Tell the customer that there is no answer, and be done with the messages."""
        turn = self._open(conversation, messages)
        await self._say(turn, self._sentence("model_down", turn), outcome="failed")

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
        reply, scheduler = self._reply(message, key=f"stop-{message.message_id}")
        scheduler.start(reply)
        reply.append(self._policies.sentence("nothing_to_stop", language))
        reply.end()
        with suppress(RecipientGone):
            await scheduler.finish(reply)

    async def delay(self, message: InboundMessage) -> None:
        """Tell a customer that nothing can be stored at the moment, if the message will come again by itself."""
        if not self._schedulers[message.address.platform].platform.limits.redelivers:
            return
        reply, scheduler = self._reply(message, key=f"delay-{message.message_id}")
        scheduler.start(reply)
        reply.append(self._policies.sentence("delayed", self._language(message.text, message.language, None)))
        reply.end()
        with suppress(RecipientGone):
            await scheduler.finish(reply)

    def _stop_running(self, conversation_id: int, inbox_id: int) -> bool:
        turn = self._running.get(conversation_id)
        # What was written after the stop, and is answered in the same turn, was not meant.
        if turn is not None and turn.messages[-1].id < inbox_id:
            turn.stop()
        return turn is not None

    def _open(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> RunningTurn:
        asked = asked_in(messages)
        last = messages[-1].message
        reply, scheduler = self._reply(last, key=reply_key(messages[0].id), sent=messages[0].sent)
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
            policies=self._policies,
            reply=reply,
            scheduler=scheduler,
            received=asyncio.get_running_loop().time() - waited,
        )

    def _reply(
        self, message: InboundMessage, *, key: str, sent: Mapping[str, MessageRef] = MappingProxyType({})
    ) -> tuple[StreamedReply, SendScheduler]:
        scheduler = self._schedulers[message.address.platform]
        platform = scheduler.platform
        reply = StreamedReply(
            to=message.address,
            key=key,
            reply_to=message.reply_to,
            max_units=platform.limits.max_units,
            measure=platform.measure,
            marks_growing=platform.limits.marks_growing,
            growing_mark="" if platform.limits.marks_growing else self._growing_mark,
            sent=sent,
        )
        return reply, scheduler

    def _language(self, words: str, hint: str | None, before: str | None) -> str:
        return guess_language(words, hint, before or self._policies.language, self._policies.languages)

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
        else:
            await self._say(turn, self._sentence("help", turn))

    def _objection(self, turn: RunningTurn) -> str | None:
        """The sentence for a message that no model is asked about, or None."""
        if len(turn.asked) > self._limits.max_text:
            return self._sentence("too_long", turn, limit=self._limits.max_text)
        if not is_blank(turn.asked):
            return None
        has_photo = any(item.kind == "photo" for stored in turn.messages for item in stored.message.attachments)
        if has_photo:
            return None
        for kind in unreadable_kinds(turn.messages):
            return self._sentence(f"unsupported_{kind}", turn)
        return self._sentence("empty", turn)

    async def _say(self, turn: RunningTurn, sentence: str, *, outcome: Outcome = "sentence") -> None:
        """Answer with a sentence of the program's."""
        turn.scheduler.start(turn.reply)
        turn.reply.append(sentence)
        await self._close(turn, outcome)

    async def _answer_with_model(self, turn: RunningTurn) -> None:
        turn.scheduler.start(turn.reply)
        patience = asyncio.get_running_loop().call_later(self._limits.patience, self._reassure, turn)
        try:
            async with turn.stoppable():
                await self._ask(turn)
        except ModelError as exc:
            reason = loggable(str(exc), turn.words)
            log.warning("conversation %s: %s: %s", turn.conversation.id, type(exc).__name__, reason)
            refused = isinstance(exc, ModelRefused)
            turn.reply.restart()
            turn.reply.append(self._sentence("refused" if refused else "model_down", turn))
            await self._close(turn, "refused" if refused else "failed")
        else:
            await self._close_answer(turn)
        finally:
            patience.cancel()

    def _reassure(self, turn: RunningTurn) -> None:
        """The first words take long: a sentence stands where the answer will."""
        if not turn.stopped and not turn.reply.ended and turn.reply.first_visible_at is None:
            turn.reply.show(self._sentence("overloaded" if turn.is_queued else "wait", turn))
            turn.scheduler.announce(turn.reply)

    async def _close_answer(self, turn: RunningTurn) -> None:
        """Show the end of what the model has said, as it came to it."""
        if turn.stopped and turn.finished is None:
            await self._close(turn, "stopped", notice=self._sentence("stopped", turn))
        elif turn.request is None:
            turn.reply.append(self._sentence("photo_failed", turn))
            await self._close(turn, "sentence")
        else:
            cut_off = turn.finished is not None and turn.finished.stop_reason == "max_tokens"
            notice = self._sentence("truncated", turn) if cut_off else ""
            await self._close(turn, "complete", sources=sources_of(turn.request.sections, turn.cited), notice=notice)

    async def _ask(self, turn: RunningTurn) -> None:
        """Ask the model, when there is something to ask. Raises `ModelError`."""
        if turn.stopped:
            return
        images, notes = await self._pictures.of(turn)
        if not images and is_blank(turn.asked):
            return
        turn.is_queued = self._streams.locked()
        async with self._streams:
            turn.is_queued = False
            turn.request = await self._request(turn, images, notes)
            try:
                await self._stream(turn, turn.request)
            except ModelRejected:
                if not images or turn.first_delta is not None:
                    raise
                # A picture may be damaged, or larger than the model takes: without it there is an answer.
                log.info("conversation %s: the request is made again without its pictures", turn.conversation.id)
                turn.request = await self._request(turn, (), [*notes, "A picture could not be read; say so."])
                await self._stream(turn, turn.request)
        if is_blank(turn.reply.text) and not turn.reply.gone:
            raise ModelUnavailable("the answer has no words")

    async def _stream(self, turn: RunningTurn, request: ModelRequest) -> None:
        """Hand on the model's text as it comes. Raises `ModelError`."""
        loop = asyncio.get_running_loop()
        turn.requested = loop.time()
        turn.heard(self._limits.silence)
        async with aclosing(self._model.stream(request)) as events:
            async for event in events:
                turn.heard(self._limits.silence)
                if turn.reply.gone:
                    break  # nobody reads there any more: no further token is paid for
                if isinstance(event, TextDelta):
                    turn.first_delta = turn.first_delta or loop.time()
                    turn.reply.append(event.text)
                    turn.scheduler.announce(turn.reply)
                elif isinstance(event, Cited):
                    turn.cited[event.section_id] = None
                elif isinstance(event, Billed):
                    turn.usage = event.usage
                else:
                    turn.finished, turn.usage = event, event.usage

    async def _request(self, turn: RunningTurn, images: tuple[Image, ...], notes: Sequence[str]) -> ModelRequest:
        limits = self._limits
        past = await self._turns.history(turn.conversation)
        find = partial(self._found, turn, *query_of(turn.messages, past))
        sections = turn.policies.sources_for(turn.language, limits.section_tokens)
        if sections is None:
            sections = await find()
        prompts = turn.policies.prompts
        asker = turn.messages[0].message.role
        history = history_within(past, limits.history_tokens, asker=asker)
        return ModelRequest(
            system=prompts.staff if asker == "staff" else prompts.system,
            messages=(*history, ModelMessage("user", turn.words, images)),
            sections=sections,
            find=find,
            context=context_of(
                turn.conversation,
                turn.messages,
                now=self._now().astimezone(self._timezone),
                language=turn.language,
                notes=notes,
            ),
            language=turn.language,
            max_tokens=limits.answer_tokens,
        )

    async def _found(self, turn: RunningTurn, query: str, before: Sequence[str]) -> tuple[Source, ...]:
        limit = self._limits.sections_found
        found = await turn.policies.search(query, language=turn.language, limit=limit, before=before)
        return tuple(hit.section.source() for hit in found if hit.good)

    async def _close(
        self, turn: RunningTurn, outcome: Outcome, *, sources: tuple[Source, ...] = (), notice: str = ""
    ) -> None:
        """Show the end for certain, then remember the turn."""
        native = turn.scheduler.platform.limits.shows_sources
        turn.reply.end(
            sources=sources if native else (),
            footer="" if native else self._source_line(turn, sources),
            notice=notice,
        )
        try:
            await turn.scheduler.finish(turn.reply)
            if turn.reply.refused:
                outcome = "failed"
                log.warning("conversation %s: the platform refuses the answer in every form", turn.conversation.id)
                await self._apologise(turn)
        except RecipientGone:
            log.info("conversation %s: nobody reads there any more", turn.conversation.id)
            outcome = "undeliverable"
        finished = turn.finished
        answer = Answer(
            asked=turn.words if outcome not in ("sentence", "refused") else None,
            role=turn.messages[0].message.role,
            text=turn.reply.text,
            notice=notice,
            outcome=outcome,
            reply_key=turn.reply.key,
            language=turn.language,
            model=finished.model if finished else self._model.name,
            stop_reason=finished.stop_reason if finished else None,
            policy_version=turn.policies.version,
            sources=sources,
            timings=turn.timings(),
            **(asdict(turn.usage) if turn.usage else {}),
        )
        await self._store(turn, answer)

    async def _apologise(self, turn: RunningTurn) -> None:
        """A sentence under what could not be shown, so that nobody waits for it. Raises `RecipientGone`."""
        reply, scheduler = self._reply(turn.messages[-1].message, key=f"{turn.reply.key}/sorry")
        reply.append(self._sentence("model_down", turn))
        reply.end()
        scheduler.start(reply)
        await scheduler.finish(reply)

    async def _store(self, turn: RunningTurn, answer: Answer) -> None:
        """The reply is out: whatever ails the storage must not make us send it, and pay for it, a second time."""
        pause = _STORE_PAUSE
        while True:
            try:
                await self._turns.store(turn.conversation.id, turn.messages, answer, at=self._now())
                return
            except StorageError as exc:
                if pause == _STORE_PAUSE:
                    log.error("conversation %s: the answer is not stored yet: %s", turn.conversation.id, exc)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_STORE_PAUSE)

    def _source_line(self, turn: RunningTurn, sources: Sequence[Source]) -> str:
        if not sources:
            return ""
        label = self._sentence("source_label" if len(sources) == 1 else "sources_label", turn)
        return f"{label}: " + "; ".join(linked(source) for source in sources)
