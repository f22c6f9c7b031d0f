"""`shopdesk check` for models: each model that may answer is tried with each of its keys."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from bot.checks import CheckResult
from bot.errors import SettingsError
from bot.llm.anthropic.check import check_anthropic
from bot.llm.anthropic.model import ANTHROPIC
from bot.llm.endpoint import Endpoint
from bot.llm.openai_compatible.check import check_openai
from bot.models import OFFLINE, Configured, config_of, name_of, provider_named, providers_of
from bot.settings import Settings

_OFF = CheckResult(
    "model",
    "off",
    "no model is configured: answers are sections of the policies, word for word",
    "Set ANTHROPIC_API_KEY for answers by Claude.",
)
_RANK = {"ok": 0, "off": 1, "warning": 2, "failed": 3}


async def check_models(settings: Settings) -> list[CheckResult]:
    """Try each model with each key, and providers of which no model is in use with each key, all at once."""
    try:
        config = config_of(settings)
    except SettingsError as exc:
        return [CheckResult("config", "failed", str(exc), "Correct the file; nothing starts before.")]
    providers = providers_of(settings, config)
    names = [*dict.fromkeys((name_of(settings, config), *config.model.fallbacks))]
    used = {name.partition(":")[0] for name in names}
    tried: list[Coroutine[Any, Any, CheckResult]] = []
    found = [_OFF] if names == [OFFLINE] else []
    for name in names:
        try:
            configured = provider_named(providers, name) if name != OFFLINE else None
        except SettingsError as exc:
            found.append(CheckResult(name, "failed", str(exc), "Correct SHOPDESK_MODEL or [model] in the file."))
            continue
        if configured is not None:
            tried.extend(_with_each_key(configured, name.partition(":")[2]))
    for provider, configured in providers.items():
        if provider not in used and (provider in config.providers or configured.keys):
            tried.extend(_with_each_key(configured, ""))
    return [*found, *await asyncio.gather(*tried)]


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
