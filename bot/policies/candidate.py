"""What might go live next: a prompts folder as it is at one moment, or the files of a version, checked as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.errors import Problem, PromptsError
from bot.policies.check import check, checked
from bot.policies.prompts import Prompts
from bot.policies.read import read_folder
from bot.policies.version import version_of


@dataclass(frozen=True, slots=True)
class Candidate:
    """`prompts` is None when it does not check; `problems` says why.

    `digest` is the same for the same content. For a folder that could be read whole it is the id of its version.
    """

    digest: str
    files: Mapping[str, str]
    prompts: Prompts | None = None
    problems: tuple[Problem, ...] = ()


def read_candidate(folder: Path, *, language: str) -> Candidate:
    """A folder as it is now. Raises nothing: what is wrong with it is among the problems."""
    files, unread = read_folder(folder)
    # What could not be read is part of the content: when it can be, that is another candidate.
    marks = {f"\0{number}": str(problem) for number, problem in enumerate(unread)}
    digest = version_of({**files, **marks})
    try:
        return Candidate(digest, files, checked(folder, files, unread, language=language))
    except PromptsError as exc:
        return Candidate(digest, files, None, exc.problems)


def stored_candidate(version: str, files: Mapping[str, str], *, language: str) -> Candidate:
    """The files of a version, which an older program may have found right and this one does not."""
    try:
        return Candidate(version, files, check(files, language=language))
    except PromptsError as exc:
        return Candidate(version, files, None, exc.problems)
