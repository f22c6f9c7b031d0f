"""How a conversation comes to the desk, and back to the bot."""

from datetime import timedelta

from bot.llm.base import ToolCall
from tests.bot.relay.workbench import HAND_OVER, Shop
from tests.words import eventually


async def test_the_model_hands_over_and_the_customer_and_the_desk_know(shop: Shop) -> None:
    await shop.handed_over()
    case = await shop.case()
    assert (case.state, case.reason, case.summary) == ("waiting", "asked", HAND_OVER["summary"])
    (text,) = shop.world.seen
    assert text.startswith("Dạ mình đã chuyển cho nhân viên.\n\nMình đã báo cho nhân viên của Nhà Mây rồi ạ.")
    assert "/new" in text
    card = shop.world.post.card
    assert card.state == "waiting"
    assert "NM12345" in card.text
    assert "gặp người thật" in card.text


async def test_a_call_without_words_is_told_in_the_shops_words(shop: Shop) -> None:
    shop.world.model.script = lambda request: () if request.rounds else (ToolCall("1", "hand_over", HAND_OVER),)
    await shop.handed_over()
    (text,) = shop.world.seen
    assert text.startswith("Mình đã báo cho nhân viên")


async def test_a_wrong_reason_hands_nothing_over(shop: Shop) -> None:
    wrong = HAND_OVER | {"reason": "taken"}
    shop.world.model.script = lambda request: (
        ("Dạ không sao.",) if request.rounds else (ToolCall("1", "hand_over", wrong),)
    )
    await shop.handed_over()
    assert await shop.cases.newest(1) is None
    assert shop.world.seen == ["Dạ không sao."]


async def test_a_command_asks_for_a_person(shop: Shop) -> None:
    await shop.customer("", command="human")
    await shop.settled()
    case = await shop.case()
    assert (case.state, case.reason) == ("waiting", "asked")
    assert shop.world.seen[0].startswith("Mình đã báo cho nhân viên")
    await shop.customer("", command="human")
    await shop.settled()
    assert "đã nhận được yêu cầu" in shop.world.seen[1]
    assert len(await shop.cases.all_of(1)) == 1


async def test_when_no_model_answers_a_person_is_to(shop: Shop) -> None:
    shop.world.model.script = lambda request: (RuntimeError("broken"),)
    await shop.customer("phí ship bao nhiêu?")
    await shop.settled()
    assert (await shop.case()).reason == "model_down"
    assert shop.world.seen[0].startswith("Xin lỗi bạn, lúc này mình chưa trả lời được.")
    assert "nhân viên" in shop.world.seen[0]


async def test_while_he_waits_no_model_is_asked_and_he_is_told_once(shop: Shop) -> None:
    await shop.handed_over()
    asked = len(shop.world.model.requests)
    for text in ("đơn NM12345", "áo màu xanh", "size M"):
        await shop.customer(text)
    await shop.settled()
    await shop.customer("còn đó không ạ")
    await shop.settled()
    assert len(shop.world.model.requests) == asked
    assert shop.world.post.texts == ["đơn NM12345", "áo màu xanh", "size M", "còn đó không ạ"]
    assert len(shop.world.seen) == 2
    assert shop.world.seen[1].startswith("Mình đã chuyển tin nhắn này cho nhân viên")


async def test_new_brings_the_bot_back_and_resolves_the_case(shop: Shop) -> None:
    await shop.handed_over()
    await shop.customer("", command="new")
    await shop.settled()
    case = await shop.case()
    assert (case.state, case.resolved_by) == ("resolved", "customer")
    assert shop.world.post.card.state == "resolved"
    await shop.customer("shop ở đâu?")
    await shop.settled()
    assert shop.world.seen[-1] == "Bot: shop ở đâu?"


async def test_resolved_means_that_the_bot_answers_and_is_told_not_to_begin_again(shop: Shop) -> None:
    await shop.handed_over()
    await shop.staff("Dạ em đổi áo cho mình rồi ạ.")
    await shop.settled()
    assert await shop.act("resolve") == "Đã xong. Trợ lý tự động trả lời khách trở lại."
    await shop.settled()
    assert "xử lý xong" in shop.world.seen[-1]
    await shop.customer("cảm ơn shop nhé")
    await shop.settled()
    assert shop.world.seen[-1] == "Bot: cảm ơn shop nhé"
    request = shop.world.model.requests[-1]
    assert "never call hand_over for it" in request.context
    assert ("assistant", "Dạ em đổi áo cho mình rồi ạ.") in [(one.role, one.text) for one in request.messages]
    assert (await shop.case()).state == "resolved"


async def test_the_next_case_reopens_his_post_and_says_so_at_its_end(shop: Shop) -> None:
    await shop.handed_over()
    await shop.act("resolve")
    await shop.settled()
    await shop.handed_over()
    assert len(shop.world.desk.posts) == 1
    assert shop.world.post.card.state == "waiting"
    assert shop.world.post.texts[-1].startswith("Yêu cầu mới: khách muốn gặp nhân viên.")
    assert len(await shop.cases.all_of(1)) == 2


async def test_the_start_of_every_request_is_the_same_to_the_byte(shop: Shop) -> None:
    for text in ("một", "hai", "ba"):
        await shop.customer(text)
        await shop.settled()
    requests = shop.world.model.requests
    assert len({repr((one.system, one.tools, one.sections)) for one in requests}) == 1
    assert [tool.name for tool in requests[0].tools] == ["hand_over"]


async def test_the_first_answer_offers_a_person_and_no_later_one(shop: Shop) -> None:
    for text in ("một", "hai"):
        await shop.customer(text)
        await shop.settled()
    assert [one.message.offers_person for one in shop.world.platform.messages.values()] == [True, False]


async def test_staff_are_offered_no_tool_and_ask_the_bot_elsewhere(shop: Shop) -> None:
    from_staff = {"role": "staff", "sender_id": "7"}
    await shop.customer("phí ship?", None, **from_staff)
    await shop.settled()
    assert shop.world.model.requests[-1].tools == ()


async def test_a_case_in_which_nobody_writes_goes_back_to_the_bot_with_a_notice(shop: Shop) -> None:
    await shop.handed_over()
    await shop.act("take")
    await shop.settled()
    shop.world.jump = timedelta(hours=25)
    await eventually(lambda: "trợ lý tự động sẽ trả lời tiếp" in shop.world.seen[-1])
    await shop.settled()
    assert (await shop.case()).resolved_by == "quiet"
    assert shop.world.post.texts[-1].startswith("Lâu không có tin mới")


async def test_who_waits_and_was_not_taken_is_never_given_up(shop: Shop) -> None:
    await shop.handed_over()
    shop.world.jump = timedelta(days=9)
    await shop.customer("alo shop?")
    await shop.settled()
    assert (await shop.case()).state == "waiting"
