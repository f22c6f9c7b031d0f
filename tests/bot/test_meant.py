"""What writers mean by their marks is shown at every door, also where CommonMark reads them otherwise."""

import pytest

from adapters.discord.markdown import to_discord
from adapters.telegram.markdown import formatted
from bot.meant import with_stand_ins, without_stand_ins
from bot.reply.growing import visible


def bold(text: str) -> str:
    """The words of a message in Telegram, what is bold or italic in brackets."""
    shown = formatted(text)
    marks = sorted((place, is_start) for span in shown.spans for place, is_start in ((span.start, 1), (span.end, 0)))
    words = shown.text
    for place, is_start in reversed(marks):
        words = words[:place] + ("[" if is_start else "]") + words[place:]
    return words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("**Giá:**299.000đ, **Size:**M/L", "[Giá:]299.000đ, [Size:]M/L"),
        ("**Giá 299.000₫**nhé, **“Freeship”**áp dụng", "[Giá 299.000₫]nhé, [“Freeship”]áp dụng"),
        ("Mã**(mới)**nhé và **(cũ)**nhé", "Mã[(mới)]nhé và [(cũ)]nhé"),
        ("这款**“经典款”**衬衫**限时：**原价", "这款[“经典款”]衬衫[限时：]原价"),
        ("(**đậm**), giá:**299k** và **x** y", "([đậm]), giá:[299k] và [x] y"),
        ("5*3*2 = 30, 10*20*30cm, 2 * 3", "5*3*2 = 30, 10*20*30cm, 2 * 3"),
        ("a*b*c và *x*", "a[b]c và [x]"),
        ("https://a.vn/_x_/__y__.png?q=-_z*1", "https://a.vn/_x_/__y__.png?q=-_z*1"),
        ("**https://a.vn/_x** và _https://a.vn/b_.", "[https://a.vn/_x] và [https://a.vn/b]."),
        ("`**a:**b` và `5*3*2`", "[**a:**b] và [5*3*2]"),
        ("**chưa đóng:\nb:**c", "**chưa đóng:\nb:**c"),
    ],
)
def test_telegram_shows_what_was_meant(text: str, words: str) -> None:
    assert bold(text) == words


def test_discord_is_told_what_was_meant() -> None:
    assert to_discord("**Giá:**299k, 5*3*2, Mã**(mới)**nhé") == "**Giá:**299k, 5\\*3\\*2, Mã**(mới)**nhé"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Giá:**2", "**Giá:**2"),
        ("**Giá:** hay **Size:**M", "**Giá:** hay **Size:**M"),
        ("Mã**(mớ", "Mã"),
        ("5*3", "5*3"),
        ("xem https://a.vn/_x", "xem"),
        ("xem https://a.vn/_x_/y nhé", "xem https://a.vn/_x_/y nhé"),
    ],
)
def test_it_is_meant_so_while_it_grows(text: str, shown: str) -> None:
    look = visible(text)
    assert text[: look.end] + look.closing == shown


@pytest.mark.parametrize("text", ["**a:**b 5*3 https://a.vn/_b_ **“c”**d", "không có gì", "**" * 3_000 + "a:**b"])
def test_every_character_comes_back(text: str) -> None:
    assert without_stand_ins(with_stand_ins(text)) == text


@pytest.mark.parametrize(
    ("text", "telegram", "discord"),
    [
        ("1. a\n2. b\n10. c", "1. a\n2. b\n10. c", "1. a\n2. b\n10\\. c"),
        ("1. a\n1. b\n1. c", "1. a\n2. b\n3. c", "1. a\n2. b\n3. c"),
        ("2024. Cũ\n2026. Mới", "2024. Cũ\n2026. Mới", "2024. Cũ\n2026\\. Mới"),
        ("1) a\n2) b", "1) a\n2) b", "1. a\n2. b"),
        ("31. 12. 2026: nghỉ", "31. 12. 2026: nghỉ", "31. 12\\. 2026: nghỉ"),
        ("1. [x] a", "1. ☑ a", "1. ☑ a"),
        ("1. a\n\n   3. b\n   4. c\n2. d", "1. a\n\n3. b\n4. c\n2. d", "1. a\n\n3. b\n4. c\n2. d"),
    ],
)
def test_an_item_keeps_the_number_that_was_written(text: str, telegram: str, discord: str) -> None:
    assert formatted(text).text.replace("  ", "") == telegram
    assert to_discord(text).replace("  ", "") == discord
