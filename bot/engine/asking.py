"""Asks a model about one turn, and hands its words on to the reply."""

import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, tzinfo
from functools import partial

from bot.chat import Source
from bot.engine.limits import EngineLimits
from bot.engine.pictures import Pictures
from bot.engine.request import context_of, history_within, query_of
from bot.engine.turn import RunningTurn
from bot.errors import ModelRejected, ModelUnavailable
from bot.llm.base import Billed, ChatModel, Cited, ModelMessage, ModelRequest, TextDelta
from bot.storage.messages import Messages
from bot.storage.turns import Turns
from bot.text import is_blank

log = logging.getLogger(__name__)

_UNREAD = "A picture could not be read; say so."


class Asking:
    """One object serves all conversations."""

    def __init__(
        self,
        *,
        model: ChatModel,
        messages: Messages,
        turns: Turns,
        timezone: tzinfo,
        limits: EngineLimits,
        now: Callable[[], datetime],
    ) -> None:
        self._model = model
        self._turns = turns
        self._timezone = timezone
        self._limits = limits
        self._now = now
        self._pictures = Pictures(messages, limits.pictures)

    async def look(self, turn: RunningTurn) -> None:
        """Load what hangs on the messages of a turn."""
        turn.images, turn.notes = await self._pictures.of(turn)

    async def ask(self, turn: RunningTurn) -> None:
        """Ask the model once; its words are in the reply when this returns. Raises `ModelError`."""
        request = await self._request(turn)
        try:
            await self._stream(turn, request)
        except ModelRejected:
            if not turn.images or turn.first_delta is not None or turn.has_news:
                raise
            # A picture may be damaged, or larger than the model takes: without it there is an answer.
            log.info("conversation %s: the request is made again without its pictures", turn.conversation.id)
            *history, question = request.messages
            turn.images, turn.notes = (), [*turn.notes, _UNREAD]
            context = self._context(turn)
            await self._stream(
                turn, replace(request, messages=(*history, replace(question, images=())), context=context)
            )
        if is_blank(turn.reply.text) and not turn.reply.gone:
            raise ModelUnavailable("the answer has no words")

    async def _stream(self, turn: RunningTurn, request: ModelRequest) -> None:
        """Hand on the model's text as it comes. Raises `ModelError`."""
        turn.begin(request)
        turn.heard(self._limits.silence)
        async with aclosing(self._model.stream(request)) as events:
            async for event in events:
                turn.heard(self._limits.silence)
                if turn.reply.gone or turn.has_news:
                    break  # nobody will read this: no further token is paid for
                if isinstance(event, TextDelta):
                    turn.say(event.text)
                elif isinstance(event, Cited):
                    turn.cited[event.section_id] = None
                elif isinstance(event, Billed):
                    turn.billed(event.usage)
                else:
                    turn.finished = event
                    turn.billed(event.usage)

    async def _request(self, turn: RunningTurn) -> ModelRequest:
        limits, at, asker = self._limits, self._now(), turn.messages[0].message.role
        past = await self._turns.history(turn.conversation)
        find = partial(self._found, turn, *query_of(turn.messages, past), at=at)
        sections = turn.policies.sources_for(turn.language, limits.section_tokens, at=at, asker=asker)
        if sections is None:
            sections = await find()
        prompts = turn.policies.prompts
        history = history_within(past, limits.history_tokens, asker=asker)
        return ModelRequest(
            system=prompts.staff if asker == "staff" else prompts.system,
            messages=(*history, ModelMessage("user", turn.words, turn.images)),
            sections=sections,
            find=find,
            context=self._context(turn),
            language=turn.language,
            max_tokens=limits.answer_tokens,
        )

    def _context(self, turn: RunningTurn) -> str:
        return context_of(
            turn.conversation,
            turn.messages,
            now=self._now().astimezone(self._timezone),
            language=turn.language,
            notes=turn.notes,
        )

    async def _found(self, turn: RunningTurn, query: str, before: Sequence[str], *, at: datetime) -> tuple[Source, ...]:
        limit, asker = self._limits.sections_found, turn.messages[0].message.role
        found = await turn.policies.search(
            query, language=turn.language, limit=limit, before=before, at=at, asker=asker
        )
        return tuple(hit.section.source() for hit in found if hit.good)
