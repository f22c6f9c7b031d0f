"""A reply that is broken off: one last edit of what is visible, and no further message."""

from bot.chat import Address, MessageRef, ReplyCall
from bot.errors import MessageGone, MessageRefused, RateLimited, Unavailable
from bot.reply import StreamedReply

LAN = Address("shop", "lan")
NOTICE = "(Nhân viên trả lời tiếp ạ.)"


def reply_of(*, max_units: int = 100, marks_growing: bool = False, mark: str = "▌") -> StreamedReply:
    return StreamedReply(
        to=LAN,
        key="k",
        reply_to=None,
        max_units=max_units,
        measure=len,
        marks_growing=marks_growing,
        growing_mark=mark,
    )


def take(reply: StreamedReply) -> ReplyCall:
    call = reply.take()
    assert call is not None
    return call


def land(reply: StreamedReply, call: ReplyCall, number: int = 1) -> None:
    ref = MessageRef(LAN, str(number))
    (reply.sent if call.ref is None else reply.edited)(call, ref, at=1.0)


def shown(text: str = "Một hai ba.") -> StreamedReply:
    reply = reply_of()
    reply.append(text)
    land(reply, take(reply))
    return reply


def test_what_is_visible_is_marked_and_what_is_not_is_forgotten() -> None:
    reply = shown()
    reply.append(" Bốn năm sáu.")
    reply.break_off(NOTICE)
    call = take(reply)
    assert (call.ref, call.message.text, call.message.growing) == (
        MessageRef(LAN, "1"),
        f"Một hai ba.\n\n{NOTICE}",
        False,
    )
    land(reply, call)
    assert reply.done
    assert reply.take() is None
    assert reply.text == "Một hai ba."


def test_of_what_nobody_saw_nothing_is_sent() -> None:
    reply = reply_of()
    reply.append("Một hai ba.")
    reply.break_off(NOTICE)
    assert reply.take() is None
    assert reply.done
    assert reply.text == ""


def test_a_message_that_is_on_its_way_is_marked_when_it_is_there() -> None:
    reply = reply_of()
    reply.append("Một hai ba.")
    call = take(reply)
    reply.break_off(NOTICE)
    assert reply.take() is None
    land(reply, call)
    assert not reply.done
    last = take(reply)
    assert last.message.text == f"Một hai ba.\n\n{NOTICE}"
    land(reply, last)
    assert reply.done


def test_one_that_may_never_have_come_is_left_alone() -> None:
    reply = reply_of()
    reply.append("Một hai ba.")
    call = take(reply)
    reply.break_off(NOTICE)
    reply.failed(call, Unavailable("cut"))
    assert reply.take() is None
    assert reply.done


def test_an_ended_reply_sends_no_more_of_its_messages() -> None:
    reply = reply_of()
    reply.append("chữ " * 60)
    reply.end()
    land(reply, take(reply))
    reply.break_off(NOTICE)
    call = take(reply)
    assert call.part == 0
    assert call.ref is not None
    land(reply, call)
    assert reply.done
    assert len(reply.refs) == 1


def test_a_reply_that_is_complete_stays_as_it_is() -> None:
    reply = shown()
    reply.end()
    land(reply, take(reply))
    assert reply.done
    reply.break_off(NOTICE)
    assert not reply.broken_off
    assert reply.take() is None


def test_a_last_edit_that_is_held_up_is_made_later_and_one_that_is_refused_never() -> None:
    reply = shown()
    reply.break_off(NOTICE)
    reply.failed(take(reply), RateLimited(3.0))
    call = take(reply)
    reply.failed(call, MessageRefused("no"))
    assert reply.take() is None
    assert reply.done


def test_a_message_that_was_deleted_is_not_sent_again() -> None:
    reply = shown()
    reply.break_off(NOTICE)
    reply.failed(take(reply), MessageGone("gone"))
    assert reply.take() is None
    assert reply.done


def test_without_room_for_the_notice_the_growing_mark_goes_all_the_same() -> None:
    text = "x" * 90
    reply = shown(text)
    reply.break_off(NOTICE)
    assert take(reply).message.text == text


def test_a_sentence_that_stood_for_the_answer_is_replaced() -> None:
    reply = reply_of()
    reply.show("Bạn chờ mình chút nhé…")
    land(reply, take(reply))
    reply.break_off(NOTICE)
    assert take(reply).message.text == NOTICE
    assert reply.text == ""


def test_a_draft_is_left_to_vanish() -> None:
    reply = reply_of()
    reply.append("Một hai ba.")
    reply.sent(take(reply), MessageRef(LAN, "draft", 20.0), at=1.0)
    reply.break_off(NOTICE)
    assert reply.take() is None
    assert reply.done
