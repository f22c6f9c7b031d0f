"""The line under an answer that names the sections it relies on."""

import re
from collections.abc import Iterable, Sequence

from bot.chat import Source
from bot.text import one_line

_SHOWN = 5
"""The web page, which shows the sections themselves, shows so many, too."""
_LONGEST_NAME = 100
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#])")
_ADDRESS = str.maketrans({"(": "%28", ")": "%29", "<": "%3C", ">": "%3E", " ": "%20"})


def sources_of(sections: Iterable[Source], cited: Iterable[str]) -> tuple[Source, ...]:
    """The sections that an answer relies on, each once, in the order in which it named them."""
    known = {section.section_id: section for section in sections}
    return tuple(known[section_id] for section_id in dict.fromkeys(cited) if section_id in known)


def label_of(sources: Sequence[Source]) -> str:
    """The key of the sentence that stands before them."""
    return "source_label" if len(sources) == 1 else "sources_label"


def source_lines(label: str, sources: Sequence[Source]) -> tuple[str, ...]:
    """The line in Markdown, in forms that get shorter: `Label: Title › Heading, Heading; Title`, then the titles
    alone, then one title. Sections of one policy are named together, links when it has an address."""
    if not sources:
        return ()
    policies: dict[tuple[str, str | None], list[str]] = {}
    for source in sources[:_SHOWN]:
        headings = policies.setdefault((source.title, source.url), [])
        if source.heading and source.heading != source.title:
            headings.append(source.heading)
    more = " …" if len(sources) > _SHOWN else ""
    named = "; ".join(_linked(title, headings, url) for (title, url), headings in policies.items())
    titles = [_linked(title, (), url) for title, url in policies]
    rest = " …" if len(titles) > 1 else more
    return f"{label}: {named}{more}", f"{label}: {'; '.join(titles)}{more}", f"{label}: {titles[0]}{rest}"


def _linked(title: str, headings: Sequence[str], url: str | None) -> str:
    heading = ", ".join(one_line(heading, _LONGEST_NAME) for heading in headings)
    name = _MARKDOWN.sub(r"\\\1", " › ".join(filter(None, (one_line(title, _LONGEST_NAME), heading))))
    return f"[{name}]({url.translate(_ADDRESS)})" if url else name
