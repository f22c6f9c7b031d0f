"""The model that needs no account: it answers with the best-matching sections, word for word.

It is also who answers when no other model does.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

from bot.chat import Source
from bot.llm.base import Billed, Cited, Finished, ModelEvent, ModelRequest, Payer, TextDelta, Usage
from bot.text import fold

STEPS = 30
CLOSE = 0.7
"""The second section is shown, too, when it holds at least this share of the question's words that the first holds."""

Sentence = Callable[[str, str], str]
"""The sentence of a key in a language. The keys here are `small_talk`, `offline_notice` and `offline_nothing`, or
`fallback_notice` and `fallback_nothing`."""


class OfflineModel:
    """Quotes what the search found, names it as source, and says that no model is configured.

    One that `stands_in` for models says first that they cannot be reached, that the shop's own words follow, and how
    to reach a person. The text grows over about `seconds`, so that it reads like any other answer.
    """

    name = "offline"

    def __init__(
        self,
        *,
        sentence: Sentence,
        stands_in: bool = False,
        seconds: float = 0.6,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._sentence = sentence
        self._stands_in = stands_in
        self._seconds = seconds
        self._sleep = sleep

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        yield Billed(Usage(), Payer(self.name))
        sections = await chosen(request) if request.asks else []
        parts: list[tuple[str, str | None]] = [(_quoted(section), section.section_id) for section in sections]
        role = "fallback" if self._stands_in else "offline"
        key = "small_talk" if not request.asks else f"{role}_notice" if sections else f"{role}_nothing"
        said = self._sentence(key, request.language)
        if self._stands_in and sections:
            parts.insert(0, (f"{said}\n\n", None))
        else:
            parts.append((said, None))
        size = max(1, sum(len(text) for text, _ in parts) // STEPS)
        for text, section_id in parts:
            for piece in _pieces(text, size):
                yield TextDelta(piece)
                await self._sleep(self._seconds / STEPS)
            if section_id is not None:
                yield Cited(section_id)
        yield Finished(Usage(), self.name, payer=Payer(self.name))

    async def close(self) -> None:
        """There is nothing to give back."""


async def chosen(request: ModelRequest) -> list[Source]:
    """The best section that was found, and the second one when it fits the question nearly as well."""
    known = request.known
    found = [section for section in await request.find() if section.section_id in known][:2]
    if len(found) < 2 or not request.messages:
        return found
    words = _words(request.messages[-1].text)
    best, second = (len(words & _words(f"{s.title} {s.heading} {s.text}")) for s in found)
    return found if second and second >= CLOSE * best else found[:1]


def _quoted(section: Source) -> str:
    heading = section.heading or section.title
    return f"**{heading}**\n\n{section.text.strip()}\n\n" if heading else f"{section.text.strip()}\n\n"


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{2,}", fold(text)))


def _pieces(text: str, size: int) -> Iterator[str]:
    """The text in pieces of at least `size` characters, cut between words only."""
    piece = ""
    for word in re.findall(r"\S+\s*|\s+", text):
        piece += word
        if len(piece) >= size:
            yield piece
            piece = ""
    if piece:
        yield piece
