"""Asks a model about one turn, and hands its words on to the reply."""

import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, tzinfo
from functools import partial

from bot.chat import Source
from bot.engine.budget import Budget
from bot.engine.gaps import is_small_talk
from bot.engine.hand_over import HandOver, settled_note
from bot.engine.limits import EngineLimits
from bot.engine.pictures import Pictures
from bot.engine.request import context_of, history_within, nothing_found, query_of
from bot.engine.tools import Toolbox
from bot.engine.turn import RunningTurn
from bot.errors import ModelRejected, ModelUnavailable, OverBudget
from bot.llm.base import (
    Billed,
    ChatModel,
    Cited,
    Finished,
    ModelMessage,
    ModelRequest,
    Restarted,
    TextDelta,
    ToolCall,
    ToolRound,
)
from bot.llm.priced import broken_off
from bot.llm.prices import Prices
from bot.policies.tool import SearchPolicies
from bot.storage.cases import Cases
from bot.storage.messages import Messages
from bot.storage.turns import Turns
from bot.text import is_blank
from bot.tools.base import Asker, Tool

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
        cases: Cases | None = None,
        prices: Prices,
        budget: Budget | None,
    ) -> None:
        self._model = model
        self._turns = turns
        self._timezone = timezone
        self._limits = limits
        self._now = now
        self._cases = cases
        self._hand_over = HandOver()
        self._prices = prices
        self._budget = budget
        self._pictures = Pictures(messages, limits.pictures)
        self._search: SearchPolicies | None = None
        """The tool for the policies that were asked for last."""

    async def look(self, turn: RunningTurn) -> None:
        """Load what hangs on the messages of a turn."""
        turn.images, turn.notes = await self._pictures.of(turn)

    async def ask(self, turn: RunningTurn) -> None:
        """Ask the model once; its words are in the reply when this returns. Raises `ModelError`, and `OverBudget`
        before a request for which nothing is left."""
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
            context = self._context(turn, request)
            await self._stream(
                turn, replace(request, messages=(*history, replace(question, images=())), context=context)
            )
        if is_blank(turn.reply.text) and not turn.reply.gone and turn.handover is None:
            raise ModelUnavailable("the answer has no words")

    async def _stream(self, turn: RunningTurn, request: ModelRequest) -> None:
        """Hand on the model's text as it comes, and make the calls that it wants made meanwhile. Raises
        `ModelError`."""
        turn.begin(request)
        while (waiting := await self._read(turn, request)) is not None:
            last = turn.messages[-1].message
            asker = Asker(last.address, last.sender_id, last.role, turn.language)
            toolbox = self._toolbox(turn)
            results = await toolbox.results(waiting.calls, asker, request.known)
            turn.handover = toolbox.handover or turn.handover
            rounds = (*request.rounds, replace(waiting, results=results))
            request = replace(request, rounds=rounds, may_call=len(rounds) < self._limits.tool_rounds)
            turn.go_on(request)

    async def _read(self, turn: RunningTurn, request: ModelRequest) -> ToolRound | None:
        """One stream of the answer. What was said before calls that wait for their results; None: it was the last."""
        if self._budget is not None and self._budget.is_over(turn):
            raise OverBudget("what may be spent today is spent")
        calls: list[ToolCall] = []
        text: list[str] = []
        told: Billed | Finished | None = None
        turn.heard(self._limits.silence)
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    turn.heard(self._limits.silence)
                    if turn.reply.gone or turn.has_news:
                        break  # nobody will read this: no further token is paid for
                    if isinstance(event, TextDelta):
                        turn.say(event.text)
                        text.append(event.text)
                    elif isinstance(event, Cited):
                        turn.cited[event.section_id] = None
                    elif isinstance(event, ToolCall):
                        calls.append(event)
                    elif isinstance(event, Restarted):
                        self._count_broken_off(turn, request, told, text)
                        turn.say_again()
                        told = None
                        text.clear()
                        calls.clear()
                    else:
                        told = event
                        self._count(turn, event)
                        if isinstance(event, Finished):
                            turn.failures += event.failures
                            return self._end(turn, request, event, "".join(text), calls)
        finally:
            self._count_broken_off(turn, request, told, text)
        return None

    def _end(
        self, turn: RunningTurn, request: ModelRequest, end: Finished, text: str, calls: Sequence[ToolCall]
    ) -> ToolRound | None:
        if end.stop_reason != "tools":
            turn.finished = end
            return None
        if not (request.may_call and calls):
            raise ModelUnavailable("the model calls tools and comes to no answer")
        return ToolRound(text, tuple(calls), (), end.said)

    def _count(self, turn: RunningTurn, event: Billed | Finished) -> None:
        more = turn.billed(event.payer, event.usage)
        if self._budget is not None:
            self._budget.count(turn, more)

    def _count_broken_off(
        self, turn: RunningTurn, request: ModelRequest, told: Billed | Finished | None, text: Sequence[str]
    ) -> None:
        """What the provider would have counted at the end of an answer that has none."""
        if isinstance(told, Finished):
            return
        guess = broken_off(request, told, "".join(text), model=self._model.name, prices=self._prices)
        if guess is not None:
            self._count(turn, guess)

    async def _request(self, turn: RunningTurn) -> ModelRequest:
        limits, at, asker = self._limits, self._now(), turn.messages[0].message.role
        past = await self._turns.history(turn.conversation)
        turn.is_first = not past
        if self._has_desk(turn) and self._cases:
            turn.settled = settled_note(await self._cases.newest(turn.conversation.id), at.astimezone(self._timezone))
        find = partial(self._found, turn, *query_of(turn.messages, past), at=at)
        sections = turn.policies.sources_for(turn.language, limits.section_tokens, at=at, asker=asker)
        found = await find() if sections is None else ()
        prompts = turn.policies.prompts
        history = history_within(past, limits.history_tokens, asker=asker)
        request = ModelRequest(
            system=prompts.staff if asker == "staff" else prompts.system,
            messages=(*history, ModelMessage("user", turn.words, turn.images)),
            sections=sections or (),
            found=found,
            find=find,
            language=turn.language,
            max_tokens=limits.answer_tokens,
            tools=self._toolbox(turn).specs,
            asks=not is_small_talk(turn.policies, turn.asked, turn.language),
            conversation=str(turn.conversation.id),
            variant=turn.variant,
        )
        return replace(request, context=self._context(turn, request))

    def _toolbox(self, turn: RunningTurn) -> Toolbox:
        """The tools of a turn; there is no search where the model is given all that it could find."""
        policies, limits, asker = turn.policies, self._limits, turn.messages[0].message.role
        tools: list[Tool] = [self._hand_over] if self._has_desk(turn) else []
        everything = policies.sources_for("", limits.section_tokens, at=self._now(), asker=asker)
        if policies.prompts.sections and everything is None:
            if self._search is None or self._search.policies is not policies:
                self._search = SearchPolicies(policies, limit=limits.sections_found)
            tools.append(self._search)
        return Toolbox(tools, calls=limits.tool_calls)

    def _has_desk(self, turn: RunningTurn) -> bool:
        return self._cases is not None and turn.messages[0].message.role == "customer"

    def _context(self, turn: RunningTurn, request: ModelRequest) -> str:
        return context_of(
            turn.conversation,
            turn.messages,
            now=self._now().astimezone(self._timezone),
            language=turn.language,
            notes=[*turn.notes, *turn.settled, *nothing_found(request)],
        )

    async def _found(self, turn: RunningTurn, query: str, before: Sequence[str], *, at: datetime) -> tuple[Source, ...]:
        limit, asker = self._limits.sections_found, turn.messages[0].message.role
        found = await turn.policies.search(
            query, language=turn.language, limit=limit, before=before, at=at, asker=asker
        )
        return tuple(hit.section.source() for hit in found if hit.good)
