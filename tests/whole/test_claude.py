"""Claude in trouble, through the whole program: one sentence for the customer, and afterwards all is well."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import pytest_asyncio

from bot import app
from bot.doors import Door
from bot.llm.anthropic.model import ANTHROPIC, AnthropicModel
from bot.scheduler import SendScheduler
from tests.servers.anthropic.script import Fault, FaultKind, Pause, Say, Step, Stop
from tests.servers.telegram import Customer
from tests.whole.shop import Shop, echo, question_of, shop
from tests.words import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

VI_DOWN = "Xin lỗi bạn, lúc này mình chưa trả lời được. Bạn thử lại sau ít phút giúp mình nhé."
EN_DOWN = "Sorry, I can't answer right now. Please try again in a few minutes."
VI_REFUSED = "Xin lỗi bạn, câu này mình không trả lời được. Bạn hỏi mình về chính sách của Nhà Mây nhé."
HALF: list[Step] = [Say("Nửa đầu của câu trả lời. "), Pause(0.1), Say("Nửa sau của câu trả lời, dài hơn nhiều.")]
_chats = iter(range(8000, 9000))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """One program for all faults, whose model has less patience than usual."""
    async with AsyncExitStack() as stack:
        folder = tmp_path_factory.mktemp("claude")
        stage = await stack.enter_async_context(shop(folder, discord_bot_token=None, shopdesk_web="off"))
        opened = await stack.enter_async_context(app.opened(stage.settings))
        await opened.model.close()
        place = replace(ANTHROPIC, base_url=stage.claude.url)
        impatient = AnthropicModel(
            model="claude-haiku-5-5", api_key=stage.claude.api_key, endpoint=place, read_timeout=0.4
        )
        opened = replace(opened, model=impatient)
        doors = {one.name: Door(one, SendScheduler(one)) for one in app.platforms_of(opened, dict)}
        stop = asyncio.Event()
        serving = asyncio.create_task(app.serve(opened, doors, stop, stage.announce))
        yield stage
        stop.set()
        await serving
        await impatient.close()


def customer(stage: Shop, language: str = "vi") -> Customer:
    return stage.telegram.customer(next(_chats), "Lan", language)


async def reads(stage: Shop, who: Customer, *texts: str) -> None:
    try:
        await stage.telegram.wait_for(lambda: stage.telegram.texts(who.chat_id) == list(texts))
    except TimeoutError:
        pytest.fail(f"instead: {stage.telegram.texts(who.chat_id)}")


def outcomes(stage: Shop, who: Customer) -> list[tuple[object, ...]]:
    return stage.rows(
        "SELECT turns.outcome, turns.text FROM turns JOIN conversations ON conversations.id = conversation_id"
        " WHERE turns.role = 'assistant' AND chat_id = ? ORDER BY turns.id",
        str(who.chat_id),
    )


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("http", {"status": 529}),
        ("http", {"status": 500}),
        ("http", {"status": 429, "retry_after": "30"}),
        ("http", {"status": 400}),
        ("html", {"status": 200}),
        ("reset", {"after": -1}),
        ("slow", {"seconds": -1.0}),
        ("json_body", {}),
        ("sse_error", {"after": 3}),
        ("bad_json", {"after": 3}),
        ("cut", {"after": 3}),
        ("reset", {"after": 3}),
        ("eof", {"after": 3}),
        ("eof", {"after": None}),
        ("stall", {"after": 3}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
async def test_whatever_goes_wrong_the_customer_reads_one_sentence_and_the_next_answer_is_whole(
    stage: Shop, kind: FaultKind, options: dict[str, object]
) -> None:
    lan = customer(stage)
    mark = f"#{kind}{lan.chat_id}"
    stage.script[mark] = HALF
    stage.claude.fault(Fault(kind, when=lambda body: mark in question_of(body), **options))  # type: ignore[arg-type]
    lan.write(mark)
    await reads(stage, lan, VI_DOWN)
    lan.write(f"còn đây? {lan.chat_id}")
    await reads(stage, lan, VI_DOWN, echo(f"còn đây? {lan.chat_id}"))
    assert len(stage.asked(mark)) == 1
    assert "Nửa đầu" not in stage.asked("còn đây?")[-1].raw.decode()
    stage.claude.heal()


async def test_a_key_that_is_revoked_and_mended_needs_no_restart(stage: Shop) -> None:
    ann, keys = customer(stage, "en"), stage.claude.keys
    stage.claude.keys = ("sk-ant-another",)
    ann.write("where is my order?")
    await reads(stage, ann, EN_DOWN)
    stage.claude.keys = keys
    ann.write("and now, please?")
    await reads(stage, ann, EN_DOWN, echo("and now, please?"))


async def test_what_the_model_declines_is_told_and_forgotten(stage: Shop) -> None:
    lan = customer(stage)
    stage.script["#declined"] = [Say("Đây là"), Stop("refusal")]
    lan.write("chuyện khác #declined")
    await reads(stage, lan, VI_REFUSED)
    lan.write("phí giao hàng #after-declined")
    await reads(stage, lan, VI_REFUSED, echo("phí giao hàng #after-declined"))
    assert '#declined"' not in stage.asked("#after-declined")[0].raw.decode()


async def test_a_storm_of_failures_leaves_nothing_open(stage: Shop) -> None:
    crowd = [customer(stage) for _ in range(20)]
    stage.claude.fault(Fault("http", status=529, times=None))
    for number, who in enumerate(crowd):
        who.write(f"bão {number}")
    await asyncio.gather(*(reads(stage, who, VI_DOWN) for who in crowd))
    stage.claude.heal()
    for number, who in enumerate(crowd):
        who.write(f"tạnh {number}")
    await asyncio.gather(*(reads(stage, who, VI_DOWN, echo(f"tạnh {number}")) for number, who in enumerate(crowd)))
    await eventually(lambda: stage.rows("SELECT count(*) FROM inbox WHERE answered_at IS NULL") == [(0,)])
    assert outcomes(stage, crowd[0]) == [("failed", VI_DOWN), ("complete", echo("tạnh 0"))]
    refused = [call for call in stage.telegram.log if call.status not in (0, 200)]
    assert refused == []
