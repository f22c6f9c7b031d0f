"""Tries a model of the Messages API once and says in words what is wrong and what to do about it."""

import time
from collections.abc import Callable
from typing import get_args

import anthropic

from bot.checks import CheckResult
from bot.errors import SettingsError
from bot.llm.anthropic.model import ANTHROPIC, AnthropicModel
from bot.llm.endpoint import Endpoint
from bot.llm.reach import try_listing, try_model, unusable


async def check_anthropic(
    *,
    model: str,
    api_key: str,
    endpoint: Endpoint = ANTHROPIC,
    label: str = "",
    timeout: float = 20.0,
    clock: Callable[[], float] = time.monotonic,
) -> CheckResult:
    """Streams an answer of one token; without a name of a `model`, asks for the list only. Never raises; the result
    holds no key. `label` is how the key is called."""
    name = f"{endpoint.name}:{model}" if model else endpoint.name
    try:
        tried = AnthropicModel(model=model, api_key=api_key, endpoint=endpoint)
    except SettingsError as exc:
        return unusable(name, exc)
    try:
        if not model:
            return await try_listing(tried, endpoint, name=name, key=label, timeout=timeout)
        names = [name for part in get_args(anthropic.types.ModelParam) for name in get_args(part)]
        return await try_model(tried, endpoint, name=name, key=label, known_models=names, timeout=timeout, clock=clock)
    finally:
        await tried.close()
