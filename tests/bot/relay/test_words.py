"""What crosses between a customer and the staff, word for word, and what never does."""

from pathlib import Path

import pytest

from bot.chat import Address, Attachment
from bot.errors import AccountRejected, MessageRefused, RecipientGone, Unavailable
from bot.relay.rules import DeskRules
from tests.bot.relay.workbench import HUNG, MAI, Shop, World, later, opened
from tests.fakes import Fault
from tests.words import eventually

Address9 = Address("desk", "post9")
JPEG = Attachment("photo", "anh", "image/jpeg")


async def test_staffs_plain_words_reach_the_customer_under_their_name_and_are_marked(shop: Shop) -> None:
    await shop.handed_over()
    first = await shop.staff("Dạ em đây ạ.")
    await shop.staff("Anh cần **gì** ạ?")
    await shop.settled()
    assert shop.world.seen[1:] == ["**Mai**\n\nDạ em đây ạ.", "Anh cần **gì** ạ?"]
    assert shop.world.post.marks[f"s{first}"] == ("delivered", "")
    case = await shop.case()
    assert (case.state, case.taken_by) == ("human", MAI)


async def test_two_staff_at_once_are_told_apart(shop: Shop) -> None:
    await shop.handed_over()
    await shop.staff("Dạ em Mai ạ.")
    await shop.staff("Em Hùng bên kho ạ.", by=HUNG)
    await shop.staff("Áo còn hàng ạ.", by=HUNG)
    await shop.staff("Em đổi luôn nhé.")
    await shop.settled()
    assert shop.world.seen[1:] == [
        "**Mai**\n\nDạ em Mai ạ.",
        "**Hùng**\n\nEm Hùng bên kho ạ.",
        "Áo còn hàng ạ.",
        "**Mai**\n\nEm đổi luôn nhé.",
    ]
    assert (await shop.case()).taken_by == MAI


@pytest.mark.parametrize(("name", "shown"), [("shop", "**Nhà Mây**"), ("role", "**Nhân viên Nhà Mây**")])
async def test_a_shop_may_keep_names_to_itself(tmp_path: Path, name: str, shown: str) -> None:
    rules = DeskRules(staff_name=name)  # type: ignore[arg-type]
    async with opened(tmp_path, World(), rules=rules) as shop:
        await shop.handed_over()
        await shop.staff("Dạ.")
        await shop.staff("Em Hùng ạ.", by=HUNG)
        await shop.settled()
        assert shop.world.seen[1:] == [f"{shown}\n\nDạ.", "Em Hùng ạ."]


async def test_a_note_stays_in_the_post(shop: Shop) -> None:
    await shop.handed_over()
    number = await shop.staff("// khách này khó, cẩn thận")
    await shop.settled()
    assert len(shop.world.seen) == 1
    assert shop.world.post.marks[f"s{number}"] == ("note", "")
    assert (await shop.case()).state == "waiting"


async def test_where_only_the_command_replies_plain_words_are_notes(tmp_path: Path) -> None:
    async with opened(tmp_path, World(), rules=DeskRules(staff_replies="command")) as shop:
        await shop.handed_over()
        await shop.staff("ai biết đơn này không?")
        assert await shop.act("reply", "Dạ có ạ.", id="r1") == "Đang gửi cho khách."
        assert await shop.act("reply", "Dạ có ạ.", id="r1") == "Việc này đã làm rồi."
        await shop.settled()
        assert shop.world.seen[1:] == ["**Mai**\n\nDạ có ạ."]
        assert shop.world.post.texts == ["➡️ gửi khách: Dạ có ạ."]


async def test_an_edit_of_staffs_words_is_an_edit_for_the_customer(shop: Shop) -> None:
    await shop.handed_over()
    number = await shop.staff("Phí là 30k.")
    await shop.settled()
    for text in ("Phí là 20k.", "Phí là 25k."):  # two edits in one second
        await shop.staff(text, number, edited=True, sent_at=later(1))
        await shop.settled()
    assert shop.world.seen[1:] == ["**Mai**\n\nPhí là 25k."]
    history = await shop.rows("SELECT text FROM turns WHERE role = 'staff'")
    assert history == [("Phí là 25k.",)]


async def test_a_note_that_becomes_a_reply_is_sent_and_a_reply_that_becomes_a_note_is_taken_back(shop: Shop) -> None:
    await shop.handed_over()
    number = await shop.staff("// để xem")
    await shop.settled()
    await shop.staff("Để em xem ạ.", number, edited=True, sent_at=later(1))
    await shop.settled()
    assert shop.world.seen[1:] == ["**Mai**\n\nĐể em xem ạ."]
    assert shop.world.post.marks[f"s{number}"] == ("delivered", "")
    await shop.staff("// để em xem", number, edited=True, sent_at=later(2))
    await shop.settled()
    assert shop.world.seen[1:] == []
    assert shop.world.post.marks[f"s{number}"] == ("note", "")
    assert await shop.rows("SELECT text FROM turns WHERE role = 'staff'") == []


