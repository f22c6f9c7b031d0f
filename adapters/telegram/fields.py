"""Fields of a JSON object, each with the type that it must have.

The library's objects cost ten times what all else costs that a message needs, and fail as a whole at what
they are too old for. We look at a few fields, and are strict about those alone.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Json = Mapping[str, Any]


class Malformed(ValueError):
    """A field is missing or not what it must be. It names the field, never what is in it."""


def text(holder: Json, name: str) -> str | None:
    value = holder.get(name)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"{name} is no text")
    return value


def number(holder: Json, name: str) -> int | None:
    value = holder.get(name)
    # JSON's `true` is a number to Python.
    if value is not None and type(value) is not int:
        raise Malformed(f"{name} is no whole number")
    return value


def part(holder: Json, name: str) -> Json | None:
    """An object within the object."""
    value = holder.get(name)
    if value is not None and not isinstance(value, dict):
        raise Malformed(f"{name} is no object")
    return value


def parts(holder: Json, name: str) -> Sequence[Json]:
    value = holder.get(name) or ()
    if not isinstance(value, list | tuple) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"{name} is no list of objects")
    return value


def moment(holder: Json, name: str) -> datetime | None:
    """A Unix time."""
    seconds = number(holder, name)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise Malformed(f"{name} is no moment") from None


def coordinate(holder: Json, name: str) -> float:
    value = holder.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"{name} is no coordinate")
    return value


def must_text(holder: Json, name: str) -> str:
    value = text(holder, name)
    if value is None:
        raise Malformed(f"{name} is missing")
    return value


def must_number(holder: Json, name: str) -> int:
    value = number(holder, name)
    if value is None:
        raise Malformed(f"{name} is missing")
    return value


def must_flag(holder: Json, name: str) -> bool:
    value = holder.get(name)
    if not isinstance(value, bool):
        raise Malformed(f"{name} is neither true nor false")
    return value


def must_part(holder: Json, name: str) -> Json:
    value = part(holder, name)
    if value is None:
        raise Malformed(f"{name} is missing")
    return value
