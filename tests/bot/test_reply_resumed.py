from bot.chat import Address, MessageRef
from bot.reply import StreamedReply


def test_a_reply_goes_on_in_the_messages_that_it_has_from_before_a_crash() -> None:
    at = Address("fake", "lan")
    sent = {
        "r": MessageRef(at, "1"),
        "r/1": MessageRef(at, "gone"),
        "r/1~1": MessageRef(at, "3"),
        "r/3": MessageRef(at, "of a part that is not there"),
    }
    reply = StreamedReply(to=at, key="r", reply_to=None, max_units=10, measure=len, sent=sent)
    assert [ref.message_id for ref in reply.refs] == ["1", "3"]
    reply.append("một hai ba bốn năm sáu bảy tám")
    reply.end()
    made = []
    while call := reply.take():
        made.append((call.ref and call.ref.message_id, call.key))
        ref = call.ref or MessageRef(at, f"new {call.part}")
        (reply.edited if call.ref else reply.sent)(call, ref, at=1.0)
    assert made[:2] == [("1", "r"), ("3", "r/1~1")]
    assert made[2] == (None, "r/2")
    assert reply.done


def test_a_preface_is_shown_with_the_first_words_and_is_no_part_of_the_text() -> None:
    at = Address("fake", "lan")
    reply = StreamedReply(to=at, key="r", reply_to=None, max_units=1000, measure=len)
    reply.begin_with("Xin lỗi.")
    assert reply.take() is None
    reply.append("Dạ ")
    reply.append("còn")
    call = reply.take()
    assert call is not None
    assert (call.message.text, call.kind) == ("Xin lỗi.\n\nDạ còn", "first")
    reply.sent(call, MessageRef(at, "1"), at=1.0)
    reply.restart()
    reply.append("Dạ hết")
    reply.end(footers=["Nguồn: A"])
    call = reply.take()
    assert call is not None
    assert call.message.text == "Xin lỗi.\n\nDạ hết\n\nNguồn: A"
    assert (reply.text, reply.preface) == ("Dạ hết", "Xin lỗi.")
