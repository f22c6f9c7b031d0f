import unicodedata

import pytest

from bot.policies.language import guess_language
from bot.text import fold
from tests.bot.policies import phrases
from tests.bot.policies.questions import CHAT, ENGLISH, VIETNAMESE

BOTH = ("vi", "en")


@pytest.mark.parametrize("default", BOTH)
def test_marked_vietnamese_is_told_from_english_whatever_the_default(default: str) -> None:
    for question, _ in VIETNAMESE:
        for text in (question, unicodedata.normalize("NFD", question)):
            assert guess_language(text, "en", default, BOTH) == "vi", question
    for question, _ in ENGLISH:
        assert guess_language(question, "vi", default, BOTH) == "en", question


def test_vietnamese_typed_without_marks_is_vietnamese() -> None:
    wrong = [text for text, _ in VIETNAMESE if guess_language(fold(text), None, "en", BOTH) != "vi"]
    wrong += [text for text, _ in CHAT if guess_language(text, None, "en", BOTH) != "vi"]
    assert len(wrong) <= 3, wrong


@pytest.mark.parametrize("text", ["", "   ", "👍👍", "ok", "size M", "COD", "12345", "Привет", "你好", "??"])
def test_a_text_that_says_nothing_leaves_it_to_the_platform_and_then_to_the_default(text: str) -> None:
    assert guess_language(text, "vi-VN", "en", BOTH) == "vi"
    assert guess_language(text, "en_US", "vi", BOTH) == "en"
    assert guess_language(text, "fr", "vi", BOTH) == "vi"
    assert guess_language(text, None, "en", BOTH) == "en"


def test_only_a_language_that_the_program_speaks_is_answered() -> None:
    assert guess_language("Shop ơi, đổi trả thế nào?", "vi", "en", ("en",)) == "en"
    assert guess_language("How do I return this?", None, "vi", ("vi",)) == "vi"


def test_a_very_long_text_is_guessed_by_its_beginning() -> None:
    assert guess_language("đổi trả hàng " + "the return of " * 100_000, None, "en", BOTH) == "en"
    assert guess_language("đổi trả hàng " * 100_000, None, "en", BOTH) == "vi"


@pytest.mark.parametrize("text", phrases.VIETNAMESE.strip().splitlines())
def test_a_short_vietnamese_text_is_answered_in_vietnamese(text: str) -> None:
    for form in (text, text.upper() if " " in text else text, unicodedata.normalize("NFD", text), f"{text}!!! 🙂"):
        assert guess_language(form, "en", "en", BOTH) == "vi"


@pytest.mark.parametrize("text", phrases.ENGLISH.strip().splitlines())
def test_a_short_english_text_is_answered_in_english(text: str) -> None:
    for form in (text, text.upper() if text.isascii() else text, unicodedata.normalize("NFD", text), f"{text}!!! 🙂"):
        assert guess_language(form, "vi", "vi", BOTH) == "en"


@pytest.mark.parametrize("text", phrases.NEITHER.strip().splitlines())
def test_a_text_that_both_use_keeps_the_language_of_before(text: str) -> None:
    assert [guess_language(text, None, before, BOTH) for before in BOTH] == list(BOTH)
