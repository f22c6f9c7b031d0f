"""When somebody is at the desk, as `desk.toml` says it, and what a customer is told of it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.policies.check import check
from bot.policies.findings import Findings
from bot.policies.hours import DeskHours, read_hours
from bot.policies.live import Policies
from bot.policies.waiting import expectation, moment_words, span_words, waiting_words
from tests.bot.policies.shop import SAMPLE, good_files

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
HOURS = """
answers_within = "15m"
holidays = ["2026-12-24", "2027-02-05 – 2027-02-07"]
order_prefixes = ["NM", "DH-"]
[hours]
mon = "8:00-12:00, 13:30-17:00"
fri = "8h00 – 21h00"
"""


def read(text: str) -> tuple[DeskHours, list[str]]:
    findings = Findings("desk.toml")
    return read_hours(text, findings), [str(problem) for problem in findings.problems]


def policies(text: str = HOURS) -> Policies:
    files = {
        path.relative_to(SAMPLE).as_posix(): path.read_text(encoding="utf-8")
        for path in SAMPLE.rglob("*")
        if path.is_file()
    }
    return Policies(check(files | {"desk.toml": text}), "v", "vi", timezone=ZONE)


def at(day: int, clock: str, month: int = 11, year: int = 2026) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(year, month, day, hour, minute, tzinfo=ZONE)


def test_a_file_of_hours_is_read_whole() -> None:
    hours, problems = read(HOURS)
    assert problems == []
    assert hours.answers_within == timedelta(minutes=15)
    assert hours.order_prefixes == ("NM", "DH-")
    assert len(hours.holidays) == 4
    assert hours.days[0] == ((480, 720), (810, 1020))
    assert hours.days[1] == ()


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (at(23, "8:00"), True),
        (at(23, "11:59"), True),
        (at(23, "12:00"), False),
        (at(23, "13:30"), True),
        (at(24, "9:00"), False),
        (at(27, "20:59"), True),
        (at(24, "9:00", month=12), False),
    ],
)
def test_the_desk_is_open_by_the_clock_of_the_shop(moment: datetime, is_open: bool) -> None:
    assert read(HOURS)[0].is_open(moment) == is_open


def test_the_next_opening_leaves_holidays_out() -> None:
    hours, _ = read(HOURS)
    assert hours.next_opening(at(23, "12:10")) == at(23, "13:30")
    assert hours.next_opening(at(23, "18:00")) == at(27, "8:00")
    assert hours.next_opening(at(4, "22:00", month=2, year=2027)) == at(8, "8:00", month=2, year=2027)
    assert DeskHours().next_opening(at(23, "8:00")) is None


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('[hours]\nmon = "8-21"', "desk.toml:2: the hours of mon are not understood: “8-21”."),
        ('[hours]\nmon = "21:00-8:00"', "desk.toml:2: the hours of mon"),
        ('[hours]\nmon = "8:00-12:00, 11:00-13:00"', "desk.toml:2: the hours of mon"),
        ('[hours]\nmon = "8:00-24:30"', "desk.toml:2: the hours of mon"),
        ("[hours]\nmon = 8", "desk.toml:2: the hours of mon"),
        ('[hours]\nmonday = "8:00-21:00"', "desk.toml:2: “monday” is no day."),
        ('hours = "8:00-21:00"', "desk.toml:1: “hours” is no table."),
        ('answers_within = "soon"', "desk.toml:1: answers_within must be a number of minutes"),
        ('holidays = ["Tết"]', "desk.toml:1: “Tết” is no day"),
        ('holidays = ["2027-02-07 – 2027-02-05"]', "desk.toml:1: “2027-02-07"),
        ("holidays = 3", "desk.toml:1: “holidays” is no list of texts."),
        ('order_prefixes = [".*"]', "desk.toml:1: “.*” is no beginning of an order number."),
        ("open = true", "desk.toml:1: there is no “open” here."),
        ("open =", "desk.toml:1: this is no valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(line: str, wrong: str) -> None:
    _, problems = read(line)
    assert len(problems) == 1
    assert problems[0].startswith(wrong)


def test_the_folder_may_hold_hours_and_need_not() -> None:
    assert check(good_files()).desk == DeskHours()
    assert check(good_files() | {"desk.toml": HOURS}).desk.order_prefixes == ("NM", "DH-")


def test_a_customer_is_told_how_soon_somebody_answers() -> None:
    shop = policies()
    assert expectation(shop, "vi", at(23, "9:00")) == "Thường nhân viên trả lời trong vòng 15 phút."
    assert "within 15 minutes" in expectation(shop, "en", at(23, "9:00"))
    assert "từ 13:30 hôm nay" in expectation(shop, "vi", at(23, "12:30"))
    assert "từ 8:00 thứ Sáu 27/11" in expectation(shop, "vi", at(23, "19:00"))
    assert "from 8:00 on Friday, 27 November" in expectation(shop, "en", at(23, "19:00"))
    assert "from 8:00 tomorrow" in expectation(shop, "en", at(26, "19:00"))
    assert "/new" in waiting_words(shop, "vi", at(23, "9:00"))


def test_the_moment_is_that_of_the_shop_wherever_the_program_runs() -> None:
    assert "trong vòng" in expectation(policies(), "vi", datetime(2026, 11, 23, 2, 0, tzinfo=UTC))
    assert "từ 8:00 hôm nay" in expectation(policies(), "vi", datetime(2026, 11, 22, 23, 0, tzinfo=UTC))


def test_without_hours_nothing_is_promised() -> None:
    assert expectation(policies("# nothing"), "vi", at(23, "3:00")) == ""
    assert "nghỉ" in expectation(policies('[hours]\nmon = ""'), "vi", at(23, "3:00"))


def test_spans_and_moments_are_said_in_words() -> None:
    assert span_words(timedelta(hours=1), "en") == "1 hour"
    assert span_words(timedelta(minutes=90), "vi") == "90 phút"
    assert span_words(timedelta(days=2), "en") == "2 days"
    assert moment_words(at(24, "8:05"), at(23, "9:00"), "de") == "2026-11-24 8:05"
