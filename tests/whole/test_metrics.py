"""The figures of the running program, as whoever has the token sees them."""

import asyncio
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from tests.adapters.web.visitor import settled, visitor
from tests.whole.shop import shop

TOKEN = "figures-for-the-owner"


async def test_figures_are_for_whoever_has_the_token_and_name_nobody(tmp_path: Path) -> None:
    async with shop(
        tmp_path,
        discord_bot_token=None,
        telegram_bot_token=None,
        anthropic_api_key="sk-ant-test-one,sk-ant-test-two",
        shopdesk_metrics_token=SecretStr(TOKEN),
    ) as stage:
        stage.doors = 1
        async with stage.open(), visitor(stage.url) as mai, aiohttp.ClientSession() as http:
            await mai.say("bí mật của Mai")
            await mai.watch(settled())
            for shown in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
                async with http.get(f"{stage.url}metrics", headers=shown) as refused:
                    assert refused.status == 401
                    assert "shopdesk_" not in await refused.text()
            async with asyncio.timeout(10):
                # An answer is on the page before it is stored.
                while 'shopdesk_answers_total{outcome="complete"} 1' not in (text := await figures(http, stage.url)):
                    pass
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    model = "anthropic:claude-haiku-5-5"
    assert found["shopdesk_model_answers_total", model] == 1
    assert found["shopdesk_answers_total", "complete"] == 1
    assert found["shopdesk_tokens_total", model, "output"] > 0
    assert found["shopdesk_cost_dollars_total", model] > 0
    assert found["shopdesk_answer_first_visible_seconds_count",] == 1
    assert found["shopdesk_breaker", model, "closed"] == 1
    assert found["shopdesk_key", "anthropic key 2", model, "ready"] == 1
    assert found["shopdesk_door_on", "web"] == 1
    assert found["shopdesk_platform_calls_total", "send", "web"] >= 1
    assert found["shopdesk_page_streams",] >= 0
    for secret in ("sk-ant", "bí mật", "Mai", TOKEN):
        assert secret not in text


async def figures(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(f"{url}metrics", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert (answer.status, answer.content_type) == (200, "text/plain")
        return await answer.text()


async def test_without_a_token_there_is_no_page_of_figures(tmp_path: Path) -> None:
    async with shop(tmp_path, discord_bot_token=None, telegram_bot_token=None) as stage:
        stage.doors = 1
        async with stage.open(), aiohttp.ClientSession() as http, http.get(f"{stage.url}metrics") as answer:
            assert answer.status == 404
