"""What the page is told, as Server-Sent Events."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from bot.chat import Shelved, Source

_SOURCES = 5
_SOURCE_TEXT = 3_000


class Beside(NamedTuple):
    """What a message shows beside its text."""

    growing: bool = False
    sources: tuple[Source, ...] = ()
    files: tuple[Shelved, ...] = ()
    offers: bool = False


def beside_data(beside: Beside) -> dict[str, Any]:
    """The same as the page reads it."""
    files = [{"token": one.token, "name": one.name, "type": one.media_type, "size": one.size} for one in beside.files]
    return {"sources": _sources(beside.sources), "files": files, "offers": beside.offers}


def _sources(sources: Sequence[Source]) -> list[dict[str, str | None]]:
    return [
        {"title": source.title, "heading": source.heading, "text": source.text[:_SOURCE_TEXT], "url": source.url}
        for source in sources[:_SOURCES]
    ]


def as_event(kind: str, data: object) -> str:
    """One Server-Sent Event; JSON keeps its data on one line."""
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
