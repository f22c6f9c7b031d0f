"""Posts that are under way at the same time: who waits for whom, and for how long."""

import asyncio

import pytest

from adapters.telegram.abreast import Abreast, chat_of
from bot.errors import StorageFull


class Posts:
    """Each is read when its number is in `read`, and stored when `stored` is set."""

    def __init__(self, patience: float = 60.0) -> None:
        self.abreast = Abreast(patience=patience)
        self.taken: list[int] = []
        self.read: dict[int, asyncio.Event] = {}
        self.stored = asyncio.Event()
        self.full: set[int] = set()

    def post(self, number: int, *, chat: str = "lan") -> asyncio.Task[None]:
        self.read[number] = asyncio.Event()
        return asyncio.create_task(self._post(number, chat))

    async def _post(self, number: int, chat: str) -> None:
        with self.abreast.arriving() as arrival:
            await self.read[number].wait()
            async with self.abreast.turn(arrival, chat=chat, number=number):
                self.taken.append(number)
                await self.stored.wait()
                if number in self.full:
                    raise StorageFull("no room")


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_is_under_way_at_the_same_time_is_taken_in_the_order_of_the_numbers() -> None:
    posts = Posts()
    posts.stored.set()
    tasks = [posts.post(number) for number in (12, 10, 11)]
    await settle()
    for number in (12, 11):
        posts.read[number].set()
        await settle()
    assert posts.taken == []
    posts.read[10].set()
    await asyncio.gather(*tasks)
    assert posts.taken == [10, 11, 12]


async def test_who_is_alone_does_not_wait_and_no_chat_waits_until_another_is_stored() -> None:
    posts = Posts()
    first, second, other = posts.post(1), posts.post(2), posts.post(3, chat="minh")
    await settle()
    for number in (1, 2, 3):
        posts.read[number].set()
    await settle()
    assert sorted(posts.taken) == [1, 3]
    posts.stored.set()
    await asyncio.gather(first, second, other)
    assert posts.taken[2:] == [2]


async def test_one_whose_bytes_do_not_come_is_waited_for_only_so_long() -> None:
    posts = Posts(patience=0.05)
    posts.stored.set()
    hanging = posts.post(1)
    await settle()
    later = posts.post(2)
    await settle()
    posts.read[2].set()
    await asyncio.wait_for(later, 5)
    assert posts.taken == [2]
    posts.read[1].set()
    await hanging


async def test_one_that_hangs_up_is_waited_for_no_longer() -> None:
    posts = Posts()
    posts.stored.set()
    hanging, later = posts.post(1), posts.post(2)
    await settle()
    posts.read[2].set()
    await settle()
    hanging.cancel()
    await asyncio.wait_for(later, 5)
    assert posts.taken == [2]


async def test_what_stands_behind_one_that_cannot_be_stored_is_to_come_again_too() -> None:
    posts = Posts()
    posts.full.add(1)
    tasks = [posts.post(1), posts.post(2), posts.post(3, chat="minh")]
    await settle()
    for number in (1, 2, 3):
        posts.read[number].set()
    await settle()
    posts.stored.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome).__name__ for outcome in outcomes] == ["StorageFull", "StorageError", "NoneType"]
    assert sorted(posts.taken) == [1, 3]
    posts.full.clear()
    again = posts.post(2)
    posts.read[2].set()
    await again
    assert posts.taken[2:] == [2]


@pytest.mark.parametrize(
    ("raw", "chat"),
    [
        ({"update_id": 1, "message": {"chat": {"id": 7}}}, "7"),
        ({"update_id": 1, "edited_message": {"chat": {"id": -100}}}, "-100"),
        ({"update_id": 1, "message": {"chat": 7}}, ""),
        ({"update_id": 1}, ""),
        (["message"], ""),
        (None, ""),
    ],
)
def test_the_chat_of_an_update(raw: object, chat: str) -> None:
    assert chat_of(raw) == chat
