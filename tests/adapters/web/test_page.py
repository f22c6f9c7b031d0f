import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import adapters.web
from bot.links import LinkHosts
from tests.adapters.web.test_conversation import Desk, Tab, finish, grow, rewrite
from tests.adapters.web.test_conversation import ask as ask_shop
from tests.adapters.web.visitor import Event
from tests.formatting.links import CASES, HOSTS

PAGE = Path(adapters.web.__file__).parent / "page"
Run = Callable[..., Any]

TAGS = {"p", "h3", "h4", "h5", "h6", "hr", "pre", "code", "blockquote", "ol", "ul", "li", "div", "a", "br"}
TAGS |= {"table", "thead", "tbody", "tr", "th", "td", "strong", "em", "del"}

RICH = """Dạ, shop **đổi size trong 7 ngày** ạ, *miễn phí* nếu ~~lỗi~~ do shop, xem `DH-1`.
Dòng hai: [trang đổi trả](https://shop.example/doi_tra?a=1&b=(2)) và https://shop.example/x_y.

### Cách **đổi**
1. Nhắn **mã đơn**
   - size _mới_
   - màu
2. Gửi áo về

- một
- hai **đậm**

| Khu vực | Phí |
|:--|--:|
| Hà Nội | **20.000 đ** |
| Khác | 30.000 đ |

> Lưu ý: *hàng giảm giá*
> không hoàn tiền

```py
print("**not bold**")
```

---

Xong rồi nhé 👍🏽 ***rất vui*** được `giúp` bạn!"""

HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](//evil.example)",
    "[x](/etc/passwd)",
    "[x](file:///etc/passwd)",
    "![x](https://evil.example/pixel.png)",
    "<javascript:alert(1)>",
    '[x](https://a.example" onclick="alert(1))',
    '[x](<https://a.example" onclick="x>)',
    "[a]: javascript:alert(1)\n\n[a]",
    "&lt;script&gt; &#60;script&#62;",
    "| <b>x</b> | [y](javascript:1) |\n|--|--|\n| <i>z</i> | ` <u> ` |",
    "```<script>\n</code></pre><script>alert(1)</script>\n```",
    "__proto__ constructor {{shop}} ${alert(1)}",
    "# </h3><script>x</script>",
]

