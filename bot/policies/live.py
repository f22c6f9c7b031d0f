"""One version of the policies, in memory for every turn: its prompts, its sentences, and the search in it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from bot.chat import Role, Source
from bot.policies.language import guess_language
from bot.policies.period import Calendar, on_the_wall
from bot.policies.prompts import Prompts, Section
from bot.policies.search import Found, Search
from bot.policies.tables import common_tables
from bot.text import estimate_tokens

_SECTION_OVERHEAD_TOKENS = 12
"""Its id, title and heading, about."""
_KEPT = 8

Choice = tuple[tuple[Source, ...], int]
"""Sections as a model is told them, and how many tokens they are."""


class Policies:
    """One policy version. It never changes: a running reply keeps the one that it began with.

    What counts in it changes with time by itself: at each moment those policies do whose period includes it,
    by the clock of `timezone`. `now` is the moment where none is named.
    """

    def __init__(
        self,
        prompts: Prompts,
        version: str,
        language: str,
        *,
        timezone: tzinfo = UTC,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.prompts = prompts
        self.version = version
        self.language = language
        """The language that everything exists in, and in which the program speaks when it knows no better."""
        self.languages: tuple[str, ...] = (language, *sorted(prompts.sentences.keys() - {language}))
        """Those the program has sentences in, the default first."""
        self._search = Search(prompts.sections, common_tables().with_own(prompts.tables))
        self.timezone = timezone
        self._now = now
        self._calendar = Calendar(prompts.terms().items(), timezone)
        self._told = tuple((section, section.source(), estimated_tokens(section)) for section in prompts.sections)
        self._chosen: dict[frozenset[str], dict[str, Choice]] = {}
        """What all and each of the languages hold, by the policies that do not count."""
        self._choices(frozenset())

    def sentence(self, key: str, language: str | None = None, /, **values: object) -> str:
        """What the program says for `key`, in `language` if it can speak it, with placeholders filled in.

        Raises `KeyError` for a key or a placeholder that does not exist: a mistake of the program.
        """
        own = self.prompts.sentences.get(language or "") or self.prompts.sentences[self.language]
        written = {name: _written(value, language or self.language) for name, value in values.items()}
        return own[key].format_map({"shop": own["shop_name"], **written})

    def wall(self, at: datetime | None = None) -> datetime:
        """A moment (now) as the shop's clock shows it, to compare with a policy's dates."""
        return on_the_wall(at or self._now(), self.timezone)

    async def search(
        self,
        text: str,
        *,
        language: str | None = None,
        limit: int = 5,
        before: Sequence[str] = (),
        at: datetime | None = None,
        asker: Role = "customer",
    ) -> tuple[Found, ...]:
        """The sections that a question is about, best first; those in its language come before others.

        `before` are the questions before it, oldest first: they count when it cannot be understood without.
        Only what counts `at` this moment (now) for a question of `asker` is found. It waits for nothing: a
        search takes some milliseconds, however many sections there are.
        """
        language = language or guess_language(text, None, self.language, self.languages)
        hidden = self._calendar.hidden(at or self._now(), asker)
        return self._search.find(text, language=language, limit=limit, before=before, hidden=hidden)

    def telling_words(self, text: str, *, language: str | None = None) -> tuple[str, ...]:
        """The words of a text that say what it is about, as `Search.telling_words` gives them."""
        language = language or guess_language(text, None, self.language, self.languages)
        return self._search.telling_words(text, language=language)

    def sources_for(
        self, language: str, budget_tokens: int, *, at: datetime | None = None, asker: Role = "customer"
    ) -> tuple[Source, ...] | None:
        """All sections in a stable order if they fit the budget, else those in the language if they do.

        None when neither fits: take what `search` finds. Only what counts `at` this moment (now) for a question
        of `asker` is among them; while that stays the same it is the same tuple, by which a request knows it.
        """
        choices = self._choices(self._calendar.hidden(at or self._now(), asker))
        for name in ("", language):
            sources, tokens = choices.get(name, ((), 0))
            if sources and tokens <= budget_tokens:
                return sources
        return None

    def _choices(self, hidden: frozenset[str]) -> dict[str, Choice]:
        if (choices := self._chosen.get(hidden)) is None:
            while len(self._chosen) >= _KEPT:
                del self._chosen[next(iter(self._chosen))]
            told = [one for one in self._told if one[0].policy not in hidden]
            languages = dict.fromkeys(section.language for section, _, _ in told)
            choices = {"": _choice(told)}
            choices |= {one: _choice(each for each in told if each[0].language == one) for one in languages}
            self._chosen[hidden] = choices
        return choices


def _written(value: object, language: str) -> object:
    """A number as people write it: 16,000 in English, 16.000 in Vietnamese."""
    if isinstance(value, int):
        return f"{value:,}" if language == "en" else f"{value:,}".replace(",", ".")
    return value


def estimated_tokens(section: Section) -> int:
    """A section's length for a model, on the safe side: Vietnamese takes about a token for three bytes of UTF-8."""
    return estimate_tokens(section.text) + _SECTION_OVERHEAD_TOKENS


def _choice(told: Iterable[tuple[Section, Source, int]]) -> Choice:
    chosen = tuple(told)
    return tuple(source for _, source, _ in chosen), sum(tokens for _, _, tokens in chosen)
