"""Cuts the Markdown of a policy into sections at its headings, and says which headings will not do."""

from dataclasses import dataclass, field

import regex

from bot.links import ANY, LinkHosts, host_of
from bot.policies.findings import Findings, shown
from bot.text import fold, is_blank

MAX_SECTION_CHARS = 6000
MAX_HEADINGS = 500
_HEADING = regex.compile(r" {0,3}(#{1,6})(?:[ \t](.*))?")
_NO_SPACE = regex.compile(r" {0,3}#{2,6}[^#\s]")
_FENCE = regex.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_LINK = regex.compile(r"\[[^\[\]\n]{0,500}\]\(([^)\n]{0,2000})")
_DEFINITION = regex.compile(r" {0,3}\[[^\[\]\n]{1,500}\]:[ \t]*(\S{0,2000})")
# https:/shop.example, https//shop.example: no reader and no door takes them for addresses.
_BROKEN = regex.compile(r"\bhttps?(?::/(?!/)|//|;/|:\p{L})[^\s)]{0,200}", regex.IGNORECASE)
_ANYWHERE = LinkHosts(frozenset({ANY}))
_NOT_IN_SLUG = regex.compile(r"[^\p{L}\p{N}]+")


@dataclass(slots=True)
class Part:
    """One heading's worth of a text; `headings` is empty above the first heading."""

    line: int
    level: int = 0
    headings: tuple[str, ...] = ()
    slug: str = ""
    above: "Part | None" = None
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What stands under the heading, word for word, without empty lines around it."""
        start, end = 0, len(self.lines)
        while start < end and not self.lines[start].strip():
            start += 1
        while end > start and not self.lines[end - 1].strip():
            end -= 1
        return "\n".join(self.lines[start:end]).rstrip()


def cut(body: str, first_line: int, findings: Findings) -> list[Part]:
    """The parts with text, in their order. A heading that only holds deeper headings is no part."""
    parts = _at_headings(body, first_line, findings)
    _name(parts, findings)
    kept = []
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        text = part.text
        if is_blank(text):
            if part.level and (following is None or following.level <= part.level):
                reason = f"the section “{shown(part.headings[-1])}” has no text."
                findings.add(part.line, reason, "Write it, or delete the heading.")
            continue
        if len(text) > MAX_SECTION_CHARS:
            reason = f"this section is longer than {MAX_SECTION_CHARS} characters: nobody would read it as a source."
            findings.add(part.line, reason, "Split it with more headings.")
        _check_links(part, findings)
        kept.append(part)
    return kept


def _at_headings(body: str, first_line: int, findings: Findings) -> list[Part]:
    parts = [Part(first_line)]
    fence, fence_line = "", 0
    for number, line in enumerate(body.split("\n"), start=first_line):
        if opened := _fence(line):
            mark, rest = opened
            if not fence:
                fence, fence_line = mark, number
            elif mark[0] == fence[0] and len(mark) >= len(fence) and not rest:
                fence = ""
        elif not fence:
            if heading := _HEADING.fullmatch(line):
                if len(parts) > MAX_HEADINGS:
                    findings.add(number, f"there are more than {MAX_HEADINGS} headings.", "Split the file.")
                    return parts
                parts.append(_part(parts[-1], number, len(heading[1]), _words(heading[2] or ""), findings))
                continue
            if _NO_SPACE.match(line):
                findings.add(number, "this is no heading: there is no space behind the #.", "Put one there.")
        parts[-1].lines.append(line)
    if fence:
        findings.add(fence_line, f"the code that begins with {fence[:9]} never ends.", "Close it with the same marks.")
    return parts


def _fence(line: str) -> tuple[str, str] | None:
    opened = _FENCE.fullmatch(line)
    if opened is None or (opened[1][0] == "`" and "`" in opened[2]):
        return None
    return opened[1], opened[2].strip()


def _words(heading: str) -> str:
    """A heading without the `##` that may close it."""
    heading = heading.strip()
    words = heading.rstrip("#")
    return words.rstrip() if not words or words[-1] in " \t" else heading


def _part(before: Part, line: int, level: int, heading: str, findings: Findings) -> Part:
    if is_blank(heading):
        findings.add(line, "this heading has no words.", "Write them behind the #.")
    above: Part | None = before
    while above and above.level >= level:
        above = above.above
    return Part(line, level, (*(above.headings if above else ()), heading), above=above)


def _name(parts: list[Part], findings: Findings) -> None:
    """Give each part a slug of its own. Headings that differ in marks only are two; the later gets a number."""
    seen: dict[str, int] = {}
    taken: set[str] = set()
    for part in parts[1:]:
        heading = part.headings[-1]
        first = seen.setdefault(" ".join(heading.casefold().split()), part.line)
        if first != part.line:
            reason = f"the heading “{shown(heading)}” is on line {first} already."
            findings.add(part.line, reason, "Give each heading its own words.")
        slug = base = slug_of(heading)
        number = 2
        while slug in taken:
            slug, number = f"{base}-{number}", number + 1
        taken.add(slug)
        part.slug = slug


def slug_of(heading: str) -> str:
    """A heading as it stands in an id: `Thời hạn đổi trả` → `thoi-han-doi-tra`."""
    return _NOT_IN_SLUG.sub("-", fold(heading)).strip("-")[:64].rstrip("-") or "section"


def _check_links(part: Part, findings: Findings) -> None:
    # A section that can be cited has no more lines than that.
    lines = part.lines[:MAX_SECTION_CHARS]
    for number, line in enumerate(lines, start=part.line + (1 if part.level else 0)):
        targets = [link[1].strip() for link in _LINK.finditer(line)]
        if definition := _DEFINITION.match(line):
            targets.append(definition[1])
        wrong = [target for target in targets if not _leads_somewhere(target)]
        wrong += [found[0] for found in _BROKEN.finditer(line) if found[0] not in wrong]
        for target in wrong:
            reason = f"“{shown(target)}” is no address that a customer could open."
            findings.add(number, reason, "Write all of it, from https:// on.")


def _leads_somewhere(target: str) -> bool:
    host = host_of(target)
    return _ANYWHERE.allow(target) and (host is None or "." in host)
