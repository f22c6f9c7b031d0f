"""What is done about messages that have waited for hours, because the program or its line was down."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bot.desk import Handover
from bot.engine.limits import Lateness
from bot.engine.turn import RunningTurn
from bot.storage.messages import StoredMessage
from bot.storage.turns import Turns


class Late:
    """Decides for each turn, before it is answered.

    Who was asked to excuse the wait once was asked for all that he had written until then, whatever of it is
    delivered later: a platform may keep messages for a day, and deliver them in several goes.
    """

    def __init__(
        self, turns: Turns, lateness: Lateness, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._turns = turns
        self._lateness = lateness
        self._now = now

    async def covered(self, turn: RunningTurn) -> bool:
        """Whether the customer was told already that a person will look at all of this; then it is done."""
        if not self._wants_person(turn) or any(self._is_news(turn, stored) for stored in turn.messages):
            return False
        if not all(self._is_late(stored) for stored in turn.messages):
            return False
        await self._turns.cover(turn.conversation.id, turn.messages, at=self._now())
        return True

    def sentence(self, turn: RunningTurn) -> str | None:
        """What is said instead of an answer, or None. An apology that goes before the answer is put there."""
        if not any(self._is_late(stored) and self._is_news(turn, stored) for stored in turn.messages):
            return None
        if self._wants_person(turn):
            turn.handover = Handover("late")
            return turn.policies.sentence("late_person", turn.language)
        turn.reply.begin_with(turn.policies.sentence("late", turn.language))
        return None

    def _wants_person(self, turn: RunningTurn) -> bool:
        return self._lateness.then == "person" and turn.messages[0].message.role == "customer"

    def _is_late(self, stored: StoredMessage) -> bool:
        """The wait counts from the moment of writing: what lay at the platform was received just now."""
        before = stored.received_at - stored.message.sent_at
        # The wall clock may jump; it is asked only for what happened before this process.
        since = self._now() - stored.received_at if stored.waited is None else timedelta(seconds=stored.waited)
        return max(before, timedelta()) + max(since, timedelta()) >= self._lateness.after

    def _is_news(self, turn: RunningTurn, stored: StoredMessage) -> bool:
        apologised_at = turn.conversation.apologised_at
        return apologised_at is None or stored.message.sent_at > apologised_at
