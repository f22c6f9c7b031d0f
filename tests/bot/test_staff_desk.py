import asyncio

from bot.errors import PlatformError, StorageFull, Unavailable
from bot.staff_desk import Alerts
from tests.fakes_desk import FakeDesk
from tests.words import eventually


class Board(FakeDesk):
    """A desk whose channel is out of reach for the first alerts."""

    def __init__(self, *faults: Exception) -> None:
        super().__init__()
        self.broken = list(faults)
        self.told: list[tuple[str, str]] = []

    async def alert(self, text: str, *, key: str) -> None:
        if self.broken:
            raise self.broken.pop(0)
        if key not in [known for _, known in self.told]:
            self.told.append((text, key))


async def told(board: Board, *texts: str) -> list[str]:
    alerts = Alerts(board, pauses=(0.0, 0.0))
    running = asyncio.create_task(alerts.run())
    for text in texts:
        alerts.tell(text)
    last = texts[-1]
    await eventually(lambda: any(text == last for text, _ in board.told) and not running.done())
    running.cancel()
    return [text for text, _ in board.told]


async def test_a_file_that_is_refused_mended_and_refused_again_is_told_again() -> None:
    assert await told(Board(), "a.md:1: no title", "a.md:1: no title", "the last") == [
        *("a.md:1: no title", "a.md:1: no title", "the last")
    ]


async def test_what_could_not_be_told_is_told_later_and_a_full_disk_ends_nothing() -> None:
    faults: list[PlatformError | StorageFull] = [Unavailable("away"), StorageFull("no room")]
    assert await told(Board(*faults), "a.md:1: no title") == ["a.md:1: no title"]


async def test_what_can_never_be_told_keeps_nothing_back() -> None:
    faults = [Unavailable("away")] * 3
    assert await told(Board(*faults), "first", "second") == ["second"]
