"""Makes the formatting of a text what Telegram allows: nesting, number, links.

Source of the rules: https://core.telegram.org/bots/api#messageentity and #formatting-options.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

import regex

Kind = Literal["bold", "italic", "strikethrough", "blockquote", "code", "pre", "text_link"]

MAX_ENTITIES = 100
_STYLES: tuple[Kind, ...] = ("bold", "italic", "strikethrough")
# What goes first when there are too many: a lost link is a loss, a lost bold word is not.
_WORTH: dict[Kind, int] = {
    "text_link": 0,
    "pre": 1,
    "code": 2,
    "blockquote": 3,
    "bold": 4,
    "italic": 5,
    "strikethrough": 6,
}
_WHITE = (b" \0", b"\n\0", b"\t\0")
_HOST = regex.compile(r"(?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?\.)+(?:\p{L}{2,}|xn--[a-z0-9-]+|\d{1,3})")


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of formatting; `start` and `end` count UTF-16 units. `value`: the URL or the language."""

    kind: Kind
    start: int
    end: int
    value: str | None = None


def settle(spans: Iterable[Span], text: str, *, skipped: int = 0, inert: Sequence[Span] = ()) -> tuple[Span, ...]:
    """The spans as Telegram takes them; `text` begins `skipped` units behind what their offsets count from.

    `pre` and `code` hold nothing and are in nothing, quotes are not in quotes, at most 100 in all. What
    does not fit loses its formatting, never its text. `inert` are spans of code that keep an address from
    being a link: they stay whatever else goes.
    """
    units = text.encode("utf-16-le")
    by_kind: dict[Kind, list[Span]] = {}
    for span in _clipped(spans, skipped, len(units) // 2):
        by_kind.setdefault(span.kind, []).append(span)
    pres = by_kind.get("pre", [])
    links = _outermost(by_kind.get("text_link", []))
    quotes = _outermost(by_kind.get("blockquote", []))
    guards = _without(_clipped(inert, skipped, len(units) // 2), [*pres, *links])
    around = [*links, *quotes, *guards]
    codes = [code for code in by_kind.get("code", []) if not _touches_any(code, around)]
    fixed = [*pres, *codes, *guards]
    kept = [*pres, *codes, *links]
    # A quote is cut around a block of code: both are blocks, so the cut falls between lines.
    kept += _without(quotes, [*pres, *guards])
    for style in _STYLES:
        kept += _without(_outermost(by_kind.get(style, [])), fixed)
    kept = [whole for piece in kept if (whole := _trimmed(piece, units)) is not None]
    guards = [whole for piece in guards if (whole := _trimmed(piece, units)) is not None]
    if len(kept) + len(guards) > MAX_ENTITIES:
        kept = sorted(kept, key=lambda span: (_WORTH[span.kind], span.start))[: MAX_ENTITIES - len(guards)]
    kept += guards
    return tuple(sorted(kept, key=lambda span: (span.start, -span.end, span.kind)))


def is_link(url: str) -> bool:
    """Whether Telegram takes this address as the target of a link. Only the web: `tg://` could mention people."""
    if len(url) > 2048 or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.scheme in ("http", "https") and _HOST.fullmatch(host) is not None


def _clipped(spans: Iterable[Span], skipped: int, units: int) -> list[Span]:
    clipped = (
        span
        if not skipped and span.end <= units
        else Span(span.kind, max(span.start - skipped, 0), min(span.end - skipped, units), span.value)
        for span in spans
    )
    return [span for span in clipped if span.start < span.end]


def _outermost(spans: Sequence[Span]) -> list[Span]:
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def touches(one: Span, other: Span) -> bool:
    """Whether two spans have a unit in common."""
    return one.start < other.end and other.start < one.end


def _touches_any(span: Span, others: Iterable[Span]) -> bool:
    return any(touches(span, other) for other in others)


def _without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    cut = sorted(holes, key=lambda hole: hole.start)
    pieces = []
    for span in spans:
        start = span.start
        for hole in cut:
            if hole.end <= start or hole.start >= span.end:
                continue
            if hole.start > start:
                pieces.append(replace(span, start=start, end=hole.start))
            start = hole.end
        if start < span.end:
            pieces.append(replace(span, start=start))
    return pieces


def _trimmed(span: Span, units: bytes) -> Span | None:
    # Telegram cuts white space off the ends of an entity; a code block keeps the indent of its first line.
    start, end = span.start, span.end
    while start < end and span.kind != "pre" and units[2 * start : 2 * start + 2] in _WHITE:
        start += 1
    while start < end and units[2 * end - 2 : 2 * end] in _WHITE:
        end -= 1
    return Span(span.kind, start, end, span.value) if start < end else None
