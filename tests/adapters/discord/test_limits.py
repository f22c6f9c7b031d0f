"""The budget for calls to Discord holds in the windows in which Discord counts."""

from adapters.discord.platform import BESIDE, BESIDE_AT_ONCE, LIMITS
from bot.scheduler.budget import Account

A_SECOND = 50


def test_no_second_has_more_calls_than_discord_allows_however_full_the_budget_was() -> None:
    account = Account(rate=LIMITS.calls_per_second, size=LIMITS.calls_burst, in_flight=LIMITS.calls_in_flight, now=0.0)
    made: list[float] = []
    for tick in range(3000):
        now = 100.0 + tick / 1000
        while account.ready_at(now) <= now:
            account.take(now)
            account.landed(now)
            made.append(now)
    most = max(sum(start <= at < start + 1.0 for at in made) for start in made)
    assert most >= 35
    assert most + BESIDE + BESIDE_AT_ONCE < A_SECOND
