"""One version of the policies, in memory for every turn: its prompts, its sentences, and the search in it."""

from collections.abc import Iterable, Sequence

from bot.chat import Source
from bot.policies.language import guess_language
from bot.policies.prompts import Prompts, Section
from bot.policies.search import Found, Search
from bot.policies.tables import common_tables
from bot.text import estimate_tokens

_SECTION_OVERHEAD_TOKENS = 12
"""Its id, title and heading, about."""


class Policies:
    """One policy version. It never changes: a running reply keeps the one that it began with."""

    def __init__(self, prompts: Prompts, version: str, language: str) -> None:
        self.prompts = prompts
        self.version = version
        self.language = language
        """The language that everything exists in, and in which the program speaks when it knows no better."""
        self.languages: tuple[str, ...] = (language, *sorted(prompts.sentences.keys() - {language}))
        """Those the program has sentences in, the default first."""
        self._search = Search(prompts.sections, common_tables().with_own(prompts.tables))
        self._sources = {"": _sources(prompts.sections)} | {
            language: _sources(section for section in prompts.sections if section.language == language)
            for language in {section.language for section in prompts.sections}
        }

    def sentence(self, key: str, language: str | None = None, /, **values: object) -> str:
        """What the program says for `key`, in `language` if it can speak it, with placeholders filled in.

        Raises `KeyError` for a key or a placeholder that does not exist: a mistake of the program.
        """
        own = self.prompts.sentences.get(language or "") or self.prompts.sentences[self.language]
        written = {name: _written(value, language or self.language) for name, value in values.items()}
        return own[key].format_map({"shop": own["shop_name"], **written})

    async def search(
        self, text: str, *, language: str | None = None, limit: int = 5, before: Sequence[str] = ()
    ) -> tuple[Found, ...]:
        """The sections that a question is about, best first; those in its language come before others.

        `before` are the questions before it, oldest first: they count when it cannot be understood without.
        It waits for nothing: a search takes some milliseconds, however many sections there are.
        """
        language = language or guess_language(text, None, self.language, self.languages)
        return self._search.find(text, language=language, limit=limit, before=before)

    def telling_words(self, text: str, *, language: str | None = None) -> tuple[str, ...]:
        """The words of a text that say what it is about, as `Search.telling_words` gives them."""
        language = language or guess_language(text, None, self.language, self.languages)
        return self._search.telling_words(text, language=language)

    def sources_for(self, language: str, budget_tokens: int) -> tuple[Source, ...] | None:
        """All sections in a stable order if they fit the budget, else those in the language if they do.

        None when neither fits: take what `search` finds.
        """
        for name in ("", language):
            sources, tokens = self._sources.get(name, ((), 0))
            if sources and tokens <= budget_tokens:
                return sources
        return None


def _written(value: object, language: str) -> object:
    """A number as people write it: 16,000 in English, 16.000 in Vietnamese."""
    if isinstance(value, int):
        return f"{value:,}" if language == "en" else f"{value:,}".replace(",", ".")
    return value


def estimated_tokens(section: Section) -> int:
    """A section's length for a model, on the safe side: Vietnamese takes about a token for three bytes of UTF-8."""
    return estimate_tokens(section.text) + _SECTION_OVERHEAD_TOKENS


def _sources(sections: Iterable[Section]) -> tuple[tuple[Source, ...], int]:
    """These sections as a model is told them, and how long they are."""
    chosen = tuple(sections)
    return tuple(section.source() for section in chosen), sum(map(estimated_tokens, chosen))
