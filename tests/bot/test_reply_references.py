"""Links whose address stands elsewhere in the answer."""

import pytest

from bot.chat import Address, MessageRef, OutboundMessage
from bot.reply import StreamedReply

HERE = Address("fake", "1")


def grown(text: str, *, max_units: int = 4096, step: int = 1) -> list[list[str]]:
    """What the messages show after each piece of a text, and at its end."""
    reply = StreamedReply(to=HERE, key="k", reply_to=None, max_units=max_units, measure=len)
    messages: list[OutboundMessage] = []
    states: list[list[str]] = []
    for at in range(0, len(text) + step, step):
        if at < len(text):
            reply.append(text[at : at + step])
        else:
            reply.end()
        while (call := reply.take()) is not None:
            messages[call.part : call.part + 1] = [call.message]
            ref = MessageRef(HERE, str(call.part))
            reply.sent(call, ref, at=0.0) if call.ref is None else reply.edited(call, ref, at=0.0)
        states.append([message.text for message in messages])
    assert reply.done
    return states


@pytest.mark.parametrize(
    ("text", "final"),
    [
        (
            "Xem [chính sách][dt] nhé.\n\n[dt]: https://shop.vn/a 'Tên'\n",
            "Xem [chính sách](<https://shop.vn/a>) nhé.",
        ),
        ("Xem [dt][] nhé.\n\n[DT]: </b>", "Xem [dt](</b>) nhé."),
        ("[dt]: https://shop.vn/a\n\nXem [dt] nhé.", "Xem [dt](<https://shop.vn/a>) nhé."),
        ("Theo [1] và [2].\n\n[1]: https://a.vn\n", "Theo [\\[1\\]](<https://a.vn>) và [2]."),
        ("Đổi[^1].\n\n[^1]: https://a.vn", "Đổi[\\[^1\\]](<https://a.vn>)."),
        ("- một\n\n  [dt]: /a\n\n  [hai][dt]\n\n[hết]: /b(", "- một\n\n\n  [hai](</a>)\n\n\\[hết]: /b("),
        ("Mã `[a][b]`.\n\n```\n[b]: /x\n```", "Mã `[a][b]`.\n\n```\n[b]: /x\n```"),
        ("| a |\n|---|\n| [x][y] |\n\n[y]: /a|b", "| a |\n|---|\n| [x](</a%7Cb>) |"),
    ],
)
def test_a_link_gets_the_address_that_stands_elsewhere(text: str, final: str) -> None:
    assert grown(text)[-1] == [final]


def test_words_with_a_label_are_words_before_their_address_is_known_and_no_definition_is_ever_shown() -> None:
    states = grown("Xem [chính sách][dt] nhé chị.\n\n[dt]: https://shop.vn/a\n")
    seen = [state[0] for state in states if state]
    assert "Xem chính sách nhé ch" in seen
    assert not any("[dt]" in text or "https" in text for text in seen[:-2])
    assert not any("[dt]" in text for text in seen)


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("[Lưu ý]: Shop nghỉ Tết ạ.", "\\[Lưu ý]: Shop nghỉ Tết ạ."),
        ("[Note]: word", "\\[Note]: word"),
        ("Ghi chú[^1]\n\n[^1]: chữ", "Ghi chú[^1]\n\n\\[^1]: chữ"),
        ("Nguồn:\n\n[1]: https://shop.vn/a", "Nguồn:\n\n\\[1]: https://shop.vn/a"),
        ("[1]: https://shop.vn/a", "\\[1]: https://shop.vn/a"),
        ("Áo [a][b] và [1][2] đẹp", "Áo [a][b] và [1][2] đẹp"),
    ],
)
def test_what_only_looks_like_a_definition_or_what_no_link_uses_stays_words(text: str, final: str) -> None:
    assert grown(text)[-1] == [final]


def test_a_definition_reaches_into_messages_that_were_finished_before_it_came() -> None:
    text = f"Xem [chính sách][dt] nhé. {'Chữ ' * 30}\n\n{'Và ' * 60}\n\n[dt]: https://shop.vn/a"
    final = grown(text, max_units=200, step=7)[-1]
    assert final[0].startswith("Xem [chính sách](<https://shop.vn/a>) nhé.")
    assert not any("dt]" in message for message in final)


def test_a_link_that_would_make_its_message_too_long_stays_words() -> None:
    text = f"[chính sách][dt] {'chữ ' * 20}\n\nVà nữa.\n\n[dt]: https://shop.vn/{'a' * 90}"
    final = grown(text, max_units=110, step=9)[-1]
    assert all(len(message) <= 110 for message in final)
    assert final[0].startswith("chính sách chữ")


def test_a_quote_that_has_shown_nothing_but_a_definition_is_not_sent_yet() -> None:
    states = grown("> \n> [dt]: https://shop.vn/a\n> \n> Xem [dt] nhé.")
    assert {state[0].strip("> \n")[:1] for state in states if state} <= {"X"}
