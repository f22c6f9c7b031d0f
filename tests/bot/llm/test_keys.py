"""Several keys as one model: one is stayed with while it works, and when it is refused nobody notices."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from bot.errors import KeyRefused, ModelRejected, ModelUnavailable
from bot.llm.base import Billed, Finished, ModelEvent, ModelMessage, ModelRequest, Payer, TextDelta, Usage
from bot.llm.keys import LONGEST_REST, Key, KeyPool
from bot.llm.limits import Limits, Window
from bot.notices import Notice
from tests.fake_model import ScriptedModel, Step

QUESTION = ModelRequest(system="", messages=(ModelMessage("user", "Hi"),))
Script = Callable[[ModelRequest], Sequence[Step]]


@dataclass(slots=True)
class World:
    """A pool of keys over scripted models, a clock, and what staff were told."""

    now: float = 1000.0
    notices: list[Notice] = field(default_factory=list)
    models: list[ScriptedModel] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)

    def pool(self, *scripts: Script, limits: Limits | None = None, counts_cache: bool = True) -> KeyPool:
        self.models = [ScriptedModel(script, name="shop:model") for script in scripts]
        self.keys = [
            Key(f"shop key {number}", limits, counts_cache=counts_cache, clock=lambda: self.now)
            for number in range(1, len(scripts) + 1)
        ]
        return self.again()

    def again(self) -> KeyPool:
        """Another pool over the same keys, as another model of the same endpoint has it."""
        members = [*zip(self.keys, self.models, strict=True)]
        return KeyPool(members, notify=self.notices.append, clock=lambda: self.now)

    @property
    def asked(self) -> list[int]:
        return [len(model.requests) for model in self.models]


@pytest.fixture
def world() -> World:
    return World()


def works(request: ModelRequest) -> Sequence[Step]:
    return ("Dạ vâng.",)


def refuses(retry_after: float | None = None, *, for_good: bool = False, before: Sequence[Step] = ()) -> Script:
    return lambda request: (*before, KeyRefused("no", retry_after=retry_after, for_good=for_good))


async def ask(pool: KeyPool) -> list[ModelEvent]:
    return [event async for event in pool.stream(QUESTION)]


def payer_of(events: Sequence[ModelEvent]) -> Payer:
    last = events[-1]
    assert isinstance(last, Finished)
    return last.payer


async def test_one_key_is_used_and_stayed_with_while_it_works(world: World) -> None:
    pool = world.pool(works, works)
    for _ in range(5):
        assert payer_of(await ask(pool)) == Payer("shop:model", "shop key 1")
    assert world.asked == [5, 0]


async def test_a_refused_key_is_replaced_at_once_and_the_next_one_is_stayed_with(world: World) -> None:
    pool = world.pool(refuses(30.0), works)
    assert payer_of(await ask(pool)).key == "shop key 2"
    world.now += 31
    assert payer_of(await ask(pool)).key == "shop key 2"
    assert world.asked == [1, 2]
    assert [state.state for state in pool.states()] == ["ready", "ready"]
    assert [state.is_used for state in pool.states()] == [False, True]
    assert world.notices == []


async def test_what_was_billed_has_its_payer(world: World) -> None:
    pool = world.pool(lambda request: (Billed(Usage(7)), "x"))
    assert Billed(Usage(7), Payer("shop:model", "shop key 1")) in await ask(pool)


async def test_when_all_rest_the_soonest_is_told_and_nothing_is_asked(world: World) -> None:
    pool = world.pool(refuses(120.0), refuses(20.0))
    with pytest.raises(ModelUnavailable) as caught:
        await ask(pool)
    assert (caught.value.retry_after, caught.value.again) == (20.0, True)
    assert not isinstance(caught.value, KeyRefused)
    with pytest.raises(ModelUnavailable):
        await ask(pool)
    assert world.asked == [1, 1]
    world.now += 20
    with pytest.raises(ModelUnavailable):
        await ask(pool)
    assert world.asked == [1, 2]


async def test_a_key_that_is_refused_for_good_is_told_once_and_never_used_again_by_any_model(world: World) -> None:
    pool = world.pool(refuses(for_good=True), works)
    await ask(pool)
    world.now += 1e7
    await ask(pool)
    await ask(world.again())
    assert world.asked == [1, 3]
    (notice,) = world.notices
    assert (notice.kind, notice.about, notice.is_over) == ("key", "shop key 1", False)
    assert pool.states()[0].state == "refused"


async def test_when_every_key_is_refused_for_good_trying_again_is_no_use(world: World) -> None:
    pool = world.pool(refuses(for_good=True))
    for _ in range(2):
        with pytest.raises(ModelUnavailable) as caught:
            await ask(pool)
        assert caught.value.again is False


async def test_without_a_time_a_key_rests_longer_each_time_and_never_longer_than_an_hour(world: World) -> None:
    pool = world.pool(refuses())
    rests = []
    for _ in range(9):
        with pytest.raises(ModelUnavailable) as caught:
            await ask(pool)
        rests.append(caught.value.retry_after)
        world.now += caught.value.retry_after or 0
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    with pytest.raises(ModelUnavailable) as caught:
        await ask(world.pool(refuses(1e6)))
    assert caught.value.retry_after == LONGEST_REST


async def test_a_long_rest_is_told_when_it_begins_and_when_the_key_works_again(world: World) -> None:
    answers: list[Script] = [refuses(900.0), works]
    pool = world.pool(lambda request: answers.pop(0)(request))
    with pytest.raises(ModelUnavailable):
        await ask(pool)
    world.now += 900
    await ask(pool)
    assert [(notice.about, notice.is_over) for notice in world.notices] == [("shop key 1", False), ("shop key 1", True)]


async def test_what_was_handed_on_is_not_replaced_but_the_next_try_has_another_key(world: World) -> None:
    pool = world.pool(refuses(60.0, before=["Nửa "]), works)
    stream = pool.stream(QUESTION)
    assert await anext(stream) == TextDelta("Nửa ")
    with pytest.raises(ModelUnavailable) as caught:
        await anext(stream)
    assert (caught.value.again, caught.value.retry_after) == (True, None)
    assert payer_of(await ask(pool)).key == "shop key 2"


@pytest.mark.parametrize("error", [ModelRejected("bad"), ModelUnavailable("down")])
async def test_what_is_no_fault_of_the_key_costs_it_nothing(world: World, error: Exception) -> None:
    pool = world.pool(lambda request: (error,), works)
    with pytest.raises(type(error)):
        await ask(pool)
    assert pool.states()[0].state == "ready"
    assert world.asked == [1, 0]


async def test_its_own_limits_turn_a_key_before_the_provider_does(world: World) -> None:
    pool = world.pool(works, works, limits=Limits(requests_per_minute=2))
    keys = [payer_of(await ask(pool)).key for _ in range(4)]
    assert keys == ["shop key 1", "shop key 1", "shop key 2", "shop key 2"]
    with pytest.raises(ModelUnavailable) as caught:
        await ask(pool)
    assert caught.value.retry_after == pytest.approx(61.0)
    assert [state.state for state in pool.states()] == ["at its limit"] * 2
    world.now += 61.0
    assert payer_of(await ask(pool)).key == "shop key 2"


@pytest.mark.parametrize(("counts_cache", "asked"), [(True, [2, 2]), (False, [3, 3])])
async def test_tokens_of_a_minute_are_counted_as_the_provider_does(
    world: World, counts_cache: bool, asked: list[int]
) -> None:
    # An answer of the scripted model takes 10 + 20 + 40 tokens, and reads 30 from the cache.
    pool = world.pool(works, works, limits=Limits(tokens_per_minute=210), counts_cache=counts_cache)
    for _ in range(sum(asked)):
        await ask(pool)
    with pytest.raises(ModelUnavailable):
        await ask(pool)
    assert world.asked == asked


async def test_tokens_of_a_day_come_back_a_day_later(world: World) -> None:
    pool = world.pool(works, limits=Limits(tokens_per_day=150))
    await ask(pool)
    with pytest.raises(ModelUnavailable) as caught:
        await ask(pool)
    assert caught.value.retry_after == pytest.approx(86_400 * 61 / 60)
    world.now += caught.value.retry_after or 0
    await ask(pool)


async def test_requests_that_run_count_with_what_they_will_take(world: World) -> None:
    pool = world.pool(works, works, limits=Limits(tokens_per_minute=250))
    await ask(pool)
    async with aclosing(pool.stream(QUESTION)) as running, aclosing(pool.stream(QUESTION)) as other:
        await anext(running)
        await anext(other)
        assert payer_of(await ask(pool)).key == "shop key 2"


def test_a_window_forgets_what_is_older_than_its_span() -> None:
    window = Window(60.0, 10)
    for second in range(1000):
        window.add(1, float(second) / 10)
    assert window.wait(1, 100.0) > 0
    assert window.wait(1, 1000.0) == 0.0
    assert window.wait(100, 1000.0) == 0.0, "one request that is larger than the limit goes alone"


async def test_many_refusals_at_once_are_one(world: World) -> None:
    pool = world.pool(refuses(before=["a"]))
    streams = [pool.stream(QUESTION) for _ in range(5)]
    for stream in streams:
        await anext(stream)
    world.now += 0.5
    for stream in streams:
        with pytest.raises(ModelUnavailable):
            await anext(stream)
    assert pool.states()[0].seconds == 1.0
