"""What texts go through at the doors, and how they are measured."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text import Cleaner, clean, fold, is_blank, loggable, one_line, utf16_units

ANYTHING = st.text(st.characters(exclude_categories=()))


@given(ANYTHING)
def test_a_clean_text_is_in_normal_form_and_can_be_stored_and_sent(text: str) -> None:
    cleaned = clean(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode("utf-8")


@given(ANYTHING)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.lists(st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from("\u0301\u202e\x00a")))))
def test_a_text_in_pieces_is_cleaned_like_the_whole_of_it(pieces: list[str]) -> None:
    cleaner, whole = Cleaner(), "".join(pieces)
    fed = "".join(map(cleaner.feed, pieces))
    assert fed == Cleaner().feed(whole)
    assert clean(fed) == clean(whole)


def test_marks_that_pile_up_over_many_pieces_are_cut_short_too() -> None:
    cleaner = Cleaner()
    assert sum(len(cleaner.feed(piece)) for piece in ["a", *["\u0301"] * 500, "b\u0301"]) == 33


@given(st.text(st.characters(categories=("L", "N", "P", "Zs"))))
def test_cleaning_visible_text_only_normalises_it(text: str) -> None:
    assert clean(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (unicodedata.normalize("NFD", "Đổi trả được không?"), "Đổi trả được không?"),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree\n"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("a\x9b31mb\x85c", "a31mbc"),
        ("user\u202egnp.exe\u2066", "usergnp.exe"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("\ufeffBOM", "BOM"),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
        ("family 👨‍👩‍👧 and ☎️ stay", "family 👨‍👩‍👧 and ☎️ stay"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_what_hides_or_steers_is_taken_out_and_the_rest_stays(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t", "\u0301\u0302", "\u200b", "\u00a0\u3000", "\u3164", "\u2800", "\ufeff"]
)
def test_what_cannot_be_seen_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", "?", "👍", " . ", "ế", "漢", "\u0301x", "7"])
def test_what_can_be_seen_is_not(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Đổi trả", "doi tra"),
        ("đơn hàng", "don hang"),
        (unicodedata.normalize("NFD", "Đường dây nóng"), "duong day nong"),
        ("ƯU ĐÃI", "uu dai"),
        ("Straße", "strasse"),
        ("plain", "plain"),
    ],
)
def test_folding_takes_case_and_marks_away(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text(st.sampled_from("aăâbcdđeêghiklmnoôơpqrstuưvxyáàảãạếềểễệ AĂÂĐÊÔƠƯ")))
def test_folded_vietnamese_is_plain_ascii_in_any_normal_form(text: str) -> None:
    assert fold(text).isascii()
    assert fold(unicodedata.normalize("NFD", text)) == fold(text)
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_units_are_counted_as_utf16_does(text: str) -> None:
    assert utf16_units(text) == len(text.encode("utf-16-le")) // 2


def test_a_name_becomes_one_line_of_limited_length() -> None:
    assert one_line("  Nguyễn\n Văn\tA ") == "Nguyễn Văn A"
    assert one_line("x" * 100, limit=10) == "x" * 9 + "…"
    assert one_line("x" * 10, limit=10) == "x" * 10


@pytest.mark.parametrize(
    ("complaint", "words", "logged"),
    [
        ("The request was refused (max_tokens: too large).", "max 5 áo?", True),
        ("The request was refused (messages.0: 'mã đơn của em là 4711').", "Xin chào\nmã đơn của em là 4711 ạ", False),
        ("Refused: 0912345678 is wrong", "0912345678", False),
        ("No answer in time.", "", True),
    ],
)
def test_a_complaint_that_repeats_what_was_asked_is_not_logged(complaint: str, words: str, logged: bool) -> None:
    assert (loggable(complaint, words) == complaint) is logged
    assert logged or words.splitlines()[-1][:8] not in loggable(complaint, words)
