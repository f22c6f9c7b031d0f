"""People who write in several goes, at every door and through the whole program: one question, one answer."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.servers.anthropic.script import Pause, Say, Step
from tests.whole.program import running
from tests.whole.shop import Shop, echo, question_of, shop
from tests.whole.visitor import Visitor
from tests.words import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BURST = ("hi", "shop ơi", "áo này còn size M không")
NEVER: list[Step] = [Pause(60.0), Say("Không ai đọc.")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """One program for all tests here; each has a person of its own."""
    async with shop(tmp_path_factory.mktemp("bursts"), claude={"delay": 0.3}) as stage, stage.open():
        yield stage


async def reads(stage: Shop, chat_id: int, *texts: str) -> None:
    try:
        await stage.telegram.wait_for(lambda: stage.telegram.texts(chat_id) == list(texts))
    except TimeoutError:
        pytest.fail(f"instead: {stage.telegram.texts(chat_id)}")


def questions(stage: Shop, since: int) -> list[str]:
    return [question_of(call.body) for call in stage.claude.calls[since:] if call.body]


async def test_a_greeting_a_call_and_a_question_in_telegram_are_one_question_to_claude(stage: Shop) -> None:
    lan, since = stage.telegram.customer(8101), len(stage.claude.calls)
    for text in BURST:
        lan.write(text)
    whole = "\n".join(BURST)
    await reads(stage, lan.chat_id, echo(whole))
    assert questions(stage, since) == [whole]
    answered = "SELECT count(answered_by), count(DISTINCT answered_by) FROM inbox WHERE text IN (?, ?, ?)"
    await eventually(lambda: stage.rows(answered, *BURST) == [(3, 1)])


async def test_a_visitor_of_the_page_and_staff_in_discord_are_understood_the_same_way(stage: Shop) -> None:
    since, mine = len(stage.claude.calls), stage.discord.staff
    async with Visitor(stage.url) as mai:
        await mai.write("alo")
        await mai.write("ship Huế bao lâu")
        answer = await mai.answer()
        assert answer.text == echo("alo\nship Huế bao lâu")
    mine.dm("ê bot")
    mine.dm("khách hỏi phí ship")
    await stage.discord.wait_for(
        lambda: [shown.content for shown in stage.discord.answers(mine.direct)] == [echo("ê bot\nkhách hỏi phí ship")]
    )
    assert questions(stage, since) == ["alo\nship Huế bao lâu", "ê bot\nkhách hỏi phí ship"]


async def test_a_beginning_that_stays_alone_is_answered(stage: Shop) -> None:
    lan = stage.telegram.customer(8102)
    lan.write("shop ơi")
    await reads(stage, lan.chat_id, echo("shop ơi"))


async def test_what_comes_before_the_first_words_closes_claudes_stream_and_joins(stage: Shop) -> None:
    stage.script = {"#joined-2": [Say("Cả hai đều còn ạ.")], "#joined-1": NEVER}
    lan = stage.telegram.customer(8103)
    lan.write("áo này còn không? #joined-1")
    await stage.claude.until(lambda: bool(stage.asked("#joined-1")))
    lan.write("còn quần này? #joined-2")
    await reads(stage, lan.chat_id, "Cả hai đều còn ạ.")
    first, second = stage.asked("#joined-1")
    await stage.claude.until(lambda: first.outcome == "disconnected")
    assert question_of(second.body) == "áo này còn không? #joined-1\ncòn quần này? #joined-2"
    answered = "SELECT count(answered_by), count(DISTINCT answered_by) FROM inbox WHERE text LIKE '%#joined-%'"
    await eventually(lambda: stage.rows(answered) == [(2, 1)])
    ((tokens,),) = stage.rows(
        "SELECT input_tokens + cache_read_tokens + cache_write_tokens FROM turns WHERE text = 'Cả hai đều còn ạ.'"
    )
    assert tokens > 0


async def test_what_comes_after_the_first_words_is_the_next_turn(stage: Shop) -> None:
    stage.script = {"#next-1": [Say("Áo này còn ạ."), Pause(0.4), Say(" Bạn cứ đặt nhé.")]}
    lan = stage.telegram.customer(8104)
    lan.write("áo này còn không? #next-1")
    await stage.telegram.wait_for(lambda: stage.telegram.texts(lan.chat_id))
    lan.write("còn quần này? #next-2")
    await reads(stage, lan.chat_id, "Áo này còn ạ. Bạn cứ đặt nhé.", echo("còn quần này? #next-2"))


async def test_an_edit_in_telegram_before_the_first_words_is_asked_about_instead(stage: Shop) -> None:
    stage.script = {"size M #edit": NEVER}
    lan = stage.telegram.customer(8105)
    written = lan.write("áo này còn size M #edit")
    await stage.claude.until(lambda: bool(stage.asked("size M #edit")))
    lan.edit(written, "áo này còn size L #edit")
    await reads(stage, lan.chat_id, echo("áo này còn size L #edit"))


async def test_an_edit_by_staff_before_the_first_words_is_asked_about_instead(stage: Shop) -> None:
    stage.script = {"đơn 4711": NEVER}
    member = stage.discord.add_member("Ngọc", stage.discord.staff_role)
    written = member.dm("khách hỏi đơn 4711")
    await stage.claude.until(lambda: bool(stage.asked("đơn 4711")))
    member.edit(written, "khách hỏi đơn 4712")
    await stage.discord.wait_for(
        lambda: [shown.content for shown in stage.discord.answers(member.direct)] == [echo("khách hỏi đơn 4712")]
    )


async def test_an_edit_by_staff_after_the_first_words_is_told_as_a_correction(stage: Shop) -> None:
    stage.script = {
        "đơn 4814": [Say("Đơn 4814 đang giao.")],
        "đơn 4813": [Say("Đơn 4813 đã giao"), Pause(0.5), Say(" hôm qua.")],
    }
    member = stage.discord.add_member("Hà", stage.discord.staff_role)
    written = member.dm("khách hỏi đơn 4813")
    await stage.discord.wait_for(lambda: stage.discord.answers(member.direct))
    member.edit(written, "khách hỏi đơn 4814")
    await stage.discord.wait_for(
        lambda: (
            [shown.content for shown in stage.discord.answers(member.direct)]
            == ["Đơn 4813 đã giao hôm qua.", "Đơn 4814 đang giao."]
        )
    )
    (call,) = stage.asked("đơn 4814")
    assert question_of(call.body) == "[edited: this replaces an earlier message]\nkhách hỏi đơn 4814"


async def test_a_hundred_messages_of_one_customer_cost_few_requests(stage: Shop) -> None:
    stage.script = {}
    lan, since = stage.telegram.customer(8106), len(stage.claude.calls)
    words = [f"câu #{number}." for number in range(100)]
    for word in words:
        lan.write(word)
    await stage.telegram.wait_for(lambda: words[-1] in "".join(stage.telegram.texts(lan.chat_id)))
    await eventually(lambda: stage.rows("SELECT count(*) FROM inbox WHERE answered_at IS NULL") == [(0,)])
    answered = "".join(stage.telegram.texts(lan.chat_id))
    assert [word for word in words if answered.count(word) != 1] == []
    assert sorted(words, key=answered.index) == words
    assert len(stage.claude.calls) - since <= 8
    assert len(stage.telegram.texts(lan.chat_id)) <= 2


@pytest.mark.timeout(90)
async def test_what_had_joined_before_a_kill_is_one_turn_after_the_next_start(tmp_path: Path) -> None:
    async with shop(tmp_path, discord_bot_token=None, shopdesk_web="off") as stage:
        stage.script = {"#kill": NEVER}
        lan = stage.telegram.customer(8107)
        async with running(stage) as program:
            await program.is_on("telegram")
            lan.write("một #kill-1")
            await stage.claude.until(lambda: len(stage.asked("#kill-1")) == 1)
            lan.write("hai #kill-2")
            await stage.claude.until(lambda: len(stage.asked("#kill-2")) == 1)
            await program.kill()
        stage.script = {}
        async with running(stage):
            whole = [echo("một #kill-1\nhai #kill-2")]
            await stage.telegram.wait_for(lambda: stage.telegram.texts(lan.chat_id) == whole, timeout=40)
            await eventually(lambda: stage.rows("SELECT count(DISTINCT answered_by) FROM inbox") == [(1,)])
