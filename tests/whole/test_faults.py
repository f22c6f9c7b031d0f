"""Providers that fail: the short form of `tests.bench.faults` and `tests.bench.outage`."""

import asyncio
import sys
from collections.abc import Sequence

import pytest

from tests.bench.faults import PIECES, line, run
from tests.bench.outage import outage, report

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the program is started as a fork, and looked at in /proc"),
    pytest.mark.timeout(180),
]


@pytest.mark.parametrize(
    "names",
    [
        ("429, Retry-After 1", "429, Retry-After 10^6"),
        ("slow first event", "529"),
        ("reset", "clean end"),
        ("endless pings", "SSE error"),
    ],
)
async def test_whatever_fails_everybody_has_one_whole_answer_in_time(names: Sequence[str]) -> None:
    rows = await asyncio.gather(*(run(name, (0, PIECES // 2, None)) for name in names))
    assert all(row.is_good() for row in rows), "\n".join(map(line, rows))


async def test_a_dead_provider_costs_nobody_an_answer_and_staff_are_told_once() -> None:
    ran = await outage(10.0, rate=20.0, again=10.0)
    assert ran.is_good(), "\n".join(report(ran))
    assert ran.by_policies
    assert ran.requests < 20
