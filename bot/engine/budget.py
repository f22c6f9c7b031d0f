"""What may be spent in a day: who is over it is told so instead of being answered, and a person is to look at it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from bot.config import Budgets
from bot.desk import Handover
from bot.engine.turn import RunningTurn
from bot.llm.base import Usage
from bot.notices import Notice, Notify, log_notice
from bot.storage.spending import Amount, SpentToday
from bot.storage.turns import Turns

_NANO = 1_000_000_000
_NEARLY = 80
"""Percent of the shop's budget at which staff are told."""
_QUIET = timedelta(hours=1)
"""Who was told that a person will look at it, and writes on, is not told again for so long."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """One of the budgets: `spent` of `most`, in nano-dollars or in tokens."""

    spent: int
    most: int
    is_money: bool

    @property
    def percent(self) -> int:
        return 100 * self.spent // self.most if self.most else 100

    def words(self) -> str:
        if self.is_money:
            places = 2 if self.most >= _NANO else 6
            return f"${Decimal(self.spent) / _NANO:,.{places}f} of ${Decimal(self.most) / _NANO:,.{places}f}"
        return f"{self.spent:,} of {self.most:,} tokens"


class Budget:
    """Looked at before each request to a model: of a turn, of one that is begun anew, of each round of tools.

    What a request costs is known only while it runs, so a budget is overrun by the requests that run when it is
    reached: by no more than so many as run at once (`EngineLimits.streams`), each of them `answer_tokens` of output
    and one request of input; in one conversation, by one. What they have cost so far counts from the moment at which
    the provider tells it, mostly at the first event. Staff's questions count into the shop's budget and end with it; a
    conversation of theirs has none of its own. `is_free`: what answers at the moment costs nothing (`offline`), so
    nobody is refused.
    """

    def __init__(
        self,
        budgets: Budgets,
        spent: SpentToday,
        turns: Turns,
        *,
        is_free: Callable[[], bool] = lambda: False,
        notify: Notify = log_notice,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._budgets = budgets
        self._spent = spent
        self._turns = turns
        self._is_free = is_free
        self._notify = notify
        self._now = now
        self._told: tuple[date, int] = (date.min, 0)
        """The day, and how many percent staff were told of."""

    async def load(self) -> None:
        """Call it once, before the first turn: what staff were told of before is not told again. Raises
        `StorageError`."""
        await self._spent.load()
        self._told = self._spent.day, self._reached()

    def is_over(self, turn: RunningTurn) -> bool:
        """Whether nothing more may be spent for this turn."""
        if self._is_free():
            return False
        self._tell()
        limits = [*self._shop()]
        if turn.messages[0].message.role == "customer":
            limits += self._customer(turn.conversation.id)
        return any(limit.spent >= limit.most for limit in limits)

    def sentence(self, turn: RunningTurn) -> str | None:
        """What is said instead of an answer: a customer's conversation waits for a person then. None: it may be
        answered."""
        if not self.is_over(turn):
            return None
        turn.over_budget = True
        if turn.messages[0].message.role == "staff":
            return turn.policies.sentence("over_budget_staff", turn.language)
        turn.handover = Handover("over_budget")
        return turn.policies.sentence("over_budget", turn.language)

    async def covered(self, turn: RunningTurn) -> bool:
        """Whether the customer was told just now that a person will look at it, which answers this, too; then it is
        done. Raises `StorageError`."""
        conversation = turn.conversation
        if conversation.mode != "waiting" or conversation.apologised_at is None:
            return False
        if not timedelta() <= self._now() - conversation.apologised_at < _QUIET or not self.is_over(turn):
            return False
        await self._turns.cover(conversation.id, turn.messages, at=self._now())
        return True

    def count(self, turn: RunningTurn, usage: Usage) -> None:
        """A request for this turn has cost so much more than was known."""
        if usage.tokens or usage.cost:
            self._spent.add(turn.conversation.id, Amount(usage.cost, usage.tokens))
            self._tell()

    def _shop(self) -> Iterator[_Limit]:
        return _limits(self._spent.by_shop(), self._budgets.shop_dollars, self._budgets.shop_tokens)

    def _customer(self, conversation_id: int) -> Iterator[_Limit]:
        spent = self._spent.by(conversation_id)
        return _limits(spent, self._budgets.customer_dollars, self._budgets.customer_tokens)

    def _reached(self) -> int:
        percent = max((limit.percent for limit in self._shop()), default=0)
        return 100 if percent >= 100 else _NEARLY if percent >= _NEARLY else 0

    def _tell(self) -> None:
        """Staff are told once a day that the shop's budget is nearly spent, and once that it is."""
        day, reached = self._spent.day, self._reached()
        before, told = self._told
        if day != before:
            if told and not reached:
                self._notify(Notice("budget", "shop", "A new day: the shop's budget is whole again.", is_over=True))
            told = 0
        if reached > told:
            limit = max(self._shop(), key=lambda one: one.percent)
            self._notify(Notice("budget", "shop", _words(limit, reached)))
        self._told = day, max(told, reached)


def _limits(spent: Amount, dollars: Decimal | None, tokens: int | None) -> Iterator[_Limit]:
    if dollars is not None:
        yield _Limit(spent.cost, int(dollars * _NANO), is_money=True)
    if tokens is not None:
        yield _Limit(spent.tokens, tokens, is_money=False)


def _words(limit: _Limit, reached: int) -> str:
    if reached < 100:
        return f"{_NEARLY} % of the shop's budget of today is spent: {limit.words()}."
    return (
        f"The shop's budget of today is spent: {limit.words()}. No model is asked until midnight; customers are told "
        "that a person will look at their messages. [budgets] in shopdesk.toml sets it."
    )
