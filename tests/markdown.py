"""Writes Markdown: every construct of CommonMark and GFM, nested, and the ways in which they break.

`documents()` and `broken()` are hypothesis strategies; `Writer` does the same from any `random.Random`, for programs.
"""

import random
from collections.abc import Callable
from functools import partial

import regex
from hypothesis import strategies as st

_WORDS = """
    Xin chào chị đổi trả hàng trong bảy ngày áo quần váy miễn phí giao nhanh size vừa nhé shop đơn mã Hà Nội Tết
    Huế khuyến mãi the fits order ships free returns within seven days please thanks
""".split()  # noqa: SIM905
_ODD = (
    "299.000đ", "20%", "$5", "a_b_c", "2 * 3", "R&D", "C#", "C++", "~5", "#1", "@lan", "x<y", "a|b", "[1]", "(2)",
    "50–60kg", "“trích”", "…", "AT&T;", "snake_case_name", "a~b", "100 %", "1)", "=>", "C&A",
    "**", "5*6*7", "in**tro**duction", "un*frig*able", "$5 and $10", "a | b", "|", "||ẩn||", "**Lưu ý:**nhé",
    "shop.vn", "www.shop.example", "lan@shop.example", "shop.example/a_b", "a\u00a0b", "a\tb", "hai  cách", "&", "<3",
    "=)", ":)", "^^", "*Giá", "giá*", "_lưu", "`", "[", "]", "(*)", "\u2028", "…**", "3.5", "-", "+", "#", "=", ">",
    "@everyone", "@here", "<@1>", "<@&2>", "<#1>", "<t:0>", "<t:0:R>", ":smile:", "<:x:1>", "</hỏi:1>", "-#", ">>>",
    "x" * 120, "Đ" * 90, "dài_" * 30, "**注意：**请", "これは**重要**です", "*强调*的",
)  # fmt: skip
_UNICODE = """
    👨‍👩‍👧‍👦 🏳️‍🌈 🇻🇳 👍🏽 ❤️ 1️⃣ 👩🏽‍💻 🏴󠁧󠁢󠁥󠁮󠁧󠁿 مرحبا بالعالم שלום ไทย 日本語
    ắ a\u0302\u0301 e\u0301 न\u094dम \u200bẩn\u200b đ\u200dặ ﬁ 𝐁𝐨𝐥𝐝 \u2060
""".split()  # noqa: SIM905
_ENTITIES = ("&amp;", "&lt;b&gt;", "&#33;", "&#x1F600;", "&copy;", "&unknown;", "&", "&#;", "&nbsp;")
_ADDRESSES = (
    "https://shop.example/doi-tra", "https://shop.example/a_b_c?x=1&y=2", "https://shop.example/b_(c)",
    "https://evil.test/x", "http://shop.example", "mailto:lan@shop.example", "tel:19000000", "/doi-tra", "#muc",
    "https://shop.example/*a*", "https://shop.example/~lan", "javascript:alert(1)", "https://cửa-hàng.example/ắ",
    "https://shop.example/ảnh_(đẹp)_1", f"https://shop.example/{'a/' * 120}", "https://shop.example/a|b", "", "<>",
    "https://shop.example/a(b(c))d", "https://evil.test/__init__", "https://shop.example/?q=**x**",
)  # fmt: skip
_INFOS = ("", "py", "python", "js linenos", "text", "c++", "đường", "sh {1,3}", "a-b.c")
_HTML = (
    "<b>đậm</b>",
    "<br>",
    "<br/>",
    "<!-- ẩn -->",
    '<a href="https://evil.test">x</a>',
    "<script>x</script>",
    "</p>",
    "<b>",
    "</b>",
    "<i>nghiêng</i>",
    "<tg-spoiler>ẩn</tg-spoiler>",
    '<span class="tg-spoiler">*ẩn*</span>',
    "<u>**x**</u>",
    "<tg-emoji emoji-id='1'>👍</tg-emoji>",
    "<img src=x onerror=alert(1)>",
    "<a\nhref='x'>",
    "<?php x ?>",
    "<![CDATA[*x*]]>",
    "<!DOCTYPE html>",
)
_MATH = (
    "$x$", "$a_1 + b_1$", "$$\\frac{a}{b}$$", "\\(x^2\\)", "\\[a*b*c\\]", "$5 và $10", "\\begin{x}",
    "$\\sum_{i=1}^n i*j$",
)  # fmt: skip
_PIPE = regex.compile(r"(?<!\\)\|")
_DEBRIS = (
    "*", "**", "***", "_", "__", "~~", "~", "`", "``", "```", "[", "](", "]", "![", "<", ">", "|", "#", "-", "1.", "\\",
    "&", "(", ")", "\n", "\n\n", "    ", "\t", "---", "===", "|---|", "~~~", "[^1]", "[x]: ", "$$", "\u200d", "\ufe0f",
)  # fmt: skip


