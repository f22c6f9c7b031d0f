"""The program is killed with SIGKILL and started again: the short form of `tests.bench.kills`."""

import sys
from pathlib import Path

import pytest

from bot import app
from bot.errors import SettingsError
from bot.failpoints import STEPS
from bot.settings import Settings
from tests.bench.kills import steady
from tests.bench.kills.doors import OUTSIDE, steps_at
from tests.bench.kills.judge import Expected, Verdict, judge
from tests.bench.kills.recovery import recover
from tests.bench.kills.sweep import rows, sweep
from tests.bench.kills.words import Words
from tests.whole.shop import PROMPTS

WORDS = Words(longest=900)
LONG = WORDS.answer(["long1"])
HALVES = [LONG[: LONG.index("chữ60")].strip(), LONG[LONG.index("chữ60") :]]
TINY = WORDS.answer(["tiny2"])

needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="the program is started as a fork")


def judged(*texts: str) -> Verdict:
    return judge({"7": texts}, {"7": Expected(("long1", "tiny2"), sentences=("Chào bạn.",))}, WORDS)


def test_the_sweep_comes_to_every_step_there_is() -> None:
    assert set(STEPS) == {step for door in OUTSIDE for step in steps_at(door)} & set(STEPS)
    assert all(len(set(steps_at(door))) == len(steps_at(door)) for door in OUTSIDE)


def test_the_judge_finds_nothing_wrong_with_complete_answers_in_one_message_or_several() -> None:
    assert judged("Chào bạn.", LONG, TINY) == Verdict()
    assert judged(*HALVES, "Chào bạn.", TINY) == Verdict()
    assert judged(WORDS.answer(["long1", "tiny2"]), "Chào bạn.") == Verdict()


def test_the_judge_finds_what_is_lost_doubled_half_strange_or_out_of_order() -> None:
    assert judged(LONG, TINY[:-1], "Chào bạn.") == Verdict(lost=["tiny2"], beginnings=1)
    assert judged(LONG, LONG, TINY, "Chào bạn.").doubled == ["long1"]
    assert judged(LONG, WORDS.answer(["long1", "tiny2"]), "Chào bạn.").doubled == ["long1"]
    assert judged("Chào bạn.", LONG, TINY, "Chào bạn.").doubled == ["7: Chào bạn."]
    assert judged(LONG[:50], *HALVES, TINY, "Chào bạn.") == Verdict(beginnings=1)
    assert judged(HALVES[0], HALVES[1][:20], HALVES[1], TINY, "Chào bạn.") == Verdict(beginnings=1)
    assert judged(LONG, TINY, "Chào bạn.", "Lỗi.") == Verdict(strange=["7: Lỗi."])
    assert judged(TINY, LONG, "Chào bạn.") == Verdict(disordered=["7"])


async def test_a_wrong_failpoint_does_not_start(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, failpoint="nowhere:1", shopdesk_data=tmp_path, shopdesk_prompts=PROMPTS)
    with pytest.raises(SettingsError, match="FAILPOINT is wrong: 'nowhere:1' is not NAME:N"):
        async with app.opened(settings):
            pass


@needs_fork
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("door", "steps"),
    [
        ("telegram", ("write:Outbox.sent", "edited:whole", "confirmed")),
        ("discord", ("sent:whole", "committed:Outbox.sending")),
    ],
)
async def test_a_kill_at_a_step_loses_nothing_and_says_nothing_twice(door: str, steps: tuple[str, ...]) -> None:
    outcomes = await sweep(door, steps, (1,), at_once=3)
    table = "\n".join(rows(steps, outcomes))
    assert [one.step for one in outcomes] == [step for step in steps_at(door) if step in steps]
    for one in outcomes:
        verdict = one.verdict
        assert (verdict.lost, verdict.doubled, verdict.strange, verdict.disordered) == ([], [], [], []), table
        assert verdict.beginnings <= 3, table  # sends that were on their way at the kill
        assert one.errors == "", table


@needs_fork
@pytest.mark.timeout(120)
async def test_kills_at_random_moments_lose_nothing_and_say_nothing_twice() -> None:
    ran = await steady.run(30, 4, life_time=(0.3, 1.5), kinds=("tiny", "short"))
    verdict = ran.verdict
    assert (verdict.lost, verdict.doubled, verdict.strange, verdict.disordered) == ([], [], [], [])
    assert ran.tracebacks == 0


@needs_fork
@pytest.mark.timeout(120)
async def test_answers_that_were_cut_off_go_on_at_once_and_all_of_them_are_finished_where_they_are() -> None:
    recovered = await recover(25, rate=200.0, fork=True)
    verdict = recovered.verdict
    assert recovered.visible == 25
    assert (verdict.lost, verdict.doubled, verdict.strange, verdict.disordered) == ([], [], [], [])
    assert verdict.beginnings <= 3  # sends that were on their way at the kill