HEAVY = [
    pattern * (60_000 // len(pattern))
    for pattern in [
        "*", "_", "~", "`", "[", "]", "(", "<", ">", "|", "#", "-", "\\", "!", " ", "\n", "1. ", "- ", "> ",
        "*a ", "a* ", "**a", "*a_ ", "a**b*", "[a](", "[](", "](", "![", "[a](http://b)", "`a``", "` ``", "<a", "<http://",
        "https://a)", "https://a....x ", "h", "|a", "|-|\n", "a|b\n", "- a\n", "  - a\n", "> > ", "1. - > ", "```\n",
        "~~~x\n", "\t", "* * ", "_a_b", "***a ", "&#", "a\\*", "ắ", "👍🏽",
    ]
]  # fmt: skip
HEAVY += [
    "".join("  " * depth + "- x\n" for depth in range(240)),
    ">" * 5_000 + "x",
    "*a " * 10_000 + "a* " * 10_000,
    "|x" * 10_000 + "\n" + "|-" * 10_000 + "\n" + "|x\n" * 6_000,
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs an action of page.mjs with the page's own scripts."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("the page's scripts are run by node, which is not installed")
    folder = tmp_path_factory.mktemp("page")
    (folder / "package.json").write_text('{"type": "module"}')
    for script in PAGE.glob("*.js"):
        (folder / script.name).write_bytes(script.read_bytes())

    def run(action: str, **request: Any) -> Any:
        done = subprocess.run(
            [node, str(Path(__file__).parent / "page.mjs"), str(folder)],
            input=json.dumps({"action": action, **request}).encode(),
            capture_output=True,
            timeout=50,
        )
        assert done.returncode == 0, done.stderr.decode()[-2_000:]
        return json.loads(done.stdout)

    return run


def nodes(tree: list[Any]) -> Iterator[list[Any]]:
    for node in tree:
        if isinstance(node, list):
            yield node
            yield from nodes(node[2:])


def text_of(tree: list[Any]) -> str:
    return "".join(node if isinstance(node, str) else text_of(node[2:]) for node in tree)


def html_of(tree: list[Any]) -> str:
    return "".join(
        node if isinstance(node, str) else f"<{node[0]}>{html_of(node[2:])}</{node[0]}>".replace("<br></br>", "<br>")
        for node in tree
    )


def is_harmless(tree: list[Any]) -> bool:
    for tag, attributes, *_ in nodes(tree):
        if tag not in TAGS or set(attributes) - {"href", "title", "target", "rel", "start"}:
            return False
        if tag == "a" and not re.match(r"(https?://|mailto:|tel:)", attributes["href"], re.IGNORECASE):
            return False
        if tag == "a" and "noopener" not in attributes["rel"]:
            return False
    return True


def test_hostile_texts_stay_text(page: Run) -> None:
    for growing in (False, True):
        for source, tree in zip(HOSTILE, page("render", texts=HOSTILE, growing=growing), strict=True):
            assert is_harmless(tree), source
            assert not any(node[0] == "img" for node in nodes(tree))
            if "<script>" in source and not growing:
                assert "<script>" in text_of(tree)


@pytest.mark.parametrize("source", HOSTILE)
def test_every_prefix_of_a_hostile_text_is_harmless(page: Run, source: str) -> None:
    assert all(is_harmless(tree) for tree in page("grow", text=source)["seen"])


def test_every_prefix_of_a_rich_text_shows_no_debris(page: Run) -> None:
    grown = page("grow", text=RICH)
    for prefix, tree in zip((RICH[: end + 1] for end in range(len(RICH))), grown["seen"], strict=False):
        shown = re.sub(r'print\("\*.*', "", text_of(tree))
        assert is_harmless(tree)
        assert not re.search(r"[*`~\[\]|#]|\]\(|:--|(^|\n)[-+>]\s*$", shown), (prefix[-40:], shown[-60:])


def test_no_letter_is_lost_whatever_the_marks_around_it(page: Run) -> None:
    dice = random.Random(20)
    marks = r"* ** *** _ __ ~~ ` `` ~ | |- [ ] ( ) ]( ![ < > # ## - + 1. 2) > \ & ! : --- ===".split()  # noqa: SIM905
    parts = [*marks, *marks, "\n", "\n", "\n\n", "\n  ", "\n    ", " ", " ", " ", "đ", "ab", "Ế", "x y", "👍"]
    texts = ["".join(dice.choices(parts, k=dice.randint(1, 40))) for _ in range(4_000)]
    for growing in (False, True):
        for source, tree in zip(texts, page("render", texts=texts, growing=growing), strict=True):
            assert is_harmless(tree), source
            hidden = r"\]\([^)]*\)?" if growing else r"\]\([^)]*\)"
            if not re.search(hidden + r"|^[ >+*\-\d.)]*(```|~~~)", source, re.MULTILINE):
                assert letters(text_of(tree)) == letters(source), source


def letters(text: str) -> str:
    return "".join(char for char in text if char.isalpha())


def test_what_was_shown_does_not_jump_when_more_comes(page: Run) -> None:
    before = ""
    jumps = []
    for tree in page("grow", text=RICH)["seen"]:
        shown = text_of(tree)
        if not shown.startswith(before[:-3]):
            jumps.append((before[-30:], shown[-30:]))
        before = shown
    assert jumps == []


def test_a_finished_text_is_formatted_as_meant(page: Run) -> None:
    samples = {
        "**a** *b* ***c***": "<p><strong>a</strong> <em>b</em> <em><strong>c</strong></em></p>",
        "~~d~~ `e`": "<p><del>d</del> <code>e</code></p>",
        "a\nb\n\nc": "<p>a<br>b</p><p>c</p>",
        "# A\n## B ##": "<h3>A</h3><h4>B</h4>",
        "- a\n  - b\n- c": "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>",
        "3. a\n4. b": "<ol><li>a</li><li>b</li></ol>",
        "1. a\n\n2. b": "<ol><li>a</li><li>b</li></ol>",
        "1. a\n    - b\n    - c\n2. d": "<ol><li>a<ul><li>b</li><li>c</li></ul></li><li>d</li></ol>",
        "> a\n> **b**": "<blockquote><p>a<br><strong>b</strong></p></blockquote>",
        "```js\na < b\n\n**c**\n```\nd": "<pre><code>a < b\n\n**c**</code></pre><p>d</p>",
        "a | b\n--- | ---\n1 | 2 \\| 3": (
            "<div><table><thead><tr><th>a</th><th>b</th></tr></thead>"
            "<tbody><tr><td>1</td><td>2 | 3</td></tr></tbody></table></div>"
        ),
        "---": "<hr></hr>",
        "5 * 3 * 2 và a_b_c": "<p>5 * 3 * 2 và a_b_c</p>",
        "giá 20.000đ*": "<p>giá 20.000đ*</p>",
        "**chưa đóng": "<p>**chưa đóng</p>",
        "\\*a\\* \\# [b] (c)": "<p>*a* # [b] (c)</p>",
        "[a **b**](https://x.vn)": "<p><a>a <strong>b</strong></a></p>",
        "[https://a.vn](https://a.vn)": "<p><a>https://a.vn</a></p>",
        "(https://a.vn/x).": "<p>(<a>https://a.vn/x</a>).</p>",
        "[gọi](tel:19001234) <mailto:a@b.vn>": "<p><a>gọi</a> <a>mailto:a@b.vn</a></p>",
        "![ảnh](https://a.vn/b.png)": "<p><a>ảnh</a></p>",
        "**Đổi trả:**ngay": "<p><strong>Đổi trả:</strong>ngay</p>",
        "``a ` b``": "<p><code>a ` b</code></p>",
        "x~~(a)~~ ~~*b*~~": "<p>x<del>(a)</del> <del><em>b</em></del></p>",
        "<a.b@c> <@1> <lan@shop.vn>": "<p>a.b@c &lt;@1&gt; <a>lan@shop.vn</a></p>".replace("&lt;", "<").replace(
            "&gt;", ">"
        ),
        "x\n\n    - y": "<p>x</p><pre><code>- y</code></pre>",
        "Ơi!**a* b*": "<p>Ơi!<em><em>a</em> b</em></p>",
        "&valueOf; &toString; &semi; &Agrave;": "<p>&valueOf; &toString; ; À</p>",
    }
    for source, tree in zip(samples, page("render", texts=list(samples), growing=False), strict=True):
        assert html_of(tree) == samples[source], source


def test_a_table_is_one_wherever_a_model_puts_it(page: Run) -> None:
    head = "<tr><th>a</th><th>b</th></tr>"
    body = "<tr><td>1</td><td>2</td></tr>"
    table = f"<div><table><thead>{head}</thead><tbody>{body}</tbody></table></div>"
    rows = "| a | b |\n|---|---|\n| 1 | 2 |"
    samples = {
        f"- x\n  ====\n{rows}": f"<ul><li>x</li></ul>{table}",
        f"- {rows}\ny\n====\n{rows}".replace("\n|", "\n  |", 2): f"<ul><li>{table}</li></ul><p>y</p>{table}",
        f"> x\n> 9) y\n{rows}".replace("\n|", "\n>     |"): f"<blockquote><p>x<br>9) y</p>{table}</blockquote>",
        f"- x\n\n      y\n{rows}": f"<ul><li><p>x</p><pre><code>y</code></pre></li></ul>{table}",
        f"- > {rows}\n{rows}".replace(
            "\n|", "\n  > |", 2
        ): f"<ul><li><blockquote>{table}</blockquote></li></ul>{table}",
        rows.replace("|---|---|", "|-- :|--  -|"): table,
        rows.replace("| a |", "a |").replace("b |", "b"): table,
        "a | b\n::|::": "<p>a | b<br>::|::</p>",
        "| a |\n|--|--|\n| **b** | **c** |": (
            "<div><table><thead><tr><th>a</th></tr></thead><tbody><tr><td><strong>b</strong></td>"
            "<td><strong>c</strong></td></tr></tbody></table></div>"
        ),
    }
    for source, tree in zip(samples, page("render", texts=list(samples), growing=False), strict=True):
        assert html_of(tree) == samples[source], source


def test_the_page_allows_the_same_addresses_as_the_program(page: Run) -> None:
    hosts = sorted(LinkHosts.of(HOSTS).names)
    found = page("links", urls=[url for url, _ in CASES], hosts=hosts)
    assert dict(zip((url for url, _ in CASES), found, strict=True)) == dict(CASES)
    assert page("links", urls=["https://any.test", "https://a@any.test"], hosts=["*"]) == [True, False]


def test_an_address_that_may_not_be_linked_to_is_shown_as_text(page: Run) -> None:
    samples = {
        "[a **b**](https://evil.test/x) c": "<p>a <strong>b</strong> (https://evil.test/x) c</p>",
        "[evil.test](https://evil.test)": "<p>evil.test (https://evil.test)</p>",
        "[https://shop.example](https://evil.test)": "<p>https://shop.example (https://evil.test)</p>",
        "https://evil.test/x <https://evil.test/y>": "<p>https://evil.test/x https://evil.test/y</p>",
        "![ảnh](https://evil.test/p.png)": "<p>ảnh (https://evil.test/p.png)</p>",
        "| [a](https://evil.test) |\n|--|": "<div><table><thead><tr><th>a (https://evil.test)</th></tr></thead></table></div>",
        "[a](https://shop.example/x)": "<p><a>a</a></p>",
    }
    for source, tree in zip(
        samples, page("render", texts=list(samples), growing=False, hosts=["shop.example"]), strict=True
    ):
        assert html_of(tree) == samples[source], source


def test_unfinished_ends_are_shown_as_what_they_become(page: Run) -> None:
    samples = {
        "a **bo": "<p>a <strong>bo</strong></p>",
        "a **bold*": "<p>a <strong>bold</strong></p>",
        "a *": "<p>a </p>",
        "x [te": "<p>x te</p>",
        "x [text]": "<p>x text</p>",
        "x [text](htt": "<p>x text</p>",
        "x `co": "<p>x <code>co</code></p>",
        "x ~~y": "<p>x <del>y</del></p>",
        "a\n\n-": "<p>a</p>",
        "a\n\n- ": "<p>a</p>",
        "a\n\n12": "<p>a</p>",
        "a\n\n1.": "<p>a</p>",
        "a\n\n##": "<p>a</p>",
        "a\n\n``": "<p>a</p>",
        "```py": "<pre><code></code></pre>",
        "```py\nx\n``": "<pre><code>x</code></pre>",
        "| a | b": "<div><table><thead><tr><th>a</th><th>b</th></tr></thead></table></div>",
        "| a | b |\n|--": "<div><table><thead><tr><th>a</th><th>b</th></tr></thead></table></div>",
        "": "",
    }
    for source, tree in zip(samples, page("render", texts=list(samples), growing=True), strict=True):
        assert html_of(tree) == samples[source], source


def test_the_heaviest_texts_are_drawn_at_once(page: Run) -> None:
    """Not a speed limit: what is quadratic here takes minutes, what is linear takes milliseconds."""
    seconds = page("seconds", texts=HEAVY)
    slow = {text[:12]: took for text, took in zip(HEAVY, seconds, strict=True) if took > 5}
    assert slow == {}


def test_the_page_and_the_tests_understand_the_stream_alike(page: Run) -> None:
    desk = Desk()
    tab = Tab(desk)
    heard: list[Event] = []
    for step, text in [
        (ask_shop, "hỏi 🌱"),
        (grow, "🌱 một"),
        (grow, " hai 👍🏽"),
        (rewrite, "khác"),
        (grow, "!"),
        (finish, "."),
    ]:
        step(desk, text)
        tab.waiting = tab.fetch()
        heard += tab.waiting
        tab.read()
    desk.show("big", "assistant", "🌱x" * 9_000)
    while events := tab.fetch():
        heard += events
        for event in events:
            tab.thread.apply(event)
    answer = page("thread", events=[[event.kind, event.data, event.id] for event in heard])
    assert answer == {"messages": list(tab.thread.messages.values()), "lastId": tab.thread.last_id}
