"""What a text without marks was meant as."""

import pytest

from bot.policies.marks import Marks, everyday_phrases
from bot.policies.words import words_of


@pytest.fixture(scope="module")
def marks() -> Marks:
    phrases = ["ga gối", "vỏ gối", "gọi hotline", "đổi trả", "đợi hàng", "thời hạn đổi trả"]
    return Marks([*everyday_phrases(), *map(words_of, phrases)])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("goi dien thoai", "gọi điện thoại"),
        ("ga goi", "ga gối"),
        ("goi hotline", "gọi hotline"),
        ("so dien thoai", "số điện thoại"),
        ("doi tra", "đổi trả"),
        ("thời hạn doi tra", "thời hạn đổi trả"),
        ("qwrtz goi", "qwrtz gọi"),
        ("size m", "size m"),
    ],
)
def test_a_word_without_marks_is_read_by_its_neighbours(marks: Marks, typed: str, meant: str) -> None:
    assert [word.exact for word in marks.restored(words_of(typed))] == [word.exact for word in words_of(meant)]


def test_a_word_that_has_its_marks_stays_as_it_is(marks: Marks) -> None:
    assert marks.restored(words_of("ga gọi")) == words_of("ga gọi")


def test_nothing_is_read_as_nothing(marks: Marks) -> None:
    assert marks.restored([]) == []
