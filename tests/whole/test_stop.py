"""Stop, at every door and at every moment: the stream is closed at once, what was written stays and is marked."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.servers.anthropic.script import Pause, Say
from tests.servers.telegram import Customer
from tests.whole.shop import Shop, echo, shop
from tests.whole.visitor import Visitor
from tests.words import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

STOPPED, STOPPED_EN = "Dạ, mình dừng ở đây.", "All right, I've stopped here."
NOTHING = "Hiện mình không có câu trả lời nào đang viết ạ."
BEGINNING = "Dạ, đây là phần đầu."
_chats = iter(range(8000, 9000))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["edit", "draft"])
async def stage(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """One program for all tests here, once with each way in which Telegram's answers grow."""
    async with shop(tmp_path_factory.mktemp("stop"), telegram_stream=request.param) as stage:
        stage.script = {
            "#begun": [Say(BEGINNING), Pause(60.0), Say("Không ai đọc.")],
            "#silent": [Pause(60.0), Say("Không ai đọc.")],
        }
        async with stage.open():
            yield stage


def customer(stage: Shop, language: str = "vi") -> Customer:
    return stage.telegram.customer(next(_chats), "Lan", language)


def visible(stage: Shop, who: Customer) -> list[str]:
    return stage.telegram.texts(who.chat_id) + stage.telegram.drafts(who.chat_id)


async def until(stage: Shop, who: Customer, condition: Callable[[list[str]], bool]) -> None:
    try:
        await stage.telegram.wait_for(lambda: condition(visible(stage, who)))
    except TimeoutError:
        pytest.fail(f"instead: {visible(stage, who)}")


async def closed(stage: Shop, words: str) -> None:
    """Wait until Claude's stream for this question was broken off."""
    await stage.claude.until(lambda: [call.outcome for call in stage.asked(words)] == ["disconnected"])


@pytest.mark.parametrize(("language", "stopped"), [("vi", STOPPED), ("en", STOPPED_EN)])
async def test_a_customer_stops_with_the_command(stage: Shop, language: str, stopped: str) -> None:
    lan, words = customer(stage, language), "hỏi gì đó" if language == "vi" else "a question"
    lan.write(f"{words} #begun{lan.chat_id}")
    await until(stage, lan, lambda texts: texts == [BEGINNING])
    lan.write("/stop")
    await closed(stage, f"#begun{lan.chat_id}")
    await until(stage, lan, lambda texts: texts == [f"{BEGINNING}\n\n{stopped}"])
    assert stage.telegram.drafts(lan.chat_id) == []


async def test_a_customer_stops_with_the_button_under_the_draft(stage: Shop) -> None:
    if stage.settings.telegram_stream == "edit":
        assert "stopped_message_generation" not in (stage.telegram.account.allowed or ())
        return
    lan = customer(stage)
    lan.write(f"hỏi #begun{lan.chat_id}")
    await until(stage, lan, lambda texts: texts == [BEGINNING])
    stage.telegram.stop_pressed(lan.chat_id)
    await closed(stage, f"#begun{lan.chat_id}")
    await until(stage, lan, lambda texts: texts == [f"{BEGINNING}\n\n{STOPPED}"])


async def test_a_stop_before_the_first_word_leaves_only_the_sentence(stage: Shop) -> None:
    lan = customer(stage)
    lan.write(f"hỏi #silent{lan.chat_id}")
    await stage.claude.until(lambda: bool(stage.asked(f"#silent{lan.chat_id}")))
    lan.write("/stop")
    await closed(stage, f"#silent{lan.chat_id}")
    await until(stage, lan, lambda texts: texts == [STOPPED])


async def test_a_question_and_its_stop_in_one_go_leave_only_the_sentence(stage: Shop) -> None:
    lan = customer(stage)
    lan.write(f"hỏi #silent{lan.chat_id}")
    lan.write("/stop")
    await until(stage, lan, lambda texts: texts == [STOPPED])
    assert {call.outcome for call in stage.asked(f"#silent{lan.chat_id}")} <= {"disconnected"}
    lan.write("còn hàng không")
    await until(stage, lan, lambda texts: texts == [STOPPED, echo("còn hàng không")])


async def test_a_second_stop_finds_nothing_more_to_stop(stage: Shop) -> None:
    lan = customer(stage)
    lan.write(f"hỏi #begun{lan.chat_id}")
    await until(stage, lan, lambda texts: texts == [BEGINNING])
    lan.write("/stop")
    await until(stage, lan, lambda texts: texts == [f"{BEGINNING}\n\n{STOPPED}"])
    await stored(stage)
    lan.write("/stop")
    await until(stage, lan, lambda texts: texts == [f"{BEGINNING}\n\n{STOPPED}", NOTHING])


async def test_a_stop_behind_a_whole_answer_leaves_it_as_it_is(stage: Shop) -> None:
    lan = customer(stage)
    lan.write("còn hàng không")
    await until(stage, lan, lambda texts: texts == [echo("còn hàng không")])
    await stored(stage)
    lan.write("/stop")
    await until(stage, lan, lambda texts: texts == [echo("còn hàng không"), NOTHING])


async def test_a_stop_while_telegram_makes_the_chat_wait_closes_the_stream_at_once(stage: Shop) -> None:
    lan = customer(stage)
    method = "sendMessageDraft" if stage.settings.telegram_stream == "draft" else "sendMessage"
    fault = stage.telegram.fail("flood", method, chat_id=lan.chat_id, seconds=2, times=1)
    lan.write(f"hỏi #begun{lan.chat_id}")
    await stage.telegram.wait_for(lambda: fault.hits)
    (refused,) = stage.telegram.calls(method, chat_id=lan.chat_id)
    lan.write("/stop")
    await closed(stage, f"#begun{lan.chat_id}")
    assert visible(stage, lan) == []
    await until(stage, lan, lambda texts: texts == [f"{BEGINNING}\n\n{STOPPED}"])
    (sent,) = stage.telegram.calls("sendMessage", chat_id=lan.chat_id, status=200)
    assert sent.at - refused.at >= 2
    assert stage.telegram.calls(chat_id=lan.chat_id, status=429) == [refused]


async def test_a_visitor_stops_with_the_button_on_the_page(stage: Shop) -> None:
    async with Visitor(stage.url) as mai:
        assert await mai.write("hỏi #begun-web") == 202
        await mai.until(lambda page: any(shown.text == BEGINNING for shown in page))
        assert await mai.post("stop", {"id": "4f0e1c5a-98a5-4c8e-9a3c-000000000001"}) == 202
        await closed(stage, "#begun-web")
        assert (await mai.answer()).text == f"{BEGINNING}\n\n{STOPPED}"


async def test_staff_stop_with_the_command(stage: Shop) -> None:
    discord, name = stage.discord, f"Staff {stage.settings.telegram_stream}"
    member = discord.add_member(name, discord.staff_role)
    member.dm("hỏi #begun-staff")
    await discord.wait_for(lambda: [shown.content for shown in discord.answers(member.direct)] == [BEGINNING])
    member.command(member.direct, "stop", locale="vi")
    await closed(stage, "#begun-staff")
    await discord.wait_for(
        lambda: [shown.content for shown in discord.answers(member.direct)][:1] == [f"{BEGINNING}\n\n{STOPPED}"]
    )


async def stored(stage: Shop) -> None:
    """Until the program, too, knows that every answer is complete."""
    await eventually(lambda: stage.rows("SELECT count(*) FROM inbox WHERE answered_at IS NULL") == [(0,)])
