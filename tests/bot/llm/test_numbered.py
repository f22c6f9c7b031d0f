"""Marks become citations and vanish from the text, however it is cut; what only looks like one stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat import Source
from bot.llm.base import Cited, TextDelta
from bot.llm.numbered import Marks, listed, numbers_of

IDS = tuple("abcdefghijkl")


def read(*pieces: str) -> tuple[str, list[str]]:
    marks = Marks(IDS)
    events = [event for piece in pieces for event in marks.feed(piece)]
    events += marks.feed("", ended=True)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    return text, [event.section_id for event in events if isinstance(event, Cited)]


@pytest.mark.parametrize(
    ("written", "shown", "cited"),
    [
        ("Bảy ngày [1].", "Bảy ngày.", ["a"]),
        ("Bảy ngày[2], giữ tem [1][12].", "Bảy ngày, giữ tem.", ["b", "a", "l"]),
        ("Hai mục [1, 3; 2] ạ", "Hai mục ạ", ["a", "c", "b"]),
        ("Một [1] rồi lại [1]", "Một rồi lại", ["a"]),
        ("Không có [13] và [0] và [999].", "Không có và và.", []),
        ("Năm [2024] và [ ] và [x] và [1a]", "Năm [2024] và [ ] và [x] và [1a]", []),
        ("Xem [1](https://a.example) ạ", "Xem [1](https://a.example) ạ", []),
        ("[1]: https://a.example", "[1]: https://a.example", []),
        ("Trong mã `a[1]` thì không, ở đây [1]", "Trong mã `a[1]` thì không, ở đây", ["a"]),
        ("Mã ``a`[1]`` rồi [2]", "Mã ``a`[1]`` rồi", ["b"]),
        ("```py\na[1] = b [2]\n```\nXong [3]", "```py\na[1] = b [2]\n```\nXong", ["c"]),
        ("- ~~~\n  a[1]\n  ~~~\n[2]", "- ~~~\n  a[1]\n  ~~~\n", ["b"]),
        ("Một ` lẻ\n\nrồi [1]", "Một ` lẻ\n\nrồi", ["a"]),
        ("\\[1\\] giữ lại", "\\[1\\] giữ lại", []),
        ("hở [1", "hở [1", []),
    ],
)
def test_marks_become_citations_and_vanish(written: str, shown: str, cited: list[str]) -> None:
    assert read(written) == (shown, cited)
    assert read(*written) == (shown, cited)


@given(st.lists(st.text(alphabet="ab [1]2,`~\n(:", max_size=12), max_size=8))
def test_however_the_text_is_cut_the_outcome_is_the_same(pieces: list[str]) -> None:
    assert read(*pieces) == read("".join(pieces))


@given(st.text(alphabet="ab [1]2,.\n", max_size=40), st.integers(0, 40))
def test_no_beginning_of_a_mark_is_shown_before_it_is_clear(text: str, cut: int) -> None:
    whole, _ = read(text)
    marks = Marks(IDS)
    early = "".join(event.text for event in marks.feed(text[:cut]) if isinstance(event, TextDelta))
    assert whole.startswith(early)


@pytest.mark.parametrize("sign", ["`", "~", " ", "[", "[1", "]", "- "])
def test_a_flood_of_signs_takes_no_more_than_linear_time(sign: str) -> None:
    read(*[sign * 8] * 20_000)
    read(sign * 100_000 + "x")


def test_sections_are_listed_under_their_numbers() -> None:
    one, two = Source("p#a", "Returns", "Time", " Seven days. "), Source("p#b", "Fees", "", "None.")
    empty = Source("p#c", "Empty", "", " ")
    assert listed((one, empty, two), numbers_of(["p#a", "p#c", "p#b"])) == (
        "[1] Returns: Time\nSeven days.\n\n[3] Fees\nNone."
    )