async def test_what_staff_delete_is_deleted_for_the_customer(shop: Shop) -> None:
    await shop.handed_over()
    number = await shop.staff("Sai rồi.")
    await shop.settled()
    await shop.staff("", number, deleted=True)
    await shop.settled()
    assert len(shop.world.seen) == 1


async def test_what_cannot_be_taken_back_is_said(shop: Shop) -> None:
    await shop.handed_over()
    number = await shop.staff("Sai rồi.")
    await shop.settled()
    shop.world.platform.faults = lambda call, _: MessageRefused("too old") if call.op == "delete" else None
    await shop.staff("// Sai rồi.", number, edited=True, sent_at=later(1))
    await shop.settled()
    assert shop.world.post.marks[f"s{number}"] == ("failed", "không gỡ được, khách vẫn thấy tin cũ")


async def test_files_go_to_the_customer_and_those_that_cannot_are_named(shop: Shop) -> None:
    await shop.handed_over()
    large = Attachment("file", "lon", "application/pdf", "lon.pdf", 5000)
    pdf = Attachment("file", "bang", "application/pdf", "bang.pdf", 10)
    number = await shop.staff("Bảng giá ạ", attachments=(pdf, large))
    only = await shop.staff("", attachments=(pdf,), by=HUNG)
    await shop.settled()
    assert shop.world.seen[1:] == ["**Mai**\n\nBảng giá ạ", "<bang.pdf>", "**Hùng** <bang.pdf>"]
    mark, reason = shop.world.post.marks[f"s{number}"]
    assert (mark, reason) == ("failed", "lon.pdf: lớn hơn 0 MB nên không gửi được cho khách")
    assert shop.world.post.marks[f"s{only}"] == ("delivered", "")


async def test_a_customer_who_is_gone_is_told_to_staff(shop: Shop) -> None:
    await shop.handed_over()
    shop.world.platform.faults = lambda call, _: RecipientGone("blocked") if call.op == "send" else None
    number = await shop.staff("Dạ em đây ạ.")
    await shop.settled()
    mark, reason = shop.world.post.marks[f"s{number}"]
    assert (mark, reason) == ("failed", "khách không còn đọc được ở đó (đã chặn bot hoặc rời đi)")


async def test_a_long_answer_of_staff_is_split_and_edited_in_place(shop: Shop) -> None:
    await shop.handed_over()
    text = "\n\n".join(f"Đoạn {number}. " + "chữ " * 200 for number in range(4))
    number = await shop.staff(text)
    await shop.settled()
    assert len(shop.world.seen) == 1 + 2
    await shop.staff("Gọn thôi ạ.", number, edited=True, sent_at=later(1))
    await shop.settled()
    assert "".join(shop.world.seen[1:]).replace("\n", "").replace("**Mai**", "").strip().endswith("thôi ạ.")


async def test_customers_photos_albums_voice_and_replies_come_into_the_post(shop: Shop) -> None:
    await shop.handed_over()
    first = await shop.customer("áo này", attachments=(JPEG,))
    await shop.settled()
    await shop.customer("", attachments=(JPEG,), album_id="9")
    await shop.customer("", attachments=(JPEG,), album_id="9")
    await shop.settled()
    await shop.customer("", attachments=(Attachment("voice", "v", "audio/ogg"),), hangs_on=f"lan:{first}")
    await shop.settled()
    written = list(shop.world.post.messages.values())
    assert [[file.name for file in one.message.files] for one in written] == [
        ["photo-1.jpg"],
        ["photo-1.jpg", "photo-1.jpg"],
        ["voice-1.ogg"],
    ]
    assert [one.author for one in written] == ["Lan"] * 3
    assert written[2].message.reply_to == written[0].id
    assert all(one.message.is_plain for one in written)


async def test_files_that_do_not_come_through_are_named_on_both_sides(shop: Shop) -> None:
    await shop.handed_over()
    await shop.customer("xem giúp", attachments=(Attachment("file", "x", name="to.zip", size=5000),))
    await shop.customer("", attachments=(Attachment("photo", "gone"),))
    await shop.settled()
    assert shop.world.post.texts == ["xem giúp\n[tệp to.zip: lớn hơn 0 MB, không chuyển được]", "[ảnh: không tải được]"]
    assert any("lớn hơn 0 MB" in text for text in shop.world.seen)
    assert any("chưa tải được tệp" in text for text in shop.world.seen)


