"""The life of a canary, with a real database, real policies, and a clock that only the test moves."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.canary_life import CanaryLife, is_on
from bot.chat import Address
from bot.config import Canary as Defaults
from bot.config import Margins
from bot.errors import ControlError, Problem, PromptsError, SettingsError, ShopdeskError, StorageError
from bot.llm.base import ChatModel, ModelMessage, ModelRequest, TextDelta
from bot.llm.canary import CanaryModel
from bot.notices import Notice
from bot.policies.life import LivePolicies
from bot.policies.live import Policies
from bot.storage.canaries import Canaries
from bot.storage.database import Database
from bot.storage.policies import PolicyVersions
from bot.storage.turns import Timings
from tests.bot.policies.shop import RETURNS, good_files, write
from tests.bot.storage.test_stats import Book
from tests.fake_model import ScriptedModel
from tests.words import NOON, message

STABLE, NEW = "anthropic:old", "anthropic:new"
TURNS = 10
DEFAULTS = Defaults(stage_time="1h", margins=Margins(turns=TURNS))
CUSTOMERS = [Address("shop", f"k{number}") for number in range(200)]


class Owner:
    """Starts the program's canary anew on the same database, lets time pass, and is told."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = write(folder, good_files())
        self.database = database
        self.book = Book(database)
        self.told: list[Notice] = []
        self.at, self.clock = NOON, 0.0
        self.jump = timedelta()
        self.known = {NEW}
        self.failing: tuple[Problem, ...] = ()
        self.model = ScriptedModel(name=NEW)

    async def open(self, *, stable: str = STABLE) -> CanaryLife:
        self.policies = LivePolicies(PolicyVersions(self.database), self.folder, examine=self._examine)
        await self.policies.open()
        self.life = CanaryLife(
            Canaries(self.database),
            self.policies,
            self._ladder,
            stable=stable,
            defaults=DEFAULTS,
            notify=self.told.append,
            clock=lambda: self.clock,
            now=self.now,
        )
        await self.life.load()
        return self.life

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.clock) + self.jump

    async def start(self, **more: object) -> None:
        await self.life.start("model", NEW, who="mai", **more)  # type: ignore[arg-type]

    async def save(self, days: int) -> str:
        """A version that was never live: it waits; its id."""
        before = self.policies.current().version
        write(self.folder, {"policies/vi/returns.md": RETURNS.replace("7 ngày", f"{days} ngày")})
        assert await self.policies.consider()
        version = self.policies.current().version
        await self.policies.activate(before, who="mai", why="chưa")
        return version

    async def turns(self, count: int, *, bad: bool = False, canary: bool = True, seconds: float = 0.5) -> None:
        """So many answers on a side."""
        side = [at for at in CUSTOMERS if (self.side(at) is not None) == canary]
        assert side, "nobody is on this side"
        for number in range(count):
            at = side[number % len(side)]
            timings = Timings(request_ms=100, first_delta_ms=100 + round(1000 * seconds))
            await self.book.answer(
                await self.book.ask(at.chat_id), variant=self.side(at), failures=int(bad), timings=timings
            )

    def side(self, at: Address) -> int | None:
        return self.life.side(message("hi", at=at)).variant

    def share(self) -> float:
        return 100 * sum(self.side(at) is not None for at in CUSTOMERS) / len(CUSTOMERS)

    async def steps(self) -> list[tuple[str, int, str]]:
        (canary,) = await Canaries(self.database).last()
        return [(step.what, step.percent, step.who) for step in canary.steps]

    def _ladder(self, name: str) -> ChatModel:
        if name not in self.known:
            raise SettingsError(f"{name} is to answer, but there is no provider {name.partition(':')[0]}: …")
        return self.model

    async def _examine(self, policies: Policies) -> Sequence[Problem]:
        return self.failing


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    database = await Database.open(tmp_path / "shopdesk.db")
    owner = Owner(tmp_path / "prompts", database)
    await owner.open()
    yield owner
    await database.close()


async def says(owner: Owner, at: Address) -> str:
    """What a customer's question is answered with."""
    model = CanaryModel(ScriptedModel(lambda _: ("cũ",), name=STABLE), owner.life.model, _nothing)
    owner.model.script = lambda _: ("mới",)
    request = ModelRequest("", (ModelMessage("user", "hi"),), variant=owner.side(at))
    assert model.name == STABLE
    return "".join([event.text async for event in model.stream(request) if isinstance(event, TextDelta)])


async def _nothing() -> None:
    """Closes nothing."""


