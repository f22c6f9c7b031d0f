"""Makes the models that settings and `shopdesk.toml` name: a door for each key, the keys of a name as one model, under
watch and behind a breaker."""

import difflib
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import httpx2

from bot.config import Config, Provider, read_config
from bot.errors import SettingsError
from bot.llm.anthropic.model import ANTHROPIC, AnthropicModel
from bot.llm.base import ChatModel
from bot.llm.breaker import Breaker
from bot.llm.endpoint import Endpoint
from bot.llm.gate import Gate, GatedModel
from bot.llm.keys import Key, KeyPool
from bot.llm.ladder import Ladder
from bot.llm.limits import Limits
from bot.llm.offline import OfflineModel, Sentence
from bot.llm.openai_compatible.model import OPENAI, OpenAIModel
from bot.llm.watched import Watched
from bot.metrics import Metrics
from bot.model_figures import follow_models
from bot.notices import Notify, log_notice
from bot.policies.life import LivePolicies
from bot.policies.live import Policies
from bot.settings import Settings

OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Configured:
    """A provider as it is set up: where it is, and its keys, which show nowhere."""

    endpoint: Endpoint
    settings: Provider
    keys: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Configured({self.endpoint.name!r}, {len(self.keys)} keys)"

    @property
    def labels(self) -> tuple[str, ...]:
        """What each key is called: they are never shown, not even in part."""
        return tuple(f"{self.endpoint.name} key {number}" for number in range(1, len(self.keys) + 1))

    @property
    def is_usable(self) -> bool:
        """Whether the keys that it wants are there."""
        return bool(self.keys) or not self.endpoint.key_setting


