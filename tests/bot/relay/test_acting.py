"""Buttons and commands: each is done once, is on record, and is answered with a sentence."""

from datetime import timedelta

import pytest

from bot.desk import Action, ActionResult, Person
from bot.relay.acting import completions
from bot.storage.cases import Case
from tests.bot.relay.workbench import HUNG, MAI, Shop, World, opened
from tests.words import eventually


async def test_two_who_press_take_are_told_who_was_first(shop: Shop) -> None:
    await shop.handed_over()
    assert (await shop.act("take")).startswith("Bạn đang phụ trách")
    assert (await shop.act("take", by=HUNG)).startswith("Mai đang phụ trách khách này.")
    assert (await shop.act("take", by=HUNG, language="en")).startswith("Mai has this customer.")
    await shop.settled()
    assert shop.world.post.card.taken_by == MAI
    assert shop.world.seen[1:] == ["Mai đang xem tin nhắn của bạn và sẽ trả lời ngay ạ."]


async def test_what_is_delivered_twice_is_done_once(shop: Shop) -> None:
    await shop.handed_over()
    await shop.act("take", id="same")
    assert await shop.act("take", id="same") == "Việc này đã làm rồi."
    assert await shop.act("note", "a", id="other") == "Đã ghi chú. Khách không thấy."
    assert await shop.act("note", "a", id="other") == "Việc này đã làm rồi."
    await shop.settled()
    assert shop.world.post.texts == ["📝 a"]
    assert await shop.rows("SELECT kind, person_name FROM desk_actions ORDER BY id") == [
        ("take", "Mai"),
        ("note", "Mai"),
    ]


async def test_release_assign_transfer_and_who(shop: Shop) -> None:
    await shop.handed_over()
    assert await shop.act("release") == "Chưa ai nhận yêu cầu này."
    assert (await shop.act("who")).startswith("Chưa ai nhận.")
    await shop.act("take")
    assert await shop.act("transfer") == "Chưa chọn người nhận."
    assert await shop.act("transfer", other=HUNG) == "Từ giờ Hùng phụ trách khách này."
    assert (await shop.act("who")).startswith("Hùng đang phụ trách")
    assert (await shop.act("release")).startswith("Hùng đang phụ trách khách này.")
    assert await shop.act("release", by=HUNG) == "Yêu cầu quay lại hàng chờ."
    assert await shop.act("assign", other=MAI) == "Từ giờ Mai phụ trách khách này."
    assert (await shop.case()).taken_by == MAI


async def test_resolve_and_reopen_tell_the_customer(shop: Shop) -> None:
    await shop.handed_over()
    await shop.act("resolve")
    assert await shop.act("resolve") == "Yêu cầu này đã xong rồi."
    assert (await shop.act("who")) == "Trợ lý tự động đang trả lời khách này."
    assert (await shop.act("reopen")).startswith("Đã mở lại")
    assert await shop.act("reopen") == "Yêu cầu này vẫn đang mở."
    await shop.settled()
    assert ["xử lý xong" in text for text in shop.world.seen[1:]] == [True, False]
    assert shop.world.seen[-1].startswith("Mình đã báo cho nhân viên")
    await shop.customer("alo")
    await shop.settled()
    assert shop.world.post.texts[-1] == "alo"


async def test_a_snooze_is_over_at_its_time_or_when_the_customer_writes(shop: Shop) -> None:
    await shop.handed_over()
    assert (await shop.act("snooze", "2h")).startswith("Tạm ẩn đến")
    await shop.settled()
    assert shop.world.post.card.is_snoozed
    await shop.customer("alo")
    await shop.settled()
    assert not shop.world.post.card.is_snoozed
    await shop.act("snooze", "2h")
    shop.world.jump = timedelta(hours=3)
    await eventually(lambda: shop.world.post.texts[-1].startswith("⏰"))
    assert (await shop.act("snooze", "hôm qua")).startswith("Chưa hiểu thời gian này.")


