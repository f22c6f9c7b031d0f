"""One turn while it is being answered: what is known of it, when what happened, how it is joined and stopped."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import astuple, dataclass, field

from bot.chat import InboundMessage
from bot.desk import Handover
from bot.errors import ModelUnavailable
from bot.llm.base import Finished, Image, ModelRequest, Payer, Usage
from bot.policies.live import Policies
from bot.reply import StreamedReply
from bot.scheduler import SendScheduler
from bot.storage.messages import Conversation, StoredMessage
from bot.storage.turns import Spent, Timings
from bot.text import is_blank

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
    joins_left: int
    """So many times it may still be begun again."""
    variant: int | None = None
    """The canary that it takes part in."""
    failures: int = 0
    """So often a model had to be asked again, or another one."""
    images: tuple[Image, ...] = ()
    notes: Sequence[str] = ()
    """What the model is told of attachments that it cannot see."""
    requested: float | None = None
    first_delta: float | None = None
    request: ModelRequest | None = None
    """What the model is asked; None until that is known, or when there turned out to be nothing to ask."""
    finished: Finished | None = None
    spent: dict[Payer, Usage] = field(default_factory=dict)
    """What all requests for this turn have cost together, by who is billed for it."""
    cited: dict[str, None] = field(default_factory=dict)
    handover: Handover | None = None
    """What is said is that a person will look at it."""
    is_first: bool = False
    """Nothing was said in this conversation before."""
    settled: Sequence[str] = ()
    """What the model is told of an earlier case that is over."""
    silenced: bool = False
    """A person speaks from now on."""
    over_budget: bool = False
    """It is said since no more may be spent."""
    stopped_by: int | None = None
    """The inbox id of the wish to stop."""
    is_queued: bool = False
    """It waits until another answer has been written."""
    _running: tuple[Payer, Usage] | None = None
    """What the request that runs has cost so far; it is in `spent`, too."""
    _kept: str = ""
    """What was said before the calls of tools that the answer goes on behind."""
    _paragraph: bool = False
    """What is said next is a paragraph of its own."""
    _heard: int = 0
    _taken: int = 0
    _silence: float = 0.0
    _deadline: asyncio.Timeout | None = None
    _attempt: asyncio.Timeout | None = None

    @property
    def stopped(self) -> bool:
        """Whether its reader wants no more of it."""
        return self.stopped_by is not None

    @property
    def is_broken_off(self) -> bool:
        """Whether nothing more is to be asked for."""
        return self.stopped or self.silenced

    def silence(self) -> None:
        """A person speaks: break off at once, with one last edit of what is visible, if anything is."""
        self.silenced = True
        self.reply.break_off(self.policies.sentence("taken_over", self.language))
        self.scheduler.announce(self.reply)
        self._expire_at(0.0)

    def stop(self, inbox_id: int) -> None:
        """Break off at once what goes on inside `stoppable`."""
        self.stopped_by = inbox_id
        self._expire_at(0.0)

    def hear(self, message: InboundMessage | None) -> None:
        """More was written that belongs to this turn: it joins, as long as nothing of the answer can be seen.

        What the model has said so far is forgotten here and now, so that no call can show it any more, and what
        goes on inside `attempt` is broken off. None: it is not known yet what came.
        """
        if not self.takes(message):
            return
        self._heard += 1
        self.reply.restart()
        if self._attempt is not None and not self._attempt.expired():
            self._attempt.reschedule(0.0)

    def takes(self, message: InboundMessage | None) -> bool:
        """Whether this may still join."""
        reply = self.reply
        if self.is_broken_off or self.finished or reply.ended or reply.gone or reply.is_shown or self.joins_left <= 0:
            return False
        return message is None or message.edited or self.can_hang_on(message)

    def can_hang_on(self, message: InboundMessage) -> bool:
        """Whether the reply may hang on this message: one that stands there already hangs where it hangs."""
        return message.reply_to is None or not self.reply.refs

    @property
    def has_news(self) -> bool:
        """Whether something was heard of that is not taken in yet."""
        return self._heard > self._taken

    @contextmanager
    def taking_in(self) -> Iterator[None]:
        """Inside, what was heard of is taken in; what is heard meanwhile, or a failure, leaves it as news."""
        heard = self._heard
        yield
        self._taken = heard
        self.joins_left -= 1

    def begin(self, request: ModelRequest) -> None:
        """The model is asked, perhaps again: what it said before is forgotten, what that has cost is not."""
        self.request = request
        self.reply.restart()
        self.requested, self.first_delta, self.finished = asyncio.get_running_loop().time(), None, None
        self.cited.clear()
        self.handover = None
        self._running, self._kept, self._paragraph = None, "", False

    def go_on(self, request: ModelRequest) -> None:
        """The model is told what its calls of tools have brought: what it said before them stays, and what it says
        now stands below."""
        self.request, self._running, self._kept = request, None, self.reply.text
        self._paragraph = not is_blank(self._kept)

    def say_again(self) -> None:
        """What was said since `begin` or `go_on` is void, since another answer follows; what it has cost is not."""
        self.reply.restart()
        self._running, self._paragraph = None, not is_blank(self._kept)
        self.reply.append(self._kept)

    def say(self, text: str) -> None:
        """The model said more."""
        if self._paragraph:
            text = text.lstrip()
            if not text:
                return
            self._paragraph, text = False, f"\n\n{text}"
        self.first_delta = self.first_delta or asyncio.get_running_loop().time()
        self.reply.append(text)
        self.scheduler.announce(self.reply)

    def billed(self, payer: Payer, usage: Usage) -> Usage:
        """What the request that runs has cost so far; how much more that is than was known."""
        before, counted = self._running or (payer, Usage())
        if self._running is not None:
            left = self.spent[before] - counted
            self.spent[before] = left
            if before != payer and left == Usage():  # who was guessed at first is not billed after all
                del self.spent[before]
        self.spent[payer] = self.spent.get(payer, Usage()) + usage
        self._running = payer, usage
        return usage - counted

    def heard(self, silence: float) -> None:
        """Something came: the stream has failed if nothing more comes for about `silence` seconds."""
        self._silence = silence
        deadline = self._deadline
        when = asyncio.get_running_loop().time() + silence
        # A new timer for every delta would cost as much as reading it: the old one does for a while.
        if not self.is_broken_off and deadline is not None and when - (deadline.when() or 0.0) > _COARSE * silence:
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
            if not self.is_broken_off:
                raise ModelUnavailable(f"nothing came for {self._silence:g} s") from None
        finally:
            self._deadline = None

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Inside `stoppable`: news end what is inside quietly, wherever it stands."""
        attempt = asyncio.timeout(None)
        try:
            async with attempt as self._attempt:
                yield
        except TimeoutError:
            if not attempt.expired():
                raise
        finally:
            self._attempt = None
            self._rest()

    def spendings(self) -> tuple[Spent, ...]:
        """What it has cost, as it is stored."""
        return tuple(Spent(*astuple(payer), *astuple(usage)) for payer, usage in self.spent.items())

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

    def _rest(self) -> None:
        """No stream is read, so no silence counts."""
        if not self.is_broken_off:
            self._expire_at(None)

    def _expire_at(self, when: float | None) -> None:
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(when)
