"""What the program counts about itself, as text that Prometheus reads; every program has one object of these.

Whatever happens is counted when it happens (`shopdesk_model_…`, `shopdesk_answer_…`). How things stand is read by whom
`follow` names, at the moment somebody asks. Nothing in here names a customer, a key or a word that was said.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""https://prometheus.io/docs/instrumenting/exposition_formats/"""
_FIRST = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 40.0)
_WHOLE = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 40.0, 60.0, 120.0, 180.0)
_SPEED = (5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 400.0)
_LAG = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_NANO = 1_000_000_000

Readings = Iterable[tuple[Sequence[str], float]]
"""The values of a family's labels, and what is read for them."""


@dataclass(frozen=True, slots=True)
class Family:
    """A figure that is read when somebody asks; one that only grows is a `counter`, and its name ends in `_total`."""

    name: str
    words: str
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter"] = "gauge"


class Metrics:
    """All figures of one program. Times are in seconds, money in dollars."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._followed = _Followed()
        registry.register(self._followed)

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"shopdesk_{name}", words, labels, registry=registry)

        def histogram(name: str, words: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"shopdesk_{name}", words, labels, registry=registry, buckets=buckets)

        self.streams = Gauge("shopdesk_model_streams", "Answers that are being streamed now", registry=registry)
        """Changed by whoever streams."""
        model = ("model",)
        self._first_event = histogram("model_first_event_seconds", "From asking to the first event", _FIRST, *model)
        self._first_text = histogram("model_first_text_seconds", "From asking to the first word", _FIRST, *model)
        self._speed = histogram("model_tokens_per_second", "Of whole answers, from the first word on", _SPEED, *model)
        self._answered = counter("model_answers", "Whole answers, by the model that gave them", *model)
        self._failures = counter("model_failures", "What a model failed with", "model", "kind")
        self._retries = counter("model_retries", "A model is asked again after a failure", *model)
        self._restarts = counter("model_restarts", "Words that were replaced: their stream broke off")
        self._outcomes = counter("answers", "Turns that were stored, by how they ended", "outcome")
        self._visible = histogram("answer_first_visible_seconds", "From the message to the first words seen", _FIRST)
        self._complete = histogram("answer_complete_seconds", "From the message to the whole answer seen", _WHOLE)
        self._tokens = counter("tokens", "Tokens of stored turns", "model", "kind")
        self._cost = counter("cost_dollars", "Cost of stored turns, where there is a price", *model)
        self._lag = histogram("loop_lag_seconds", "How late the event loop wakes a timer", _LAG)

    def began(self, model: str, seconds: float) -> None:
        """The first event of a stream has come, so long after it was asked for."""
        self._first_event.labels(model).observe(seconds)

    def spoke(self, model: str, seconds: float) -> None:
        """Likewise the first text that can be seen."""
        self._first_text.labels(model).observe(seconds)

    def restarted(self) -> None:
        """What a stream has said so far is void, and said anew."""
        self._restarts.inc()

    def finished(self, model: str, tokens_per_second: float | None) -> None:
        """A stream is complete; `model` is the one that answered in the end."""
        self._answered.labels(model).inc()
        if tokens_per_second is not None:
            self._speed.labels(model).observe(tokens_per_second)

    def failed(self, model: str, error: Exception) -> None:
        """A model did not answer."""
        self._failures.labels(model, kind_of(error)).inc()

    def retried(self, model: str) -> None:
        """It is asked again."""
        self._retries.labels(model).inc()

    def stored(self, outcome: str, *, first_visible: float | None, complete: float | None) -> None:
        """A turn has ended so; None: it did not come to that."""
        self._outcomes.labels(outcome).inc()
        for histogram, seconds in ((self._visible, first_visible), (self._complete, complete)):
            if seconds is not None:
                histogram.observe(max(0.0, seconds))

    def spent(self, model: str, tokens: Iterable[tuple[str, int]], nano_dollars: int) -> None:
        """What a turn has cost with one model: its tokens by their kind, and the money."""
        for kind, count in tokens:
            self._tokens.labels(model, kind).inc(max(0, count))
        self._cost.labels(model).inc(max(0, nano_dollars) / _NANO)

    def lagged(self, seconds: float) -> None:
        """The event loop was so late."""
        self._lag.observe(max(0.0, seconds))

    def follow(self, family: Family, read: Callable[[], Readings]) -> None:
        """Ask `read` for the values of this family whenever somebody asks for all. Several may read for one family."""
        self._followed.reads.setdefault(family, []).append(read)

    def text(self) -> bytes:
        """All of it as Prometheus reads it (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)


class _Followed:
    """The families that are read when somebody asks."""

    def __init__(self) -> None:
        self.reads: dict[Family, list[Callable[[], Readings]]] = {}

    def collect(self) -> Iterator[Metric]:
        for family, reads in self.reads.items():
            make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            found = make(family.name, family.words, labels=family.labels)
            for labels, value in (one for read in reads for one in read()):
                found.add_metric(labels, value)
            yield found

    def describe(self) -> Iterator[Metric]:
        """Nothing is known before somebody follows."""
        return iter(())


def kind_of(error: Exception) -> str:
    """What an error is called: `unavailable`, `key_refused` …"""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    return name.removeprefix("model_")
