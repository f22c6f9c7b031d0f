"""A model's Markdown as Discord shows it: written anew, so that nothing means more to Discord than was meant."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import regex

from bot.links import without_tail
from bot.markdown import Event, language_of, line_breaks_before, read, width, with_line_breaks
from bot.meant import without_stand_ins
from bot.text import is_blank

# What Discord makes links of by itself, except in code.
_ADDRESS = regex.compile(
    r"(?:(?:https?|steam|discord)://|(?:discord\.gg|discord(?:app)?\.com/invite)/)[^\s<>`|]+",
    regex.IGNORECASE,
)
_SPECIAL = regex.compile(
    r"[\\*`\[]|(?<=\])\(|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|\|(?=\|)|(?<=\|)\||~(?=~)|(?<=~)~"
    r"|<(?=[@#:]|/[\w -]+:|a:|t:|id:)|:(?=//[`|])"
)
_BLOCK_START = regex.compile(r"(?m)^([ ]*)(?:(\d+)(?=\.(?:\s|$))|(?=[#>-]))")
# Anything else behind the backticks is the first line of the code.
_LANGUAGE = regex.compile(r"[A-Za-z0-9_+.#-]+")
# Discord finds the end of an address that has such brackets at the wrong one.
_NESTED = regex.compile(r"\([^)]*\(|\)[^(]*\)|^[^(]*\)|\([^)]*$")
_THREE_TICKS = regex.compile("`{3,}")
_MARKERS = {"Strong": "**", "Emphasis": "*", "Strikethrough": "~~"}
_RULE = "———"
_WIDEST = 100


def to_discord(text: str, may_link: Callable[[str], bool] = lambda url: True) -> str:
    """Markdown that Discord shows as it was meant: what Discord would read otherwise is escaped.

    An address that `may_link` refuses is shown as code, which Discord makes no link of; mentions are made
    inert by each call's `allowed_mentions`, not here. What no words are left of is shown as it stands.
    """
    source, events = read(text.replace("\r\n", "\n").replace("\r", "\n"))
    writer = _Writer(source, may_link)
    for event in events:
        writer.take(event)
    shown = writer.text().strip("\n").rstrip()
    while shown.endswith("\n>"):
        # A quote without words: nothing is left of it but its mark.
        shown = shown[:-2].rstrip()
    return _escaped(text.strip()) if is_blank(shown) and not is_blank(text) else shown


class _Writer:
    """Goes through a parser's events once, and writes Discord's Markdown."""

    def __init__(self, source: bytes, may_link: Callable[[str], bool]) -> None:
        self._source = source
        self._may_link = may_link
        self._parts: list[str] = []
        # Text is escaped when a run of it is complete: an address may come in several events.
        self._words: list[str] = []
        self._gap = 0
        self._lead = ""
        self._quotes = 0
        self._is_quoted = False
        self._lists: list[int | None] = []
        self._open: list[tuple[str, str, int]] = []
        self._is_heading = False
        self._raw: list[str] | None = None
        self._language: str | None = None
        self._cell: list[str] | None = None
        self._rows: list[list[str]] = []

    def text(self) -> str:
        self._flush()
        return "".join(self._parts)

    def take(self, event: Event) -> None:
        match event.kind:
            case "Text":
                self._say(event.value)
            case "Code":
                self._code(event.value)
            case "Html" | "InlineHtml":
                self._say(with_line_breaks(event.value))
            case "TaskListMarker":
                self._lead += "☑ " if event.value else "☐ "
            case "Start":
                self._start(event.name, event.value, event.start)
            case "End":
                self._end(event)
            case "Rule":
                self._block(event.start)
                self._say(_RULE)
            case _:
                self._say(" " if self._is_heading or self._is_in("Link") else "\n")

    def _start(self, name: str, value: Any, start: int) -> None:
        match name:
            case "Strong" | "Emphasis" | "Strikethrough":
                self._mark(name, start)
            case "Link" | "Image":
                self._flush()
                waits = self._gap or self._lead or not self._parts
                url = "" if value["link_type"] == "Email" else value["dest_url"]
                self._open.append((name, url, -2 if waits else len(self._parts)))
            case "Paragraph":
                self._block(start)
            case "Heading":
                self._block(start)
                self._heading(value["level"], start)
            case "BlockQuote":
                self._block(start)
                self._is_quoted = self._is_quoted and self._quotes > 0
                self._quotes += 1
            case "List":
                self._lists.append(value)
            case "Item":
                self._item(start, value)
            case "CodeBlock" | "HtmlBlock":
                self._block(start)
                self._raw, self._language = [], language_of(value)
            case "Table":
                self._block(start)
                self._rows = []
            case "TableHead" | "TableRow":
                self._rows.append([])
            case "TableCell":
                self._cell = []

    def _end(self, event: Event) -> None:
        match event.name:
            case "Strong" | "Emphasis" | "Strikethrough":
                self._unmark(without_stand_ins(self._source[event.end : event.end + 8].decode(errors="ignore"))[:1])
            case "Link" | "Image":
                self._link()
            case "BlockQuote":
                self._flush()
                self._quotes -= 1
                self._is_quoted = self._is_quoted and self._quotes > 0
            case "Heading":
                self._heading_ends(event)
            case "List":
                self._lists.pop()
            case "Item":
                self._flush()
                self._lead = ""
            case "CodeBlock" | "HtmlBlock":
                text, self._raw = "".join(self._raw or ()).removesuffix("\n"), None
                if event.name == "CodeBlock":
                    self._fence(text, self._language)
                else:
                    self._say(text)
            case "TableCell":
                self._rows[-1].append(" ".join("".join(self._cell or ()).split()))
                self._cell = None
            case "Table":
                self._fence("\n".join(_aligned(self._rows)), None)

    def _mark(self, name: str, start: int) -> None:
        self._flush()
        marker = _MARKERS[name]
        if name == "Strikethrough" and self._source[start + 1 : start + 2] != b"~":
            # One tilde is read as "about": ~5 days ~ one week.
            self._open.append(("Tilde", "", -1))
            self._say("~")
            return
        follows = bool(self._parts) and not self._gap and self._parts[-1].endswith(marker[:1])
        if self._is_in(name) or self._cell is not None or (follows and not self._begins_here()):
            self._open.append((name, "", -1))
            return
        self._put(marker)
        self._open.append((name, marker, len(self._parts)))

    def _begins_here(self) -> bool:
        """Whether a mark was just opened: two that open go together, one that closes and one that opens do not."""
        return bool(self._open) and self._open[-1][2] == len(self._parts)

    def _unmark(self, follows: str) -> None:
        self._flush()
        name, marker, at = self._open.pop()
        if at >= 0:
            # A style ends behind words, never behind white space.
            words = self._parts[-1].rstrip() or self._parts[-1]
            space = self._parts[-1][len(words) :]
            self._parts[-1:] = [words, marker, space] if space else [words, marker]
            if name == "Emphasis":
                self._settle_emphasis(at, follows)
        elif name == "Tilde":
            self._say("~")

    def _settle_emphasis(self, at: int, follows: str) -> None:
        """Discord takes the first three stars of `***a** b*` for two and a star: then the outer ones are lines,
        or, where these would be none (they stand at the edges of words), nothing."""
        inside = "".join(self._parts[at:]).rstrip()[:-1]
        if not inside.startswith("**") or inside.find("**", 2) == len(inside) - 2:
            return
        before = self._parts[at - 2][-1:] if at > 1 else ""
        marker = "" if "_" in before + inside + follows or before.isalnum() or follows.isalnum() else "_"
        end = next(number for number in range(len(self._parts) - 1, at, -1) if self._parts[number] == "*")
        self._parts[at - 1] = self._parts[end] = marker

    def _link(self) -> None:
        if self._cell is None:
            self._flush()
        name, url, at = self._open.pop()
        label = "".join(self._cell if self._cell is not None else self._parts[at:] if at >= 0 else ())
        address = url.removeprefix("mailto:").removeprefix("tel:")
        if not url or address in label.replace("\\", ""):
            return
        is_web = url.startswith(("https://", "http://")) and self._may_link(url)
        if name == "Link" and is_web and self._cell is None and _may_be_label(label):
            self._parts[at:] = [*_linked(self._parts[at:], url)]
        else:
            self._say(f" ({address})" if label.strip() else address)
            self._flush()

    def _heading(self, level: str, start: int) -> None:
        # Lines under words make a heading of them: the growing text would jump.
        if self._source[start : start + 1] != b"#":
            self._open.append(("Heading", "", -1))
            return
        self._is_heading = True
        small = bool(self._lists) or level not in ("H1", "H2", "H3")
        if not small:
            self._lead += "#" * int(level[1]) + " "
        self._open.append(("Strong", "**" if small else "", -2))

    def _heading_ends(self, event: Event) -> None:
        self._flush()
        _, marker, at = self._open.pop()
        self._is_heading = False
        if at == -1 and self._source[event.start : event.end].rstrip().endswith(b"---"):
            self._gap = 1
            self._say(_RULE)
        elif marker and at >= 0:
            self._parts.append(marker)
        self._lead = self._lead.rstrip("# ") if not self._lists else self._lead

    def _is_in(self, name: str) -> bool:
        return any(each == name and (name == "Link" or at != -1) for each, _, at in self._open)

    def _block(self, start: int) -> None:
        self._flush()
        if self._lead.strip():
            return
        self._break_line(start)
        self._lead = "  " * len(self._lists)

    def _item(self, start: int, number: str | None) -> None:
        self._flush()
        self._break_line(start)
        before = self._lead if self._lead.strip(" -") else ""
        expected, self._lists[-1] = self._lists[-1], int(number[:-1]) + 1 if number else None
        if number is None:
            mark = "• " if before else "- "
        elif before or expected != int(number[:-1]):
            # Discord counts by itself: any other number is words.
            mark = f"{number[:-1]}\\{number[-1]} "
        else:
            mark = f"{number[:-1]}. "
        self._lead = (before or "  " * (len(self._lists) - 1)) + mark

    def _break_line(self, start: int) -> None:
        self._gap = max(self._gap, line_breaks_before(self._source, start))

    def _say(self, text: str) -> None:
        """Words, not escaped yet."""
        if self._raw is not None:
            self._raw.append(text)
        elif self._cell is not None:
            self._cell.append(text)
        else:
            self._words.append(text)

    def _flush(self) -> None:
        if not self._words or self._cell is not None:
            return
        text, self._words = "".join(self._words), []
        if not text:
            return
        at_start = not self._parts or bool(self._gap or self._lead) or self._parts[-1].endswith(("\n", "\n> "))
        self._put(_escaped(text, self._may_link, at_start=at_start))

    def _put(self, text: str) -> None:
        """Discord's Markdown, under all that was waiting for words."""
        if self._is_heading and self._lead.endswith("# "):
            # Nor is white space a word of a heading to Discord.
            text = text.lstrip()
            if not text:
                return
        if self._gap or self._lead or not self._parts:
            quote = "> " if self._quotes else ""
            blank = f"\n{quote}" if self._is_quoted else "\n"
            lead = (blank * (self._gap - 1) + "\n" if self._parts else "") + quote + self._lead
            self._gap, self._lead = 0, ""
            self._parts.append(lead)
            self._open = [self._opened(*each) for each in self._open]
        self._is_quoted = self._quotes > 0
        self._parts.append(text.replace("\n", "\n> ") if self._quotes else text)

    def _opened(self, name: str, marker: str, at: int) -> tuple[str, str, int]:
        if at != -2:
            return name, marker, at
        if name == "Strong":
            self._parts.append(marker)
        return name, marker, len(self._parts)

    def _code(self, text: str) -> None:
        # The end of a style is looked for in code, too.
        is_torn = any(marker and marker in text for _, marker, at in self._open if at != -1)
        # Three backticks are a block, wherever they stand.
        if self._cell is not None or is_blank(text) or is_torn or "``" in text:
            self._say(text)
            return
        self._flush()
        ticks = "``" if "`" in text else "`"
        space = " " if text[0] == "`" or text[-1] == "`" else ""
        if self._parts and self._parts[-1].endswith("`") and not self._gap:
            self._put("\u200b")
        self._put(f"{ticks}{space}{text}{space}{ticks}")

    def _fence(self, text: str, language: str | None) -> None:
        if is_blank(text):
            return
        if self._lead.strip():
            self._put("")
            self._gap = 1
        self._lead = ""
        # Three backticks end it, whatever it began with.
        text = _THREE_TICKS.sub(lambda ticks: "\u200b".join(ticks[0]), text)
        if language and not _LANGUAGE.fullmatch(language):
            language = None
        self._put(f"```{language or ''}\n{text}\n```")