def documents(most: int = 5) -> st.SearchStrategy[str]:
    """What a model may write: at most so many blocks."""
    return st.randoms(use_true_random=False).map(lambda dice: Writer(dice).document(dice.randint(1, most)))


def broken(most: int = 5) -> st.SearchStrategy[str]:
    """What is left of a document that broke."""
    return st.randoms(use_true_random=False).map(lambda dice: Writer(dice).broken(most))


def cuts(most: int = 8) -> st.SearchStrategy[list[float]]:
    """Where a text is cut into the pieces that it streams in: fractions of its length."""
    return st.lists(st.floats(0, 1), min_size=1, max_size=most).map(sorted)


class Writer:
    """Writes what the dice say."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._labels = 0

    def text(self, most: int = 5) -> str:
        """A document, or one of three times what is left of one that broke."""
        return self.broken(most) if self._dice.random() < 0.33 else self.document(self._dice.randint(1, most))

    def document(self, count: int) -> str:
        """What a model may write."""
        text = self._dice.choice(("\n\n", "\n\n", "\n\n\n", "\n", " \n\n")).join(self.block(0) for _ in range(count))
        return text.replace("\n", "\r\n") if self._dice.random() < 0.03 else text

    # Blocks

    def block(self, depth: int) -> str:
        makers: list[Callable[[], str]] = [self._paragraph, self._paragraph, self._heading, self._setext, self._fence]
        makers += [self._indented, self._table, self._table, self._rule, self._html, self._reference]
        if depth < 3:
            makers.append(lambda: f"{self.inline()}:\n{self._list(depth)}")
            makers += [partial(self._list, depth)] * 2 + [partial(self._quote, depth)]
        return self._dice.choice(makers)()

    def _paragraph(self) -> str:
        ends = ("\n", "\n", "  \n", "\\\n")
        lines = [self.inline() for _ in range(self._dice.choice((1, 1, 1, 2, 3)))]
        text = self._dice.choice(("", "", "", "", "", "", "", "", "-# ", ">>> ")) + lines[0]
        for line in lines[1:]:
            text += self._dice.choice(ends) + self._dice.choice(("", "", "", "", " ", "   ")) + line
        return text + self._dice.choice(("", "", "", "", " ", "  ", "\\", "\t"))

    def _heading(self) -> str:
        level = "#" * self._dice.randint(1, 6)
        return f"{level} {self.inline(1)}{self._dice.choice(('', '', f' {level}', ' #'))}"

    def _setext(self) -> str:
        return f"{self.inline(1)}\n{self._dice.choice(('-', '=')) * self._dice.randint(1, 6)}"

    def _fence(self) -> str:
        mark = self._dice.choice(("```", "```", "~~~", "````", "~~~~~"))
        inside = (
            "**x**",
            "| a | b |",
            "- x",
            "# x",
            "",
            "    lùi",
            "``",
            "[a](b)",
            "> x",
            "```" if len(mark) > 3 else "``",
        )
        lines = [self._dice.choice((self.words(), self._dice.choice(inside))) for _ in range(self._dice.randint(0, 4))]
        return "\n".join([mark + self._dice.choice(_INFOS), *lines, mark])

    def _indented(self) -> str:
        return "\n".join(f"    {self.words()}" for _ in range(self._dice.randint(1, 3)))

    def _table(self) -> str:
        columns = self._dice.randint(1, 5)
        head = f"| {' | '.join(self._plain() for _ in range(columns))} |"
        rows = [head, *(self._row(columns) for _ in range(self._dice.randint(0, 4)))]
        sides = [self._dice.choice(("---", ":--", "--:", ":-:", "-")) for _ in range(columns)]
        return "\n".join([rows[0], f"| {' | '.join(sides)} |", *rows[1:]])

    def _row(self, columns: int) -> str:
        ragged = max(1, columns - self._dice.choice((0, 0, 0, 0, 1)))
        made = ("", "a \\| b", "`x \\| y`", "`x | y`", "a|b", "\\\\| x", "<br>")
        cells = (
            self._dice.choice((self.words(2), self.words(2), self.inline(1), self._dice.choice(made)))
            for _ in range(ragged)
        )
        escape = self._dice.random() < 0.8
        row = " | ".join((_PIPE.sub(r"\|", cell) if escape else cell).replace("\n", " ") for cell in cells)
        return self._dice.choice((f"| {row} |", f"| {row} |", f"| {row}", row))

    def _rule(self) -> str:
        return self._dice.choice(("---", "***", "___", "* * *", "- - -", "-----------"))

    def _html(self) -> str:
        # It ends with the next empty line.
        made = (
            f"<div>\n{self.words()}\n</div>",
            "<!-- ẩn\nđi -->",
            "<hr>",
            f"<p>{self.words()}</p>",
            f"<div>{self.words()}</div>\n{self.words()}",
            f"{self.words()}\n<b>{self.words()}</b>",
            f"<details><summary>{self.words()}</summary>\n\n{self.inline()}\n\n</details>",
            f"<table>\n<tr><td>{self.words()}</td></tr>\n</table>",
            "<pre>\n**x**\n\n*y*\n</pre>",
            f"<b>{self.words()}</b>\n{self.inline()}",
            "<?x\n?>",
        )
        return self._dice.choice(made) + "\n"

    def _reference(self) -> str:
        self._labels += 1
        label, url = f"nhãn {self._labels}", self._dice.choice(_ADDRESSES)
        used = self._dice.choice((f"[{self.words(2)}][{label}]", f"[{label}][]", f"[{label}]", "[^1] chú thích", ""))
        title = self._dice.choice(("", ' "Tên"'))
        if self._dice.random() < 0.3:
            return f"{self.words()}[^{self._labels}]\n\n[^{self._labels}]: {self.inline()}"
        if self._dice.random() < 0.3:
            return f"[{label}]: {url}{title}\n\n{used}"
        return f"{used}\n\n[{label}]: {url}{title}"

    def _list(self, depth: int) -> str:
        ordered = self._dice.random() < 0.4
        mark, number = self._dice.choice("-*+"), self._dice.choice((1, 1, 1, 3, 9, 99))
        end, between = self._dice.choice(".)"), self._dice.choice(("\n", "\n", "\n\n"))
        items = []
        for each in range(self._dice.randint(1, 4)):
            lead = f"{number + each}{end} " if ordered else f"{mark} "
            task = self._dice.choice(("[ ] ", "[x] ")) if self._dice.random() < 0.15 else ""
            inside = task + self._dice.choice((self.inline(1), self.inline(1), self.inline(), self._paragraph()))
            if self._dice.random() < 0.3:
                inside += self._dice.choice(("\n", "\n\n")) + self.block(depth + 1)
            items.append(lead + inside.replace("\n", "\n" + " " * len(lead)))
        return between.join(items)

    def _quote(self, depth: int) -> str:
        inside = "\n\n".join(self.block(depth + 1) for _ in range(self._dice.randint(1, 2)))
        mark = self._dice.choice(("> ", "> ", ">"))
        return mark + inside.replace("\n", f"\n{mark}")

    # What is inside a line

    def words(self, most: int = 6) -> str:
        return " ".join(self._word() for _ in range(self._dice.randint(1, most)))

    def _word(self) -> str:
        kind = self._dice.random()
        return self._dice.choice(_WORDS if kind < 0.85 else _ODD if kind < 0.93 else _UNICODE)

    def inline(self, depth: int = 0) -> str:
        return " ".join(self._piece(depth) for _ in range(self._dice.randint(1, 4)))

    def _piece(self, depth: int) -> str:
        plain: list[Callable[[], str]] = [self.words, self.words, self.words, self._code, self._link, self._other]
        if depth < 3 and self._dice.random() < 0.4:
            return self._emphasis(depth + 1)
        return self._dice.choice(plain)()

    def _emphasis(self, depth: int) -> str:
        inside = self._dice.choice(
            (self.words(3), self.words(3), f"{self._plain()} {self.inline(depth)} {self._plain()}")
        )
        marks = [
            mark for mark in ("**", "**", "**", "*", "*", "_", "__", "~~", "***", "**_") if not set(mark) & set(inside)
        ]
        mark = self._dice.choice(marks or ("",))
        before, after = self._dice.choice((("", ""), ("", ""), ("(", ")"), ("“", "”"), ("", "."), ("", ":")))
        return f"{before}{mark}{inside}{mark[::-1]}{after}"

    def _plain(self) -> str:
        return self._dice.choice(_WORDS)

    def _code(self) -> str:
        ticks = "`" * self._dice.choice((1, 1, 1, 2, 3))
        inside = self._dice.choice(
            (self.words(2), "GIAM10", "a**b**", "<b>", "x | y", "\\", f"a {'`' * (len(ticks) % 3 + 1)} b")
        )
        return f"{ticks}{inside}{ticks}"

    def _link(self) -> str:
        url, words = (
            self._dice.choice(_ADDRESSES),
            self._dice.choice((self.words(3), f"**{self.words(2)}**", self.inline(3))),
        )
        title = self._dice.choice(("", "", ' "Tên (1)"', " 'x'"))
        bare = url if url.startswith("http") and "*" not in url else "https://shop.example"
        forms = (f"[{words}]({url}{title})", f"[{words}]({url})", f"![{words}]({url}{title})", f"<{bare}>", bare)
        return self._dice.choice(
            (*forms, f"[{words}](<{url}>)", f"[![{words}]({url})]({url})", f"[{url}]({url})", f"({bare}).")
        )

    def _other(self) -> str:
        escaped = "\\" + self._dice.choice("*_~`[]<>|#-+.!\\&")
        return self._dice.choice(
            (
                escaped,
                escaped,
                self._dice.choice(_ENTITIES),
                self._dice.choice(_HTML),
                "[^1]",
                "||ẩn||",
                "||**ẩn**||",
                *_MATH,
            )
        )

    # Broken

    def broken(self, most: int = 5) -> str:
        """Cut, with marks missing, with marks too many, or nothing but marks."""
        text = self.document(self._dice.randint(1, most))
        way = self._dice.randrange(4)
        if way == 0:
            return text[: self._dice.randint(1, max(1, len(text)))]
        if way == 1:
            return "".join(
                self._dice.choice((char, char, char, char, "")) if not char.isalnum() else char for char in text
            )
        if way == 2:
            for _ in range(self._dice.randint(1, 5)):
                at = self._dice.randint(0, len(text))
                text = text[:at] + self._dice.choice(_DEBRIS) + text[at:]
            return text
        return "".join(
            self._dice.choice((self._word(), *self._dice.choices(_DEBRIS, k=3), " "))
            for _ in range(self._dice.randint(5, 50))
        )