async def test_close_later_closes_unless_the_customer_writes(shop: Shop) -> None:
    await shop.handed_over()
    await shop.act("take")
    await shop.act("close_later", "1h")
    await shop.customer("còn nữa ạ")
    await shop.settled()
    shop.world.jump = timedelta(hours=2)
    await shop.act("close_later", "1h")
    await shop.settled()
    assert (await shop.case()).state == "human"
    shop.world.jump = timedelta(hours=4)
    await eventually(lambda: shop.world.post.card.state == "resolved")


async def test_a_blocked_customer_is_told_once_and_neither_answered_nor_shown(shop: Shop) -> None:
    await shop.handed_over()
    await shop.act("block")
    await shop.act("block")
    await shop.customer("???")
    await shop.customer("", command="new")
    await shop.settled()
    assert shop.world.seen[1:] == ["Từ giờ Nhà Mây không trả lời tin nhắn của tài khoản này nữa ạ."]
    assert shop.world.post.texts == []
    assert shop.world.post.card.is_blocked
    number = await shop.staff("Dạ?")
    await shop.settled()
    assert shop.world.post.marks[f"s{number}"] == ("failed", "khách này đang bị chặn")
    await shop.act("unblock")
    await shop.customer("xin lỗi shop")
    await shop.settled()
    assert shop.world.post.texts == ["xin lỗi shop"]


async def test_labels_come_and_go_and_are_suggested(shop: Shop) -> None:
    await shop.handed_over()
    assert await shop.act("tag", "đổi trả") == "Đã gắn nhãn đổi trả."
    await shop.settled()
    assert shop.world.post.card.labels == ("đổi trả",)
    at = Action("x", "tag", MAI, (await post_of(shop)).address).post
    assert await completions(shop.cases, at, "tag", "Đổi") == ("đổi trả",)
    assert "2h" in await completions(shop.cases, at, "snooze", "2")
    assert await shop.act("tag", "đổi trả") == "Đã bỏ nhãn đổi trả."
    assert await shop.act("tag", " ") == "Chưa có nội dung."


async def post_of(shop: Shop):  # type: ignore[no-untyped-def]
    post = await shop.cases.post_of(1)
    assert post is not None
    return post


async def test_history_names_all_cases(shop: Shop) -> None:
    await shop.handed_over()
    await shop.act("take")
    await shop.act("resolve")
    await shop.settled()
    await shop.handed_over()
    lines = (await shop.act("history")).splitlines()
    assert len(lines) == 2
    assert "Khách muốn đổi áo" in lines[0]
    assert "Mai" in lines[1]


async def test_what_the_relay_does_not_do_is_done_by_others_or_refused(shop: Shop) -> None:
    await shop.handed_over()
    assert await shop.act("draft") == "Chức năng này đang tắt."

    async def draft(action: Action, case: Case) -> ActionResult:
        return ActionResult(f"{action.by.name}: {case.reason}")

    shop.relay._acting._extras = {"draft": draft}  # type: ignore[union-attr]
    assert await shop.act("draft") == "Mai: asked"


async def test_a_post_that_is_nobodys_is_said(shop: Shop) -> None:
    await shop.handed_over()
    lost = (await post_of(shop)).address.__class__("desk", "post77")
    assert (await shop.relay.act(Action("y", "take", Person("1", "A"), lost))).words.startswith("Bài này")


@pytest.mark.parametrize("kind", ["take", "resolve"])
async def test_a_command_counts_after_a_restart(tmp_path, kind: str) -> None:  # type: ignore[no-untyped-def]
    world = World()
    async with opened(tmp_path, world) as shop:
        await shop.handed_over()
    async with opened(tmp_path, world) as shop:
        await shop.act(kind)  # type: ignore[arg-type]
        await shop.settled()
        assert world.post.card.state == ("human" if kind == "take" else "resolved")
