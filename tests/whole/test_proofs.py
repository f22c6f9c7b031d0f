"""Nobody is lost and nobody is answered twice: the short form of `tests.bench` twice, lost, crowd and soak."""

import asyncio
import sys
from collections.abc import Sequence

import pytest

from tests.bench import lost, soak, twice
from tests.bench.crowd import away, crowd, report
from tests.bench.kills.judge import Verdict
from tests.bench.proofs import Ledger, Row, keeps_the_promise, lines

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the program is started as a fork, and looked at in /proc"),
    pytest.mark.timeout(180),
]


def all_good(rows: Sequence[Row]) -> None:
    table = "\n".join(lines(rows))
    assert all(row.is_proof() for row in rows), table


def test_a_ledger_knows_who_was_answered() -> None:
    ledger = Ledger()
    tag = ledger.ask(7, "tiny").split()[-1]
    assert ledger.judge({"7": [ledger.words.answer([tag])]}) == Verdict()
    assert ledger.judge({}) == Verdict(lost=[tag])


@pytest.mark.parametrize(
    ("tries", "verdict", "proves"),
    [
        (3, Verdict(), True),
        (0, Verdict(), False),
        (3, Verdict(lost=["tiny0"]), False),
        (3, Verdict(beginnings=1), True),
    ],
)
async def test_a_row_in_which_nothing_happened_proves_nothing(
    tries: int, verdict: Verdict, proves: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(people: int, seed: int) -> Row:
        return Row("something", tries, people, verdict)

    assert await lost.main(2, 1, 1, (), {"something": play}) is proves
    assert ("never happened" in capsys.readouterr().out) is (tries == 0)


async def test_what_is_delivered_twice_or_out_of_order_is_answered_once() -> None:
    all_good(
        await asyncio.gather(
            twice.by_polling(2, 1, rounds=1),
            twice.by_webhook(2, 1),
            twice.in_discord(2, 1, losses=("", "resume")),
            twice.on_the_page(2, 1),
        )
    )


@pytest.mark.parametrize(
    "names",
    [
        ("Telegram deleteWebhook", "Telegram getUpdates", "Telegram sendMessage", "Telegram editMessageText"),
        ("Telegram sendMessageDraft", "Telegram file", "Discord POST message", "Discord PATCH message"),
        ("Discord's gateway after message", "Claude in the middle, reset", "the page's stream", "the page's posts"),
    ],
)
async def test_a_lost_answer_to_a_call_loses_no_message_and_says_nothing_twice(names: Sequence[str]) -> None:
    all_good(await asyncio.gather(*(lost.PLAYS[name](2, 1) for name in names)))


async def test_a_crowd_is_answered_in_order_and_nobody_is_lost() -> None:
    ran = await crowd(60, 100.0, 1_000.0)
    assert ran.verdict == Verdict(), "\n".join(report(ran))
    assert ran.tracebacks == 0


async def test_a_crowd_that_is_more_than_the_platform_takes_waits_and_is_answered() -> None:
    ran = await crowd(40, 100.0, 8.0, flood=True)
    assert keeps_the_promise(ran.verdict), "\n".join(report(ran))
    assert ran.refused[429] == 0


@pytest.mark.parametrize("stale", ["answer", "person"])
async def test_a_day_at_telegram_is_answered_or_told_as_configured(stale: str) -> None:
    ran = await away(20, 60, 20.0, 1_000.0, stale=stale, flood=False)
    assert ran.verdict == Verdict(), "\n".join(report(ran))
    assert bool(ran.told) == (stale == "person")


async def test_a_shop_in_which_everything_fails_loses_nobody_and_gives_back_what_it_took() -> None:
    ran = await soak.soak(4.0, soak.Crowd(customers=8, staff=3, visitors=3, pace=12.0))
    found = "\n".join(soak.report(ran))
    assert keeps_the_promise(ran.verdict), found
    assert ran.questions >= 14, found
    assert ran.faults.total() >= 3, found
    assert (ran.status, ran.ends, ran.tracebacks) == (0, 0, 0), found
    assert ran.after[0] <= ran.before[0], found
    assert ran.after[1] <= ran.before[1], found
