"""A shop whose policies are too long for one request, through the whole program: Claude searches, cites, misbehaves."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from tests.servers.anthropic import Cite, Say, Step, Think, UseTool
from tests.servers.anthropic.script import question_of, results_of, search_results
from tests.whole.shop import Shop, shop
from tests.words import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "túi xách dùng hai tháng bị đứt quai thì sao"
_chats = iter(range(6000, 7000))
Body = Mapping[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        folder = tmp_path_factory.mktemp("grounding")
        stage = await stack.enter_async_context(
            shop(folder, discord_bot_token=None, shopdesk_web="off", shopdesk_section_tokens=500)
        )
        stage.doors = 1
        await stack.enter_async_context(stage.open())
        yield stage


def rounds_in(body: Body) -> int:
    return sum(bool(results_of(message)) for message in body["messages"])


async def answered(stage: Shop, answer: Callable[[Body], Sequence[Step]], question: str = QUESTION) -> list[str]:
    """What a customer reads in the end."""
    lan = stage.telegram.customer(next(_chats), "Lan", "vi")
    before = len(stage.claude.calls)
    stage.claude.answer(answer)
    lan.write(question)

    def stored() -> bool:
        return bool(
            stage.rows(
                "SELECT 1 FROM inbox JOIN conversations ON conversations.id = conversation_id"
                " WHERE chat_id = ? AND answered_by IS NOT NULL",
                str(lan.chat_id),
            )
        )

    await stage.telegram.wait_for(lambda: bool(stage.telegram.texts(lan.chat_id)))
    await eventually(stored)
    assert {call.status for call in stage.claude.calls[before:]} == {200}
    return stage.telegram.texts(lan.chat_id)


async def test_claude_searches_again_and_what_it_cites_is_the_source(stage: Shop) -> None:
    def answer(body: Body) -> Sequence[Step]:
        if not rounds_in(body):
            return [Think("Bags."), UseTool("search_policies", {"query": "thời gian bảo hành", "language": "vi"})]
        found = [block["source"] for block in search_results(body)]
        assert "vi/warranty#thoi-gian-bao-hanh" in found
        return [Say("Dạ túi xách được bảo hành ạ."), Cite("vi/warranty#thoi-gian-bao-hanh"), Cite("vi/no#such")]

    (text,) = await answered(stage, answer)
    assert text.startswith("Dạ túi xách được bảo hành ạ.\n\nNguồn: Bảo hành")
    assert "Thời gian bảo hành" in text
    assert stage.rows("SELECT section_id FROM turn_sources") == [("vi/warranty#thoi-gian-bao-hanh",)]


EVIL: Mapping[str, Callable[[Body], Sequence[Step]]] = {
    "unknown tool": lambda body: [UseTool("rm_rf", {"path": "/"})],
    "no json": lambda body: [UseTool("search_policies", written='{"query": "x')],
    "a megabyte": lambda body: [UseTool("search_policies", written=json.dumps({"query": "x" * 2**20}))],
    "hundreds of calls": lambda body: [UseTool("search_policies", {"query": f"phí {n}"}) for n in range(300)],
    "thoughts between": lambda body: [
        Think("1"),
        UseTool("search_policies", {"query": "phí"}),
        Think("2"),
        UseTool("x"),
    ],
}


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("ends", [True, False], ids=["then answers", "never answers"])
async def test_a_model_that_misuses_its_tools_ends_in_an_answer_or_a_sentence(
    stage: Shop, evil: str, ends: bool
) -> None:
    before = len(stage.claude.calls)

    def answer(body: Body) -> Sequence[Step]:
        return [Say("Dạ xong ạ.")] if ends and "tool_choice" in body else EVIL[evil](body)

    (text,) = await answered(stage, answer)
    if ends:
        assert text == "Dạ xong ạ."
        assert len(stage.claude.calls) - before == 5
    else:
        assert text.startswith("Trợ lý tự động của shop đang tạm gián đoạn")
        assert len(stage.claude.calls) - before < 10


async def test_nothing_found_is_told_to_claude_behind_the_question(stage: Shop) -> None:
    await answered(stage, lambda body: [Say("Dạ mình chưa rõ ạ.")], "xyzzy qwerty")
    body = stage.claude.calls[-1].body
    assert question_of(body) == "xyzzy qwerty"
    assert "No section of the policies was found" in body["messages"][-1]["content"][-1]["text"]
    assert not list(search_results(body))
