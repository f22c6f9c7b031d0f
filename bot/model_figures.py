"""How models are doing, for whoever reads the program's figures: breakers, keys, and who waits for a place."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from bot.llm.breaker import Breaker
from bot.llm.gate import Gate
from bot.llm.keys import KeyPool
from bot.metrics import Family, Metrics

BREAKERS = Family(
    "shopdesk_breaker", "1 for the state that a breaker is in: closed, half_open, open", ("model", "state")
)
KEYS = Family("shopdesk_key", "1 for the state that a key is in", ("model", "key", "state"))
STREAMS = Family("shopdesk_provider_streams", "Answers that an endpoint with a limit streams now", ("provider",))
WAITING = Family("shopdesk_provider_waiting", "Those that wait for a place there", ("provider",))
_KEY_STATES = {"ready": "ready", "resting": "resting", "at its limit": "at_limit", "refused": "refused"}

_Readings = Iterator[tuple[tuple[str, ...], float]]


class Watchable(Protocol):
    """What is looked at: each by its name, for the models that were made so far."""

    @property
    def pools(self) -> Mapping[str, KeyPool]: ...

    @property
    def gates(self) -> Mapping[str, Gate]: ...

    @property
    def breakers(self) -> Mapping[str, Breaker]: ...


def follow_models(metrics: Metrics, models: Watchable) -> None:
    """Read them whenever somebody asks."""
    metrics.follow(BREAKERS, lambda: _breakers(models.breakers))
    metrics.follow(KEYS, lambda: _keys(models.pools))
    metrics.follow(STREAMS, lambda: [((name,), gate.running) for name, gate in models.gates.items()])
    metrics.follow(WAITING, lambda: [((name,), gate.waiting) for name, gate in models.gates.items()])


def _breakers(breakers: Mapping[str, Breaker]) -> _Readings:
    for name, breaker in breakers.items():
        for state in ("closed", "half_open", "open"):
            yield (name, state), breaker.state == state


def _keys(pools: Mapping[str, KeyPool]) -> _Readings:
    for name, pool in pools.items():
        for key in pool.states():
            for state, word in _KEY_STATES.items():
                yield (name, key.label, word), key.state == state
