"""What Claude has cost, as its own server counted it: of answers that end, are stopped, fail, or are begun anew."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.config import Budgets
from bot.llm.anthropic.model import ANTHROPIC, AnthropicModel
from tests.bot.engine.desk import Desk, opened
from tests.servers.anthropic import AnthropicServer
from tests.servers.anthropic.script import Fault
from tests.words import eventually

TEXT = "Bạn đổi trả trong 7 ngày kể từ khi nhận hàng nhé. " * 20
SPENT = (
    "SELECT spendings.model, outcome, spendings.input_tokens + spendings.cache_read_tokens +"
    " spendings.cache_write_tokens, spendings.output_tokens, spendings.estimated_tokens, spendings.cost"
    " FROM spendings JOIN turns ON turns.id = turn_id ORDER BY turn_id"
)


@pytest.fixture
async def claude() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer(rate=400.0) as server:
        server.answer(TEXT)
        yield server


@pytest.fixture
async def desk(claude: AnthropicServer, tmp_path: Path) -> AsyncIterator[Desk]:
    model = AnthropicModel(
        model="claude-haiku-5-5", api_key=claude.api_key, endpoint=replace(ANTHROPIC, base_url=claude.url)
    )
    async with opened(tmp_path, budgets=Budgets(customer_tokens=10**9), model=lambda policies: model) as desk:
        yield desk
    await model.close()


async def spent(desk: Desk) -> list[tuple[str, str, int, int, int, int]]:
    return await desk.rows(SPENT)  # type: ignore[return-value]


async def test_an_answer_that_ends_costs_what_was_billed(desk: Desk) -> None:
    await desk.ask("đổi trả mấy ngày?")
    ((model, outcome, read, said, estimated, cost),) = await spent(desk)
    assert (model, outcome, estimated) == ("anthropic:claude-haiku-5-5", "complete", 0)
    assert read > 1000
    assert said > 100
    assert cost >= 10 * read + 500 * said


async def test_an_answer_that_is_stopped_costs_what_was_read_and_about_what_was_said(
    desk: Desk, claude: AnthropicServer
) -> None:
    await desk.write("đổi trả mấy ngày?")
    await eventually(lambda: bool(claude.calls) and claude.calls[0].deltas > 40)
    await desk.write("", command="stop")
    await desk.answered()
    ((_, outcome, read, said, estimated, cost),) = await spent(desk)
    (shown,) = await desk.rows("SELECT length(CAST(text AS BLOB)) FROM turns WHERE role = 'assistant'")
    assert outcome == "stopped"
    assert said == estimated + 1 == int(str(shown[0])) // 3 + 4
    assert read > 1000
    assert cost >= 10 * read + 500 * said


@pytest.mark.parametrize("kind", ["reset", "eof", "sse_error"])
async def test_an_answer_that_breaks_off_costs_the_same_way(desk: Desk, claude: AnthropicServer, kind: str) -> None:
    claude.fault(Fault(kind, after=60))  # type: ignore[arg-type]
    await desk.ask("đổi trả mấy ngày?")
    ((_, outcome, read, said, estimated, _),) = await spent(desk)
    assert outcome == "failed"
    assert said == estimated + 1 > 60
    assert read > 1000


async def test_what_never_began_costs_nothing(desk: Desk, claude: AnthropicServer) -> None:
    claude.fault(Fault("http", status=529))
    await desk.ask("đổi trả mấy ngày?")
    assert await spent(desk) == []
    assert await desk.rows("SELECT outcome, cost FROM turns WHERE role = 'assistant'") == [("failed", None)]


async def test_an_attempt_that_is_begun_anew_is_paid_for_twice(desk: Desk, claude: AnthropicServer) -> None:
    claude.delay = 0.2
    await desk.write("đổi trả mấy ngày?")
    shop = desk.spent
    await eventually(lambda: shop.by_shop().tokens > 0)
    first = shop.by_shop().tokens
    await desk.write("còn giày thì sao?")
    await desk.answered()
    assert len(claude.calls) == 2
    ((_, outcome, read, said, _, _),) = await spent(desk)
    assert outcome == "complete"
    assert said > 100
    assert read > 1.9 * first
    assert shop.by_shop().tokens == read + said