class Models:
    """Every model that can be named, each made once. `sentence` is for `offline`; `metrics` show how they are doing."""

    def __init__(
        self,
        settings: Settings,
        config: Config,
        *,
        sentence: Sentence,
        notify: Notify = log_notice,
        clock: Callable[[], float] = time.monotonic,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics
        self._config = config
        self._sentence = sentence
        self._notify = notify
        self._clock = clock
        self._providers = providers_of(settings, config)
        self._made: dict[str, ChatModel] = {}
        self._keys: dict[str, list[Key]] = {}
        self.gates: dict[str, Gate] = {}
        """Name of a provider → who streams there and who waits, where there is a limit."""
        self.asked = name_of(settings, config)
        """The model that is asked first."""
        self.pools: dict[str, KeyPool] = {}
        """Name of a model → its keys, for those that were made."""
        self.breakers: dict[str, Breaker] = {}
        """Likewise: whether it is asked at all."""
        if metrics is not None:
            follow_models(metrics, self)

    def rungs(self) -> tuple[ChatModel, ...]:
        """The models that answer, in the order in which they are asked. Raises `SettingsError`."""
        names = dict.fromkeys((self.asked, *self._config.model.fallbacks))
        return tuple(self.named(name) for name in names)

    def ladder(self, first: str | None = None) -> ChatModel:
        """The models that answer, in order, and the policies word for word behind them. `first` is asked before them,
        if it is named. Raises `SettingsError`."""
        if self.asked == OFFLINE and first is None:
            return self.named(OFFLINE)
        asked = (*([self.named(first)] if first else ()), *self.rungs())
        last = OfflineModel(sentence=self._sentence, stands_in=True)
        rungs = [model for model in dict.fromkeys(asked) if model.name != OFFLINE]
        answering = self._config.model
        return Ladder(rungs, last=last, metrics=self._metrics, first_text=answering.first_text, turn=answering.turn)

    def named(self, name: str) -> ChatModel:
        """The model of a name, `PROVIDER:MODEL` or `offline`. Raises `SettingsError` with one sentence when there is no
        such provider, or no key for it."""
        if name not in self._made:
            self._made[name] = OfflineModel(sentence=self._sentence) if name == OFFLINE else self._make(name)
        return self._made[name]

    async def close(self) -> None:
        for model in self._made.values():
            await model.close()

    def _make(self, name: str) -> ChatModel:
        provider, _, model = name.partition(":")
        configured = provider_named(self._providers, name)
        if not configured.is_usable:
            setting = configured.endpoint.key_setting
            raise SettingsError(f"{name} is to answer, but {setting} is empty: set it in .env.")
        keys = self._keys.setdefault(provider, self._keys_of(configured))
        doors = self._doors(configured, model)
        pool = KeyPool([*zip(keys, doors, strict=True)], notify=self._notify, clock=self._clock)
        self.pools[name] = pool
        answering = self._config.model
        watched = Watched(pool, first_event=answering.first_event, silence=answering.silence)
        breaker = self.breakers[name] = Breaker(watched, notify=self._notify, clock=self._clock)
        if (streams := configured.settings.streams) is None:
            return breaker
        # Outside of the watch: who waits for his turn is not silent.
        return GatedModel(breaker, self.gates.setdefault(provider, Gate(streams)))

    def _keys_of(self, configured: Configured) -> list[Key]:
        limits = Limits(**configured.settings.limits.model_dump())
        counts_cache = configured.settings.kind != "anthropic"
        labels = configured.labels or ("",)
        return [Key(label, limits, counts_cache=counts_cache, clock=self._clock) for label in labels]

    def _doors(self, configured: Configured, model: str) -> list[ChatModel]:
        """One for each key; they share all that does not depend on it."""
        effort, thinking = self._config.model.effort, self._config.model.thinking
        first, *others = configured.keys or ("",)
        if configured.settings.kind == "anthropic":
            claude = AnthropicModel(
                model=model,
                api_key=first,
                endpoint=configured.endpoint,
                effort=effort,
                thinking=thinking,
                tls=self._tls,
            )
            alike = (
                AnthropicModel(model=model, api_key=key, endpoint=configured.endpoint, like=claude) for key in others
            )
            return [claude, *alike]
        other = OpenAIModel(
            model=model, api_key=first, endpoint=configured.endpoint, effort=effort, thinking=thinking, tls=self._tls
        )
        return [
            other,
            *(OpenAIModel(model=model, api_key=key, endpoint=configured.endpoint, like=other) for key in others),
        ]

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Each takes a megabyte and some time: one for all.
        return httpx2.create_ssl_context()


def model_of(settings: Settings, policies: LivePolicies | Policies) -> ChatModel:
    """The model that the settings name, without those that stand in for it. Raises `SettingsError`."""
    config = config_of(settings)
    return Models(settings, config, sentence=policies.sentence).named(name_of(settings, config))


def config_of(settings: Settings) -> Config:
    """What `shopdesk.toml` says, if there is one. Raises `SettingsError`."""
    return read_config(settings.config_file)


def name_of(settings: Settings, config: Config) -> str:
    """The model that is asked first."""
    return settings.shopdesk_model or config.model.use or settings.model


def providers_of(settings: Settings, config: Config) -> Mapping[str, Configured]:
    """Every provider by its name: the two that need nothing but a variable, and those of the file."""
    found = {
        "anthropic": _built_in(ANTHROPIC, Provider(kind="anthropic"), settings),
        "openai": _built_in(OPENAI, Provider(kind="openai"), settings),
    }
    for name, provider in config.providers.items():
        usual = ANTHROPIC if provider.kind == "anthropic" else OPENAI
        if provider.keys_env is None and name == usual.name:
            found[name] = _built_in(usual, provider, settings)
            continue
        place = f"base_url of [providers.{name}]"
        keys = settings.keys_in(provider.keys_env) if provider.keys_env else ()
        base_url = provider.base_url or usual.base_url
        endpoint = _endpoint(name, base_url, provider.keys_env or "", place, provider)
        found[name] = Configured(endpoint, provider, tuple(key.get_secret_value() for key in keys))
    return found


def provider_named(providers: Mapping[str, Configured], name: str) -> Configured:
    """The provider of a model. Raises `SettingsError` with the nearest name when there is none."""
    provider = name.partition(":")[0]
    if provider in providers:
        return providers[provider]
    near = difflib.get_close_matches(provider, providers, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(providers))} and offline."
    raise SettingsError(f"{name} is to answer, but there is no provider {provider}: {hint}")


def _built_in(usual: Endpoint, provider: Provider, settings: Settings) -> Configured:
    is_claude = usual is ANTHROPIC
    keys = settings.anthropic_api_key if is_claude else settings.openai_api_key
    base_url = settings.anthropic_base_url if is_claude else settings.openai_base_url
    url_setting = f"base_url of [providers.{usual.name}]" if provider.base_url else usual.url_setting
    endpoint = _endpoint(usual.name, provider.base_url or base_url, usual.key_setting, url_setting, provider)
    return Configured(endpoint, provider, tuple(key.get_secret_value() for key in keys))


def _endpoint(name: str, base_url: str, key_setting: str, url_setting: str, provider: Provider) -> Endpoint:
    return Endpoint(
        name,
        base_url,
        key_setting,
        url_setting,
        auth=provider.auth,
        headers=provider.headers,
        conversation_header=provider.conversation_header,
        connect_timeout=provider.timeout,
    )
