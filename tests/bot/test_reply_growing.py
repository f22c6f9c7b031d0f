import pyromark
import pytest
from hypothesis import given, settings

from bot.reply.growing import Watch, visible
from tests.bot.markdown import answers, soup


def shown(text: str) -> str:
    look = visible(text)
    return text[: look.end] + look.closing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("   \n", ""),
        ("Xin chào **chị", "Xin chào"),
        ("Xin chào **", "Xin chào"),
        ("Xin chào **chị*", "Xin chào"),
        ("Xin chào **chị** ", "Xin chào **chị**"),
        ("một **đậm và *nghiêng*", "một"),
        ("một **đậm và *nghiêng***.", "một **đậm và *nghiêng***."),
        ("một _hai", "một"),
        ("một _hai_ ba", "một _hai_ ba"),
        ("một ~~hai", "một"),
        ("một ~~hai~~ ba", "một ~~hai~~ ba"),
        ("mã `GIAM", "mã"),
        ("mã `GIAM` nhé", "mã `GIAM` nhé"),
        ("mã ``a`b", "mã"),
        ("mã ``a`b`` nhé", "mã ``a`b`` nhé"),
        ("mã `", "mã"),
        ("Xem [trang", "Xem"),
        ("Xem [trang](htt", "Xem"),
        ("Xem [trang](https://shop.vn)", "Xem [trang](https://shop.vn)"),
        ("**Xem [trang](htt", ""),
        ("hình ![", "hình"),
        ("hình !", "hình"),
        ("[1] là", "[1] là"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("a_b_c và 5*6 nhé", "a_b_c và 5*6 nhé"),
        ("a_b_c và 5*6 nhé\n\n", "a_b_c và 5*6 nhé"),
        ("giá $5 và ~5 phút", "giá $5 và ~5 phút"),
        ("a < b", "a < b"),
        ("xem <https://sh", "xem"),
        ("Tom &amp", "Tom"),
        ("R&D là", "R&D là"),
        ("một\\", "một"),
        ("một\\* hai", "một\\* hai"),
        ("Danh sách:\n-", "Danh sách:"),
        ("Danh sách:\n- ", "Danh sách:"),
        ("Danh sách:\n- a\n  -", "Danh sách:\n- a"),
        ("Danh sách:\n- [ ", "Danh sách:"),
        ("Danh sách:\n1", "Danh sách:"),
        ("Danh sách:\n1.", "Danh sách:"),
        ("Danh sách:\n1. **", "Danh sách:"),
        ("một\n\n##", "một"),
        ("một\n\n## Hai", "một\n\n## Hai"),
        ("một\n>", "một"),
        ("một\n--", "một"),
        ("một\n==", "một"),
        ("một\n\n``", "một"),
        ("mã ``x | y", "mã"),
        ("xem ![áo `x | y` đẹp", "xem"),
        ("**hàng | giá", ""),
        ("một\\\n<https://sh", "một"),
        ("một\n\n```py", "một"),
        ("một\n\n```py\n", "một"),
        ("một\n\n```py\nx", "một\n\n```py\nx\n```"),
        ("một\n\n```py\nx = '**a\n``", "một\n\n```py\nx = '**a\n```"),
        ("một\n\n~~~\n[a](\n", "một\n\n~~~\n[a](\n~~~"),
        ("- một\n\n  ```py\n  x", "- một\n\n  ```py\n  x\n  ```"),
        ("một\n\n| a | b", "một"),
        ("một\n\n| a | b |\n", "một"),
        ("một\n\n| a | b |\n|--", "một"),
        ("một\n\n| a | b |\n|---|---|\n", "một\n\n| a | b |\n|---|---|"),
        ("| a |\n|---|\n| 1 |\n| 2", "| a |\n|---|\n| 1 |"),
        ("a | b\n--|--\n1|2\n3", "a | b\n--|--\n1|2"),
        ("bé 👨‍👩", "bé"),
        ("bé 👨‍👩‍👧 ngoan", "bé 👨‍👩‍👧 ngoan"),
        ("cờ 🇻", "cờ"),
        ("cờ 🇻🇳 nước", "cờ 🇻🇳 nước"),
    ],
)
def test_what_is_unfinished_is_hidden_or_closed(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("opener", "most", "closing"),
    [("**", 240, "**"), ("*", 240, "*"), ("`", 240, "`"), ("[", 240, ""), ("` ", 480, ""), ("giá 5*", 120, "")],
)
def test_what_never_closes_hides_so_much_and_no_more(opener: str, most: int, closing: str) -> None:
    for count, is_shown in ((most // 4 - 2, False), (most // 4 + 2, True)):
        words = opener + "chữ " * count
        look = visible(words)
        assert (look.end == len(words.rstrip()), look.closing) == (is_shown, closing if is_shown else "")


def test_backticks_with_others_behind_them_are_characters_in_the_end() -> None:
    words = "mã ``GIAM10` " + "chữ " * 125
    assert shown(words) == words.rstrip()
    assert shown(words + "`` nhé") == f"{words}`` nhé"
    short = "mã ``a ` b`` " + "chữ " * 70
    assert shown(short) == short.rstrip()


def test_an_address_counts_as_a_word_of_what_is_held_back() -> None:
    address = f"https://shop.example/{'a/' * 120}"
    assert shown(f"Xem [{address}") == "Xem"
    assert shown(f"Xem [{address}]({address}).") == f"Xem [{address}]({address})."


_WORDS = ("Text", "Code", "Html", "InlineHtml")


def words(text: str) -> str:
    """What a reader sees of a Markdown text, without white space."""
    options = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH | pyromark.Options.ENABLE_TASKLISTS
    found: list[str] = []
    for event in pyromark.events(text, options=options):
        if isinstance(event, dict):
            found.extend(str(value) for kind, value in event.items() if kind in _WORDS)
    return "".join("".join(found).split())


@given(answers())
@settings(max_examples=75, deadline=None)
def test_formatted_what_is_shown_is_a_prefix_of_all_that_will_be_shown(text: str) -> None:
    everything, before = words(text), ""
    for end in range(len(text) + 1):
        now = words(shown(text[:end]))
        assert now.startswith(before)
        assert everything.startswith(now)
        before = now


@given(answers())
@settings(max_examples=75, deadline=None)
def test_what_was_shown_is_not_taken_back(text: str) -> None:
    best = 0
    for end in range(len(text) + 1):
        length = visible(text[:end]).end
        assert length >= best
        best = length


@given(answers())
@settings(max_examples=50, deadline=None)
def test_what_is_settled_need_not_be_looked_at_again(text: str) -> None:
    watch = Watch()
    for end in range(len(text) + 1):
        assert watch.look(text[:end]) == visible(text[:end])


@given(soup())
@settings(max_examples=200, deadline=None)
def test_any_text_at_all_is_shown_in_part(text: str) -> None:
    look = visible(text)
    assert 0 <= look.end <= len(text)
    assert len(look.closing) < 80