async def test_customers_edits_and_deletions_come_into_the_post(shop: Shop) -> None:
    await shop.handed_over()
    first = await shop.customer("đơn NM1")
    await shop.settled()
    await shop.customer("đơn NM2", first, edited=True, sent_at=later(1))
    await shop.settled()
    (written,) = shop.world.post.messages.values()
    assert (written.text, written.edits) == ("đơn NM2", 1)
    await shop.customer("", first, deleted=True)
    await shop.settled()
    assert written.is_struck


async def test_an_edit_of_what_the_bot_answered_before_comes_as_a_message(shop: Shop) -> None:
    first = await shop.customer("đơn NM1")
    await shop.settled()
    await shop.handed_over()
    await shop.customer("đơn NM2", first, edited=True, sent_at=later(1))
    await shop.settled()
    assert shop.world.post.texts == ["(đã sửa) đơn NM2"]


async def test_a_long_message_is_written_in_pieces(shop: Shop) -> None:
    await shop.handed_over()
    await shop.customer("rất *dài* " * 400)
    await shop.settled()
    texts = shop.world.post.texts
    assert len(texts) > 2
    assert " ".join(texts).split() == ("rất *dài* " * 400).split()


async def test_staffs_reply_hangs_on_what_it_replies_to(shop: Shop) -> None:
    await shop.handed_over()
    await shop.customer("còn màu xanh không?", reply_to="55")
    await shop.settled()
    (written,) = shop.world.post.messages.values()
    await shop.staff("Còn ạ.", hangs_on=written.id)
    await shop.settled()
    assert list(shop.world.platform.messages.values())[-1].message.reply_to == "55"


async def test_a_message_in_a_post_that_is_nobodys_reaches_nobody(shop: Shop) -> None:
    await shop.handed_over()
    from_nowhere = {"address": Address9, "message_id": "x1"}
    await shop.staff("Ai vậy?", None, **from_nowhere)  # type: ignore[arg-type]
    await shop.settled()
    assert len(shop.world.seen) == 1
    assert len(shop.world.model.requests) == 2


async def test_the_bot_is_asked_in_a_post_by_its_command_only(shop: Shop) -> None:
    await shop.handed_over()
    await shop.staff("phí ship?", command="ask")
    await shop.settled()
    assert len(shop.world.seen) == 1
    assert shop.world.desk_platform.chat(shop.world.post.id) == ["Bot: phí ship?"]


async def test_a_post_that_was_deleted_is_made_anew_with_all_that_was_in_it(shop: Shop) -> None:
    await shop.handed_over()
    for text in ("một", "hai"):
        await shop.customer(text)
    await shop.settled()
    shop.world.desk.delete_post("post1")
    await shop.customer("ba")
    await shop.settled()
    assert shop.world.post.id == "post2"
    assert shop.world.post.texts == ["một", "hai", "ba"]
    await shop.staff("Dạ.")
    await shop.settled()
    assert shop.world.seen[-1] == "**Mai**\n\nDạ."


async def test_a_desk_that_is_away_delays_and_the_operator_is_told_once(shop: Shop) -> None:
    shop.world.desk.faults = lambda call, _: Unavailable("no answer")
    await shop.customer("cho mình gặp người thật")
    await eventually(lambda: len(shop.world.seen) == 1)
    await shop.customer("alo")
    await eventually(lambda: len(shop.world.desk.calls) > 3)
    assert [one.is_over for one in shop.notices] == [False]
    shop.world.desk.faults = lambda call, _: None
    await shop.settled()
    assert shop.world.post.texts == ["alo"]
    assert [one.is_over for one in shop.notices] == [False, True]
    assert len(shop.world.seen) == 2


async def test_a_permission_that_is_missing_is_told_word_for_word(shop: Shop) -> None:
    words = "The bot may not create posts in #desk: give its role Send Messages there."
    shop.world.desk.faults = lambda call, _: AccountRejected(words)
    await shop.customer("cho mình gặp người thật")
    await eventually(lambda: bool(shop.notices))
    assert shop.notices[0].words == words


async def test_calls_of_which_nobody_knows_the_outcome_show_once(shop: Shop) -> None:
    failed: set[str] = set()

    def once(call: object, number: int) -> Fault | None:
        key = repr(call)
        if key in failed:
            return None
        failed.add(key)
        return Fault(Unavailable("cut"), applied=True)

    shop.world.desk.faults = once
    await shop.handed_over()
    await shop.customer("một")
    await shop.staff("Dạ.")
    await shop.settled()
    assert shop.world.post.texts == ["một"]
    assert len(shop.world.desk.posts) == 1