def _escaped(text: str, may_link: Callable[[str], bool] = lambda url: True, *, at_start: bool = True) -> str:
    done, position = [], 0
    for match in _ADDRESS.finditer(text):
        url = without_tail(match[0])
        done.append(_SPECIAL.sub(r"\\\g<0>", text[position : match.start()]))
        position = match.start() + len(url)
        if not may_link(url if "://" in url else f"https://{url}"):
            # The end of a style is looked for in code, too.
            is_torn = "*" in url or "~~" in url
            done.append(_SPECIAL.sub(r"\\\g<0>", url).replace("://", "\\://") if is_torn else f"`{url}`")
        else:
            # Discord would take what follows without a space for a part of it.
            stands_alone = text[position : position + 1].isspace() and _bare(url) == url
            done.append(url if stands_alone or "://" not in url else f"<{_bare(url)}>")
    done.append(_SPECIAL.sub(r"\\\g<0>", text[position:]))
    whole = "".join(done)
    first, newline, rest = whole.partition("\n")
    if at_start:
        return _BLOCK_START.sub(r"\1\2\\", whole)
    return first + newline + _BLOCK_START.sub(r"\1\2\\", rest) if newline else first


def _may_be_label(label: str) -> bool:
    """Discord shows no link whose words look like an address, or whose brackets do not match."""
    return not is_blank(label) and "://" not in label and label.count("[") == label.count("]") and "\n" not in label


def _linked(label: Sequence[str], url: str) -> Iterator[str]:
    words = "".join(label)
    stripped = words.lstrip()
    yield words[: len(words) - len(stripped)]
    target = f"<{_bare(url)}>" if regex.search(r"[()]", url) else _bare(url)
    if _NESTED.search(url):
        target = _bare(url).replace("(", "%28").replace(")", "%29")
    yield f"[{stripped.rstrip()}]({target})"
    yield stripped[len(stripped.rstrip()) :]


def _bare(url: str) -> str:
    """The same address without what Discord takes for the end of a style around it."""
    return url.replace("*", "%2A").replace("~~", "~%7E")


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    """A table as lines of equal width."""
    count = max(map(len, rows), default=0)
    padded = [(row + [""] * count)[:count] for row in rows]
    widths = [max(width(row[column]) for row in padded) for column in range(count)]
    if sum(widths) > _WIDEST:
        # Padding to the longest cell would make the table many times as long as its words.
        widths = [0] * count
    for number, row in enumerate(padded):
        cells = [cell + " " * (most - width(cell)) for cell, most in zip(row, widths, strict=True)]
        yield " │ ".join(cells).rstrip()
        if number == 0:
            yield "─┼─".join("─" * max(most, 1) for most in widths)
