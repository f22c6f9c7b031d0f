"""The best that a platform's limits allow: a scheduler that needs no time and no line, for the same answers.

    python -m tests.bench.ideal [N ...]

First words go as early as the budgets let them, then whole answers, then refreshes with what is left; a refresh
always leaves its chat the call for the end, and the account those for the answers that are known to end soon.
What is waited for then is owed to the limits and to nobody else.
"""

import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

# A reader sees no difference between refreshes that come faster than this one after the other, in seconds.
SPACING = 0.5
SOON = 0.5
_GLANCE = 0.01
_FULL = 1 - 1e-9


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls a second and burst: of the account, and of each chat."""

    rate: float = 30.0
    burst: float = 30.0
    chat_rate: float = 1.0
    chat_burst: float = 3.0


TELEGRAM = Limits()
# In the stand-in: 50 in any second, and 5 in 5 seconds for each way to change a channel.
DISCORD = Limits(rate=50.0, burst=50.0, chat_rate=1.0, chat_burst=5.0)


@dataclass(frozen=True, slots=True)
class Ideal:
    """Seconds after the model's first and last word, in the order of the answers; calls a reply."""

    first: Sequence[float]
    complete: Sequence[float]
    calls: float


@dataclass(slots=True)
class _Bucket:
    rate: float
    burst: float
    level: float
    at: float = 0.0

    def ready_at(self, now: float, wanted: float = 1.0) -> float:
        """When so many calls are there."""
        missing = wanted - self.level - (now - self.at) * self.rate
        return now if missing <= 1e-9 else now + missing / self.rate

    def take(self, now: float) -> None:
        self.level = min(self.burst, self.level + (now - self.at) * self.rate) - 1
        self.at = now


@dataclass(slots=True)
class _Answer:
    began: float
    ended: float
    bucket: _Bucket
    first: float | None = None
    last: float = -math.inf
    done: float | None = None
    calls: int = 0

    def next(self, now: float) -> tuple[float, int, float]:
        """When its next call may go, its rank (first words, end, refresh), and since when it waits."""
        if self.first is None:
            return max(now, self.began), 0, self.began
        end_at = max(self.ended, self.bucket.ready_at(now))
        refresh_at = max(self.last + SPACING, self.bucket.ready_at(now, 2.0))
        if now >= self.ended or refresh_at >= self.ended:
            return max(now, end_at), 1, self.ended
        return max(now, refresh_at), 2, self.last

    def take(self, now: float) -> None:
        self.bucket.take(now)
        self.first = now if self.first is None else self.first
        self.last, self.calls = now, self.calls + 1
        if now >= self.ended:
            self.done = now


def ideal(words: Sequence[tuple[float, float]], limits: Limits = TELEGRAM) -> Ideal:
    """What is possible for answers whose first and last words the model writes at these moments."""
    now = min(began for began, _ in words)
    account = _Bucket(limits.rate, limits.burst, limits.burst, now)
    answers = [
        _Answer(began, ended, _Bucket(limits.chat_rate, limits.chat_burst, limits.chat_burst, now))
        for began, ended in words
    ]
    left = list(answers)
    while left:
        now = max(now, account.ready_at(now))
        turns = [(answer.next(now), number) for number, answer in enumerate(left)]
        ends = sum(now < answer.ended <= now + SOON for answer in left)
        may_refresh = account.ready_at(now, min(1 + ends, limits.burst)) <= now
        due = [(rank, since, number) for (at, rank, since), number in turns if at <= now and (rank < 2 or may_refresh)]
        if not due:
            # Refreshes that are held back are looked at again a little later.
            now = min(at if at > now else now + _GLANCE for (at, _, _), _ in turns)
            continue
        answer = left[min(due)[2]]
        account.take(now)
        answer.take(now)
        if answer.done is not None:
            left.remove(answer)
    return Ideal(
        [(answer.first or 0.0) - answer.began for answer in answers],
        [(answer.done or 0.0) - answer.ended for answer in answers],
        sum(answer.calls for answer in answers) / len(answers),
    )


def at(values: Sequence[float], share: float) -> float:
    """A percentile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else math.nan


def pair(values: Sequence[float]) -> str:
    """Median and 95th percentile."""
    return f"{at(values, 0.5):5.2f} / {at(values, 0.95):5.2f}"


def main() -> None:
    """Answers of 800 characters at 160 a second; the model thinks for 0.4 to 0.8 s."""
    print("               N   first p50/p95   complete p50/p95   calls")
    for rate in (None, 10.0):
        for count in [int(word) for word in sys.argv[1:]] or [10, 50, 200, 500]:
            chance, now, words = random.Random(count), 0.0, list[tuple[float, float]]()
            for _ in range(count):
                now += chance.expovariate(rate) if rate else 0.0
                began = now + chance.uniform(0.4, 0.8)
                words.append((began, began + 5.0))
            best = ideal(words)
            name = "10 a second" if rate else "at once"
            print(f"{name:12}{count:4d}   {pair(best.first)}      {pair(best.complete)}   {best.calls:5.1f}")


if __name__ == "__main__":
    main()
