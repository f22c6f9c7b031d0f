"""Writes a policy test for a question that no policy answers yet, behind what is in the file already."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from bot.errors import StorageError
from bot.policies.expectations import MAX_QUESTION_CHARS, PolicyTest, read_tests
from bot.policies.findings import Findings
from bot.policies.read import MAX_FILE_BYTES
from bot.text import clean, fold

_NAME = "gaps.yaml"
_HEAD = "# Questions that customers asked and that no policy answered.\n"
_LATER = "  # When a policy answers it, write here instead: finds: POLICY › HEADING\n"


def write_gap_test(folder: Path, questions: Sequence[str], *, finds: str | None, note: str) -> tuple[Path, int]:
    """Add a test for a question and its other wordings to `tests/gaps.yaml`; its file and line.

    What is there stays as it is. Raises `StorageError` when the file does not check, has the test already, or
    cannot be written.
    """
    file = folder / "tests" / _NAME
    before = _read(file)
    known = {_bare(test.turns[-1]) for test in _tests(file, before)}
    question, *others = [clean(text).strip() for text in questions]
    if _bare(question) in known:
        raise StorageError(f"{file} has a test for this question already.")
    if len(question) > MAX_QUESTION_CHARS:
        raise StorageError(
            f"This question is longer than {MAX_QUESTION_CHARS:,} characters: write a shorter one by hand."
        )
    start = (before or _HEAD).rstrip("\n") + "\n\n"
    fitting = [text for text in others if _bare(text) not in known and len(text) <= MAX_QUESTION_CHARS]
    after = start + _test(question, fitting, finds, note)
    _tests(file, after)
    _write(file, after)
    return file, start.count("\n") + 2


def _test(question: str, others: Sequence[str], finds: str | None, note: str) -> str:
    """Texts are quoted as JSON, which is YAML, too, whatever stands in them."""
    lines = [f"# {note}", f"- ask: {_quoted(question)}"]
    if others:
        lines.append(f"  also: [{', '.join(map(_quoted, others))}]")
    expected = f"  finds: {_quoted(finds)}\n" if finds else f"{_LATER}  finds_nothing: true\n"
    return "\n".join(lines) + "\n" + expected


def _quoted(text: str) -> str:
    # These end a line for YAML, and JSON lets them stand.
    quoted = json.dumps(text, ensure_ascii=False)
    for char in "\u0085\u2028\u2029":
        quoted = quoted.replace(char, f"\\u{ord(char):04x}")
    return quoted


def _bare(text: str) -> str:
    return " ".join(fold(text).split())


def _read(file: Path) -> str:
    try:
        with open(file, encoding="utf-8-sig") as opened:
            return opened.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise StorageError(f"{file} is not UTF-8 text: mend it first.") from None
    except OSError as exc:
        raise StorageError(f"{file} cannot be read ({exc.strerror or type(exc).__name__}).") from exc


def _tests(file: Path, text: str) -> tuple[PolicyTest, ...]:
    findings = Findings(str(file))
    tests = read_tests(text, findings)
    if findings.problems:
        raise StorageError(f"{findings.problems[0]} Nothing was written.")
    return tests


def _write(file: Path, text: str) -> None:
    """In one step: who watches the folder never sees half of it."""
    try:
        if not file.parent.parent.is_dir():
            raise StorageError(f"There is no folder {file.parent.parent}: set SHOPDESK_PROMPTS.")
        file.parent.mkdir(exist_ok=True)
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, file)
    except OSError as exc:
        raise StorageError(f"{file} cannot be written ({exc.strerror or type(exc).__name__}).") from exc
