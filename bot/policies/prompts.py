"""The prompts folder as frozen values: what the shop says, section by section and sentence by sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.chat import Source
from bot.policies.expectations import PolicyTest
from bot.policies.hours import DeskHours
from bot.policies.period import NO_TERMS, Terms
from bot.policies.tables import SearchTables


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading of a policy: the unit that is found, cited and shown as a source.

    `id` is `LANGUAGE/NAME#HEADING`, for example `vi/returns#thoi-han-doi-tra`; text above the first heading
    has the id of its policy alone. `headings` are those above and its own, `text` is Markdown, word for word.
    """

    id: str
    policy: str
    language: str
    title: str
    headings: tuple[str, ...]
    text: str
    url: str | None = None
    terms: Terms = NO_TERMS
    """Those of its policy: when it counts, and for whose questions."""
    line: int = 0
    """Where it begins in its file."""

    @property
    def heading(self) -> str:
        """Its own heading; the policy's title for the text above the first one."""
        return self.headings[-1] if self.headings else self.title

    def source(self) -> Source:
        """The section as a model is told and a reader is shown it."""
        return Source(self.id, self.title, " › ".join(self.headings) or self.title, self.text, self.url)


@dataclass(frozen=True, slots=True)
class Prompts:
    """A folder that was read and checked. The order of everything is the same for the same files."""

    system: str
    """The instructions for customers' questions."""
    staff: str
    """The instructions for the questions of staff."""
    sections: tuple[Section, ...]
    """Ordered by policy, then as written."""
    sentences: Mapping[str, Mapping[str, str]]
    """Language → key → what the program says by itself."""
    files: Mapping[str, str] = field(repr=False)
    """Path in the folder → its text (NFC, `\\n`): what a version keeps."""
    tables: SearchTables = field(default_factory=SearchTables)
    """What the shop adds to the words that the search knows."""
    desk: DeskHours = field(default_factory=DeskHours)
    """When somebody is there for customers who want a person."""
    tests: tuple[PolicyTest, ...] = ()
    """What the shop expects to be found and said; ordered by file, then as written."""

    def terms(self) -> dict[str, Terms]:
        """When each policy counts, and for whose questions."""
        return {section.policy: section.terms for section in self.sections}

    @property
    def policies(self) -> tuple[str, ...]:
        """Names of all policies, like `vi/returns`."""
        return tuple(dict.fromkeys(section.policy for section in self.sections))
