"""`shopdesk check` for models: each model that may answer is tried with each of its keys, and measured with one."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bot.checks import CheckResult
from bot.config import Config
from bot.costs import dollars
from bot.errors import ModelError, ModelRefused, SettingsError
from bot.llm.anthropic.check import check_anthropic
from bot.llm.anthropic.model import ANTHROPIC, AnthropicModel
from bot.llm.endpoint import Endpoint
from bot.llm.openai_compatible.check import check_openai
from bot.llm.openai_compatible.model import OpenAIModel
from bot.llm.prices import NANO, Prices
from bot.llm.probe import Measured, measure
from bot.llm.reach import NoWords
from bot.models import OFFLINE, Configured, config_of, name_of, provider_named, providers_of
from bot.settings import Settings

_OFF = CheckResult(
    "model",
    "off",
    "no model is configured: answers are sections of the policies, word for word",
    "Set ANTHROPIC_API_KEY for answers by Claude.",
)
_AGAIN = "Run the check again; if it stays so, look at the provider's status page."
_HELD_BACK = "Look for a proxy or gateway that buffers: customers would see nothing before an answer is whole."
_RANK = {"ok": 0, "off": 1, "warning": 2, "failed": 3}


async def check_models(settings: Settings) -> list[CheckResult]:
    """Try each model with each key, and providers of which no model is in use with each key, all at once. A model that
    answers is measured with two requests more, of fewer than 200 tokens to write together."""
    try:
        config = config_of(settings)
    except SettingsError as exc:
        return [CheckResult("config", "failed", str(exc), "Correct the file; nothing starts before.")]
    providers = providers_of(settings, config)
    names = [*dict.fromkeys((name_of(settings, config), *config.model.fallbacks))]
    used = {name.partition(":")[0] for name in names}
    tried: list[Coroutine[Any, Any, list[CheckResult]]] = []
    found = [_OFF] if names == [OFFLINE] else []
    for name in names:
        try:
            configured = provider_named(providers, name) if name != OFFLINE else None
        except SettingsError as exc:
            found.append(CheckResult(name, "failed", str(exc), "Correct SHOPDESK_MODEL or [model] in the file."))
            continue
        if configured is not None:
            tried.append(_measured(configured, name.partition(":")[2], config))
    for provider, configured in providers.items():
        if provider not in used and (provider in config.providers or configured.keys):
            tried.append(_all(_with_each_key(configured, "")))
    return [*found, *(result for results in await asyncio.gather(*tried) for result in results)]


async def check_claude(*, model: str, api_keys: Sequence[str], base_url: str) -> CheckResult:
    """Claude with each of these keys; the worst that was found."""
    endpoint = Endpoint("anthropic", base_url, ANTHROPIC.key_setting, ANTHROPIC.url_setting)
    labels = _labels(endpoint.name, len(api_keys))
    results = await asyncio.gather(
        *(
            _labelled(check_anthropic(model=model, api_key=key, endpoint=endpoint, label=label), label, len(api_keys))
            for key, label in zip(api_keys or [""], labels, strict=True)
        )
    )
    return max(results, key=lambda result: _RANK[result.state])


async def _all(tried: Sequence[Coroutine[Any, Any, CheckResult]]) -> list[CheckResult]:
    return await asyncio.gather(*tried)


async def _measured(configured: Configured, model: str, config: Config) -> list[CheckResult]:
    """A model with each of its keys; what was measured stands with the first one that works."""
    results = await _all(_with_each_key(configured, model))
    for number, result in enumerate(results):
        if result.state == "ok":
            results[number] = await _with_figures(result, configured, model, number, config)
            break
    return results


async def _with_figures(
    result: CheckResult, configured: Configured, model: str, number: int, config: Config
) -> CheckResult:
    make = AnthropicModel if configured.settings.kind == "anthropic" else OpenAIModel
    key = configured.keys[number] if configured.keys else ""
    effort, thinking = config.model.effort, config.model.thinking
    measuring = make(model=model, api_key=key, endpoint=configured.endpoint, effort=effort, thinking=thinking)
    prices = Prices(config.prices)
    try:
        measured = await measure(measuring)
    except (NoWords, ModelRefused):
        return result
    except (ModelError, TimeoutError) as exc:
        why = str(exc).rstrip(".") or "it took too long"
        return replace(result, state="warning", message=f"{result.message}; a longer answer failed: {why}", fix=_AGAIN)
    finally:
        await measuring.close()
    return _in_words(result, measuring.name, measured, prices)


def _in_words(result: CheckResult, name: str, measured: Measured, prices: Prices) -> CheckResult:
    price, speed = prices.of(name), measured.tokens_per_second
    cost = sum(prices.cost(name, usage) for usage in measured.usages)
    data = {
        **result.data,
        "streams": not measured.is_held_back,
        "tokens_per_second": None if speed is None else round(speed, 1),
        "cache_read_tokens": measured.cached,
        "dollars_per_million_input": None if price is None else float(price.input),
        "dollars_per_million_output": None if price is None else float(price.output),
        "check_dollars": None if price is None else cost / NANO,
    }
    parts = [result.message, *_figures(measured)]
    if price is None:
        parts.append("no price, so nothing is counted against budgets in dollars")
    else:
        parts.append(f"${price.input:,f} and ${price.output:,f} for a million tokens in and out")
        parts.append(f"this check cost {dollars(cost)}")
    if measured.is_held_back:
        return replace(result, state="warning", message="; ".join(parts), fix=_HELD_BACK, data=data)
    return replace(result, message="; ".join(parts), data=data)


def _figures(measured: Measured) -> Iterator[str]:
    if measured.is_held_back:
        yield "the whole answer came at once: something in between holds streams back"
    elif measured.tokens_per_second is not None:
        yield f"{measured.tokens_per_second:,.0f} tokens a second"
    if measured.cached:
        yield f"cache works ({measured.cached:,} tokens read)"
    else:
        yield "cache not seen"


def _with_each_key(configured: Configured, model: str) -> list[Coroutine[Any, Any, CheckResult]]:
    endpoint = configured.endpoint
    name = f"{endpoint.name}:{model}" if model else endpoint.name
    if not configured.is_usable:
        return [_no_key(name, endpoint.key_setting)]
    check = check_anthropic if configured.settings.kind == "anthropic" else check_openai
    keys = configured.keys or ("",)
    labels = _labels(endpoint.name, len(configured.keys))
    return [
        _labelled(check(model=model, api_key=key, endpoint=endpoint, label=label), label, len(keys))
        for key, label in zip(keys, labels, strict=True)
    ]


async def _labelled(checking: Coroutine[Any, Any, CheckResult], label: str, count: int) -> CheckResult:
    """A result that names its key, where there are several."""
    result = await checking
    if count < 2:
        return result
    words = f"{label.removeprefix(result.name.partition(':')[0]).strip()}: {result.message}"
    return CheckResult(result.name, result.state, words, result.fix, result.data)


async def _no_key(name: str, setting: str) -> CheckResult:
    return CheckResult(name, "failed", f"{name} has no key", f"Set {setting} in .env.")


def _labels(provider: str, count: int) -> Sequence[str]:
    return [f"{provider} key {number}" for number in range(1, count + 1)] or [""]
