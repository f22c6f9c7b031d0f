"""Tries a model of an OpenAI-compatible endpoint once and says in words what is wrong and what to do about it."""

import time
from collections.abc import Callable

from bot.checks import CheckResult
from bot.errors import SettingsError
from bot.llm.endpoint import Endpoint
from bot.llm.openai_compatible.model import OPENAI, OpenAIModel
from bot.llm.reach import try_listing, try_model, unusable

_TOKENS = 16
"""Some endpoints refuse to be asked for less."""


async def check_openai(
    *,
    model: str,
    api_key: str = "",
    endpoint: Endpoint = OPENAI,
    label: str = "",
    timeout: float = 20.0,
    clock: Callable[[], float] = time.monotonic,
) -> CheckResult:
    """Streams an answer of a few tokens; without a name of a `model`, asks for the list only. Never raises; the result
    holds no key. `label` is how the key is called."""
    name = f"{endpoint.name}:{model}" if model else endpoint.name
    try:
        tried = OpenAIModel(model=model, api_key=api_key, endpoint=endpoint)
    except SettingsError as exc:
        return unusable(name, exc)
    try:
        if not model:
            return await try_listing(tried, endpoint, name=name, key=label, timeout=timeout)
        return await try_model(tried, endpoint, name=name, key=label, tokens=_TOKENS, timeout=timeout, clock=clock)
    finally:
        await tried.close()
