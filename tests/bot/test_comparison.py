"""Two models, the same questions: both answers, what they took and cost, and what went wrong on one side only."""

import io
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from bot.compared import json_of, show_compared, show_totals
from bot.comparison import QUESTIONS, Compared, compare, totals
from bot.config import read_config
from bot.errors import SettingsError
from bot.models import model_of
from bot.settings import Settings
from tests.bot.test_models import settings_in
from tests.servers.anthropic import AnthropicServer, Fault
from tests.servers.openai import OpenAIServer
from tests.whole.shop import PROMPTS, question_of

CLAUDE, OTHER = "anthropic:claude-haiku-5-5", "openai:gpt-4.1-mini"
RATE = Decimal(26_000)


@pytest.fixture
async def claude() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer() as server:
        yield server


@pytest.fixture
async def other() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, claude: AnthropicServer, other: OpenAIServer) -> Settings:
    found = settings_in(
        tmp_path,
        ANTHROPIC_API_KEY=claude.api_key,
        ANTHROPIC_BASE_URL=claude.url,
        OPENAI_API_KEY=other.api_key,
        OPENAI_BASE_URL=other.url,
    )
    return found.model_copy(update={"shopdesk_prompts": PROMPTS, "shopdesk_data": tmp_path / "data"})


async def compared(settings: Settings, *questions: str, names: tuple[str, str] = (CLAUDE, OTHER)) -> list[Compared]:
    config = read_config(settings.config_file)
    return [one async for one in compare(settings, config, names, questions, model_of)]


async def test_both_are_asked_as_the_shop_asks_with_its_prompt_and_sections(
    settings: Settings, claude: AnthropicServer, other: OpenAIServer
) -> None:
    (one,) = await compared(settings, "Phí ship bao nhiêu?")
    assert [question_of(call.body) for call in claude.calls if call.body] == ["Phí ship bao nhiêu?"]
    prompt = (PROMPTS / "system.md").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert prompt in claude.calls[0].raw.decode()
    assert "Miễn phí giao hàng" in claude.calls[0].raw.decode()
    assert prompt in json.dumps(other.log[-1].body, ensure_ascii=False)
    first, second = one.sides
    assert (first.model, second.model) == (CLAUDE, OTHER)
    assert first.text
    assert second.text == "Dạ, shop chào bạn."
    assert first.sources
    assert (first.usage.cost > 0, first.is_priced, second.is_priced) == (True, True, False)
    assert first.first_text is not None
    assert first.first_text <= first.total


async def test_an_error_on_one_side_is_a_sentence_and_the_next_question_is_asked(
    settings: Settings, other: OpenAIServer
) -> None:
    other.fault(Fault("http", 529))
    first, second = await compared(settings, "Câu một?", "Câu hai?")
    assert "529" in first.sides[1].fault
    assert (first.sides[0].fault, second.sides[1].fault) == ("", "")
    found = totals([first, second])
    assert [(one.answered, one.asked) for one in found] == [(2, 2), (1, 2)]
    assert not json.loads(json_of([first, second], found, RATE))["ok"]


async def test_without_a_question_some_of_the_shops_own_tests_are_asked_of_many_files(settings: Settings) -> None:
    found = await compared(settings, names=("offline", "offline"))
    assert len(found) == QUESTIONS
    assert len({one.turns for one in found}) == QUESTIONS
    assert all(side.usage.cost == 0 and side.is_priced for one in found for side in one.sides)


async def test_a_shop_without_tests_is_told_to_name_a_question(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty" / "policies").mkdir(parents=True)
    for path in PROMPTS.rglob("*"):
        if path.is_file() and "tests" not in path.parts[-2:]:
            copy = tmp_path / "empty" / path.relative_to(PROMPTS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    with pytest.raises(SettingsError, match="--question"):
        await compared(settings.model_copy(update={"shopdesk_prompts": tmp_path / "empty"}))


async def test_a_name_that_is_wrong_is_said_before_anything_is_paid_for(
    settings: Settings, claude: AnthropicServer
) -> None:
    with pytest.raises(SettingsError, match="did you mean openai"):
        await compared(settings, "Câu một?", names=(CLAUDE, "opnai:x"))
    assert claude.calls == []


@pytest.mark.parametrize("width", [80, 120])
async def test_the_page_fits_its_columns_and_no_answer_steers_the_terminal(
    settings: Settings, other: OpenAIServer, width: int
) -> None:
    other.answer("Dạ \x1b[31m[red]đỏ[/red] " * 40)
    found = await compared(settings, "Phí ship?")
    shown = page(found, width)
    assert all(cell_len(line) <= width for line in shown.splitlines())
    assert "\x1b" not in shown
    assert "[red]đỏ[/red]" in shown
    heads = [line for line in shown.splitlines() if CLAUDE in line and "of" not in line]
    assert (OTHER in heads[0]) is (width == 120)
    assert "1 of 1" in shown
    assert "₫" in shown
    assert "no price" in shown


async def test_json_has_both_answers_with_times_tokens_money_and_sources(settings: Settings) -> None:
    found = await compared(settings, "Phí ship?")
    values: dict[str, Any] = json.loads(json_of(found, totals(found), RATE))
    first, second = values["questions"][0]["answers"]
    assert values["ok"] is True
    assert first["dong"] == pytest.approx(first["dollars"] * 26_000, abs=0.01)
    assert (second["dollars"], second["dong"]) == (None, None)
    assert first["first_text_ms"] <= first["total_ms"]
    assert all("#" in source for source in first["sources"])


def page(found: list[Compared], width: int) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    for number, one in enumerate(found, 1):
        show_compared(console, number, one, RATE)
    show_totals(console, totals(found), RATE)
    return out.getvalue()
