"""Turns the files of a prompts folder into `Prompts`, or says all that is wrong with them at once."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import regex

from bot.errors import Problem, PromptsError
from bot.policies.expectations import PolicyTest, read_tests
from bot.policies.findings import Findings, shown
from bot.policies.front_matter import PolicyHead, PromptHead, split, validated
from bot.policies.hours import DeskHours, read_hours
from bot.policies.prompts import Prompts, Section
from bot.policies.read import read_folder
from bot.policies.references import missing_sections
from bot.policies.sections import cut, slug_of
from bot.policies.sentences import read_sentences
from bot.policies.tables import SearchTables, read_tables
from bot.text import clean, is_blank

MAX_SECTIONS = 20_000
"""So many can be searched while a customer waits, and taken over while he does not notice."""
_NAME = regex.compile(r"[a-z0-9_-]{1,64}")
_LANGUAGE = regex.compile(r"[a-z]{2,3}")
_CONFLICT = regex.compile(r"(?:<{7}|>{7}|\|{7})(?: .*)?")
_PLACES = (
    "system.md, staff.md, search.toml, desk.toml, policies/LANGUAGE/NAME.md, sentences/LANGUAGE.toml and "
    "tests/NAME.yaml"
)


def read_prompts(folder: Path, *, language: str = "vi") -> Prompts:
    """Read and check a folder. `language` is the one that everything must exist in at least.

    Raises `PromptsError` with every problem; their files are named with the folder.
    """
    files, problems = read_folder(folder)
    return checked(folder, files, problems, language=language)


def checked(folder: Path, files: Mapping[str, str], unread: Iterable[Problem], *, language: str = "vi") -> Prompts:
    """Check what `read_folder` found in a folder. Raises `PromptsError` as `read_prompts` does."""
    problems = list(unread)
    prompts = None
    if files or not problems:
        try:
            prompts = check(files, language=language, unread=[problem.file for problem in problems])
        except PromptsError as exc:
            problems += exc.problems
    if problems or prompts is None:
        raise PromptsError([replace(problem, file=_in(folder, problem.file)) for problem in _sorted(problems)])
    return prompts


def check(files: Mapping[str, str], *, language: str = "vi", unread: Iterable[str] = ()) -> Prompts:
    """Check files that are in memory: path in the folder → text. Raises `PromptsError` with every problem.

    Files and folders that are `unread` are there but could not be read: they are not called missing.
    """
    checker = _Checker()
    unread = set(unread)
    checker.seen.update(unread)
    for path, text in sorted(files.items()):
        checker.take(path, text)
    checker.must_have(language)
    if len(checker.sections) > MAX_SECTIONS:
        reason = f"there are more than {MAX_SECTIONS:,} sections in all policies together."
        checker.problems.append(Problem("policies", 0, reason, "Put what belongs together under one heading."))
    if not checker.problems and not unread:  # a section may be missing since its policy is wrong
        checker.problems += missing_sections(checker.tests, checker.sections)
    if checker.problems:
        raise PromptsError(_sorted(checker.problems))
    return Prompts(
        system=checker.prompts.get("system.md", ""),
        staff=checker.prompts.get("staff.md", ""),
        sections=tuple(checker.sections),
        sentences=checker.sentences,
        files=dict(sorted(files.items())),
        tables=checker.tables,
        desk=checker.desk,
        tests=tuple(checker.tests),
    )


class _Checker:
    def __init__(self) -> None:
        self.prompts: dict[str, str] = {}
        self.sections: list[Section] = []
        self.sentences: dict[str, dict[str, str]] = {}
        self.tables = SearchTables()
        self.desk = DeskHours()
        self.tests: list[PolicyTest] = []
        self.problems: list[Problem] = []
        self.seen: set[str] = set()

    def take(self, path: str, text: str) -> None:
        findings = Findings(shown(path))
        self.seen.add(path)
        match path.split("/"):
            case ["system.md" | "staff.md"]:
                self.prompt(path, text, findings)
            case ["search.toml"]:
                self.tables = read_tables(text, findings) if _is_clean(text, findings) else self.tables
            case ["desk.toml"]:
                self.desk = read_hours(text, findings) if _is_clean(text, findings) else self.desk
            case ["policies", language, name] if name.endswith(".md"):
                name = name.removesuffix(".md")
                plain = slug_of(name[:64])
                if _is_named(language, _LANGUAGE, "vi", findings) and _is_named(name, _NAME, plain, findings):
                    self.policy(language, name, text, findings)
            case ["sentences", name] if name.endswith(".toml"):
                if _is_named(name[:-5], _LANGUAGE, "vi", findings):
                    self.sentences[name[:-5]] = read_sentences(text, findings) if _is_clean(text, findings) else {}
            case ["tests", name] if name.endswith(".yaml"):
                if _is_named(name[:-5], _NAME, "returns", findings, ".yaml"):
                    self.tests += read_tests(text, findings) if _is_clean(text, findings) else ()
            case _:
                findings.add(0, "this file does not belong here.", f"Move it away; here are only {_PLACES}.")
        self.problems += findings.problems

    def prompt(self, path: str, text: str, findings: Findings) -> None:
        if not _is_clean(text, findings):
            return
        document = split(text, findings)
        validated(PromptHead, document, findings)
        self.prompts[path] = document.body.strip()
        if is_blank(document.body) and not findings.problems:
            findings.add(0, "this file is empty.", "Write what the model is to do.")

    def policy(self, language: str, name: str, text: str, findings: Findings) -> None:
        if not _is_clean(text, findings):
            return
        document = split(text, findings)
        head = validated(PolicyHead, document, findings)
        parts = cut(document.body, document.body_line, findings)
        if not parts and not findings.problems:
            findings.add(0, "this policy has no text.", "Write it below the front matter.")
        if head is None:
            return
        if head.language not in (None, language):
            reason = f"language is “{shown(head.language)}”, but the file is in policies/{language}/."
            findings.add(document.lines["language"], reason, "Move the file, or correct the language.")
        terms = head.terms
        if terms.period.is_empty:
            reason = f"valid_until ({terms.period.until}) is before valid_from ({terms.period.start})."
            findings.add(document.lines["valid_until"], reason, "Swap them, or correct one.")
        policy = f"{language}/{name}"
        for part in parts:
            section_id = f"{policy}#{part.slug}" if part.slug else policy
            what = (section_id, policy, language, head.title, part.headings, part.text, head.url)
            self.sections.append(Section(*what, terms=terms, line=part.line))

    def must_have(self, language: str) -> None:
        needed = {
            "system.md": "Write the instructions for customers' questions into it.",
            "staff.md": "Write the instructions for the questions of staff into it.",
            f"sentences/{language}.toml": "Write the program's sentences into it, or set SHOPDESK_LANGUAGE.",
        }
        for path, fix in needed.items():
            if not self.seen & {path, path.split("/")[0]}:
                self.problems.append(Problem(path, 0, "this file is missing.", fix))
        if not any(path.split("/")[0] == "policies" for path in self.seen):
            self.problems.append(Problem("policies", 0, "there is no policy.", "Write one: policies/vi/returns.md."))


def _is_named(name: str, allowed: "regex.Pattern[str]", example: str, findings: Findings, ending: str = ".md") -> bool:
    if allowed.fullmatch(name):
        return True
    if allowed is _LANGUAGE:
        findings.add(0, f"“{shown(name)}” is no language.", f"Use its code of two or three letters, like {example}.")
    else:
        reason = f"“{shown(name)}” is no name for a {'policy' if ending == '.md' else 'file of tests'}."
        findings.add(0, reason, f"Use at most 64 of a–z, 0–9, - and _, like {example}{ending}.")
    return False


def _is_clean(text: str, findings: Findings) -> bool:
    """Whether the text holds nothing invisible and no merge conflict; what it means is not looked at otherwise."""
    hidden = clean(text) != unicodedata.normalize("NFC", text)
    found = False
    for number, line in enumerate(text.split("\n"), start=1):
        if hidden and (char := next((char for char in line if not clean(char)), "")):
            reason = f"there is an invisible control character (U+{ord(char):04X})."
            findings.add(number, reason, "Delete it, or type the line again.")
            found = True
        if _CONFLICT.fullmatch(line):
            findings.add(number, "a mark of a merge conflict was left in.", "Settle the conflict and delete the marks.")
            found = True
    return not found


def _sorted(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.file, problem.line))


def _in(folder: Path, file: str) -> str:
    return f"{folder.as_posix()}/{file}" if file else folder.as_posix()
