"""The words of a Markdown text without its formatting, for a platform that refuses the formatted form."""

import regex

from bot.reply import inline
from bot.reply.blocks import scan

_LINK = regex.compile(r"!?\[([^\[\]]*)\]\(\s*<?([^\s()<>]*)>?[^()]*\)")
_NUMBER = regex.compile(r"\d++[.)](?: +\d++[.)])*+")
_MARKUP = regex.compile(r"([\\`*_~\[\]<>&|#$])")
_ESCAPED = regex.compile(r"\\([!-/:-@\[-`{-~])")


def plain(text: str) -> str:
    """Markdown that shows the same words: markers are taken away, and what is left is escaped."""
    lines = []
    for line in scan(text):
        words = text[line.content : line.end].rstrip("\n")
        if line.kind in ("open", "close", "delimiter"):
            continue
        if line.kind == "code":
            lines.append(_escape(words))
            continue
        if line.kind == "heading":
            words = words.lstrip("# ")
        number = _NUMBER.search(text, line.start, line.content)
        before = (f"{number[0]} " if number else "- ") if line.kind == "item" else ""
        lines.append(before + _escape(_without_markers(words)))
    return "\n".join(lines).strip("\n")


def _without_markers(words: str) -> str:
    words = _LINK.sub(lambda match: f"{match[1]} ({match[2]})" if match[2] else match[1], words)
    gone: set[int] = set()
    for span in inline.read(words).spans:
        width = len(span.marker)
        gone.update(range(span.start, span.start + width))
        gone.update(range(span.end - width, span.end))
    return _ESCAPED.sub(r"\1", "".join(char for at, char in enumerate(words) if at not in gone))


def _escape(words: str) -> str:
    return _MARKUP.sub(r"\\\1", words)
