from pathlib import Path

import pytest

from bot.chat import MessageLimits, Source
from bot.engine.sources import source_lines, sources_of
from bot.llm.base import Cited
from bot.text import utf16_units
from tests.bot.engine.desk import Desk, opened

TIME = Source("vi/returns#thoi-han", "Đổi trả", "Thời hạn", url="https://x.example/a")
FEE = Source("vi/returns#phi", "Đổi trả", "Phí", url="https://x.example/a")
BAGS = Source("vi/warranty#tui", "Bảo hành", "Thời gian › Túi xách")
TOP = Source("vi/warranty", "Bảo hành", "Bảo hành")


def test_sources_are_named_once_in_the_order_in_which_they_were_cited() -> None:
    one, two = Source("a", "A", "1"), Source("b", "B", "2")
    assert sources_of([one, two], ["b", "a", "b", "invented"]) == (two, one)


@pytest.mark.parametrize(
    ("sources", "line"),
    [
        ([], None),
        ([BAGS], "Nguồn: Bảo hành › Thời gian › Túi xách"),
        ([TOP], "Nguồn: Bảo hành"),
        ([TIME], "Nguồn: [Đổi trả › Thời hạn](https://x.example/a)"),
        ([TIME, BAGS, FEE], "Nguồn: [Đổi trả › Thời hạn, Phí](https://x.example/a); Bảo hành › Thời gian › Túi xách"),
        ([TOP, BAGS], "Nguồn: Bảo hành › Thời gian › Túi xách"),
    ],
)
def test_a_policy_is_named_once_with_all_its_sections_and_its_link(sources: list[Source], line: str | None) -> None:
    assert next(iter(source_lines("Nguồn", sources)), None) == line


def test_more_than_five_sections_are_not_listed_and_it_can_be_seen() -> None:
    many = [Source(f"p{number}", f"P{number}", "") for number in range(10)]
    assert source_lines("Nguồn", many)[0] == "Nguồn: P0; P1; P2; P3; P4 …"
    assert not source_lines("Nguồn", many[:5])[0].endswith("…")


def test_each_form_is_shorter_than_the_one_before() -> None:
    assert source_lines("Nguồn", [TIME, BAGS])[1:] == (
        "Nguồn: [Đổi trả](https://x.example/a); Bảo hành",
        "Nguồn: [Đổi trả](https://x.example/a) …",
    )
    endless = [Source(f"{number}", "T" * 5000, "H" * 5000) for number in range(10)]
    assert [len(form) < limit for form, limit in zip(source_lines("Nguồn", endless), (1100, 600, 120), strict=True)]


def test_a_name_or_an_address_cannot_break_out_of_its_link() -> None:
    assert source_lines("S", [Source("a", "a](http://evil) *b*", "")])[0] == r"S: a\](http://evil) \*b\*"
    assert source_lines("S", [Source("a", "A", "", url="https://x.example/a) [b](c")])[0] == (
        "S: [A](https://x.example/a%29%20[b]%28c)"
    )


@pytest.mark.parametrize("room", [400, 200, 90, 30, 5])
async def test_the_sources_of_a_long_answer_make_no_message_of_their_own(tmp_path: Path, room: int) -> None:
    async with opened(tmp_path) as desk:
        desk.platform.limits = MessageLimits(max_units=4096, min_interval=0.0)
        cited = [section for section in desk.policies.prompts.sections if section.language == "vi"][:10]
        text = ("Dạ vâng ạ. " * 400)[: 4096 - room].strip()
        desk.model.script = lambda request: (text, *(Cited(section.id) for section in cited))
        await desk.ask("kể hết đi")
        ours = (
            desk.platform.chat("lan")[1:] if desk.platform.chat("lan")[0] == "kể hết đi" else desk.platform.chat("lan")
        )
        assert ours[0].startswith("Dạ vâng")
        assert all(utf16_units(one) <= 4096 for one in ours)
        assert len(ours) == (1 if room >= 90 else 2)
        assert "Nguồn: " in ours[-1]
        stored = await desk.rows("SELECT count(*) FROM turn_sources")
        assert stored == [(10,)]


async def test_an_answer_that_cites_nothing_claims_no_source(desk: Desk) -> None:
    desk.model.script = lambda request: (f"Dạ, {request.sections[0].text}",)
    assert "Nguồn" not in await desk.ask("địa chỉ ở đâu")
    assert await desk.rows("SELECT count(*) FROM turn_sources") == [(0,)]


@pytest.mark.parametrize(("question", "label"), [("đổi trả thế nào", "Nguồn: "), ("how do I return this?", "Source: ")])
async def test_the_label_is_in_the_customers_language(desk: Desk, question: str, label: str) -> None:
    section = desk.policies.prompts.sections[0]
    desk.model.script = lambda request: ("Ok.", Cited(section.id))
    assert label in await desk.ask(question)
