import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.reply.parts import NOTHING, Parts, spread
from bot.text import utf16_units
from tests.bot.markdown import answers, soup

LOREM = "Áo được đổi trong 7 ngày kể từ khi nhận hàng, còn nguyên tem mác. Phí ship đổi hàng là 30.000đ. "


def cut_up(text: str, limit: int, *, ending: str = "") -> list[str]:
    return Parts(max_units=limit, measure=utf16_units).finish(text, ending)


def squeezed(text: str) -> str:
    return regex.sub(r"\s+", "", text)


def test_a_short_answer_is_one_message() -> None:
    assert cut_up("Xin **chào**\n", 100) == ["Xin **chào**"]


def test_a_blank_answer_is_no_message() -> None:
    assert cut_up(" \n\u200b\n", 100) == []


def test_a_long_answer_is_cut_between_paragraphs() -> None:
    one, two = (LOREM * 3).strip(), (LOREM * 2).strip()
    assert cut_up(f"{one}\n\n{two}", 400) == [one, two]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    parts = cut_up(LOREM * 10, 400)
    assert all(part.endswith(".") for part in parts)
    assert " ".join(parts) == (LOREM * 10).strip()


def test_a_long_sentence_is_cut_between_words() -> None:
    text = "chữ " * 200
    parts = cut_up(text, 100)
    assert set(" ".join(parts).split()) == {"chữ"}
    assert all(90 < len(part) <= 100 for part in parts[:-1])


def test_a_long_word_is_cut_between_graphemes() -> None:
    family = "👨‍👩‍👧"
    parts = cut_up(family * 50, 100)
    assert "".join(parts) == family * 50
    assert all(part.replace(family, "") == "" for part in parts)


def test_a_fence_is_closed_and_opened_again_with_its_language() -> None:
    code = "\n".join(f"x{number} = {number}" for number in range(60))
    parts = cut_up(f"Đây:\n\n```py\n{code}\n```\n\nHết.", 200)
    assert len(parts) == 3
    assert all(part.count("```") == 2 for part in parts)
    assert all(part.startswith("```py\n") for part in parts[1:])
    words = "".join(parts).replace("```py\n", "").replace("```", "")
    assert squeezed(words) == squeezed(f"Đây:{code}Hết.")


def test_a_fence_that_the_model_left_open_is_closed() -> None:
    assert cut_up("```py\nx = 1", 100) == ["```py\nx = 1\n```"]


def test_a_table_is_cut_between_rows_and_its_head_repeated() -> None:
    rows = "\n".join(f"| áo {number} | {number}00.000đ |" for number in range(40))
    parts = cut_up(f"| Hàng | Giá |\n|---|--:|\n{rows}", 300)
    assert len(parts) > 2
    assert all(part.startswith("| Hàng | Giá |\n|---|--:|\n| áo ") and part.endswith("|") for part in parts)


def test_a_link_is_never_cut() -> None:
    link = "[đổi trả hàng](https://shop.vn/chinh-sach/doi-tra)"
    parts = cut_up(f"xem {link} và " * 40, 120)
    assert sum(part.count(link) for part in parts) == 40


def test_emphasis_longer_than_a_message_is_closed_and_opened_again() -> None:
    parts = cut_up("**" + ("chữ " * 100).strip() + "**", 100)
    assert all(part.startswith("**") and part.endswith("**") and part.count("**") == 2 for part in parts)


def test_a_nested_list_goes_on_without_becoming_code() -> None:
    items = "\n".join(f"    - việc thứ {number} của shop" for number in range(30))
    parts = cut_up(f"- Một\n  - Hai\n{items}\n- Ba", 200)
    assert len(parts) > 2
    assert all(not part.startswith("    ") for part in parts)


def test_a_numbered_list_keeps_its_numbers() -> None:
    parts = cut_up("\n".join(f"{number}. {LOREM}" for number in range(1, 12)), 300)
    assert parts[1].split(".")[0].isdecimal()
    assert parts[1].split(".")[0] != "1"


def test_a_heading_stays_with_what_it_heads() -> None:
    parts = cut_up(f"{LOREM * 2}\n\n## Phí ship\n\n{LOREM * 2}", 240)
    assert not any(part.endswith("ship") for part in parts)


@pytest.mark.parametrize("limit", range(60, 120, 3))
def test_no_message_ends_with_a_heading_alone(limit: int) -> None:
    text = f"{'chữ ' * 6}\n\n## Đổi trả trong bảy ngày\n\n{'Dạ được ạ. ' * 9}\n\n### Phí\n\n- {'một ' * 30}"
    for part in cut_up(text, limit)[:-1]:
        assert not part.splitlines()[-1].startswith("#")


def test_the_ending_is_under_the_last_part_only() -> None:
    parts = cut_up(f"{LOREM * 5}\n\n{LOREM}", 400, ending="*Nguồn: Đổi trả*")
    assert parts[-1].endswith("\n\n*Nguồn: Đổi trả*")
    assert all("Nguồn" not in part for part in parts[:-1])


def test_an_ending_with_no_room_left_is_a_message_of_its_own() -> None:
    text = "a" * 100
    assert cut_up(text, 100, ending="*Nguồn*") == [text, "*Nguồn*"]


