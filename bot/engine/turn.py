"""One turn while it is being answered: what is known of it, when what happened, and how it is stopped."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.errors import ModelUnavailable
from bot.llm.base import Finished, ModelRequest, Usage
from bot.policies.live import Policies
from bot.reply import StreamedReply
from bot.scheduler import SendScheduler
from bot.storage.messages import Conversation, StoredMessage
from bot.storage.turns import Timings

_COARSE = 0.05
"""The share of the allowed silence by which a failure may be noticed too early."""


@dataclass(slots=True)
class RunningTurn:
    """Moments are in seconds of the event loop's clock."""

    conversation: Conversation
    messages: Sequence[StoredMessage]
    language: str
    asked: str
    """What was written, and nothing else."""
    words: str
    """What the model is told and history keeps: what was asked with what it quotes."""
    policies: Policies
    """The version that was live when it began; it keeps it to its end."""
    reply: StreamedReply
    scheduler: SendScheduler
    received: float
    requested: float | None = None
    first_delta: float | None = None
    request: ModelRequest | None = None
    """What the model is asked; None until that is known, or when there turned out to be nothing to ask."""
    finished: Finished | None = None
    usage: Usage | None = None
    cited: dict[str, None] = field(default_factory=dict)
    hands_over: bool = False
    """What is said is that a person will look at it."""
    stopped: bool = False
    is_queued: bool = False
    """It waits until another answer has been written."""
    _silence: float = 0.0
    _deadline: asyncio.Timeout | None = None

    def stop(self) -> None:
        """Break off at once what goes on inside `stoppable`."""
        self.stopped = True
        self._expire_at(0.0)

    def heard(self, silence: float) -> None:
        """Something came: the stream has failed if nothing more comes for about `silence` seconds."""
        self._silence = silence
        deadline = self._deadline
        when = asyncio.get_running_loop().time() + silence
        # A new timer for every delta would cost as much as reading it: the old one does for a while.
        if not self.stopped and deadline is not None and when - (deadline.when() or 0.0) > _COARSE * silence:
            self._expire_at(when)

    @asynccontextmanager
    async def stoppable(self) -> AsyncIterator[None]:
        """A stop ends what is inside quietly, wherever it stands. Raises `ModelUnavailable` on silence after
        `heard`."""
        deadline = asyncio.timeout(None)
        try:
            async with deadline as self._deadline:
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            if not self.stopped:
                raise ModelUnavailable(f"nothing came for {self._silence:g} s") from None
        finally:
            self._deadline = None

    def timings(self) -> Timings:
        """The moments as they are stored; what has finished is finished now."""
        return Timings(
            request_ms=self._since_received(self.requested),
            first_delta_ms=self._since_received(self.first_delta),
            first_visible_ms=self._since_received(self.reply.first_visible_at),
            finished_ms=self._since_received(asyncio.get_running_loop().time()),
        )

    def _since_received(self, moment: float | None) -> int | None:
        return None if moment is None else round((moment - self.received) * 1000)

    def _expire_at(self, when: float) -> None:
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(when)
