"""How people name a policy version: the beginning of its id, `live`, or `live~1` for the one before it."""

from collections.abc import Sequence

import regex

from bot.errors import StorageError
from bot.policies.findings import shown
from bot.policies.version import short
from bot.storage.policies import Activation

FOLDER = "folder"
"""What the prompts folder holds at the moment; it is no version yet."""
_ID = regex.compile(r"[0-9a-f]{4,64}")
_BEFORE = regex.compile(r"live(?:~(\d{1,4}))?")
_LISTED = 3


def ways_back(activations: Sequence[Activation]) -> list[str]:
    """The versions that a rollback leads to, one after the other, behind the one that is live.

    What was rolled back lies on no way back: a second rollback goes further, and never forth again.
    """
    way: list[str] = []
    for activation in activations:
        if activation.is_rollback and activation.version in way:
            while way[-1] != activation.version:
                way.pop()
        elif not way or way[-1] != activation.version:
            way.append(activation.version)
    return way[::-1]


def resolve(name: str, known: Sequence[str], activations: Sequence[Activation]) -> str:
    """The id that a name stands for. `known`: all ids, the oldest first. Raises `StorageError` with a sentence."""
    name = name.strip().lower()
    if before := _BEFORE.fullmatch(name):
        way = ways_back(activations)
        if (steps := int(before[1] or 0)) < len(way):
            return way[steps]
        raise StorageError(_no_way_back(steps, len(way)))
    if not _ID.fullmatch(name):
        raise StorageError(
            f"“{shown(name)}” names no version: write the first digits of its id (at least 4), live, or live~1 for "
            f"the one before it. {_last(known)}"
        )
    found = [version for version in known if version.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(short(version) for version in found[-_LISTED:])
        raise StorageError(f"{len(found)} policy versions begin with {name}: {several}. Write more digits.")
    raise StorageError(f"There is no policy version {short(name)}. {_last(known)}")


def _no_way_back(steps: int, length: int) -> str:
    if not length:
        return "No policy version was live yet: start the program once with a prompts folder that checks."
    return f"There is no live~{steps}: before the version that is live there were {length - 1}."


def _last(known: Sequence[str]) -> str:
    if not known:
        return "There is none yet: start the program once with a prompts folder that checks."
    listed = ", ".join(short(version) for version in known[::-1][:_LISTED])
    return f"The last ones are {listed}; `shopdesk policies history` lists all."
