import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.chat import Address, MessageRef, ReplyCall, Source
from bot.errors import MessageGone, MessageRefused, RateLimited, RecipientGone, Unavailable
from bot.reply import StreamedReply
from bot.reply.parts import NOTHING
from bot.text import utf16_units
from tests.bot.markdown import answers

HERE = Address("fake", "1")
SENTENCE = "Shop đang xem, chị đợi chút nhé…"


def reply(max_units: int = 4096, *, marks_growing: bool = False) -> StreamedReply:
    return StreamedReply(
        to=HERE, key="k", reply_to="7", max_units=max_units, measure=utf16_units, marks_growing=marks_growing
    )


class Chat:
    """The messages of one chat, and the calls that were made to it."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.calls: list[ReplyCall] = []

    def make(self, reply: StreamedReply, at: float = 0.0) -> ReplyCall | None:
        call = reply.take()
        if call is None:
            return None
        self.calls.append(call)
        if call.ref is None:
            ref = MessageRef(HERE, str(len(self.texts) + 1))
            self.texts[ref.message_id] = call.message.text
            reply.sent(call, ref, at=at)
        else:
            self.texts[call.ref.message_id] = call.message.text
            reply.edited(call, call.ref, at=at)
        return call

    def settle(self, reply: StreamedReply) -> list[str]:
        while self.make(reply):
            pass
        return list(self.texts.values())


def test_there_is_nothing_to_send_before_there_are_words() -> None:
    one = reply()
    assert one.next_kind() is None
    one.append(" \n")
    assert one.next_kind() is None
    assert one.take() is None


def test_a_reply_is_sent_then_edited_then_final() -> None:
    one, chat = reply(), Chat()
    one.append("Xin **chào")
    first = chat.make(one, at=5.0)
    assert first is not None
    assert (first.kind, first.message.text, first.message.growing, first.ref) == ("first", "Xin", True, None)
    assert (first.message.reply_to, first.key) == ("7", "k")
    assert one.first_visible_at == 5.0
    one.append(" chị** Lan")
    assert one.next_kind() == "refresh"
    refresh = chat.make(one, at=6.0)
    assert refresh is not None
    assert refresh.kind == "refresh"
    one.append(" nhé.")
    one.end(footers=["*Nguồn: Đổi trả*"])
    final = chat.make(one, at=7.0)
    assert final is not None
    assert (final.kind, final.message.growing) == ("final", False)
    assert one.done
    assert one.take() is None
    assert chat.texts == {"1": "Xin **chào chị** Lan nhé.\n\n*Nguồn: Đổi trả*"}
    assert one.refs == (MessageRef(HERE, "1"),)
    assert one.first_visible_at == 5.0


def test_what_is_visible_is_not_shown_again() -> None:
    one, chat = reply(), Chat()
    one.append("Xin chào")
    chat.make(one)
    one.append(" **")
    assert chat.make(one) is None
    one.end()
    assert chat.make(one) is not None  # The two asterisks stay what they are.


def test_a_final_that_changes_nothing_needs_no_call() -> None:
    one, chat = reply(), Chat()
    one.append("Xin chào")
    chat.make(one)
    one.end()
    assert chat.make(one) is None
    assert one.done


def test_a_platform_that_marks_growing_is_told_the_end() -> None:
    one, chat = reply(marks_growing=True), Chat()
    one.append("Xin chào")
    chat.make(one)
    one.end()
    call = chat.make(one)
    assert call is not None
    assert not call.message.growing


def test_sources_come_with_the_last_part_only() -> None:
    source = Source("doi-tra#1", "Đổi trả", "Thời hạn")
    one, chat = reply(100), Chat()
    one.append("Áo đổi trong 7 ngày. " * 10)
    one.end(sources=(source,))
    chat.settle(one)
    assert [call.message.sources for call in chat.calls] == [(), (), (source,)]
    assert [call.message.reply_to for call in chat.calls] == ["7", None, None]
    assert [call.key for call in chat.calls] == ["k", "k/1", "k/2"]


def test_an_empty_reply_is_done_without_a_message() -> None:
    one, chat = reply(), Chat()
    one.end()
    assert chat.make(one) is None
    assert one.done


def test_a_sentence_shows_while_nothing_is_there_and_is_replaced_by_the_answer() -> None:
    one, chat = reply(), Chat()
    one.show(SENTENCE)
    chat.make(one, at=1.0)
    assert chat.texts == {"1": SENTENCE}
    assert one.first_visible_at is None
    assert chat.make(one) is None
    one.append("Vâng ạ")
    assert one.next_kind() == "first"
    chat.make(one, at=2.0)
    assert chat.texts == {"1": "Vâng ạ"}
    assert one.first_visible_at == 2.0


def test_a_sentence_never_takes_the_place_of_the_answer() -> None:
    one, chat = reply(), Chat()
    one.append("Vâng ạ")
    one.show(SENTENCE)
    chat.settle(one)
    assert chat.texts == {"1": "Vâng ạ"}


def test_a_restart_edits_the_messages_that_are_there() -> None:
    one, chat = reply(), Chat()
    one.append("Câu trả lời dở")
    chat.make(one)
    one.restart()
    assert one.text == ""
    assert chat.make(one) is None
    one.append("Câu trả lời mới")
    one.end()
    assert chat.settle(one) == ["Câu trả lời mới"]


def test_a_restart_leaves_no_debris_of_a_longer_answer() -> None:
    one, chat = reply(100), Chat()
    one.append("cũ " * 100)
    chat.settle(one)
    assert len(chat.texts) == 4
    one.restart()
    one.append("Áo đổi được trong bảy ngày. Ship do shop trả. Cảm ơn chị.")
    one.end()
    texts = chat.settle(one)
    assert len(texts) == 4
    assert " ".join(texts).split() == one.text.split()


def test_a_restart_with_hardly_any_words_still_clears_the_old_ones() -> None:
    one, chat = reply(100), Chat()
    one.append("cũ " * 100)
    chat.settle(one)
    one.restart()
    one.append("OK")
    one.end()
    texts = chat.settle(one)
    assert texts[-1] == NOTHING
    assert "cũ" not in "".join(texts)
    assert one.done


def test_a_restart_while_a_call_is_in_flight_is_not_overlooked() -> None:
    one, chat = reply(), Chat()
    one.append("Một câu cũ")
    call = one.take()
    assert call is not None
    one.restart()
    one.append("Một câu mới")
    one.end()
    assert one.take() is None
    assert not one.done
    chat.texts["1"] = call.message.text
    one.sent(call, MessageRef(HERE, "1"), at=0.0)
    assert chat.settle(one) == ["Một câu mới"]


def test_words_count_as_shown_from_the_moment_they_are_on_their_way() -> None:
    one = reply()
    one.append("Xin chào")
    assert not one.is_shown
    call = one.take()
    assert call is not None
    assert one.is_shown
    one.failed(call, RateLimited(1.0))
    assert not one.is_shown
    again = one.take()
    assert again is not None
    one.sent(again, MessageRef(HERE, "1"), at=0.0)
    assert one.is_shown


def test_words_that_may_have_arrived_count_as_shown() -> None:
    one = reply()
    one.append("Xin chào")
    call = one.take()
    assert call is not None
    one.failed(call, Unavailable("cut", maybe_applied=True))
    assert one.is_shown


def test_words_from_before_a_crash_count_as_shown() -> None:
    one = StreamedReply(
        to=HERE, key="k", reply_to=None, max_units=4096, measure=utf16_units, sent={"k": MessageRef(HERE, "1")}
    )
    assert one.is_shown


def test_a_sentence_does_not_count_as_shown() -> None:
    one, chat = reply(), Chat()
    one.show(SENTENCE)
    call = one.take()
    assert call is not None
    assert not one.is_shown
    one.failed(call, Unavailable("cut", maybe_applied=True))
    assert not one.is_shown
    assert chat.make(one) is not None
    assert not one.is_shown


def test_words_that_were_forgotten_before_they_were_sent_are_never_sent() -> None:
    one, chat = reply(), Chat()
    one.append("Cũ")
    one.restart()
    assert one.take() is None
    one.hang_on("8")
    one.append("Mới")
    one.end()
    assert chat.settle(one) == ["Mới"]
    assert chat.calls[0].message.reply_to == "8"


def test_after_a_message_is_gone_a_new_one_is_sent_under_another_key() -> None:
    one, chat = reply(), Chat()
    one.append("Xin")
    chat.make(one)
    one.append(" chào")
    call = one.take()
    assert call is not None
    one.failed(call, MessageGone("deleted"))
    again = one.take()
    assert again is not None
    assert (again.ref, again.key, again.message.text) == (None, "k~1", "Xin chào")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Trong **7 ngày", "Trong **7 ngày**"),
        ("Trong **7 ngày** và **", "Trong **7 ngày** và"),
        ("Giá 5*6", "Giá 5*6"),
        ("```py\nx = 1", "```py\nx = 1\n```"),
    ],
)
def test_a_text_that_was_broken_off_keeps_the_look_that_it_had(text: str, shown: str) -> None:
    one = reply()
    one.append(text)
    one.end(notice="Đã dừng.")
    call = one.take()
    assert call is not None
    assert call.message.text == f"{shown}\n\nĐã dừng."


def test_a_refused_text_is_shown_in_its_plain_form() -> None:
    one = reply()
    one.append("## Xin **chào**")
    one.end()
    call = one.take()
    assert call is not None
    one.failed(call, MessageRefused("can't parse"))
    again = one.take()
    assert again is not None
    assert again.message.text == "Xin chào"
    one.sent(again, MessageRef(HERE, "1"), at=0.0)
    assert one.done


def test_a_text_that_is_refused_for_its_length_is_cut_smaller() -> None:
    one, chat = reply(4096), Chat()
    one.append("Áo đổi trong 7 ngày. " * 100)
    one.end()
    while (call := one.take()) is not None:
        if len(call.message.text) > 600:
            one.failed(call, MessageRefused("too long"))
        else:
            one.sent(call, MessageRef(HERE, str(len(chat.calls))), at=0.0)
            chat.calls.append(call)
    assert one.done
    assert " ".join(call.message.text for call in chat.calls) == one.text.strip()


def test_a_text_that_is_always_refused_is_given_up() -> None:
    one = reply()
    one.append("Áo đổi trong 7 ngày. " * 100)
    one.end()
    tries = 0
    while (call := one.take()) is not None:
        one.failed(call, MessageRefused("no"))
        tries += 1
        assert tries < 100
    assert one.done
    assert one.refused


def test_a_doubtful_send_is_made_again_under_the_same_key() -> None:
    one = reply()
    one.append("Xin chào")
    call = one.take()
    assert call is not None
    one.failed(call, Unavailable("cut"))
    again = one.take()
    assert again is not None
    assert again.key == call.key
    assert again.ref is None


def test_a_message_that_may_show_an_earlier_attempt_is_edited_for_certain() -> None:
    one = reply()
    one.append("Xin chào")
    call = one.take()
    assert call is not None
    one.failed(call, Unavailable("cut"))
    one.append(" chị")
    one.end()
    again = one.take()
    assert again is not None
    one.sent(again, MessageRef(HERE, "1"), at=0.0)
    assert not one.done
    edit = one.take()
    assert edit is not None
    assert (edit.ref, edit.message.text) == (MessageRef(HERE, "1"), "Xin chào chị")


def test_after_an_edit_that_may_have_been_applied_the_text_is_not_taken_for_visible() -> None:
    one, chat = reply(), Chat()
    one.append("Một")
    chat.make(one)
    one.append(" hai")
    call = one.take()
    assert call is not None
    one.failed(call, Unavailable("cut"))
    one.restart()
    one.append("Một")
    one.end()
    again = one.take()
    assert again is not None
    assert again.message.text == "Một"


@pytest.mark.parametrize("error", [RateLimited(3.0), Unavailable("down", maybe_applied=False)])
def test_a_call_that_was_not_made_is_wanted_again(error: RateLimited | Unavailable) -> None:
    one = reply()
    one.append("Xin chào")
    call = one.take()
    assert call is not None
    one.failed(call, error)
    assert one.next_kind() == "first"
    assert one.take() == call


def test_a_reader_who_is_gone_is_noted() -> None:
    one = reply()
    one.append("Xin chào")
    call = one.take()
    assert call is not None
    one.failed(call, RecipientGone("blocked"))
    assert one.gone


def test_text_after_the_end_is_ignored() -> None:
    one = reply()
    one.append("Xin chào")
    one.end()
    one.append(" chị")
    one.end(footers=["x"])
    assert one.text == "Xin chào"


def test_halves_of_characters_are_put_together_or_replaced() -> None:
    one = reply()
    for piece in ("bé \ud83d", "\ude00 ngoan \ud83d", " và \udc00.", "\ud83d"):
        one.append(piece)
    one.end()
    assert one.text == "bé 😀 ngoan \ufffd và \ufffd."


@given(answers(10), st.integers(100, 500), st.lists(st.integers(1, 60), min_size=1), st.integers(0, 3))
@example(f"```py\n{'Xin ' * 6}\n{'Xin ' * 8}\n{'Xin ' * 8}\nchào\n```", 100, [1], 3)
@settings(max_examples=100, deadline=None)
def test_however_often_it_is_looked_at_the_end_is_the_same(
    text: str, limit: int, steps: list[int], restarts: int
) -> None:
    one, chat = reply(limit), Chat()
    for _ in range(restarts):
        one.append("cũ " * 80)
        chat.make(one)
        one.restart()
    at = 0
    for step in steps:
        one.append(text[at : at + step])
        at += step
        chat.make(one)
    one.append(text[at:])
    one.end()
    texts = chat.settle(one)
    assert one.done
    assert all(before.ref is None or before != after for before, after in zip(chat.calls, chat.calls[1:], strict=False))
    assert "cũ" not in "".join(texts)
    words = regex.sub(r"\s", "", "".join(texts))
    assert all(word in words for word in regex.findall(r"\w{4,}", text))
