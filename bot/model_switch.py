"""The kill switch of the model: stored, so that it stays off across restarts, and looked at before every word."""

from collections.abc import Callable
from datetime import UTC, datetime

from bot.notices import Notice, Notify, log_notice
from bot.storage.switches import Switches, Turned

NAME = "model"
WHILE_OFF = "Customers get the policies word for word until `shopdesk model on`."


class ModelSwitch:
    """`load` it once; from then on `is_on` costs nothing to ask."""

    def __init__(
        self,
        switches: Switches,
        *,
        notify: Notify = log_notice,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._switches = switches
        self._notify = notify
        self._now = now
        self._last: Turned | None = None

    async def load(self) -> None:
        """Read how it was turned last. Raises `StorageError`."""
        self._last = await self._switches.last(NAME)

    @property
    def last(self) -> Turned | None:
        """How it was turned last; None: never, and it is on."""
        return self._last

    def is_on(self) -> bool:
        """Whether the model may be asked."""
        return self._last is None or self._last.is_on

    async def turn(self, is_on: bool, *, who: str, why: str) -> bool:
        """Turn it; whether that changed anything. What is not stored is not turned: raises `StorageError`."""
        if is_on == self.is_on():
            return False
        turned = Turned(is_on, who, why, self._now())
        await self._switches.turn(NAME, turned)
        self._last = turned
        words = words_of(turned) if is_on else f"{words_of(turned)} {WHILE_OFF}"
        self._notify(Notice("model", "switch", words, is_over=is_on))
        return True


def words_of(turned: Turned | None) -> str:
    """How the switch stands, for an operator."""
    if turned is None:
        return "The model is on."
    reason = f": {turned.why}" if turned.why else ""
    state = "on" if turned.is_on else "switched off"
    return f"The model is {state} since {turned.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, by {turned.who}{reason}."
