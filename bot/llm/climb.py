"""What a ladder does next when a model has failed: the rules, without clock or stream."""

import math
from collections.abc import Callable

from bot.errors import ModelError, ModelUnavailable
from bot.llm.base import Finished, ModelEvent, ModelRequest, Restarted, TextDelta, ToolCall
from bot.text import is_blank

TRIES = 3
"""So often a model is asked that has another one behind it; the last one as often as there is time."""
BREAKS = 3
"""So often a customer sees a text vanish, over all models; then the policies are quoted."""
_BACKOFF = 0.5
_LONGEST_BACKOFF = 4.0
_SPREAD = 0.1
"""Who is told to wait waits up to so much of it more: not everybody is to be back in the same instant."""


class Climb:
    """The way of one request up the rungs; moments and times are in seconds.

    Until something of the answer can be seen, `first_text` seconds from the beginning may be waited in all. After a
    text broke off there are as many again from that moment: who has read the beginning is given the time that he was
    given before it. A model whose text broke off is asked once more, since most often it was the line; then it is
    the next one's turn.
    """

    def __init__(
        self,
        request: ModelRequest,
        rungs: int,
        *,
        began: float,
        first_text: float,
        turn: float,
        chance: Callable[[], float],
        rung: int = 0,
    ) -> None:
        self.rung = rung
        """The number of the model that is asked next."""
        self.why: ModelError | None = None
        """The last failure."""
        self.has_said = False
        """Something of the answer that is being given was handed on."""
        self.failures = 0
        """So often a model has failed, or was not there to be asked."""
        self._request = request
        self._rungs = rungs
        self._first_text = first_text
        self._ends = began + turn
        self._patient_until = began + first_text
        self._chance = chance
        self._tries = 0
        """Of this rung."""
        self._breaks = self._broken_here = 0
        self._has_text = False
        """Text was handed on, by whomever."""
        self._has_words = False
        self._calls = 0
        self._stands_on_words = any(not is_blank(one.text) for one in request.rounds)

    @property
    def is_over(self) -> bool:
        """Whether no model is left."""
        return self.rung >= self._rungs

    @property
    def ends(self) -> float:
        """The moment from which on this model is not listened to any more."""
        return math.inf if self.is_over else self._ends

    @property
    def may_go_without_pictures(self) -> bool:
        """Whether who asks may leave out the pictures of a request that was rejected, and ask again."""
        has_pictures = any(message.images for message in self._request.messages)
        return has_pictures and not self._request.rounds and not self._has_text

    def saw(self, event: ModelEvent) -> None:
        """An event is about to be handed on. Raises `ModelUnavailable` for an end that is none."""
        if isinstance(event, TextDelta):
            self._has_text = True
            self._has_words = self._has_words or not is_blank(event.text)
        elif isinstance(event, ToolCall):
            self._calls += 1
        elif isinstance(event, Restarted):
            self._calls = 0
        elif isinstance(event, Finished):
            if event.stop_reason == "tools":
                if not (self._request.may_call and self._calls):
                    raise ModelUnavailable("the model calls tools and comes to no answer")
            elif not (self._has_words or self._stands_on_words):
                # Where thoughts have used up its room, they would again.
                raise ModelUnavailable("the answer has no words", again=event.stop_reason != "max_tokens")
        self.has_said = True

    def failed(self, why: ModelUnavailable, now: float) -> float:
        """The model of this rung has failed. The seconds to wait before it is asked again; 0: `rung` is another one
        now, to be asked at once."""
        self.why = why
        self._tries += 1
        if self._has_words:
            self._breaks += 1
            self._broken_here += 1
            self._patient_until = now + self._first_text
        self._has_words, self._calls = False, 0
        if self._breaks >= BREAKS:
            self.give_up(why)
            return 0.0
        pause = self._pause(why)
        is_patient = self._tries < TRIES or self.rung == self._rungs - 1
        # Written so that what is no number counts as too long.
        if why.again and is_patient and self._broken_here < 2 and now + pause <= min(self._patient_until, self._ends):
            return pause
        self.rung, self._tries, self._broken_here = self.rung + 1, 0, 0
        return 0.0

    def give_up(self, why: ModelError) -> None:
        """No model is asked any more."""
        self.why, self.rung = why, self._rungs

    def voided(self) -> None:
        """What was handed on is void."""
        self.has_said = False

    def _pause(self, why: ModelUnavailable) -> float:
        backoff = min(_LONGEST_BACKOFF, _BACKOFF * 2.0 ** min(self._tries - 1, 16)) * (0.5 + self._chance() / 2)
        if why.retry_after is None:
            return backoff
        asked = why.retry_after * (1 + _SPREAD * self._chance())
        return asked if not asked < backoff else backoff
