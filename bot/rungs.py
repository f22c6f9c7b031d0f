"""Builds the ladder of models that the settings and `shopdesk.toml` describe."""

import os

from bot.config import Config, Provider, read_config
from bot.errors import SettingsError
from bot.llm.anthropic.model import DEFAULT_BASE_URL, AnthropicModel
from bot.llm.base import ChatModel
from bot.llm.breaker import Breaker
from bot.llm.ladder import Ladder
from bot.llm.offline import OfflineModel
from bot.llm.watched import Watched
from bot.notices import Notify, log_notice
from bot.policies.life import LivePolicies
from bot.policies.live import Policies
from bot.settings import Settings


def model_of(settings: Settings, policies: LivePolicies | Policies, notify: Notify = log_notice) -> ChatModel:
    """The models that answer, in order. Raises `SettingsError` when a key is missing."""
    config = read_config(settings.shopdesk_config)
    answering = config.model
    first = settings.shopdesk_model or answering.use or settings.model
    if first == "offline":
        return OfflineModel(sentence=policies.sentence)
    rungs = [
        Breaker(
            Watched(_model(name, settings, config), first_event=answering.first_event, silence=answering.silence),
            notify=notify,
        )
        for name in (first, *answering.fallbacks)
        if name != "offline"
    ]
    last = OfflineModel(sentence=policies.sentence, stands_in=True)
    return Ladder(rungs, last=last, first_text=answering.first_text, turn=answering.turn)


def _model(name: str, settings: Settings, config: Config) -> ChatModel:
    provider, _, model = name.partition(":")
    own = config.providers.get(provider)
    keys, url = _own(own) if own else _built_in(settings)
    if not keys:
        raise SettingsError(f"The model {name} has no key: set it in .env.")
    return AnthropicModel(model=model, api_keys=keys, base_url=url, silence=config.model.silence)


def _built_in(settings: Settings) -> tuple[tuple[str, ...], str]:
    return tuple(key.get_secret_value() for key in settings.anthropic_api_key), settings.anthropic_base_url


def _own(provider: Provider) -> tuple[tuple[str, ...], str]:
    written = os.environ.get(provider.keys_env or "", "")
    return tuple(key.strip() for key in written.split(",") if key.strip()), provider.base_url or DEFAULT_BASE_URL
