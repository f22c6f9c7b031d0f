"""Questions that ask for the same stand together."""

from bot.policies.grouping import grouped


def groups(*questions: str) -> list[list[str]]:
    return grouped(questions, str.split)


def test_the_order_of_words_does_not_count() -> None:
    assert groups("a b c", "x", "c a b") == [["a b c", "c a b"], ["x"]]


def test_what_shares_most_of_its_words_is_near_enough() -> None:
    assert groups("a b c", "a b c d", "a x y") == [["a b c", "a b c d"], ["a x y"]]


def test_what_is_asked_often_comes_first_and_then_what_comes_first() -> None:
    assert groups("n", "b", "a", "b") == [["b", "b"], ["n"], ["a"]]


def test_nothing_gives_no_group_and_no_words_are_one() -> None:
    assert groups() == []
    assert groups("", "", "a") == [["", ""], ["a"]]


def test_thousands_of_different_questions_are_soon_grouped() -> None:
    assert len(groups(*(f"w{number} w{number + 1} common" for number in range(0, 9000, 3)))) == 3000
