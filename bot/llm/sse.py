"""Splits a stream of bytes into the data of its events (html.spec.whatwg.org, server-sent events)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bot.errors import ModelUnavailable

MAX_LINE_BYTES = 1024 * 1024

Json = Mapping[str, Any]


class SseReader:
    """The state between two chunks of one stream. Comments, with which some endpoints keep a line alive, are
    nothing."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of every event that is complete with this chunk."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise ModelUnavailable("The model's stream holds a line without an end.")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:])
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data.clear()


def parse(data: bytes) -> Json:
    """An event's data as an object. Raises `ModelUnavailable` when it is none."""
    try:
        event = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise ModelUnavailable("The model's stream holds an event that is no JSON.") from None
    if not isinstance(event, dict):
        raise ModelUnavailable("The model's stream holds an event that is no object.")
    return event


def object_in(holder: Json, name: str) -> Json:
    """The object of this name; empty when there is none."""
    value = holder.get(name)
    return value if isinstance(value, dict) else {}
