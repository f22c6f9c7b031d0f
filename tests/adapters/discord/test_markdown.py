"""Markdown as Discord shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.markdown import to_discord


@pytest.mark.parametrize(
    "text",
    [
        "Đổi trả trong **7 ngày**, *miễn phí* với ~~hàng lỗi~~ `code`.",
        "# Một\n## Hai\n### Ba",
        "- một\n  - hai\n1. ba",
        "> trích",
        "[Chính sách](https://shop.vn/doi-tra)",
        "```python\n#### not a heading\n| a | b |\n|---|---|\n![x](y)\n```",
        "<script>alert(1)</script> <b>5 < 6</b>",
        "@everyone nhé",
        "a | b\nkhông phải bảng",
        "",
    ],
)
def test_what_discord_knows_stays_as_it_is(text: str) -> None:
    assert to_discord(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("#### Phí ship", "**Phí ship**"),
        ("###### **Phí** ship ##", "**Phí ship**"),
        ("![Bảng size](https://x.vn/a.png)", "Bảng size (<https://x.vn/a.png>)"),
        ('![](https://x.vn/a.png "tên")', "<https://x.vn/a.png>"),
        ("`![a](b)` và ![a](b)", "`![a](b)` và a (b)"),
        ("![a](https://x.vn/b_(c).png) ![d]( <https://x.vn> )", "a (<https://x.vn/b_(c).png>) d (<https://x.vn>)"),
        ("<@123456789012345678> </new:5> <#5> <:a:5>", "\\<@123456789012345678> \\</new:5> \\<#5> \\<:a:5>"),
        ("||kín|| a_b _c", "\\|\\|kín\\|\\| a_b \\_c"),
        ("__đậm__ &amp; \\# [1] (2)", "**đậm** & # \\[1] (2)"),
        ("\\- một\n\\> hai\n1\\. ba\n-# nhỏ", "\\- một\n\\> hai\n1\\. ba\n\\-# nhỏ"),
        (">>> cả đoạn", "> cả đoạn"),
        ("> > lồng nhau", "> lồng nhau"),
        ("~~~py\nx = 1\n~~~", "```py\nx = 1\n```"),
        ("    `````x", "```\n`\u200b`\u200b`\u200b`\u200b`x\n```"),
        ("***Lưu ý** chị* nhé", "_**Lưu ý** chị_ nhé"),
        ("***a** b_c* và ***d** e **f***", "**a** b_c và _**d** e **f**_"),
        ("x***a** b* và ***a** b*x", "x**a** b và **a** bx"),
        ("*a **b*** ***c*** ***d* e**", "*a **b*** ***c*** ***d* e**"),
    ],
)
def test_what_discord_does_not_know_becomes_what_it_knows(text: str, shown: str) -> None:
    assert to_discord(text) == shown


def test_a_table_becomes_aligned_code_by_display_width() -> None:
    text = "Size:\n\n| Size | Cân nặng | 備考 |\n|:--|--:|---|\n| **S** | 45–50 kg | 小 |\n| XL | `70+` |\n\nHết."
    assert to_discord(text).split("\n") == [
        "Size:",
        "",
        "```",
        "Size │ Cân nặng │ 備考",
        "─────┼──────────┼─────",
        "S    │ 45–50 kg │ 小",
        "XL   │ 70+      │",
        "```",
        "",
        "Hết.",
    ]


def test_marks_that_combine_take_no_column() -> None:
    decomposed = "| Gia\u0301 | b |\n|---|---|\n| xyz | c |"
    assert to_discord(decomposed).split("\n")[1:4] == ["Gia\u0301 │ b", "────┼──", "xyz │ c"]


def test_a_table_can_not_break_out_of_its_fence() -> None:
    shown = to_discord("| a |\n|---|\n| ``` @everyone |")
    assert shown.count("```") == 2


def test_a_table_ends_where_a_fence_begins() -> None:
    shown = to_discord("| a | b |\n|---|---|\n```\n1 | 2\n```")
    assert shown.endswith("```\n1 | 2\n```")


def test_a_table_with_a_very_long_cell_does_not_swell() -> None:
    text = "| a | b |\n|---|---|\n" + f"| {'x' * 1000} | y |\n" + "| 1 | 2 |\n" * 50
    assert len(to_discord(text)) < len(text) + 50
    assert "\n1 │ 2\n" in to_discord(text)


def test_links_in_a_table_keep_their_address() -> None:
    assert "Xem (https://x.vn)" in to_discord("| a |\n|---|\n| [Xem](https://x.vn) |")


@given(st.text(alphabet="ab|-:`~#>![]()*\\ \n\t", max_size=80))
def test_any_text_passes_and_no_fence_is_left_open_by_us(text: str) -> None:
    shown = to_discord(text)
    if "```" not in text and "~~~" not in text:
        assert shown.count("```") % 2 == 0


@given(st.text(max_size=200))
def test_plain_words_are_never_lost(text: str) -> None:
    letters = [char for char in text if char.isalnum()]
    assert [char for char in to_discord(text) if char.isalnum()] == letters


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "piece", ["![](", "![", "[a](", "`", "` ", "#### ", "|-", "|a\\", "> ", "**a__", "![a](b ", "||"]
)
def test_a_flood_of_beginnings_takes_no_time(piece: str) -> None:
    flood = piece * 20_000
    for text in (flood, f"|a|\n|-|\n|{flood}|", f"{flood}\n{flood}"):
        to_discord(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a **b**](https://evil.test/x)", "a **b** (`https://evil.test/x`)"),
        ("[https://shop.vn](https://evil.test)", "<https://shop.vn> (`https://evil.test`)"),
        ("https://evil.test/x. <https://evil.test/y>", "`https://evil.test/x`. `https://evil.test/y`"),
        ("discord.gg/abc discord.com/invite/x", "`discord.gg/abc` `discord.com/invite/x`"),
        ("![ảnh](https://evil.test/p.png)", "ảnh (`https://evil.test/p.png`)"),
        ("[a](javascript:x) [b](mailto:lan@shop.vn) [c](/tra)", "a (javascript:x) b (lan@shop.vn) c (/tra)"),
        ("**https://shop.vn/x** https://shop.vn/y z", "**<https://shop.vn/x>** https://shop.vn/y z"),
        ("[a](https://shop.vn/*x*) [[b](https://shop.vn)](https://evil.test)",
         "[a](https://shop.vn/%2Ax%2A) \\[[b](https://shop.vn)]\\(`https://evil.test`)"),
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_linked_to_is_code(text: str, expected: str) -> None:
    assert to_discord(text, lambda url: url.startswith("https://shop.vn")) == expected


def test_what_would_end_a_style_too_early_loses_its_form_and_no_text() -> None:
    assert to_discord("**a `b**c` d**") == "**a b\\*\\*c d**"
    assert to_discord("*a*__b__ _c <br>_") == "*a*b *c*"
    assert to_discord("``a```b``") == "a\\`\\`\\`b"
    assert to_discord("```đường\nx\n```") == "```\nx\n```"


def test_a_refused_address_with_marks_is_neither_a_link_nor_tears_the_style_around_it() -> None:
    shown = to_discord("*a <https://x.test/**b> c* https://`x.test/ https://x.test/", lambda url: False)
    assert "https\\://x.test/\\*\\*b" in shown
    assert "https\\://\\`x.test/" in shown
    assert shown.endswith("`https://x.test/`")