async def test_it_goes_through_its_stages_by_time_and_is_promoted(owner: Owner) -> None:
    await owner.start()
    seen = set[Address]()
    for percent in (10, 30, 50, 100):
        taken = {at for at in CUSTOMERS if owner.side(at) is not None}
        assert owner.life.current
        assert owner.life.current.last.percent == percent
        assert seen <= taken
        seen = taken
        owner.clock += 3599
        await owner.turns(TURNS)
        if percent < 100:
            await owner.turns(TURNS, canary=False)
        await owner.life.tick()
        assert owner.life.current.last.percent == percent
        owner.clock += 1
        await owner.life.tick()
    assert len(seen) == len(CUSTOMERS)
    assert owner.life.current
    assert is_on(owner.life.current)
    assert await owner.steps() == [
        ("stage", 10, "mai"),
        *(("stage", percent, "shopdesk") for percent in (30, 50, 100)),
        ("promoted", 100, "shopdesk"),
    ]
    assert all(one.is_over for one in owner.told)
    assert f"set SHOPDESK_MODEL={NEW} in .env" in owner.told[-1].words
    # The owner does so: it is no canary any more.
    await owner.open(stable=NEW)
    assert owner.life.current is None
    assert (await owner.steps())[-1] == ("kept", 100, "shopdesk")


async def test_what_nobody_has_seen_answer_is_given_to_no_more_customers(owner: Owner) -> None:
    await owner.start()
    await owner.turns(TURNS - 1)
    owner.clock += 100_000
    await owner.life.tick()
    assert await owner.steps() == [("stage", 10, "mai")]
    await owner.turns(1)
    await owner.life.tick()
    assert await owner.steps() == [("stage", 10, "mai"), ("stage", 30, "shopdesk")]


@pytest.mark.parametrize("good", [0, TURNS])
async def test_a_bad_one_is_rolled_back_on_record_and_staff_are_told_once(owner: Owner, good: int) -> None:
    await owner.start()
    await owner.turns(good)
    await owner.turns(TURNS, canary=False)
    await owner.life.tick()
    assert owner.share()
    await owner.turns(5, bad=True)
    await owner.life.tick()
    await owner.life.tick()
    assert (owner.share(), owner.life.current) == (0, None)
    assert await owner.steps() == [("stage", 10, "mai"), ("rolled_back", 0, "shopdesk")]
    (told,) = (one for one in owner.told if not one.is_over)
    assert (told.kind, told.about) == ("canary", "canary 1")
    assert told.words.startswith(f"{NEW} is rolled back: its last 5 turns failed or were answered by a stand-in. All")
    await owner.open()
    assert owner.share() == 0
    await owner.start()  # another one may begin
    assert owner.share()


async def test_what_is_judged_is_judged_again_after_a_kill(owner: Owner) -> None:
    await owner.start()
    await owner.turns(5, bad=True)
    await owner.open()
    assert owner.share()
    await owner.life.tick()
    assert owner.share() == 0


async def test_everybody_stays_on_his_side_and_the_stage_ends_as_it_would_have_after_a_restart(owner: Owner) -> None:
    await owner.start(stages=[50, 100])
    await owner.turns(TURNS)
    await owner.turns(TURNS, canary=False)
    before = [owner.side(at) for at in CUSTOMERS]
    owner.clock += 3000
    await owner.open()
    assert [owner.side(at) for at in CUSTOMERS] == before
    owner.clock += 599
    await owner.life.tick()
    assert len(await owner.steps()) == 1
    owner.clock += 1
    await owner.life.tick()
    assert len(await owner.steps()) == 2
    # A wall clock that jumps changes nothing while it runs, and adds no more than a stage after a restart.
    owner.jump = timedelta(days=-30)
    await owner.life.tick()
    await owner.open()
    await owner.turns(TURNS)
    await owner.life.tick()
    assert len(await owner.steps()) == 2
    owner.clock += 3600
    await owner.life.tick()
    assert (await owner.steps())[-1][0] == "promoted"


async def test_at_100_percent_it_is_compared_with_what_was_before(owner: Owner) -> None:
    await owner.start(stages=[50, 100])
    await owner.turns(TURNS)
    await owner.turns(TURNS, canary=False)
    await owner.life.promote(who="mai")
    await owner.turns(TURNS, seconds=3.0)
    await owner.life.tick()
    assert owner.life.current is None
    assert "its first text takes 3.0 s (p95), 0.5 s on the stable side" in owner.told[-1].words


async def test_turns_of_an_earlier_stage_and_of_staff_do_not_count(owner: Owner) -> None:
    await owner.start(stages=[50, 100], stage_time="off")
    await owner.turns(4, bad=True)
    await owner.life.promote(who="mai")
    await owner.turns(1, bad=True)
    await owner.life.tick()
    assert owner.life.current
    assert owner.life.side(message("hi", at=CUSTOMERS[0], role="staff")).variant is None
    assert owner.life.side(message("hi", at=CUSTOMERS[0])).variant == 1


