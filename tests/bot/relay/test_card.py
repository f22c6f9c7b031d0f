"""The card of a case, the moments that staff type, and how texts are cut."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.chat import Address
from bot.desk import Person
from bot.handoff import NotPossible
from bot.relay import words as relay_words
from bot.relay.card import MOST, card_of, orders_in
from bot.relay.pieces import pieces
from bot.relay.times import moment_of
from bot.relay.words import Words
from bot.storage.casefiles import CaseFile, FiledTurn
from bot.storage.cases import Case
from bot.text import utf16_units

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)  # Friday, 10:00 at the shop
CASE = Case(1, 1, "waiting", "policy", "Đổi áo quá 7 ngày, đơn NM12345.", NOW - timedelta(hours=1))
FILE = CaseFile(
    name="Lan *Anh*",
    address=Address("telegram", "4242"),
    language="en",
    since=NOW - timedelta(days=3),
    cases=2,
    turns=(
        FiledTurn("customer", "đơn nm-777 của mình đâu?", NOW),
        FiledTurn("assistant", "Trong 7 ngày ạ.", NOW, ("Đổi trả › Thời hạn",)),
        FiledTurn("staff", "Dạ.", NOW),
    ),
    texts=("đơn NM-777 của mình đâu?", "NM12345 nhé"),
    gaps=("Có bán sỉ không?",),
)


def card(language: str = "vi", case: Case = CASE, file: CaseFile = FILE):  # type: ignore[no-untyped-def]
    return card_of(case, file, Words(language, ZONE), prefixes=("NM",), now=NOW)


def test_a_card_says_all_at_a_glance_in_the_language_of_the_shop() -> None:
    assert card().text == "\n".join(
        [
            "**Lan \\*Anh\\*** · Kênh: telegram `4242`",
            "Ngôn ngữ: English · Khách từ: 10:00 17/11 · Yêu cầu 2",
            "**Lý do:** chính sách yêu cầu nhân viên quyết định · Mở lúc: 9:00 hôm nay",
            "**Phụ trách:** chưa ai nhận",
            "**Khách cần:** Đổi áo quá 7 ngày, đơn NM12345.",
            "**Mã đơn được nhắc:** `NM-777`, `NM12345`",
            "**Đã thử:** trợ lý đã trả lời 1 lần trong các lượt gần đây; Chính sách chưa nói về: “Có bán sỉ không?”",
            "**Nguồn đã dùng:** Đổi trả › Thời hạn",
            "**Các lượt gần nhất:**",
            "> **Khách:** đơn nm-777 của mình đâu?",
            "> **Trợ lý:** Trong 7 ngày ạ.",
            "> **Nhân viên:** Dạ.",
        ]
    )
    english = card("en").text
    assert "**Reason:** a policy says that a person decides · Opened: 9:00 today" in english
    assert "**With:** nobody yet" in english


def test_a_title_is_the_name_and_the_topic_on_one_line() -> None:
    assert card().title == "Lan *Anh* · Đổi áo quá 7 ngày, đơn NM12345."
    file = replace(FILE, name="a\nb\u202e" * 40)
    title = card(file=file, case=replace(CASE, summary="")).title
    assert len(title) <= 90
    assert "\n" not in title
    assert "\u202e" not in title
    assert "đơn nm-777" in title


def test_a_card_shows_who_has_it_and_what_time_will_do() -> None:
    case = replace(
        CASE,
        state="human",
        taken_by=Person("7", "Mai_x"),
        snoozed_until=NOW + timedelta(days=1),
        close_at=NOW + timedelta(days=2),
        is_blocked=True,
        labels=("vip",),
    )
    shown = card(case=case)
    assert "**Phụ trách:** Mai\\_x" in shown.text
    assert "**Tạm ẩn đến:** 10:00 ngày mai" in shown.text
    assert "**Tự đóng lúc:** 10:00 Chủ nhật 22/11" in shown.text
    assert "🚫" in shown.text
    assert (shown.is_snoozed, shown.is_blocked, shown.labels, shown.taken_by) == (True, True, ("vip",), case.taken_by)


def test_a_card_fits_whatever_was_said() -> None:
    turns = tuple(FiledTurn("customer", "@everyone **đậm** 😀 " * 200, NOW) for _ in range(6))
    text = card(file=replace(FILE, turns=turns), case=replace(CASE, summary="x" * 5000)).text
    assert utf16_units(text) <= MOST + 100
    assert "@everyone" not in text.replace("\\@", "")


@pytest.mark.parametrize(
    ("text", "prefixes", "found"),
    [
        ("NM12345, nm 12345 và NM-678", ("NM",), ("NM12345", "NM-678")),
        ("XNM12345 hay NM12", ("NM",), ()),
        ("đơn ABC-12345 và #9876", (), ("ABC-12345", "#9876")),
        ("gọi 0901234567 nhé", (), ()),
    ],
)
def test_order_numbers_are_found(text: str, prefixes: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert orders_in([text], prefixes) == found


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30m", "2026-11-20 10:30"),
        ("2h", "2026-11-20 12:00"),
        ("3d", "2026-11-23 10:00"),
        ("16:30", "2026-11-20 16:30"),
        ("9:00", "2026-11-21 09:00"),
        ("tomorrow 9:00", "2026-11-21 09:00"),
        ("tomorrow", "2026-11-21 09:00"),
        ("mai 9h", "2026-11-21 09:00"),
        ("Ngày mai 9h30", "2026-11-21 09:30"),
        ("mon 8:00", "2026-11-23 08:00"),
        ("fri 8:00", "2026-11-27 08:00"),
        ("thứ 2 8:00", "2026-11-23 08:00"),
        ("chủ nhật 8:00", "2026-11-22 08:00"),
        ("2026-12-24 9:00", "2026-12-24 09:00"),
    ],
)
def test_moments_are_read_by_the_clock_of_the_shop(text: str, at: str) -> None:
    found = moment_of(text, NOW, ZONE)
    assert found == datetime.fromisoformat(at).replace(tzinfo=ZONE)
    assert found.tzinfo == UTC


@pytest.mark.parametrize("text", ["", "soon", "25:00", "0m", "today 8:00", "2026-11-19 9:00", "9999d", "9" * 50, "-1h"])
def test_what_is_no_moment_ahead_is_refused(text: str) -> None:
    with pytest.raises(NotPossible) as caught:
        moment_of(text, NOW, ZONE)
    assert caught.value.key == "desk_bad_time"


def test_texts_are_cut_at_paragraphs_lines_and_words_and_nothing_is_lost() -> None:
    text = "\n\n".join(["một hai ba " * 30, "dòng\n" * 40, "😀" * 300, "*" * 300, "x" * 500])
    found = pieces(text, 200)
    assert all(utf16_units(piece) <= 200 for piece in found)
    assert all(utf16_units(piece) + piece.count("*") <= 200 for piece in found)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert pieces("", 200) == []
    assert pieces(" a ", 200) == ["a"]


def test_both_languages_say_the_same_things() -> None:
    vi, en = relay_words._WORDS["vi"], relay_words._WORDS["en"]
    assert vi.keys() == en.keys()
    for key in vi:
        assert set(_fields(vi[key])) == set(_fields(en[key])), key


def _fields(text: str) -> list[str]:
    return [part.split("}")[0] for part in text.split("{")[1:]]
