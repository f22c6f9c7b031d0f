"""The sign behind a text that still grows."""

import pytest
from hypothesis import given, settings

from bot.chat import Address
from bot.reply import StreamedReply
from bot.reply.mark import with_mark
from bot.text import utf16_units
from tests.bot.markdown import answers
from tests.bot.test_reply import Chat


def marked(max_units: int = 4096) -> StreamedReply:
    return StreamedReply(
        to=Address("fake", "1"), key="k", reply_to=None, max_units=max_units, measure=utf16_units, growing_mark="▌"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Dạ, còn hàng", "Dạ, còn hàng▌"),
        ("Dạ, còn hàng.", "Dạ, còn hàng.▌"),
        ("Áo **còn**", "Áo **còn** ▌"),
        ("Dùng `ma10`", "Dùng `ma10` ▌"),
        ("Xem https://a.vn/doi-tra", "Xem https://a.vn/doi-tra ▌"),
        ("Xem a.vn", "Xem a.vn ▌"),
        ("Viết a@b.vn", "Viết a@b.vn ▌"),
        ("```py\nx = 1\n```", "```py\nx = 1\n```\n\n▌"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |\n\n▌"),
        ("một\n\n---", "một\n\n---\n\n▌"),
        ("- một\n- hai", "- một\n- hai▌"),
        ("", ""),
    ],
)
def test_the_mark_stands_where_it_becomes_no_part_of_the_markup(text: str, shown: str) -> None:
    assert with_mark(text, "▌") == shown
    assert with_mark(text, "") == text


def test_the_mark_shows_while_the_answer_grows_and_never_in_its_end() -> None:
    one, chat = marked(), Chat()
    one.append("Dạ, **còn")
    chat.settle(one)
    assert chat.settle(one) == ["Dạ,▌"]
    one.append("** ")
    assert chat.settle(one) == ["Dạ, **còn** ▌"]
    one.append("ạ")
    assert chat.settle(one) == ["Dạ, **còn** ạ▌"]
    one.end()
    assert chat.settle(one) == ["Dạ, **còn** ạ"]
    assert one.done


def test_a_sentence_and_a_finished_message_have_no_mark() -> None:
    one, chat = marked(max_units=50), Chat()
    one.show("Bạn chờ chút nhé…")
    assert chat.settle(one) == ["Bạn chờ chút nhé…"]
    one.append("Một câu dài hơn một tin nhắn, nên phải có hai tin nhắn ạ. Vâng")
    first, second = chat.settle(one)
    assert not first.endswith("▌")
    assert second.endswith("▌")


def test_where_there_is_no_room_for_the_mark_the_text_goes_without() -> None:
    one, chat = marked(max_units=20), Chat()
    one.append("x" * 20)
    assert chat.settle(one) == ["x" * 20]


@given(answers())
@settings(max_examples=60, deadline=None)
def test_no_prefix_is_too_long_with_its_mark_and_every_end_is_the_text(text: str) -> None:
    one, bare = marked(max_units=120), StreamedReply(
        to=Address("fake", "1"), key="k", reply_to=None, max_units=120, measure=utf16_units
    )  # fmt: skip
    chat, other = Chat(), Chat()
    for at in range(0, len(text), 7):
        for reply, shown in ((one, chat), (bare, other)):
            reply.append(text[at : at + 7])
            shown.settle(reply)
    for reply in (one, bare):
        reply.end()
    assert chat.settle(one) == other.settle(bare)
    assert all(utf16_units(call.message.text) <= 120 for call in chat.calls)
    assert not any("▌" in call.message.text for call in chat.calls if not call.message.growing)