def test_an_answer_is_spread_over_the_messages_that_are_there() -> None:
    assert len(spread(LOREM * 3, 3, utf16_units)) == 3
    assert spread("V", 3, utf16_units) == ["V", NOTHING, NOTHING]


@given(answers(14), st.integers(80, 400))
@settings(max_examples=150, deadline=None)
def test_parts_fit_and_hold_the_whole_text(text: str, limit: int) -> None:
    parts = Parts(max_units=limit, measure=utf16_units)
    messages = parts.finish(text, "")
    assert all(0 < utf16_units(message) <= limit for message in messages)
    starts = [*parts.starts, len(text)]
    assert starts == sorted(starts)
    assert starts[0] == 0
    for start, end, message in zip(starts, starts[1:], messages, strict=False):
        source = squeezed(text[start:end])
        assert source in squeezed(message) or len(source) > limit // 2
    joined = squeezed("".join(messages))
    for word in regex.findall(r"\w{4,}", text):
        assert word in joined


@given(answers(14), st.integers(80, 400), st.lists(st.integers(1, 90), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_a_frozen_part_never_changes(text: str, limit: int, steps: list[int]) -> None:
    parts = Parts(max_units=limit, measure=utf16_units)
    frozen: list[str] = []
    at = 0
    for step in steps * 50:
        at += step
        shown = parts.grow(text[:at])
        assert utf16_units(shown) <= limit
        assert parts.frozen[: len(frozen)] == frozen
        frozen = list(parts.frozen)
        if at > len(text):
            break
    assert parts.finish(text, "")[: len(frozen)] == frozen


@given(soup(120), st.integers(40, 90))
@settings(max_examples=300, deadline=None)
def test_any_text_at_all_is_cut_into_parts_that_fit_nearly(text: str, limit: int) -> None:
    parts = Parts(max_units=limit, measure=utf16_units)
    for end in range(0, len(text), 7):
        parts.grow(text[:end])
    messages = parts.finish(text, "")
    assert all(message.strip() for message in messages)
    assert all(utf16_units(message) <= limit + 60 for message in messages)


def test_a_table_deep_in_lists_is_a_table_in_every_message() -> None:
    rows = [f"     | dòng {number} | {number}.000đ |" for number in range(60)]
    text = "\n".join(["1. bảng:", "   - đây:", "", "     | a | b |", "     |---|---|", *rows])
    parts = cut_up(text, 500)
    assert len(parts) > 3
    for part in parts[1:]:
        assert part.startswith("| a | b |\n|---|---|\n| dòng")
        assert "\n " not in part


def test_a_table_with_a_long_head_goes_on_below_an_empty_one() -> None:
    head = " | ".join(f"Cột số {number} dài thêm" for number in range(6))
    rows = [f"| {' | '.join(f'ô {number}' for _ in range(6))} |" for number in range(12)]
    parts = cut_up("\n".join([f"| {head} |", "|" + "---|" * 6, *rows]), 200)
    assert len(parts) > 2
    assert all(part.startswith("| | | | | | |\n|-|-|-|-|-|-|\n| ô") for part in parts[1:])


def test_a_fence_in_a_list_in_a_quote_is_closed_and_opened_in_the_quote() -> None:
    code = [f">   print({number})" for number in range(60)]
    parts = cut_up("\n".join(["> - chào", ">   ```py", *code, ">   ```", "", "xong"]), 400)
    assert len(parts) > 2
    assert all(part.startswith("> ```py\n> print(") for part in parts[1:])
    assert parts[-1].endswith("\n> ```\n\nxong")


def test_a_wall_of_underscores_behind_words_does_not_become_a_rule() -> None:
    parts = cut_up("chào chị " + "_" * 3000 + " xong", 1000)
    assert sum(part.count("_") for part in parts) == 3000
    assert all(part.startswith("\\_") for part in parts[1:-1])


def test_a_chain_of_joined_emoji_that_no_message_holds_is_cut() -> None:
    parts = cut_up("👩" + "\u200d👩" * 1000, 300)
    assert all(utf16_units(part) <= 300 for part in parts)
    assert "".join(parts).count("👩") == 1001


def test_a_row_longer_than_a_message_goes_on_in_its_column() -> None:
    parts = cut_up("| a | b |\n|---|---|\n| x | " + "chữ " * 100 + "|\n| y | z |", 200)
    head = "| a | b |\n|---|---|\n"
    assert len(parts) > 2
    assert parts[0].startswith(f"{head}| x | chữ ")
    assert all(part.startswith(f"{head}| | chữ ") and len(part) <= 200 for part in parts[1:])
    assert "".join(parts).count("chữ") == 100


@pytest.mark.parametrize(
    "shape",
    [
        "**x** ",
        "`a ",
        "[a](b) ",
        "_a ",
        "> trích\n",
        "- mục **đậm**\n",
        "chữ ",
        "> - ",
        "-\n",
        "| a |\n|---|\n| b |\n\n",
    ],
)
def test_a_text_that_grows_is_measured_seldom(shape: str) -> None:
    measured = 0

    def measure(text: str) -> int:
        nonlocal measured
        measured += len(text)
        return len(text)

    text = (shape * 4_000)[:4_000]
    parts = Parts(max_units=60_000, measure=measure)
    for end in range(0, len(text), 5):
        parts.grow(text[:end])
    assert measured <= 12 * len(text)
