"""The loopback Messages API, and models that talk to it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from bot.chat import Source
from bot.llm.anthropic.model import ANTHROPIC, AnthropicModel
from bot.llm.base import ModelMessage, ModelRequest
from tests.servers.anthropic import AnthropicServer

Connect = Callable[..., AnthropicModel]

RETURNS = Source("en/returns#time", "Returns", "How long", "You may return goods within 7 days. Keep the tag.")
SHIPPING = Source("en/shipping#fee", "Shipping", "Fees", "Shipping costs 30,000 VND inside the city.")


@pytest.fixture
async def server() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer() as server:
        yield server


@pytest.fixture
async def connect(server: AnthropicServer) -> AsyncIterator[Connect]:
    """Makes models that are closed at the end of the test; keywords replace the defaults, `base_url` and `auth` those
    of the endpoint."""
    models: list[AnthropicModel] = []

    def make(**changes: object) -> AnthropicModel:
        of_endpoint = {"base_url", "auth", "headers", "conversation_header"}
        place = {"base_url": server.url} | {name: changes.pop(name) for name in of_endpoint & changes.keys()}
        settings: dict[str, object] = {
            "model": "claude-haiku-5-5",
            "api_key": server.api_key,
            "endpoint": replace(ANTHROPIC, **place),  # type: ignore[arg-type]
            **changes,
        }
        models.append(AnthropicModel(**settings))  # type: ignore[arg-type]
        return models[-1]

    yield make
    for model in models:
        await model.close()


@pytest.fixture
def question() -> ModelRequest:
    return ModelRequest(
        system="You answer for a shop.",
        messages=(ModelMessage("user", "How long may I return goods?"),),
        sections=(RETURNS, SHIPPING),
        context="It is Friday.",
        language="en",
    )
