"""Policies that go in and out by themselves, by the shop's clock, and those that are for staff alone."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest

from bot.chat import Role
from bot.policies.check import check
from bot.policies.live import Policies
from bot.policies.period import Period, read_moment
from tests.bot.policies.shop import good_files

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
TET = "---\ntitle: Giờ mở cửa Tết\nvalid_from: 2026-02-14\nvalid_until: 2026-02-22\n---\n## Nghỉ Tết\n\nShop nghỉ.\n"
STAFF = "---\ntitle: Quy trình nội bộ\naudience: staff\n---\n## Bồi thường\n\nTối đa 200.000 đ.\n"
FOR_CUSTOMERS = "---\ntitle: Chào\naudience: customers\n---\n## Lời chào\n\nXin chào.\n"


def shop(zone: tzinfo = HANOI, **changed: str) -> Policies:
    return Policies(check(good_files(policies__vi__tet=TET, **changed)), "1" * 64, "vi", timezone=zone)


def told(policies: Policies, at: datetime, asker: Role = "customer") -> list[str]:
    """The policies that a request holds."""
    sources = policies.sources_for("vi", 20_000, at=at, asker=asker) or ()
    return list(dict.fromkeys(source.section_id.partition("#")[0] for source in sources))


@pytest.mark.parametrize(
    ("wall", "is_in"),
    [
        ("2026-02-13 23:59:59", False),
        ("2026-02-14 00:00:00", True),
        ("2026-02-22 23:59:59", True),
        ("2026-02-23 00:00:00", False),
    ],
)
async def test_a_policy_goes_in_and_out_at_midnight_of_the_shop_wherever_the_server_stands(
    wall: str, is_in: bool
) -> None:
    policies, at = shop(), datetime.fromisoformat(wall).replace(tzinfo=HANOI)

    for zone in (HANOI, UTC, ZoneInfo("America/Los_Angeles")):
        moment = at.astimezone(zone)
        assert ("vi/tet" in told(policies, moment)) is is_in
        found = {one.section.policy for one in await policies.search("nghỉ tết", at=moment)}
        assert ("vi/tet" in found) is is_in


def test_the_same_dates_mean_other_moments_in_another_shops_time_zone() -> None:
    midnight = datetime(2026, 2, 13, 17, 0, tzinfo=UTC)  # 0:00 in Hanoi

    assert "vi/tet" in told(shop(HANOI), midnight)
    assert "vi/tet" not in told(shop(UTC), midnight)
    assert "vi/tet" in told(shop(UTC), midnight + timedelta(hours=7))


@pytest.mark.parametrize(
    ("start", "until", "wall", "is_in"),
    [
        ("2026-02-14 08:30", None, "2026-02-14 08:29:59", False),
        ("2026-02-14 8:30", None, "2026-02-14 08:30", True),
        (None, "2026-02-14T18:00", "2026-02-14 17:59:59.9", True),
        (None, "2026-02-14 18:00", "2026-02-14 18:00", False),
        ("2026-02-14", "2026-02-14", "2026-02-14 12:00", True),
        (None, "2199-12-31", "2199-12-31 23:59", True),
        (None, None, "2026-02-14 12:00", True),
    ],
)
def test_a_time_is_a_moment_and_a_date_is_its_whole_day(
    start: str | None, until: str | None, wall: str, is_in: bool
) -> None:
    period = Period(*(read_moment(text) if text else None for text in (start, until)))

    assert period.includes(datetime.fromisoformat(wall)) is is_in
    assert not period.is_empty


def test_what_a_request_holds_is_the_same_tuple_while_the_same_policies_count() -> None:
    policies = shop()
    eve, day = datetime(2026, 2, 13, 23, 59, tzinfo=HANOI), datetime(2026, 2, 14, tzinfo=HANOI)

    before = policies.sources_for("vi", 20_000, at=eve)
    during = policies.sources_for("vi", 20_000, at=day)
    assert policies.sources_for("vi", 20_000, at=eve - timedelta(days=300)) is before
    assert policies.sources_for("en", 20_000, at=day + timedelta(days=7)) is during is not before
    assert policies.sources_for("vi", 20_000, at=day + timedelta(days=300)) is before
    assert during is not None
    assert before is not None
    assert {id(source) for source in before} < {id(source) for source in during}


def test_a_version_with_many_periods_keeps_a_bounded_number_of_requests_starts() -> None:
    texts = {
        f"policies__vi__p{day}": TET.replace("2026-02-22", "2026-03-31").replace("2026-02-14", f"2026-02-{day:02}")
        for day in range(1, 29)
    }
    policies = shop(UTC, **texts)
    for day in range(1, 29):
        assert len(told(policies, datetime(2026, 2, day, tzinfo=UTC))) == 1 + day + (14 <= day <= 22)
    assert len(policies._chosen) <= 8


async def test_what_is_for_staff_never_reaches_a_customers_turn() -> None:
    policies = shop(policies__vi__internal=STAFF, policies__vi__hello=FOR_CUSTOMERS)
    at = datetime(2026, 1, 1, tzinfo=HANOI)

    assert told(policies, at) == ["vi/hello", "vi/returns"]
    assert told(policies, at, "staff") == ["vi/internal", "vi/returns"]
    assert not await policies.search("bồi thường tối đa 200k", at=at)
    assert (await policies.search("bồi thường tối đa 200k", at=at, asker="staff"))[0].section.policy == "vi/internal"
    assert not await policies.search("lời chào", at=at, asker="staff")


async def test_without_a_moment_the_clock_of_the_policies_counts() -> None:
    clock = [datetime(2026, 2, 13, 12, tzinfo=UTC)]
    policies = Policies(check(good_files(policies__vi__tet=TET)), "1" * 64, "vi", timezone=HANOI, now=lambda: clock[0])

    assert not await policies.search("nghỉ tết")
    clock[0] += timedelta(days=1)
    assert (await policies.search("nghỉ tết"))[0].section.policy == "vi/tet"
    assert len(policies.sources_for("vi", 20_000) or ()) == 3


def test_a_shop_of_which_nothing_counts_at_the_moment_has_no_sources() -> None:
    files = {path: text for path, text in good_files(policies__vi__tet=TET).items() if "returns" not in path}
    policies = Policies(check(files), "1" * 64, "vi", timezone=HANOI)

    assert policies.sources_for("vi", 20_000, at=datetime(2026, 1, 1, tzinfo=HANOI)) is None
