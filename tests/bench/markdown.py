"""How answers look while they grow, at each door: generated ones, broken ones and the fifty of the tests.

    python -m tests.bench.markdown [N]

N texts of each kind (500). A text counts once for each kind of fault that it has; `tests.formatting.growth` says
what counts as one. For broken texts debris and jumps are counted, too, although nobody can foresee what marks
will mean whose partners never come.
"""

import random
import sys
from collections import Counter
from collections.abc import Iterator
from statistics import mean

from bot.reply.growing import Watch
from tests.formatting.answers import answers
from tests.formatting.doors import Discord, Door, Telegram, open_web
from tests.formatting.growth import Fault, judge, stream
from tests.markdown import Writer

KINDS = ("refusal", "exception", "debris", "jump", "final")
STEPS = 24


def texts(count: int) -> Iterator[tuple[str, str]]:
    """The kind of each text, and the text."""
    for answer in answers():
        yield "answers", answer
    for number in range(count):
        dice = random.Random(number)
        yield "documents", Writer(dice).document(dice.randint(1, 4))
    for number in range(count):
        yield "broken", Writer(random.Random(number)).broken(4)


def measure(door: Door, count: int) -> None:
    """Print a line for each kind of text."""
    seen, prefixes, faults = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for number, (kind, text) in enumerate(texts(count)):
        dice = random.Random(number)
        steps = min(len(text), 400) if kind == "answers" else STEPS
        found: list[Fault] = []
        try:
            growth = stream(text, sorted(dice.random() for _ in range(steps)), door)
            prefixes[kind] += len(growth.states)
            found = judge(text, growth, door)
        except Exception as exc:  # noqa: BLE001 - it is what is counted
            found = [Fault("exception", repr(exc))]
        seen[kind] += 1
        for fault in {fault.kind for fault in found}:
            faults[kind, fault] += 1
    for kind, number in seen.items():
        columns = "".join(f"{faults[kind, fault]:>11}" for fault in KINDS)
        print(f"{door.name:<10}{kind:<11}{number:>7}{prefixes[kind]:>10}{columns}")


def delay() -> None:
    """Print how many characters of the answers are held back behind the newest one, looked at after each."""
    held, first = list[int](), list[int]()
    for text in answers()[:-1]:
        watch = Watch()
        ends = [watch.look(text[:end]).end for end in range(1, len(text) + 1)]
        held += [length - end for length, end in enumerate(ends, 1)]
        first.append(next(length for length, end in enumerate(ends, 1) if end))
    held.sort()
    print(
        f"held back in answers: {mean(held):.1f} characters (mean), {held[len(held) * 99 // 100]} (p99), "
        f"{held[-1]} at most; first words after {max(first)} at most"
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    heads = ("refusals", "exceptions", "debris", "jumps", "differ")
    print(f"{'door':<10}{'texts':<11}{'number':>7}{'prefixes':>10}{''.join(f'{head:>11}' for head in heads)}")
    with open_web() as web:
        for door in (Telegram(), Discord(), web):
            if door:
                measure(door, count)
    delay()


if __name__ == "__main__":
    main()
