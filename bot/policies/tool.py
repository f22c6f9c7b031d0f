"""`search_policies`: the model searches the policies itself, when what it was given is not enough."""

from collections.abc import Mapping

from bot.chat import Source
from bot.llm.base import ToolSpec
from bot.policies.live import Policies
from bot.text import clean, is_blank
from bot.tools.base import Asker, Outcome

NAME = "search_policies"
_MAX_QUERY = 400
_NAMES = {"vi": "Vietnamese", "en": "English"}
_NOTHING = (
    "Nothing was found. Search once more in other words{other}; if that finds nothing either, tell the customer, in "
    "their language, that the shop's policies do not say it, and offer a person as your instructions describe it."
)


def language_name(language: str) -> str:
    """A language as a model is told of it."""
    return _NAMES.get(language, language)


class SearchPolicies:
    """The `Tool` over one policy version. `limit`: so many sections at most."""

    def __init__(self, policies: Policies, *, limit: int = 5) -> None:
        self.policies = policies
        self._limit = limit
        self._languages = sorted({section.language for section in policies.prompts.sections})
        self.spec = _spec(self._languages)

    async def call(self, arguments: Mapping[str, object], asker: Asker) -> Outcome:
        """What matches, best first."""
        query, language = arguments.get("query"), arguments.get("language")
        if not isinstance(query, str) or is_blank(query := clean(query[:_MAX_QUERY])):
            return Outcome("`query` must be a text: a few words that a policy may contain.", is_error=True)
        wanted = language if isinstance(language, str) and language in self._languages else None
        found = await self.policies.search(query, language=wanted, limit=self._limit, asker=asker.role)
        sections = tuple(hit.section.source() for hit in found if hit.good)
        return Outcome(_words(sections) if sections else self._nothing(wanted or asker.language), sections)

    def _nothing(self, language: str) -> str:
        others = [language_name(other) for other in self._languages if other != language]
        return _NOTHING.format(other=f" or in {' or '.join(others)}" if others else "")


def _spec(languages: list[str]) -> ToolSpec:
    names = " and ".join(map(language_name, languages)) or "the shop's language"
    return ToolSpec(
        NAME,
        "Searches the shop's policies (returns, refunds, shipping, payment, warranty and the like), which are too long "
        "to be given to you as a whole: what was found for the customer's message comes with it. Call this when that "
        "does not answer the question, before you say that the policies do not answer it, and before you write "
        f"anything to the customer. The policies are written in {names}: search in the words that a policy would use, "
        "not in the customer's chat spelling, one topic a call. Results are sections that you may rely on and cite.",
        {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "A few words, for example: phí đổi trả, return period"},
                "language": {
                    "type": "string",
                    "enum": languages,
                    "description": "The language of the query; sections in it come first.",
                },
            },
            "required": ["query"],
            "additionalProperties": False,
        },
    )


def _words(sections: tuple[Source, ...]) -> str:
    """What is said beside the sections themselves."""
    return f"{len(sections)} found, best first. Answer in the customer's language, whatever language they are in."
