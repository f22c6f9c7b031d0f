"""Answers as a hostile colleague writes them: real ones with all their slips, and some that no keyboard writes."""

from pathlib import Path

_LONG_WORD = "Đ" * 10_000
_TEXTS = Path(__file__).with_suffix(".md").read_text(encoding="utf-8").strip("\n").split("\n%%%\n")
_NAMES = ("Áo thun", "Quần jean", "Váy hoa", "Giày da", "Túi tote")


def hostile() -> tuple[str, ...]:
    """All of them: those of the file `hostile.md`, and those that are made."""
    links = "\n".join(
        f"- [{_NAMES[n % 5]} {n}](https://shop.example/{n}?a=_{n}_&b=*{n}*): **{n}.000đ**" for n in range(200)
    )
    return (
        *_TEXTS,
        links,
        " ".join(f"**b{n}** *i{n}* `c{n}` ~~s{n}~~" for n in range(120)),
        f"Mã **rất dài**: {_LONG_WORD} hết",
        f"**{_LONG_WORD}**",
        "👨‍👩‍👧‍👦" * 900,
        "e\u0301" * 3_000 + " **đậm**",
        "a" + "\u0301" * 200 + " **đậm** b",
        "\n".join(f"{'> ' * depth}sâu {depth}" for depth in range(1, 51)),
        "\n".join(f"{'  ' * depth}- sâu {depth}" for depth in range(50)),
        "\n".join(f"{'   ' * depth}1. sâu {depth}" for depth in range(50)),
        "[" * 100 + "a" + "](https://shop.example/)",
        "*" * 300 + "a" + "*" * 300 + " " + "`" * 300 + "b" + "`" * 299,
        "**Giá\x00:** 299\x07đ \x1b[31mđỏ\x1b[0m \x7f*x*",
        "Nửa \ud83d ký tự \ude00 **đậm** 👍",
        "Dòng\r\n\r\n- một\r\n- **hai**\r\n\r\n```\r\nmã\r\n```\r\n\r\n| a | b |\r\n|---|---|\r\n| 1 | 2 |\r\n",
        "Một\rHai\r\r**Ba**\r- bốn",
        "Một\\n\\n**Hai**\\n- ba\\tbốn",
        "\ufeff# Tiêu đề\n\n\u200b**đậm**\u200b \u2060*nghiêng*\u2060",
        "\n\n\n   \n\t\n**Sau dòng trống**\n\n\n\n\n\nhết\n\n\n",
        " " * 3_000 + "x" + "\n" * 3_000 + "**y**",
        "| " + " | ".join(f"cột {n}" for n in range(40)) + " |\n" + "|---" * 40 + "|\n" + "| ô " * 40 + "|",
        "| Tên | Giá |\n|---|---|\n" + "\n".join(f"| {_NAMES[n % 5]} số {n} | {n}.000 ₫ |" for n in range(300)),
        "```\n" + "\n".join(f"{n:04} | dòng **mã** số {n}" for n in range(600)) + "\n```\nhết",
        "- " + "từ " * 3_000 + "**đậm**",
        "> " + "trích " * 2_000 + "\n> **đậm**",
        "**" + "rất dài " * 1_500 + "dài**hết",
        "1. Một\n\n\t```py\n\tx = **1**\n\t```\n\n2. Hai\n\t- ba\n\t\t- bốn\n",
        "&#0; &#xD800; &#x110000; &#xFFFF; &NewLine; &Tab; &zwj; &ZeroWidthSpace;",
        "<b>" * 200 + "x" + "</b>" * 200 + "<!--" + "-" * 300,
        "\\" * 501 + "*a*",
        "1" * 5_000 + ". **x**",
        "-" * 5_000 + "\n" + "=" * 5_000,
        "|" * 3_000 + "\n" + "|-" * 1_500,
    )  # fmt: skip