async def test_who_takes_part_is_answered_by_the_other_model_until_it_is_rolled_back(owner: Owner) -> None:
    await owner.start(stages=[50])
    here = next(at for at in CUSTOMERS if owner.side(at))
    there = next(at for at in CUSTOMERS if not owner.side(at))
    assert (await says(owner, here), await says(owner, there)) == ("mới", "cũ")
    thread = Address(here.platform, here.chat_id, "7")
    assert owner.side(thread) == owner.side(here)
    await owner.life.rollback(who="mai", why="lạ")
    assert (await says(owner, here), await says(owner, there)) == ("cũ", "cũ")
    assert (await owner.steps())[-1] == ("rolled_back", 0, "mai")


async def test_a_policy_version_is_tried_and_goes_live_in_the_end(owner: Owner) -> None:
    version = await owner.save(30)
    live = owner.policies.current().version
    await owner.life.start("policies", version[:6], who="mai", stages=[50])
    policies = {owner.life.side(message("hi", at=at)).policies.version for at in CUSTOMERS}
    assert policies == {version, live}
    await owner.open()
    assert {owner.life.side(message("hi", at=at)).policies.version for at in CUSTOMERS} == {version, live}
    assert (await owner.life.promote(who="mai", why="tốt")).last.what == "promoted"
    assert owner.policies.current().version == version
    assert owner.life.current is None
    assert owner.told[-1].words.endswith("It is live now.")


async def test_a_version_that_goes_live_meanwhile_ends_the_trial_of_another_one(owner: Owner) -> None:
    first, second = await owner.save(30), await owner.save(31)
    await owner.life.start("policies", first, who="mai")
    await owner.life.tick()
    assert owner.life.current
    await owner.policies.activate(second, who="mai", why="gấp")
    await owner.life.tick()
    assert owner.life.current is None
    assert "went live meanwhile" in owner.told[-1].words
    await owner.life.start("policies", first, who="mai")
    await owner.policies.activate(first, who="mai", why="luôn")
    await owner.life.tick()
    assert (await owner.steps())[-1] == ("promoted", 100, "shopdesk")


async def test_a_version_that_its_tests_refuse_is_not_tried(owner: Owner) -> None:
    owner.failing = (Problem("tests/a.yaml", 3, "finds nothing", "Correct it."),)
    write(owner.folder, {"policies/vi/returns.md": RETURNS.replace("7 ngày", "30 ngày")})
    assert await owner.policies.consider()
    refused = (await owner.policies.versions.versions())[-1].id
    with pytest.raises(PromptsError, match=r"cannot be tried on customers: 1 test fails \(tests/a\.yaml:3\)\.$"):
        await owner.life.start("policies", refused, who="mai")
    assert owner.life.current is None


async def test_a_model_that_is_not_there_any_more_is_rolled_back_at_the_start(owner: Owner) -> None:
    await owner.start()
    owner.known.clear()
    await owner.open()
    assert owner.life.current is None
    assert "it cannot be tried any more: anthropic:new is to answer, but there is no" in owner.told[-1].words


async def test_what_cannot_be_started_is_one_sentence(owner: Owner) -> None:
    for kind, name, error, words in (
        ("model", "nowhere:x", SettingsError, "there is no provider nowhere"),
        ("model", "claude", SettingsError, "“claude” must be PROVIDER:MODEL"),
        ("model", STABLE, SettingsError, "anthropic:old is what all customers get already"),
        ("policies", "abcd", StorageError, "There is no policy version abcd"),
        ("policies", "live", SettingsError, "is what all customers get already"),
    ):
        with pytest.raises(error, match=words):
            await owner.life.start(kind, name, who="mai")  # type: ignore[arg-type]
    for change in (owner.life.promote, owner.life.rollback):
        with pytest.raises(ControlError, match="No canary runs"):
            await change(who="mai")
    await owner.start()
    with pytest.raises(ControlError, match=r"One runs already: anthropic:new is tried on 10 %\."):
        await owner.start()
    await owner.open(stable="offline")
    await owner.life.rollback(who="mai")
    with pytest.raises(ShopdeskError, match="No model answers yet"):
        await owner.start()


async def test_a_bad_one_is_off_at_once_though_that_cannot_be_stored_yet(owner: Owner) -> None:
    await owner.start()
    await owner.turns(5, bad=True)
    await owner.database.write(lambda db: db.execute("ALTER TABLE canary_steps RENAME TO away"))
    with pytest.raises(StorageError):
        await owner.life.tick()
    assert owner.share() == 0
    await owner.database.write(lambda db: db.execute("ALTER TABLE away RENAME TO canary_steps"))
    await owner.life.tick()
    assert (await owner.steps())[-1] == ("rolled_back", 0, "shopdesk")
    assert len([one for one in owner.told if not one.is_over]) == 1
