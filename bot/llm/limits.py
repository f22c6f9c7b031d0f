"""What was used within the last minute or day, to stay below what a provider allows."""

from collections import deque
from dataclasses import dataclass

_PIECES = 60
"""So many pieces of a span are told apart."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one key may do; None: no limit of ours."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None


class Window:
    """An amount over the last `span` seconds, and its limit."""

    def __init__(self, span: float, limit: int) -> None:
        self._span = span
        self._limit = limit
        self._used: deque[tuple[float, int]] = deque()
        self._total = 0

    def add(self, amount: int, now: float) -> None:
        """So much was used just now."""
        self._total += amount
        if self._used and now - self._used[-1][0] < self._span / _PIECES:
            since, before = self._used.pop()
            self._used.append((since, before + amount))
        else:
            self._used.append((now, amount))

    def wait(self, more: int, now: float) -> float:
        """Seconds until so much more may be used. What is more than the limit alone may be used when nothing was."""
        while self._used and self._used[0][0] + self._edge <= now:
            self._total -= self._used.popleft()[1]
        over = min(self._total, self._total + more - self._limit)
        for since, amount in self._used:
            if over <= 0:
                break
            over -= amount
            if over <= 0:
                return since + self._edge - now
        return 0.0

    @property
    def _edge(self) -> float:
        """A piece counts until its newest part is out of the span."""
        return self._span * (1 + 1 / _PIECES)
