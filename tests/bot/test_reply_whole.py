"""An answer that is read again from what is stored."""

import random

import pytest

from bot.chat import Address, MessageRef
from bot.reply import StreamedReply
from bot.reply.whole import whole
from tests.formatting.answers import answers
from tests.markdown import Writer

HERE = Address("fake", "1")


def seen_live(preface: str, text: str, notice: str) -> str:
    """What the one message of an answer shows when it has ended."""
    reply = StreamedReply(to=HERE, key="k", reply_to=None, max_units=60_000, measure=len)
    reply.begin_with(preface)
    for at in range(0, len(text), 50):
        reply.append(text[at : at + 50])
    reply.end(notice=notice)
    shown = ""
    while (call := reply.take()) is not None:
        assert call.part == 0
        shown = call.message.text
        reply.sent(call, MessageRef(HERE, "0"), at=0.0)
    return shown


@pytest.mark.parametrize(
    ("preface", "text", "notice"),
    [
        ("", "Xem [chính sách][dt] nhé.\n\n[dt]: https://shop.vn/a", ""),
        ("Xin lỗi chị đã chờ.", "Theo [1].\n\n[1]: https://shop.vn/a", ""),
        ("", "[dt]: https://shop.vn/a", ""),
        ("", "Chị **đừng gi", "Đã dừng."),
        ("", "```py\nx = 1", ""),
        ("", "Xem [chính sách][dt]", "Đã dừng."),
        ("Xin lỗi.", "", ""),
        ("", "", "Đã dừng."),
        ("", "", ""),
    ],
)
def test_a_stored_answer_is_shown_as_it_was_when_it_ended(preface: str, text: str, notice: str) -> None:
    assert whole(preface, text, notice) == seen_live(preface, text, notice)


def test_whatever_a_model_wrote_is_shown_again_as_it_was() -> None:
    texts = [*answers(), *(Writer(random.Random(number)).text() for number in range(150))]
    for text in texts:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        for preface, notice in (("", ""), ("Xin lỗi chị.", "Đã dừng.")):
            assert whole(preface, text, notice) == seen_live(preface, text, notice), text
