"""How a difference looks on a terminal."""

import time

from bot.policy_commands.shown import marked


def shown(*lines: str) -> list[str]:
    """The lines with what stands out in brackets."""
    return ["".join(f"[{text}]" if "reverse" in style else text for text, style in parts) for parts in marked(lines)]


def test_the_words_that_differ_stand_out() -> None:
    assert shown("@@ -1 +1 @@", " a", "-Trong **7 ngày** kể từ", "+Trong **15 ngày** kể từ", " b") == [
        "@@ -1 +1 @@",
        " a",
        "-Trong **[7] ngày** kể từ",
        "+Trong **[15] ngày** kể từ",
        " b",
    ]


def test_lines_that_came_or_went_are_shown_whole() -> None:
    lines = ["-một", "-hai", "+ba", " bốn", "+năm", " sáu", "-bảy"]
    assert shown(*lines) == lines
    assert shown() == []


def test_each_line_is_compared_with_its_own() -> None:
    assert shown("-một 1", "-hai 2", "+một 3", "+hai 4") == ["-một [1]", "-hai [2]", "+một [3]", "+hai [4]"]


def test_very_long_lines_keep_nobody_waiting() -> None:
    began = time.monotonic()
    lines = ["-" + "a b " * 100_000, "+" + "b a " * 100_000]
    assert shown(*lines) == lines
    assert time.monotonic() - began < 10
