"""What was spent today, by each conversation and by the shop: in memory, and read from the turns at the start."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from bot.storage.database import Database, iso


@dataclass(frozen=True, slots=True)
class Amount:
    """`cost` is in nano-dollars, `tokens` are those of all kinds."""

    cost: int = 0
    tokens: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.cost + other.cost, self.tokens + other.tokens)


NOTHING = Amount()


def day_of(moment: datetime, timezone: tzinfo) -> tuple[date, datetime, datetime]:
    """The day of the shop that a moment is in, where it begins, and where the next one does, in UTC."""
    day = moment.astimezone(timezone).date()
    start, end = (datetime.combine(one, time.min, timezone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    return day, start, end


class SpentToday:
    """Of the day that it is by the clock of `timezone`; `now` is the wall clock.

    What is added counts on the day on which the provider told of it, and after a restart on the day on which its
    turn was stored: around midnight the two may differ by the turns of the moment. What an answer had cost that a
    kill cut off is known to nobody after it.
    """

    def __init__(
        self, database: Database, timezone: tzinfo, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._timezone = timezone
        self._now = now
        self._day, _, self._until = day_of(now(), timezone)
        self._since = now()
        self._shop = NOTHING
        self._conversations: dict[int, Amount] = {}

    async def load(self) -> None:
        """Take in what is on record of today, before anything is added. Raises `StorageError`."""
        self._day, start, self._until = day_of(self._now(), self._timezone)
        self._since = start
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT conversation_id, sum(cost), sum(input_tokens + output_tokens + cache_read_tokens"
                " + cache_write_tokens) FROM turns WHERE role = 'assistant' AND created_at >= ? AND created_at < ?"
                " AND input_tokens NOTNULL GROUP BY conversation_id",
                (iso(start), iso(self._until)),
            ).fetchall()
        )
        self._conversations = {row[0]: Amount(row[1] or 0, row[2] or 0) for row in rows}
        self._shop = sum(self._conversations.values(), NOTHING)

    @property
    def day(self) -> date:
        """The day that is counted."""
        self._turn_over()
        return self._day

    def by_shop(self) -> Amount:
        """By all conversations together."""
        self._turn_over()
        return self._shop

    def by(self, conversation_id: int) -> Amount:
        """By one conversation."""
        self._turn_over()
        return self._conversations.get(conversation_id, NOTHING)

    def add(self, conversation_id: int, amount: Amount) -> None:
        """More was spent; a correction of what was told before may be less than nothing."""
        self._turn_over()
        self._shop += amount
        self._conversations[conversation_id] = self._conversations.get(conversation_id, NOTHING) + amount

    def _turn_over(self) -> None:
        """Another day begins with nothing, also one to which the clock was set."""
        moment = self._now()
        if not self._since <= moment < self._until:
            self._day, self._since, self._until = day_of(moment, self._timezone)
            self._shop = NOTHING
            self._conversations.clear()
