"""The texts of a reply's messages: pieces of what a model says made whole, and messages in other words."""

from dataclasses import replace

import regex

from bot.chat import OutboundMessage
from bot.reply.growing import visible

# Of a message that may show twice, so many characters are sent first.
_BEGINNING = 48
_PAIRED = regex.compile(r"[\[\]`<|&]")
_HALVES = regex.compile("[\ud800-\udfff]")


def in_whole_characters(text: str) -> tuple[str, str]:
    """A piece of a text with one kind of line end and without halves of characters (no platform takes them),
    and a half to be kept for the piece that comes next: JSON escapes may be cut between the halves of an emoji."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" or text[-1:] == "\r" else ""
    text = text[: len(text) - len(half)]
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _HALVES.search(text) is not None:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text, half


def with_ends(text: str) -> str:
    """A text that was cut off, its emphasis closed; links and code that are open there stay open."""
    if _PAIRED.search(text, visible(text).end):
        return text
    look = visible(text, hold=0)
    return f"{text[: look.end]}{look.closing}\n\n"


def reworded(message: OutboundMessage, text: str) -> OutboundMessage:
    """The same message with another text."""
    return replace(message, text=text)


def beginning(message: OutboundMessage, growing_mark: str) -> str:
    """The words of a message that are sent first when it may show twice."""
    text = message.text
    if message.growing:
        # It may be all that the model has to say.
        return text.removesuffix(growing_mark).rstrip().rpartition(" ")[0]
    text = text[: min(_BEGINNING, len(text) // 2)]
    return text[: text.rfind(" ")] if " " in text else text
