"""Puts questions together that ask for the same, however they are spelled and whatever the order of their words."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

_ALIKE = 0.6
"""The share of their words that two questions must have in common."""


def grouped(items: Sequence[T], words: Callable[[T], Sequence[str]]) -> list[list[T]]:
    """Groups of items in their order, the largest group first, and of as large ones the one whose first comes first.

    `words` are those that tell what an item is about.
    """
    same: dict[frozenset[str], list[int]] = {}
    for number, item in enumerate(items):
        same.setdefault(frozenset(words(item)), []).append(number)
    groups: list[tuple[frozenset[str], list[int]]] = []
    holding: dict[str, list[int]] = {}
    # What is asked often gives the group its words, and others join it.
    for key, numbers in sorted(same.items(), key=lambda pair: (-len(pair[1]), pair[1][0])):
        near = _nearest(key, groups, holding)
        if near is not None:
            groups[near][1].extend(numbers)
            continue
        for word in key:
            holding.setdefault(word, []).append(len(groups))
        groups.append((key, list(numbers)))
    ordered = sorted((sorted(numbers) for _, numbers in groups), key=lambda numbers: (-len(numbers), numbers[0]))
    return [[items[number] for number in numbers] for numbers in ordered]


def _nearest(
    key: frozenset[str], groups: Sequence[tuple[frozenset[str], list[int]]], holding: dict[str, list[int]]
) -> int | None:
    shared = Counter(number for word in key for number in holding.get(word, ()))
    best, most = None, _ALIKE
    for number, count in shared.items():
        alike = count / len(key | groups[number][0])
        if alike > most or (alike == most and best is None):
            best, most = number, alike
    return best
