"""Several keys of one endpoint as one model: one is used and stayed with, and when it is refused the next one is."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from bot.errors import KeyRefused, ModelUnavailable
from bot.llm.base import Billed, ChatModel, Finished, ModelEvent, ModelRequest, Payer, Usage
from bot.llm.limits import Limits, Window
from bot.notices import Notice, Notify, log_notice

LONGEST_REST = 3600.0
"""Seconds; whatever an endpoint asks for, a key is tried again after so long."""
_FIRST_REST, _LONGEST_BACKOFF = 1.0, 60.0
_TOLD_FROM = 300.0
"""Who rests for so many seconds is told of."""
_MINUTE, _DAY = 60.0, 86_400.0
_WEIGHT = 0.2

State = Literal["ready", "resting", "at its limit", "refused"]


@dataclass(frozen=True, slots=True)
class KeyState:
    """How a key is doing with one model. `seconds` until it may be used again, if that is known."""

    label: str
    state: State
    seconds: float | None = None
    is_used: bool = False
    why: str = ""


class Key:
    """What is known of one key, shared by all models that are asked with it; the key itself is not in here.

    `label` names it wherever it is spoken of. `counts_cache`: whether tokens that were read from a cache count against
    its limits, as they do with most providers, but not with Anthropic.
    """

    def __init__(
        self,
        label: str = "",
        limits: Limits | None = None,
        *,
        counts_cache: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = label
        self.refused = ""
        """Why it is not used any more, in words; empty: it is."""
        self._counts_cache = counts_cache
        self._clock = clock
        limits = limits or Limits()
        self._requests = [Window(_MINUTE, limit) for limit in (limits.requests_per_minute,) if limit]
        spans = ((_MINUTE, limits.tokens_per_minute), (_DAY, limits.tokens_per_day))
        self._tokens = [Window(span, limit) for span, limit in spans if limit]
        self._running = 0
        self._average = 0.0
        """Tokens of a request: those that run will take about as many."""

    def wait(self) -> float:
        """Seconds until its limits allow one more request."""
        now, expected = self._clock(), round(self._average * (self._running + 1))
        waits = [window.wait(1, now) for window in self._requests]
        return max([*waits, *(window.wait(expected, now) for window in self._tokens)], default=0.0)

    def begin(self) -> None:
        """A request is made with it."""
        self._running += 1
        for window in self._requests:
            window.add(1, self._clock())

    def end(self, usage: Usage) -> None:
        """The request is over, and this is what was billed."""
        self._running -= 1
        tokens = usage.input_tokens + usage.output_tokens + usage.cache_write_tokens
        tokens += usage.cache_read_tokens if self._counts_cache else 0
        if tokens:
            self._average += (tokens - self._average) * (_WEIGHT if self._average else 1.0)
            for window in self._tokens:
                window.add(tokens, self._clock())


@dataclass(slots=True)
class _Member:
    key: Key
    model: ChatModel
    rests_until: float = 0.0
    refused_at: float = -1.0
    strikes: int = 0
    is_told: bool = False
    why: str = ""


class KeyPool:
    """One model with each of the keys of its endpoint.

    A key stays in use while it works, since a provider's prompt cache belongs to a key. One that is refused rests, for
    as long as the endpoint says, or longer each time; one that is refused for good is not used again. While nothing
    was handed on, the next key is tried at once, and nobody notices.
    """

    def __init__(
        self,
        members: Sequence[tuple[Key, ChatModel]],
        *,
        notify: Notify = log_notice,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._members = [_Member(key, model) for key, model in members]
        self._notify = notify
        self._clock = clock
        self._current = 0
        self.name = members[0][1].name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it, with who pays for it.

        Raises `ModelUnavailable` when no key may be used, with the seconds until one may be.
        """
        refusal: KeyRefused | None = None
        for _ in self._members:
            member = self._choose(refusal)
            payer, usage = Payer(self.name, member.key.label), Usage()
            began, is_begun = self._clock(), False
            member.key.begin()
            try:
                async with aclosing(member.model.stream(request)) as events:
                    async for event in events:
                        if isinstance(event, Billed | Finished):
                            event = replace(event, payer=payer)
                            usage = event.usage
                        is_begun = True
                        yield event
                self._works(member, began)
                return
            except KeyRefused as exc:
                self._refused(member, exc, began)
                refusal = exc
            finally:
                member.key.end(usage)
            if is_begun:
                break
        self._choose(refusal)
        # Another key is there, but what was handed on cannot be taken back here.
        raise ModelUnavailable(str(refusal)) from refusal

    def states(self) -> tuple[KeyState, ...]:
        """How each key is doing."""
        return tuple(self._state(index, member) for index, member in enumerate(self._members))

    async def close(self) -> None:
        for member in self._members:
            await member.model.close()

    def _choose(self, refusal: KeyRefused | None) -> _Member:
        """The key that is in use, else the next one that may be. Raises `ModelUnavailable` when none may."""
        waits: list[float] = []
        for offset in range(len(self._members)):
            index = (self._current + offset) % len(self._members)
            member = self._members[index]
            if member.key.refused:
                continue
            wait = max(member.rests_until - self._clock(), member.key.wait())
            if wait <= 0:
                self._current = index
                return member
            waits.append(wait)
        reasons = "; ".join(f"{state.label or self.name} {state.state}" for state in self.states())
        words = str(refusal) if refusal else f"No key of {self.name} may be used now ({reasons})."
        if not waits:
            raise ModelUnavailable(words, again=False) from refusal
        raise ModelUnavailable(words, retry_after=min(waits)) from refusal

    def _refused(self, member: _Member, exc: KeyRefused, began: float) -> None:
        label = member.key.label or self.name
        member.why = str(exc)
        if exc.for_good:
            if not member.key.refused:
                member.key.refused = str(exc)
                self._tell(label, f"{label} is refused, and not used again before the next start. {exc}")
            return
        now = self._clock()
        if began < member.refused_at:
            return  # it began before a refusal that is known: many at once are one
        member.refused_at = now
        backoff = min(_FIRST_REST * 2**member.strikes, _LONGEST_BACKOFF)
        rest = min(backoff if exc.retry_after is None else exc.retry_after, LONGEST_REST)
        member.strikes = min(member.strikes + 1, 16)
        member.rests_until = max(member.rests_until, now + rest)
        if rest >= _TOLD_FROM and not member.is_told:
            member.is_told = True
            self._tell(label, f"{label} rests for {round(rest / 60)} minutes. {exc}")

    def _works(self, member: _Member, began: float) -> None:
        if began < member.refused_at:
            return
        member.strikes, member.why = 0, ""
        if member.is_told:
            member.is_told = False
            label = member.key.label or self.name
            self._tell(label, f"{label} works again.", is_over=True)

    def _tell(self, label: str, words: str, *, is_over: bool = False) -> None:
        self._notify(Notice("key", label, words, is_over))

    def _state(self, index: int, member: _Member) -> KeyState:
        label, is_used = member.key.label, index == self._current
        if member.key.refused:
            return KeyState(label, "refused", None, is_used, member.key.refused)
        rest, wait = member.rests_until - self._clock(), member.key.wait()
        if rest > 0:
            return KeyState(label, "resting", rest, is_used, member.why)
        return KeyState(label, "at its limit", wait, is_used) if wait > 0 else KeyState(label, "ready", 0.0, is_used)
