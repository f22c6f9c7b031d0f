"""What is sent when it may show twice: never all that the model may come to say."""

from dataclasses import replace

from bot.chat import Address, MessageRef, ReplyCall
from bot.reply import StreamedReply
from bot.text import utf16_units

HERE = Address("fake", "1")
WHOLE = "Dạ, áo còn size M ạ."


def reply(growing_mark: str = "") -> StreamedReply:
    return StreamedReply(
        to=HERE, key="k", reply_to=None, max_units=4096, measure=utf16_units, growing_mark=growing_mark
    )


def taken(one: StreamedReply, *, in_doubt: bool = True) -> ReplyCall:
    call = one.take(in_doubt=in_doubt)
    assert call is not None
    return call


def test_of_an_answer_that_grows_the_last_word_is_kept_back_and_shown_with_the_next_call() -> None:
    one = reply()
    one.append(WHOLE)
    call = taken(one)
    assert call.message.text == "Dạ, áo còn size M"
    assert call.message.growing
    one.sent(call, MessageRef(HERE, "1"), at=0.0)
    assert taken(one).message.text == WHOLE


def test_of_a_complete_answer_a_beginning_is_sent_even_if_it_is_one_word() -> None:
    for text, beginning in ((WHOLE, "Dạ, áo"), ("Vâng.", "Vâ")):
        one = reply()
        one.append(text)
        one.end()
        call = taken(one)
        assert (call.message.text, call.message.growing) == (beginning, True)
        one.sent(call, MessageRef(HERE, "1"), at=0.0)
        assert not one.done
        assert taken(one).message == replace(call.message, text=text, growing=False)


def test_a_single_word_that_grows_and_a_sentence_of_ours_are_sent_as_they_are() -> None:
    one = reply()
    one.show("Bạn chờ mình một chút nhé…")
    assert taken(one).message.text == "Bạn chờ mình một chút nhé…"
    one = reply()
    one.append("Dạ")
    assert taken(one).message.text == "Dạ"


def test_what_is_kept_back_is_a_word_and_not_the_mark_behind_it() -> None:
    one = reply("▌")
    one.append("Dạ, áo **còn size M** ")
    assert taken(one).message.text == "Dạ, áo **còn size** ▌"


def test_an_edit_shows_all_there_is() -> None:
    one = reply()
    one.append("Dạ")
    one.sent(taken(one), MessageRef(HERE, "1"), at=0.0)
    one.append(", áo còn size M ạ.")
    assert taken(one).message.text == WHOLE
